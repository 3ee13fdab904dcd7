// In threads that read: the points of a series wherever they are, heads first and partitions then. In this order, because what is sealed
// between the two looks is in both, never in neither.

import type { Database } from 'better-sqlite3'
import { ChunkDamaged, chunkPointsMax, decodeChunk, encodeChunk } from '../../series/chunk.ts'
import { type Columns, cut, firstAt, inOrder, joined, sliced } from '../../series/columns.ts'
import { cutRollup, joinedRollups } from '../../series/roll-up.ts'
import type { Rollup } from '../../series/rollup.ts'
import { decodeRollup } from '../../series/rollup-chunk.ts'
import type { SeriesSize } from '../../telemetry.ts'
import type { Catalogue, PartitionRow } from '../catalogue.ts'
import { gatherHeads } from '../heads.ts'
import { isCorrupt } from '../integrity/damage.ts'
import type { OpenPartitions } from '../open-partitions.ts'
import type { ChunkRow, Partition } from '../partition.ts'
import { stretchOf } from '../stretches.ts'
import type { Budget } from './budget.ts'

/** The points of one device that are not in partitions yet, by series. */
export type Heads = ReadonlyMap<number, Columns>

export interface Direction {
  readonly descending: boolean
}

export class PointsReader {
  readonly #catalogue: Catalogue
  readonly #partitions: OpenPartitions
  readonly #heads

  constructor(db: Database, catalogue: Catalogue, partitions: OpenPartitions) {
    this.#catalogue = catalogue
    this.#partitions = partitions
    this.#heads = db.prepare<[number], { atMs: number; bytes: Buffer }>(
      'SELECT at_ms AS atMs, bytes FROM heads WHERE device = ? ORDER BY id',
    )
  }

  /** Of these series of a device, or of all. What cannot be read is noted as damaged. */
  headsOf(device: number, wanted?: ReadonlySet<number>, budget?: Budget): Heads {
    const rows = this.#heads.all(device)
    return gatherHeads(
      rows.map(({ bytes }) => bytes),
      wanted,
      ({ span }, row) => {
        const { atMs } = rows[row]!
        budget?.damaged.push({ from: span?.fromMs ?? atMs, to: span?.toMs ?? atMs, tier: null })
      },
    )
  }

  /**
   * The points of a series from `fromMs` to `toMs`, both included, in parts that follow one another in time (in the other direction:
   * precede one another; the points of a part always ascend).
   */
  *parts(
    series: number,
    heads: Heads,
    fromMs: number,
    toMs: number,
    budget: Budget,
    { descending }: Direction = { descending: false },
  ): Generator<Columns> {
    const head = cut(heads.get(series) ?? noPoints, fromMs, toMs)
    const stretches = this.stretches(head, fromMs, toMs)
    if (descending) stretches.reverse()
    for (const stretch of stretches) {
      const [from, to] = [Math.max(fromMs, stretch.startMs), Math.min(toMs, stretch.endMs)]
      yield* this.#stretch(stretch, series, from, to, budget, descending)
    }
  }

  /** The raw stretches with anything in the range, in the order of time. */
  stretches(head: Columns, fromMs: number, toMs: number): RawStretch[] {
    const byStart = new Map<number, RawStretch>()
    for (const row of this.#catalogue.all()) {
      if (!isInRange(row, fromMs, toMs)) continue
      const before = byStart.get(row.startMs)
      if (before === undefined) byStart.set(row.startMs, { startMs: row.startMs, endMs: row.endMs, rows: [row], headPart: noPoints })
      else before.rows.push(row)
    }
    for (let start = 0; start < head.times.length; ) {
      const { startMs, endMs } = stretchOf('raw', head.times[start]!)
      let end = start + 1
      while (end < head.times.length && head.times[end]! < endMs) end += 1
      const headPart = sliced(head, start, end)
      const before = byStart.get(startMs)
      if (before === undefined) byStart.set(startMs, { startMs, endMs, rows: [], headPart })
      else before.headPart = headPart
      start = end
    }
    return Array.from(byStart.values()).sort((a, b) => a.startMs - b.startMs)
  }

  isStale(row: PartitionRow, series: number): boolean {
    return row.state === 'stale' && this.#ask(row, (partition) => partition.markOf(series) !== undefined, true) === true
  }

  /** Whether any chunk of the series in these partitions has something in the range. */
  has(rows: readonly PartitionRow[], series: number, fromMs: number, endMs: number): boolean {
    return rows.some((row) => (this.#ask(row, (partition) => partition.pointsIn(series, fromMs, endMs - 1), 0) ?? 0) > 0)
  }

  /** The buckets of one tier that begin from `fromMs` on and before `toMs`; undefined when there are none. */
  rollup(rows: readonly PartitionRow[], series: number, fromMs: number, toMs: number, budget: Budget): Rollup | undefined {
    const parts: Rollup[] = []
    for (const row of rows) {
      for (const chunk of this.#chunksOf(row, series, fromMs, toMs, budget)) {
        budget.spend(chunk.count)
        const part = decoded(chunk, decodeRollup, budget)
        if (part !== undefined) parts.push(part)
      }
    }
    if (parts.length === 0) return undefined
    const rollup = cutRollup(joinedRollups(parts.sort((a, b) => a.starts[0]! - b.starts[0]!)), fromMs, toMs)
    return rollup.starts.length === 0 ? undefined : rollup
  }

  /** Points in partitions, of whole chunks. */
  storedPoints(series: number, fromMs: number, toMs: number): number {
    let points = 0
    for (const row of this.#catalogue.all()) {
      if (!isInRange(row, fromMs, toMs)) continue
      points += this.#ask(row, (partition) => partition.pointsIn(series, fromMs, toMs), 0) ?? 0
    }
    return points
  }

  /** Points, bytes and the times of the first and the last, those in heads included. */
  sizeOf(series: number, heads: Heads): Omit<SeriesSize, 'metric'> {
    const { times } = heads.get(series) ?? noPoints
    let points = times.length
    let bytes = points === 0 ? 0 : encodeChunk(heads.get(series)!, 0, Math.min(points, chunkPointsMax), { compress: false }).length
    let fromMs = times[0] ?? null
    let toMs = times.at(-1) ?? null
    for (const row of this.#catalogue.all()) {
      if (!isInRange(row, 0, Number.POSITIVE_INFINITY)) continue
      const size = this.#ask(row, (partition) => partition.sizesOf(series), undefined)
      if (size === undefined || size.startMs === null || size.endMs === null) continue
      points += size.points
      bytes += size.bytes
      fromMs = Math.min(fromMs ?? size.startMs, size.startMs)
      toMs = Math.max(toMs ?? size.endMs, size.endMs)
    }
    return { points, bytes, fromMs, toMs }
  }

  /** A part is a chunk, and what of the head lies in it or on the way to it. */
  *#stretch(
    { rows, headPart }: RawStretch,
    series: number,
    fromMs: number,
    toMs: number,
    budget: Budget,
    descending: boolean,
  ): Generator<Columns> {
    const groups = overlapping(rows.flatMap((row) => this.#chunksOf(row, series, fromMs, toMs, budget)))
    if (descending) groups.reverse()
    let head = headPart
    for (const { chunks, startMs, endMs } of groups) {
      const at = descending ? firstAt(head.times, (atMs) => atMs >= startMs) : firstAt(head.times, (atMs) => atMs > endMs)
      const [before, behind] = [sliced(head, 0, at), sliced(head, at, head.times.length)]
      head = descending ? before : behind
      const joining = descending ? behind : before
      budget.spend(chunks.reduce((sum, { count }) => sum + count, joining.times.length))
      const parts = chunks.flatMap((chunk) => decoded(chunk, decodeChunk, budget) ?? [])
      const columns = cut(
        joining.times.length + parts.length > 1 ? inOrder(joined([...parts, joining])) : (parts[0] ?? joining),
        fromMs,
        toMs,
      )
      if (columns.times.length > 0) yield columns
    }
    budget.spend(head.times.length)
    if (head.times.length > 0) yield head
  }

  /** What is damaged is noted. None when the file is gone: then its time was over. */
  #chunksOf(row: PartitionRow, series: number, fromMs: number, toMs: number, budget: Budget): ChunkRow[] {
    const found = this.#ask(row, (partition) => partition.chunksAndPutAside(series, fromMs, toMs), 'damaged')
    const damaged = found === 'damaged' ? [row] : (found?.aside ?? [])
    for (const { startMs, endMs } of damaged) budget.damaged.push({ from: startMs, to: endMs, tier: null })
    return found === 'damaged' ? [] : (found?.chunks ?? [])
  }

  /** Undefined when the file is gone, `ifDamaged` when SQLite cannot read it. */
  #ask<Answer, Damaged>(row: PartitionRow, read: (partition: Partition) => Answer, ifDamaged: Damaged): Answer | Damaged | undefined {
    try {
      const partition = this.#partitions.get(row.file)
      return partition && read(partition)
    } catch (error) {
      if (isCorrupt(error)) return ifDamaged
      throw error
    }
  }
}

