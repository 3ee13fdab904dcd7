// One command and what became of it: `queued 12:03:01 → sent +0.2 s → done +3.1 s`. Opened, it shows params and result as small tables.
import { useSignal } from '@preact/signals'
import { Fragment } from 'preact'
import type { Command } from '../../api/twin.ts'
import { dateTime, duration, exactTime, momentIn, rate } from '../../format.ts'
import { now } from '../../state.ts'
import { twinWords } from '../../words/twin.ts'
import { words } from '../../words.ts'
import { dayMs } from './activity.ts'
import { LeafTable, leavesLine } from './leaf-table.tsx'

const { commands: said } = twinWords
const looks: Readonly<Record<Command['state'], { readonly look: string; readonly shape: string }>> = {
  queued: { look: 'state off ring', shape: 'shape' },
  sent: { look: 'state off', shape: 'shape' },
  received: { look: 'state ok ring', shape: 'shape' },
  done: { look: 'state ok', shape: 'shape' },
  effective: { look: 'state ok', shape: 'shape' },
  failed: { look: 'state failed', shape: 'shape bad' },
  expired: { look: 'state warn', shape: 'shape' },
  cancelled: { look: 'state off ring', shape: 'shape' },
}

/** `onCancel` null: who looks may not ask anything of the device. */
export function CommandRow({ command, onCancel, onAgain }: { command: Command; onCancel: (() => void) | null; onAgain: () => void }) {
  const isOpen = useSignal(false)
  const { name, params, state, over, reason, result } = command
  const { look, shape } = looks[state]
  const line = leavesLine(params)
  const outcome = [reason, leavesLine(result)].filter(Boolean).join(' · ')
  return (
    <>
      <tr>
        <td>
          <span class={look}>
            <i class={shape} />
            <span>{said.states[state]}</span>
          </span>
        </td>
        <th scope="row">
          <button
            type="button"
            class="cell"
            aria-expanded={isOpen.value}
            aria-label={`${said.details(name)} ${line}`}
            onClick={() => {
              isOpen.value = !isOpen.value
            }}
          >
            <code>{name}</code> <span class="quiet">{line}</span>
          </button>
        </th>
        <td class="trail">
          <Trail command={command} />
          {outcome === '' ? null : <span class="outcome">{outcome}</span>}
        </td>
        {onCancel === null ? null : (
          <td class="actions">
            {over ? (
              <button type="button" aria-label={said.againOf(name)} onClick={onAgain}>
                {said.again}
              </button>
            ) : (
              <button type="button" aria-label={said.cancelOf(name)} onClick={onCancel}>
                {said.cancel}
              </button>
            )}
          </td>
        )}
      </tr>
      {isOpen.value ? (
        <tr class="details">
          <td colSpan={onCancel === null ? 3 : 4}>
            <Details command={command} />
          </td>
        </tr>
      ) : null}
    </>
  )
}

function Trail({ command: { trail, over, expiresAt } }: { command: Command }) {
  const first = trail[0]
  if (first === undefined) return null
  // Of another day the day is told, too.
  const begun = momentIn(first.at, now.peek() - first.at > dayMs / 2 ? dayMs : 0)
  return (
    <span class="steps" title={over ? exactTime(first.at) : said.until(dateTime(expiresAt))}>
      {trail.map(({ state, at }, i) => (
        <Fragment key={i}>
          {i === 0 ? null : <i aria-hidden="true"> → </i>}
          <span>
            {said.steps[state]} <time>{i === 0 ? begun : said.plus(plus(at - first.at))}</time>
          </span>
        </Fragment>
      ))}
    </span>
  )
}

function Details({ command: { params, result, reason, by, createdAt } }: { command: Command }) {
  return (
    <div class="tables">
      <p class="quiet">
        {exactTime(createdAt)} · {said.by(by)}
        {reason === null ? '' : ` · ${reason}`}
      </p>
      {leavesLine(params) === '' ? null : (
        <div>
          <h3>{said.params}</h3>
          <LeafTable value={params} label={said.params} />
        </div>
      )}
      {result === null ? null : (
        <div>
          <h3>{said.result}</h3>
          <LeafTable value={result} label={said.result} />
        </div>
      )}
    </div>
  )
}

/** Tenths under a minute: a device that answers in 0.2 s and one in 0.9 s differ. */
function plus(ms: number): string {
  return ms < 59_950 ? `${rate(Math.round(ms / (ms < 1_000 ? 10 : 100)) / (ms < 1_000 ? 100 : 10))} ${words.time.units.s}` : duration(ms)
}
