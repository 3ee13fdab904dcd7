// In the writer thread: the documents of who may come in, each write whole or not at all, and no trace of what they said before.
//
// What SQLite leaves behind when it moves a row from one page to another, in order to balance its tree, it does not overwrite: measured with
// rows of very different sizes, one of 2,000 rows that were removed still had such a copy. So the table is written anew at the next start.
import type { Database } from 'better-sqlite3'
import type { AccessChange, AccessRecord, AuditEntry } from '../access.ts'
import { AuditLog } from './audit-log.ts'
import { metaOf, setMeta } from './meta.ts'
import { withoutTraces } from './traces.ts'

/** What one caller wants written. */
export interface AccessWrite {
  readonly changes: readonly AccessChange[]
  readonly audit: readonly AuditEntry[]
}

/** 1 when something was removed or replaced since the table was written anew. */
const hasTraces = 'access_traces'

export class AccessRows {
  readonly #db: Database
  readonly #audit: AuditLog
  readonly #sql

  constructor(db: Database, audit = new AuditLog(db)) {
    this.#db = db
    this.#audit = audit
    this.#sql = {
      put: db.prepare<[string, string, string]>(
        'INSERT INTO access (kind, id, body) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body WHERE body <> excluded.body',
      ),
      has: db.prepare<[string, string], number>('SELECT 1 FROM access WHERE kind = ? AND id = ?').pluck(),
      remove: db.prepare<[string, string]>('DELETE FROM access WHERE kind = ? AND id = ?'),
      removeAll: db.prepare('DELETE FROM access'),
    }
  }

  /** One transaction for all of them. */
  write(writes: readonly AccessWrite[]): void {
    withoutTraces(this.#db, () => {
      let leavesTraces = false
      for (const { kind, id, body } of writes.flatMap(({ changes }) => changes)) {
        leavesTraces ||= this.#sql.has.get(kind, id) !== undefined
        if (body === null) this.#sql.remove.run(kind, id)
        else this.#sql.put.run(kind, id, body)
      }
      if (leavesTraces) setMeta(this.#db, hasTraces, 1)
      this.#audit.append(writes.flatMap(({ audit }) => audit))
    })
  }

  /** At the start. 100,000 documents take a quarter of a second, and nothing when none was removed or replaced. */
  writeAnew(): void {
    if (metaOf(this.#db, hasTraces) === 0) return
    withoutTraces(this.#db, () => {
      const records = readAccess(this.#db)
      this.#sql.removeAll.run()
      for (const { kind, id, body } of records) this.#sql.put.run(kind, id, body)
      setMeta(this.#db, hasTraces, 0)
    })
  }
}

export function readAccess(db: Database): AccessRecord[] {
  return db.prepare<[], AccessRecord>('SELECT kind, id, body FROM access ORDER BY kind, id').all()
}
