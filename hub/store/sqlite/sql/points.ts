// In the process for SQL: the points of one series, wherever they are.
import { join } from 'node:path'
import type { Database } from 'better-sqlite3'
import type { Columns } from '../../series/columns.ts'
import type { DamagedSpan } from '../../sql.ts'
import { Catalogue, seriesFolder } from '../catalogue.ts'
import { OpenPartitions } from '../open-partitions.ts'
import { Partition } from '../partition.ts'
import { Budget } from '../query/budget.ts'
import { PointsReader } from '../query/points-reader.ts'

const partitionsOpen = 64

export class SqlPoints {
  readonly #reader: PointsReader
  readonly #partitions: OpenPartitions
  readonly #deviceOf
  /** The process has its own end; nobody cancels here. */
  readonly #flags = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))

  constructor(folder: string, db: Database) {
    this.#partitions = new OpenPartitions(join(folder, seriesFolder), Partition.read, partitionsOpen)
    this.#reader = new PointsReader(db, new Catalogue(db), this.#partitions)
    this.#deviceOf = db.prepare<[number], number>('SELECT device FROM series WHERE id = ?').pluck()
  }

  /**
   * Both ends included; in the order of time, each part behind the one before, no time twice. `onDamaged` hears of what is passed over
   * because it cannot be read, before the part behind it comes.
   */
  *parts(series: number, fromMs: number, toMs: number, onDamaged: (span: DamagedSpan) => void): Generator<Columns> {
    const device = this.#deviceOf.get(series)
    if (device === undefined) return
    const budget = new Budget(this.#flags, 0, { unbounded: true })
    const heads = this.#reader.headsOf(device, new Set([series]), budget)
    const tell = () => budget.damaged.splice(0).forEach(onDamaged)
    for (const part of this.#reader.parts(series, heads, fromMs, toMs, budget)) {
      tell() // now, because SQLite may want no more parts
      yield part
    }
    tell()
  }

  close(): void {
    this.#partitions.closeAll()
  }
}
