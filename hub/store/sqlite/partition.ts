// A partition: one file with the chunks of all series in one stretch of time, so that letting go of that time is the removal of a file.
//
// The keeper alone writes it, and other threads read it meanwhile. It is no WAL database: at rest it is one file and can be copied as it is.
import { existsSync } from 'node:fs'
import Database, { SqliteError } from 'better-sqlite3'
import { MiB } from '../../limits.ts'

/** `PRAGMA application_id` of such a file: "Moor" in ASCII. */
const applicationId = 0x4d6f6f72
const formatVersion = 1
/** While it is written; then as fits best. */
const pageBytes = 8192
const pageSizes = [4096, 8192, 16_384, 32_768] as const
/** Of a chunk's row beside its bytes, and of a page beside its rows. */
const rowBytes = 35
const pageHeadBytes = 8
/** The first page, the roots of index and marks, and what the index needs of a row, about. */
const otherPages = 3
const indexBytes = 24
const readersWaitMs = 10_000

/** A chunk as it lies in the table; those of one series never overlap. */
export interface ChunkRow {
  readonly id: number
  readonly series: number
  readonly startMs: number
  /** Of the last point; of rollups the last millisecond of the last bucket. Included. */
  readonly endMs: number
  readonly count: number
  readonly bytes: Buffer
}

export type NewChunk = Omit<ChunkRow, 'id'>
export type ChunkSpan = Omit<ChunkRow, 'bytes' | 'series'>

export interface PartitionTotals {
  readonly points: number
  readonly bytes: number
}

/** The mark with the number of points, or buckets, in all. */
const totalKey = -1

const tables = `
  CREATE TABLE chunks (
    id       INTEGER PRIMARY KEY,
    series   INTEGER NOT NULL,
    start_ms REAL NOT NULL,
    end_ms   REAL NOT NULL,
    count    INTEGER NOT NULL,
    bytes    BLOB NOT NULL
  ) STRICT;
  CREATE INDEX chunks_by_time ON chunks (series, start_ms);
  CREATE TABLE marks (key INTEGER PRIMARY KEY, value INTEGER NOT NULL) STRICT;
  INSERT INTO marks VALUES (${totalKey}, 0);
`

/** A file in which something was forgotten is written anew up to this size, half a second: SQLite leaves copies of rows that it moved. */
const writtenAnewMax = 64 * MiB

export class Partition {
  readonly path: string
  readonly #db: Database.Database
  readonly #sql: ReturnType<typeof statements>

  private constructor(path: string, db: Database.Database) {
    this.path = path
    this.#db = db
    this.#sql = statements(db)
  }

  /** For the keeper: makes the file when it is missing. Errors: a sentence, when it is something else. */
  static open(path: string): Partition {
    const db = new Database(path, { timeout: readersWaitMs })
    try {
      if (db.pragma('application_id', { simple: true }) !== applicationId) {
        if (db.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() !== undefined) throw foreign(path)
        db.pragma(`page_size = ${pageBytes}`)
        db.transaction(() => {
          db.exec(tables)
          db.pragma(`application_id = ${applicationId}`)
          db.pragma(`user_version = ${formatVersion}`)
        })()
      }
      db.pragma('journal_mode = TRUNCATE')
      db.pragma('synchronous = FULL')
      db.pragma('cache_size = -16384')
      // Chunks are replaced by longer ones all the time: what they said must not outlive their device on pages that are free.
      db.pragma('secure_delete = ON')
      return new Partition(path, db)
    } catch (error) {
      db.close()
      throw error
    }
  }

  /** For readers; undefined when there is no such file (any more). */
  static read(path: string): Partition | undefined {
    let db: Database.Database | undefined
    try {
      db = new Database(path, { readonly: true, fileMustExist: true, timeout: readersWaitMs })
      db.pragma('cache_size = -1024')
      if (db.pragma('application_id', { simple: true }) !== applicationId) throw foreign(path)
      return new Partition(path, db)
    } catch (error) {
      db?.close()
      if (error instanceof SqliteError && error.code.startsWith('SQLITE_CANTOPEN') && !existsSync(path)) return undefined
      throw error
    }
  }

  /** All or nothing, on disk when it returns. */
  write(change: () => void): void {
    this.#db.transaction(change)()
  }

  /** All reads inside see one moment. */
  atOneMoment<Answer>(read: () => Answer): Answer {
    return this.#db.transaction(read)()
  }

  /** The chunks of a series with anything from `fromMs` to `toMs`, both included, in the order of time. */
  chunks(series: number, fromMs: number, toMs: number): ChunkRow[] {
    return this.#sql.range.all({ series, fromMs, toMs })
  }

