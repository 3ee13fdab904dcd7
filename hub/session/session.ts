// What the hub remembers about one client: its subscriptions and what it is owed. It outlives its connections.
import type { Message, QoS } from '../../devices/message.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Router } from '../routing/router.ts'
import { type Member, type Membership, type SharedGroup, sharedFilterOf, standing } from '../routing/shared-group.ts'
import type { Match, Subscription } from '../routing/topic-tree.ts'
import type { Timed } from '../wheel.ts'
import type { Connection, Delivery } from './connection.ts'
import { Inflight } from './inflight.ts'
import { Outbox } from './outbox.ts'
import type { Sessions } from './sessions.ts'
import type { Will } from './will.ts'

/** Where a session stands. */
export type Presence =
  | { readonly at: 'online'; readonly connection: Connection; readonly sinceMs: number }
  | { readonly at: 'away' }
  | { readonly at: 'ended' }

export class Session implements Timed, Member {
  readonly clientId: string
  readonly #sessions: Sessions
  readonly #router: Router
  #presence: Presence = { at: 'away' }
  readonly subscriptions = new Map<string, Subscription>()
  /** Both are built when first needed: most devices publish and never hear anything. */
  #outbox: Outbox | undefined = undefined
  #inflight: Inflight | undefined = undefined
  /** Retained messages a new subscription is owed; they go out before anything newer, at the pace of the wire. */
  #replay: Delivery[] | undefined = undefined
  #replayed = 0
  /** In-flight deliveries that the present connection has not seen yet: it may take fewer at a time than the one before. */
  #unsent: number[] = []
  /** Packet identifiers of QoS 2 PUBLISHes that came and were not yet released.  5: [MQTT-4.3.3-10] */
  receivedQoS2: Set<number> | undefined = undefined
  will: Will | undefined = undefined
  /** Seconds the session outlives its connection; 0 ends it with the connection. */
  expirySeconds = 0
  dueTick = 0

  constructor(clientId: string, sessions: Sessions, router: Router) {
    this.clientId = clientId
    this.#sessions = sessions
    this.#router = router
  }

  get presence(): Presence {
    return this.#presence
  }

  get outboxCount(): number {
    return this.#outbox?.count ?? 0
  }

  /** Called by `Sessions` alone, which also tells the old connection why it is closed. */
  become(presence: Presence): void {
    this.#presence = presence
    if (presence.at === 'online') return
    this.#oweReplay()
    this.#unsent = []
    this.#outbox?.dropQoS0()
    if (presence.at === 'ended') {
      for (const subscription of this.subscriptions.values()) this.#remove(subscription)
      this.subscriptions.clear()
      this.#handOver()
      this.#outbox?.clear()
    }
  }

  /** The session's time is up: it was away for longer than it asked to be remembered. */
  onDue(): void {
    this.#sessions.end(this)
  }

  /** True when the filter was not subscribed before. Errors: `too-many-subscriptions`, `too-many-members`. */
  subscribe(filter: string, options: { qos: QoS; noLocal: boolean; retainAsPublished: boolean; identifier: number | undefined }): boolean {
    const before = this.subscriptions.get(filter)
    if (before === undefined && this.subscriptions.size >= limits.subscriptionsPerSession) {
      throw new Refusal('too-many-subscriptions', { limit: limits.subscriptionsPerSession })
    }
    const { qos, noLocal, retainAsPublished, identifier } = options
    const subscription: Membership = {
      filter,
      subscriber: this,
      qos,
      noLocal,
      retainAsPublished,
      identifiers: identifier === undefined ? undefined : [identifier],
    }
    const { tree } = this.#router
    if (sharedFilterOf(filter) !== undefined) tree.join(subscription)
    else {
      if (before !== undefined) tree.remove(before) //  5: [MQTT-3.8.4-3]
      tree.add(subscription)
    }
    this.subscriptions.set(filter, subscription)
    return before === undefined
  }

