// A segment: consecutive points of one series as one value of the database. Encoded in the writer, decoded in the reader.
import type { Columns } from '../series/columns.ts'

export const segmentKinds = {
  /** Times, then values: float64 each, in the machine's (little-endian) order. */
  numbers: 1,
  /** Times as above, then the values as one JSON array. */
  json: 2,
} as const

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
