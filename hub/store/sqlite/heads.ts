// Heads: points that wait to become chunks. One row of the table is what one flush brought of one device: all its series in one value, since
// a row per series would cost more than the points in it. Written in the writer thread, read in the others.

import { crc32 } from 'node:zlib'
import type { Database } from 'better-sqlite3'
import { ChunkDamaged, decodeChunk, encodeChunk, lookAtChunk } from '../series/chunk.ts'
import { type Columns, inOrder, joined, sliced } from '../series/columns.ts'

/** Points of one series in the order of time, by the series' number. */
export type SeriesPoints = readonly [series: number, points: Columns]

export interface Head {
  readonly points: number
  /** The points of the series that has most: when it has enough for a chunk the device is sealed. */
  readonly deepest: number
  readonly bytes: Buffer
}

/** What cannot be read of a row: the points of one series, or all of it. The others are what was written. */
export interface HeadDamage {
  /** Undefined when it is the whole row. */
  readonly series: number | undefined
  /** Where the bytes still say of which time they are. */
  readonly span: { readonly fromMs: number; readonly toMs: number } | undefined
  readonly what: string
}

/** `row` counts from 0. */
export type OnHeadDamage = (damage: HeadDamage, row: number) => void

// version, series; then for each series its number and the bytes of its points; the CRC-32 of all this, for a number that is not the right one
// would give points to another series; then the points, which have their own.
const version = 2
/** Without the checksum of what comes before the points. */
const versionUnchecked = 1
const headerBytes = 5
const entryBytes = 8
const checksumBytes = 4
/** So many numbers of one series in one flush are sealed within minutes: to look for a small form of them would cost more than their bytes. */
const plainFrom = 256
/** What a plain part begins with; a chunk begins with its version. Then the number of points, their times, their values, the CRC-32. */
const plainMark = 0x70
const plainHeadBytes = 5
const partPoints = 4096
const rowPoints = 65_536

/** One row, or several where there is much: a row is read and moved as a whole. The bytes of each are good until the next is taken. */
export function* headsOf(gathered: readonly SeriesPoints[]): Generator<Head> {
  let row: SeriesPoints[] = []
  let points = 0
  for (const [series, columns] of gathered) {
    const count = columns.times.length
    for (let start = 0; start < count; start += partPoints) {
      const end = Math.min(count, start + partPoints)
      row.push([series, sliced(columns, start, end)])
      points += end - start
      if (points < rowPoints) continue
      yield encodeHead(row)
      row = []
      points = 0
    }
  }
  if (row.length > 0) yield encodeHead(row)
}

/** Rows are put together here: with a buffer for each, what they leave behind keeps the garbage collector busy for as long as it takes to write them. */
let room = Buffer.allocUnsafeSlow(65_536)
/** More is let go of after use. */
const roomKept = rowPoints * 20

function roomFor(bytes: number): Buffer {
  if (bytes <= room.length) return room
  const larger = Buffer.allocUnsafeSlow(bytes * 2)
  if (larger.length <= roomKept) room = larger
  return larger
}

function encodeHead(gathered: readonly SeriesPoints[]): Head {
  const chunks = gathered.map(([, points]) =>
    isPlain(points) ? undefined : encodeChunk(points, 0, points.times.length, { compress: false }),
  )
  const lengthOf = (at: number) => chunks[at]?.length ?? plainHeadBytes + gathered[at]![1].times.length * 16 + checksumBytes
  const directoryEnd = headerBytes + gathered.length * entryBytes
  let end = directoryEnd + checksumBytes
  for (const at of gathered.keys()) end += lengthOf(at)
  const bytes = roomFor(end)
  bytes[0] = version
  bytes.writeUInt32LE(gathered.length, 1)
  let points = 0
  let deepest = 0
  let start = directoryEnd + checksumBytes
  for (const [at, [series, columns]] of gathered.entries()) {
    const chunk = chunks[at]
    if (chunk === undefined) writePlain(columns, bytes, start)
    else bytes.set(chunk, start)
    bytes.writeUInt32LE(series, headerBytes + at * entryBytes)
    bytes.writeUInt32LE(lengthOf(at), headerBytes + at * entryBytes + 4)
    points += columns.times.length
    deepest = Math.max(deepest, columns.times.length)
    start += lengthOf(at)
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(0, directoryEnd)), directoryEnd)
  return { points, deepest, bytes: bytes.subarray(0, end) }
}

function isPlain({ times, values }: Columns): boolean {
  return times.length >= plainFrom && values instanceof Float64Array
}

function writePlain({ times, values }: Columns, bytes: Buffer, start: number): void {
  const count = times.length
  bytes[start] = plainMark
  bytes.writeUInt32LE(count, start + 1)
  for (const [at, column] of [times, values as Float64Array].entries()) {
    bytes.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), start + plainHeadBytes + at * count * 8)
  }
  const end = start + plainHeadBytes + count * 16
  bytes.writeUInt32LE(crc32(bytes.subarray(start, end)), end)
}

