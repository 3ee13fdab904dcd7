// The writer thread: the only connection that writes. A commit is answered as soon as it is on disk; projecting it into series, and
// writing those, happens in slices between commits.

import { statfsSync } from 'node:fs'
import { join } from 'node:path'
import Database, { SqliteError } from 'better-sqlite3'
import type { DeviceChange, DeviceId } from '../../../devices/device.ts'
import { systemClock } from '../../clock.ts'
import { Refusal } from '../../errors.ts'
import { limits, MiB } from '../../limits.ts'
import { typeKind } from '../access.ts'
import { type Durability, recordKinds, type Watch } from '../store.ts'
import type { DesiredChange, DesiredOutcome, Twin } from '../twins.ts'
import { AccessRows, type AccessWrite } from './access-rows.ts'
import type { PartitionRow } from './catalogue.ts'
import { ChangeFeed } from './changes.ts'
import { ChildRows } from './child-rows.ts'
import { CommandRows } from './command-rows.ts'
import { Commits } from './commits.ts'
import { type Deletion, Deletions, lastDeviceName } from './deletions.ts'
import { describeDevice, readChildren } from './device-rows.ts'
import { beginEpoch } from './epochs.ts'
import { EventRows } from './event-rows.ts'
import { figure, type SharedFigures } from './figures.ts'
import { FrameCursor } from './frame.ts'
import { FreshnessBook } from './freshness-book.ts'
import type { CommitResult, SealedBatch } from './journal.ts'
import type { Rolled } from './keeper/roller.ts'
import type { Sealed } from './keeper/sealer.ts'
import { keptOf } from './kept.ts'
import { lockFolder } from './lock.ts'
import { metaOf, setMeta } from './meta.ts'
import { MetricSchemas, readTypes } from './metric-schemas.ts'
import { convertSegments } from './old-segments.ts'
import { PartitionRecords } from './partition-records.ts'
import { PresenceRows } from './presence-rows.ts'
import { Projection } from './projection.ts'
import { type Moved, MovedWriter } from './query/latest.ts'
import { lastSignOfLifeMs, readRetained, replay, unrouted } from './recovery.ts'
import { migrate, prepareWriter, setSynchronous } from './schema.ts'
import { SeriesBook } from './series.ts'
import { SessionBook } from './session-book.ts'
import { leaveAll } from './session-rows.ts'
import { lastSessionName } from './session-tables.ts'
import { notify, serve } from './thread.ts'
import { JournalTrimmer } from './trimmer.ts'
import { TwinRows } from './twin-rows.ts'
import type { Opened, OpenOptions, WriterFunctions, WriterStatus } from './writer-functions.ts'

const sliceMs = 1 // what a commit may have to wait for the projection
const lookAtDiskEveryMs = 1000
const devicesPerLook = 500 // of newest values, between two commits
const retryFlushMs = 1000
/** Journal that waits for the projection, past which nobody is said to be silent: a second of a busy hub. */
const behindBytes = 8 * MiB

class Writer {
  readonly #lock: Database.Database
  readonly #db: Database.Database
  readonly #durability: Durability
  readonly #folder: string
  readonly #figures: SharedFigures
  readonly #changes = new ChangeFeed((changes) => notify('changes', changes))
  readonly #schemas: MetricSchemas
  readonly #book: SeriesBook
  readonly #sessions: SessionBook
  readonly #projection: Projection
  readonly #freshness: FreshnessBook
  readonly #commits: Commits
  readonly #records: PartitionRecords
  readonly #trimmer: JournalTrimmer
  readonly #access: AccessRows
  readonly #twins: TwinRows
  readonly #deletions: Deletions
  #committedSeq: number
  #failed: Error | undefined
  #turnPending: NodeJS.Immediate | undefined
  #turnLater: NodeJS.Timeout | undefined
  #diskFullUntilMs = 0
  #diskLookedAtMs = Number.NEGATIVE_INFINITY
  #diskLow = false

