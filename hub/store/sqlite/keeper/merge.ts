// In the keeper thread: new points of one series into the chunks of one partition. Only chunks that a new point falls into are opened again,
// and the one before, when it is short; so a late point costs one chunk, and a slow series does not leave a chunk per visit.
import { ChunkDamaged, decodeChunk, encodeChunk } from '../../series/chunk.ts'
import { type Columns, inOrder, joined, sliced } from '../../series/columns.ts'
import type { ChunkSpan, NewChunk, Partition } from '../partition.ts'

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
 * A chunk in the way that cannot be read any more is put aside.
 */
export function mergePoints(partition: Partition, series: number, points: Columns): void {
  let pieces = piecesOf(partition, series, points)
  while (pieces === undefined) pieces = piecesOf(partition, series, points)
  for (const { replaces, points: merged } of pieces) {
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

/** Undefined when it met a damaged chunk, which does not lie in the way any more. */
function piecesOf(partition: Partition, series: number, points: Columns): Piece[] | undefined {
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
      const isAdded = addToGap(partition, pieces, before, sliced(points, at, gapEnd))
      if (!isAdded) return undefined
      at = gapEnd
    }
    if (span === undefined) break
    const end = firstAfter(times, at, span.endMs)
    if (end > at) {
      const opened = opening(partition, span)
      if (opened === undefined) return undefined
      pieces.push({ replaces: span, points: merged(opened, sliced(points, at, end)) })
    }
    before = span
    at = end
    next += 1
  }
  return pieces
}

/** False when it met a damaged chunk. */
function addToGap(partition: Partition, pieces: Piece[], before: ChunkSpan | undefined, points: Columns): boolean {
  const last = pieces.at(-1)
  if (last !== undefined && last.replaces === before && before !== undefined) {
    if (last.points.times.length < shortPoints) last.points = joined([last.points, points])
    else pieces.push({ replaces: undefined, points })
    return true
  }
  if (before === undefined || before.count >= shortPoints) {
    pieces.push({ replaces: undefined, points })
    return true
  }
  const opened = opening(partition, before)
  if (opened !== undefined) pieces.push({ replaces: before, points: merged(opened, points) })
  return opened !== undefined
}

function merged(opened: Columns, points: Columns): Columns {
  return inOrder(joined([opened, points]))
}

/** Undefined when it cannot be read; then it is put aside. */
function opening(partition: Partition, span: ChunkSpan): Columns | undefined {
  try {
    return decodeChunk(partition.bytesOf(span.id))
  } catch (error) {
    if (!(error instanceof ChunkDamaged)) throw error
    partition.putChunkAside(span)
    return undefined
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
