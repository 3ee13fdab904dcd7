// In the keeper thread: the buckets of one stretch of one series into the chunks of a coarser tier. Chunks go on growing from day to day: a
// year read as 365 chunks of 24 hours takes five times as long, and a day's single bucket would be a chunk.
import { ChunkDamaged } from '../../series/chunk.ts'
import { cutRollup, joinedRollups } from '../../series/roll-up.ts'
import { type Rollup, tierMs } from '../../series/rollup.ts'
import { decodeRollup, encodeRollup } from '../../series/rollup-chunk.ts'
import type { ChunkSpan, NewChunk, Partition } from '../partition.ts'
import type { Stretch } from '../stretches.ts'

/** Those of a day in minutes. */
const bucketsPerChunk = 1440
/** A chunk takes what comes behind it up to this: ten days of hours, each of which is then written five times on average. */
const bucketsJoined = 256

/**
 * What the partition has of the series in the stretch is this from now on. Called within `Partition.write`. A chunk in the way that cannot be
 * read any more is put aside.
 *
 * @param rollup its buckets begin in the stretch; without any, nothing is left there
 * @param encoded its chunks, where they were made already
 */
export function splice(
  partition: Partition,
  series: number,
  { startMs, endMs }: Pick<Stretch, 'startMs' | 'endMs'>,
  rollup: Rollup,
  encoded: readonly NewChunk[] = rollupChunksOf(series, rollup),
): void {
  const before: Rollup[] = []
  const behind: Rollup[] = []
  for (const span of partition.spans(series, startMs, endMs - 1)) {
    const isInWay = span.endMs >= startMs
    if (!isInWay && (encoded.length === 0 || span.count + rollup.starts.length > bucketsJoined)) continue
    if (span.startMs < startMs || span.endMs >= endMs) {
      const opened = openedChunk(partition, span)
      if (opened === undefined) {
        if (isInWay) partition.putChunkAside(span)
        continue
      }
      before.push(cutRollup(opened, Number.NEGATIVE_INFINITY, startMs))
      behind.push(cutRollup(opened, endMs, Number.POSITIVE_INFINITY))
    }
    partition.remove(span)
  }
  const chunks = before.length === 0 ? encoded : rollupChunksOf(series, joinedRollups([...before, rollup, ...behind]))
  for (const chunk of chunks) partition.insert(chunk)
}

export function rollupChunksOf(series: number, rollup: Rollup): NewChunk[] {
  const { starts, tier } = rollup
  const chunks: NewChunk[] = []
  for (let start = 0; start < starts.length; start += bucketsPerChunk) {
    const end = Math.min(starts.length, start + bucketsPerChunk)
    const bytes = encodeRollup(rollup, start, end)
    chunks.push({ series, startMs: starts[start]!, endMs: starts[end - 1]! + tierMs[tier] - 1, count: end - start, bytes })
  }
  return chunks
}

/** Undefined when it cannot be read. */
function openedChunk(partition: Partition, { id }: ChunkSpan): Rollup | undefined {
  try {
    return decodeRollup(partition.bytesOf(id))
  } catch (error) {
    if (error instanceof ChunkDamaged) return undefined
    throw error
  }
}
