// What is desired of a device, said to it: on change, when it connects, and to whoever subscribes to it by name. Always all of it, as it is when it is
// read for that: however often it was changed meanwhile, nothing but the newest goes to a wire.
import type { DeviceId } from '../../devices/device.ts'
import { desiredTopic } from '../../devices/topics.ts'
import { limits } from '../limits.ts'
import type { Route } from '../routing/route.ts'
import type { Router } from '../routing/router.ts'
import { sharedFilterOf } from '../routing/shared-group.ts'
import type { Journal } from '../store/store.ts'
import type { TwinChange, Twins } from '../store/twins.ts'
import type { Session } from './session.ts'
import type { Speakers } from './speakers.ts'

interface Asked {
  readonly device: DeviceId
  /** All of its twins when undefined. */
  readonly twin: string | undefined
}

export interface DesiredParts {
  readonly router: Router
  readonly journal: Pick<Journal, 'newestSeq' | 'full' | 'whenRoom'>
  readonly twins: Pick<Twins, 'desired' | 'onChange'>
  readonly speakers: Pick<Speakers, 'devicesOf'>
  isOnRecord(id: DeviceId): boolean
}

export class DesiredStates {
  readonly #parts: DesiredParts
  /** What is to be read and said, by device or topic: at most what there is of it. */
  #asked = new Map<string, Asked>()
  #isReading = false
  /** What was said of a device, by its id, or on one topic, up to this number is outdated. */
  readonly #outdated = new Map<string, number>()
  /** For which devices sessions that go by cursor have had it in this run: their cursor brings all that was said since. */
  readonly #greeted = new WeakMap<Session, Set<DeviceId>>()

  constructor(parts: DesiredParts) {
    this.#parts = parts
    parts.router.means('desired', { isOwn: true, isWanted: (route, { seq }) => this.#isWanted(route, seq) })
    parts.twins.onChange((changes) => this.#onChange(changes))
  }

  /** The session speaks for the device from now on. */
  onSpeaks(device: DeviceId, session: Session): void {
    if (!this.#isNewHere(session, device)) return
    if ([...session.subscriptions.values()].some(({ filter }) => meets(filter, device))) this.#ask(device)
  }

  onSubscribed(session: Session, filter: string, isNew: boolean): void {
    if (session.follower !== undefined && !isNew) return // a client that polls says its filters each time
    const [, second = ''] = filter.split('/')
    const devices = /^[+#]?$/.test(second) ? this.#parts.speakers.devicesOf(session) : [second]
    for (const device of devices) if (meets(filter, device)) this.#ask(device)
  }

  /** Each poll is a connection. */
  #isNewHere(session: Session, device: DeviceId): boolean {
    if (session.follower === undefined) return true
    const greeted = this.#greeted.get(session) ?? new Set()
    if (greeted.has(device)) return false
    this.#greeted.set(session, greeted.add(device))
    return true
  }

  #onChange(changes: readonly TwinChange[]): void {
    for (const { device, twin, desired, isGone, version } of changes) {
      if (desired === undefined) continue
      if (isGone) this.#say(device, twin, JSON.stringify({ version, state: {} }))
      else this.#read(desiredTopic(device, twin), { device, twin })
    }
  }

  /** What waits for a client is said anew, behind all that it has waited for. */
  #ask(device: DeviceId): void {
    if (!this.#parts.isOnRecord(device)) return
    this.#outdate(device, this.#parts.journal.newestSeq)
    this.#read(device, { device, twin: undefined })
  }

  #read(key: string, asked: Asked): void {
    this.#asked.set(key, asked)
    if (this.#isReading) return
    this.#isReading = true
    setImmediate(() =>
      this.#readAll().catch(() => {
        this.#isReading = false // the thread that reads is lost, and the hub is about to end
      }),
    )
  }

  async #readAll(): Promise<void> {
    const { journal, twins } = this.#parts
    while (this.#asked.size > 0) {
      if (journal.full) await new Promise<void>((resume) => journal.whenRoom(resume))
      const next: Asked[] = []
      for (const [key, asked] of this.#asked) {
        this.#asked.delete(key)
        if (next.push(asked) === limits.twinsAtOnce) break
      }
      for (const { device, twin, json } of await twins.desired(next)) this.#say(device, twin, json)
    }
    this.#isReading = false
  }

  #say(device: DeviceId, twin: string, json: string): void {
    if (!this.#parts.isOnRecord(device)) return // or it would be made anew
    const topic = desiredTopic(device, twin)
    this.#outdate(topic, this.#parts.router.say(topic, json) - 1)
  }

  /** Those remembered longest go first: what waits that long for a client may be said to it in vain. */
  #outdate(key: string, seq: number): void {
    this.#outdated.delete(key)
    this.#outdated.set(key, seq)
    if (this.#outdated.size <= limits.desiredRemembered) return
    const [oldest] = this.#outdated.keys()
    this.#outdated.delete(oldest!)
  }

  #isWanted({ topic, meaning }: Route, seq: number): boolean {
    const ofTopic = this.#outdated.get(topic) ?? 0
    const ofDevice = meaning.is === 'desired' ? (this.#outdated.get(meaning.deviceId) ?? 0) : 0
    return seq > ofTopic && seq > ofDevice
  }
}

/** Whether the filter matches some topic on which a desired state of the device is said. A member that joins a group is owed nothing. */
function meets(filter: string, device: DeviceId): boolean {
  if (sharedFilterOf(filter) !== undefined) return false
  const words = filter.split('/')
  return [
    ['devices', device, 'state', 'desired'],
    ['devices', device, 'state', undefined, 'desired'],
  ].some((topic) => {
    const hash = words.indexOf('#')
    if (hash === -1 ? words.length !== topic.length : hash > topic.length) return false
    return words.every((word, at) => word === '#' || word === '+' || topic[at] === undefined || word === topic[at])
  })
}
