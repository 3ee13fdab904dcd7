// First contact: a device comes with a key that many share, and leaves with a token of its own.
import { type KeyObject, randomBytes } from 'node:crypto'
import { type DeviceId, isDeviceId, type Tags } from '../../devices/device.ts'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { limits as allLimits } from '../limits.ts'
import type { AccessStore } from '../store/access.ts'
import type { AuthenticationFailure } from './bans.ts'
import type { Actor, Created, Credentials } from './credentials.ts'
import { bodyOf, faultOf, isMatch, type KeptKey, type ProvisioningKey, readKey, type WantedKey } from './provisioning-key.ts'
import { isToken, makeToken, tokenHash } from './token.ts'

export interface ProvisioningParts {
  readonly store: AccessStore
  /** The secret under which keys are hashed. */
  readonly key: KeyObject
  readonly credentials: Credentials
  readonly clock: Clock
  readonly isDevice: (id: DeviceId) => boolean
  /** Puts a device on record; one that is there already stays as it is. */
  readonly register: (id: DeviceId, said: { readonly type: string | null; readonly tags: Tags }) => Promise<void> | void
  /** Told of a key that is none, or none now. */
  readonly onRefused: (failure: AuthenticationFailure) => void
  readonly limits?: typeof allLimits
}

const kind = 'provisioning'

interface Entry {
  kept: KeptKey
  /** Removed while a device was coming by it: then its record is not written anew. */
  isRevoked: boolean
}

export class Provisioning {
  /** Records that could not be read at the start, by id. Nobody comes by them. */
  readonly unreadable: readonly string[]
  readonly #entries = new Map<string, Entry>()
  readonly #hashes = new Map<string, Entry>()
  /** Devices whose first contact is under way: a second one at the same time is refused. */
  readonly #coming = new Set<DeviceId>()
  /** Keys whose first write is under way: they take a place already. */
  #writing = 0
  readonly #parts: ProvisioningParts
  readonly #limits: typeof allLimits

