// One message: what does it mean, must it be kept, who listens? The only place where a message is handed on.
//
// A message that is kept is delivered after its commit: whatever anyone has seen is on disk, so no cursor ever points past a crash.
// What is not kept (QoS 0, no telemetry, not retained) is delivered at once. So is what the hub says of itself below `$SYS`.
import assert from 'node:assert/strict'
import { possibleOwners } from '../../devices/client-id.ts'
import { type DeviceId, isDeviceId } from '../../devices/device.ts'
import type { ForeignDialect } from '../../devices/dialects/dialect.ts'
import { expiryOf, type Message, type QoS } from '../../devices/message.ts'
import { nothing, type Permissions, unbounded } from '../../devices/permissions.ts'
import type { Meaning } from '../../devices/topics.ts'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Metrics } from '../metrics.ts'
import { frameFlags, type Journal, type Waiter } from '../store/store.ts'
import type { Devices } from './devices.ts'
import { Dialects } from './dialects.ts'
import { Retained } from './retained.ts'
import { Route } from './route.ts'
import { forSelf, type Match, type Subscriber, type TopicTree } from './topic-tree.ts'

/** What the hub makes of the messages of one meaning, beside handing them on. */
export interface Meant {
  /** Beside the flags of every frame. */
  readonly flags?: number
  /** Only the hub says such things: nobody else may publish them. */
  readonly isOwn?: boolean
  /**
   * Before it is journalled; the payload is `bytes` from `start` to `end`. What it returns is called right behind the message's append, and what
   * that appends as records lies in the message's batch. Errors: a `Refusal`, and then nothing has happened.
   */
  taken?(route: Route, bytes: Uint8Array, start: number, end: number, publication: Publication): ((seq: number) => void) | undefined
  /** It is on disk; called before those who listen are. */
  stored?(route: Route, message: Message): void
  /** False when it says nothing any more: then it is passed over, where it still waits for a client. Asked when it goes to a wire. */
  isWanted?(route: Route, message: Message): boolean
  /** The client of this subscriber has said that it has it; from 0x80 on, that it does not take it.  5: section 3.4.2.1 */
  acknowledged?(route: Route, message: Message, by: Subscriber, reasonCode: number): void
}

export interface Allowance {
  /** One message of so many bytes, of a device or of none: 0, or the seconds after which it may come again. */
  take(bytes: number, device: DeviceId | undefined): number
}

export interface Publication {
  readonly qos: QoS
  readonly retain: boolean
  /** As in `Message.properties`; may be a view that is reused at once. */
  readonly properties: Uint8Array | undefined
  /** Client identifier of the publisher. */
  readonly from: string | undefined
  /** What the publisher may do. */
  readonly permissions: Permissions
  /** How much it may publish; undefined for as much as it likes. */
  readonly allowance?: Allowance | undefined
  /** Refuse telemetry or a state that cannot be read, instead of keeping it and saying so on the device's page. */
  readonly checked: boolean
}

/** One to be filled for each message, which the router reads at once: an object for each costs 5 % of the path. Unfilled it may nothing. */
export function blankPublication(): { -readonly [K in keyof Publication]: Publication[K] } {
  return { qos: 0, retain: false, properties: undefined, from: undefined, permissions: nothing, allowance: undefined, checked: false }
}

/** With which the hub speaks itself. */
const own: { -readonly [K in keyof Publication]: Publication[K] } = { ...blankPublication(), qos: 1, permissions: unbounded }

/** The retained messages of clients, counted, and those of the hub itself, which are no one's share of `limits.retainedMessages`. */
export type RetainedMessages = Pick<Retained, 'count' | 'bytes' | 'match'>

const ownPrefix = '$SYS/'

export class Router implements Waiter {
  readonly tree: TopicTree
  readonly retained: RetainedMessages
  readonly dialects: Dialects
  /** What clients have retained; it is in the journal. */
  readonly #retained: Retained
  /** What the hub has said below `$SYS`; it is in memory alone. */
  readonly #own = new Retained()
  readonly #journal: Journal
  readonly #devices: Devices
  readonly #clock: Clock
  readonly #metrics: Metrics
  #routes = new Map<string, Route>()
  /** Kept messages waiting for their commit, in order; the journal answers in the same order. */
  #waiting: Message[] = []
  #waitingRoutes: Route[] = []
  #answered = 0
  #routing = 0
  readonly #meant = new Map<Meaning['is'], Meant>()
  /** Of devices that were deleted: what was appended below their topics up to this number is not retained. */
  readonly #forgotten = new Map<string, number>()