/** Errors: `ChunkDamaged`. */
function decodePart(bytes: Buffer): Columns {
  if (bytes[0] !== plainMark) return decodeChunk(bytes)
  const end = bytes.length - checksumBytes
  const count = bytes.length < plainHeadBytes ? 0 : bytes.readUInt32LE(1)
  if (end !== plainHeadBytes + count * 16 || crc32(bytes.subarray(0, end)) !== bytes.readUInt32LE(end)) {
    throw new ChunkDamaged('The checksum of the points does not fit their bytes.')
  }
  const column = (at: number) => {
    const start = plainHeadBytes + at * count * 8
    return new Float64Array(Uint8Array.prototype.slice.call(bytes, start, start + count * 8).buffer)
  }
  return { times: column(0), values: column(1) }
}

/** What the row has of these series, or of all, as far as it can be read. */
export function* pointsOfHead(
  bytes: Buffer,
  wanted: ReadonlySet<number> | undefined,
  onDamage: (damage: HeadDamage) => void,
): Generator<SeriesPoints> {
  const count = bytes.length < headerBytes ? 0 : bytes.readUInt32LE(1)
  const directoryEnd = headerBytes + count * entryBytes
  const pointsStart = directoryEnd + (bytes[0] === versionUnchecked ? 0 : checksumBytes)
  const what = directoryDamage(bytes, directoryEnd)
  if (what !== undefined) {
    onDamage({ series: undefined, span: undefined, what })
    return
  }
  let start = pointsStart
  for (let at = 0; at < count; at += 1) {
    const series = bytes.readUInt32LE(headerBytes + at * entryBytes)
    const end = start + bytes.readUInt32LE(headerBytes + at * entryBytes + 4)
    const points = wanted === undefined || wanted.has(series) ? partOf(series, bytes.subarray(start, end), onDamage) : undefined
    if (points !== undefined) yield [series, points]
    start = end
  }
}

function directoryDamage(bytes: Buffer, end: number): string | undefined {
  if (bytes[0] === versionUnchecked && bytes.length >= end) return undefined
  if (bytes.length < end + checksumBytes) return 'The row is shorter than its directory.'
  if (crc32(bytes.subarray(0, end)) !== bytes.readUInt32LE(end)) return 'The checksum of the directory does not fit its bytes.'
  return bytes[0] === version ? undefined : `The row has the unknown version ${bytes[0]}.`
}

function partOf(series: number, bytes: Buffer, onDamage: (damage: HeadDamage) => void): Columns | undefined {
  try {
    return decodePart(bytes)
  } catch (error) {
    if (!(error instanceof ChunkDamaged)) throw error
    onDamage({ series, span: claimedSpan(bytes), what: error.message })
    return undefined
  }
}

function claimedSpan(bytes: Buffer): HeadDamage['span'] {
  try {
    const { firstMs, lastMs } = bytes[0] === plainMark ? lookAtPlain(bytes) : lookAtChunk(bytes)
    return firstMs >= 0 && firstMs <= lastMs && lastMs <= 8.64e15 ? { fromMs: firstMs, toMs: lastMs } : undefined
  } catch {
    return undefined
  }
}

function lookAtPlain(bytes: Buffer): { readonly firstMs: number; readonly lastMs: number } {
  const count = (bytes.length - plainHeadBytes - checksumBytes) / 16
  return { firstMs: bytes.readDoubleLE(plainHeadBytes), lastMs: bytes.readDoubleLE(plainHeadBytes + (count - 1) * 8) }
}

/** The times of a series' points in heads. */
export function headTimesIn(db: Database): (series: number) => Float64Array {
  const rows = db.prepare<[number], Buffer>('SELECT bytes FROM heads WHERE device = (SELECT device FROM series WHERE id = ?)').pluck()
  return (series) => gatherHeads(rows.iterate(series), new Set([series]), () => {}).get(series)?.times ?? new Float64Array(0)
}

/** The points of several rows, by series: rows in the order they were written, of points at the same time the last one stays. */
export function gatherHeads(rows: Iterable<Buffer>, wanted: ReadonlySet<number> | undefined, onDamage: OnHeadDamage): Map<number, Columns> {
  const parts = new Map<number, Columns[]>()
  let row = 0
  for (const bytes of rows) {
    for (const [series, points] of pointsOfHead(bytes, wanted, (damage) => onDamage(damage, row))) {
      const before = parts.get(series)
      if (before === undefined) parts.set(series, [points])
      else before.push(points)
    }
    row += 1
  }
  return new Map(Array.from(parts, ([series, columns]) => [series, inOrder(joined(columns))]))
}
