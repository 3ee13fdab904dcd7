// In the keeper thread: once a stretch of raw points is over, the rollups of its series are made from its chunks, and made again for series
// that got late points. As long as a series is marked in the raw partition, readers take the points themselves: so answers are exact at
// every moment, and making rollups late costs time, not truth.
import { crc32 } from 'node:zlib'
import { ChunkDamaged, decodeChunk } from '../../series/chunk.ts'
import { type Columns, joined } from '../../series/columns.ts'
import { combined, cutRollup, fullest, joinedRollups, rollUp, rollUpFurther } from '../../series/roll-up.ts'
import { type Rollup, tierMs } from '../../series/rollup.ts'
import { decodeRollup } from '../../series/rollup-chunk.ts'
import { type Catalogue, fileOf, type PartitionRow } from '../catalogue.ts'
import { naming } from '../integrity/damage.ts'
import type { OpenPartitions } from '../open-partitions.ts'
import type { ChunkRow, NewChunk, Partition } from '../partition.ts'
import { type Stretch, stretchOf } from '../stretches.ts'
import { chunksFor, chunksOf as pointChunksOf } from './merge.ts'
import { rollupChunksOf, splice } from './splice.ts'

/** After the end of a stretch, for points on their way. */
const graceMs = 5 * 60_000
const seriesAtATime = 200
/** The minute tier is made where it is at most this part of the points' bytes: where it is not, the points are as quick to read. */
const minuteShareMax = 0.3
/** Chunks are joined when there are more than this many for each that would do. */
const fragmentsMax = 1.5

export interface Rolled {
  /** The raw partition that was worked on. */
  readonly file: string
  /** The tiers above have all of it now. */
  readonly done: boolean
  /** Partitions of other tiers that were written. */
  readonly partitions: readonly PartitionRow[]
}

interface Tiers {
  readonly minute: Rollup
  readonly hour: Rollup
  readonly day: Rollup
}

/** What one partition of a tier is to get, in one transaction. */
interface Target {
  readonly row: Omit<PartitionRow, 'points' | 'bytes'>
  readonly partition: Partition
  readonly changes: (() => void)[]
}

export class Roller {
  readonly #catalogue: Catalogue
  readonly #partitions: OpenPartitions
  readonly #headTimes: (series: number) => Float64Array
  #confirm: (() => void) | undefined

  /** `headTimes` are those of a series' points in heads. */
  constructor(catalogue: Catalogue, partitions: OpenPartitions, headTimes: (series: number) => Float64Array) {
    this.#headTimes = headTimes
    this.#catalogue = catalogue
    this.#partitions = partitions
  }

  /**
   * Makes some rollups of the oldest partition that needs it; undefined when none does. While files are held for a backup late points wait:
   * copied before and after they are added to the tiers, they could be added twice.
   */
  rollDue(nowMs: number, isHeld: boolean): Rolled | undefined {
    return this.#rollFirst((row) => (row.state === 'late' ? !isHeld : row.state === 'stale' && row.endMs + graceMs <= nowMs))
  }

