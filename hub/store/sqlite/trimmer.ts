// In the writer thread: the journal within its budget. The oldest batches go first, a few at a time, and never one that is still needed:
// what sessions are owed was copied out of it before (message-trail.ts).
import type { Database } from 'better-sqlite3'
import { limits, MiB } from '../../limits.ts'
import type { StoreStatus } from '../status.ts'
import { metaOf, setMeta } from './meta.ts'

export interface JournalBudget {
  readonly bytes: number
  /** Undefined when only bytes bound it. */
  readonly ageMs: number | undefined
}

export const wholeJournal: JournalBudget = { bytes: limits.journalBytes, ageMs: undefined }

/** In one transaction, for which commits wait: some tens of milliseconds. */
const bytesAtATime = 64 * MiB
const rowsAtATime = 1000

export class JournalTrimmer {
  readonly #db: Database
  readonly #budget: JournalBudget
  readonly #sql
  #bytes: number
  #countedSeq: number

  constructor(db: Database, budget: JournalBudget) {
    this.#db = db
    this.#budget = budget
    this.#sql = {
      uncounted: db.prepare<[number], { bytes: number; lastSeq: number }>(
        'SELECT coalesce(sum(length(bytes)), 0) AS bytes, coalesce(max(last_seq), 0) AS lastSeq FROM journal WHERE first_seq > ?',
      ),
      oldest: db.prepare<[number], { firstSeq: number; lastSeq: number; atMs: number; bytes: number }>(
        'SELECT first_seq AS firstSeq, last_seq AS lastSeq, at_ms AS atMs, length(bytes) AS bytes FROM journal ORDER BY first_seq LIMIT ?',
      ),
      remove: db.prepare('DELETE FROM journal WHERE first_seq = ?'),
    }
    // Only the batches since the last trim are added up; the sum of the others is on record.
    this.#countedSeq = metaOf(db, 'journal_counted_seq')
    const uncounted = this.#sql.uncounted.get(this.#countedSeq)!
    this.#bytes = metaOf(db, 'journal_bytes') + uncounted.bytes
    this.#countedSeq = Math.max(this.#countedSeq, uncounted.lastSeq)
  }

  /** A batch was committed. */
  grew(bytes: number, lastSeq: number): void {
    this.#bytes += bytes
    this.#countedSeq = lastSeq
  }

  /** Within a transaction, which `trimmed` says is through. Batches behind `neededSeq` stay. Returns the bytes that are left. */
  trim(neededSeq: number, nowMs: number): number {
    const { bytes: bytesMax, ageMs = Number.POSITIVE_INFINITY } = this.#budget
    let left = this.#bytes
    for (const { firstSeq, lastSeq, atMs, bytes } of this.#sql.oldest.all(rowsAtATime)) {
      const isTooMuch = left > bytesMax || atMs < nowMs - ageMs
      if (!isTooMuch || lastSeq > neededSeq || this.#bytes - left > bytesAtATime) break
      this.#sql.remove.run(firstSeq)
      left -= bytes
    }
    setMeta(this.#db, 'journal_bytes', left)
    setMeta(this.#db, 'journal_counted_seq', this.#countedSeq)
    return left
  }

  trimmed(left: number): void {
    this.#bytes = left
  }

  /** Whether a trim would do anything. */
  isDue(nowMs: number): boolean {
    const { bytes, ageMs = Number.POSITIVE_INFINITY } = this.#budget
    const [oldest] = this.#sql.oldest.all(1)
    return oldest !== undefined && (this.#bytes > bytes || oldest.atMs < nowMs - ageMs)
  }

  status(): StoreStatus['journal'] {
    const { bytes: bytesMax, ageMs } = this.#budget
    const [oldest] = this.#sql.oldest.all(1)
    return { bytes: this.#bytes, fromMs: oldest?.atMs ?? null, bytesMax, secondsMax: ageMs === undefined ? null : ageMs / 1000 }
  }
}
