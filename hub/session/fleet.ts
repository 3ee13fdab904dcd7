// What the hub makes of devices, built and joined: who is on record, who speaks for each, how it is connected, what it should be and what is
// asked of it. It hears of sessions, and tells each part in its order.
import type { DeviceId } from '../../devices/device.ts'
import { type EndReason, neverConnected, type Presence } from '../../devices/presence.ts'
import { mainTwin } from '../../devices/topics.ts'
import type { Clock } from '../clock.ts'
import type { Metrics } from '../metrics.ts'
import { childWords } from '../routing/child-words.ts'
import { Bulks } from '../routing/commands/bulks.ts'
import type { Command } from '../routing/commands/command.ts'
import { Commands } from '../routing/commands/commands.ts'
import { Devices } from '../routing/devices.ts'
import type { Dialects } from '../routing/dialects.ts'
import { deviceEvents } from '../routing/events.ts'
import { tellFreshness } from '../routing/freshness.ts'
import { Gateways } from '../routing/gateways.ts'
import { reported } from '../routing/reported.ts'
import type { Retained } from '../routing/retained.ts'
import { Router } from '../routing/router.ts'
import { TopicTree } from '../routing/topic-tree.ts'
import type { StoredCommand } from '../store/commands.ts'
import type { Store } from '../store/store.ts'
import type { Wheel } from '../wheel.ts'
import { DesiredStates } from './desired-states.ts'
import { Presences } from './presences.ts'
import type { Session } from './session.ts'
import type { Sessions, SessionWatcher } from './sessions.ts'
import { Speakers } from './speakers.ts'

export interface FleetParts {
  readonly store: Store
  readonly retained: Retained
  readonly dialects: Dialects
  readonly clock: Clock
  readonly wheel: Wheel
  readonly metrics: Metrics
  /** A device has come to a gateway or left it, or is described anew. */
  onChild(child: DeviceId, gateway: DeviceId): void
  /** `createdAtMs` of a device that is on record from now on. */
  onPresence(id: DeviceId, presence: Presence, createdAtMs?: number): void
  /** It is new, or has come a step further. */
  onCommand(command: Command): void
}

type Heard = Pick<SessionWatcher, 'onOnline' | 'onAway' | 'onExpired' | 'onEnded' | 'onAcknowledged' | 'onSubscribed'>

export class Fleet implements Heard {
  readonly gateways: Gateways
  readonly devices: Devices
  readonly router: Router
  readonly speakers: Speakers
  readonly presences: Presences
  readonly commands: Commands
  readonly bulks: Bulks
  readonly #desired: DesiredStates
  readonly #store: Store
  /** The device that is on record from now on, while nothing is said of how it is connected. */
  #created: { readonly id: DeviceId; readonly atMs: number } | undefined
  /** Why the connection that is going ends. */
  #leaving: EndReason | undefined

