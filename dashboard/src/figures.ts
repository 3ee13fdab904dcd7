// What a line comes to, in numbers. Pure.
import type { Line } from './explore-lines.ts'
import type { Span } from './range.ts'

export interface Figures {
  /** Null for a line without points, as the others. */
  readonly newest: number | null
  readonly low: number | null
  readonly mean: number | null
  readonly high: number | null
  readonly count: number
}

const none: Figures = { newest: null, low: null, mean: null, high: null, count: 0 }

/** Of what is drawn; the mean is that of all points where the hub drew only some of them. */
export function figuresOf({ series, mean, count, everyMs }: Line, { fromMs, toMs }: Span): Figures {
  const { times, values } = series.columns
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  let sum = 0
  let held = 0
  let last = -1
  for (let i = 0; i < times.length; i++) {
    // The first bucket may begin before the picture.
    if (times[i]! < fromMs - everyMs || times[i]! > toMs) continue
    const value = values[i]!
    if (value < low) low = value
    if (value > high) high = value
    sum += value
    held += 1
    last = i
  }
  if (held === 0) return none
  const isAll = everyMs === 0 && mean === null
  return { newest: values[last]!, low, mean: mean ?? sum / held, high, count: isAll ? held : count }
}
