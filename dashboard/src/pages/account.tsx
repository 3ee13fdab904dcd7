// The account of who looks at the page: his password, his second factor, and the way out of every browser.
import { useSignal } from '@preact/signals'
import { changePassword } from '../api.ts'
import { leave, viewer } from '../me.ts'
import { CurrentPassword, Form, NewPassword } from '../parts/form.tsx'
import { SecondFactor } from '../parts/second-factor.tsx'
import { words } from '../words.ts'

export function AccountPage() {
  const { value } = viewer
  const me = value.is === 'in' ? value.me : null
  if (me?.is !== 'user') return <Head sentence={me === null ? words.problem.unreachable : words.account.nobody} />
  return (
    <>
      <Head sentence={words.login.who(me.name, me.role)} />
      <Password name={me.name} />
      <SecondFactor recoveryCodes={me.recoveryCodes} />
      <section class="account" aria-labelledby="logins">
        <h2 id="logins">{words.account.logins}</h2>
        <p>{words.account.everywhere}</p>
        <button type="button" onClick={() => leave(true)}>
          {words.account.leaveEverywhere}
        </button>
      </section>
    </>
  )
}

function Head({ sentence }: { sentence: string }) {
  return (
    <div class="head">
      <h1>{words.account.title}</h1>
      <p class="sentence">{sentence}</p>
    </div>
  )
}

function Password({ name }: { name: string }) {
  const changes = useSignal(0)
  return (
    <section class="account" aria-labelledby="password">
      <h2 id="password">{words.login.password}</h2>
      <p role="status">{changes.value === 0 ? words.account.password : words.account.changed}</p>
      <Form
        key={changes.value} // empty again after each change
        submit={words.account.change}
        problems={words.account.problems}
        send={async (said) => {
          await changePassword(said('password'), said('new-password'))
          changes.value++
        }}
      >
        {/* Who keeps passwords for people looks for whose it is. */}
        <input hidden name="username" autocomplete="username" value={name} readOnly />
        <CurrentPassword label={words.account.current} />
        <NewPassword label={words.account.new} />
      </Form>
    </section>
  )
}
