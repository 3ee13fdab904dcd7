// The audit log: written at its end in the writer thread, which lets go of the oldest, and read in the reader thread.
//
// It has no index. Entries are written by the thousand when somebody guesses passwords, and two indexes made each cost 83 µs instead of 23;
// read through it is in 0.1 s for a million entries, a stretch at a time.
import type { Database, Statement } from 'better-sqlite3'
import { limits } from '../../limits.ts'
import type { AuditEntry, AuditQuery } from '../access.ts'
import { metaOf, setMeta } from './meta.ts'

export interface AuditBounds {
  readonly entries: number
  readonly bytes: number
}

export type StoredEntry = AuditEntry & { readonly id: number }

/** What one look found. */
export interface AuditLook {
  readonly entries: StoredEntry[]
  /** Everything from this id on was looked at; undefined when nothing is left. */
  readonly nextBefore: number | undefined
}

const bytesName = 'audit_bytes'
/** Of the numbers of a row and what SQLite needs around it. */
const rowBytes = 32
/** What one look passes over, in 3 ms. */
const entriesAtOnce = 20_000
const texts = ['who', 'from_address', 'action', 'target', 'detail'] as const
const bytesOfRow = `${texts.map((name) => `octet_length(${name})`).join(' + ')} + ${rowBytes}`
const columns = 'id, at_ms AS at, who, from_address AS "from", action, target, outcome, detail'

export class AuditLog {
  readonly #db: Database
  readonly #bounds: AuditBounds
  readonly #sql

  constructor(db: Database, bounds: AuditBounds = { entries: limits.auditEntries, bytes: limits.auditBytes }) {
    this.#db = db
    this.#bounds = bounds
    this.#sql = {
      insert: db
        .prepare<[number, string, string, string, string, string, string], number>(
          `INSERT INTO audit (at_ms, who, from_address, action, target, outcome, detail) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING ${bytesOfRow}`,
        )
        .pluck(),
      // Numbers have no gaps: the newest entry is never let go of.
      count: db.prepare<[], number>('SELECT coalesce((SELECT max(id) FROM audit) - (SELECT min(id) FROM audit) + 1, 0)').pluck(),
      removeOldest: db.prepare<[], number>(`DELETE FROM audit WHERE id = (SELECT min(id) FROM audit) RETURNING ${bytesOfRow}`).pluck(),
    }
  }

  /** Within a transaction. */
  append(entries: readonly AuditEntry[]): void {
    if (entries.length === 0) return
    let bytes = metaOf(this.#db, bytesName)
    for (const { at, who, from, action, target, outcome, detail } of entries)
      bytes += this.#sql.insert.get(at, cut(who), cut(from), cut(action), cut(target), outcome, cut(detail))!
    for (let count = this.#sql.count.get()!; count > 1 && (count > this.#bounds.entries || bytes > this.#bounds.bytes); count -= 1)
      bytes -= this.#sql.removeOldest.get()!
    setMeta(this.#db, bytesName, bytes)
  }
}

/** Looks at a stretch of the log, backwards from below `before`, for at most `wanted` entries. */
export class AuditReader {
  readonly #db: Database
  readonly #oldest: Statement<[], number | null>
  readonly #newest: Statement<[], number | null>

  constructor(db: Database) {
    this.#db = db
    this.#oldest = db.prepare<[], number | null>('SELECT min(id) FROM audit').pluck()
    this.#newest = db.prepare<[], number | null>('SELECT max(id) FROM audit').pluck()
  }

  /** Within a transaction. */
  look(query: AuditQuery, before: number, wanted: number): AuditLook {
    const oldest = this.#oldest.get() ?? 0
    const top = Math.min(before, (this.#newest.get() ?? 0) + 1)
    const bottom = Math.max(top - entriesAtOnce, oldest)
    const conditions = conditionsOf(query)
    const where = conditions.map(([sql]) => ` AND ${sql}`).join('')
    const entries = this.#db
      .prepare<(string | number)[], StoredEntry>(`SELECT ${columns} FROM audit WHERE id >= ? AND id < ?${where} ORDER BY id DESC LIMIT ?`)
      .all(bottom, top, ...conditions.map(([, value]) => value), wanted)
    return { entries, nextBefore: bottom > oldest ? bottom : undefined }
  }
}

function conditionsOf({ fromMs, toMs, who, action, target }: AuditQuery): [sql: string, value: string | number][] {
  const all: [string, string | number | undefined][] = [
    ['at_ms >= ?', fromMs],
    ['at_ms <= ?', toMs],
    ['who = ?', who],
    ['action = ?', action],
    ['target = ?', target],
  ]
  return all.filter((one): one is [string, string | number] => one[1] !== undefined)
}

/** Between two characters. */
function cut(text: string): string {
  if (text.length * 3 <= limits.auditTextBytes || Buffer.byteLength(text) <= limits.auditTextBytes) return text
  const ending = '…'
  const bytes = Buffer.from(text).subarray(0, limits.auditTextBytes - Buffer.byteLength(ending) + 1)
  let end = bytes.length - 1
  while ((bytes[end]! & 0b1100_0000) === 0b1000_0000) end -= 1
  return bytes.toString('utf8', 0, end) + ending
}
