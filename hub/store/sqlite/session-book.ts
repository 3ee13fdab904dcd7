// In the writer thread: gathers facts about sessions in memory and writes what is left of them to the tables in slices. A delivery that was
// acknowledged before its slice came never touches a table.
//
// Exactly once: a slice writes all that changed of a session together with its `flushed_seq`; a replay passes over what the session has.
import type { Database } from 'better-sqlite3'
import { MiB } from '../../limits.ts'
import { decodeOwed, decodePlace, decodeSubscribed, factKinds, type LeftFact, type OpenedFact, type OwedFact } from './fact.ts'
import type { FrameCursor } from './frame.ts'
import { MessageTrail } from './message-trail.ts'
import type { CommittedBatch } from './projection.ts'
import { SessionTables } from './session-tables.ts'

const flushAfterMs = 10_000
const changesMax = 300_000 // in memory in all, some 100 bytes each; past it they are written before their time,
const frameBytesMax = 32 * MiB // … and past so many bytes of messages, one that is owed to several counted for each
const changesPerSlice = 500 // some 5 ms, which a commit may have to wait

/** A row to be written. */
export interface NewOwed extends Omit<OwedFact, 'packetId'>, Progress {
  /** The message, as in the journal; shared by all that are owed it. */
  readonly frame: Buffer
}

/** How far the delivery of a row in the table has come since; `packetId` 0: no further in that. */
export interface Progress {
  packetId: number
  released: boolean
}

/** What changed of a session since its last slice. */
export class SessionChanges {
  readonly number: number
  /** Facts up to here are in the tables. */
  readonly flushedSeq: number
  /** The journal is needed from here on: for the oldest fact, and for messages that a fact may name. */
  readonly neededSeq: number
  readonly sinceMs = performance.now()
  lastSeq = 0
  clientId: string | undefined
  owner = ''
  expirySeconds: number | undefined
  /** JSON; null: it has none any more. */
  will: string | null | undefined
  /** Null: it is connected. */
  awayMs: number | null | undefined
  /** See `SessionLog.followed`. */
  followedSeq: number | undefined
  ended = false
  /** By filter; undefined when there is no such subscription any more. */
  readonly subscriptions = new Map<string, { options: number; identifier: number } | undefined>()
  /** Rows to be written, by place. */
  readonly owed = new Map<number, NewOwed>()
  /** Of rows that are in the table: their new state, or `finished`. */
  readonly progress = new Map<number, Progress | 'finished'>()
  readonly received = new Map<number, boolean>()
  frameBytes = 0

  constructor(number: number, flushedSeq: number, neededSeq: number) {
    this.number = number
    this.flushedSeq = flushedSeq
    this.neededSeq = neededSeq
  }

  owe(place: number, owed: NewOwed): void {
    this.owed.set(place, owed)
    this.frameBytes += owed.frame.length
  }

  finish(place: number): void {
    const owed = this.owed.get(place)
    if (owed === undefined) this.progress.set(place, 'finished')
    else {
      this.owed.delete(place)
      this.frameBytes -= owed.frame.length
    }
  }

  end(): void {
    this.ended = true
    this.subscriptions.clear()
    this.owed.clear()
    this.progress.clear()
    this.received.clear()
    this.frameBytes = 0
  }

  get count(): number {
    return 1 + this.subscriptions.size + this.owed.size + this.progress.size + this.received.size
  }
}

export class SessionBook {
  readonly #tables: SessionTables
  /** The oldest first. */
  readonly #changed = new Map<number, SessionChanges>()
  readonly #trail = new MessageTrail()
  /** Facts that are still to come name no message up to here. */
  #routedSeq: number
  #changes = 0
  #frameBytes = 0

  /** The projection begins behind `projectedSeq`. */
  constructor(db: Database, projectedSeq: number) {
    this.#tables = new SessionTables(db)
    this.#routedSeq = projectedSeq
  }

