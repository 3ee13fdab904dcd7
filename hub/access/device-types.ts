// The book of device types, and what holds for a device by its type. Without one, and of one that cannot be read, it is what the hub has for all.
import { type DeviceId, isObject, type MetricValue } from '../../devices/device.ts'
import { type DeviceType, type MetricSchema, readDeviceType, schemaOf, whyNotOfType } from '../../devices/device-type.ts'
import type { Identity } from '../../devices/identity.ts'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { whyNotKept } from '../retention.ts'
import { type AccessStore, typeKind } from '../store/access.ts'
import type { AllowanceRates } from './allowance.ts'
import type { Actor } from './credentials.ts'
import { Documents } from './documents.ts'
import type { Role } from './roles.ts'

/** What a device has that names none; its type may name another. */
export const standardRole = 'device'

export interface DeviceTypesParts {
  readonly store: AccessStore
  readonly clock: Clock
  /** What is said of the device. */
  typeOf(device: DeviceId): string | null
  readonly rates: AllowanceRates
  readonly connectionsPerMinute: number | undefined
  findRole(name: string): Role | undefined
  /** Told when a type is another one, or gone: its devices are asked anew. */
  onChanged(name: string): void
}

export class DeviceTypes {
  readonly #documents: Documents<DeviceType>
  readonly #parts: DeviceTypesParts
  /** Of types that have metrics, made when they are first asked for. */
  readonly #schemas = new WeakMap<DeviceType, MetricSchema | undefined>()

  constructor(parts: DeviceTypesParts) {
    this.#parts = parts
    const { store, clock } = parts
    const read = (name: string, value: unknown): DeviceType | string => {
      const type = readDeviceType(name, value, limits)
      if (typeof type === 'string' || type.keep === undefined) return type
      return whyNotKept(type.keep) ?? type
    }
    this.#documents = new Documents({ store, clock, kind: typeKind, most: limits.deviceTypes, read })
  }

  get unreadable(): readonly string[] {
    return this.#documents.unreadable
  }

  all(): DeviceType[] {
    return this.#documents.all()
  }

  /** Errors: `type-unknown`. */
  known(name: string): DeviceType {
    return this.#documents.known(name)
  }

  /** Makes the type, or another one of it. Errors: `type-invalid`, `role-unknown`, `too-many-types`. */
  async put(name: string, value: unknown, by: Actor): Promise<DeviceType> {
    const role = isObject(value) ? value['role'] : undefined
    if (typeof role === 'string' && this.#parts.findRole(role) === undefined)
      throw new Refusal('role-unknown', { name: JSON.stringify(role.slice(0, 64)) })
    const type = await this.#documents.put(name, value, by)
    this.#parts.onChanged(name)
    return type
  }

  /** Errors: `type-unknown`. */
  async remove(name: string, by: Actor): Promise<void> {
    await this.#documents.remove(name, by)
    this.#parts.onChanged(name)
  }

  /** Undefined for a device without a type, or of one of which nothing is on record but its name. */
  of(device: DeviceId): DeviceType | undefined {
    const type = this.#parts.typeOf(device)
    return type === null ? undefined : this.#documents.find(type)
  }

  /** What it may do where its credential names no role of its own. */
  roleOf(device: DeviceId): string {
    return this.of(device)?.role ?? standardRole
  }

  /** What it may do now, where its credential leaves that to its type. */
  standingOf({ name, role, rules, hasStandardRole }: Identity): Pick<Identity, 'role' | 'rules'> {
    if (hasStandardRole !== true) return { role, rules }
    const ofType = this.roleOf(name)
    return { role: ofType, rules: this.#parts.findRole(ofType)?.rules ?? [] }
  }

  /** Whether it says how much each of its devices may publish. */
  hasRates(device: DeviceId): boolean {
    const { messagesPerSecond, bytesPerSecond } = this.of(device)?.limits ?? {}
    return messagesPerSecond !== undefined || bytesPerSecond !== undefined
  }

  /** How much an owner, such as device/pump-1, may publish. */
  ratesOf(owner: string): AllowanceRates {
    const { rates } = this.#parts
    const own = owner.startsWith('device/') ? this.of(owner.slice('device/'.length))?.limits : undefined
    if (own === undefined) return rates
    const { messagesPerSecond = rates.messagesPerSecond, bytesPerSecond = rates.bytesPerSecond, burstSeconds } = own
    return { messagesPerSecond, bytesPerSecond, savedMs: burstSeconds === undefined ? rates.savedMs : burstSeconds * 1000 }
  }

  /** Sessions that the device may open. */
  connectionsOf(device: DeviceId): AllowanceRates {
    const perMinute = this.of(device)?.limits?.connectionsPerMinute ?? this.#parts.connectionsPerMinute
    return { messagesPerSecond: perMinute === undefined ? undefined : perMinute / 60, bytesPerSecond: undefined, savedMs: 60_000 }
  }

  /** Of one session of it. */
  subscriptionsOf(device: DeviceId): number {
    return this.of(device)?.limits?.subscriptions ?? limits.subscriptionsPerSession
  }

  /** Why the store would refuse this point of a device; undefined when it would not. */
  whyNot(device: DeviceId, metric: string, value: MetricValue): string | undefined {
    const type = this.of(device)
    if (type === undefined) return undefined
    if (!this.#schemas.has(type)) this.#schemas.set(type, schemaOf(type))
    const schema = this.#schemas.get(type)
    return schema === undefined ? undefined : whyNotOfType(schema, metric, value)
  }
}