  constructor(
    tree: TopicTree,
    retained: Retained,
    journal: Journal,
    devices: Devices,
    clock: Clock,
    metrics: Metrics,
    dialects = new Dialects(),
  ) {
    this.tree = tree
    this.dialects = dialects
    this.#retained = retained
    this.retained = retainedOfBoth(retained, this.#own)
    this.#journal = journal
    this.#devices = devices
    this.#clock = clock
    this.#metrics = metrics
    journal.routedBy(() => (this.#routing !== 0 ? this.#routing : (this.#waiting[this.#answered]?.seq ?? Number.POSITIVE_INFINITY)))
  }

  /** One part of the hub for each meaning. */
  means(is: Meaning['is'], meant: Meant): void {
    assert(!this.#meant.has(is), `two parts of the hub deal with ${is}`)
    this.#meant.set(is, meant)
  }

  /** `topic` is a valid topic name. Remembered for all connections, so that a thousand publishers of one topic share its matches. */
  routeOf(topic: string): Route {
    let route = this.#routes.get(topic)
    if (route === undefined) {
      if (this.#routes.size >= limits.routeCacheTopics) this.#routes = new Map()
      route = new Route(topic, this.dialects.of(topic))
      this.#routes.set(topic, route)
    }
    return route
  }

  /**
   * Takes one message: the payload is `bytes` from `start` to `end`, which the caller may reuse at once. Returns its
   * number in the journal, whose `after` tells when it is on disk; 0 when it is not kept. Errors: a `Refusal`, and then nothing has happened.
   */
  publish(route: Route, bytes: Uint8Array, start: number, end: number, publication: Publication): number {
    const { meaning } = route
    if (meaning.is === 'spoken') return this.#publishSpoken(meaning.dialect, route.topic, bytes, start, end, publication)
    if (route.topic.startsWith('$')) throw new Refusal('topic-not-allowed', { topic: route.topic })
    if (!publication.permissions.isUnbounded) assertAllowed(route.topic, publication)
    if (publication.allowance !== undefined) assertRate(publication.allowance, end - start, meaning)
    if (meaning.is === 'bad-device-id') throw new Refusal('device-id-invalid', { id: meaning.text })
    const meant = this.#meant.get(meaning.is)
    if (meant?.isOwn === true && publication !== own) throw new Refusal('topic-not-allowed', { topic: route.topic })
    if (publication.retain) this.#retained.assertRoomFor(route.topic, end - start)
    const device = meaning.is === 'plain' ? 0 : this.#devices.numberOf(meaning.deviceId, publication.permissions)

    const appended = meant?.taken?.(route, bytes, start, end, publication)

    if (publication !== own) this.#metrics.messagesReceived++
    const isTelemetry = meaning.is === 'telemetry'
    const kept = publication.qos > 0 || publication.retain || isTelemetry || keeps(meant) || route.waitingQoS0 > 0
    if (!kept) {
      const matches = route.matches(this.tree)
      if (matches.length > 0) deliver(this.#message(0, route, bytes, start, end, publication), matches)
      return 0
    }

    let flags: number = publication.qos
    if (publication.retain) flags |= frameFlags.retain
    if (isTelemetry) flags |= frameFlags.telemetry
    if (publication.checked) flags |= frameFlags.checked
    if (meant?.flags !== undefined) flags |= meant.flags
    const seq = this.#journal.append(route.bytes, device, flags, publication.properties, bytes, start, end)
    appended?.(seq)
    // Nobody listens, which is the rule for telemetry: then nothing more than the frame is made of it.
    if (publication.retain || meant?.stored !== undefined || route.matches(this.tree).length > 0) {
      this.#waiting.push(this.#message(seq, route, bytes, start, end, publication))
      this.#waitingRoutes.push(route)
      if (publication.qos === 0) route.waitingQoS0++
      this.#journal.after(this, 0, publication.checked ? seq : 0)
    }
    return seq
  }

  /** Said in a dialect: taken as what it means from this device. All of it is allowed, or none is taken. */
  #publishSpoken(dialect: ForeignDialect, topic: string, bytes: Uint8Array, start: number, end: number, publication: Publication): number {
    const me = this.speakerOf(publication.permissions, publication.from)
    const said = this.dialects.read(dialect, topic, bytes.subarray(start, end), me)
    const routes = said.map((one) => this.routeOf(one.topic))
    if (!publication.permissions.isUnbounded) for (const route of routes) assertAllowed(route.topic, publication)
    let seq = 0
    for (const [at, route] of routes.entries()) {
      const payload = said[at]?.payload
      seq =
        payload === undefined
          ? this.publish(route, bytes, start, end, publication)
          : this.publish(route, payload, 0, payload.length, publication)
    }
    return seq
  }

  /** The device that a client is, where a dialect says `me`: that of its credential; of one that nothing is refused to, the one its client identifier names. */
  speakerOf(permissions: Permissions, clientId: string | undefined): DeviceId | undefined {
    if (!permissions.isUnbounded || clientId === undefined) return permissions.device
    for (const owner of possibleOwners(clientId)) if (this.#devices.has(owner)) return owner
    return isDeviceId(clientId) ? clientId : undefined
  }

  /**
   * The hub's own word about a device, kept at QoS 1 like anybody's. Returns its number in the journal. `properties` as in
   * `Message.properties`. Errors: those of `publish` that speak of room.
   */
  say(topic: string, payload: string | Uint8Array, properties?: Uint8Array): number {
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
    own.properties = properties
    try {
      return this.publish(this.#routeOnce(topic), bytes, 0, bytes.length, own)
    } finally {
      own.properties = undefined
    }
  }

  /** Whether a message that waits for a client still says something. */
  isWanted(message: Message): boolean {
    if (!message.topic.startsWith('devices/')) return true
    const route = this.#routeOnce(message.topic)
    return this.#meant.get(route.meaning.is)?.isWanted?.(route, message) ?? true
  }

  /** The client of this subscriber has acknowledged a message of the hub's own. */
  acknowledged(message: Message, by: Subscriber, reasonCode: number): void {
    if (!message.topic.startsWith('devices/')) return
    const route = this.#routeOnce(message.topic)
    this.#meant.get(route.meaning.is)?.acknowledged?.(route, message, by, reasonCode)
  }

  /** Not remembered: what the hub says itself goes by topics of one message each, a hundred thousand of them. */
  #routeOnce(topic: string): Route {
    return this.#routes.get(topic) ?? new Route(topic, this.dialects.of(topic))
  }

  /**
   * The hub's own word, below `$SYS`: delivered at once, retained, at QoS 2 as Mosquitto does it (conventions 4.2). It is never journalled,
   * because a hub that starts anew has other things to say of itself, and it counts neither as received nor against a limit.
   */
  publishOwn(topic: string, payload: string): void {
    assert(topic.startsWith(ownPrefix), 'the hub speaks for itself below $SYS alone')
    const atMs = this.#clock.now()
    const expiresAtMs = Number.POSITIVE_INFINITY
    const bytes = Buffer.from(payload)
    const message: Message = {
      seq: 0,
      topic,
      payload: bytes,
      qos: 2,
      retain: true,
      properties: undefined,
      atMs,
      expiresAtMs,
      from: undefined,
    }
    this.#own.set(message)
    deliver(message, this.routeOf(topic).matches(this.tree))
  }

  /**
   * Hands on what an earlier run had stored and perhaps not handed on. Who published it is not known any more, so No Local does not keep it
   * from its own publisher.
   */
  reroute(messages: readonly Message[]): void {
    for (const message of messages) deliver(message, this.routeOf(message.topic).matches(this.tree))
  }

  stored(): void {
    const route = this.#waitingRoutes[this.#answered] as Route
    const message = this.#nextAnswered()
    if (message.qos === 0) route.waitingQoS0--
    if (message.retain && !this.#isForgotten(message)) this.#retained.set(message)
    this.#routing = message.seq
    this.#meant.get(route.meaning.is)?.stored?.(route, message)
    deliver(message, route.matches(this.tree))
    this.#routing = 0
  }

  /** A device is deleted: nothing is retained of it, neither what was nor what is on its way to the disk. */
  forgetDevice(id: DeviceId): void {
    const prefix = `devices/${id}/`
    this.#retained.removeBelow(prefix)
    this.#forgotten.set(prefix, this.#journal.newestSeq)
  }

  #isForgotten({ topic, seq }: Message): boolean {
    for (const [prefix, lastSeq] of this.#forgotten) {
      if (seq > lastSeq) this.#forgotten.delete(prefix)
      else if (topic.startsWith(prefix)) return true
    }
    return false
  }

  /** All that is on disk up to here was handed on to those who listen. */
  get settledSeq(): number {
    const oldest = this.#waiting[this.#answered]?.seq ?? Number.POSITIVE_INFINITY
    return Math.min(this.#journal.storedSeq, oldest - 1)
  }

  /** True for the kept message that is being handed on to its subscribers right now. */
  isRouting(message: Message): boolean {
    return message.seq === this.#routing
  }

  /** Not on disk, so its publisher will send it again; a QoS 0 message nobody sends again, and live delivery promises no disk. */
  failed(_token: number, why: Refusal): void {
    const route = this.#waitingRoutes[this.#answered] as Route
    const message = this.#nextAnswered()
    if (message.qos === 0) route.waitingQoS0--
    if (message.qos === 0 && why.row.retry) deliver(message, route.matches(this.tree))
  }

  #nextAnswered(): Message {
    const message = this.#waiting[this.#answered++] as Message
    if (this.#answered === this.#waiting.length || this.#answered >= 8192) {
      this.#waiting = this.#waiting.slice(this.#answered)
      this.#waitingRoutes = this.#waitingRoutes.slice(this.#answered)
      this.#answered = 0
    }
    return message
  }

  #message(seq: number, route: Route, bytes: Uint8Array, start: number, end: number, publication: Publication): Message {
    // The copy lets go of the socket's read buffer, which is reused by the next read.
    const payload = Buffer.from(bytes.subarray(start, end))
    const properties = publication.properties === undefined ? undefined : Buffer.from(publication.properties)
    const { qos, retain, from } = publication
    const expiresAtMs = properties === undefined ? Number.POSITIVE_INFINITY : expiryOf(properties, this.#clock.steady())
    return { seq, topic: route.topic, payload, qos, retain, properties, atMs: this.#clock.now(), expiresAtMs, from }
  }
}

/** What the hub makes something of is kept, whatever its QoS. */
function keeps(meant: Meant | undefined): boolean {
  return meant !== undefined && (meant.taken !== undefined || meant.flags !== undefined)
}

/** Whether this may be published, now; also asked of a will when its client comes. Errors: `not-allowed`, `not-a-child`, `child-disabled`. */
export function assertAllowed(topic: string, { permissions, retain }: Pick<Publication, 'permissions' | 'retain'>): void {
  if (!permissions.may('publish', topic)) throw notAllowed('publish', topic, permissions)
  if (retain && !permissions.may('retain', topic)) throw notAllowed('retain', topic, permissions)
}

/** A gateway is told of the device that it may not speak for. */
export function notAllowed(action: string, topic: string, permissions: Permissions): Refusal {
  const { device, why } = permissions.whyNotFor(topic) ?? {}
  if (device === undefined) return new Refusal('not-allowed', { action, topic })
  return new Refusal(why === 'disabled' ? 'child-disabled' : 'not-a-child', { device })
}

/** Errors: `rate-exceeded`. */
function assertRate(allowance: Allowance, bytes: number, meaning: Meaning): void {
  const seconds = allowance.take(bytes, 'deviceId' in meaning ? meaning.deviceId : undefined)
  if (seconds > 0) throw new Refusal('rate-exceeded', { seconds })
}

/** A filter that names `$SYS` matches nothing of clients, who may not publish there, and no other filter matches it.  5: [MQTT-4.7.2-1] */
function retainedOfBoth(ofClients: Retained, own: Retained): RetainedMessages {
  return {
    get count() {
      return ofClients.count
    },
    get bytes() {
      return ofClients.bytes
    },
    match: (filter, nowMs) => (filter.startsWith(ownPrefix) ? own : ofClients).match(filter, nowMs),
  }
}

function deliver(message: Message, matches: readonly Match[]): void {
  for (const match of matches) {
    const isOwn = message.from !== undefined && message.from === match.subscriber.clientId
    const how = isOwn ? forSelf(match) : match
    if (how !== undefined) match.subscriber.deliver(message, how)
  }
}
