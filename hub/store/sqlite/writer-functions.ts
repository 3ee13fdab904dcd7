// What the writer thread does for the loop, and what it finds when it opens the database.
import type { DeviceChange, DeviceId } from '../../../devices/device.ts'
import type { Child } from '../../../devices/gateway.ts'
import type { Message } from '../../../devices/message.ts'
import type { Epoch } from '../cursors.ts'
import type { StoreStatus } from '../status.ts'
import type { Durability, Watch } from '../store.ts'
import type { DesiredChange, DesiredOutcome, Twin } from '../twins.ts'
import type { AccessWrite } from './access-rows.ts'
import type { PartitionRow } from './catalogue.ts'
import type { Deletion } from './deletions.ts'
import type { SharedFigures } from './figures.ts'
import type { FreshnessBook } from './freshness-book.ts'
import type { CommitResult, SealedBatch } from './journal.ts'
import type { Rolled } from './keeper/roller.ts'
import type { Sealed } from './keeper/sealer.ts'
import type { Moved } from './query/latest.ts'
import type { JournalBudget } from './trimmer.ts'

export interface OpenOptions {
  readonly folder: string
  readonly durability: Durability
  readonly figures: SharedFigures
  readonly journal: JournalBudget
}

export interface WriterStatus {
  readonly journal: StoreStatus['journal']
  readonly projectedSeq: number
  readonly lagBytes: number
}

export interface Opened {
  /** All that are remembered; the newest is this run. */
  readonly epochs: readonly Epoch[]
  readonly nextSeq: number
  readonly deviceIds: readonly DeviceId[]
  readonly deviceNumbers: Float64Array
  readonly deviceTypes: readonly (string | null)[]
  readonly children: readonly Child[]
  readonly retained: readonly RetainedRow[]
  readonly lastDevice: number
  readonly lastSession: number
  readonly unrouted: readonly Message[]
  /** The last sign of life of the run before, Unix ms; 0 for none. */
  readonly aliveMs: number
}

export interface RetainedRow {
  readonly topic: string
  readonly seq: number
  readonly atMs: number
  readonly qos: number
  readonly properties: Uint8Array | null
  readonly payload: Uint8Array
}

export interface WriterFunctions {
  readonly [name: string]: (...args: never[]) => unknown
  open(options: OpenOptions): Opened
  commit(batch: SealedBatch): CommitResult
  /** Everything committed before the call is in the tables for these devices, if the disk takes it. */
  settle(ids: readonly DeviceId[]): Promise<void>
  /** … for all devices; false when the disk does not take it. */
  settleAll(): Promise<boolean>
  /** The newest values of those devices that are ahead of the tables. */
  moved(numbers: Float64Array, metrics: readonly string[] | undefined): Promise<Moved>
  status(): WriterStatus
  /** Brings the journal a step nearer to its budget; false when nothing is left to do, or nothing can be done now. */
  trim(): boolean
  sealed(sealed: Sealed): void
  rolled(rolled: Rolled): void
  mended(partition: PartitionRow): void
  /** These partitions are let go of: on disk when it returns, so that their files may be removed. */
  dropped(files: readonly string[]): void
  /** False when there is no such device. */
  describe(id: DeviceId, change: DeviceChange): Promise<boolean>
  /** In one transaction. */
  writeAccess(writes: readonly AccessWrite[]): Promise<void>
  /** The twin as it is then; each with its own outcome; false when there is none. */
  changeTwin(change: DesiredChange): Twin
  changeTwins(changes: readonly DesiredChange[]): DesiredOutcome[]
  removeTwin(id: DeviceId, twin: string, ifVersion: number | undefined): boolean
  /** The device is gone when it returns; its chunks are not yet. Undefined when there is none. */
  beginDeletion(id: DeviceId, lastSeq: number): Deletion | undefined
  deletions(): Deletion[]
  /** Its chunks are gone. */
  endDeletion(device: number): Promise<void>
  freshness(id: DeviceId): Promise<ReturnType<FreshnessBook['of']>>
  stale(): DeviceId[]
  watch(watch: Watch): void
  signOfLife(atMs: number): void
  close(): Promise<void>
}
