// Heads: points that wait to become chunks. One row of the table is what one flush brought of one device: all its series in one value, since
// a row per series would cost more than the points in it. Written in the writer thread, read in the others.

import { ChunkDamaged, decodeChunk, encodeChunk } from '../series/chunk.ts'
import { type Columns, inOrder, joined } from '../series/columns.ts'

/** Points of one series in the order of time, by the series' number. */
export type SeriesPoints = readonly [series: number, points: Columns]

export interface Head {
  readonly points: number
  /** The points of the series that has most: when it has enough for a chunk the device is sealed. */
  readonly deepest: number
  readonly bytes: Buffer
}

// version, series; then for each series its number and the bytes of its points; then these.
const version = 1
const headerBytes = 5
const entryBytes = 8
const partPoints = 4096
const rowPoints = 65_536

/** One row, or several where there is much: a row is read and moved as a whole. */
export function* headsOf(gathered: readonly SeriesPoints[]): Generator<Head> {
  let row: SeriesPoints[] = []
  let points = 0
  for (const [series, { times, values }] of gathered) {
    for (let start = 0; start < times.length; start += partPoints) {
      const end = Math.min(times.length, start + partPoints)
      row.push([series, { times: times.subarray(start, end), values: values.slice(start, end) }])
      points += end - start
      if (points < rowPoints) continue
      yield encodeHead(row)
      row = []
      points = 0
    }
  }
  if (row.length > 0) yield encodeHead(row)
}

function encodeHead(gathered: readonly SeriesPoints[]): Head {
  const parts = gathered.map(([, points]) => encodeChunk(points, 0, points.times.length, { compress: false }))
  const directory = Buffer.alloc(headerBytes + gathered.length * entryBytes)
  directory[0] = version
  directory.writeUInt32LE(gathered.length, 1)
  let points = 0
  let deepest = 0
  for (const [at, [series, { times }]] of gathered.entries()) {
    directory.writeUInt32LE(series, headerBytes + at * entryBytes)
    directory.writeUInt32LE(parts[at]!.length, headerBytes + at * entryBytes + 4)
    points += times.length
    deepest = Math.max(deepest, times.length)
  }
  return { points, deepest, bytes: Buffer.concat([directory, ...parts]) }
}

/** What the row has of these series, or of all. Errors: `ChunkDamaged`. */
export function* pointsOfHead(bytes: Buffer, wanted?: ReadonlySet<number>): Generator<SeriesPoints> {
  if (bytes.length < headerBytes || bytes[0] !== version) throw new ChunkDamaged('a head is of no known version')
  const count = bytes.readUInt32LE(1)
  let start = headerBytes + count * entryBytes
  if (start > bytes.length) throw new ChunkDamaged('a head is shorter than its directory')
  for (let at = 0; at < count; at += 1) {
    const series = bytes.readUInt32LE(headerBytes + at * entryBytes)
    const end = start + bytes.readUInt32LE(headerBytes + at * entryBytes + 4)
    if (wanted === undefined || wanted.has(series)) yield [series, decodeChunk(bytes.subarray(start, end))]
    start = end
  }
}

/** The points of several rows, by series: rows in the order they were written, of points at the same time the last one stays. */
export function gatherHeads(rows: Iterable<Buffer>, wanted?: ReadonlySet<number>): Map<number, Columns> {
  const parts = new Map<number, Columns[]>()
  for (const bytes of rows) {
    for (const [series, points] of pointsOfHead(bytes, wanted)) {
      const before = parts.get(series)
      if (before === undefined) parts.set(series, [points])
      else before.push(points)
    }
  }
  return new Map(Array.from(parts, ([series, columns]) => [series, inOrder(joined(columns))]))
}
