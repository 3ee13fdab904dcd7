// What the hub asks of any database, in domain words. SQLite answers it in `sqlite/`; another database passes the same contract tests.
import type { Device, DeviceChange, DeviceId, MetricValue } from '../../devices/device.ts'
import type { DeviceCondition } from '../../devices/device-group.ts'
import type { Child } from '../../devices/gateway.ts'
import type { Message, QoS } from '../../devices/message.ts'
import type { Will } from '../../devices/will.ts'
import type { Refusal } from '../errors.ts'
import type { AccessStore } from './access.ts'
import type { CommandStore } from './commands.ts'
import type { Cursors } from './cursors.ts'
import type { Events, StoredPresence } from './events.ts'
import type { Freshness } from './freshness.ts'
import type { Sql } from './sql.ts'
import type { StoreStatus } from './status.ts'
import type { Tag, Telemetry } from './telemetry.ts'
import type { Twins } from './twins.ts'

export type Durability = 'fsync' | 'batched' | 'memory'

/** Someone who waits for the commit. One object may wait many times, told apart by its token, so that waiting costs no allocation. */
export interface Waiter {
  /** Everything appended before this wait began is on disk. `seq` is the newest sequence number appended by then. */
  stored(token: number, seq: number): void
  /** It is not, and will not be. */
  failed(token: number, why: Refusal): void
}

/** Bits of a journal frame's flags byte. The two lowest are the QoS. */
export const frameFlags = {
  qos: 0b0000_0011,
  retain: 0b0000_0100,
  /** The writer reads telemetry and reported state before the commit and refuses what it cannot read (`failed` with `telemetry-invalid`, `twin-invalid`). */
  checked: 0b0000_1000,
  /** The payload is telemetry of the frame's device. */
  telemetry: 0b0001_0000,
  /** The payload is a merge patch of what its device reports of its state. */
  reported: 0b0010_0000,
  /** The payload says what has happened to its device. */
  event: 0b0100_0000,
} as const

/** What a record is of; each has a module of the store that reads and writes its rows. */
export const recordKinds = {
  event: 1,
  presence: 2,
  command: 4,
  /** Of a new device: the key is its gateway. */
  child: 5,
} as const

/**
 * Gathers messages into batches: one row, one commit, one fsync each. The next batch closes when the previous commit returns, so its size
 * adapts to the disk. Appending copies the bytes; the caller may reuse its buffers at once.
 */
export interface Journal {
  /** The run that gives numbers now; it grows by one with each start. */
  readonly epoch: number
  /** The newest number given, to whatever it was. */
  readonly newestSeq: number
  /** The newest number of a message. */
  readonly newestMessageSeq: number
  /** The newest number that is on disk. */
  readonly storedSeq: number
  /**
   * Frames one message into the open batch and returns its sequence number. `topic` and `properties` are encoded bytes; `device` is the
   * number of the device it belongs to, 0 for none; `flags` are `frameFlags`. The payload is `bytes` from `start` to `end`: positions
   * instead of a view, because making the view would cost more than framing.
   */
  append(
    topic: Uint8Array,
    device: number,
    flags: number,
    properties: Uint8Array | undefined,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): number
  /**
   * Puts a new device on record under a number the caller chose; goes into the same batch as what is appended next. When that batch fails
   * for want of space the record goes into the next one: a number, once given, stays.
   */
  appendDevice(id: DeviceId, device: number): number
  /**
   * Tells of a row that changes with the messages of this turn: it joins the batch of what was appended last, whatever its size, and its rows
   * are changed in the transaction of that batch. `kind` is one of `recordKinds`, `device` a number or 0; `key` and `body` are between those
   * who tell and the module of the store. Of a batch that fails it goes into the next when `stays`; else it is lost as messages are. Returns its
   * place. One that nobody waits for may lie for a moment until a batch takes it along.
   */
  appendRecord(kind: number, device: number, key: string, body: string, stays: boolean): number
  /**
   * Tells `waiter` when all that was appended so far is committed: at once, when it is already. Waiters are told in the order they came.
   * With `checkedSeq`, the number of a `checked` frame, the waiter is told `failed` when what that frame says was refused.
   */
  after(waiter: Waiter, token: number, checkedSeq?: number): void
  /** True while more waits for the disk than `limits.backlogBytes`: stop reading from publishers. */
  readonly full: boolean
  /** Calls back once, as soon as `full` is false again. */
  whenRoom(resume: () => void): void
  /**
   * Asked when a batch closes: the sequence number of the oldest message that was appended and not yet handed to those it is owed to;
   * Infinity for none. One that is being handed on right now counts. After a crash the messages from there on are handed on again (`Store.unroutedAtStart`). One asker.
   */
  routedBy(oldestUnrouted: () => number): void
}

export interface StoredSubscription {
  /** With `$share/{ShareName}/` in front, where it is shared. */
  readonly filter: string
  readonly qos: QoS
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  readonly identifier: number | undefined
}

