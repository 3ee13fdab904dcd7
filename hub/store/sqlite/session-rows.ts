// What of sessions is read back from the tables: all of them at the start, and what one is owed when it is first needed again.
import type { Database } from 'better-sqlite3'
import { expiryOf, type Message, type QoS } from '../../../devices/message.ts'
import { frameFlags, type StoredDelivery, type StoredSession, type StoredSubscription } from '../store.ts'
import { carriedMessage, subscriptionOf, willOfJson } from './fact.ts'
import { FrameCursor, frameKinds } from './frame.ts'

/** Sessions in one portion: no text comes near the gigabyte that SQLite allows, or the half that V8 does. */
const portion = 10_000

/**
 * Sessions in columns, each a JSON array, in the order of their numbers. A hundred thousand of them as objects take a second from thread to
 * thread, and as rows half a second to read; as text that SQLite writes and the loop parses, a third of that.
 */
export interface SessionColumns {
  readonly numbers: string
  readonly clientIds: string
  readonly owners: string
  readonly expirySeconds: string
  readonly awayMs: string
  readonly wills: string
  readonly followedSeqs: string
  readonly owedCounts: string
  readonly owedBytes: string
  readonly owedShared: string
  readonly subscriptions: { readonly sessions: string; readonly filters: string; readonly options: string; readonly identifiers: string }
  readonly received: { readonly sessions: string; readonly packetIds: string }
}

/**
 * After the end of a run, or its death: whoever was connected then is away since. It is written down, because the next run may die before a
 * client comes back, and its signs of life are later.
 */
export function leaveAll(db: Database, awayMs: number): void {
  db.prepare('UPDATE sessions SET away_ms = ? WHERE away_ms IS NULL').run(awayMs)
}

/** All of them, in portions. None is connected, see `leaveAll`. */
export function readSessions(db: Database): SessionColumns[] {
  const lastOfPortion = db
    .prepare<[number, number], number>('SELECT max(number) FROM (SELECT number FROM sessions WHERE number > ? ORDER BY number LIMIT ?)')
    .pluck()
  const sessions = db.prepare<[number, number], Omit<SessionColumns, 'subscriptions' | 'received'>>(`
    SELECT json_group_array(number) AS numbers, json_group_array(client_id) AS clientIds, json_group_array(owner) AS owners,
      json_group_array(expiry_s) AS expirySeconds, json_group_array(away_ms) AS awayMs, json_group_array(will) AS wills, json_group_array(followed_seq) AS followedSeqs,
      json_group_array(owed_count) AS owedCounts,
      json_group_array(owed_bytes) AS owedBytes, json_group_array(owed_shared) AS owedShared
    FROM (SELECT * FROM sessions WHERE number > ? AND number <= ? ORDER BY number)`)
  const subscriptions = db.prepare<[number, number], SessionColumns['subscriptions']>(`
    SELECT json_group_array(session) AS sessions, json_group_array(filter) AS filters, json_group_array(options) AS options,
      json_group_array(identifier) AS identifiers
    FROM (SELECT * FROM subscriptions WHERE session > ? AND session <= ? ORDER BY session, filter)`)
  const received = db.prepare<[number, number], SessionColumns['received']>(`
    SELECT json_group_array(session) AS sessions, json_group_array(packet_id) AS packetIds
    FROM (SELECT * FROM received WHERE session > ? AND session <= ? ORDER BY session, packet_id)`)
  const portions: SessionColumns[] = []
  for (let after = 0, last = lastOfPortion.get(after, portion); last; after = last, last = lastOfPortion.get(after, portion)) {
    portions.push({
      ...sessions.get(after, last)!,
      subscriptions: subscriptions.get(after, last)!,
      received: received.get(after, last)!,
    })
  }
  return portions
}

/** As sessions, one after the other, so that the many need not be in memory twice. */
export function* sessionsOf(portions: Iterable<SessionColumns>): Generator<StoredSession> {
  for (const columns of portions) yield* sessionsIn(columns)
}

function* sessionsIn(columns: SessionColumns): Generator<StoredSession> {
  const numbers = parsed<number>(columns.numbers)
  const clientIds = parsed<string>(columns.clientIds)
  const owners = parsed<string>(columns.owners)
  const expirySeconds = parsed<number>(columns.expirySeconds)
  const awayMs = parsed<number>(columns.awayMs)
  const wills = parsed<string | null>(columns.wills)
  const followedSeqs = parsed<number | null>(columns.followedSeqs)
  const owedCounts = parsed<number>(columns.owedCounts)
  const owedBytes = parsed<number>(columns.owedBytes)
  const owedShared = parsed<number>(columns.owedShared)
  const subscribers = parsed<number>(columns.subscriptions.sessions)
  const filters = parsed<string>(columns.subscriptions.filters)
  const options = parsed<number>(columns.subscriptions.options)
  const identifiers = parsed<number | null>(columns.subscriptions.identifiers)
  const receivers = parsed<number>(columns.received.sessions)
  const packetIds = parsed<number>(columns.received.packetIds)
  let subscription = 0
  let received = 0
  for (const [at, number] of numbers.entries()) {
    const subscriptions: StoredSubscription[] = []
    for (; subscribers[subscription] === number; subscription += 1) {
      subscriptions.push(subscriptionOf(filters[subscription]!, options[subscription]!, identifiers[subscription] ?? 0))
    }
    const receivedQoS2: number[] = []
    for (; receivers[received] === number; received += 1) receivedQoS2.push(packetIds[received]!)
    const will = wills[at]
    yield {
      number,
      clientId: clientIds[at]!,
      owner: owners[at]!,
      expirySeconds: expirySeconds[at]!,
      awayMs: awayMs[at]!,
      will: will === null || will === undefined ? undefined : willOfJson(will),
      subscriptions,
      followedSeq: followedSeqs[at] ?? undefined,
      owedCount: owedCounts[at]!,
      owedBytes: owedBytes[at]!,
      owedByGroups: owedShared[at]! > 0,
      receivedQoS2,
    }
  }
}

function parsed<T>(column: string): T[] {
  return JSON.parse(column) as T[]
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
