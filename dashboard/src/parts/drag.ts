// Dragging over a chart chooses a stretch of time, with a mouse, a pen or a finger; a double click goes back.
import type uPlot from 'uplot'

/** A hand trembles: less than this is a click. */
const widthMin = 5

/** Returns what ends it. */
export function dragToZoom(plot: uPlot, onZoom: (fromMs: number, toMs: number) => void, onBack: () => void): () => void {
  const { over } = plot
  const listening = new AbortController()
  const { signal } = listening
  let startX: number | null = null

  const placeOf = (event: PointerEvent) => {
    const { left, width } = over.getBoundingClientRect()
    return Math.min(Math.max(event.clientX - left, 0), width)
  }
  const chosen = document.createElement('div')
  chosen.className = 'chosen'
  chosen.hidden = true
  over.append(chosen)
  const select = (left: number, width: number) => {
    chosen.hidden = width < widthMin
    chosen.style.left = `${left}px`
    chosen.style.width = `${width}px`
  }
  const end = () => {
    startX = null
    select(0, 0)
  }

  over.addEventListener(
    'pointerdown',
    (event) => {
      if (event.button !== 0 || !event.isPrimary) return
      startX = placeOf(event)
      over.setPointerCapture(event.pointerId)
    },
    { signal },
  )
  over.addEventListener(
    'pointermove',
    (event) => {
      if (startX === null) return
      const x = placeOf(event)
      select(Math.min(x, startX), Math.abs(x - startX))
    },
    { signal },
  )
  over.addEventListener(
    'pointerup',
    (event) => {
      if (startX === null) return
      const [left, right] = [startX, placeOf(event)].sort((a, b) => a - b) as [number, number]
      end()
      if (right - left >= widthMin) onZoom(plot.posToVal(left, 'x'), plot.posToVal(right, 'x'))
    },
    { signal },
  )
  over.addEventListener('pointercancel', end, { signal }) // the finger scrolls the page instead
  over.addEventListener('dblclick', onBack, { signal })
  addEventListener('keydown', (event) => event.key === 'Escape' && startX !== null && end(), { signal })
  return () => listening.abort()
}