/** A message that a session is owed at QoS 1 or 2. */
export interface Owed {
  readonly message: Message
  readonly qos: QoS
  readonly retain: boolean
  readonly identifiers: readonly number[] | undefined
  /** The filter of the shared group it came by. */
  readonly shareFilter: string | undefined
}

/**
 * What happens to sessions that must outlive the process. Each fact joins the journal's open batch, behind all that was appended before;
 * `Journal.after` tells when it is on disk. Facts nobody waits for may lie for a moment until a batch takes them along. When a batch fails
 * its facts go into the next one: what was told stays told, in its order.
 *
 * `session` is a number that the caller chose, above all numbers it was ever told.
 */
export interface SessionLog {
  /** A connection has it: a new session, or one that was resumed. Will and owner replace those before. */
  opened(session: number, clientId: string, expirySeconds: number, will: Will | undefined, owner: string): void
  /** It is away from now on; `keepsWill` while its will is still to be published. */
  left(session: number, expirySeconds: number, keepsWill: boolean): void
  /** Goes into the batch of the message that was appended last, which is the will. */
  willSent(session: number): void
  ended(session: number): void
  /** Replaces a subscription with the same filter. */
  subscribed(session: number, subscription: StoredSubscription): void
  unsubscribed(session: number, filter: string): void
  /**
   * `packetId` is 0 as long as it is not sent. `isBeingRouted`: the journal asked for it with `routedBy` and has not been told otherwise, so
   * that the number of the message is enough. Returns the place of the delivery, by which the other facts name it.
   */
  owed(session: number, owed: Owed, packetId: number, isBeingRouted: boolean): number
  sent(session: number, place: number, packetId: number): void
  /** QoS 2: PUBREC came, so that from now on PUBREL is owed. */
  released(session: number, place: number): void
  /** Acknowledged, expired, or larger than the client takes. */
  finished(session: number, place: number): void
  /** It goes by cursor: what it is owed is the journal behind `seq`, as far as its subscriptions match. */
  followed(session: number, seq: number): void
  /** A PUBLISH at QoS 2 was taken under this identifier. Goes into the batch of the message that was appended last, and fails with it. */
  received(session: number, packetId: number): void
  /** Its PUBREL came: the identifier is free. */
  forgotten(session: number, packetId: number): void
}

/** A session as it was when the hub ended. */
export interface StoredSession {
  readonly number: number
  readonly clientId: string
  /** Whom it belongs to; empty for that of an anonymous client. */
  readonly owner: string
  readonly expirySeconds: number
  /** Since when it is away, Unix ms; of one that was connected when the hub died, the last sign of life of the hub. */
  readonly awayMs: number
  readonly will: Will | undefined
  readonly subscriptions: readonly StoredSubscription[]
  /** See `SessionLog.followed`; undefined for a session that is owed each message by itself. */
  readonly followedSeq: number | undefined
  /** What `Store.owed` will bring, and the bytes of it. */
  readonly owedCount: number
  readonly owedBytes: number
  /** Some of it came by a shared group. */
  readonly owedByGroups: boolean
  /** Packet identifiers of PUBLISHes at QoS 2 that were taken and not yet released. */
  readonly receivedQoS2: readonly number[]
}

/** One delivery as it was when the hub ended. */
export interface StoredDelivery extends Owed {
  readonly place: number
  /** 0 when it was never sent. */
  readonly packetId: number
  readonly released: boolean
}

export interface PastQuery {
  /** At least one, without share names. */
  readonly filters: readonly string[]
  /** Messages behind this number … */
  readonly afterSeq: number
  /** … up to this one. */
  readonly toSeq: number
}

/** One look into the journal. */
export interface PastPage {
  /** What matches, in order. */
  readonly messages: readonly Message[]
  /** Looked at so far; the next look goes on behind it. */
  readonly toSeq: number
  /** The journal begins behind this number: what was stored before is gone from it. */
  readonly trimmedSeq: number
}

export interface DeviceQuery {
  /** Ids after this one, in ascending order. */
  readonly after?: DeviceId
  /** Devices whose id or name contains this text, case ignored. */
  readonly search?: string
  readonly type?: string
  /** Devices that have all of these. */
  readonly tags?: readonly Tag[]
  readonly gateway?: DeviceId
  /** … and meet all of these. */
  readonly where?: readonly DeviceCondition[]
  /** Of these alone. */
  readonly among?: readonly DeviceId[] | undefined
  readonly limit: number
  /** Their metadata as well. */
  readonly withMetadata?: boolean
}

export interface DevicePage {
  readonly devices: readonly Device[]
  /** All devices that match, on any page. */
  readonly total: number
}

/** Newest values since the last call, in columns of equal length: what moved, never every point. */
export interface Changes {
  readonly devices: readonly DeviceId[]
  readonly metrics: readonly string[]
  /** Unix ms. */
  readonly times: readonly number[]
  readonly values: readonly MetricValue[]
  /** Sequence numbers of the messages that brought them. */
  readonly seqs: readonly number[]
}

