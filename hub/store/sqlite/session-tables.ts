// In the writer thread: the statements behind session-book.ts. One call of `write` is one transaction.
import type { Database } from 'better-sqlite3'
import { FrameCursor } from './frame.ts'
import type { SessionChanges } from './session-book.ts'

/** What keeping a delivery costs the loop's memory besides its frame; see `Outbox`. */
const deliveryBytes = 64

interface OwedMessage {
  /** What it costs each session that is owed it. */
  readonly bytes: number
  /** To be kept; undefined when it is kept already. */
  readonly frame: Buffer | undefined
}

export class SessionTables {
  readonly #db: Database
  readonly #sql: ReturnType<typeof statements>

  constructor(db: Database) {
    this.#db = db
    this.#sql = statements(db)
  }

  /** Undefined for a session that is not on record. */
  flushedSeq(session: number): number | undefined {
    return this.#sql.flushedSeq.get(session)
  }

  write(slice: readonly SessionChanges[]): void {
    const messages = this.#messagesFor(slice)
    this.#db.transaction(() => {
      const refs = new Map<number, number>()
      const refer = (seq: number, by: number) => refs.set(seq, (refs.get(seq) ?? 0) + by)
      for (const session of slice) {
        if (session.ended) this.#writeEnd(session.number, refer)
        else this.#writeSession(session, messages, refer)
      }
      for (const [seq, by] of refs) this.#refer(seq, by, messages.get(seq)?.frame)
    })()
  }

  #writeEnd(session: number, refer: (seq: number, by: number) => void): void {
    for (const seq of this.#sql.deleteAllOwed.all(session)) refer(seq, -1)
    this.#sql.deleteSubscriptions.run(session)
    this.#sql.deleteAllReceived.run(session)
    this.#sql.deleteSession.run(session)
  }

  #writeSession(session: SessionChanges, messages: ReadonlyMap<number, OwedMessage>, refer: (seq: number, by: number) => void): void {
    const { number, clientId, expirySeconds, will, awayMs, lastSeq, subscriptions, owed, progress, received } = session
    if (clientId !== undefined) this.#sql.openSession.run(number, clientId, expirySeconds, awayMs ?? null, will ?? null, lastSeq)
    else {
      this.#sql.touchSession.run(lastSeq, number)
      if (awayMs !== undefined) this.#sql.leaveSession.run(expirySeconds, awayMs, number)
      if (will === null) this.#sql.forgetWill.run(number)
    }
    for (const [filter, options] of subscriptions) {
      if (options === undefined) this.#sql.deleteSubscription.run(number, filter)
      else this.#sql.subscribe.run(number, filter, options)
    }
    for (const [place, change] of progress) {
      if (change === 'finished') {
        const seq = this.#sql.deleteOwed.get(number, place)
        if (seq !== undefined) refer(seq, -1)
      } else {
        if (change.packetId !== 0) this.#sql.sendOwed.run(change.packetId, number, place)
        if (change.released) this.#sql.releaseOwed.run(number, place)
      }
    }
    for (const [place, { seq, packetId, released, qos, retain, identifiers, shareFilter }] of owed) {
      const message = messages.get(seq)
      if (message === undefined) continue // its frame was damaged, and that is counted where it was read
      const ids = identifiers === undefined ? null : JSON.stringify(identifiers)
      const bits = [released ? 1 : 0, qos, retain ? 1 : 0]
      refer(seq, this.#sql.owe.run(number, place, seq, message.bytes, packetId, ...bits, ids, shareFilter ?? null).changes)
    }
    for (const [packetId, isThere] of received) {
      if (isThere) this.#sql.receive.run(number, packetId)
      else this.#sql.forget.run(number, packetId)
    }
  }

  #refer(seq: number, by: number, frame: Buffer | undefined): void {
    if (by === 0) return
    if (this.#sql.refer.run(by, seq).changes === 0 && frame !== undefined) this.#sql.keep.run(seq, by, frame)
    if (by < 0) this.#sql.dropUnreferred.run(seq)
  }

  /** The messages that new rows name: from `owed_messages`, or out of the journal. */
  #messagesFor(slice: readonly SessionChanges[]): Map<number, OwedMessage> {
    const wanted = new Set<number>()
    for (const { ended, owed } of slice) if (!ended) for (const { seq } of owed.values()) wanted.add(seq)
    const messages = new Map<number, OwedMessage>()
    let row: { lastSeq: number; cursor: FrameCursor } | undefined
    for (const seq of [...wanted].sort((a, b) => a - b)) {
      const bytes = this.#sql.frameBytes.get(seq)
      if (bytes !== undefined) {
        messages.set(seq, { bytes: bytes + deliveryBytes, frame: undefined })
        continue
      }
      if (row === undefined || seq > row.lastSeq) row = this.#journalRow(seq)
      if (row === undefined) continue
      const { cursor } = row
      while (cursor.seq < seq && cursor.next());
      if (cursor.seq !== seq || !cursor.sealed) continue
      const frame = Buffer.from(cursor.bytes.subarray(cursor.start, cursor.end))
      messages.set(seq, { bytes: frame.length + deliveryBytes, frame })
    }
    return messages
  }

  #journalRow(seq: number): { lastSeq: number; cursor: FrameCursor } | undefined {
    const row = this.#sql.journalRow.get(seq)
    return row === undefined ? undefined : { lastSeq: row.lastSeq, cursor: new FrameCursor(row.bytes) }
  }
}

