// Points as columns: what everything about series works on.
import type { MetricValue } from '../../../devices/device.ts'

/**
 * Points: two columns of equal length, times in Unix ms (fractions are allowed). Numbers lie in a column of their own kind; other values, and
 * numbers among them, in a list.
 */
export interface Columns {
  readonly times: Float64Array
  readonly values: Float64Array | readonly MetricValue[]
}

/** One after the other; numbers only when all parts are. */
export function joined(parts: readonly Columns[]): Columns {
  if (parts.length === 1) return parts[0]!
  const count = parts.reduce((sum, { times }) => sum + times.length, 0)
  const times = new Float64Array(count)
  const numbers = parts.every(({ values }) => values instanceof Float64Array) ? new Float64Array(count) : undefined
  const others: MetricValue[] = []
  let at = 0
  for (const part of parts) {
    times.set(part.times, at)
    if (numbers !== undefined && part.values instanceof Float64Array) numbers.set(part.values, at)
    else for (const value of part.values) others.push(value)
    at += part.times.length
  }
  return { times, values: numbers ?? others }
}

/** One after the other. */
export function joinedNumbers(parts: readonly Float64Array[]): Float64Array {
  const whole = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** By time; of points at the same time the one that was written last stays. */
export function inOrder(columns: Columns): Columns {
  const order = orderOf(columns.times)
  if (order === 'strict') return columns
  const { times, values } = order === 'with-repeats' ? columns : picked(columns, byTime(columns.times))
  const kept = new Uint32Array(times.length)
  let count = 0
  for (let at = 0; at < times.length; at += 1) {
    if (at > 0 && times[at] === times[at - 1]) count -= 1
    kept[count] = at
    count += 1
  }
  return picked({ times, values }, kept.subarray(0, count))
}

/** Nearly always strict; a burst within one millisecond repeats times, and only late points need sorting. */
function orderOf(times: Float64Array): 'strict' | 'with-repeats' | 'none' {
  let order: 'strict' | 'with-repeats' = 'strict'
  for (let at = 1; at < times.length; at += 1) {
    if (times[at]! < times[at - 1]!) return 'none'
    if (times[at] === times[at - 1]) order = 'with-repeats'
  }
  return order
}

function byTime(times: Float64Array): Uint32Array {
  return Uint32Array.from(times, (_, at) => at).sort((a, b) => times[a]! - times[b]! || a - b)
}

function picked({ times, values }: Columns, places: Uint32Array): Columns {
  const pickedTimes = new Float64Array(places.length)
  for (let at = 0; at < places.length; at += 1) pickedTimes[at] = times[places[at]!]!
  if (!(values instanceof Float64Array)) return { times: pickedTimes, values: Array.from(places, (place) => values[place]!) }
  const pickedValues = new Float64Array(places.length)
  for (let at = 0; at < places.length; at += 1) pickedValues[at] = values[places[at]!]!
  return { times: pickedTimes, values: pickedValues }
}

/** Points by place, from `start` on and before `end`; numbers are not copied. */
export function sliced({ times, values }: Columns, start: number, end: number): Columns {
  if (start === 0 && end === times.length) return { times, values }
  return {
    times: times.subarray(start, end),
    values: values instanceof Float64Array ? values.subarray(start, end) : values.slice(start, end),
  }
}

/** The points from `fromMs` to `toMs`, both included. */
export function cut({ times, values }: Columns, fromMs: number, toMs: number): Columns {
  const start = firstAt(times, (atMs) => atMs >= fromMs)
  const end = firstAt(times, (atMs) => atMs > toMs)
  return sliced({ times, values }, start, end)
}

/** The values as numbers: true is 1 and false 0; NaN stands for what is no number. */
export function numbersOf(values: Columns['values']): Float64Array {
  if (values instanceof Float64Array) return values
  const numbers = new Float64Array(values.length)
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at]
    numbers[at] = typeof value === 'number' ? value : typeof value === 'boolean' ? Number(value) : Number.NaN
  }
  return numbers
}

/** The newest `pointsMax` points: what is drawn of values that are no numbers, of which none stands for others. */
export function newest({ times, values }: Columns, pointsMax: number): Columns {
  const from = Math.max(times.length - Math.max(pointsMax, 0), 0)
  return sliced({ times, values }, from, times.length)
}

/** Where `reached` begins to hold, not before place `from`, by halving. */
export function firstAt(times: Float64Array, reached: (atMs: number) => boolean, from = 0): number {
  let low = from
  let high = times.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (reached(times[middle]!)) high = middle
    else low = middle + 1
  }
  return low
}
