// Who is it? Stands in place of every page while the hub does not know; the address stays, so one comes back to where one was.
import { logIn } from '../api.ts'
import { EntryForm, EntryPage } from '../parts/entry.tsx'
import { words } from '../words.ts'

export function LoginPage({ needsSetUp, hasEnded }: { needsSetUp: boolean; hasEnded: boolean }) {
  if (needsSetUp) {
    return (
      <EntryPage title={words.login.setUpTitle}>
        <p>{words.login.setUp}</p>
        <p>
          {words.login.setUpAgain} <code>npx mooring admin reset</code>
        </p>
      </EntryPage>
    )
  }
  return (
    <EntryPage title={words.login.title}>
      {hasEnded ? <p role="status">{words.login.ended}</p> : null}
      <EntryForm
        isNew={false}
        submit={words.login.submit}
        send={async (name, password) => {
          await logIn(name, password)
          location.reload()
        }}
      />
    </EntryPage>
  )
}
