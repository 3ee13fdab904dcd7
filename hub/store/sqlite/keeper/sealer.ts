// In the keeper thread: the heads of devices become chunks. The chunks are on disk before anybody is told that the heads may go, and merging
// the same points again changes nothing, so a crash in between neither loses nor repeats a point.
import type { Database } from 'better-sqlite3'
import { type Columns, sliced } from '../../series/columns.ts'
import { type Catalogue, fileOf, type PartitionRow } from '../catalogue.ts'
import { gatherHeads } from '../heads.ts'
import { naming } from '../integrity/damage.ts'
import type { OpenPartitions } from '../open-partitions.ts'
import { type Stretch, stretchOf } from '../stretches.ts'
import { mergePoints } from './merge.ts'

/** A device is due when one of its series has enough for a chunk, or when reading it takes too many rows. */
export const dueDepth = 1000
export const dueRows = 64
/** … or when its oldest row is this old. */
const dueAgeMs = 6 * 3_600_000
/** Points taken at a time: some 50 MB while they are sorted into their partitions. */
const pointsAtATime = 1_000_000

/** What was sealed: the writer removes these heads and puts the partitions on record in one transaction. */
export interface Sealed {
  readonly devices: readonly number[]
  /** By device: the newest of the rows that were sealed. */
  readonly lastHeads: readonly number[]
  /** Rows among them that could not be read, or not all: they are put aside. */
  readonly damagedHeads: readonly number[]
  readonly partitions: readonly PartitionRow[]
}

interface Work {
  readonly stretch: Stretch
  readonly keep: string
  readonly state: 'stale' | 'late'
  readonly series: Map<number, Columns>
}

export class Sealer {
  readonly #catalogue: Catalogue
  readonly #partitions: OpenPartitions
  readonly #keepOf: (series: number) => string
  readonly #sql

  /** `keepOf` names the retention rule of a series. */
  constructor(db: Database, catalogue: Catalogue, partitions: OpenPartitions, keepOf: (series: number) => string) {
    this.#catalogue = catalogue
    this.#partitions = partitions
    this.#keepOf = keepOf
    this.#sql = {
      due: db.prepare<[], number>(`SELECT number FROM devices WHERE head_depth >= ${dueDepth} OR head_rows >= ${dueRows}`).pluck(),
      oldest: db
        .prepare<[number], number>('SELECT DISTINCT device FROM (SELECT device FROM heads WHERE at_ms < ? ORDER BY id LIMIT 1000)')
        .pluck(),
      any: db.prepare<[number], number>('SELECT number FROM devices WHERE head_rows > 0 AND number > ? ORDER BY number').pluck(),
      heads: db.prepare<[number], { id: number; points: number; bytes: Buffer }>(
        'SELECT id, points, bytes FROM heads WHERE device = ? ORDER BY id',
      ),
    }
  }

  /** Seals devices that are due, as many as go at a time; undefined when none is. */
  sealDue(nowMs: number): Sealed | undefined {
    return this.#seal(this.#sql.due.iterate()) ?? this.#seal(this.#sql.oldest.iterate(nowMs - dueAgeMs))
  }

  /** Seals whatever devices behind this number have, as many as go at a time; undefined after the last. */
  sealAfter(device: number): Sealed | undefined {
    return this.#seal(this.#sql.any.iterate(device))
  }

  #seal(due: IterableIterator<number>): Sealed | undefined {
    const devices: number[] = []
    const lastHeads: number[] = []
    const damagedHeads = new Set<number>()
    const work = new Map<string, Work>()
    const gone = new Set(
      this.#catalogue
        .all()
        .filter(({ state }) => state === 'gone')
        .map(({ file }) => file),
    )
    let points = 0
    for (const device of due) {
      const rows = this.#sql.heads.all(device)
      if (rows.length === 0) continue
      devices.push(device)
      lastHeads.push(rows.at(-1)!.id)
      for (const row of rows) points += row.points
      const gathered = gatherHeads(
        rows.map(({ bytes }) => bytes),
        undefined,
        (_, row) => damagedHeads.add(rows[row]!.id),
      )
      for (const [series, columns] of gathered) this.#sort(work, series, columns, gone)
      if (points >= pointsAtATime) break
    }
    if (devices.length === 0) return undefined
    const partitions = Array.from(work, ([file, one]) => naming(file, () => this.#write(file, one)))
    return { devices, lastHeads, damagedHeads: [...damagedHeads], partitions }
  }

  /** Each point to the partition that its time and its rule say. */
  #sort(work: Map<string, Work>, series: number, { times, values }: Columns, gone: ReadonlySet<string>): void {
    const keep = this.#keepOf(series)
    for (let start = 0; start < times.length; ) {
      const stretch = stretchOf('raw', times[start]!)
      let end = start + 1
      while (end < times.length && times[end]! < stretch.endMs) end += 1
      const part = sliced({ times, values }, start, end)
      const isLate = gone.has(fileOf(stretch, keep))
      const file = fileOf(stretch, keep, isLate ? 'late' : undefined)
      const before = work.get(file)
      if (before === undefined) work.set(file, { stretch, keep, state: isLate ? 'late' : 'stale', series: new Map([[series, part]]) })
      else before.series.set(series, part)
      start = end
    }
  }

  #write(file: string, { stretch: { tier, startMs, endMs }, keep, state, series }: Work): PartitionRow {
    const partition = this.#partitions.get(file)!
    partition.write(() => {
      for (const [number, points] of [...series].sort(([a], [b]) => a - b)) {
        mergePoints(partition, number, points)
        partition.mark(number)
      }
    })
    return { file, tier, startMs, endMs, keep, state, ...partition.totals() }
  }
}
