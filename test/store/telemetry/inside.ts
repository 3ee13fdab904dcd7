// Looks into the files of a store, past the store, and does by hand what its upkeep does once a second.
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { Catalogue, defaultKeep, type PartitionRow, seriesFolder } from '../../../hub/store/sqlite/catalogue.ts'
import { headTimesIn } from '../../../hub/store/sqlite/heads.ts'
import { Roller } from '../../../hub/store/sqlite/keeper/roller.ts'
import { Sealer } from '../../../hub/store/sqlite/keeper/sealer.ts'
import { OpenPartitions, openForWriting } from '../../../hub/store/sqlite/open-partitions.ts'
import { PartitionRecords } from '../../../hub/store/sqlite/partition-records.ts'
import type { Store } from '../../../hub/store/store.ts'

/** Chunks as they lie in a partition file. */
export interface StoredChunk {
  readonly id: number
  readonly series: number
  readonly startMs: number
  readonly endMs: number
  readonly count: number
  readonly bytes: Buffer
}

export function withDatabase<Found>(path: string, look: (db: Database.Database) => Found): Found {
  const db = new Database(path, { timeout: 5000 })
  try {
    return look(db)
  } finally {
    db.close()
  }
}

export function rowsOf<Row>(folder: string, sql: string, ...values: (string | number)[]): Row[] {
  return withDatabase(join(folder, 'mooring.db'), (db) => db.prepare<(string | number)[], Row>(sql).all(...values))
}

export function changeIn(folder: string, sql: string): void {
  withDatabase(join(folder, 'mooring.db'), (db) => db.exec(sql))
}

export function partitionsOf(folder: string, tier = 'raw'): PartitionRow[] {
  return rowsOf<PartitionRow>(
    folder,
    'SELECT file, tier, start_ms AS startMs, end_ms AS endMs, keep, state, points, bytes FROM partitions WHERE tier = ? ORDER BY start_ms',
    tier,
  )
}

/** In the order of time, series by series. */
export function chunksIn(folder: string, file: string): StoredChunk[] {
  return withDatabase(pathOf(folder, file), (db) => {
    return db
      .prepare<[], StoredChunk>(
        'SELECT id, series, start_ms AS startMs, end_ms AS endMs, count, bytes FROM chunks ORDER BY series, start_ms',
      )
      .all()
  })
}

export function pathOf(folder: string, file: string): string {
  return join(folder, seriesFolder, file)
}

/** Rolls up all that is due, as the keeper and the writer do together. The store is closed. */
export function rollAll(folder: string, nowMs = Date.now()): void {
  withDatabase(join(folder, 'mooring.db'), (db) => {
    const catalogue = new Catalogue(db)
    const partitions = new OpenPartitions(join(folder, seriesFolder), openForWriting, 16)
    const roller = new Roller(catalogue, partitions, headTimesIn(db))
    const records = new PartitionRecords(db)
    for (let rolled = roller.rollDue(nowMs, false); rolled !== undefined; rolled = roller.rollDue(nowMs, false)) {
      records.rolled(rolled)
      roller.confirm()
    }
    partitions.closeAll()
  })
}

/** Resolves when all points that were stored are in chunks, and rolled up where their day is over, by the upkeep of the open store. */
export async function rolledUp(store: Store, folder: string): Promise<void> {
  await store.status({ seal: true })
  const now = Date.now()
  const isDue = ({ state, endMs }: PartitionRow): boolean => state === 'late' || (state === 'stale' && endMs < now - 2 * 86_400_000)
  while (partitionsOf(folder).some(isDue)) await store.devices({ limit: 1 })
}

/** Rolls up the oldest day that is due, and is killed before it can tell the writer, after which alone the marks of the day are cleared. */
export function rollUntold(folder: string, nowMs = Date.now()): void {
  withDatabase(join(folder, 'mooring.db'), (db) => {
    const partitions = new OpenPartitions(join(folder, seriesFolder), openForWriting, 16)
    new Roller(new Catalogue(db), partitions, headTimesIn(db)).rollDue(nowMs, false)
    partitions.closeAll()
  })
}

/** Seals what is in heads, and is killed before it can tell the writer. */
export function sealUntold(folder: string): void {
  withDatabase(join(folder, 'mooring.db'), (db) => {
    const partitions = new OpenPartitions(join(folder, seriesFolder), openForWriting, 16)
    new Sealer(db, new Catalogue(db), partitions, () => defaultKeep).sealAfter(0)
    partitions.closeAll()
  })
}

/** The folder as a kill at this moment leaves it, when nothing is being written. */
export function copyAsKilled(folder: string, to: string): void {
  mkdirSync(to, { recursive: true })
  copyDatabase(folder, to)
  if (existsSync(join(folder, seriesFolder))) cpSync(join(folder, seriesFolder), join(to, seriesFolder), { recursive: true })
}

/** mooring.db with its log; without the index of the log, which SQLite makes anew. */
export function copyDatabase(folder: string, to: string): void {
  for (const name of readdirSync(folder)) if (/^mooring\.db(-wal)?$/.test(name)) copyFileSync(join(folder, name), join(to, name))
}