function statements(db: Database) {
  return {
    flushedSeq: db.prepare<[number], number>('SELECT flushed_seq FROM sessions WHERE number = ?').pluck(),
    openSession: db.prepare(`
      INSERT INTO sessions (number, client_id, expiry_s, away_ms, will, flushed_seq) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (number) DO UPDATE SET expiry_s = excluded.expiry_s, away_ms = excluded.away_ms, will = excluded.will,
        flushed_seq = excluded.flushed_seq`),
    touchSession: db.prepare('UPDATE sessions SET flushed_seq = ? WHERE number = ?'),
    leaveSession: db.prepare('UPDATE sessions SET expiry_s = ?, away_ms = ? WHERE number = ?'),
    forgetWill: db.prepare('UPDATE sessions SET will = NULL WHERE number = ?'),
    deleteSession: db.prepare('DELETE FROM sessions WHERE number = ?'),
    subscribe: db.prepare(`
      INSERT INTO subscriptions (session, filter, options) VALUES (?, ?, ?)
      ON CONFLICT (session, filter) DO UPDATE SET options = excluded.options`),
    deleteSubscription: db.prepare('DELETE FROM subscriptions WHERE session = ? AND filter = ?'),
    deleteSubscriptions: db.prepare('DELETE FROM subscriptions WHERE session = ?'),
    owe: db.prepare(`
      INSERT INTO owed (session, place, message, bytes, packet_id, released, qos, retain, identifiers, share_filter)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`),
    sendOwed: db.prepare('UPDATE owed SET packet_id = ? WHERE session = ? AND place = ?'),
    releaseOwed: db.prepare('UPDATE owed SET released = 1 WHERE session = ? AND place = ?'),
    deleteOwed: db.prepare<[number, number], number>('DELETE FROM owed WHERE session = ? AND place = ? RETURNING message').pluck(),
    deleteAllOwed: db.prepare<[number], number>('DELETE FROM owed WHERE session = ? RETURNING message').pluck(),
    frameBytes: db.prepare<[number], number>('SELECT length(frame) FROM owed_messages WHERE seq = ?').pluck(),
    keep: db.prepare('INSERT INTO owed_messages (seq, refs, frame) VALUES (?, ?, ?)'),
    refer: db.prepare('UPDATE owed_messages SET refs = refs + ? WHERE seq = ?'),
    dropUnreferred: db.prepare('DELETE FROM owed_messages WHERE seq = ? AND refs <= 0'),
    receive: db.prepare('INSERT INTO received (session, packet_id) VALUES (?, ?) ON CONFLICT DO NOTHING'),
    forget: db.prepare('DELETE FROM received WHERE session = ? AND packet_id = ?'),
    deleteAllReceived: db.prepare('DELETE FROM received WHERE session = ?'),
    journalRow: db.prepare<[number], { lastSeq: number; bytes: Buffer }>(
      'SELECT last_seq AS lastSeq, bytes FROM journal WHERE first_seq <= ? ORDER BY first_seq DESC LIMIT 1',
    ),
  }
}
