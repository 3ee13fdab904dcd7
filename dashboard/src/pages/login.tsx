// Who is it? Stands in place of every page while the hub does not know; the address stays, so one comes back to where one was.
import { useSignal } from '@preact/signals'
import { logIn, Problem } from '../api.ts'
import { EntryPage, NameField } from '../parts/entry.tsx'
import { CodeField, CurrentPassword, Form } from '../parts/form.tsx'
import { words } from '../words.ts'

export function LoginPage({ needsSetUp, hasEnded }: { needsSetUp: boolean; hasEnded: boolean }) {
  /** Whose password was right, and whose code is missing. */
  const proven = useSignal<{ readonly name: string; readonly password: string } | null>(null)
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
  const { value } = proven
  if (value !== null) {
    const { name, password } = value
    return (
      <EntryPage title={words.login.codeTitle}>
        <p>{words.login.codeLead}</p>
        <Form
          key="code"
          takesFocus
          submit={words.login.submit}
          send={async (said) => {
            await logIn(name, password, said('code'))
            location.reload()
          }}
        >
          <CodeField />
        </Form>
        <p>
          <button
            type="button"
            class="link"
            onClick={() => {
              proven.value = null
            }}
          >
            {words.login.asOther}
          </button>
        </p>
      </EntryPage>
    )
  }
  return (
    <EntryPage title={words.login.title}>
      {hasEnded ? <p role="status">{words.login.ended}</p> : null}
      <Form
        key="password"
        takesFocus
        submit={words.login.submit}
        send={async (said) => {
          const [name, password] = [said('username'), said('password')]
          try {
            await logIn(name, password)
            location.reload()
          } catch (error) {
            if (!(error instanceof Problem) || error.code !== 'second-factor-needed') throw error
            proven.value = { name, password }
          }
        }}
      >
        <NameField />
        <CurrentPassword />
      </Form>
    </EntryPage>
  )
}
