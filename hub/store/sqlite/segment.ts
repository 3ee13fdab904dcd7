// A segment: consecutive points of one series as one value of the database. Encoded in the writer, decoded in the reader.
import type { MetricValue } from '../../../devices/device.ts'

export const segmentKinds = {
  /** Times, then values: float64 each, in the machine's (little-endian) order. */
  numbers: 1,
  /** Times as above, then the values as one JSON array. */
  json: 2,
} as const

/** Points: two columns of equal length. Numbers lie in a column of their own kind, other values (and numbers among them) in a list. */
export interface Columns {
  readonly times: Float64Array
  readonly values: Float64Array | readonly MetricValue[]
}

export interface Segment {
  readonly firstMs: number
  readonly lastMs: number
  readonly count: number
  readonly kind: number
  readonly bytes: Uint8Array
}

/** Points from `start` to `end` of columns whose times ascend. */
export function encodeSegment({ times, values }: Columns, start: number, end: number): Segment {
  const count = end - start
  const span = { firstMs: times[start]!, lastMs: times[end - 1]!, count }
  const inSpan = values.slice(start, end)
  const numeric = inSpan instanceof Float64Array || inSpan.every((value) => typeof value === 'number')
  const columns = new Float64Array(numeric ? count * 2 : count)
  columns.set(times.subarray(start, end))
  const bytes = Buffer.from(columns.buffer)
  if (!numeric) return { ...span, kind: segmentKinds.json, bytes: Buffer.concat([bytes, Buffer.from(JSON.stringify(inSpan))]) }
  columns.set(inSpan as ArrayLike<number>, count)
  return { ...span, kind: segmentKinds.numbers, bytes }
}

export function decodeSegment({ count, kind, bytes }: Pick<Segment, 'count' | 'kind' | 'bytes'>): Columns {
  // A copy, because float64 columns must begin at a multiple of eight.
  const columns = new Float64Array(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + count * (kind === segmentKinds.numbers ? 16 : 8)),
  )
  const times = columns.subarray(0, count)
  if (kind === segmentKinds.numbers) return { times, values: columns.subarray(count) }
  return { times, values: JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + count * 8, bytes.length - count * 8).toString()) }
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
