// In the writer thread: gathers facts about sessions in memory and writes what is left of them to the tables in slices. A delivery that was
// acknowledged before its slice came never touches a table.
//
// Exactly once: a slice writes all that changed of a session together with its `flushed_seq`; a replay passes over what the session has.
import type { Database } from 'better-sqlite3'
import { decodeOwed, decodePlace, factKinds, type LeftFact, type OpenedFact, type OwedFact, referredBackMax } from './fact.ts'
import type { FrameCursor } from './frame.ts'
import { SessionTables } from './session-tables.ts'

const flushAfterMs = 10_000
const changesMax = 300_000 // in memory in all, some 100 bytes each; past it they are written before their time
const changesPerSlice = 500 // some 5 ms, which a commit may have to wait

/** A row to be written. */
export interface NewOwed extends Omit<OwedFact, 'packetId'>, Progress {}

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
  readonly firstSeq: number
  readonly sinceMs = performance.now()
  lastSeq = 0
  clientId: string | undefined
  expirySeconds: number | undefined
  /** JSON; null: it has none any more. */
  will: string | null | undefined
  /** Null: it is connected. */
  awayMs: number | null | undefined
  ended = false
  /** By filter: the options as JSON, or that there is no such subscription any more. */
  readonly subscriptions = new Map<string, string | undefined>()
  /** Rows to be written, by place. */
  readonly owed = new Map<number, NewOwed>()
  /** Of rows that are in the table: their new state, or `finished`. */
  readonly progress = new Map<number, Progress | 'finished'>()
  readonly received = new Map<number, boolean>()

  constructor(number: number, flushedSeq: number, firstSeq: number) {
    this.number = number
    this.flushedSeq = flushedSeq
    this.firstSeq = firstSeq
  }

  get count(): number {
    return 1 + this.subscriptions.size + this.owed.size + this.progress.size + this.received.size
  }
}

export class SessionBook {
  readonly #tables: SessionTables
  /** The oldest first. */
  readonly #changed = new Map<number, SessionChanges>()
  #changes = 0

  constructor(db: Database) {
    this.#tables = new SessionTables(db)
  }

  /** All facts up to here are in the tables, and no row to be written names a message before it; Infinity when nothing waits. */
  get settledSeq(): number {
    for (const { firstSeq } of this.#changed.values()) return firstSeq - 1 - referredBackMax
    return Number.POSITIVE_INFINITY
  }

  /** How long until something is due to be written; undefined when nothing waits. */
  get dueInMs(): number | undefined {
    for (const { sinceMs } of this.#changed.values()) {
      return this.#changes > changesMax ? 0 : Math.max(0, sinceMs + flushAfterMs - performance.now())
    }
    return undefined
  }

  take(cursor: FrameCursor): void {
    const { device: number, seq, flags: kind } = cursor
    let session = this.#changed.get(number)
    if (session === undefined) {
      const flushedSeq = this.#tables.flushedSeq(number)
      // A replay may meet a session whose end is in the tables already.
      if (flushedSeq === undefined && kind !== factKinds.opened) return
      if (seq <= (flushedSeq ?? 0)) return
      session = new SessionChanges(number, flushedSeq ?? 0, seq)
      this.#changed.set(number, session)
      this.#changes += 1
    }
    if (seq <= session.flushedSeq) return
    session.lastSeq = seq
    const before = session.count
    this.#change(session, cursor)
    this.#changes += session.count - before
  }

  /** Writes the sessions that have waited longest. */
  flushSlice(): void {
    const slice: SessionChanges[] = []
    let changes = 0
    for (const session of this.#changed.values()) {
      slice.push(session)
      changes += session.count
      if (changes >= changesPerSlice) break
    }
    if (slice.length === 0) return
    this.#tables.write(slice)
    for (const session of slice) this.#changed.delete(session.number)
    this.#changes -= changes
  }

  flushAll(): void {
    while (this.#changed.size > 0) this.flushSlice()
  }

  #change(session: SessionChanges, cursor: FrameCursor): void {
    switch (cursor.flags) {
      case factKinds.opened: {
        const { expirySeconds, will } = jsonOf<OpenedFact>(cursor)
        session.clientId = cursor.topic()
        session.expirySeconds = expirySeconds
        session.will = will ?? null
        session.awayMs = null
        return
      }
      case factKinds.left: {
        const { expirySeconds, keepsWill } = jsonOf<LeftFact>(cursor)
        session.expirySeconds = expirySeconds
        session.awayMs = cursor.atMs
        if (!keepsWill) session.will = null
        return
      }
      case factKinds.willSent:
        session.will = null
        return
      case factKinds.ended:
        session.ended = true
        session.subscriptions.clear()
        session.owed.clear()
        session.progress.clear()
        session.received.clear()
        return
      case factKinds.subscribed:
        session.subscriptions.set(cursor.topic(), cursor.payload().toString())
        return
      case factKinds.unsubscribed:
        session.subscriptions.set(cursor.topic(), undefined)
        return
      case factKinds.owed: {
        const fact = decodeOwed(cursor)
        const seq = fact.seq === 0 ? cursor.seq : fact.seq // carried: the frame of the fact stands for the message
        session.owed.set(cursor.seq, { ...fact, seq, released: false })
        return
      }
      default:
        this.#progress(session, cursor)
    }
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
        if (!session.owed.delete(place)) session.progress.set(place, 'finished')
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
