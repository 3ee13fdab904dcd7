// A piece of a line, as it is drawn.
import { isDashed } from './line-plot.ts'

const coloursMax = 5

export function Swatch({ place, earlier }: { place: number; earlier: boolean }) {
  const dashes = earlier ? '2 3' : isDashed(place) ? '8 4' : undefined
  return (
    <svg class={`swatch s${(place % coloursMax) + 1}`} viewBox="0 0 20 8" width="20" height="8" aria-hidden="true">
      <path d="M0 4h20" stroke-width={earlier ? 1.5 : 2.5} stroke-dasharray={dashes} />
    </svg>
  )
}
