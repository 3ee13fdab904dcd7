// A list that scrolls within its own pane: which of its rows exist, and the keys that move in it.
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { rowMove } from './device-rows.ts'
import { type Span, spanOf } from './window.ts'

type Pane = { readonly current: HTMLElement | null }

/** The span to render of `rows` rows, the first of which begins `headPx` below the top of the pane. */
export function usePaneSpan(pane: Pane, rows: number, rowPx: number, headPx = 0): Span {
  const [span, setSpan] = useState<Span>(() => spanOf(0, innerHeight, rowPx, rows))
  useLayoutEffect(() => {
    const element = pane.current
    if (element === null) return
    let request = 0
    const measure = () => {
      request = 0
      const next = spanOf(element.scrollTop - headPx, element.clientHeight, rowPx, rows)
      setSpan((before) => (before.from === next.from && before.to === next.to ? before : next))
    }
    const onScroll = () => {
      request ||= requestAnimationFrame(measure)
    }
    measure()
    element.addEventListener('scroll', onScroll, { passive: true })
    const resized = new ResizeObserver(onScroll)
    resized.observe(element)
    return () => {
      cancelAnimationFrame(request)
      element.removeEventListener('scroll', onScroll)
      resized.disconnect()
    }
  }, [rows, rowPx, headPx])
  return { from: Math.min(span.from, rows), to: Math.min(Math.max(span.to, span.from), rows) }
}

/** What is read keeps its place when rows come above it; at the top the newest is shown. `first` names the first row. */
export function useSteady(pane: Pane, first: number | undefined, added: (before: number) => number, rowPx: number): void {
  const before = useRef(first)
  useLayoutEffect(() => {
    const element = pane.current
    if (element !== null && before.current !== undefined && element.scrollTop > 0) element.scrollTop += added(before.current) * rowPx
    before.current = first
  }, [first])
}

/** `j` and `k` move the focus; each row has an element with `data-row`, its place in the list. */
export function usePaneKeys(pane: Pane, rows: number, rowPx: number): void {
  // Before the rows are painted: who sees them may press a key at once.
  useLayoutEffect(() => {
    const onMove = (event: Event) => {
      const element = pane.current
      if (element === null || rows === 0) return
      const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset['row'] : undefined
      const from = focused === undefined ? Math.ceil(element.scrollTop / rowPx) : Number(focused) + (event as CustomEvent<number>).detail
      const next = Math.min(rows - 1, Math.max(0, from))
      const topPx = next * rowPx
      const roomPx = element.clientHeight - 2 * rowPx
      element.scrollTop = Math.min(topPx, Math.max(element.scrollTop, topPx - roomPx))
      // Twice: the first frame measures the new place, the second has rendered its rows.
      requestAnimationFrame(() =>
        requestAnimationFrame(() => element.querySelector<HTMLElement>(`[data-row="${next}"]`)?.focus({ preventScroll: true })),
      )
    }
    addEventListener(rowMove, onMove)
    return () => removeEventListener(rowMove, onMove)
  }, [rows, rowPx])
}

/** Keys of one page; a handler returns false when its key means nothing now. */
export function usePageKeys(keys: Readonly<Record<string, (target: Element) => boolean>>): void {
  const latest = useRef(keys)
  latest.current = keys
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const { target } = event
      if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented || !(target instanceof Element)) return
      if (target.closest('input:not([type=checkbox]), textarea, select, dialog') !== null) return
      if (event.key === ' ' && target.closest('button, a, summary, input') !== null) return // it presses that
      if (latest.current[event.key]?.(target) === true) event.preventDefault()
    }
    addEventListener('keydown', onKey)
    return () => removeEventListener('keydown', onKey)
  }, [])
}