  /** Sends the retained messages of a filter, as a new subscription is owed.  5: [MQTT-3.3.1-9] */
  replayRetained(filter: string): void {
    const subscription = this.subscriptions.get(filter)
    if (subscription === undefined) return
    const messages = this.#router.retained.match(filter, this.#sessions.now())
    if (messages.length === 0) return
    const replay = this.#replay ?? []
    for (const message of messages) {
      replay.push({ message, qos: lower(message.qos, subscription.qos), retain: true, identifiers: subscription.identifiers })
    }
    this.#replay = replay
    this.flush()
  }

  /** False when there was no such subscription. */
  unsubscribe(filter: string): boolean {
    const subscription = this.subscriptions.get(filter)
    if (subscription === undefined) return false
    this.#remove(subscription)
    this.subscriptions.delete(filter)
    return true
  }

  #remove(subscription: Subscription): void {
    if (sharedFilterOf(subscription.filter) === undefined) this.#router.tree.remove(subscription)
    else this.#router.tree.leave(subscription.filter, this)
  }

  deliver(message: Message, match: Match): void {
    const qos = lower(message.qos, match.qos)
    const retain = match.retainAsPublished && message.retain //  5: [MQTT-3.3.1-12], [MQTT-3.3.1-13]
    if (this.#presence.at !== 'online') {
      // A client that is away is owed QoS 1 and 2 only.  5: section 3.1.2.11.2
      if (qos > 0) this.#owe({ message, qos, retain, identifiers: match.identifiers })
      return
    }
    const { connection } = this.#presence
    if (this.#nothingWaits() && connection.writable && (qos === 0 || this.#hasWindow(connection))) {
      this.#send(connection, message, qos, retain, match.identifiers)
    } else this.#owe({ message, qos, retain, identifiers: match.identifiers })
  }

  /** How well it could take a message of a group now, see `standing`. */
  standing(qos: QoS): number {
    if (this.#presence.at !== 'online') {
      if (qos === 0) return standing.never
      return this.#hasRoom() ? standing.away + this.outboxCount : standing.full
    }
    const { connection } = this.#presence
    if (this.#nothingWaits() && connection.writable && (qos === 0 || this.#hasWindow(connection))) return standing.free
    return this.#hasRoom() ? standing.online + this.outboxCount : standing.full
  }

  deliverShared(message: Message, match: Match, group: SharedGroup): void {
    const qos = lower(message.qos, match.qos) //  5: [MQTT-4.8.2-3]
    const retain = match.retainAsPublished && message.retain
    const { identifiers } = match
    const stands = this.standing(qos)
    if (stands === standing.never) this.#sessions.metrics.messagesDropped++
    else if (stands === standing.free && this.#presence.at === 'online') {
      this.#send(this.#presence.connection, message, qos, retain, identifiers, group)
    } else this.#owe({ message, qos, retain, identifiers, group })
  }

  /**
   * The session ends: what its groups had entrusted to it goes to other members, in order. What was begun at QoS 2 may go to nobody else
   * 5: [MQTT-4.8.2-5]; one that the client has answered with PUBREC is not lost.
   */
  #handOver(): void {
    for (const [, { delivery, released }] of this.#inflight?.entries() ?? []) {
      if (delivery.qos === 1) this.#passOn(delivery)
      else if (delivery.group !== undefined && !released) this.#sessions.metrics.messagesDropped++
    }
    for (let next = this.#outbox?.take(); next !== undefined; next = this.#outbox?.take()) this.#passOn(next)
  }

  #passOn({ message, group }: Delivery): void {
    if (group === undefined || message.expiresAtMs <= this.#sessions.now()) return
    if (!group.deliver(message)) this.#sessions.metrics.messagesDropped++ // it was the last member
  }

  /** Sends until nothing waits or the wire is full. */
  flush(): void {
    if (this.#presence.at !== 'online') return
    const { connection } = this.#presence
    this.#resendWaiting(connection)
    while (connection.writable) {
      const next = this.#peek()
      if (next === undefined) return
      if (next.qos > 0 && !this.#hasWindow(connection)) return
      this.#takeNext()
      this.#send(connection, next.message, next.qos, next.retain, next.identifiers, next.group)
    }
  }

  /** What was sent on an earlier connection and never acknowledged goes out again, in order.  5: [MQTT-4.4.0-1]  3.1.1: [MQTT-4.4.0-1] */
  resend(): void {
    if (this.#presence.at !== 'online') return
    const { connection } = this.#presence
    for (const [packetId, { released }] of this.#inflight?.entries() ?? []) {
      if (released) connection.sendRelease(packetId)
      else this.#unsent.push(packetId)
    }
    this.flush()
  }

  #resendWaiting(connection: Connection): void {
    while (this.#unsent.length > 0 && connection.writable && this.#windowUsed() < connection.inflightMax) {
      const packetId = this.#unsent.shift() as number
      const delivery = this.#inflight?.delivery(packetId)
      if (delivery === undefined) continue // acknowledged meanwhile, unasked
      const { message, qos, retain, identifiers } = delivery
      if (!connection.send(message, qos, retain, identifiers, packetId, true)) this.#inflight?.finish(packetId)
    }
  }

  /** PUBACK, PUBCOMP, or a PUBREC that refuses: the delivery is over. False for an identifier that is not in use. */
  finished(packetId: number): boolean {
    const known = this.#inflight?.finish(packetId) ?? false
    if (known && this.#unsent.length > 0) this.#unsent = this.#unsent.filter((waiting) => waiting !== packetId)
    this.flush()
    return known
  }

  /** PUBREC: the first half of a QoS 2 delivery is over. False for an identifier that is not in use. */
  received(packetId: number): boolean {
    return this.#inflight?.release(packetId) ?? false
  }

  /** The wire was lost in the middle of retained messages: those at QoS 1 and 2 are owed like any other. */
  #oweReplay(): void {
    const replay = this.#replay
    this.#replay = undefined
    for (let at = this.#replayed; replay !== undefined && at < replay.length; at++) if (replay[at]!.qos > 0) this.#owe(replay[at]!)
    this.#replayed = 0
  }

  #owe(delivery: Delivery): void {
    this.#outbox ??= new Outbox(this.#sessions.outboxBudget, this.#sessions.metrics)
    this.#outbox.push(delivery)
  }

  #send(
    connection: Connection,
    message: Message,
    qos: QoS,
    retain: boolean,
    identifiers: readonly number[] | undefined,
    group?: SharedGroup,
  ): void {
    if (message.expiresAtMs <= this.#sessions.now()) return //  5: [MQTT-3.3.2-5]
    this.#sessions.metrics.messagesSent++
    if (qos === 0) {
      connection.send(message, 0, retain, identifiers, 0, false)
      return
    }
    this.#inflight ??= new Inflight()
    const delivery = { message, qos, retain, identifiers }
    const packetId = this.#inflight.add(group === undefined ? delivery : { ...delivery, group })
    // What is larger than the client takes counts as delivered.  5: [MQTT-3.1.2-25]
    if (!connection.send(message, qos, retain, identifiers, packetId, false)) this.#inflight.finish(packetId)
  }

  #hasWindow(connection: Connection): boolean {
    return this.#unsent.length === 0 && this.#windowUsed() < connection.inflightMax
  }

  /** Deliveries that the present connection has yet to acknowledge. */
  #windowUsed(): number {
    return this.#inflight === undefined ? 0 : this.#inflight.count - this.#unsent.length
  }

  #nothingWaits(): boolean {
    return this.#replay === undefined && (this.#outbox === undefined || this.#outbox.count === 0)
  }

  /** Room for any message, so that a group may count on it. */
  #hasRoom(): boolean {
    const outbox = this.#outbox
    const most = limits.packetBytes
    if (this.#sessions.outboxBudget.bytes + most > limits.outboxBytesAll) return false
    return outbox === undefined || (outbox.count < limits.outboxMessages && outbox.bytes + most <= limits.outboxBytes)
  }

  #peek(): Delivery | undefined {
    return this.#replay?.[this.#replayed] ?? this.#outbox?.peek()
  }

  #takeNext(): void {
    if (this.#replay === undefined) {
      this.#outbox?.take()
      return
    }
    this.#replayed++
    if (this.#replayed < this.#replay.length) return
    this.#replay = undefined
    this.#replayed = 0
  }
}

function lower(a: QoS, b: QoS): QoS {
  return a < b ? a : b
}
