// What waits for a handler, device by device: one at a time of each, so that a slow handler holds up its own device and never another.
import type { DeviceId } from '../../devices/device.ts'
import { limits } from '../limits.ts'
import { Slices } from '../slices.ts'

interface Waiting<T> {
  readonly item: T
  readonly bytes: number
  readonly topic: string
}

interface Lane<T> {
  readonly device: DeviceId
  readonly waiting: Waiting<T>[]
  bytes: number
  /** It is under way, or stands in the line for that. */
  isBusy: boolean
}

/** Shared by all that wait for anything. */
export interface WaitingBytes {
  bytes: number
}

export class Lanes<T> {
  readonly #work: (item: T) => Promise<unknown>
  readonly #onDropped: (item: T) => void
  readonly #all: WaitingBytes
  readonly #lanes = new Map<DeviceId, Lane<T>>()
  /** A whole fleet may have spoken in one turn. */
  readonly #line = new Slices<Lane<T>>((lane) => this.#begin(lane))

  /** `work` never rejects. */
  constructor(all: WaitingBytes, work: (item: T) => Promise<unknown>, onDropped: (item: T) => void) {
    this.#all = all
    this.#work = work
    this.#onDropped = onDropped
  }

  /** Of this device, beside what is under way. */
  waiting(device: DeviceId): number {
    return this.#lanes.get(device)?.waiting.length ?? 0
  }

  /** Where there is no room the oldest gives way, of the same topic if there is one: the newest says how it stands. */
  push(device: DeviceId, item: T, topic: string, bytes: number): void {
    const lane = this.#lanes.get(device) ?? { device, waiting: [], bytes: 0, isBusy: false }
    while (!this.#fits(lane, bytes)) {
      const same = lane.waiting.findIndex((one) => one.topic === topic)
      const oldest = this.#take(lane, Math.max(0, same))
      this.#onDropped(oldest ?? item)
      if (oldest === undefined) return // the others have taken all the room
    }
    this.#lanes.set(device, lane)
    lane.waiting.push({ item, bytes, topic })
    lane.bytes += bytes
    this.#all.bytes += bytes
    if (!lane.isBusy) this.#lineUp(lane)
  }

  /** What waits is let go of; what is under way goes on. */
  clear(): void {
    this.#line.clear()
    for (const lane of this.#lanes.values()) while (lane.waiting.length > 0) this.#take(lane, 0)
    this.#lanes.clear()
  }

  #fits({ waiting, bytes }: Lane<T>, more: number): boolean {
    return (
      waiting.length < limits.hookWaiting && bytes + more <= limits.hookWaitingBytes && this.#all.bytes + more <= limits.hookWaitingBytesAll
    )
  }

  #take(lane: Lane<T>, place: number): T | undefined {
    const [taken] = lane.waiting.splice(place, 1)
    lane.bytes -= taken?.bytes ?? 0
    this.#all.bytes -= taken?.bytes ?? 0
    return taken?.item
  }

  #lineUp(lane: Lane<T>): void {
    lane.isBusy = true
    this.#line.push(lane)
  }

  #begin(lane: Lane<T>): void {
    const item = this.#take(lane, 0)
    if (item === undefined) return
    void this.#work(item).then(() => {
      lane.isBusy = false
      if (this.#lanes.get(lane.device) !== lane) return
      if (lane.waiting.length > 0) this.#lineUp(lane)
      else this.#lanes.delete(lane.device)
    })
  }
}