  constructor({ folder, durability, figures, journal }: OpenOptions) {
    this.#folder = folder
    this.#durability = durability
    this.#figures = figures
    this.#lock = lockFolder(folder)
    this.#db = new Database(join(folder, 'mooring.db'))
    try {
      prepareWriter(this.#db, durability)
      migrate(this.#db)
      convertSegments(this.#db)
    } catch (error) {
      this.#db.close()
      this.#lock.close()
      const isForeign = error instanceof SqliteError && error.code === 'SQLITE_NOTADB'
      throw isForeign ? new Error(`${join(folder, 'mooring.db')} is not a database of Mooring; choose another folder with --data.`) : error
    }
    this.#records = new PartitionRecords(this.#db)
    this.#trimmer = new JournalTrimmer(this.#db, journal)
    this.#access = new AccessRows(this.#db)
    this.#deletions = new Deletions(this.#db)
    const events = new EventRows(this.#db)
    this.#twins = new TwinRows(this.#db, (changes) => notify('twins', changes))
    this.#commits = new Commits(this.#db, (number) => this.#book.deviceToCheck(number), {
      records: {
        [recordKinds.event]: events,
        [recordKinds.presence]: new PresenceRows(this.#db, events),
        [recordKinds.command]: new CommandRows(this.#db),
        [recordKinds.child]: new ChildRows(this.#db),
      },
      reported: this.#twins,
      event: events,
    })
    const projectedSeq = metaOf(this.#db, 'projected_seq')
    const journalSeq = this.#db.prepare<[], number>('SELECT last_seq FROM journal ORDER BY first_seq DESC LIMIT 1').pluck().get()
    this.#committedSeq = Math.max(projectedSeq, journalSeq ?? 0)
    this.#sessions = new SessionBook(this.#db, projectedSeq)
    this.#schemas = new MetricSchemas(readTypes(this.#db))
    this.#book = new SeriesBook(this.#db, this.#trimmer, this.#changes, projectedSeq, () => this.#sessions.settledSeq, this.#schemas)
    this.#projection = new Projection(this.#book, this.#sessions, figures)
    this.#freshness = new FreshnessBook(
      systemClock,
      () => this.#projection.lagBytes > behindBytes,
      (news) => notify('freshness', news),
    )
  }

  open(): Opened {
    replay(this.#db, this.#projection, this.#book, this.#sessions)
    const aliveMs = lastSignOfLifeMs(this.#db)
    leaveAll(this.#db, aliveMs)
    this.#tryFlush(() => {
      for (const deletion of this.#deletions.underWay()) this.#book.forget(deletion)
      this.#deletions.replayed(this.#committedSeq)
      this.#access.writeAnew()
    })
    this.#book.freshness = this.#freshness
    const devices = this.#db
      .prepare<[], { id: DeviceId; number: number; type: string | null }>('SELECT id, number, type FROM devices')
      .all()
    return {
      epochs: beginEpoch(this.#db, this.#committedSeq + 1),
      nextSeq: this.#committedSeq + 1,
      deviceIds: devices.map(({ id }) => id),
      deviceNumbers: Float64Array.from(devices, ({ number }) => number),
      deviceTypes: devices.map(({ type }) => type),
      children: readChildren(this.#db),
      retained: readRetained(this.#db),
      lastDevice: metaOf(this.#db, lastDeviceName),
      lastSession: metaOf(this.#db, lastSessionName),
      unrouted: unrouted(this.#db),
      aliveMs,
    }
  }

  commit(batch: SealedBatch): CommitResult {
    const cursor = new FrameCursor(Buffer.from(batch.buffer, 0, batch.length))
    const release = () => notify('recycle', batch.buffer, [batch.buffer])
    try {
      if (this.#failed !== undefined) throw this.#failed
      if (!this.#makeRoom()) return this.#answer({ is: 'full', kept: keptOf(cursor.bytes) }, release)
      const { refused, checked, refusedRecords } = this.#commits.store(batch, cursor)
      this.#twins.committed()
      this.#committedSeq = batch.lastSeq
      this.#figures[figure.telemetryRefused]! += refused.length
      this.#trimmer.grew(batch.length, batch.lastSeq)
      const { lastSeq, routedSeq } = batch
      this.#projection.add({ cursor: new FrameCursor(cursor.bytes), lastSeq, routedSeq, checked, replayed: false, release })
      this.#turnSoon()
      return { is: 'stored', refused: [...refused, ...refusedRecords] }
    } catch (error) {
      this.#twins.rolledBack()
      if (isFull(error)) return this.#answer({ is: 'full', kept: keptOf(cursor.bytes) }, release)
      const { message } = error as Error
      // Someone else held the database for longer than busy_timeout: nothing is broken.
      if (!isBusy(error)) this.#fail(error as Error)
      return this.#answer({ is: 'failed', detail: message, kept: keptOf(cursor.bytes) }, release)
    }
  }

  async settle(ids: readonly DeviceId[]): Promise<void> {
    await this.#projection.reach(this.#committedSeq)
    // With the disk full a read answers from what is in the tables.
    this.#tryFlush(() => this.#book.flushDevices(ids))
  }

  async settleAll(): Promise<boolean> {
    await this.#projection.reach(this.#committedSeq)
    // A slice at a time, and commits in between.
    for (const seq = this.#committedSeq; this.#book.hasUnflushed(seq); ) {
      if (!this.#tryFlush(() => this.#book.flushSlice())) return false
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    return true
  }

  async moved(numbers: Float64Array, metrics: readonly string[] | undefined): Promise<Moved> {
    await this.#projection.reach(this.#committedSeq)
    const wanted = metrics && new Set(metrics)
    const moved = new MovedWriter()
    for (const [at, number] of numbers.entries()) {
      if (at % devicesPerLook === devicesPerLook - 1) await new Promise<void>((resolve) => setImmediate(resolve))
      const device = this.#book.deviceAhead(number)
      if (device !== undefined) moved.add(number, device.id, device.latest(wanted))
    }
    return moved.moved()
  }

  status(): WriterStatus {
    return { journal: this.#trimmer.status(), projectedSeq: this.#book.gatheredSeq, lagBytes: this.#projection.lagBytes }
  }

  trim(): boolean {
    return this.#trimmer.isDue(Date.now()) && this.#tryFlush(() => this.#book.flushNothing()) && this.#trimmer.isDue(Date.now())
  }

  sealed(sealed: Sealed): void {
    const isLate = sealed.partitions.some(({ state }) => state === 'late')
    if (isLate)
      this.#synced(() => this.#records.sealed(sealed)) // after it they are added to what is on disk
    else this.#unsynced(() => this.#records.sealed(sealed))
  }

  rolled(rolled: Rolled): void {
    this.#synced(() => this.#records.rolled(rolled)) // after it the keeper forgets what it was about
  }

  mended(partition: PartitionRow): void {
    this.#unsynced(() => this.#records.mended(partition))
  }

  dropped(files: readonly string[]): void {
    this.#synced(() => this.#records.dropped(files)) // after it the files go
  }

  async describe(id: DeviceId, change: DeviceChange): Promise<boolean> {
    // What came before it has another type is in the tables, or a start after a crash would judge it by the new one.
    if (change.type !== undefined) await this.settle([id])
    return this.#asked(() => {
      if (!this.#makeRoom()) throw new Refusal('store-full')
      try {
        setSynchronous(this.#db, 'fsync') // someone has said it once and will not say it again
        const isOnRecord = describeDevice(this.#db, id, change)
        if (change.type !== undefined) this.#book.retype(id, change.type)
        return isOnRecord
      } finally {
        setSynchronous(this.#db, this.#durability)
      }
    })
  }

  changeTwin(change: DesiredChange): Twin {
    return this.#onTwins(() => this.#twins.change(change))
  }

  changeTwins(changes: readonly DesiredChange[]): DesiredOutcome[] {
    return this.#onTwins(() => changes.map((change) => this.#twins.changeOne(change)))
  }

  removeTwin(id: DeviceId, twin: string, ifVersion: number | undefined): boolean {
    return this.#onTwins(() => this.#twins.remove(id, twin, ifVersion))
  }

  /** In one transaction, on disk when it returns: someone has said it once and will not say it again. */
  #onTwins<Answer>(act: () => Answer): Answer {
    return this.#asked(() => {
      if (!this.#makeRoom()) throw new Refusal('store-full')
      const transaction = this.#db.transaction(() => {
        const answer = act()
        this.#twins.flush()
        return answer
      })
      try {
        const answer = this.#synced(transaction)
        this.#twins.committed()
        return answer
      } catch (error) {
        this.#twins.rolledBack()
        throw error
      }
    })
  }

  /** What changes who may come in is written into the reserve as well: with a full disk, too, someone can be locked out. */
  async writeAccess(writes: readonly AccessWrite[]): Promise<void> {
    const changes = writes.flatMap(({ changes }) => changes)
    const changesTypes = changes.some(({ kind }) => kind === typeKind)
    if (changesTypes) await this.settleAll() // as in `describe`
    this.#asked(() => {
      if (changes.length === 0 && !this.#makeRoom()) throw new Refusal('store-full')
      this.#access.write(writes)
      if (!changesTypes) return
      this.#schemas.changed(changes)
      this.#book.retypeAll()
    })
  }

  beginDeletion(id: DeviceId, lastSeq: number): Deletion | undefined {
    return this.#asked(() => {
      const deletion = this.#synced(() => this.#deletions.begin(id, lastSeq))
      if (deletion === undefined) return undefined
      this.#book.forget(deletion)
      this.#twins.forget(deletion.device)
      return deletion
    })
  }

  async endDeletion(device: number): Promise<void> {
    const deletion = this.#deletions.underWay().find((one) => one.device === device)
    if (deletion === undefined) return
    await this.#projection.reach(Math.min(deletion.lastSeq, this.#committedSeq))
    this.#book.forget(deletion)
    this.#asked(() => this.#synced(() => this.#deletions.end(deletion)))
  }

  deletions(): Deletion[] {
    return this.#deletions.underWay()
  }

  /** Of what was committed before the call. */
  async freshness(id: DeviceId): Promise<ReturnType<FreshnessBook['of']>> {
    await this.#projection.reach(this.#committedSeq)
    return this.#freshness.of(id)
  }

  stale(): DeviceId[] {
    return this.#freshness.stale()
  }

  watch(watch: Watch): void {
    this.#changes.watch(watch)
    this.#book.rewatch()
  }

  /** Not fsynced: a power cut that takes the newest one makes sessions away for some seconds more. */
  signOfLife(atMs: number): void {
    this.#tryFlush(() => setMeta(this.#db, 'alive_ms', atMs))
  }

  async close(): Promise<void> {
    if (this.#failed === undefined) {
      await this.#projection.reach(this.#committedSeq)
      setSynchronous(this.#db, this.#durability)
      this.#tryFlush(() => {
        this.#sessions.flushAll()
        this.#book.flushAll()
      })
    }
    clearImmediate(this.#turnPending)
    clearTimeout(this.#turnLater)
    this.#changes.stop()
    this.#freshness.stop()
    this.#db.close()
    this.#lock.close()
  }

  /** False when nothing can be stored now: the disk is nearly full, or the series are so far behind that they must come first and cannot. */
  #makeRoom(): boolean {
    while (this.#projection.lagBytes > limits.projectionLagBytes) {
      this.#projection.step(sliceMs)
      this.#flushIfDue()
      if (!this.#projection.ready && this.#projection.lagBytes > limits.projectionLagBytes) return false
    }
    const nowMs = performance.now()
    if (nowMs > this.#diskLookedAtMs + lookAtDiskEveryMs) {
      const { bavail, bsize } = statfsSync(this.#folder)
      this.#diskLow = bavail * bsize < limits.diskReserveBytes
      this.#diskLookedAtMs = nowMs
    }
    return !this.#diskLow
  }

  #turnSoon(): void {
    this.#turnPending ??= setImmediate(() => {
      this.#turnPending = undefined
      this.#turn()
    })
  }

  /** One slice of what is not urgent. Commits that arrived meanwhile are handled before the next. */
  #turn(): void {
    if (this.#failed !== undefined) return
    try {
      this.#projection.step(sliceMs)
      this.#changes.offer()
      this.#flushIfDue()
    } catch (error) {
      this.#fail(error as Error)
      return
    }
    if (this.#projection.ready || this.#flushDueInMs() === 0) {
      this.#turnSoon()
      return
    }
    clearTimeout(this.#turnLater)
    const dueInMs = this.#flushDueInMs()
    if (dueInMs !== undefined) this.#turnLater = setTimeout(() => this.#turn(), dueInMs)
  }

  #flushDueInMs(): number | undefined {
    const dueInMs = Math.min(this.#book.dueInMs ?? Number.POSITIVE_INFINITY, this.#sessions.dueInMs ?? Number.POSITIVE_INFINITY)
    return dueInMs === Number.POSITIVE_INFINITY ? undefined : Math.max(dueInMs, this.#diskFullUntilMs - performance.now(), 0)
  }

  #flushIfDue(): void {
    if (this.#flushDueInMs() !== 0) return
    this.#tryFlush(() => {
      if (this.#sessions.dueInMs === 0) this.#sessions.flushSlice()
      if (this.#book.dueInMs === 0) this.#book.flushSlice()
    })
  }

  /** A full disk keeps the points in memory, and they are tried again: false. The journal has them, so no fsync is spent on them. */
  #tryFlush(flush: () => void): boolean {
    try {
      this.#unsynced(flush)
      return true
    } catch (error) {
      if (!isFull(error) && !isBusy(error)) {
        this.#fail(error as Error) // whoever asked for it, a read or the close: nothing is stored on a disk that failed
        throw error
      }
      this.#diskFullUntilMs = performance.now() + retryFlushMs
      this.#projection.letGo()
      return false
    }
  }

  /** Somebody waits to hear what came of it. */
  #asked<Answer>(write: () => Answer): Answer {
    try {
      if (this.#failed !== undefined) throw this.#failed
      return write()
    } catch (error) {
      if (error instanceof Refusal) throw error
      if (isFull(error)) throw new Refusal('store-full')
      if (!isBusy(error)) this.#fail(error as Error)
      throw new Refusal('store-failed', { detail: (error as Error).message })
    }
  }

  #unsynced(write: () => void): void {
    if (this.#durability === 'fsync') setSynchronous(this.#db, 'batched')
    try {
      write()
    } finally {
      if (this.#durability === 'fsync') setSynchronous(this.#db, 'fsync')
    }
  }

  /** Whatever the durability: what comes next is on disk at once, and could not be told from the journal. */
  #synced<Answer>(write: () => Answer): Answer {
    setSynchronous(this.#db, 'fsync')
    try {
      return write()
    } finally {
      setSynchronous(this.#db, this.#durability)
    }
  }

  #answer(result: CommitResult, release: () => void): CommitResult {
    release()
    return result
  }

  #fail(error: Error): void {
    if (this.#failed !== undefined) return
    this.#failed = error
    this.#projection.letGo()
    notify('fatal', error)
  }
}

function isFull(error: unknown): boolean {
  return error instanceof SqliteError && error.code.startsWith('SQLITE_FULL')
}

function isBusy(error: unknown): boolean {
  return error instanceof SqliteError && error.code.startsWith('SQLITE_BUSY')
}

let writer: Writer | undefined

function opened(): Writer {
  if (writer === undefined) throw new Refusal('store-failed', { detail: 'it is not open' })
  return writer
}

serve({
  open(options) {
    writer = new Writer(options)
    return writer.open()
  },
  commit: (batch) => opened().commit(batch),
  settle: (ids) => opened().settle(ids),
  settleAll: () => opened().settleAll(),
  moved: (numbers, metrics) => opened().moved(numbers, metrics),
  status: () => opened().status(),
  trim: () => opened().trim(),
  sealed: (sealed) => opened().sealed(sealed),
  rolled: (rolled) => opened().rolled(rolled),
  mended: (partition) => opened().mended(partition),
  dropped: (files) => opened().dropped(files),
  describe: (id, change) => opened().describe(id, change),
  writeAccess: (writes) => opened().writeAccess(writes),
  changeTwin: (change) => opened().changeTwin(change),
  changeTwins: (changes) => opened().changeTwins(changes),
  removeTwin: (id, twin, ifVersion) => opened().removeTwin(id, twin, ifVersion),
  beginDeletion: (id, lastSeq) => opened().beginDeletion(id, lastSeq),
  deletions: () => opened().deletions(),
  endDeletion: (device) => opened().endDeletion(device),
  freshness: (id) => opened().freshness(id),
  stale: () => opened().stale(),
  watch: (watch) => opened().watch(watch),
  signOfLife: (atMs) => opened().signOfLife(atMs),
  close: () => opened().close(),
} satisfies WriterFunctions)
