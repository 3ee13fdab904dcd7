// Which rows of a long list are on screen. All rows have one height, so a place is a division.
import { useEffect, useState } from 'preact/hooks'

export interface Span {
  readonly from: number
  /** One past the last row. */
  readonly to: number
}

/** Rows above and below the screen, so that scrolling meets rows that are already there. */
const spareRows = 10

export function spanOf(topPx: number, screenPx: number, rowPx: number, rows: number): Span {
  const from = Math.min(rows, Math.max(0, Math.floor(topPx / rowPx) - spareRows))
  const to = Math.min(rows, Math.max(0, Math.ceil((topPx + screenPx) / rowPx)) + spareRows)
  return { from, to: Math.max(from, to) }
}

/** The span to render of `rows` rows that begin where `body` begins. */
export function useSpan(body: { readonly current: HTMLElement | null }, rows: number, rowPx: number): Span {
  const [span, setSpan] = useState<Span>(() => spanOf(0, innerHeight, rowPx, rows))

  useEffect(() => {
    const scroller = document.querySelector('main')!
    let request = 0
    const measure = () => {
      request = 0
      if (body.current === null) return
      const topPx = scroller.getBoundingClientRect().top - body.current.getBoundingClientRect().top
      const next = spanOf(topPx, scroller.clientHeight, rowPx, rows)
      setSpan((before) => (before.from === next.from && before.to === next.to ? before : next))
    }
    const onScroll = () => {
      request ||= requestAnimationFrame(measure)
    }
    measure()
    scroller.addEventListener('scroll', onScroll, { passive: true })
    addEventListener('resize', onScroll)
    return () => {
      cancelAnimationFrame(request)
      scroller.removeEventListener('scroll', onScroll)
      removeEventListener('resize', onScroll)
    }
  }, [body, rows, rowPx])

  // The list may have become shorter since the last measure.
  return { from: Math.min(span.from, rows), to: Math.min(Math.max(span.to, span.from), rows) }
}

export function useMedia(text: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(text).matches)
  useEffect(() => {
    const media = matchMedia(text)
    const onChange = () => setMatches(media.matches)
    media.addEventListener('change', onChange)
    return () => media.removeEventListener('change', onChange)
  }, [text])
  return matches
}
