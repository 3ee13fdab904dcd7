// What of sessions is read back from the tables: all of them at the start, and what one is owed when it is first needed again.
import type { Database } from 'better-sqlite3'
import { expiryOf, type Message, type QoS } from '../../../devices/message.ts'
import { frameFlags, type StoredDelivery, type StoredSession } from '../store.ts'
import { carriedMessage, subscriptionOf, willOfJson } from './fact.ts'
import { FrameCursor, frameKinds } from './frame.ts'

type SessionRow = [
  number: number,
  clientId: string,
  expirySeconds: number,
  awayMs: number,
  will: string | null,
  owedCount: number,
  owedBytes: number,
  owedShared: number,
]
type SubscriptionRow = [session: number, filter: string, options: number, identifier: number | null]
type ReceivedRow = [session: number, packetId: number]

/**
 * In the order of their numbers. Sessions of which nobody knows since when they are away were connected at `lastSignOfLifeMs`. Runs on the
 * loop, before there is anyone to be kept waiting: handing a hundred thousand sessions from thread to thread takes longer than to read them.
 */
export function readSessions(db: Database, lastSignOfLifeMs: number): StoredSession[] {
  const subscriptions = new Following<SubscriptionRow>(
    db.prepare<[], SubscriptionRow>('SELECT session, filter, options, identifier FROM subscriptions ORDER BY session').raw().all(),
  )
  const received = new Following<ReceivedRow>(
    db.prepare<[], ReceivedRow>('SELECT session, packet_id FROM received ORDER BY session').raw().all(),
  )
  const rows = db
    .prepare<[number], SessionRow>(`
      SELECT number, client_id, expiry_s, coalesce(away_ms, ?), will, owed_count, owed_bytes, owed_shared FROM sessions ORDER BY number`)
    .raw()
  return rows.all(lastSignOfLifeMs).map(([number, clientId, expirySeconds, awayMs, will, owedCount, owedBytes, owedShared]) => ({
    number,
    clientId,
    expirySeconds,
    awayMs,
    will: will === null ? undefined : willOfJson(will),
    subscriptions: subscriptions.of(number).map(([, filter, options, identifier]) => subscriptionOf(filter, options, identifier)),
    owedCount,
    owedBytes,
    owedByGroups: owedShared > 0,
    receivedQoS2: received.of(number).map(([, packetId]) => packetId),
  }))
}

/** Rows that begin with the number of a session, in its order: those of one session after the other. */
class Following<Row extends readonly [session: number, ...unknown[]]> {
  readonly #rows: readonly Row[]
  #at = 0

  constructor(rows: readonly Row[]) {
    this.#rows = rows
  }

  /** Asked for ever larger numbers. */
  of(session: number): readonly Row[] {
    while (this.#at < this.#rows.length && this.#rows[this.#at]![0] < session) this.#at += 1
    const start = this.#at
    while (this.#at < this.#rows.length && this.#rows[this.#at]![0] === session) this.#at += 1
    return this.#rows.slice(start, this.#at)
  }
}

interface OwedRow {
  readonly place: number
  readonly packetId: number
  readonly released: number
  readonly qos: number
  readonly retain: number
  readonly identifiers: string | null
  readonly shareFilter: string | null
  readonly frame: Buffer
}

/** Reads what a session was owed; a message that is not what was written is left out. */
export class OwedReader {
  readonly #rows

  constructor(db: Database) {
    this.#rows = db.prepare<[number, number], OwedRow>(`
      SELECT place, packet_id AS packetId, released, owed.qos, owed.retain, identifiers, share_filter AS shareFilter, frame
      FROM owed JOIN owed_messages ON seq = message WHERE session = ? AND place <= ? ORDER BY place`)
  }

  read(session: number, lastPlace: number): StoredDelivery[] {
    const deliveries: StoredDelivery[] = []
    for (const row of this.#rows.iterate(session, lastPlace)) {
      const message = messageOf(row.frame)
      if (message === undefined) continue
      const { place, packetId, released, qos, retain, identifiers, shareFilter } = row
      deliveries.push({
        message,
        qos: qos as QoS,
        retain: retain === 1,
        identifiers: identifiers === null ? undefined : (JSON.parse(identifiers) as number[]),
        shareFilter: shareFilter ?? undefined,
        place,
        packetId,
        released: released === 1,
      })
    }
    return deliveries
  }
}

/** Undefined when it is not what was written. */
function messageOf(frame: Buffer): Message | undefined {
  const cursor = new FrameCursor(frame)
  if (!cursor.next() || !cursor.sealed) return undefined
  return messageAt(cursor)
}

/** The message of the frame the cursor stands on. */
export function messageAt(cursor: FrameCursor): Message {
  const { seq, flags } = cursor
  const found = cursor.properties()
  const properties = found === undefined ? undefined : Buffer.from(found)
  const { qos, retain, atMs, payload } =
    cursor.kind === frameKinds.fact
      ? carriedMessage(cursor)
      : { qos: (flags & frameFlags.qos) as QoS, retain: (flags & frameFlags.retain) !== 0, atMs: cursor.atMs, payload: cursor.payload() }
  return {
    seq,
    topic: cursor.topic(),
    payload: Buffer.from(payload),
    qos,
    retain,
    properties,
    atMs,
    expiresAtMs: expiryOf(properties, atMs),
    from: undefined,
  }
}
