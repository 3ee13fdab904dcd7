// The leaves of a twin as a table: the tree left, what is desired, what is reported, and whether that is so, as a sign and a word.
import { useSignal } from '@preact/signals'
import type { Twin } from '../../api/twin.ts'
import { ago, count, exactTime } from '../../format.ts'
import { now } from '../../state.ts'
import { twinWords } from '../../words/twin.ts'
import { LeafForm } from './leaf-form.tsx'
import { at, type ComparedLeaf, keyOf, leafText } from './leaves.ts'

/** A state has at most 64 KiB, which may be thousands of leaves. */
const rowsAtFirst = 100
const signs = { same: '=', differs: '≠' } as const

interface Props {
  readonly deviceId: string
  readonly twin: Twin
  readonly rows: readonly ComparedLeaf[]
  readonly isWritable: boolean
  readonly onChanged: (twin: Twin) => void
}

export function TwinTree({ deviceId, twin, rows, isWritable, onChanged }: Props) {
  const shownMax = useSignal(rowsAtFirst)
  const edited = useSignal<string | null>(null)
  const { columns } = twinWords.twin
  const shown = rows.slice(0, shownMax.value)
  return (
    <>
      <table class="plain tree" aria-label={twinWords.twin.table}>
        <thead>
          <tr>
            <th scope="col">{columns.name}</th>
            <th scope="col">{columns.desired}</th>
            <th scope="col">{columns.reported}</th>
            <th scope="col">{columns.is}</th>
          </tr>
        </thead>
        <tbody>
          {shown.flatMap((row, i) => {
            const key = keyOf(row.path)
            const branches = newBranches(shown[i - 1]?.path ?? [], row.path)
            const { path, desired, reported, is } = row
            return [
              ...branches.map((branch) => (
                <tr key={`branch ${keyOf(branch)}`} class="branch">
                  <th scope="rowgroup" colSpan={4} class={depth(branch)}>
                    {branch.at(-1)}
                  </th>
                </tr>
              )),
              <tr key={key} class={is}>
                <th scope="row" class={depth(path)} title={path.join('.')}>
                  {path.at(-1)}
                </th>
                <td title={said(twin.times?.desired, path)}>
                  {edited.value === key ? (
                    <LeafForm
                      deviceId={deviceId}
                      twin={twin}
                      path={path}
                      value={desired}
                      onChanged={onChanged}
                      onEnd={() => {
                        edited.value = null
                      }}
                    />
                  ) : isWritable ? (
                    <button
                      type="button"
                      class="cell"
                      aria-label={`${twinWords.twin.edit(path.join('.'))}: ${shownText(desired)}`}
                      onClick={() => {
                        edited.value = key
                      }}
                    >
                      {shownText(desired)}
                    </button>
                  ) : (
                    <span class="live">{shownText(desired)}</span>
                  )}
                </td>
                <td class="live" title={said(twin.times?.reported, path)}>
                  {shownText(reported)}
                </td>
                <td class="is">
                  {is === 'unasked' ? null : (
                    <>
                      <b aria-hidden="true">{is === 'missing' ? <i class="shape" /> : signs[is]}</b> <span>{twinWords.twin.is[is]}</span>
                    </>
                  )}
                </td>
              </tr>,
            ]
          })}
        </tbody>
      </table>
      {rows.length <= shownMax.value ? null : (
        <button
          type="button"
          onClick={() => {
            shownMax.value += rowsAtFirst
          }}
        >
          {twinWords.twin.more(count(rows.length - shownMax.value))}
        </button>
      )}
    </>
  )
}

function shownText(value: unknown): string {
  return value === undefined ? twinWords.twin.absent : leafText(value)
}

/** Objects that begin with this leaf: those around it that are not around the one above. */
function newBranches(above: readonly string[], path: readonly string[]): (readonly string[])[] {
  let same = 0
  while (same < path.length - 1 && same < above.length - 1 && above[same] === path[same]) same++
  return Array.from({ length: path.length - 1 - same }, (_, i) => path.slice(0, same + i + 1))
}

/** Deeper ones are indented no further: the limit of the hub is not much more, and a narrow screen has room for no more. */
function depth(path: readonly string[]): string {
  return `depth-${Math.min(path.length, 6)}`
}

function said(times: Twin['desired'] | undefined, path: readonly string[]): string {
  const atMs = at(times, path)
  return typeof atMs === 'number' ? twinWords.twin.said(`${ago(atMs, now.peek())} (${exactTime(atMs)})`) : ''
}
