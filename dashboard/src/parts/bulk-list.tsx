// Commands to many devices: how far each is, and of one what became of every device.
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { type Bulk, type Command, cancelBulk, loadCommands, type StateCounts } from '../api/commands.ts'
import { states } from '../command-list.ts'
import { ago, count, exactTime } from '../format.ts'
import { may } from '../me.ts'
import { devicePath } from '../router.ts'
import { now } from '../state.ts'
import { commandsWords } from '../words/commands.ts'
import { commandsPath } from './command-detail.tsx'
import { CommandStateMark, ValueTable } from './command-trail.tsx'
import { Confirm } from './confirm.tsx'

/** Devices of one bulk whose outcome stands beside it; the list of commands has all. */
const outcomesMax = 200
const { bulk: says } = commandsWords

export function BulkTable({ bulks, chosen, onOpen }: { bulks: readonly Bulk[]; chosen: string | undefined; onOpen: (id: string) => void }) {
  if (bulks.length === 0) return <p class="empty">{says.none}</p>
  return (
    <div class="pane kept bulks">
      <table class="plain" aria-label={says.label}>
        <thead>
          <tr>
            <th scope="col">{says.columns.name}</th>
            <th scope="col">{says.columns.progress}</th>
            <th scope="col">{says.columns.counts}</th>
            <th scope="col">{says.columns.by}</th>
            <th scope="col" class="number">
              {says.columns.at}
            </th>
          </tr>
        </thead>
        <tbody>
          {bulks.map((bulk) => (
            <tr key={bulk.id} class={bulk.id === chosen ? 'chosen' : ''}>
              <th scope="row">
                <button type="button" class="link" aria-pressed={bulk.id === chosen} onClick={() => onOpen(bulk.id)}>
                  {bulk.name}
                </button>
              </th>
              <td>
                <Progress bulk={bulk} />
              </td>
              <td>
                <Counts counts={bulk.counts} />
              </td>
              <td>{bulk.by}</td>
              <td class="number" title={exactTime(bulk.createdAt)}>
                {ago(bulk.createdAt, now.value)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Progress({ bulk }: { bulk: Bulk }) {
  const over = bulk.targets - openOf(bulk)
  return (
    <span class="used">
      <progress max={bulk.targets} value={over} aria-label={says.columns.progress} />
      <span>{says.of(count(over), count(bulk.targets))}</span>
    </span>
  )
}

function Counts({ counts }: { counts: StateCounts }) {
  return (
    <span class="counts">
      {states.map((state) =>
        counts[state] === undefined ? null : (
          <span key={state}>
            {count(counts[state])} <CommandStateMark state={state} />
          </span>
        ),
      )}
    </span>
  )
}

/** What of it is not over. `done` is, unless it waits for something to come about. */
function openOf({ counts, until }: Bulk): number {
  const { queued = 0, sent = 0, received = 0, done = 0 } = counts
  return queued + sent + received + (until === null ? 0 : done)
}

export function BulkDetail({ bulk, onChanged }: { bulk: Bulk; onChanged: () => void }) {
  const outcomes = useSignal<readonly Command[]>([])
  const asking = useSignal(false)
  useEffect(() => {
    const abort = new AbortController()
    const asked = { states: [], devices: [], names: [], bulk: bulk.id }
    loadCommands(asked, undefined, outcomesMax, abort.signal).then(
      ({ commands }) => {
        outcomes.value = commands
      },
      () => {}, // the list keeps what was read; the next change of the counts asks again
    )
    return () => abort.abort()
  }, [bulk.id, JSON.stringify(bulk.counts)])
  const open = openOf(bulk)
  return (
    <>
      <p class="title">
        <b>{bulk.name}</b> <span class="quiet">{bulk.over ? says.over : says.running}</span>
      </p>
      <Progress bulk={bulk} />
      <Counts counts={bulk.counts} />
      <div class="tools">
        {bulk.over || !may('command') ? null : (
          <button
            type="button"
            onClick={() => {
              asking.value = true
            }}
          >
            {says.cancel}
          </button>
        )}
        <a class="button" href={commandsPath(`bulk:${bulk.id}`)}>
          {says.list}
        </a>
      </div>
      <ValueTable title={commandsWords.one.params} value={bulk.params} />
      <ValueTable title={commandsWords.one.until} value={bulk.until} />
      <h3>{says.outcomes}</h3>
      <table class="plain" aria-label={says.outcomes}>
        <tbody>
          {outcomes.value.map(({ id, device, state, reason }) => (
            <tr key={id}>
              <th scope="row">
                <a href={devicePath(device)}>{device}</a>
              </th>
              <td>
                <CommandStateMark state={state} />
              </td>
              <td class="quiet">{reason}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {bulk.targets > outcomesMax ? <p class="quiet">{says.more(count(outcomesMax))}</p> : null}
      {asking.value ? (
        <Confirm
          title={says.cancelTitle}
          says={says.cancelSays(bulk.name, count(open))}
          text={bulk.name}
          submit={says.cancelSubmit}
          act={async () => {
            await cancelBulk(bulk.id)
            onChanged()
          }}
          onClose={() => {
            asking.value = false
          }}
        />
      ) : null}
    </>
  )
}
