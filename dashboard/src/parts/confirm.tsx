// A dialog that asks before something that cannot be taken back: what it does, and a text to type.
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { Problem } from '../api.ts'
import { messagesWords } from '../words/messages.ts'

interface Question {
  readonly title: string
  readonly says: string
  /** What has to be typed. */
  readonly text: string
  readonly submit: string
  /** Errors: `Problem`. */
  readonly act: () => Promise<void>
  readonly onClose: () => void
}

export function Confirm({ title, says, text, submit, act, onClose }: Question) {
  const dialog = useRef<HTMLDialogElement>(null)
  const typed = useSignal('')
  const problem = useSignal('')
  const acting = useSignal(false)
  useEffect(() => dialog.current?.showModal(), [])
  const onSubmit = async (event: Event) => {
    event.preventDefault()
    if (acting.value || typed.value !== text) return
    acting.value = true
    try {
      await act()
      dialog.current?.close()
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      problem.value = error.message
    } finally {
      acting.value = false
    }
  }
  return (
    <dialog ref={dialog} class="confirm" aria-labelledby="confirm-title" onClose={onClose}>
      <h2 id="confirm-title">{title}</h2>
      <form class="ask" onSubmit={onSubmit}>
        <p>{says}</p>
        <label>
          {messagesWords.confirm.type(text)}
          <input
            value={typed.value}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => {
              typed.value = event.currentTarget.value
            }}
          />
        </label>
        <p role="alert" class="problem">
          {problem.value === '' ? null : <i class="shape bad" />}
          {problem.value}
        </p>
        <div class="tools">
          <button type="submit" class="main" disabled={typed.value !== text} aria-disabled={acting.value}>
            {submit}
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            {messagesWords.confirm.back}
          </button>
        </div>
      </form>
    </dialog>
  )
}