interface Group {
  readonly chunks: ChunkRow[]
  readonly startMs: number
  endMs: number
}

/** Chunks of one partition never overlap; those of another retention rule may. In the order of time, in a group as they came. */
function overlapping(chunks: readonly ChunkRow[]): Group[] {
  const groups: Group[] = []
  for (const chunk of [...chunks].sort((a, b) => a.startMs - b.startMs)) {
    const last = groups.at(-1)
    if (last === undefined || last.endMs < chunk.startMs) groups.push({ chunks: [chunk], startMs: chunk.startMs, endMs: chunk.endMs })
    else {
      last.chunks.push(chunk)
      last.endMs = Math.max(last.endMs, chunk.endMs)
    }
  }
  for (const group of groups) if (group.chunks.length > 1) group.chunks.sort((a, b) => chunks.indexOf(a) - chunks.indexOf(b))
  return groups
}

/** It has points, and of this range. */
function isInRange({ tier, state, startMs, endMs }: PartitionRow, fromMs: number, toMs: number): boolean {
  return tier === 'raw' && state !== 'gone' && startMs <= toMs && endMs > fromMs
}

/** Undefined when the chunk is damaged: the rest is answered. */
function decoded<Decoded>({ bytes, startMs, endMs }: ChunkRow, decode: (bytes: Buffer) => Decoded, budget: Budget): Decoded | undefined {
  try {
    return decode(bytes)
  } catch (error) {
    if (!(error instanceof ChunkDamaged)) throw error
    budget.damaged.push({ from: startMs, to: endMs, tier: null })
    return undefined
  }
}

export interface RawStretch {
  readonly startMs: number
  readonly endMs: number
  /** More than one where retention rules differ. */
  readonly rows: PartitionRow[]
  headPart: Columns
}

export const noPoints: Columns = { times: new Float64Array(0), values: new Float64Array(0) }
