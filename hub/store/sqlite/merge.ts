// In the keeper thread: new points of one series into the chunks of one partition. Only chunks that a new point falls into are opened again,
// and the one before, when it is short; so a late point costs one chunk, and a slow series does not leave a chunk per visit.
import { ChunkDamaged, decodeChunk, encodeChunk } from '../series/chunk.ts'
import { type Columns, inOrder, joined } from '../series/columns.ts'
import type { ChunkSpan, NewChunk, Partition } from './partition.ts'

/** 1,000 points are where larger chunks hardly get smaller per point, and short ranges decode little that nobody asked for. */
const chunkPoints = 1000
/** A chunk with fewer takes what comes behind it, up to one and a half times the above. */
const shortPoints = 500

/** Points in the order of time that replace chunks, or stand between them. */
interface Piece {
  readonly replaces: ChunkSpan | undefined
  points: Columns
}

/**
 * Points ascend strictly and lie in the partition's stretch; of points at the same time the new one stays. Called within `Partition.write`.
 * A chunk that cannot be read any more is left as it is, for `mooring check` to name, and what is new stands beside it.
 */
export function mergePoints(partition: Partition, series: number, points: Columns): void {
  for (const { replaces, points: merged } of piecesOf(partition, series, points)) {
    if (replaces !== undefined) partition.remove(replaces)
    for (const chunk of chunksOf(series, merged)) partition.insert(chunk)
  }
}

/** Points as chunks of about equal length. */
export function* chunksOf(series: number, points: Columns): Generator<NewChunk> {
  const { times } = points
  const count = times.length
  const size = Math.ceil(count / chunksFor(count))
  for (let start = 0; start < count; start += size) {
    const end = Math.min(count, start + size)
    const bytes = encodeChunk(points, start, end, { compress: true })
    yield { series, startMs: times[start]!, endMs: times[end - 1]!, count: end - start, bytes }
  }
}

/** How many chunks so many points should be. */
export function chunksFor(count: number): number {
  return Math.max(1, Math.round(count / chunkPoints))
}

function piecesOf(partition: Partition, series: number, points: Columns): Piece[] {
  const { times } = points
  const spans = partition.spans(series, times[0]!, times[times.length - 1]!)
  const pieces: Piece[] = []
  const count = times.length
  let at = 0
  let before: ChunkSpan | undefined // the chunk in front of the gap we stand in
  for (let next = 0; at < count; ) {
    const span = spans[next]
    const startMs = span?.startMs ?? Number.POSITIVE_INFINITY
    const gapEnd = firstNotBefore(times, at, startMs)
    if (gapEnd > at) {
      addToGap(partition, pieces, before, part(points, at, gapEnd))
      at = gapEnd
    }
    if (span === undefined) break
    const end = firstAfter(times, at, span.endMs)
    const opened = end > at ? opening(partition, span) : undefined
    if (end > at) pieces.push({ replaces: opened && span, points: merged(opened, part(points, at, end)) })
    before = span
    at = end
    next += 1
  }
  return pieces
}

function addToGap(partition: Partition, pieces: Piece[], before: ChunkSpan | undefined, points: Columns): void {
  const last = pieces.at(-1)
  if (last !== undefined && last.replaces === before && before !== undefined) {
    if (last.points.times.length < shortPoints) last.points = joined([last.points, points])
    else pieces.push({ replaces: undefined, points })
    return
  }
  const opened = before !== undefined && before.count < shortPoints ? opening(partition, before) : undefined
  pieces.push({ replaces: opened && before, points: merged(opened, points) })
}

function merged(opened: Columns | undefined, points: Columns): Columns {
  return opened === undefined ? points : inOrder(joined([opened, points]))
}

/** Undefined when it cannot be read. */
function opening(partition: Partition, { id }: ChunkSpan): Columns | undefined {
  try {
    return decodeChunk(partition.bytesOf(id))
  } catch (error) {
    if (error instanceof ChunkDamaged) return undefined
    throw error
  }
}

function part({ times, values }: Columns, start: number, end: number): Columns {
  if (start === 0 && end === times.length) return { times, values }
  return {
    times: times.subarray(start, end),
    values: values instanceof Float64Array ? values.subarray(start, end) : values.slice(start, end),
  }
}

function firstNotBefore(times: Float64Array, from: number, ms: number): number {
  let at = from
  while (at < times.length && times[at]! < ms) at += 1
  return at
}

function firstAfter(times: Float64Array, from: number, ms: number): number {
  let at = from
  while (at < times.length && times[at]! <= ms) at += 1
  return at
}
