// A disk that does what the seed says: commits when it is told to, is full for a while, and keeps over a crash what was committed. All that
// reads and writes the tables is the hub's own.
import Database from 'better-sqlite3'
import type { Message } from '../../devices/message.ts'
import { Cursors } from '../../hub/store/cursors.ts'
import { ChangeFeed } from '../../hub/store/sqlite/changes.ts'
import { Commits } from '../../hub/store/sqlite/commits.ts'
import { beginEpoch } from '../../hub/store/sqlite/epochs.ts'
import { sharedFigures } from '../../hub/store/sqlite/figures.ts'
import { FrameCursor, frameKinds } from '../../hub/store/sqlite/frame.ts'
import { type CommitResult, type SealedBatch, SqliteJournal } from '../../hub/store/sqlite/journal.ts'
import { keptOf } from '../../hub/store/sqlite/kept.ts'
import { metaOf, setMeta } from '../../hub/store/sqlite/meta.ts'
import { retainedMessage } from '../../hub/store/sqlite/open.ts'
import { Past } from '../../hub/store/sqlite/past.ts'
import { Projection } from '../../hub/store/sqlite/projection.ts'
import { lastSignOfLifeMs, readRetained, replay, unrouted } from '../../hub/store/sqlite/recovery.ts'
import { migrate } from '../../hub/store/sqlite/schema.ts'
import { SeriesBook } from '../../hub/store/sqlite/series.ts'
import { SessionBook } from '../../hub/store/sqlite/session-book.ts'
import { SqliteSessionLog } from '../../hub/store/sqlite/session-log.ts'
import { leaveAll, OwedReader, readSessions, sessionsOf } from '../../hub/store/sqlite/session-rows.ts'
import { lastSessionName } from '../../hub/store/sqlite/session-tables.ts'
import { JournalTrimmer, wholeJournal } from '../../hub/store/sqlite/trimmer.ts'
import type { PastQuery, StoredDelivery } from '../../hub/store/store.ts'
import type { HandClock } from '../kit/clock.ts'

/** A batch on its way, and what became of it. */
interface Commit {
  readonly batch: SealedBatch
  readonly bytes: Buffer
  result: CommitResult | undefined
  answer(result: CommitResult): void
}

/** What lives in the memory of the writer and the reader; a crash takes it. */
interface Memory {
  readonly commits: Commits
  readonly sessions: SessionBook
  readonly book: SeriesBook
  readonly trimmer: JournalTrimmer
  readonly projection: Projection
  readonly reader: OwedReader
  readonly lastPlaceAtStart: number
  readonly journal: SqliteJournal
  commit: Commit | undefined
  readonly loads: { readonly session: number; answer(deliveries: readonly StoredDelivery[]): void }[]
}

export class Disk {
  readonly db = new Database(':memory:')
  readonly #clock: HandClock
  readonly #lost: (payload: string) => void
  full = false
  committedSeq = 0
  #memory: Memory | undefined

  /** `lost` hears of each message that a full disk did not take. */
  constructor(clock: HandClock, lost: (payload: string) => void) {
    this.#clock = clock
    this.#lost = lost
    migrate(this.db)
  }

