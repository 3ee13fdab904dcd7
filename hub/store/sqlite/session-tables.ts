// In the writer thread: the statements behind session-book.ts. One call of `write` is one transaction.
import type { Database } from 'better-sqlite3'
import { metaOf, setMeta } from './meta.ts'
import type { SessionChanges } from './session-book.ts'

/** The largest number of any session there was. */
export const lastSessionName = 'last_session'

/** What keeping a delivery costs the loop's memory besides its frame; see `Outbox`. */
const deliveryBytes = 64

export class SessionTables {
  readonly #db: Database
  readonly #sql: ReturnType<typeof statements>
  #lastNumber: number

  constructor(db: Database) {
    this.#db = db
    this.#sql = statements(db)
    this.#lastNumber = metaOf(db, lastSessionName)
  }

  /** Undefined for a session that is not on record. */
  flushedSeq(session: number): number | undefined {
    return this.#sql.flushedSeq.get(session)
  }

  write(slice: readonly SessionChanges[]): void {
    this.#db.transaction(() => {
      const refs = new References()
      for (const session of slice) {
        if (session.ended) this.#writeEnd(session.number, refs)
        else this.#writeSession(session, refs)
      }
      for (const [seq, { by, frame }] of refs.all) this.#refer(seq, by, frame)
      // No number is ever used twice: a replay would take the end of the one for the end of the other.
      const lastNumber = slice.reduce((last, { number }) => Math.max(last, number), this.#lastNumber)
      if (lastNumber > this.#lastNumber) setMeta(this.#db, lastSessionName, lastNumber)
      this.#lastNumber = lastNumber
    })()
  }

  #writeEnd(session: number, refs: References): void {
    for (const seq of this.#sql.deleteAllOwed.all(session)) refs.count(seq, -1)
    this.#sql.deleteSubscriptions.run(session)
    this.#sql.deleteAllReceived.run(session)
    this.#sql.deleteSession.run(session)
  }

  #writeSession(session: SessionChanges, refs: References): void {
    const { number, clientId, owner, expirySeconds, will, awayMs, followedSeq, lastSeq, subscriptions, received } = session
    if (clientId !== undefined) this.#sql.openSession.run(number, clientId, owner, expirySeconds, awayMs ?? null, will ?? null, lastSeq)
    else {
      this.#sql.touchSession.run(lastSeq, number)
      if (awayMs !== undefined) this.#sql.leaveSession.run(expirySeconds, awayMs, number)
      if (will === null) this.#sql.forgetWill.run(number)
    }
    if (followedSeq !== undefined) this.#sql.followSession.run(followedSeq, number)
    for (const [filter, subscription] of subscriptions) {
      if (subscription === undefined) this.#sql.deleteSubscription.run(number, filter)
      else this.#sql.subscribe.run(number, filter, subscription.options, subscription.identifier || null)
    }
    for (const [packetId, isThere] of received) {
      if (isThere) this.#sql.receive.run(number, packetId)
      else this.#sql.forget.run(number, packetId)
    }
    this.#writeOwed(session, refs)
  }

  #writeOwed({ number, owed, progress }: SessionChanges, refs: References): void {
    let count = 0
    let bytes = 0
    let shared = 0
    for (const [place, change] of progress) {
      if (change === 'finished') {
        const row = this.#sql.deleteOwed.get(number, place)
        if (row === undefined) continue
        refs.count(row.message, -1)
        count -= 1
        bytes -= row.bytes
        shared -= row.shared
      } else {
        if (change.packetId !== 0) this.#sql.sendOwed.run(change.packetId, number, place)
        if (change.released) this.#sql.releaseOwed.run(number, place)
      }
    }
    for (const [place, { seq, frame, packetId, released, qos, retain, identifiers, shareFilter }] of owed) {
      const cost = frame.length + deliveryBytes
      const ids = identifiers === undefined ? null : JSON.stringify(identifiers)
      const bits = [released ? 1 : 0, qos, retain ? 1 : 0]
      this.#sql.owe.run(number, place, seq, cost, packetId, ...bits, ids, shareFilter ?? null)
      refs.count(seq, 1, frame)
      count += 1
      bytes += cost
      shared += shareFilter === undefined ? 0 : 1
    }
    if (count !== 0 || bytes !== 0) this.#sql.countOwed.run(count, bytes, shared, number)
  }

  #refer(seq: number, by: number, frame: Buffer | undefined): void {
    if (by === 0) return
    if (this.#sql.refer.run(by, seq).changes === 0 && frame !== undefined) this.#sql.keep.run(seq, by, frame)
    if (by < 0) this.#sql.dropUnreferred.run(seq)
  }
}

