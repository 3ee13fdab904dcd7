// How each device is connected, from the sessions that speak for it. It changes at once for whoever asks; what is written of it, a message to
// those who follow and a record for the store, comes in slices: when a network is lost, ten thousand change within one turn.
import type { DeviceId } from '../../devices/device.ts'
import { type EndReason, neverConnected, type Presence, presenceAfter } from '../../devices/presence.ts'
import { presenceTopic } from '../../devices/topics.ts'
import type { Clock } from '../clock.ts'
import type { Devices } from '../routing/devices.ts'
import type { Router } from '../routing/router.ts'
import { Slices } from '../slices.ts'
import { presenceGoesOn, type StoredPresence } from '../store/events.ts'
import { type Journal, recordKinds } from '../store/store.ts'
import type { Timed, Wheel } from '../wheel.ts'
import { deviceOf } from './device-of.ts'
import type { Session } from './session.ts'
import type { Speakers } from './speakers.ts'

export interface PresencesParts {
  readonly router: Pick<Router, 'say'>
  readonly journal: Pick<Journal, 'appendRecord'>
  readonly devices: Pick<Devices, 'has' | 'numberOf'>
  readonly speakers: Speakers
  readonly clock: Clock
  readonly wheel: Wheel
  /** It has changed just now; what is written of it follows. */
  changed(id: DeviceId, presence: Presence): void
}

/** A presence that does not change is written again this often: whoever asks for uptime looks back some days for the last word, not for years. */
const againSeconds = 86_400

interface Written {
  readonly id: DeviceId
  readonly presence: Presence
}

export class Presences {
  readonly #parts: PresencesParts
  /** Of all devices that were connected in this run, and those that were not offline when it began. */
  readonly #presences = new Map<DeviceId, Presence>()
  /** Sessions without a connection that are remembered. */
  readonly #remembered = new Map<DeviceId, Set<Session>>()
  /** Their connection was taken over, and the one that took it is not there yet, though it will be in this turn. */
  readonly #takenOver = new Set<DeviceId>()
  /** What is still to be written. */
  readonly #unwritten = new Slices<Written>((one) => this.#write(one))
  /** Of devices that are online. */
  readonly #again = new Map<DeviceId, Timed>()

  constructor(parts: PresencesParts) {
    this.#parts = parts
  }

  /** Undefined where the store knows it: it has not changed since the hub began. */
  of(id: DeviceId): Presence | undefined {
    return this.#presences.get(id)
  }

  /** How many devices are connected. */
  get online(): number {
    return this.#again.size
  }

  isOnline(id: DeviceId): boolean {
    return this.#presences.get(id)?.at === 'online'
  }

  /** Presences as an earlier run left them, those at `offline` left out; before sessions are restored. */
  expect(stored: readonly StoredPresence[]): void {
    for (const { id, presence } of stored) this.#presences.set(id, presence)
  }