  /** As `Writer.open` and `openSqliteStore` do it. */
  open() {
    const { db } = this
    const projectedSeq = metaOf(db, 'projected_seq')
    const newest = db.prepare<[], number>('SELECT last_seq FROM journal ORDER BY first_seq DESC LIMIT 1').pluck().get()
    this.committedSeq = Math.max(projectedSeq, newest ?? 0)
    const sessions = new SessionBook(db, projectedSeq)
    const trimmer = new JournalTrimmer(db, wholeJournal)
    const book = new SeriesBook(db, trimmer, new ChangeFeed(() => {}), projectedSeq, () => sessions.settledSeq)
    const projection = new Projection(book, sessions, sharedFigures())
    replay(db, projection, book, sessions)
    leaveAll(db, lastSignOfLifeMs(db))
    const epochs = beginEpoch(db, this.committedSeq + 1)
    const { epoch } = epochs.at(-1)!
    const past = new Past(db)
    const commit = (batch: SealedBatch) => this.#take(memory, batch)
    const journal = new SqliteJournal({ epoch, nextSeq: this.committedSeq + 1, durability: 'fsync', clock: this.#clock, commit })
    const memory: Memory = {
      commits: new Commits(db),
      sessions,
      book,
      trimmer,
      projection,
      reader: new OwedReader(db),
      lastPlaceAtStart: this.committedSeq,
      journal,
      commit: undefined,
      loads: [],
    }
    this.#memory = memory
    return {
      journal,
      durability: 'fsync' as const,
      sessionLog: new SqliteSessionLog(journal),
      cursors: new Cursors(epochs),
      past: async (query: PastQuery) => past.page(query),
      seqOfLast: async (filters: readonly string[], count: number) => past.last(filters, count, journal.storedSeq).afterSeq,
      seqAt: async (ms: number) => past.seqAt(ms),
      owed: (session: number) =>
        new Promise<readonly StoredDelivery[]>((answer) => {
          memory.loads.push({ session, answer })
        }),
      retainedAtStart: this.retained,
      sessionsAtStart: sessionsOf(readSessions(db)),
      lastSessionAtStart: metaOf(db, lastSessionName),
      unroutedAtStart: unrouted(db),
    }
  }

  /** What is on its way comes neither to the disk nor back. */
  crash(): void {
    this.#memory = undefined
  }

  get lastSignOfLifeMs(): number {
    return lastSignOfLifeMs(this.db)
  }

  signOfLife(): void {
    if (!this.full) setMeta(this.db, 'alive_ms', this.#clock.now())
  }

  /** The batch that is on its way reaches the disk, or does not. False when there is none. */
  apply(): boolean {
    const { commit, commits, projection, journal, trimmer } = this.#running
    if (commit === undefined || commit.result !== undefined) return false
    const { batch, bytes } = commit
    if (this.full) {
      this.#tellLost(bytes)
      commit.result = { is: 'full', kept: keptOf(bytes) }
      journal.takeBack(batch.buffer)
      return true
    }
    const { refused, checked } = commits.store(batch, new FrameCursor(bytes))
    this.committedSeq = batch.lastSeq
    trimmer.grew(batch.length, batch.lastSeq)
    const release = () => journal.takeBack(batch.buffer)
    projection.add({
      cursor: new FrameCursor(bytes),
      lastSeq: batch.lastSeq,
      routedSeq: batch.routedSeq,
      checked,
      replayed: false,
      release,
    })
    commit.result = { is: 'stored', refused }
    return true
  }

  /** The loop hears what became of it. */
  answer(): boolean {
    const memory = this.#running
    const { commit } = memory
    if (commit?.result === undefined) return false
    memory.commit = undefined
    commit.answer(commit.result)
    return true
  }

  /** Sixteen frames. */
  project(): boolean {
    const { projection } = this.#running
    if (!projection.ready) return false
    projection.step(Number.NEGATIVE_INFINITY)
    return true
  }

  /** The session that has waited longest goes to the tables. */
  flushSession(): boolean {
    const { sessions } = this.#running
    if (this.full || sessions.dueInMs === undefined) return false
    sessions.flushSlice(1)
    return true
  }

  flushSeries(): boolean {
    const { book } = this.#running
    if (this.full || book.dueInMs === undefined) return false
    book.flushSlice()
    return true
  }

  /** The reader answers what a session is owed. */
  load(): boolean {
    const { loads, reader, lastPlaceAtStart } = this.#running
    const load = loads.shift()
    load?.answer(reader.read(load.session, lastPlaceAtStart))
    return load !== undefined
  }

  get retained(): readonly Message[] {
    return readRetained(this.db).map(retainedMessage)
  }

  count(table: string): number {
    return this.db.prepare<[], number>(`SELECT count(*) FROM ${table}`).pluck().get() ?? 0
  }

  get #running(): Memory {
    if (this.#memory === undefined) throw new Error('the disk is not open')
    return this.#memory
  }

  #take(memory: Memory, batch: SealedBatch): Promise<CommitResult> {
    // As a message to a thread does it: the sender's buffer is gone.
    const buffer = structuredClone(batch.buffer, { transfer: [batch.buffer] })
    return new Promise((answer) => {
      memory.commit = { batch: { ...batch, buffer }, bytes: Buffer.from(buffer, 0, batch.length), result: undefined, answer }
    })
  }

  #tellLost(bytes: Buffer): void {
    const cursor = new FrameCursor(bytes)
    while (cursor.next()) if (cursor.kind === frameKinds.message) this.#lost(cursor.payload().toString())
  }
}
