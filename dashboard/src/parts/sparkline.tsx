// A small picture of how a figure went; its number stands beside it, so it is no more than a hint.
import { useComputed } from '@preact/signals'
import { beats, outline, type PulseName, pulse, pulseMs } from '../pulse.ts'
import { now } from '../state.ts'

const width = 120
const height = 28
/** A picture of the last hour moves by a column in half a minute; while the page is young it shows less. */
const shortestMs = 120_000

export function Sparkline({ name }: { name: PulseName }) {
  const path = useComputed(() => {
    beats.value
    return pathOf(name, now.value)
  })
  return (
    <svg class="spark" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
      <path d={path} />
    </svg>
  )
}

/** A column without a point goes on as the one before: figures come each second, and presence only when it changes. */
function pathOf(name: PulseName, nowMs: number): string {
  const { times } = pulse[name]
  if (times.length === 0) return ''
  const spanMs = Math.min(pulseMs, Math.max(shortestMs, nowMs - times[0]!))
  const heights = outline(pulse[name], nowMs, spanMs, width)
  const known = heights.filter((n) => n !== null)
  const [low, high] = [Math.min(0, ...known), Math.max(1, ...known)]
  let path = ''
  let last: number | null = null
  for (const [x, n] of heights.entries()) {
    last = n ?? last
    if (last === null) continue
    const y = height - 2 - ((last - low) / (high - low)) * (height - 4)
    path += `${path === '' ? 'M' : 'L'}${x} ${y.toFixed(1)}`
  }
  return path
}
