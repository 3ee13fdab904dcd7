// In the reader thread: messages that the journal still has, found by filter, a bounded look at a time.
import type { Database, Statement } from 'better-sqlite3'
import type { Message } from '../../../devices/message.ts'
import { TopicFilters } from '../../../devices/topic-filter.ts'
import { limits } from '../../limits.ts'
import type { PastPage, PastQuery } from '../store.ts'
import { FrameCursor, frameKinds } from './frame.ts'
import { messageAt } from './session-rows.ts'

interface BatchRow {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly bytes: Buffer
}

/** One look backwards. */
export interface LastLook {
  /** Messages that match, behind `afterSeq`. */
  readonly found: number
  /** All behind it was looked at; the first of `found` lies right behind it when that was enough. */
  readonly afterSeq: number
  /** Nothing lies before it. */
  readonly isWhole: boolean
}

export class Past {
  readonly #forwards: Statement<{ afterSeq: number; toSeq: number }, BatchRow>
  readonly #backwards: Statement<[number], BatchRow>
  readonly #first: Statement<[], number>
  readonly #atOrAfter: Statement<[number], { lastSeq: number; atMs: number }>
  readonly #newest: Statement<[], number>
  readonly #filters = new Map<string, TopicFilters>()

  constructor(db: Database) {
    this.#forwards = db.prepare<{ afterSeq: number; toSeq: number }, BatchRow>(`
      SELECT first_seq AS firstSeq, last_seq AS lastSeq, bytes FROM journal
      WHERE first_seq >= coalesce((SELECT max(first_seq) FROM journal WHERE first_seq <= $afterSeq), 0)
        AND first_seq <= $toSeq AND last_seq > $afterSeq ORDER BY first_seq`)
    this.#backwards = db.prepare<[number], BatchRow>(
      'SELECT first_seq AS firstSeq, last_seq AS lastSeq, bytes FROM journal WHERE first_seq <= ? ORDER BY first_seq DESC',
    )
    this.#first = db.prepare<[], number>('SELECT min(first_seq) FROM journal').pluck()
    this.#newest = db.prepare<[], number>('SELECT max(last_seq) FROM journal').pluck()
    this.#atOrAfter = db.prepare<[number], { lastSeq: number; atMs: number }>(
      'SELECT last_seq AS lastSeq, at_ms AS atMs FROM journal WHERE first_seq >= ? ORDER BY first_seq LIMIT 1',
    )
  }

  page({ filters, afterSeq, toSeq }: PastQuery): PastPage {
    const wanted = this.#filtersOf(filters)
    const first = this.#first.get() ?? null
    const trimmedSeq = first === null ? toSeq : first - 1
    const messages: Message[] = []
    let bytes = 0
    let scanned = 0
    for (const row of this.#forwards.iterate({ afterSeq, toSeq })) {
      const cursor = new FrameCursor(row.bytes)
      while (cursor.next()) {
        if (cursor.seq > toSeq) break
        if (cursor.kind !== frameKinds.message || cursor.seq <= afterSeq || !wanted.matches(cursor.topic())) continue
        if (!cursor.sealed) {
          cursor.passOver()
          continue
        }
        messages.push(messageAt(cursor))
        bytes += cursor.end - cursor.start
        if (messages.length >= limits.historyPageMessages || bytes >= limits.historyPageBytes) {
          return { messages, toSeq: cursor.seq, trimmedSeq }
        }
      }
      scanned += row.bytes.length
      if (scanned >= limits.historyScanBytes && row.lastSeq < toSeq) return { messages, toSeq: row.lastSeq, trimmedSeq }
    }
    return { messages, toSeq, trimmedSeq }
  }

  /** Looks back from `toSeq` for as many messages. */
  last(filters: readonly string[], count: number, toSeq: number): LastLook {
    const wanted = this.#filtersOf(filters)
    let found = 0
    let scanned = 0
    let afterSeq = toSeq
    for (const row of this.#backwards.iterate(toSeq)) {
      const cursor = new FrameCursor(row.bytes)
      const seqs: number[] = []
      while (cursor.next()) {
        const matches = cursor.kind === frameKinds.message && cursor.seq <= toSeq && wanted.matches(cursor.topic())
        if (matches) seqs.push(cursor.seq)
      }
      if (found + seqs.length >= count) return { found: count, afterSeq: seqs[seqs.length - (count - found)]! - 1, isWhole: false }
      found += seqs.length
      afterSeq = row.firstSeq - 1
      scanned += row.bytes.length
      if (scanned >= limits.historyScanBytes) return { found, afterSeq, isWhole: false }
    }
    return { found, afterSeq, isWhole: true }
  }

  /** Behind which number the first batch lies that was closed at this time or later. Batches are closed in the order of time. */
  seqAt(ms: number): number {
    let before = (this.#first.get() ?? 1) - 1
    let newest = this.#newest.get() ?? 0
    while (before < newest) {
      const middle = Math.floor((before + newest) / 2)
      const batch = this.#atOrAfter.get(middle + 1)
      if (batch === undefined || batch.atMs >= ms) newest = middle
      else before = batch.lastSeq
    }
    return before
  }

  /** Those of one client are asked again and again. */
  #filtersOf(filters: readonly string[]): TopicFilters {
    const key = filters.join('\0')
    let known = this.#filters.get(key)
    if (known === undefined) {
      if (this.#filters.size >= 64) this.#filters.clear()
      known = new TopicFilters(filters)
      this.#filters.set(key, known)
    }
    return known
  }
}
