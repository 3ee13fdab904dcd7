// What was refused or dropped since the start, and why.
import type { Hub } from '../../api.ts'
import { count } from '../../format.ts'
import { words } from '../../words.ts'

export function Refusals({ refusals }: { refusals: Hub['refusals'] }) {
  const rows = refusals.map(({ code, ...rest }) => ({ name: code, ...rest }))
  return <Counted title={words.hub.refusals} none={words.hub.refusalsNone} columns={words.hub.refusalColumns} rows={rows} />
}

export function Drops({ drops }: { drops: Hub['drops'] }) {
  const rows = drops.map(({ reason, ...rest }) => ({ name: reason, ...rest }))
  return <Counted title={words.hub.drops} none={words.hub.dropsNone} columns={words.hub.dropColumns} rows={rows} />
}

interface CountedProps {
  readonly title: string
  /** What is said while nothing has happened. */
  readonly none: string
  readonly columns: { readonly name: string; readonly sentence: string; readonly count: string }
  readonly rows: readonly { readonly name: string; readonly sentence: string; readonly count: number }[]
}

/** What has happened so far, the most frequent first. */
function Counted({ title, none, columns, rows }: CountedProps) {
  const met = rows.filter(({ count: times }) => times > 0).toSorted((a, b) => b.count - a.count)
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      {met.length === 0 ? (
        <p class="empty">{none}</p>
      ) : (
        <table class="plain counted">
          <thead>
            <tr>
              <th scope="col" class="number">
                {columns.count}
              </th>
              <th scope="col">{columns.name}</th>
              <th scope="col">{columns.sentence}</th>
            </tr>
          </thead>
          <tbody>
            {met.map((row) => (
              <tr key={row.name}>
                <td class="number">{count(row.count)}</td>
                <th scope="row">
                  <code>{row.name}</code>
                </th>
                <td>
                  <Sentence text={row.sentence} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}

/** The table of refusals has places for what differs each time: {limit}. They are shown as such. */
function Sentence({ text }: { text: string }) {
  return <>{text.split(/\{(\w+)\}/).map((part, i) => (i % 2 === 1 ? <var key={`${i} ${part}`}>{part}</var> : part))}</>
}
