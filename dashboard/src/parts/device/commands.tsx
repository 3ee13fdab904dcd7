// Commands to this device: one line to type one, below it what became of those before, live.
import { useSignal } from '@preact/signals'
import { useEffect, useId, useRef } from 'preact/hooks'
import { type Command, cancelCommand, sendCommand } from '../../api/twin.ts'
import { Problem } from '../../api.ts'
import { count } from '../../format.ts'
import { may } from '../../me.ts'
import { onCommands } from '../../state.ts'
import { twinWords } from '../../words/twin.ts'
import { commandPressed } from '../keys.tsx'
import { ProblemNotice } from '../notice.tsx'
import type { Activity } from './activity.ts'
import { type Declared, offersOf, paramsText, readLine, type Typed } from './command-line.ts'
import { CommandRow } from './command-row.tsx'
import { useReading } from './reading.ts'

const againMs = 5_000
const rowsAtFirst = 10
const { commands: said } = twinWords

export function CommandsSection({ deviceId, activity, declared }: { deviceId: string; activity: Activity; declared: Declared }) {
  const all = useSignal(false)
  const problem = useSignal('')
  const reading = useReading(deviceId, againMs, (abort) => activity.readCommands(abort))
  useEffect(() => onCommands((news) => news.some(({ device }) => device === deviceId) && reading.again()), [deviceId])

  /** Returns whether the hub took it. */
  const ask = async (what: () => Promise<unknown>): Promise<boolean> => {
    problem.value = ''
    try {
      await what()
      return true
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      problem.value = error.message
      return false
    } finally {
      reading.again()
    }
  }
  const send = ({ name, params }: Typed) => ask(() => sendCommand(deviceId, name, params))
  const isAllowed = may('command')
  const commands = activity.commands.value
  const shown = commands?.slice(0, all.value ? commands.length : rowsAtFirst) ?? []
  return (
    <section class="commands" aria-labelledby="commands">
      <h2 id="commands">{said.title}</h2>
      {isAllowed ? <Line declared={declared} sent={commands ?? []} send={send} problem={problem} /> : null}
      {reading.problem.value === null ? null : <ProblemNotice problem={reading.problem.value} again={reading.again} />}
      {commands === null ? null : commands.length === 0 ? (
        <p class="empty">{said.none}</p>
      ) : (
        <table class="plain asked" aria-label={said.table}>
          <thead>
            <tr>
              <th scope="col">{said.columns.state}</th>
              <th scope="col">{said.columns.command}</th>
              <th scope="col">{said.columns.trail}</th>
              {isAllowed ? (
                <th scope="col">
                  <span class="hidden">{said.columns.actions}</span>
                </th>
              ) : null}
            </tr>
          </thead>
          <tbody>
            {shown.map((command) => (
              <CommandRow
                key={command.id}
                command={command}
                onCancel={isAllowed ? () => void ask(() => cancelCommand(command.id)) : null}
                onAgain={() => void send(command)}
              />
            ))}
          </tbody>
        </table>
      )}
      {commands === null || shown.length === commands.length ? null : (
        <button
          type="button"
          onClick={() => {
            all.value = true
          }}
        >
          {said.more(count(commands.length - shown.length))}
        </button>
      )}
    </section>
  )
}

interface LineProps {
  readonly declared: Declared
  readonly sent: readonly Command[]
  readonly send: (typed: Typed) => Promise<boolean>
  readonly problem: { value: string }
}

function Line({ declared, sent, send, problem }: LineProps) {
  const field = useRef<HTMLInputElement>(null)
  const text = useSignal('')
  const id = useId()
  useEffect(() => {
    const onKey = () => {
      field.current?.scrollIntoView({ block: 'center' })
      field.current?.focus({ preventScroll: true })
    }
    addEventListener(commandPressed, onKey)
    return () => removeEventListener(commandPressed, onKey)
  }, [])
  const submit = async (event: Event) => {
    event.preventDefault()
    const typed = readLine(text.value, declared)
    if (typeof typed === 'string') problem.value = typed
    else if (await send(typed)) text.value = ''
  }
  return (
    <form class="command-line" onSubmit={submit}>
      <label for={`${id}line`}>{said.line}</label>
      <kbd>c</kbd>
      <input
        id={`${id}line`}
        ref={field}
        list={`${id}offers`}
        value={text}
        placeholder={said.hint}
        required
        spellcheck={false}
        autocapitalize="none"
        autocomplete="off"
        aria-describedby={`${id}says`}
        onInput={(event) => {
          text.value = event.currentTarget.value
          problem.value = ''
        }}
      />
      <datalist id={`${id}offers`}>
        {offersOf(declared, sent).map((offer) => (
          <option key={offer} value={offer} />
        ))}
      </datalist>
      <button type="submit" class="main">
        {said.send}
      </button>
      <p id={`${id}says`} class={problem.value === '' ? 'quiet' : 'problem'} role={problem.value === '' ? undefined : 'alert'}>
        {problem.value === '' ? (
          paramsText(text.value, declared) || said.help
        ) : (
          <>
            <i class="shape bad" />
            {problem.value}
          </>
        )}
      </p>
    </form>
  )
}
