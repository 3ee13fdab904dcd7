// What of sessions is read back from the tables: all of them at the start, and what one is owed when it is first needed again.
import type { Database } from 'better-sqlite3'
import { expiryOf, type Message, type QoS } from '../../../devices/message.ts'
import { frameFlags, type StoredDelivery, type StoredSession, type StoredSubscription } from '../store.ts'
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
 * All sessions in columns, in the order of their numbers. A hundred thousand of them as objects take a second from thread to thread; as
 * columns, nothing. Texts are joined by U+0000, which MQTT allows in none of them.
 */
export interface SessionColumns {
  readonly numbers: Float64Array
  readonly clientIds: string
  readonly expirySeconds: Float64Array
  readonly awayMs: Float64Array
  /** JSON by number, of the few that have one. */
  readonly wills: ReadonlyMap<number, string>
  readonly owedCounts: Float64Array
  readonly owedBytes: Float64Array
  readonly owedShared: Float64Array
  readonly subscriptions: {
    readonly sessions: Float64Array
    readonly filters: string
    readonly options: Uint8Array
    /** 0 for none. */
    readonly identifiers: Float64Array
  }
  readonly received: { readonly sessions: Float64Array; readonly packetIds: Float64Array }
}

const joint = '\0'

/**
 * After the end of a run, or its death: whoever was connected then is away since. It is written down, because the next run may die before a
 * client comes back, and its signs of life are later.
 */
export function leaveAll(db: Database, awayMs: number): void {
  db.prepare('UPDATE sessions SET away_ms = ? WHERE away_ms IS NULL').run(awayMs)
}

/** None is connected, see `leaveAll`. */
export function readSessions(db: Database): SessionColumns {
  const rows = db
    .prepare<[], SessionRow>(`
      SELECT number, client_id, expiry_s, away_ms, will, owed_count, owed_bytes, owed_shared FROM sessions ORDER BY number`)
    .raw()
    .all()
  const subscriptions = db
    .prepare<[], SubscriptionRow>('SELECT session, filter, options, identifier FROM subscriptions ORDER BY session')
    .raw()
    .all()
  const received = db.prepare<[], ReceivedRow>('SELECT session, packet_id FROM received ORDER BY session').raw().all()
  return {
    numbers: Float64Array.from(rows, ([number]) => number),
    clientIds: rows.map(([, clientId]) => clientId).join(joint),
    expirySeconds: Float64Array.from(rows, (row) => row[2]),
    awayMs: Float64Array.from(rows, (row) => row[3]),
    wills: new Map(rows.flatMap((row) => (row[4] === null ? [] : [[row[0], row[4]]]))),
    owedCounts: Float64Array.from(rows, (row) => row[5]),
    owedBytes: Float64Array.from(rows, (row) => row[6]),
    owedShared: Float64Array.from(rows, (row) => row[7]),
    subscriptions: {
      sessions: Float64Array.from(subscriptions, ([session]) => session),
      filters: subscriptions.map(([, filter]) => filter).join(joint),
      options: Uint8Array.from(subscriptions, (row) => row[2]),
      identifiers: Float64Array.from(subscriptions, (row) => row[3] ?? 0),
    },
    received: {
      sessions: Float64Array.from(received, ([session]) => session),
      packetIds: Float64Array.from(received, ([, packetId]) => packetId),
    },
  }
}

/** The columns as sessions, one after the other, so that the many need not be in memory twice. */
export function* sessionsOf(columns: SessionColumns): Generator<StoredSession> {
  const { numbers, expirySeconds, awayMs, wills, owedCounts, owedBytes, owedShared, subscriptions, received } = columns
  const clientIds = columns.clientIds.split(joint)
  const filters = subscriptions.filters.split(joint)
  let subscription = 0
  let packetId = 0
  for (const [at, number] of numbers.entries()) {
    const own: StoredSubscription[] = []
    for (; subscriptions.sessions[subscription] === number; subscription += 1) {
      own.push(subscriptionOf(filters[subscription]!, subscriptions.options[subscription]!, subscriptions.identifiers[subscription]!))
    }
    const receivedQoS2: number[] = []
    for (; received.sessions[packetId] === number; packetId += 1) receivedQoS2.push(received.packetIds[packetId]!)
    const will = wills.get(number)
    yield {
      number,
      clientId: clientIds[at]!,
      expirySeconds: expirySeconds[at]!,
      awayMs: awayMs[at]!,
      will: will === undefined ? undefined : willOfJson(will),
      subscriptions: own,
      owedCount: owedCounts[at]!,
      owedBytes: owedBytes[at]!,
      owedByGroups: owedShared[at]! > 0,
      receivedQoS2,
    }
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