  /** The sessions of the earlier run are there. Whoever was connected until its end is not any more since its last sign of life. */
  restore(sessions: Iterable<Session>, aliveMs: number): void {
    for (const session of sessions) {
      const device = deviceOf(session, (id) => this.#parts.devices.has(id))
      if (device !== undefined) this.#remember(device, session)
    }
    for (const [id, { at, until }] of this.#presences) {
      if (at === 'online') this.#settle(id, aliveMs, 'hub-stopped')
      else this.#settle(id, Math.min(until ?? Number.POSITIVE_INFINITY, this.#parts.clock.now()), 'session-expired')
    }
  }

  /** The session speaks for the device and has a connection. */
  came(id: DeviceId, session: Session): void {
    this.#forgetSession(id, session)
    const { presence } = session
    // Of a device that is on record only now: since before.
    const atMs = presence.at === 'online' ? presence.sinceMs : this.#parts.clock.now()
    this.#settle(id, atMs, this.#takenOver.delete(id) ? 'taken-over' : undefined)
  }

  /** The connection of a session that spoke for the device is gone. */
  left(id: DeviceId, session: Session, why: EndReason): void {
    if (session.lasts) this.#remember(id, session)
    if (why === 'taken-over') this.#awaitOther(id)
    else this.#settle(id, this.#parts.clock.now(), why)
  }

  /** Whoever takes the connection over does so in this turn; it may be for another device. */
  #awaitOther(id: DeviceId): void {
    if (this.#takenOver.size === 0) {
      queueMicrotask(() => {
        for (const left of this.#takenOver) this.#settle(left, this.#parts.clock.now(), 'taken-over')
        this.#takenOver.clear()
      })
    }
    this.#takenOver.add(id)
  }

  /** The session has ended without a connection. */
  expired(session: Session): void {
    const id = deviceOf(session, (name) => this.#remembered.has(name))
    if (id !== undefined && this.#forgetSession(id, session)) this.#settle(id, this.#parts.clock.now(), 'session-expired')
  }

  /** The device is deleted. */
  forget(id: DeviceId): void {
    this.#presences.delete(id)
    this.#remembered.delete(id)
    this.#sayNoMore(id)
  }

  /** Writes all that waits; before the store is closed. */
  flush(): void {
    this.#unwritten.flush()
  }

  #settle(id: DeviceId, atMs: number, why: EndReason | undefined): void {
    const before = this.#presences.get(id) ?? neverConnected
    const connection = newest(this.#parts.speakers.of(id))?.connection
    // That one of several connections has ended is no news; that the only one was taken over is.
    const reason = connection !== undefined && why !== 'taken-over' ? undefined : why
    const presence = presenceAfter(before, {
      connection: connection && { wire: connection.transport, address: connection.address },
      rememberedUntilMs: this.#rememberedUntil(id),
      atMs,
      reason,
    })
    if (presence === before) return
    this.#presences.set(id, presence)
    if (presence.at === 'online') this.#sayAgain(id)
    else this.#sayNoMore(id)
    this.#parts.changed(id, presence)
    this.#unwritten.push({ id, presence })
  }

  #write({ id, presence }: Written): void {
    const { router, journal, devices } = this.#parts
    if (!devices.has(id)) return
    const body = JSON.stringify(presence)
    router.say(presenceTopic(id), body)
    // Not read from the message: of a batch that fails the message is lost, and where the device stands is not.
    journal.appendRecord(recordKinds.presence, devices.numberOf(id), '', body, true)
  }

  #sayAgain(id: DeviceId): void {
    const { wheel, journal, devices } = this.#parts
    const again: Timed = this.#again.get(id) ?? {
      dueTick: 0,
      onDue: () => {
        const presence = this.#presences.get(id)
        journal.appendRecord(recordKinds.presence, devices.numberOf(id), presenceGoesOn, JSON.stringify(presence), false)
        wheel.arm(again, againSeconds)
      },
    }
    this.#again.set(id, again)
    wheel.arm(again, againSeconds)
  }

  #sayNoMore(id: DeviceId): void {
    const again = this.#again.get(id)
    if (again === undefined) return
    this.#parts.wheel.disarm(again)
    this.#again.delete(id)
  }

  #remember(id: DeviceId, session: Session): void {
    const sessions = this.#remembered.get(id)
    if (sessions === undefined) this.#remembered.set(id, new Set([session]))
    else sessions.add(session)
  }

  #forgetSession(id: DeviceId, session: Session): boolean {
    const sessions = this.#remembered.get(id)
    const wasThere = sessions?.delete(session) === true
    if (sessions?.size === 0) this.#remembered.delete(id)
    return wasThere
  }

  /** One that has begun anew is not remembered any more. */
  #rememberedUntil(id: DeviceId): number | undefined {
    let latest: number | undefined
    for (const session of [...(this.#remembered.get(id) ?? [])]) {
      const { presence } = session
      if (presence.at === 'away') latest = Math.max(latest ?? 0, presence.untilMs)
      else this.#forgetSession(id, session)
    }
    return latest
  }
}

function newest(sessions: ReadonlySet<Session>): Session | undefined {
  let last: Session | undefined
  for (const session of sessions) last = session
  return last
}
