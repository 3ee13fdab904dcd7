// Which sessions speak for a device right now: its own, and those of its gateway. A device may have several connections; and one that connects
// before it is on record is its device from the moment it is.
import { possibleOwners } from '../../devices/client-id.ts'
import type { DeviceId } from '../../devices/device.ts'
import type { ChildNews, Gateways } from '../routing/gateways.ts'
import { deviceOf } from './device-of.ts'
import type { Session } from './session.ts'

export interface SpeakerWatcher {
  /** From now on this session speaks for the device, perhaps beside others. */
  onSpeaks(device: DeviceId, session: Session): void
  /** It does not any more, whether its connection is gone or the device is another's. */
  onSilent(device: DeviceId, session: Session): void
}

const none: ReadonlySet<Session> = new Set()

export class Speakers {
  readonly #isOnRecord: (id: DeviceId) => boolean
  readonly #gateways: Pick<Gateways, 'gatewayOf' | 'childrenOf'>
  readonly #watcher: SpeakerWatcher
  readonly #byDevice = new Map<DeviceId, Set<Session>>()
  /** Of the ones below `#byDevice`, which device it was found under: rights may change while it is connected. */
  readonly #deviceOf = new Map<Session, DeviceId>()
  /** Connected clients that speak for no device on record, under each name that a device of theirs would have. */
  readonly #unknown = new Map<DeviceId, Set<Session>>()
  /** Children that their gateway has said are not there, by gateway; while that is connected. */
  readonly #offline = new Map<DeviceId, Set<DeviceId>>()

  constructor(isOnRecord: (id: DeviceId) => boolean, gateways: Pick<Gateways, 'gatewayOf' | 'childrenOf'>, watcher: SpeakerWatcher) {
    this.#isOnRecord = isOnRecord
    this.#gateways = gateways
    this.#watcher = watcher
  }

  /** Those with a connection; its own come first, the oldest before the others. */
  of(id: DeviceId): ReadonlySet<Session> {
    const own = this.#byDevice.get(id)
    const gateway = this.#gatewayOf(id)
    const others = gateway === undefined ? undefined : this.#byDevice.get(gateway)
    if (own === undefined || others === undefined) return own ?? others ?? none
    return new Set([...own, ...others])
  }

  /** The device that it is of; undefined for anybody else's. Of a gateway it is the gateway. */
  deviceBy(session: Session): DeviceId | undefined {
    return this.#deviceOf.get(session)
  }

  /** Those it speaks for: its own, and of a gateway the children that are there. */
  devicesOf(session: Session): Iterable<DeviceId> {
    const device = this.#deviceOf.get(session)
    return device === undefined ? [] : this.#spokenForBy(device)
  }

  /** Its client has connected. Returns the device it is of. */
  onOnline(session: Session): DeviceId | undefined {
    const device = deviceOf(session, this.#isOnRecord)
    if (device !== undefined && this.#isOnRecord(device)) this.#speaks(session, device)
    else for (const name of namesOf(session)) add(this.#unknown, name, session)
    return this.#deviceOf.get(session)
  }

  /** Its connection is gone. Returns the device it was of. */
  onAway(session: Session): DeviceId | undefined {
    const device = this.#deviceOf.get(session)
    if (device === undefined) {
      for (const name of namesOf(session)) remove(this.#unknown, name, session)
      return undefined
    }
    this.#deviceOf.delete(session)
    remove(this.#byDevice, device, session)
    for (const spokenFor of this.#spokenForBy(device)) this.#watcher.onSilent(spokenFor, session)
    if (!this.#byDevice.has(device)) this.#offline.delete(device)
    return device
  }

  /** The device is on record now. Returns the sessions that speak for it from now on. */
  onCreated(id: DeviceId): ReadonlySet<Session> {
    for (const session of [...(this.#unknown.get(id) ?? none)]) {
      for (const name of namesOf(session)) remove(this.#unknown, name, session)
      this.#speaks(session, id)
    }
    return this.of(id)
  }

  /** The device is deleted, and nobody's child or gateway any more; who is connected speaks for it again when it comes back on record. */
  onRemoved(id: DeviceId): void {
    const sessions = [...(this.#byDevice.get(id) ?? none)]
    const [, ...children] = this.#spokenForBy(id)
    this.#offline.delete(id)
    for (const session of sessions) {
      this.#deviceOf.delete(session)
      remove(this.#byDevice, id, session)
      for (const child of children) this.#watcher.onSilent(child, session)
      for (const name of namesOf(session)) add(this.#unknown, name, session)
    }
  }

  /** It has this gateway now, or not any more. */
  onChild(child: DeviceId, gateway: DeviceId, news: ChildNews): void {
    if (news === 'described') return
    if (news === 'detached' && this.#offline.get(gateway)?.delete(child) === true) return
    for (const session of this.#byDevice.get(gateway) ?? none) {
      if (news === 'detached') this.#watcher.onSilent(child, session)
      else this.#watcher.onSpeaks(child, session)
    }
  }

  /** What a gateway says of a child holds while it is connected. One that is not has nothing to say. */
  onSaid(gateway: DeviceId, child: DeviceId, isOnline: boolean): void {
    const sessions = this.#byDevice.get(gateway)
    if (sessions === undefined || this.#gateways.gatewayOf(child) !== gateway) return
    const offline = this.#offline.get(gateway) ?? new Set()
    if (isOnline ? !offline.delete(child) : offline.has(child)) return
    if (!isOnline) offline.add(child)
    this.#offline.set(gateway, offline)
    for (const session of sessions) {
      if (isOnline) this.#watcher.onSpeaks(child, session)
      else this.#watcher.onSilent(child, session)
    }
  }

  #speaks(session: Session, device: DeviceId): void {
    this.#deviceOf.set(session, device)
    add(this.#byDevice, device, session)
    for (const spokenFor of this.#spokenForBy(device)) this.#watcher.onSpeaks(spokenFor, session)
  }

  /** The gateway that speaks for it, as long as that has not said otherwise. */
  #gatewayOf(id: DeviceId): DeviceId | undefined {
    const gateway = this.#gateways.gatewayOf(id)
    return gateway === undefined || this.#offline.get(gateway)?.has(id) === true ? undefined : gateway
  }

  /** Itself, and its children that are there. */
  *#spokenForBy(device: DeviceId): Generator<DeviceId> {
    yield device
    for (const child of this.#gateways.childrenOf(device)) if (this.#gatewayOf(child) !== undefined) yield child
  }
}

function namesOf({ clientId, principal: { identity } }: Session): Iterable<DeviceId> {
  return identity.is === 'device' ? [identity.name] : possibleOwners(clientId)
}

function add(map: Map<DeviceId, Set<Session>>, id: DeviceId, session: Session): void {
  const sessions = map.get(id)
  if (sessions === undefined) map.set(id, new Set([session]))
  else sessions.add(session)
}

function remove(map: Map<DeviceId, Set<Session>>, id: DeviceId, session: Session): void {
  const sessions = map.get(id)
  sessions?.delete(session)
  if (sessions?.size === 0) map.delete(id)
}
