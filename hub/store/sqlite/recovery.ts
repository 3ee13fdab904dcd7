// In the writer thread, once, before the hub begins: what an earlier run left in the journal and not, or not all, in the tables.
import type { Database } from 'better-sqlite3'
import type { Message } from '../../../devices/message.ts'
import { frameFlags } from '../store.ts'
import { FrameCursor, frameKinds } from './frame.ts'
import { metaOf } from './meta.ts'
import type { Projection } from './projection.ts'
import type { SeriesBook } from './series.ts'
import type { SessionBook } from './session-book.ts'
import { messageAt } from './session-rows.ts'
import type { RetainedRow } from './writer-functions.ts'

/** Brings the tables up to the newest commit. */
export function replay(db: Database, projection: Projection, book: SeriesBook, sessions: SessionBook): void {
  const rows = db.prepare<{ seq: number }, { lastSeq: number; routedSeq: number; bytes: Buffer }>(`
      SELECT last_seq AS lastSeq, routed_seq AS routedSeq, bytes FROM journal
      WHERE first_seq >= coalesce((SELECT max(first_seq) FROM journal WHERE first_seq <= $seq), 0) AND last_seq > $seq
      ORDER BY first_seq LIMIT 1`)
  const next = () => rows.get({ seq: book.gatheredSeq })
  for (let row = next(); row !== undefined; row = next()) {
    projection.add({
      cursor: new FrameCursor(row.bytes),
      lastSeq: row.lastSeq,
      routedSeq: row.routedSeq,
      checked: undefined,
      replayed: true,
      release: () => {},
    })
    while (projection.lagBytes > 0) {
      projection.step(Number.POSITIVE_INFINITY)
      if (sessions.dueInMs === 0) sessions.flushSlice()
      if (book.dueInMs === 0) book.flushSlice()
    }
  }
  sessions.flushAll()
  book.flushAll()
}

/** The hub may have been silent for long before it died, so what it wrote last is not all it said. */
export function lastSignOfLifeMs(db: Database): number {
  const newest = db.prepare<[], number>('SELECT at_ms FROM journal ORDER BY first_seq DESC LIMIT 1').pluck().get()
  return Math.max(metaOf(db, 'alive_ms'), newest ?? 0)
}

/** Stored messages at QoS 1 and 2 of which the journal does not say that they were handed on. */
export function unrouted(db: Database): Message[] {
  const newest = db
    .prepare<[], { routedSeq: number; lastSeq: number }>(
      'SELECT routed_seq AS routedSeq, last_seq AS lastSeq FROM journal ORDER BY first_seq DESC LIMIT 1',
    )
    .get()
  const hasSessions = db.prepare('SELECT 1 FROM sessions LIMIT 1').get() !== undefined
  if (newest === undefined || newest.routedSeq >= newest.lastSeq || !hasSessions) return []
  const messages: Message[] = []
  const rows = db.prepare<[number], Buffer>('SELECT bytes FROM journal WHERE last_seq > ? ORDER BY first_seq').pluck()
  for (const bytes of rows.iterate(newest.routedSeq)) {
    const cursor = new FrameCursor(bytes)
    while (cursor.next()) {
      const isOwed = cursor.kind === frameKinds.message && (cursor.flags & frameFlags.qos) !== 0
      if (!isOwed || cursor.seq <= newest.routedSeq) continue
      if (cursor.sealed) messages.push(messageAt(cursor))
      else cursor.passOver()
    }
  }
  return messages
}

export function readRetained(db: Database): RetainedRow[] {
  return db.prepare<[], RetainedRow>('SELECT topic, seq, at_ms AS atMs, qos, properties, payload FROM retained ORDER BY topic').all()
}
