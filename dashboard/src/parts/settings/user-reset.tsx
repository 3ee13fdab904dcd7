// A user who cannot come in any more: another password, and the second factor off.
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { changeUser, type User } from '../../api/settings.ts'
import { Problem } from '../../api.ts'
import { settingsWords } from '../../words/settings.ts'
import { Form, NewPassword } from '../form.tsx'

const { users: said } = settingsWords

interface Props {
  readonly user: User
  readonly onDone: () => void
  readonly onClose: () => void
}

export function UserReset({ user: { name, secondFactor }, onDone, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  const problem = useSignal('')
  useEffect(() => dialog.current?.showModal(), [])
  const done = () => {
    onDone()
    dialog.current?.close()
  }
  const endFactor = async () => {
    try {
      await changeUser(name, { secondFactor: false })
      done()
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      problem.value = error.message
    }
  }
  return (
    <dialog ref={dialog} class="asks" aria-labelledby="reset-title" onClose={onClose}>
      <h2 id="reset-title">{said.resetOf(name)}</h2>
      <p>{said.resetSays}</p>
      <Form
        takesFocus
        submit={said.resetDo}
        problems={{}}
        send={async (entry) => {
          await changeUser(name, { password: entry('new-password') })
          done()
        }}
      >
        <NewPassword label={said.password} />
      </Form>
      <div class="tools">
        {secondFactor ? (
          <button type="button" onClick={() => void endFactor()}>
            {said.factorOff}
          </button>
        ) : null}
        <button type="button" onClick={() => dialog.current?.close()}>
          {settingsWords.cancel}
        </button>
      </div>
      <p role="alert">{problem}</p>
    </dialog>
  )
}