/** Which devices `onChanges` speaks of. */
export type Watch = { readonly all: true } | { readonly devices: readonly DeviceId[] }

/** Counters since the start, and where things stand. Plain numbers, read at any time. */
export interface StoreFigures {
  readonly commits: number
  readonly commitFailures: number
  readonly messages: number
  readonly bytes: number
  /** Of the newest commit, as seen from the loop: from closing the batch to its return. */
  readonly lastCommitMs: number
  readonly backlogBytes: number
  readonly points: number
  readonly telemetryRefused: number
  /** Frames of the journal that were not what was written when they were read back after a crash; anything but 0 is alarming. */
  readonly damagedFrames: number
  /** Newest sequence number whose points are in the series; behind `journal` while the projection catches up. */
  readonly projectedSeq: number
}

export interface Store {
  readonly journal: Journal
  readonly durability: Durability
  /** Ids and numbers of all devices on record when the store was opened. */
  readonly devicesAtStart: ReadonlyMap<DeviceId, number>
  /** The types of those that have one. */
  readonly typesAtStart: ReadonlyMap<DeviceId, string>
  /** Those that have a gateway. */
  readonly childrenAtStart: readonly Child[]
  /** The largest number that any device had by then, be it deleted; 0 for none. */
  readonly lastDeviceAtStart: number
  /** The retained messages on record when the store was opened. */
  readonly retainedAtStart: readonly Message[]
  /** How devices were connected when an earlier run ended; those that were offline are left out. */
  readonly presencesAtStart: readonly StoredPresence[]
  /** The last sign of life of an earlier run, Unix ms; 0 for none. */
  readonly aliveAtStartMs: number
  readonly cursors: Cursors
  readonly sessionLog: SessionLog
  /** The sessions on record when the store was opened, in the order of their numbers; read once. */
  readonly sessionsAtStart: Iterable<StoredSession>
  /** The largest number that any session had by then; 0 for none. */
  readonly lastSessionAtStart: number
  /** Messages at QoS 1 and 2 that were stored, and of which nobody can say whether those who are owed them were told; in their order. */
  readonly unroutedAtStart: readonly Message[]
  /** What a session was owed when the store was opened, in the order of places. Read once, when the session is first needed again. */
  owed(session: number): Promise<readonly StoredDelivery[]>
  /** Messages that the journal still has. Sees everything that was stored before the call; bounded by `limits.historyPage…`, hence pages. */
  past(query: PastQuery): Promise<PastPage>
  /** The number behind which the newest `count` messages lie that match; the journal's beginning where there are fewer. */
  seqOfLast(filters: readonly string[], count: number): Promise<number>
  /** The number behind which lies what was stored from this time on, Unix ms. */
  seqAt(ms: number): Promise<number>
  /** The hub lives: should it die, its connected sessions are away from about here. */
  signOfLife(atMs: number): void
  /** Devices in ascending order of id. Sees everything that was stored before the call. */
  devices(query: DeviceQuery): Promise<DevicePage>
  /** With its metadata. */
  device(id: DeviceId): Promise<Device | undefined>
  readonly telemetry: Telemetry
  readonly sql: Sql
  readonly access: AccessStore
  readonly twins: Twins
  readonly events: Events
  readonly freshness: Freshness
  readonly commands: CommandStore
  /** With `seal`, chunks are made of all points that were stored before the call, first. */
  status(options: { readonly seal: boolean }): Promise<StoreStatus>
  /**
   * Resolves with the device when the change is on disk, whatever the durability; undefined when it is not on record. Errors:
   * `Refusal('device-invalid')` when it would have more tags than `limits.tagsPerDevice` or more metadata than `limits.metadataBytes`,
   * `gateway-invalid` when it cannot have this gateway,
   * `store-full`, `store-failed`.
   */
  describe(id: DeviceId, change: DeviceChange): Promise<Device | undefined>
  /**
   * Deletes a device whose record is on disk: its record, points, rollups and the retained messages below `devices/{id}/`; false when there is
   * none. From this call on its number means nobody: what was appended under it is passed over. A device of the same id that is appended
   * after the call, under another number, is a new one. Resolves when nothing is left but its messages in the journal, which age out there, or
   * when its files cannot be written now: that is tried again, and goes on after a crash. Errors: `store-full`, `store-failed`, and then
   * nothing has happened.
   */
  deleteDevice(id: DeviceId): Promise<boolean>
  /** Chooses what this asker wants to hear of from now on; an empty list for nothing. All listeners are told what any asker wants. */
  watch(watch: Watch, asker?: 'live' | 'commands'): void
  /** Called at most every 50 ms, at once when nothing moved for that long. */
  onChanges(listener: (changes: Changes) => void): void
  /** The disk failed in a way that no retry heals (an I/O error): the process should end and recover from the log. One listener. */
  onFatal(listener: (error: Error) => void): void
  figures(): StoreFigures
  /** Commits what is open, projects what is committed, closes the files. */
  close(): Promise<void>
}
