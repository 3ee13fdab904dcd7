// The store on SQLite: opens the file, starts the writer and the reader thread, and is the Store that the hub sees.
import type { Device, DeviceChange, DeviceId } from '../../../devices/device.ts'
import type { Child } from '../../../devices/gateway.ts'
import { expiryOf, type Message, type QoS } from '../../../devices/message.ts'
import type { Clock } from '../../clock.ts'
import { Refusal } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { type Retention, retention } from '../../retention.ts'
import { typeKind } from '../access.ts'
import type { CommandStore } from '../commands.ts'
import { Cursors } from '../cursors.ts'
import type { Events, StoredPresence } from '../events.ts'
import type { Freshness, FreshnessNews } from '../freshness.ts'
import type { StoreStatus } from '../status.ts'
import type {
  Changes,
  DevicePage,
  DeviceQuery,
  Durability,
  PastPage,
  PastQuery,
  Store,
  StoredDelivery,
  StoredSession,
  StoreFigures,
  Watch,
} from '../store.ts'
import type { TwinChange } from '../twins.ts'
import { SqliteAccess } from './access.ts'
import { figure, type SharedFigures, sharedFigures } from './figures.ts'
import { makePrivate } from './folders.ts'
import { SqliteJournal } from './journal.ts'
import type { KeeperFunctions } from './keeper/keeper.ts'
import type { QueryFunctions } from './query/query.ts'
import type { ReaderFunctions } from './reader.ts'
import { SqliteSessionLog } from './session-log.ts'
import { sessionsOf } from './session-rows.ts'
import { SqlProcess } from './sql/process.ts'
import { SqliteTelemetry } from './telemetry.ts'
import { startThread, type Thread } from './thread.ts'
import { type JournalBudget, wholeJournal } from './trimmer.ts'
import { SqliteTwins } from './twins.ts'
import { Upkeep } from './upkeep.ts'
import type { Opened, RetainedRow, WriterFunctions } from './writer-functions.ts'

/** How long the reader thread may go on at the close with what was asked of it before. */
const readerFarewellMs = 1000

/** How long the process for SQL stays when nobody asks; to start it takes some 0.2 s. */
const sqlIdleMs = 60_000

export interface SqliteOptions {
  /** Created when missing, for its owner only. */
  readonly folder: string
  readonly durability: Durability
  readonly clock: Clock
  /** All points for ever when undefined. */
  readonly keep?: Retention
  /** Of everything in the folder; as much as there is when undefined. */
  readonly diskBudgetBytes?: number | undefined
  readonly journal?: JournalBudget
}

const forEver = retention.read('raw forever')

/** Resolves when all that an earlier run committed is readable. Rejects with a sentence when the file is from newer code. */
export async function openSqliteStore(options: SqliteOptions): Promise<Store> {
  const { folder, durability, clock, keep = forEver, diskBudgetBytes: budgetBytes, journal: journalBudget = wholeJournal } = options
  makePrivate(folder)
  const hooks = new Hooks()
  const writer = startThread<WriterFunctions>(
    'writer',
    {
      recycle: (buffer: ArrayBuffer) => hooks.journal?.takeBack(buffer),
      changes(changes: Changes) {
        for (const listener of hooks.changes) listener(changes)
      },
      twins: (changes: readonly TwinChange[]) => hooks.twins(changes),
      freshness: (news: readonly FreshnessNews[]) => hooks.freshness(news),
      fatal: (error: Error) => hooks.end(error),
    },
    (error) => hooks.end(error),
  )
  const died = (error: Error) => hooks.end(error)
  const reader = startThread<ReaderFunctions>('reader', {}, died)
  const figures = sharedFigures()
  try {
    const found = await writer.call('open', [{ folder, durability, figures, journal: journalBudget }])
    await reader.call('open', [folder]) // after the writer, which makes the tables
    const { epochs, nextSeq } = found
    const { epoch } = epochs.at(-1)!
    const journal = new SqliteJournal({
      epoch,
      nextSeq,
      durability,
      clock,
      commit: (batch) => writer.call('commit', [batch], [batch.buffer]),
    })
    hooks.journal = journal
    const sessions = sessionsOf(await reader.call('sessions', []))
    const presences = await reader.call('presences', [])
    const access = new SqliteAccess(await reader.call('access', []), {
      write: async (writes) => {
        await writer.call('writeAccess', [writes])
        if (writes.some(({ changes }) => changes.some(({ kind }) => kind === typeKind))) await upkeep.typesChanged()
      },
      look: (query, before, wanted) => reader.call('audit', [query, before, wanted]),
    })
    const startKeeper = () => opened<KeeperFunctions>('keeper/keeper', [folder, { keep, budgetBytes }], died)
    const upkeep: Upkeep = new Upkeep(writer, startKeeper, (files) => telemetry.forget(files), died)
    const telemetry: SqliteTelemetry = new SqliteTelemetry(writer, async (flags) => {
      await upkeep.keeper()
      return opened<QueryFunctions>('query/query', [folder, flags], died)
    })
    const settle = async () => void (await writer.call('settleAll', []))
    const sql = new SqlProcess({ folder, clock, settle, queryMs: limits.queryMs, idleMs: sqlIdleMs })
    return new SqliteStore(durability, found, sessions, presences, journal, writer, reader, telemetry, upkeep, sql, access, figures, hooks)
  } catch (error) {
    await Promise.all([writer, reader].map((thread) => thread.stop()))
    throw error
  }
}

