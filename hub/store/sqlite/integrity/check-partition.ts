// One file of chunks, read through: what SQLite says of it, and every chunk against its row and its neighbours. A piece at a time, and
// between two pieces nothing is locked, so the keeper may write meanwhile.
import Database, { SqliteError } from 'better-sqlite3'
import { ChunkDamaged, decodeChunk } from '../../series/chunk.ts'
import { tierMs } from '../../series/rollup.ts'
import { decodeRollup } from '../../series/rollup-chunk.ts'
import type { PartitionRow } from '../catalogue.ts'
import type { ChunkRow } from '../partition.ts'
import { type Findings, isCorrupt, spanText } from './damage.ts'
import type { SeriesNames } from './series-names.ts'

const keysAtATime = 64
/** Of what SQLite says about one file: the first lines tell what the matter is. */
const linesMost = 20

interface Key {
  readonly id: number
  readonly series: number
  readonly startMs: number
}

export interface PartitionToCheck {
  readonly path: string
  /** As findings name it. */
  readonly file: string
  readonly row: PartitionRow
  readonly names: SeriesNames
  readonly findings: Findings
}

/** Yields the bytes of each piece. A file that is gone has no findings: who knows better says so. */
export function* checkPartition(one: PartitionToCheck): Generator<number> {
  const { path, file, findings } = one
  let db: Database.Database | undefined
  try {
    db = new Database(path, { readonly: true, fileMustExist: true, timeout: 10_000 })
    yield* sqliteFindings(db, file, findings)
    yield* new PartitionCheck(db, one).pieces()
  } catch (error) {
    if (isCorrupt(error)) findings.add(file, undefined, `SQLite cannot read it: ${error.message}.`)
    else if (!(error instanceof SqliteError && error.code.startsWith('SQLITE_CANTOPEN'))) throw error
  } finally {
    db?.close()
  }
}

/** What SQLite says of the file, or of one table. */
export function* sqliteFindings(db: Database.Database, file: string, findings: Findings, table?: string): Generator<number> {
  const of = table === undefined ? linesMost : table
  const lines = db.prepare<[], string>(`PRAGMA integrity_check(${of})`).pluck().all().slice(0, linesMost)
  if (lines.length !== 1 || lines[0] !== 'ok')
    for (const line of lines) findings.add(file, table, `SQLite says: ${line.replaceAll('\n', ' ')}.`)
  const pages = Number(db.pragma('page_count', { simple: true }))
  yield table === undefined ? pages * Number(db.pragma('page_size', { simple: true })) : 0
}

class PartitionCheck {
  readonly #db: Database.Database
  readonly #one: PartitionToCheck
  readonly #sql
  #before: ChunkRow | undefined
  #count = 0

