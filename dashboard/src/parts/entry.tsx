// What the login and the set-up share: a page without the rail, and a form for a name and a password.
import { useSignal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { Problem } from '../api.ts'
import { words } from '../words.ts'
import { Anchor } from './icons.tsx'

/** As the hub has it (limits.userPasswordCharacters); it refuses what is shorter in its own words. */
const passwordCharactersMin = 12

export function EntryPage({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <main class="entry" id="page" tabIndex={-1}>
      <p class="brand">
        <Anchor />
        <span>{words.product}</span>
      </p>
      <h1>{title}</h1>
      {children}
    </main>
  )
}

export function EntryForm({
  isNew,
  submit,
  send,
}: {
  /** The password is chosen here: it is typed twice, and browsers offer to make one. */
  isNew: boolean
  submit: string
  /** Errors: `Problem`. */
  send: (name: string, password: string) => Promise<void>
}) {
  const problem = useSignal<{ readonly sentence: string; readonly code: string } | null>(null)
  const sending = useSignal(false)
  const name = useRef<HTMLInputElement>(null)
  const password = useRef<HTMLInputElement>(null)
  const again = useRef<HTMLInputElement>(null)
  useEffect(() => name.current?.focus(), [])

  const onSubmit = async (event: Event) => {
    event.preventDefault()
    if (sending.value) return
    const secret = password.current!.value
    if (isNew && secret !== again.current!.value) {
      problem.value = { sentence: words.setup.differ, code: '' }
      again.current!.select()
      return
    }
    sending.value = true
    problem.value = null
    try {
      await send(name.current!.value, secret)
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      // Which half was wrong is not said; the password is typed again in any case.
      problem.value = { sentence: words.login.problems[error.code] ?? error.message, code: error.code }
      if (again.current !== null) again.current.value = ''
      password.current!.value = ''
      password.current!.focus()
    } finally {
      sending.value = false
    }
  }

  return (
    <form onSubmit={onSubmit} aria-describedby={problem.value === null ? undefined : 'entry-problem'}>
      <label>
        {words.login.name}
        <input ref={name} name="username" autocomplete="username" autocapitalize="none" spellcheck={false} required maxLength={64} />
      </label>
      <label>
        {words.login.password}
        <input
          ref={password}
          type="password"
          name="password"
          autocomplete={isNew ? 'new-password' : 'current-password'}
          required
          aria-describedby={isNew ? 'entry-hint' : undefined}
          aria-invalid={problem.value !== null}
        />
      </label>
      {isNew ? (
        <>
          <p id="entry-hint" class="quiet">
            {words.setup.hint(passwordCharactersMin)}
          </p>
          <label>
            {words.setup.again}
            <input ref={again} type="password" name="password-again" autocomplete="new-password" required />
          </label>
        </>
      ) : null}
      <p id="entry-problem" role="alert" class="entry-problem">
        {problem.value === null ? null : (
          <>
            <i class="shape bad" />
            {problem.value.sentence}
          </>
        )}
      </p>
      <button type="submit" class="main" aria-disabled={sending.value}>
        {submit}
      </button>
    </form>
  )
}