/** How many rows of `owed` more, or fewer, name each message. */
class References {
  readonly all = new Map<number, { by: number; frame: Buffer | undefined }>()

  count(seq: number, by: number, frame?: Buffer): void {
    const reference = this.all.get(seq)
    if (reference === undefined) this.all.set(seq, { by, frame })
    else {
      reference.by += by
      reference.frame ??= frame
    }
  }
}

function statements(db: Database) {
  return {
    flushedSeq: db.prepare<[number], number>('SELECT flushed_seq FROM sessions WHERE number = ?').pluck(),
    openSession: db.prepare(`
      INSERT INTO sessions (number, client_id, owner, expiry_s, away_ms, will, flushed_seq) VALUES (?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (number) DO UPDATE SET owner = excluded.owner, expiry_s = excluded.expiry_s, away_ms = excluded.away_ms, will = excluded.will,
        flushed_seq = excluded.flushed_seq`),
    touchSession: db.prepare('UPDATE sessions SET flushed_seq = ? WHERE number = ?'),
    leaveSession: db.prepare('UPDATE sessions SET expiry_s = ?, away_ms = ? WHERE number = ?'),
    followSession: db.prepare('UPDATE sessions SET followed_seq = ? WHERE number = ?'),
    forgetWill: db.prepare('UPDATE sessions SET will = NULL WHERE number = ?'),
    deleteSession: db.prepare('DELETE FROM sessions WHERE number = ?'),
    subscribe: db.prepare(`
      INSERT INTO subscriptions (session, filter, options, identifier) VALUES (?, ?, ?, ?)
      ON CONFLICT (session, filter) DO UPDATE SET options = excluded.options, identifier = excluded.identifier`),
    deleteSubscription: db.prepare('DELETE FROM subscriptions WHERE session = ? AND filter = ?'),
    deleteSubscriptions: db.prepare('DELETE FROM subscriptions WHERE session = ?'),
    owe: db.prepare(`
      INSERT INTO owed (session, place, message, bytes, packet_id, released, qos, retain, identifiers, share_filter)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    countOwed: db.prepare(
      'UPDATE sessions SET owed_count = owed_count + ?, owed_bytes = owed_bytes + ?, owed_shared = owed_shared + ? WHERE number = ?',
    ),
    sendOwed: db.prepare('UPDATE owed SET packet_id = ? WHERE session = ? AND place = ?'),
    releaseOwed: db.prepare('UPDATE owed SET released = 1 WHERE session = ? AND place = ?'),
    deleteOwed: db.prepare<[number, number], { message: number; bytes: number; shared: number }>(
      'DELETE FROM owed WHERE session = ? AND place = ? RETURNING message, bytes, share_filter IS NOT NULL AS shared',
    ),
    deleteAllOwed: db.prepare<[number], number>('DELETE FROM owed WHERE session = ? RETURNING message').pluck(),
    keep: db.prepare('INSERT INTO owed_messages (seq, refs, frame) VALUES (?, ?, ?)'),
    refer: db.prepare('UPDATE owed_messages SET refs = refs + ? WHERE seq = ?'),
    dropUnreferred: db.prepare('DELETE FROM owed_messages WHERE seq = ? AND refs <= 0'),
    receive: db.prepare('INSERT INTO received (session, packet_id) VALUES (?, ?) ON CONFLICT DO NOTHING'),
    forget: db.prepare('DELETE FROM received WHERE session = ? AND packet_id = ?'),
    deleteAllReceived: db.prepare('DELETE FROM received WHERE session = ?'),
  }
}
