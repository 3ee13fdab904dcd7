// Which devices are on record. A device appears with its first message: its record goes into the same commit as that message.
import type { Device, DeviceId } from '../../devices/device.ts'
import type { Permissions } from '../../devices/permissions.ts'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { type Journal, recordKinds, type Waiter } from '../store/store.ts'
import { Gateways } from './gateways.ts'

export interface DeviceWatcher {
  onDeviceCreated(id: DeviceId, atMs: number): void
  /** It is off the record, and its next message makes a new one. */
  onDeviceRemoved(id: DeviceId): void
}

export class Devices implements Waiter {
  readonly gateways: Gateways
  readonly #numbers: Map<DeviceId, number>
  /** Of those that have one. */
  readonly #types: Map<DeviceId, string>
  readonly #journal: Journal
  readonly #clock: Clock
  readonly #watcher: DeviceWatcher
  /** New devices whose commit is on its way, by number: the token of their wait. */
  readonly #unconfirmed = new Map<number, DeviceId>()
  #newest: number
  #minute = 0
  #createdThisMinute = 0

  /** `lastNumber`: the largest that was ever given. A number is given once, also when its device is gone. */
  constructor(
    onRecord: ReadonlyMap<DeviceId, number>,
    journal: Journal,
    clock: Clock,
    watcher: DeviceWatcher,
    lastNumber = 0,
    types: ReadonlyMap<DeviceId, string> = new Map(),
    gateways = new Gateways(),
  ) {
    this.#numbers = new Map(onRecord)
    this.#types = new Map(types)
    this.gateways = gateways
    this.#newest = [...onRecord.values()].reduce((most, number) => Math.max(most, number), lastNumber)
    this.#journal = journal
    this.#clock = clock
    this.#watcher = watcher
  }

  get count(): number {
    return this.#numbers.size
  }

  has(id: DeviceId): boolean {
    return this.#numbers.has(id)
  }

  typeOf(id: DeviceId): string | null {
    return this.#types.get(id) ?? null
  }

  /** What is said of it is on disk. */
  described(device: Pick<Device, 'id' | 'type' | 'gateway' | 'tags'>): void {
    if (!this.#numbers.has(device.id)) return
    this.#setType(device.id, device.type)
    this.gateways.described(device)
  }

  #setType(id: DeviceId, type: string | null): void {
    if (type === null) this.#types.delete(id)
    else this.#types.set(id, type)
  }

  /** The device's number; puts it on record at first sight, with the gateway it came by. Errors: `too-many-devices`, `too-many-new-devices`. */
  numberOf(id: DeviceId, by?: Permissions): number {
    return this.#numbers.get(id) ?? this.#create(id, by?.gatewayOfNew(id))
  }

  /** Its record is on its way to the disk. */
  isUnconfirmed(id: DeviceId): boolean {
    const number = this.#numbers.get(id)
    return number !== undefined && this.#unconfirmed.has(number)
  }

  /** Takes it off the record, in the turn in which the store begins to delete it: its next message makes a new device. Returns its number. */
  remove(id: DeviceId): number | undefined {
    const number = this.#numbers.get(id)
    this.#numbers.delete(id)
    this.#types.delete(id)
    if (number !== undefined) this.#watcher.onDeviceRemoved(id)
    return number
  }

  /** The store could not delete it. */
  putBack(id: DeviceId, number: number, type: string | null): void {
    if (this.#numbers.has(id)) return
    this.#numbers.set(id, number)
    this.#setType(id, type)
    this.#watcher.onDeviceCreated(id, this.#clock.now()) // whoever has let go of it takes it up again
  }

  #create(id: DeviceId, gateway: DeviceId | undefined): number {
    if (this.#numbers.size >= limits.devices) throw new Refusal('too-many-devices', { limit: limits.devices })
    const minute = Math.floor(this.#clock.monotonic() / 60_000)
    if (minute !== this.#minute) {
      this.#minute = minute
      this.#createdThisMinute = 0
    }
    if (this.#createdThisMinute >= limits.devicesCreatedPerMinute) {
      throw new Refusal('too-many-new-devices', { limit: limits.devicesCreatedPerMinute })
    }
    this.#createdThisMinute++
    const number = ++this.#newest
    this.#numbers.set(id, number)
    this.#unconfirmed.set(number, id)
    this.#journal.appendDevice(id, number)
    if (gateway !== undefined) {
      this.#journal.appendRecord(recordKinds.child, number, gateway, '', true)
      this.gateways.create(id, gateway)
    }
    this.#journal.after(this, number)
    return number
  }

  stored(number: number): void {
    const id = this.#unconfirmed.get(number)
    this.#unconfirmed.delete(number)
    if (id === undefined) return
    this.#watcher.onDeviceCreated(id, this.#clock.now())
    this.gateways.created(id)
  }

  /** The record goes into the next commit instead (later messages carry its number already), so the wait goes on; unless the disk is lost. */
  failed(number: number, why: Refusal): void {
    if (why.code === 'store-full') this.#journal.after(this, number)
    else this.#unconfirmed.delete(number)
  }
}