  /** The journal is not needed up to here: neither by facts that wait to be written nor by those that are still to come. */
  get settledSeq(): number {
    for (const { neededSeq } of this.#changed.values()) return neededSeq - 1
    return this.#routedSeq
  }

  /** The batch was projected; it is kept while facts may name its messages. */
  batchEnded({ cursor, lastSeq, routedSeq, release }: CommittedBatch): void {
    this.#routedSeq = routedSeq
    this.#trail.routed(routedSeq)
    if (lastSeq <= routedSeq) release()
    else this.#trail.add(cursor.bytes, lastSeq, release)
  }

  /** How long until something is due to be written; undefined when nothing waits. */
  get dueInMs(): number | undefined {
    for (const { sinceMs } of this.#changed.values()) {
      return this.#changes > changesMax || this.#frameBytes > frameBytesMax ? 0 : Math.max(0, sinceMs + flushAfterMs - performance.now())
    }
    return undefined
  }

  /** False when the fact names a message that is not what was written. */
  take(cursor: FrameCursor): boolean {
    const { device: number, seq, flags: kind } = cursor
    let session = this.#changed.get(number)
    if (session === undefined) {
      const flushedSeq = this.#tables.flushedSeq(number)
      // A replay may meet a session whose end is in the tables already.
      if (flushedSeq === undefined && kind !== factKinds.opened) return true
      if (seq <= (flushedSeq ?? 0)) return true
      session = new SessionChanges(number, flushedSeq ?? 0, Math.min(seq, this.#routedSeq + 1))
      this.#changed.set(number, session)
      this.#changes += 1
    }
    if (seq <= session.flushedSeq) return true
    session.lastSeq = seq
    const { count, frameBytes } = session
    const isWhole = this.#change(session, cursor)
    this.#changes += session.count - count
    this.#frameBytes += session.frameBytes - frameBytes
    return isWhole
  }

  /** Writes the sessions that have waited longest. */
  flushSlice(changesMost = changesPerSlice): void {
    const slice: SessionChanges[] = []
    let changes = 0
    for (const session of this.#changed.values()) {
      slice.push(session)
      changes += session.count
      if (changes >= changesMost) break
    }
    if (slice.length === 0) return
    this.#tables.write(slice)
    for (const { number, frameBytes } of slice) {
      this.#changed.delete(number)
      this.#frameBytes -= frameBytes
    }
    this.#changes -= changes
  }

  flushAll(): void {
    while (this.#changed.size > 0) this.flushSlice()
  }

  #change(session: SessionChanges, cursor: FrameCursor): boolean {
    switch (cursor.flags) {
      case factKinds.opened: {
        const { expirySeconds, will, owner } = jsonOf<OpenedFact>(cursor)
        session.clientId = cursor.topic()
        session.owner = owner ?? ''
        session.expirySeconds = expirySeconds
        session.will = will ?? null
        session.awayMs = null
        return true
      }
      case factKinds.left: {
        const { expirySeconds, keepsWill } = jsonOf<LeftFact>(cursor)
        session.expirySeconds = expirySeconds
        session.awayMs = cursor.atMs
        if (!keepsWill) session.will = null
        return true
      }
      case factKinds.willSent:
        session.will = null
        return true
      case factKinds.ended:
        session.end()
        return true
      case factKinds.subscribed:
        session.subscriptions.set(cursor.topic(), decodeSubscribed(cursor))
        return true
      case factKinds.unsubscribed:
        session.subscriptions.set(cursor.topic(), undefined)
        return true
      case factKinds.owed:
        return this.#owe(session, cursor)
      default:
        this.#progress(session, cursor)
        return true
    }
  }

  #owe(session: SessionChanges, cursor: FrameCursor): boolean {
    const fact = decodeOwed(cursor)
    const isCarried = fact.seq === 0
    const frame = isCarried ? Buffer.from(cursor.bytes.subarray(cursor.start, cursor.end)) : this.#trail.frameOf(fact.seq)
    // Carried: the frame of the fact stands for the message, and its place for the number of it.
    if (frame === undefined) return false
    session.owe(cursor.seq, { ...fact, seq: isCarried ? cursor.seq : fact.seq, frame, released: false })
    return true
  }

  #progress(session: SessionChanges, cursor: FrameCursor): void {
    const { place, packetId } = decodePlace(cursor)
    switch (cursor.flags) {
      case factKinds.sent:
        progressOf(session, place).packetId = packetId
        return
      case factKinds.released:
        progressOf(session, place).released = true
        return
      case factKinds.finished:
        session.finish(place)
        return
      case factKinds.followed:
        session.followedSeq = place
        return
      case factKinds.received:
        session.received.set(packetId, true)
        return
      case factKinds.forgotten:
        session.received.set(packetId, false)
        return
    }
  }
}

function progressOf(session: SessionChanges, place: number): Progress {
  const known = session.owed.get(place) ?? session.progress.get(place)
  if (known !== undefined && known !== 'finished') return known
  const progress: Progress = { packetId: 0, released: false }
  session.progress.set(place, progress)
  return progress
}

function jsonOf<T>(cursor: FrameCursor): T {
  return JSON.parse(cursor.payload().toString()) as T
}
