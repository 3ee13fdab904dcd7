// What of sessions is read back from the tables: all of them at the start, and what one is owed when it is first needed again.
import type { Database } from 'better-sqlite3'
import { expiryOf, type Message, type QoS } from '../../../devices/message.ts'
import { frameFlags, type StoredDelivery, type StoredSession, type StoredSubscription } from '../store.ts'
import { carriedMessage, type SubscribedFact, willOfJson } from './fact.ts'
import { FrameCursor, frameKinds } from './frame.ts'

interface SessionRow {
  readonly number: number
  readonly clientId: string
  readonly expirySeconds: number
  readonly awayMs: number
  readonly will: string | null
}

/** In the order of their numbers. Sessions of which nobody knows since when they are away were connected at `lastSignOfLifeMs`. */
export function readSessions(db: Database, lastSignOfLifeMs: number): StoredSession[] {
  const rows = db.prepare<[number], SessionRow>(`
    SELECT number, client_id AS clientId, expiry_s AS expirySeconds, coalesce(away_ms, ?) AS awayMs, will FROM sessions ORDER BY number`)
  const subscriptions = new Map<number, StoredSubscription[]>()
  for (const { session, filter, options } of db
    .prepare<[], { session: number; filter: string; options: string }>('SELECT session, filter, options FROM subscriptions')
    .iterate()) {
    const { qos, noLocal, retainAsPublished, identifier } = JSON.parse(options) as SubscribedFact
    listOf(subscriptions, session).push({ filter, qos, noLocal, retainAsPublished, identifier })
  }
  const received = new Map<number, number[]>()
  for (const { session, packetId } of db
    .prepare<[], { session: number; packetId: number }>('SELECT session, packet_id AS packetId FROM received')
    .iterate()) {
    listOf(received, session).push(packetId)
  }
  const owed = new Map<number, { count: number; bytes: number; shared: number }>()
  for (const row of db
    .prepare<[], { session: number; count: number; bytes: number; shared: number }>(
      'SELECT session, count(*) AS count, sum(bytes) AS bytes, count(share_filter) AS shared FROM owed GROUP BY session',
    )
    .iterate()) {
    owed.set(row.session, row)
  }
  return rows.all(lastSignOfLifeMs).map(({ number, clientId, expirySeconds, awayMs, will }) => {
    const { count = 0, bytes = 0, shared = 0 } = owed.get(number) ?? {}
    return {
      number,
      clientId,
      expirySeconds,
      awayMs,
      will: will === null ? undefined : willOfJson(will),
      subscriptions: subscriptions.get(number) ?? [],
      owedCount: count,
      owedBytes: bytes,
      owedByGroups: shared > 0,
      receivedQoS2: received.get(number) ?? [],
    }
  })
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

function listOf<T>(lists: Map<number, T[]>, key: number): T[] {
  const list = lists.get(key) ?? []
  lists.set(key, list)
  return list
}
