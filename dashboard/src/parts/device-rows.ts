// What stands behind the table of devices: the order of its rows, what of it is watched, and the keys that move in it.
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import { cursor } from '../chosen.ts'
import { asksFor, type Facets, isEmpty, matches, parseFilter } from '../filter.ts'
import type { Entry } from '../fleet.ts'
import { held, type Sort, sorted } from '../order.ts'
import { fleet, now, watch } from '../state.ts'

/** Sent by the keyboard; `detail` is how many rows to move, or `first`. */
export const rowMove = 'mooring-row-move'

const headPx = 32
const settleMs = 120

export interface RowsAsked {
  readonly filter: string
  readonly sort: Sort
  /** Of the two columns of values; empty for the newest of each device. */
  readonly metrics: readonly [string, string]
  readonly facets: Facets
  readonly stale: ReadonlySet<string>
  /** Someone points into the table. */
  readonly isBusy: boolean
}

/** The rows in their order. It is made anew on each change, but kept while someone points into the table. */
export function useRows({ filter, sort, metrics, facets, stale, isBusy }: RowsAsked): readonly Entry[] {
  const before = useRef<{ key: string; rows: readonly Entry[] }>({ key: '', rows: [] })
  fleet.version.value
  if (['seen', 'm1', 'm2'].includes(sort.by) && !isBusy) now.value // order by what is live changes with time
  const wanted = parseFilter(filter)
  const all = fleet.list.value
  const matching = isEmpty(wanted) ? all : all.filter((entry) => matches(entry, wanted, facets, stale))
  const key = `${sort.by} ${sort.isReversed} ${metrics.join(' ')} ${filter}`
  const rows = isBusy && before.current.key === key ? held(before.current.rows, matching) : sorted(matching, sort, metrics)
  before.current = { key, rows }
  return rows
}

export function asksForStale(filter: string): boolean {
  return asksFor(parseFilter(filter), 'stale')
}

/** Watches the rows on screen, and the one that is open. Those that came into view are read once more: they went by unheard. */
export function useWatch(shown: readonly Entry[], open: string | null): void {
  const wanted = shown.map((entry) => entry.id)
  if (open !== null && !wanted.includes(open)) wanted.push(open)
  const ids = wanted.join(' ') // ids have no spaces
  const watched = useRef<ReadonlySet<string>>(new Set())
  useEffect(() => {
    const timer = setTimeout(() => {
      const come = wanted.filter((id) => !watched.current.has(id))
      watched.current = new Set(wanted)
      watch(wanted)
      if (come.length > 0) fleet.refresh(come).catch(() => {}) // their next message comes by the socket
    }, settleMs)
    return () => clearTimeout(timer)
  }, [ids])
  useEffect(() => () => watch([]), [])
}

/** `j` and `k` move the focus from row to row; rows off screen are scrolled to, so that they exist. */
export function useRowKeys(rows: readonly Entry[], heightPx: number): void {
  const latestRows = useRef(rows)
  latestRows.current = rows
  useLayoutEffect(() => {
    const onMove = (event: Event) => {
      const { detail } = event as CustomEvent<number | 'first'>
      const list = latestRows.current
      const wanted = detail === 'first' ? 0 : nextRow(list, detail, heightPx)
      const next = Math.min(list.length - 1, Math.max(0, wanted))
      const entry = list[next]
      if (entry === undefined) return
      scrollToRow(next, heightPx)
      // Twice: the first frame measures the new place, the second has rendered its rows.
      requestAnimationFrame(() => requestAnimationFrame(() => focusRow(entry.id)))
    }
    addEventListener(rowMove, onMove)
    return () => removeEventListener(rowMove, onMove)
  }, [heightPx])
}

/** From the row of the keyboard; without one, the first on screen. */
function nextRow(list: readonly Entry[], move: number, heightPx: number): number {
  const at = cursor.peek() === null ? -1 : list.findIndex((entry) => entry.id === cursor.peek())
  if (at >= 0) return at + move
  const place = places()
  return place === null ? 0 : Math.ceil((place.viewTopPx - place.bodyTopPx) / heightPx)
}

function scrollToRow(index: number, heightPx: number): void {
  const place = places()
  if (place === null) return
  const topPx = place.bodyTopPx + index * heightPx
  if (topPx < place.viewTopPx) place.scroller.scrollTop -= place.viewTopPx - topPx
  else if (topPx + heightPx > place.viewBottomPx) place.scroller.scrollTop += topPx + heightPx - place.viewBottomPx
}

/** Where the rows begin and what of them the header and the bar of the chosen leave in view. */
function places() {
  const scroller = document.querySelector('main')
  const body = scroller?.querySelector('.devices tbody')
  if (scroller == null || body == null) return null
  const view = scroller.getBoundingClientRect()
  const barPx = scroller.querySelector('.chosen-bar')?.clientHeight ?? 0
  return { scroller, bodyTopPx: body.getBoundingClientRect().top, viewTopPx: view.top + headPx, viewBottomPx: view.bottom - barPx }
}

export function focusRow(deviceId: string): void {
  document.querySelector<HTMLElement>(`[data-device="${CSS.escape(deviceId)}"]`)?.focus({ preventScroll: true })
}
