// Any JSON as a person reads it: names and values, in one line or as a small table.
import { isObject, leafText, leavesOf } from './leaves.ts'

/** A table beyond this is no longer small; the rest is a click on "copy" away in any client. */
const rowsMax = 100

/** `speed 5 · ramp true`; empty for nothing. */
export function leavesLine(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (!isObject(value)) return leafText(value)
  return leavesOf(value)
    .map(({ path, value: leaf }) => `${path.join('.')} ${leafText(leaf)}`)
    .join(' · ')
}

export function LeafTable({ value, label }: { value: unknown; label: string }) {
  const rows = isObject(value) ? leavesOf(value) : [{ path: [label], value }]
  return (
    <table class="leaves" aria-label={label}>
      <tbody>
        {rows.slice(0, rowsMax).map(({ path, value: leaf }) => (
          <tr key={path.join('\n')}>
            <th scope="row">{path.join('.')}</th>
            <td>{typeof leaf === 'string' ? leaf : leafText(leaf)}</td>
          </tr>
        ))}
        {rows.length > rowsMax ? (
          <tr>
            <td colSpan={2}>…</td>
          </tr>
        ) : null}
      </tbody>
    </table>
  )
}