  constructor({ store, retained, dialects, clock, wheel, metrics, onChild, onPresence, onCommand }: FleetParts) {
    const { journal, twins } = store
    this.#store = store
    this.gateways = new Gateways(store.childrenAtStart, (child, gateway, news) => {
      if (news !== 'brought') onChild(child, gateway) // it was let to bring it: nobody's rights are others by that
      this.speakers.onChild(child, gateway, news)
    })
    const watcher = {
      onDeviceCreated: (id: DeviceId, atMs: number) => {
        this.#created = { id, atMs }
        this.speakers.onCreated(id)
        if (this.#created !== undefined) onPresence(id, neverConnected, atMs)
        this.#created = undefined
      },
      onDeviceRemoved: (id: DeviceId) => {
        this.speakers.onRemoved(id)
        this.presences.forget(id)
        this.commands.onDeviceRemoved(id)
      },
    }
    const { devicesAtStart, lastDeviceAtStart, typesAtStart } = store
    this.devices = new Devices(devicesAtStart, journal, clock, watcher, lastDeviceAtStart, typesAtStart, this.gateways)
    this.router = new Router(new TopicTree(), retained, journal, this.devices, clock, metrics, dialects)
    const { router, devices } = this
    this.speakers = new Speakers((id) => devices.has(id), this.gateways, {
      onSpeaks: (id, session) => this.#onSpeaks(id, session),
      onSilent: (id, session) => this.presences.left(id, session, this.#leaving ?? 'gateway-silent'),
    })
    const { speakers } = this
    const changed = (id: DeviceId, presence: Presence) => {
      const createdAtMs = this.#created?.id === id ? this.#created.atMs : undefined
      if (createdAtMs !== undefined) this.#created = undefined
      onPresence(id, presence, createdAtMs)
    }
    this.presences = new Presences({ router, journal, devices, speakers, clock, wheel, changed })
    this.#desired = new DesiredStates({ router, journal, twins, speakers, isOnRecord: (id) => devices.has(id) })
    this.commands = new Commands({ store, router, devices, speakers, reported: reportedStates(store), wheel, clock, onChange: onCommand })
    this.bulks = new Bulks(this.commands, store)

    tellFreshness(store, devices, router)
    router.means('event', deviceEvents)
    router.means('presence', { isOwn: true })
    router.means('reported', reported)
    router.means(
      'child',
      childWords(devices, (gateway, child, isOnline) => speakers.onSaid(gateway, child, isOnline)),
    )
  }

  /** Brings back sessions and all else as an earlier run left it. Before anybody connects. */
  async restore(sessions: Sessions): Promise<void> {
    const { presencesAtStart, sessionsAtStart, aliveAtStartMs, unroutedAtStart } = this.#store
    const open = await openCommands(this.#store)
    const bulks = await this.bulks.load(open)
    const newest = await this.#store.commands.newest()
    this.presences.expect(presencesAtStart)
    sessions.restore(sessionsAtStart)
    this.presences.restore(sessions.all, aliveAtStartMs)
    this.commands.restore(open, newest, sessions.numbers(), bulks)
    this.bulks.begin()
    this.router.reroute(unroutedAtStart)
  }

  onOnline(session: Session): void {
    this.speakers.onOnline(session)
    this.commands.dispatch.onReady(session)
  }

  onAway(session: Session, why: EndReason): void {
    this.#leaving = why
    this.speakers.onAway(session)
    this.#leaving = undefined
    this.commands.dispatch.onAway(session)
  }

  onExpired(session: Session): void {
    this.presences.expired(session)
  }

  onEnded(session: Session): void {
    this.commands.dispatch.onEnded(session)
  }

  /** Of one that acknowledges each message the router tells the commands. */
  onAcknowledged(session: Session, seq: number): void {
    if (session.follower !== undefined) this.commands.dispatch.onAcknowledged(session, seq)
  }

  onSubscribed(session: Session, filter: string, isNew: boolean): void {
    this.#desired.onSubscribed(session, filter, isNew)
    this.commands.dispatch.onReady(session)
  }

  #onSpeaks(id: DeviceId, session: Session): void {
    this.presences.came(id, session)
    this.#desired.onSpeaks(id, session)
    this.commands.dispatch.onSpeaks(id)
  }
}

/** What commands are to bring about in the reported state of a device, in its main twin. */
function reportedStates({ twins }: Store) {
  return {
    read: async (device: DeviceId) => (await twins.read(device, mainTwin))?.reported,
    onChange: (listener: (device: DeviceId) => void) =>
      twins.onChange((changes) => {
        for (const { device, twin, reported } of changes) if (twin === mainTwin && reported !== undefined) listener(device)
      }),
  }
}

async function openCommands({ commands }: Store): Promise<StoredCommand[]> {
  const open: StoredCommand[] = []
  for (let page = await commands.open(0); page.length > 0; page = await commands.open(page.at(-1)!.number)) open.push(...page)
  return open
}