  #rollFirst(isDue: (row: PartitionRow) => boolean): Rolled | undefined {
    for (const row of this.#catalogue.all()) {
      if (!isDue(row)) continue
      const rolled = naming(row.file, () => {
        const partition = this.#partitions.get(row.file)!
        const series = row.state === 'late' ? this.#lateSeries(partition) : partition.marks(seriesAtATime)
        // A late one without marks waits to be let go of.
        return row.state === 'late' && series.length === 0 ? undefined : this.#roll(row, partition, series, false)
      })
      if (rolled !== undefined) return rolled
    }
    return undefined
  }

  /**
   * As `rollDue`, of late points alone. They have to be added before more come into their partition: a crash may have left them added and
   * not confirmed, and only as long as they are the same it shows.
   */
  rollLate(isHeld: boolean): Rolled | undefined {
    return this.#rollFirst((row) => row.state === 'late' && !isHeld)
  }

  /** Whether late points can be added. */
  hasLate(): boolean {
    return this.#catalogue.all().some(({ state, file }) => {
      return state === 'late' && naming(file, () => this.#lateSeries(this.#partitions.get(file)!)).length > 0
    })
  }

  /**
   * Series with late points. None as long as one of their points is in a head, too: then a crash came before it was on record that they are
   * sealed. They will be sealed once more, which changes nothing, unless they were added before.
   */
  #lateSeries(partition: Partition): number[] {
    const marked = partition.marks(seriesAtATime)
    const isInHead = (series: number): boolean => {
      const inHeads = new Set(this.#headTimes(series))
      if (inHeads.size === 0) return false
      const chunks = partition.chunks(series, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)
      return readable(chunks, decodeChunk).some(({ times }) => times.some((atMs) => inHeads.has(atMs)))
    }
    return marked.some(isInHead) ? [] : marked
  }

  /** What was rolled up last is on record: until then a crash would have taken the files that nobody knew of, and it would be done again. */
  confirm(): void {
    this.#confirm?.()
    this.#confirm = undefined
  }

  /**
   * Makes the minute tier even where it does not pay, for points that are about to go: of series behind `after`, as many as go at a time.
   * `last` is where the next call goes on.
   */
  rollMinutes(raw: PartitionRow, after: number): Rolled & { readonly last: number } {
    return naming(raw.file, () => {
      const partition = this.#partitions.get(raw.file)!
      const series = partition.seriesAfter(after, seriesAtATime)
      return { ...this.#roll(raw, partition, series, true), last: series.at(-1) ?? after }
    })
  }

  #roll(raw: PartitionRow, partition: Partition, series: readonly number[], always: boolean): Rolled {
    const targets = new Map<string, Target>()
    const joins: (() => void)[] = []
    const added: ChunkRow[] = []
    for (const one of series) {
      if (raw.state === 'late') added.push(...this.#addLate(raw, partition, one, targets))
      else this.#rollSeries(raw, partition, one, targets, joins, always)
    }
    for (const [file, { partition: target, changes }] of targets) {
      naming(file, () =>
        target.write(() => {
          for (const change of changes) change()
        }),
      )
    }
    partition.write(() => {
      for (const join of joins) join()
    })
    this.#confirm = () => {
      const again = this.#partitions.get(raw.file)!
      again.write(() => {
        for (const chunk of added) again.remove(chunk)
        for (const one of series) again.unmark(one)
      })
    }
    const done = series.length < seriesAtATime
    if (done) for (const { row, partition: target } of targets.values()) if (row.tier === 'minute') target.settle()
    const partitions: PartitionRow[] = Array.from(targets.values(), ({ row, partition: target }) => ({ ...row, ...target.totals() }))
    if (raw.state === 'late') return { file: raw.file, done, partitions }
    if (done && !always) partition.settle()
    return { file: raw.file, done, partitions: [...partitions, { ...raw, ...partition.totals() }] }
  }

  #rollSeries(
    raw: PartitionRow,
    partition: Partition,
    series: number,
    targets: Map<string, Target>,
    joins: (() => void)[],
    always: boolean,
  ): void {
    const chunks = partition.chunks(series, raw.startMs, raw.endMs)
    const points = pointsOf(chunks)
    if (points === undefined) return
    const tiers = this.#atLeast(raw, series, tiersOf(points.columns))
    if (points.isWhole && chunks.length > chunksFor(points.columns.times.length) * fragmentsMax) {
      joins.push(() => {
        for (const chunk of chunks) partition.remove(chunk)
        for (const chunk of pointChunksOf(series, points.columns)) partition.insert(chunk)
      })
    }
    const minutes = rollupChunksOf(series, tiers.minute)
    const isWorth = always || bytesOf(minutes) <= bytesOf(chunks) * minuteShareMax
    if (isWorth) this.#replace(raw, series, tiers.minute, targets, minutes)
    else this.#replace(raw, series, cutRollup(tiers.minute, 0, 0), targets)
    this.#replace(raw, series, tiers.hour, targets)
    this.#replace(raw, series, tiers.day, targets)
  }

  /** Points never get fewer; where they did, chunks were lost on the disk, and buckets that were made of more of them stay as they are. */
  #atLeast(raw: PartitionRow, series: number, tiers: Tiers): Tiers {
    const days = this.#rollupOf(raw, series, 'day')
    if (days === undefined || countOf(days) <= countOf(tiers.day)) return tiers
    const fuller = (tier: keyof Tiers) => fullest(this.#rollupOf(raw, series, tier) ?? tiers[tier], tiers[tier])
    return { minute: fuller('minute'), hour: fuller('hour'), day: fuller('day') }
  }

  /** What the partition of this tier has of the series in the raw one's stretch. */
  #rollupOf(raw: PartitionRow, series: number, tier: keyof Tiers): Rollup | undefined {
    const file = fileOf(stretchOf(tier, raw.startMs), raw.keep)
    if (!this.#catalogue.has(file)) return undefined
    const chunks = naming(file, () => this.#partitions.get(file)!.chunks(series, raw.startMs, raw.endMs - 1))
    const parts = readable(chunks, decodeRollup).map((rollup) => cutRollup(rollup, raw.startMs, raw.endMs))
    const filled = parts.filter(({ starts }) => starts.length > 0)
    return filled.length === 0 ? undefined : joinedRollups(filled)
  }

  /**
   * Adds points to rollups whose own points are gone. Done twice it would count twice: so each tier's partition remembers, in the same
   * transaction, what was added last.
   */
  #addLate(raw: PartitionRow, partition: Partition, series: number, targets: Map<string, Target>): ChunkRow[] {
    const chunks = partition.chunks(series, raw.startMs, raw.endMs)
    const points = pointsOf(chunks)
    if (points === undefined) return chunks
    const tiers = tiersOf(points.columns)
    const key = series * 2 ** 20 + Math.floor(raw.startMs / tierMs.day)
    // Of their checksums: that of bytes that end in their own is the same for all.
    const value = chunks.reduce((sum, { bytes }) => crc32(bytes.subarray(-4), sum), 0)
    for (const tier of ['minute', 'hour', 'day'] as const) {
      const stretch = stretchOf(tier, raw.startMs)
      if (!this.#catalogue.has(fileOf(stretch, raw.keep))) continue // of this tier, too, the time is over
      const { partition: target, changes } = this.#target(stretch, raw.keep, targets)
      if (target.markOf(key) === value) continue
      const before = this.#rollupOf(raw, series, tier)
      const whole = before === undefined ? tiers[tier] : combined(before, tiers[tier])
      this.#replace(raw, series, whole, targets)
      changes.push(() => target.mark(key, value))
    }
    return chunks
  }

  /** What the partition of this tier has of the series in the raw one's stretch is this from now on. */
  #replace(raw: PartitionRow, series: number, rollup: Rollup, targets: Map<string, Target>, encoded?: readonly NewChunk[]): void {
    const stretch = stretchOf(rollup.tier, raw.startMs)
    if (rollup.starts.length === 0 && !this.#catalogue.has(fileOf(stretch, raw.keep))) return
    const { partition, changes } = this.#target(stretch, raw.keep, targets)
    changes.push(() => splice(partition, series, raw, rollup, encoded))
  }

  #target(stretch: Stretch, keep: string, targets: Map<string, Target>): Target {
    const file = fileOf(stretch, keep)
    const found = targets.get(file)
    if (found !== undefined) return found
    const { tier, startMs, endMs } = stretch
    const target: Target = {
      row: { file, tier, startMs, endMs, keep, state: 'whole' },
      partition: naming(file, () => this.#partitions.get(file)!),
      changes: [],
    }
    targets.set(file, target)
    return target
  }
}

/** Of what can be read: `mooring check` names the rest. Undefined when nothing can. */
function pointsOf(chunks: readonly ChunkRow[]): { readonly columns: Columns; readonly isWhole: boolean } | undefined {
  const parts = readable(chunks, decodeChunk)
  return parts.length === 0 ? undefined : { columns: joined(parts), isWhole: parts.length === chunks.length }
}

function readable<Decoded>(chunks: readonly ChunkRow[], decode: (bytes: Buffer) => Decoded): Decoded[] {
  return chunks.flatMap(({ bytes }) => {
    try {
      return [decode(bytes)]
    } catch (error) {
      if (error instanceof ChunkDamaged) return []
      throw error
    }
  })
}

function countOf({ counts }: Rollup): number {
  return counts.reduce((sum, count) => sum + count, 0)
}

function tiersOf(points: Columns): Tiers {
  const minute = rollUp(points, 'minute')
  const hour = rollUpFurther(minute, 'hour')
  return { minute, hour, day: rollUpFurther(hour, 'day') }
}

function bytesOf(chunks: readonly { readonly bytes: Buffer }[]): number {
  return chunks.reduce((sum, { bytes }) => sum + bytes.length, 0)
}
