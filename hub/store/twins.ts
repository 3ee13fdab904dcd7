// Twins: what a device reports of its state and what its state should be, with every version that there is room for.
//
// A device reports by messages, flagged `reported`: each is merged in the transaction of its batch. What is desired is changed by calls. Both
// come one after the other, so there is one order of versions; and whoever changes what is desired hears which one that made, or that it was not
// made. So it is a call, and no record.
import type { DeviceId } from '../../devices/device.ts'
import type { JsonObject } from '../../devices/merge-patch.ts'
import type { Part, StatePatch } from '../../devices/twin.ts'
import type { RefusalCode } from '../errors.ts'

/** Times are Unix ms. */
export interface TwinVersion {
  /** It grows by one with each change; 0 before the first. */
  readonly version: number
  readonly at: number
}

export interface TwinState extends TwinVersion {
  readonly desired: JsonObject
  readonly reported: JsonObject
  /** What of the desired state is missing in the reported one or differs from it. */
  readonly delta: JsonObject
}

export interface Twin extends TwinState {
  readonly twin: string
  /** When each leaf was last said, in its place. */
  readonly times: { readonly [part in Part]: JsonObject }
}

export interface TwinInList extends TwinVersion {
  readonly twin: string
  /** All that is desired is reported. */
  readonly isSettled: boolean
}

/** One version, and what it changed. */
export interface TwinStep extends TwinVersion {
  readonly part: Part
  /** Who changed it; null for the device. */
  readonly by: string | null
  /** The merge patch that led to it from the version before. */
  readonly patch: JsonObject
}

export interface TwinSteps {
  /** The newest first. */
  readonly versions: readonly TwinStep[]
  /** Older ones are there, too. */
  readonly hasMore: boolean
}

/** From one moment to another, as merge patches. */
export interface TwinDifference {
  readonly from: TwinVersion
  readonly to: TwinVersion
  readonly desired: JsonObject
  readonly reported: JsonObject
}

export interface DesiredChange {
  readonly device: DeviceId
  readonly twin: string
  readonly patch: StatePatch
  /** It must have this version. */
  readonly ifVersion: number | undefined
  /** Unix ms. */
  readonly at: number
  readonly by: string
}

/** What came of one of several changes. */
export type DesiredOutcome =
  | { readonly device: DeviceId; readonly version: number; readonly changed: boolean }
  | { readonly device: DeviceId; readonly refused: RefusalCode; readonly sentence: string }

/** What a batch, or a call, has done to a twin. */
export interface TwinChange extends TwinVersion {
  readonly device: DeviceId
  readonly twin: string
  /** The merge patch from before to now, as JSON; undefined when this part is as it was, null when it is longer than `limits.twinToldBytes`. */
  readonly desired: string | null | undefined
  readonly reported: string | null | undefined
  /** It was removed. */
  readonly isGone: boolean
}

/** What is desired of a twin, to be said to its device. */
export interface DesiredState {
  readonly device: DeviceId
  readonly twin: string
  /** `{"version":…,"state":{…},"delta":{…}}`, without a delta when all of it is reported. */
  readonly json: string
}

/** What is read is what was committed before the call. */
export interface Twins {
  /** Undefined when the device has none of this name. */
  read(device: DeviceId, twin: string): Promise<Twin | undefined>
  list(device: DeviceId): Promise<readonly TwinInList[]>
  /** As it was at this time; undefined when that is before all that is kept of it. */
  at(device: DeviceId, twin: string, ms: number): Promise<TwinState | undefined>
  /** Versions below `before`, at most `limit` of them. */
  versions(device: DeviceId, twin: string, before: number, limit: number): Promise<TwinSteps>
  /** Undefined when one of the two times is before all that is kept of it. */
  difference(device: DeviceId, twin: string, fromMs: number, toMs: number): Promise<TwinDifference | undefined>
  /** Of these twins, or of all those of a device where none is named, what was ever desired; at most `limits.twinsAtOnce` are asked for at a time. */
  desired(asked: readonly { readonly device: DeviceId; readonly twin: string | undefined }[]): Promise<readonly DesiredState[]>
  /**
   * Resolves with the twin when the change is on disk, whatever the durability. Errors: `device-unknown`, `twin-changed`, `twin-invalid`,
   * `store-full`, `store-failed`, and then nothing has happened.
   */
  change(change: DesiredChange): Promise<Twin>
  /** All in one transaction, at most `limits.twinsAtOnce`, each refused by itself. Errors: `store-full`, `store-failed`. */
  changeAll(changes: readonly DesiredChange[]): Promise<readonly DesiredOutcome[]>
  /** With its history. False when there is none. Errors: `twin-changed`, `store-full`, `store-failed`. */
  remove(device: DeviceId, twin: string, ifVersion: number | undefined): Promise<boolean>
  /** Each of those who listen is told of all that was changed, once it is on disk: a twin once, however often it was changed in one batch. */
  onChange(listener: (changes: readonly TwinChange[]) => void): void
}
