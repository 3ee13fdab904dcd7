// What stands behind the table of devices: the order of its rows, what of it is watched, and the keys that move in it.
import { useEffect, useRef } from 'preact/hooks'
import type { Entry } from '../fleet.ts'
import { held, matches, parseFilter, type SortKey, sorted } from '../order.ts'
import { fleet, now, watch } from '../state.ts'

/** Sent by the keyboard; `detail` is how many rows to move. */
export const rowMove = 'mooring-row-move'

const headPx = 32
const settleMs = 120

/** The rows in their order. It is made anew on each change, but kept while someone points into the table. */
export function useRows(filter: string, sort: SortKey, busy: boolean): readonly Entry[] {
  const before = useRef<{ key: string; rows: readonly Entry[] }>({ key: '', rows: [] })
  fleet.version.value
  if (sort === 'seen' && !busy) now.value // order by time changes with time
  const wanted = parseFilter(filter)
  const all = fleet.list.value
  const matching = wanted.words.length === 0 && wanted.connected === null ? all : all.filter((entry) => matches(entry, wanted))
  const key = `${sort} ${filter}`
  const rows = busy && before.current.key === key ? held(before.current.rows, matching) : sorted(matching, sort)
  before.current = { key, rows }
  return rows
}

/** Watches the rows on screen. Those that came into view are read once more: what they said until now went by unheard. */
export function useWatch(shown: readonly Entry[]): void {
  const ids = shown.map((entry) => entry.id).join(' ') // ids have no spaces
  const watched = useRef<ReadonlySet<string>>(new Set())
  useEffect(() => {
    const timer = setTimeout(() => {
      const now = shown.map((entry) => entry.id)
      const come = now.filter((id) => !watched.current.has(id))
      watched.current = new Set(now)
      watch(now)
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
  useEffect(() => {
    const onMove = (event: Event) => {
      const { detail } = event as CustomEvent<number>
      const list = latestRows.current
      const next = Math.min(list.length - 1, Math.max(0, nextRow(list, detail, heightPx)))
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

/** From the focused row; without one, the first on screen. */
function nextRow(list: readonly Entry[], move: number, heightPx: number): number {
  const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset['device'] : undefined
  const at = focused === undefined ? -1 : list.findIndex((entry) => entry.id === focused)
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

/** Where the rows begin and what of them the header leaves in view. */
function places() {
  const scroller = document.querySelector('main')
  const body = scroller?.querySelector('tbody')
  if (scroller == null || body == null) return null
  const view = scroller.getBoundingClientRect()
  return { scroller, bodyTopPx: body.getBoundingClientRect().top, viewTopPx: view.top + headPx, viewBottomPx: view.bottom }
}

function focusRow(deviceId: string): void {
  document.querySelector<HTMLElement>(`[data-device="${CSS.escape(deviceId)}"]`)?.focus({ preventScroll: true })
}