  constructor(parts: ProvisioningParts) {
    this.#parts = parts
    this.#limits = parts.limits ?? allLimits
    const records = parts.store.atStart.filter((record) => record.kind === kind)
    this.unreadable = records.filter(({ id, body }) => !this.#add(readKey(id, body, this.#limits))).map(({ id }) => id)
  }

  all(): ProvisioningKey[] {
    return [...this.#entries.values()].map(({ kept }) => kept.key)
  }

  /** `secret` is the key itself, told this once. Errors: `Refusal`. */
  async create(wanted: WantedKey, by: Actor): Promise<{ readonly key: ProvisioningKey; readonly secret: string }> {
    const { provisioningKeys, provisioningUses, credentialTextBytes } = this.#limits
    const nowMs = this.#parts.clock.now()
    const fault = faultOf(wanted, nowMs, this.#limits, provisioningUses, credentialTextBytes)
    if (fault !== undefined) throw new Refusal('credential-invalid', { detail: fault })
    if (this.#entries.size + this.#writing >= provisioningKeys)
      throw new Refusal('too-many-credentials', { limit: provisioningKeys, name: 'provisioningKeys' })
    const { label = '', pattern, registers, type = null, tags = {}, role, uses, from = nowMs, until } = wanted
    const id = `p${randomBytes(8).toString('hex')}`
    const key = { id, label, pattern, registers, type, tags, role, usesLeft: uses, createdAt: nowMs, from, until }
    const secret = makeToken('mrp_')
    const kept = { key, hash: tokenHash(this.#parts.key, secret) }
    this.#writing++
    try {
      await this.#write(id, bodyOf(kept), 'create', by)
    } finally {
      this.#writing--
    }
    this.#add(kept)
    return { key, secret }
  }

  /** No device comes by it from now on. Those that did keep their tokens. Errors: `Refusal`. */
  async revoke(id: string, by: Actor): Promise<void> {
    const entry = this.#entries.get(id)
    if (entry === undefined) throw new Refusal('credential-unknown', { id: JSON.stringify(id.slice(0, 64)) })
    entry.isRevoked = true
    await this.#write(id, null, 'revoke', by)
    this.#entries.delete(id)
    this.#hashes.delete(entry.kept.hash)
  }

  /**
   * The device's own token, once. A device that has credentials gets none: whoever has the key could else take over every device. A token that
   * was lost on its way is revoked by an operator, and then the device may come again. Errors: `Refusal`.
   */
  async claim(secret: string, deviceId: string, address: string): Promise<Created> {
    const entry = this.#entryFor(secret, deviceId, address)
    this.#coming.add(deviceId)
    this.#use(entry, -1)
    try {
      return await this.#welcome(entry, deviceId, address)
    } catch (error) {
      this.#use(entry, 1)
      throw error
    } finally {
      this.#coming.delete(deviceId)
    }
  }

  /** As `claim` would, and nothing is used up by it. Errors: `Refusal`. */
  assertMayClaim(secret: string, deviceId: string, address: string): void {
    this.#entryFor(secret, deviceId, address)
  }

  #entryFor(secret: string, deviceId: string, from: string): Entry {
    const shown = JSON.stringify(deviceId.slice(0, 64))
    const entry = isToken(secret, 'mrp_') ? this.#hashes.get(tokenHash(this.#parts.key, secret)) : undefined
    if (entry === undefined || !this.#isValid(entry)) {
      this.#parts.onRefused({ who: isDeviceId(deviceId) ? `device/${deviceId}` : '', from, code: 'bad-credentials', proof: secret })
      throw new Refusal('bad-credentials')
    }
    if (!isDeviceId(deviceId)) throw new Refusal('device-id-invalid', { id: shown })
    this.#assertMayCome(entry.kept.key, deviceId)
    return entry
  }

  #assertMayCome({ pattern, registers, usesLeft }: ProvisioningKey, deviceId: DeviceId): void {
    const { credentials, isDevice } = this.#parts
    const refused = (detail: string) => new Refusal('provisioning-refused', { detail })
    if (usesLeft < 1) throw refused('as many devices came by it as may')
    if (!isMatch(pattern, deviceId)) throw refused(`the device id has to be as ${pattern}`)
    if (!registers && !isDevice(deviceId)) throw refused('it is for devices that are on record already')
    if (credentials.isOwner({ is: 'device', name: deviceId })) throw refused('the device has credentials; an operator can revoke them')
    if (this.#coming.has(deviceId)) throw refused('the device is coming in just now')
  }

  async #welcome(entry: Entry, deviceId: DeviceId, address: string): Promise<Created> {
    const { key } = entry.kept
    // First, because it may be done twice: a device that is on record without a token can come again.
    if (key.registers && !this.#parts.isDevice(deviceId)) await this.#parts.register(deviceId, key)
    const wanted = { of: { is: 'device', name: deviceId }, kind: 'token', role: key.role, label: `by ${key.id}` } as const
    // In one write with the token, so that no crash makes one use into two.
    const used = () => (entry.isRevoked ? [] : [{ kind, id: key.id, body: bodyOf(entry.kept) }])
    return this.#parts.credentials.create(wanted, { who: `provisioning/${key.id}`, from: address }, used)
  }

  #use(entry: Entry, change: number): void {
    const { key, hash } = entry.kept
    entry.kept = { key: { ...key, usesLeft: key.usesLeft + change }, hash }
  }

  #isValid({ kept: { key }, isRevoked }: Entry): boolean {
    const nowMs = this.#parts.clock.now()
    return !isRevoked && key.from <= nowMs && (key.until === undefined || nowMs < key.until)
  }

  #add(kept: KeptKey | undefined): boolean {
    if (kept === undefined) return false
    const entry = { kept, isRevoked: false }
    this.#entries.set(kept.key.id, entry)
    this.#hashes.set(kept.hash, entry)
    return true
  }

  #write(id: string, body: string | null, done: string, { who, from }: Actor): Promise<void> {
    const at = this.#parts.clock.now()
    const audit = { at, who, from, action: `provisioning.${done}`, target: `provisioning/${id}`, outcome: 'done', detail: '' } as const
    return this.#parts.store.write([{ kind, id, body }], [audit])
  }
}

/** What a device is told of its token, over whatever wire. */
export function tokenAnswer(device: DeviceId, { credential: { until }, secret }: Created): object {
  return { device, token: secret, ...(until === undefined ? {} : { until }) }
}