  /** What of a series in the range was put aside. */
  putAside(series: number, fromMs: number, toMs: number): ChunkSpan[] {
    return this.#sql.aside.all({ series: -series, fromMs, toMs })
  }

  /** Both in one transaction: to begin one costs more than to read a chunk, for it asks the file system whether the file has changed. */
  chunksAndPutAside(series: number, fromMs: number, toMs: number): { readonly chunks: ChunkRow[]; readonly aside: ChunkSpan[] } {
    return this.atOneMoment(() => ({ chunks: this.chunks(series, fromMs, toMs), aside: this.putAside(series, fromMs, toMs) }))
  }

  /** As `chunks`, without their bytes; the one before the range is among them. */
  spans(series: number, fromMs: number, toMs: number): ChunkSpan[] {
    return this.#sql.spans.all({ series, fromMs, toMs })
  }

  bytesOf(id: number): Buffer {
    return this.#sql.bytes.get(id)!
  }

  /** What `chunks` would bring, without its bytes: how many points. */
  pointsIn(series: number, fromMs: number, toMs: number): number {
    return this.#sql.pointsIn.get({ series, fromMs, toMs }) ?? 0
  }

  sizesOf(series: number): {
    readonly points: number
    readonly bytes: number
    readonly startMs: number | null
    readonly endMs: number | null
  } {
    return this.#sql.sizesOf.get(series)!
  }

  insert({ series, startMs, endMs, count, bytes }: NewChunk): void {
    this.#sql.insert.run(series, startMs, endMs, count, bytes)
    if (series > 0) this.#sql.grow.run(count)
  }

  remove({ id, count }: Pick<ChunkRow, 'id' | 'count'>): void {
    this.#sql.remove.run(id)
    this.#sql.grow.run(-count)
  }

  /**
   * A chunk whose bytes are damaged is put aside, where it is kept and named, and hinders nobody: under the number of its series, negative.
   * There chunks may overlap.
   */
  putChunkAside({ id, count }: Pick<ChunkRow, 'id' | 'count'>): void {
    this.#sql.putAside.run(id)
    this.#sql.grow.run(-count)
  }

  /** Removes all chunks of these series, those put aside as well, and these marks. False when there were no chunks: then nothing is written for them. */
  forget(series: readonly number[], marks: readonly number[]): boolean {
    const numbers = JSON.stringify(series)
    let removed = 0
    this.write(() => {
      const points = this.#sql.pointsOf.get(numbers)!
      removed = this.#sql.removeSeries.run({ numbers }).changes
      if (removed > 0) this.#sql.grow.run(-points)
      for (const key of marks) this.#sql.unmark.run(key)
    })
    if (removed > 0 && this.totals().bytes <= writtenAnewMax) this.#writeAnew()
    return removed > 0
  }

  /** A mark is a number under a key from 0 on: of raw partitions, the series whose rollups do not have all of it. */
  mark(key: number, value = 0): void {
    this.#sql.mark.run(key, value)
  }

  unmark(key: number): void {
    this.#sql.unmark.run(key)
  }

  /** Undefined where there is none. */
  markOf(key: number): number | undefined {
    return this.#sql.markOf.get(key)
  }

  /** Keys of marks, from the lowest. */
  marks(limit: number): number[] {
    return this.#sql.marks.all(limit)
  }

  /** Series with chunks, from the lowest behind `after`. */
  seriesAfter(after: number, limit: number): number[] {
    return this.#sql.seriesAfter.all(after, limit)
  }