/** A thread that is open. One that cannot be started or opened is stopped, and nothing else has failed with it: the next try may do. */
async function opened<Served extends { open(...args: never[]): void; readonly [name: string]: (...args: never[]) => unknown }>(
  module: string,
  args: Parameters<Served['open']>,
  died: (error: Error) => void,
): Promise<Thread<Served>> {
  let isOpen = false
  const thread = startThread<Served>(module, {}, (error) => {
    if (isOpen) died(error)
  })
  try {
    await thread.call('open', args)
    isOpen = true
    return thread
  } catch (error) {
    await thread.stop()
    throw error
  }
}

/** What the threads call before and after there is a store to hear it. */
class Hooks {
  journal: SqliteJournal | undefined
  readonly changes: ((changes: Changes) => void)[] = []
  twins: (changes: readonly TwinChange[]) => void = () => {}
  freshness: (news: readonly FreshnessNews[]) => void = () => {}
  #fatal: ((error: Error) => void) | undefined
  #ended: Error | undefined

  onFatal(listener: (error: Error) => void): void {
    this.#fatal = listener
    if (this.#ended !== undefined) listener(this.#ended)
  }

  end(error: Error): void {
    if (this.#ended !== undefined) return
    this.#ended = error
    this.journal?.end(new Refusal('store-failed', { detail: error.message }))
    this.#fatal?.(error)
  }
}

class SqliteStore implements Store {
  readonly journal: SqliteJournal
  readonly durability: Durability
  readonly devicesAtStart: ReadonlyMap<DeviceId, number>
  readonly typesAtStart: ReadonlyMap<DeviceId, string>
  readonly childrenAtStart: readonly Child[]
  readonly lastDeviceAtStart: number
  readonly retainedAtStart: readonly Message[]
  readonly cursors: Cursors
  readonly telemetry: SqliteTelemetry
  readonly sessionLog: SqliteSessionLog
  readonly sessionsAtStart: Iterable<StoredSession>
  readonly lastSessionAtStart: number
  readonly unroutedAtStart: readonly Message[]
  readonly presencesAtStart: readonly StoredPresence[]
  readonly aliveAtStartMs: number
  readonly events: Events
  readonly freshness: Freshness
  readonly #lastPlaceAtStart: number
  readonly #writer: Thread<WriterFunctions>
  readonly #reader: Thread<ReaderFunctions>
  readonly #upkeep: Upkeep
  readonly sql: SqlProcess
  readonly access: SqliteAccess
  readonly twins: SqliteTwins
  readonly commands: CommandStore
  readonly #watched = new Map<string, Watch>()
  readonly #figures: SharedFigures
  readonly #hooks: Hooks

  constructor(
    durability: Durability,
    { epochs, deviceIds, deviceNumbers, deviceTypes, children, lastDevice, retained, lastSession, unrouted, nextSeq, aliveMs }: Opened,
    sessions: Iterable<StoredSession>,
    presences: readonly StoredPresence[],
    journal: SqliteJournal,
    writer: Thread<WriterFunctions>,
    reader: Thread<ReaderFunctions>,
    telemetry: SqliteTelemetry,
    upkeep: Upkeep,
    sql: SqlProcess,
    access: SqliteAccess,
    figures: SharedFigures,
    hooks: Hooks,
  ) {
    this.durability = durability
    this.journal = journal
    this.devicesAtStart = new Map(deviceIds.map((id, at) => [id, deviceNumbers[at]!]))
    this.typesAtStart = typesOf(deviceIds, deviceTypes)
    this.childrenAtStart = children
    this.lastDeviceAtStart = Math.max(
      lastDevice,
      deviceNumbers.reduce((most, number) => Math.max(most, number), 0),
    )
    this.retainedAtStart = retained.map(retainedMessage)
    this.cursors = new Cursors(epochs)
    this.sessionLog = new SqliteSessionLog(journal)
    this.sessionsAtStart = sessions
    this.lastSessionAtStart = lastSession
    this.unroutedAtStart = unrouted
    this.presencesAtStart = presences
    this.aliveAtStartMs = aliveMs
    this.freshness = {
      of: (id) => writer.call('freshness', [id]),
      stale: () => writer.call('stale', []),
      onNews: (listener) => {
        hooks.freshness = listener
      },
    }
    this.events = { list: (query) => reader.call('events', [query]) }
    this.#lastPlaceAtStart = nextSeq - 1
    this.#writer = writer
    this.#reader = reader
    this.telemetry = telemetry
    this.#upkeep = upkeep
    this.sql = sql
    this.access = access
    this.twins = new SqliteTwins(writer, reader)
    hooks.twins = (changes) => this.twins.tell(changes)
    this.commands = commandsBy(reader)
    this.#figures = figures
    this.#hooks = hooks
  }

  async devices(query: DeviceQuery): Promise<DevicePage> {
    // Devices are in their table with the commit that brought them; only the newest values of this page have to be written first.
    const { ids, total } = await this.#reader.call('page', [query])
    await this.#writer.call('settle', [ids])
    return { devices: await this.#reader.call('devices', [ids, query.withMetadata === true]), total }
  }

  async device(id: DeviceId): Promise<Device | undefined> {
    await this.#writer.call('settle', [[id]])
    return (await this.#reader.call('devices', [[id], true]))[0]
  }

  async describe(id: DeviceId, change: DeviceChange): Promise<Device | undefined> {
    const isOnRecord = await this.#writer.call('describe', [id, change])
    return isOnRecord ? this.device(id) : undefined
  }

  async deleteDevice(id: DeviceId): Promise<boolean> {
    const deletion = await this.#writer.call('beginDeletion', [id, this.journal.newestSeq])
    if (deletion === undefined) return false
    // What was on its way reaches the disk, or fails, and is passed over.
    await new Promise<void>((resolve) => this.journal.after({ stored: () => resolve(), failed: () => resolve() }, 0))
    // It is gone already. Files that cannot be written now, because a backup reads them or the disk is full, are tried again each second.
    await this.#upkeep.finishDeletion(deletion).catch(() => {})
    return true
  }

  async status({ seal }: { readonly seal: boolean }): Promise<StoreStatus> {
    if (seal) await this.#upkeep.sealAll()
    const [ofKeeper, ofWriter] = await Promise.all([this.#upkeep.status(), this.#writer.call('status', [])])
    const { journal, projectedSeq, lagBytes } = ofWriter
    const lagMessages = Math.max(this.journal.storedSeq - projectedSeq, 0)
    return { ...ofKeeper, journal, projection: { lagMessages, lagBytes }, problem: this.#upkeep.problem ?? null }
  }

  owed(session: number): Promise<readonly StoredDelivery[]> {
    return this.#reader.call('owed', [session, this.#lastPlaceAtStart])
  }

  past(query: PastQuery): Promise<PastPage> {
    return this.#reader.call('past', [query])
  }

  async seqOfLast(filters: readonly string[], count: number): Promise<number> {
    let missing = count
    let seq = this.journal.storedSeq
    while (missing > 0) {
      const { found, afterSeq, isWhole } = await this.#reader.call('last', [filters, missing, seq])
      missing -= found
      seq = afterSeq
      if (isWhole) break
    }
    return seq
  }

  seqAt(ms: number): Promise<number> {
    return this.#reader.call('seqAt', [ms])
  }

  signOfLife(atMs: number): void {
    this.#writer.call('signOfLife', [atMs]).catch(() => {})
  }

  watch(watch: Watch, asker: 'live' | 'commands' = 'live'): void {
    this.#watched.set(asker, watch)
    // A thread that is gone has told its end to onFatal already.
    this.#writer.call('watch', [unionOf([...this.#watched.values()])]).catch(() => {})
  }

  onChanges(listener: (changes: Changes) => void): void {
    this.#hooks.changes.push(listener)
  }

  onFatal(listener: (error: Error) => void): void {
    this.#hooks.onFatal(listener)
  }

  figures(): StoreFigures {
    const { commits, commitFailures, messages, bytes, lastCommitMs, backlogBytes } = this.journal
    return {
      commits,
      commitFailures,
      messages,
      bytes,
      lastCommitMs,
      backlogBytes,
      points: this.#figures[figure.points]!,
      telemetryRefused: this.#figures[figure.telemetryRefused]!,
      damagedFrames: this.#figures[figure.damagedFrames]!,
      projectedSeq: this.#figures[figure.projectedSeq]!,
    }
  }

  async close(): Promise<void> {
    await this.journal.close()
    await this.access.close()
    await this.sql.close()
    await this.#upkeep.close()
    await this.telemetry.close()
    // The reader first: the last connection to close empties the write-ahead log into the file.
    const readerClosed = this.#reader.call('close', []).catch(() => {})
    // What is still asked of it nobody waits for: thousands of clients may have wanted to read up. It is cut off, which closes its file, too.
    await Promise.race([readerClosed, new Promise((resolve) => setTimeout(resolve, readerFarewellMs).unref())])
    await this.#reader.stop()
    await this.#writer.call('close', []).catch(() => {})
    await this.#writer.stop()
  }
}

function commandsBy(reader: Thread<ReaderFunctions>): CommandStore {
  return {
    open: (afterNumber) => reader.call('openCommands', [afterNumber]),
    newest: () => reader.call('newestCommand', []),
    find: (number) => reader.call('command', [number]),
    page: (query) => reader.call('commands', [query]),
    counts: (sinceMs) => reader.call('commandCounts', [sinceMs]),
    bulk: (number) => reader.call('bulk', [number]),
    bulks: () => reader.call('bulks', []),
  }
}

function unionOf(watched: readonly Watch[]): Watch {
  const devices: DeviceId[] = []
  for (const watch of watched) {
    if ('all' in watch) return watch
    devices.push(...watch.devices)
  }
  return { devices }
}

/** Devices that are alike share the word. */
function typesOf(ids: readonly DeviceId[], types: readonly (string | null)[]): Map<DeviceId, string> {
  const words = new Map<string, string>()
  const found = new Map<DeviceId, string>()
  for (const [at, type] of types.entries()) {
    if (type === null) continue
    if (!words.has(type)) words.set(type, type)
    found.set(ids[at]!, words.get(type)!)
  }
  return found
}

export function retainedMessage({ topic, seq, atMs, qos, properties, payload }: RetainedRow): Message {
  return {
    seq,
    topic,
    payload,
    qos: qos as QoS,
    retain: true,
    properties: properties ?? undefined,
    atMs,
    expiresAtMs: expiryOf(properties ?? undefined, atMs),
    from: undefined,
  }
}
