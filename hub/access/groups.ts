// The book of groups of devices.
import { type DeviceCondition, type DeviceGroup, readDeviceGroup, readQuery } from '../../devices/device-group.ts'
import type { Clock } from '../clock.ts'
import { limits } from '../limits.ts'
import type { AccessStore } from '../store/access.ts'
import type { Actor } from './credentials.ts'
import { Documents } from './documents.ts'

export class Groups {
  readonly #documents: Documents<DeviceGroup>

  constructor(store: AccessStore, clock: Clock) {
    const read = (name: string, value: unknown) => readDeviceGroup(name, value, limits)
    this.#documents = new Documents({ store, clock, kind: 'group', most: limits.groups, read })
  }

  get unreadable(): readonly string[] {
    return this.#documents.unreadable
  }

  all(): DeviceGroup[] {
    return this.#documents.all()
  }

  /** Makes the group, or asks another question by its name. Errors: `group-invalid`, `too-many-groups`. */
  put(name: string, value: unknown, by: Actor): Promise<DeviceGroup> {
    return this.#documents.put(name, value, by)
  }

  /** Errors: `group-unknown`. */
  remove(name: string, by: Actor): Promise<void> {
    return this.#documents.remove(name, by)
  }

  /** What a device has to meet in order to belong to it. Errors: `group-unknown`. */
  conditionsOf(name: string): readonly DeviceCondition[] {
    const conditions = readQuery(this.#documents.known(name).query, limits)
    return typeof conditions === 'string' ? [] : conditions // what is in the book can be read
  }
}
