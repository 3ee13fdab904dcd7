// A form that asks the hub for something: fields, what went wrong, one button. It is sent once at a time, and a secret is typed again.
import { useSignal } from '@preact/signals'
import type { ComponentChildren, InputHTMLAttributes } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'
import { Problem } from '../api.ts'
import { words } from '../words.ts'

/** As the hub has it (limits.userPasswordCharacters); it refuses what is shorter in its own words. */
const passwordCharactersMin = 12

/** What stands in a field. */
export type Said = (name: string) => string

export function Form({
  submit,
  send,
  takesFocus = false,
  problems = words.login.problems,
  children,
}: {
  submit: string
  /** Errors: `Problem`. */
  send: (said: Said) => Promise<void>
  /** Its first field has the keyboard when it appears. */
  takesFocus?: boolean
  /** Sentences for codes of the hub, where they are better than its own. */
  problems?: Readonly<Record<string, string>>
  children: ComponentChildren
}) {
  const problem = useSignal('')
  const sending = useSignal(false)
  const form = useRef<HTMLFormElement>(null)
  const id = useId()
  useEffect(() => {
    if (takesFocus) form.current?.querySelector<HTMLInputElement>('input:not([hidden])')?.focus()
  }, [])

  const onSubmit = async (event: Event) => {
    event.preventDefault()
    if (sending.value) return
    const all = [...form.current!.querySelectorAll('input')]
    const again = all.find(({ name }) => name === againName)
    const entries = new FormData(form.current!)
    const said: Said = (name) => String(entries.get(name) ?? '')
    problem.value = ''
    for (const input of all) input.ariaInvalid = null
    if (again !== undefined && said(againName) !== said(newName)) {
      problem.value = words.form.differ
      again.ariaInvalid = 'true'
      again.select()
      return
    }
    sending.value = true
    try {
      await send(said)
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      problem.value = problems[error.code] ?? error.message
      const secrets = all.filter(({ type, name }) => type === 'password' || name === codeName)
      for (const input of secrets) {
        input.value = ''
        input.ariaInvalid = 'true'
      }
      secrets[0]?.focus()
    } finally {
      sending.value = false
    }
  }

  return (
    <form ref={form} class="ask" onSubmit={onSubmit} aria-describedby={problem.value === '' ? undefined : id}>
      {children}
      <p id={id} role="alert" class="problem">
        {problem.value === '' ? null : (
          <>
            <i class="shape bad" />
            {problem.value}
          </>
        )}
      </p>
      <button type="submit" class="main" aria-disabled={sending.value}>
        {submit}
      </button>
    </form>
  )
}

export function Field({ label, ...input }: { label: string } & InputHTMLAttributes<HTMLInputElement>) {
  return (
    <label>
      {label}
      <input required autocapitalize="none" spellcheck={false} {...input} />
    </label>
  )
}

const newName = 'new-password'
const againName = 'new-password-again'

/** A password that is chosen here: it is typed twice, and browsers offer to make one. */
export function NewPassword({ label }: { label: string }) {
  const hint = useId()
  return (
    <>
      <Field label={label} type="password" name={newName} autocomplete="new-password" aria-describedby={hint} />
      <p id={hint} class="quiet">
        {words.form.hint(passwordCharactersMin)}
      </p>
      <Field label={words.form.again} type="password" name={againName} autocomplete="new-password" />
    </>
  )
}

export function CurrentPassword({ label = words.login.password }: { label?: string }) {
  return <Field label={label} type="password" name="password" autocomplete="current-password" />
}

const codeName = 'code'

/** Six digits from an app, or a recovery code where that is lost. */
export function CodeField() {
  const isRecovery = useSignal(false)
  const place = useRef<HTMLDivElement>(null)
  const change = () => {
    isRecovery.value = !isRecovery.value
    requestAnimationFrame(() => place.current?.querySelector('input')?.focus())
  }
  const { value } = isRecovery
  return (
    <div class="code" ref={place}>
      {value ? (
        <Field key="recovery" label={words.form.recoveryCode} name={codeName} autocomplete="off" maxLength={64} />
      ) : (
        <DigitsField key="digits" />
      )}
      <button type="button" class="link" onClick={change}>
        {value ? words.form.useApp : words.form.useRecovery}
      </button>
    </div>
  )
}

export function DigitsField() {
  return <Field label={words.form.code} name={codeName} inputmode="numeric" autocomplete="one-time-code" maxLength={16} />
}
