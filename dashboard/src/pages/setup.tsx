// The set-up: whoever opens the link that the hub printed makes the first admin.
import { setUp } from '../api.ts'
import { EntryPage, NameField } from '../parts/entry.tsx'
import { Form, NewPassword } from '../parts/form.tsx'
import { words } from '../words.ts'

export function SetupPage() {
  const token = location.hash.slice(1)
  if (token === '') {
    return (
      <EntryPage title={words.setup.title}>
        <p role="alert">{words.setup.noToken}</p>
      </EntryPage>
    )
  }
  return (
    <EntryPage title={words.setup.title}>
      <p>{words.setup.lead}</p>
      <Form
        takesFocus
        submit={words.setup.submit}
        send={async (said) => {
          await setUp(token, said('username'), said('new-password'))
          location.replace('/') // the link works once: it is not to be found in the history
        }}
      >
        <NameField />
        <NewPassword label={words.login.password} />
      </Form>
    </EntryPage>
  )
}
