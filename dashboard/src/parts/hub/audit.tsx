// The audit log: who did what, and who was not let in. The newest first; older ones are asked for.
import { useSignal } from '@preact/signals'
import { type AuditEntry, loadAudit } from '../../api/hub.ts'
import { Problem } from '../../api.ts'
import { ago, count, exactTime } from '../../format.ts'
import { query } from '../../router.ts'
import { now, waitFor } from '../../state.ts'
import { hubWords } from '../../words/hub.ts'
import { useReading } from '../device/reading.ts'
import { ProblemNotice } from '../notice.tsx'
import { AuditFilter, choiceOf, isAll } from './audit-filter.tsx'

const againMs = 10_000
/** Rows that are held; who wants more narrows the choice or takes the file. */
const heldMax = 1_000
const { audit: said } = hubWords

interface Held {
  /** Of which choice. */
  readonly key: string
  readonly entries: readonly AuditEntry[]
  /** Where older ones begin. */
  readonly next: number | null
}

export function Audit() {
  const held = useSignal<Held | null>(null)
  const refused = useSignal<Problem | null>(null)
  const choice = choiceOf(query.value)
  const key = JSON.stringify(choice)
  const reading = useReading(key, againMs, async (abort) => {
    const { entries, next } = await loadAudit(choice, null, abort)
    const before = held.peek()
    const joins = before?.key === key ? before.entries.findIndex(({ id }) => id === entries.at(-1)?.id) : -1
    // What older pages have brought stays, as long as nothing lies between.
    if (before !== null && joins >= 0)
      held.value = { key, entries: [...entries, ...before.entries.slice(joins + 1)].slice(0, heldMax), next: before.next }
    else held.value = { key, entries, next }
    refused.value = null
  })
  const older = async () => {
    const before = held.peek()
    if (before?.next == null) return
    try {
      const page = await loadAudit(choice, before.next)
      const newest = held.peek()
      if (newest?.key !== key) return
      const last = newest.entries.at(-1)?.id ?? 0
      held.value = { key, entries: [...newest.entries, ...page.entries.filter(({ id }) => id < last)], next: page.next }
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      refused.value = error
    }
  }
  const wrong = refused.value ?? reading.problem.value
  const entries = held.value?.entries ?? []
  return (
    <section aria-label={said.title}>
      <h2>{said.title}</h2>
      <AuditFilter known={{ who: namesOf(entries, 'who'), action: namesOf(entries, 'action') }} />
      {wrong === null ? null : <ProblemNotice problem={wrong} again={reading.again} />}
      {held.value === null ? null : entries.length === 0 ? (
        <p class="empty">{isAll(choice) ? said.none : said.noMatch}</p>
      ) : (
        <>
          <Entries entries={entries} />
          {held.value.next === null ? null : entries.length >= heldMax ? (
            <p class="quiet note">{said.enough(count(entries.length))}</p>
          ) : (
            <button type="button" class="older" onClick={() => void waitFor(older())}>
              {said.older}
            </button>
          )}
        </>
      )}
    </section>
  )
}

function namesOf(entries: readonly AuditEntry[], member: 'who' | 'action'): string[] {
  return [...new Set(entries.map((entry) => entry[member]))].sort()
}

function Entries({ entries }: { entries: readonly AuditEntry[] }) {
  const { columns } = said
  return (
    <table class="plain stacked audit" aria-label={said.table}>
      <thead>
        <tr>
          {(['at', 'who', 'action', 'target', 'outcome', 'detail', 'from'] as const).map((column) => (
            <th key={column} scope="col">
              {columns[column]}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {entries.map(({ id, at, who, from, action, target, outcome, detail }) => (
          <tr key={id}>
            <td>
              <time title={exactTime(at)}>{ago(at, now.value)}</time>
            </td>
            <td>{who}</td>
            <th scope="row" data-label={columns.action}>
              {action}
            </th>
            <td>
              <code>{target}</code>
            </td>
            <td>
              <span class={outcome === 'refused' ? 'state warn' : 'state'}>
                {outcome === 'refused' ? <i class="shape" /> : null}
                {said.outcomes[outcome] ?? outcome}
              </span>
            </td>
            <td class="detail">{detail}</td>
            <td data-label={columns.from}>{from}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
