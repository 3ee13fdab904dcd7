// The life of a command as a line of steps, and what it was told and has answered as small tables.
import type { CommandState } from '../../../devices/commands.ts'
import type { TrailStep } from '../api/commands.ts'
import { clockTime, count, duration, exactTime, number } from '../format.ts'
import { leavesIn, leavesMax } from '../message.ts'
import { commandsWords } from '../words/commands.ts'
import { messagesWords } from '../words/messages.ts'

const { trail: says, one } = commandsWords

const looks: Readonly<Record<CommandState, string>> = {
  queued: 'off ring',
  sent: 'off',
  received: 'ok ring',
  done: 'ok',
  effective: 'ok',
  failed: 'bad',
  expired: 'warn',
  cancelled: 'off ring',
}

/** Shape, word and colour. */
export function CommandStateMark({ state }: { state: CommandState }) {
  return (
    <span class={`state ${looks[state]}`}>
      <i class={state === 'failed' ? 'shape bad' : 'shape'} />
      {commandsWords.states[state]}
    </span>
  )
}

/** `queued 12:03:01.204 → sent +0.2 s → done +3.1 s`. `deadline`: when it is given up, null once it is over. */
export function CommandTrail({ trail, deadline }: { trail: readonly TrailStep[]; deadline: number | null }) {
  const beginMs = trail[0]?.at ?? 0
  return (
    <>
      <ol class="trail" aria-label={says.label}>
        {trail.map(({ state, at, reason }, i) => (
          <li key={`${state} ${at} ${i}`} class={looks[state]} title={exactTime(at)}>
            <b>{commandsWords.steps[state]}</b> {i === 0 ? clockTime(at) : says.after(secondsText(at - beginMs))}
            {reason === undefined ? null : <span class="quiet"> · {reason}</span>}
          </li>
        ))}
      </ol>
      {deadline === null ? null : <p class="quiet">{says.deadline(exactTime(deadline))}</p>}
    </>
  )
}

/** The values of a JSON document with their names; null where there is none. */
export function ValueTable({ title, value }: { title: string; value: unknown }) {
  if (value === null || value === undefined || (typeof value === 'object' && Object.keys(value).length === 0)) return null
  const leaves = leavesIn(value)
  return (
    <>
      <h3>{title}</h3>
      <table class="plain leaves" aria-label={title}>
        <tbody>
          {leaves.map(([path, text]) => (
            <tr key={path}>
              <th scope="row">{path === '' ? one.whole : path}</th>
              <td>{text}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {leaves.length < leavesMax ? null : <p class="quiet">{messagesWords.one.more(count(leavesMax))}</p>}
    </>
  )
}

/** As exact as steps of a command can be told apart. */
export function secondsText(ms: number): string {
  if (ms < 1_000) return says.milliseconds(number(Math.round(ms)))
  return ms < 60_000 ? says.seconds(number(Math.round(ms / 100) / 10)) : duration(ms)
}
