// What has happened to devices: their own events, and what the hub has found of them. Newest first; how much is kept stands in limits.ts.
import type { DeviceId } from '../../devices/device.ts'
import type { Presence } from '../../devices/presence.ts'

/** `event`: in the words of the device. `presence`: it came or went. `freshness`: metrics of it fell silent, or speak again. */
export const eventKinds = ['event', 'presence', 'freshness'] as const

export type EventKind = (typeof eventKinds)[number]

export interface DeviceEvent {
  /** Its place: events go down in it. */
  readonly seq: number
  readonly device: DeviceId
  /** Unix ms */
  readonly at: number
  readonly kind: EventKind
  /** Of an event of the device, how it calls it; of a presence `online`, `away` or `offline`; else `stale` or `fresh`. */
  readonly name: string
  /** JSON text. */
  readonly body: string
}

export interface EventQuery {
  /** All of them when undefined. */
  readonly devices?: readonly DeviceId[] | undefined
  readonly kind?: EventKind | undefined
  readonly name?: string | undefined
  /** Unix ms, both included. */
  readonly from?: number | undefined
  readonly to?: number | undefined
  /** Older than the one at this place. */
  readonly before?: number | undefined
  readonly limit: number
}

export interface Events {
  /** Sees everything that was stored before the call. */
  list(query: EventQuery): Promise<readonly DeviceEvent[]>
}

/** Key of a record of a presence that is no change: nothing has happened, and the series has one point more. */
export const presenceGoesOn = 'goes-on'

/** How a device was connected when the store was opened. */
export interface StoredPresence {
  readonly id: DeviceId
  readonly presence: Presence
}