  constructor(db: Database.Database, one: PartitionToCheck) {
    this.#db = db
    this.#one = one
    this.#sql = {
      keys: db.prepare<[number, number, number], Key>(`
        SELECT id, series, start_ms AS startMs FROM chunks INDEXED BY chunks_by_time
        WHERE (series, start_ms, id) > (?, ?, ?) ORDER BY series, start_ms, id LIMIT ${keysAtATime}`),
      chunk: db.prepare<[number], ChunkRow>(
        'SELECT id, series, start_ms AS startMs, end_ms AS endMs, count, bytes FROM chunks WHERE id = ?',
      ),
      aside: db.prepare<[], Omit<ChunkRow, 'bytes'>>(
        'SELECT id, -series AS series, start_ms AS startMs, end_ms AS endMs, count FROM chunks WHERE series < 0 ORDER BY series DESC, start_ms',
      ),
      total: db.prepare<[], number>('SELECT value FROM marks WHERE key = -1').pluck(),
    }
  }

  *pieces(): Generator<number> {
    let after: Key = { id: 0, series: -1, startMs: 0 }
    let version: unknown
    let hasChanged = false
    for (;;) {
      let bytes = 0
      const keys = this.#db.transaction(() => {
        const keys = this.#sql.keys.all(after.series, after.startMs, after.id)
        const now = this.#db.pragma('data_version', { simple: true })
        if (version !== undefined && now !== version) {
          hasChanged = true
          this.#before = undefined // what was read before may not be the neighbour any more
        }
        version = now
        for (const key of keys) bytes += this.#look(key)
        return keys
      })()
      yield bytes
      if (keys.length < keysAtATime) break
      after = keys.at(-1)!
    }
    for (const chunk of this.#sql.aside.all()) {
      this.#one.findings.add(this.#one.file, this.#placeOf(chunk), `It was put aside: its ${chunk.count} points could not be read.`)
    }
    const total = this.#sql.total.get()
    if (!hasChanged && total !== this.#count) {
      this.#one.findings.add(this.#one.file, 'marks', `Its chunks hold ${this.#count}, and ${total} are on record.`)
    }
  }

  #look(key: Key): number {
    const { file, names, findings } = this.#one
    let chunk: ChunkRow | undefined
    try {
      chunk = this.#sql.chunk.get(key.id)
    } catch (error) {
      if (!isCorrupt(error)) throw error
      const place = `chunk ${key.id} of ${names.series(key.series)}, from ${new Date(key.startMs).toISOString()}`
      findings.add(file, place, `SQLite cannot read it: ${error.message}.`)
    }
    if (chunk === undefined) return 0
    this.#count += chunk.count
    const what = this.#damageOf(chunk)
    if (what !== undefined) {
      findings.add(file, this.#placeOf(chunk), what)
    }
    this.#before = chunk
    return chunk.bytes.length
  }

  #placeOf({ id, series, startMs, endMs }: Omit<ChunkRow, 'bytes'>): string {
    return `chunk ${id} of ${this.#one.names.series(series)}, ${spanText(startMs, endMs)}`
  }

  /** Undefined when it is as it should be. */
  #damageOf(chunk: ChunkRow): string | undefined {
    const { row, names } = this.#one
    let found: { count: number; startMs: number; endMs: number }
    try {
      found = row.tier === 'raw' ? rawSpan(chunk.bytes) : rollupSpan(chunk.bytes, row.tier)
    } catch (error) {
      if (error instanceof ChunkDamaged) return error.message
      throw error
    }
    const { series, startMs, endMs, count } = chunk
    if (found.count !== count || found.startMs !== startMs || found.endMs !== endMs) {
      return `Its row says ${count} from ${spanText(startMs, endMs)}, and it holds ${found.count} from ${spanText(found.startMs, found.endMs)}.`
    }
    if (startMs < row.startMs || endMs > row.endMs) return `It lies outside the time of its file, ${spanText(row.startMs, row.endMs)}.`
    if (!names.has(series)) return 'Its series is not on record.'
    const before = this.#before
    const isBehind = before === undefined || before.series !== series || before.endMs < startMs
    return isBehind ? undefined : `It overlaps chunk ${before.id}.`
  }
}

function rawSpan(bytes: Buffer): { count: number; startMs: number; endMs: number } {
  const { times } = decodeChunk(bytes)
  for (let at = 1; at < times.length; at += 1) if (!(times[at]! > times[at - 1]!)) throw new ChunkDamaged('Its times do not ascend.')
  return { count: times.length, startMs: times[0]!, endMs: times[times.length - 1]! }
}

function rollupSpan(bytes: Buffer, tier: Exclude<PartitionRow['tier'], 'raw'>): { count: number; startMs: number; endMs: number } {
  const rollup = decodeRollup(bytes)
  if (rollup.tier !== tier) throw new ChunkDamaged(`It is of the tier ${rollup.tier}.`)
  const { starts } = rollup
  return { count: starts.length, startMs: starts[0]!, endMs: starts[starts.length - 1]! + tierMs[tier] - 1 }
}
