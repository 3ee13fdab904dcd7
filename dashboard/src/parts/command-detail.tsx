// One command beside the list: its timeline, what it was told, what it answered, and what can still be done about it.
import { useSignal } from '@preact/signals'
import { type Command, cancelCommand, sendAgain } from '../api/commands.ts'
import { Problem } from '../api.ts'
import { clockTime, count, exactTime } from '../format.ts'
import { may } from '../me.ts'
import { devicePath } from '../router.ts'
import { commandsWords } from '../words/commands.ts'
import { CommandStateMark, CommandTrail, ValueTable } from './command-trail.tsx'

const { one } = commandsWords

export function commandsPath(filter: string): string {
  return `/commands?${new URLSearchParams({ q: filter })}`
}

/** `onChanged` is told what the hub answered. */
export function CommandDetail({ command, onChanged }: { command: Command; onChanged: (command: Command) => void }) {
  const problem = useSignal('')
  const said = useSignal('')
  const act = async (asking: Promise<Command>, done: string) => {
    problem.value = said.value = ''
    try {
      onChanged(await asking)
      said.value = done
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      problem.value = error.message
    }
  }
  const { device, name, over, expiresAt, trail, params, result, until, late, bulk, key, attempts } = command
  return (
    <>
      <p class="title">
        <CommandStateMark state={command.state} /> <b>{name}</b>
      </p>
      <CommandTrail trail={trail} deadline={over ? null : expiresAt} />
      {late === null ? null : <p class="quiet">{one.late(late.status, clockTime(late.at))}</p>}
      {may('command') ? (
        <div class="tools">
          {over ? null : (
            <button type="button" onClick={() => void act(cancelCommand(command.id), '')}>
              {one.cancel}
            </button>
          )}
          <button type="button" onClick={() => void act(sendAgain(command), one.sentAgain)}>
            {one.again}
          </button>
          <span role="status" class="quiet">
            {said}
          </span>
        </div>
      ) : null}
      {problem.value === '' ? null : (
        <p role="alert">
          <i class="shape bad" />
          {problem}
        </p>
      )}
      <ValueTable title={one.params} value={params} />
      <ValueTable title={one.result} value={result} />
      <ValueTable title={one.until} value={until} />
      <dl class="facts">
        <dt>{one.device}</dt>
        <dd>
          <a href={devicePath(device)}>{device}</a>
        </dd>
        <dt>{one.by}</dt>
        <dd>{command.by}</dd>
        <dt>{one.at}</dt>
        <dd>{exactTime(command.createdAt)}</dd>
        <dt>{one.attempts}</dt>
        <dd>{one.attemptsOf(count(attempts.made), count(attempts.most))}</dd>
        {key === null ? null : (
          <>
            <dt>{one.key}</dt>
            <dd>{key}</dd>
          </>
        )}
        {bulk === null ? null : (
          <>
            <dt>{one.bulk}</dt>
            <dd>
              <a href={commandsPath(`bulk:${bulk}`)}>{bulk}</a>
            </dd>
          </>
        )}
        <dt>{one.id}</dt>
        <dd>
          <code>{command.id}</code>
        </dd>
      </dl>
    </>
  )
}