  totals(): PartitionTotals {
    const pages = Number(this.#db.pragma('page_count', { simple: true }))
    const size = Number(this.#db.pragma('page_size', { simple: true }))
    return { points: this.markOf(totalKey) ?? 0, bytes: pages * size }
  }

  /**
   * Once its time is over: written anew without gaps, in pages that fit what is in it, and after that only when a fifth of it is empty.
   * Where a reader does not let it, the file stays as it is.
   */
  settle(): void {
    const pageNow = Number(this.#db.pragma('page_size', { simple: true }))
    const pages = Number(this.#db.pragma('page_count', { simple: true }))
    const free = Number(this.#db.pragma('freelist_count', { simple: true }))
    if (pageNow !== pageBytes && free * 5 < pages) return
    const { count, bytes } = this.#sql.chunkBytes.get()!
    this.#db.pragma(`page_size = ${bestPageBytes(count, bytes / Math.max(count, 1))}`)
    this.#writeAnew()
  }

  #writeAnew(): void {
    try {
      this.#db.exec('VACUUM')
    } catch (error) {
      if (!(error instanceof SqliteError) || !error.code.startsWith('SQLITE_BUSY')) throw error
    }
  }

  close(): void {
    if (!this.#db.readonly) this.#db.pragma('journal_mode = DELETE') // takes the empty file beside it away
    this.#db.close()
  }
}

/** Chunks are a quarter of a page and more, so the room that is left behind the last one in a page counts. */
function bestPageBytes(count: number, chunkBytes: number): number {
  const lengthWith = (page: number) => {
    const perPage = Math.floor((page - pageHeadBytes) / (chunkBytes + rowBytes))
    const pages = perPage > 0 ? Math.ceil(count / perPage) : (count * (chunkBytes + rowBytes)) / page // the rest lies in pages of its own
    return (pages + otherPages) * page + Math.ceil((count * indexBytes) / page) * page
  }
  return pageSizes.reduce((best, page) => (lengthWith(page) < lengthWith(best) ? page : best))
}

/** As SQLite calls what is no database: whoever can go on without the file does. */
function foreign(path: string): Error {
  return new SqliteError(`${path} is no partition of Mooring.`, 'SQLITE_NOTADB')
}

function statements(db: Database.Database) {
  // From the chunk that may hold the first point: with the two bounds alone every older chunk of the series would be looked at.
  const fromBefore = `series = $series AND start_ms <= $toMs AND start_ms >=
    coalesce((SELECT max(start_ms) FROM chunks WHERE series = $series AND start_ms <= $fromMs), $fromMs)`
  const inRange = `${fromBefore} AND end_ms >= $fromMs`
  const row = 'id, series, start_ms AS startMs, end_ms AS endMs, count, bytes'
  type Range = { readonly series: number; readonly fromMs: number; readonly toMs: number }
  return {
    range: db.prepare<Range, ChunkRow>(`SELECT ${row} FROM chunks WHERE ${inRange} ORDER BY start_ms`),
    spans: db.prepare<Range, ChunkSpan>(
      `SELECT id, start_ms AS startMs, end_ms AS endMs, count FROM chunks WHERE ${fromBefore} ORDER BY start_ms`,
    ),
    bytes: db.prepare<[number], Buffer>('SELECT bytes FROM chunks WHERE id = ?').pluck(),
    pointsIn: db.prepare<Range, number>(`SELECT sum(count) FROM chunks WHERE ${inRange}`).pluck(),
    chunkBytes: db.prepare<[], { count: number; bytes: number }>(
      'SELECT count(*) AS count, coalesce(sum(length(bytes)), 0) AS bytes FROM chunks',
    ),
    sizesOf: db.prepare<[number], { points: number; bytes: number; startMs: number | null; endMs: number | null }>(`
      SELECT coalesce(sum(count), 0) AS points, coalesce(sum(length(bytes)), 0) AS bytes, min(start_ms) AS startMs, max(end_ms) AS endMs
      FROM chunks WHERE series = ?`),
    insert: db.prepare('INSERT INTO chunks (series, start_ms, end_ms, count, bytes) VALUES (?, ?, ?, ?, ?)'),
    remove: db.prepare('DELETE FROM chunks WHERE id = ?'),
    pointsOf: db
      .prepare<[string], number>('SELECT coalesce(sum(count), 0) FROM chunks WHERE series IN (SELECT value FROM json_each(?))')
      .pluck(),
    removeSeries: db.prepare<{ readonly numbers: string }>(
      'DELETE FROM chunks WHERE series IN (SELECT value FROM json_each($numbers) UNION ALL SELECT -value FROM json_each($numbers))',
    ),
    putAside: db.prepare('UPDATE chunks SET series = -series WHERE id = ?'),
    aside: db.prepare<Range, ChunkSpan>(`
      SELECT id, start_ms AS startMs, end_ms AS endMs, count FROM chunks
      WHERE series = $series AND start_ms <= $toMs AND end_ms >= $fromMs ORDER BY start_ms`),
    grow: db.prepare(`UPDATE marks SET value = value + ? WHERE key = ${totalKey}`),
    mark: db.prepare('INSERT INTO marks (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value'),
    unmark: db.prepare('DELETE FROM marks WHERE key = ?'),
    markOf: db.prepare<[number], number>('SELECT value FROM marks WHERE key = ?').pluck(),
    marks: db.prepare<[number], number>('SELECT key FROM marks WHERE key >= 0 ORDER BY key LIMIT ?').pluck(),
    seriesAfter: db
      .prepare<[number, number], number>('SELECT DISTINCT series FROM chunks WHERE series > ? ORDER BY series LIMIT ?')
      .pluck(),
  }
}
