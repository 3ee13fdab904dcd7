// Before what cannot be taken back: the name is typed, so that no hand slips.
import { useSignal } from '@preact/signals'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { twinWords } from '../../words/twin.ts'

interface Props {
  /** What has to be typed. */
  readonly name: string
  readonly sentence: string
  readonly submit: string
  readonly onConfirm: () => void
  readonly onEnd: () => void
}

export function Confirm({ name, sentence, submit, onConfirm, onEnd }: Props) {
  const typed = useSignal('')
  const field = useRef<HTMLInputElement>(null)
  useLayoutEffect(() => field.current?.focus(), []) // at once: the next key may already be the first letter
  const isRight = typed.value === name
  return (
    <form
      class="confirm"
      onSubmit={(event) => {
        event.preventDefault()
        if (isRight) onConfirm()
      }}
      onKeyDown={(event) => event.key === 'Escape' && onEnd()}
    >
      <p>
        <i class="shape warn" />
        {sentence}
      </p>
      <input
        ref={field}
        aria-label={twinWords.confirm.type(name)}
        placeholder={twinWords.confirm.type(name)}
        spellcheck={false}
        autocapitalize="none"
        autocomplete="off"
        onInput={(event) => {
          typed.value = event.currentTarget.value
        }}
      />
      <button type="submit" disabled={!isRight}>
        {submit}
      </button>
      <button type="button" onClick={onEnd}>
        {twinWords.confirm.cancel}
      </button>
    </form>
  )
}
