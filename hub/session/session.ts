// What the hub remembers about one client: its subscriptions and what it is owed. It outlives its connections, and, when it has a number in
// the store, the process.
import type { DeviceId } from '../../devices/device.ts'
import type { ForeignDialect } from '../../devices/dialects/dialect.ts'
import type { Message, QoS } from '../../devices/message.ts'
import type { Will } from '../../devices/will.ts'
import { Refusal } from '../errors.ts'
import { notAllowed, type Router } from '../routing/router.ts'
import { type Member, type Membership, type SharedGroup, sharedFilterOf, standing } from '../routing/shared-group.ts'
import type { Match, Subscription } from '../routing/topic-tree.ts'
import type { StoredSession, StoredSubscription, Waiter } from '../store/store.ts'
import type { Timed } from '../wheel.ts'
import type { Begun } from './beginning.ts'
import type { AcknowledgingConnection, Connection, FollowingConnection } from './connection.ts'
import { Deliveries } from './deliveries.ts'
import { Follower } from './follower.ts'
import { Histories } from './histories.ts'
import type { Principal } from './principal.ts'
import type { Sessions } from './sessions.ts'

/** Where a session stands. */
export type Presence =
  | { readonly at: 'online'; readonly connection: Connection; readonly sinceMs: number }
  /** Remembered until then, Unix ms. */
  | { readonly at: 'away'; readonly untilMs: number }
  | { readonly at: 'ended' }

const none: ReadonlyMap<string, Subscription> = new Map()

export class Session implements Timed, Member, Waiter {
  readonly clientId: string
  /** Whom it belongs to; of an absent client who it was. */
  principal: Principal
  #number: number
  readonly #sessions: Sessions
  readonly #router: Router
  #presence: Presence = { at: 'away', untilMs: 0 }
  /** Built when first needed, like the next two: most devices publish and never hear anything. */
  #subscriptions: Map<string, Subscription> | undefined = undefined
  #deliveries: Deliveries | undefined = undefined
  /** There when its client goes by cursor; such a session owes nothing one by one. */
  #follower: Follower | undefined = undefined
  /** Of new subscriptions that asked for it; there while there are any. */
  #histories: Histories | undefined = undefined
  /** Its client has subscribed in the words of this dialect: it is told in them what they can say. */
  #dialect: ForeignDialect | undefined = undefined
  /** Packet identifiers of QoS 2 PUBLISHes that came and were not yet released.  5: [MQTT-4.3.3-10] */
  receivedQoS2: Set<number> | undefined = undefined
  will: Will | undefined = undefined
  /** Seconds the session outlives its connection; 0 ends it with the connection. */
  expirySeconds = 0
  dueTick = 0

  constructor(clientId: string, principal: Principal, number: number, sessions: Sessions, router: Router) {
    this.clientId = clientId
    this.principal = principal
    this.#number = number
    this.#sessions = sessions
    this.#router = router
  }

  /** Its number in the store; 0 for a session of which nothing is kept there. */
  get number(): number {
    return this.#number
  }

  get lasts(): boolean {
    return this.expirySeconds > 0
  }

  get presence(): Presence {
    return this.#presence
  }

  /** The wire it has now. */
  get connection(): Connection | undefined {
    return this.#presence.at === 'online' ? this.#presence.connection : undefined
  }

  /** The same, of a client that acknowledges each message. */
  get acknowledging(): AcknowledgingConnection | undefined {
    const { connection } = this
    return connection?.follows === false ? connection : undefined
  }

  /** The same, of a client that goes by cursor. */
  get following(): FollowingConnection | undefined {
    const { connection } = this
    return connection?.follows === true ? connection : undefined
  }

  get follower(): Follower | undefined {
    return this.#follower
  }

  /** Its client goes by cursor, and this is where it stands. Once, before anything else happens to it. */
  follow(afterSeq: number): Follower {
    this.#follower = new Follower(this, this.#sessions, this.#router, afterSeq)
    return this.#follower
  }

  /** By their filters, as the client has said them. */
  get subscriptions(): ReadonlyMap<string, Subscription> {
    return this.#subscriptions ?? none
  }

  get outboxCount(): number {
    return this.#deliveries?.waiting ?? 0
  }

  get outboxBytes(): number {
    return this.#deliveries?.waitingBytes ?? 0
  }

  /** Called by `Sessions` alone, which also tells the old connection why it is closed. */
  become(presence: Presence): void {
    this.#presence = presence
    if (presence.at === 'online') return
    this.#histories?.left()
    this.#deliveries?.left()
    this.#follower?.left()
    if (presence.at === 'away') return
    for (const subscription of this.subscriptions.values()) this.#remove(subscription)
    this.#subscriptions = undefined
    if (this.#deliveries !== undefined) this.#deliveries.ended()
    else if (this.#number !== 0) this.#sessions.sessionLog.ended(this.#number)
  }

  /** The session's time is up: it was away for longer than it asked to be remembered. */
  onDue(): void {
    this.#sessions.end(this)
  }

  /** As it was when an earlier run of the hub ended. Before anything else happens to it. */
  restore(stored: StoredSession): void {
    const { subscriptions, followedSeq, owedCount, owedBytes, owedByGroups, receivedQoS2, will, expirySeconds, awayMs } = stored
    this.#presence = { at: 'away', untilMs: awayMs + expirySeconds * 1000 }
    this.expirySeconds = expirySeconds
    this.will = will
    if (receivedQoS2.length > 0) this.receivedQoS2 = new Set(receivedQoS2)
    for (const subscription of subscriptions) this.#add(subscription)
    if (followedSeq !== undefined) this.follow(followedSeq)
    if (owedCount > 0) this.#own().expect(owedCount, owedBytes, owedByGroups)
  }

  /** It left no trace in the store so far, and from now on it does. */
  putOnRecord(): void {
    this.#number = this.#sessions.record(this)
    this.#follower?.tellPlace()
  }

  /** Why its client may not stay, once `revise` has looked at whom it belongs to: what it says, or a subscription that is lost by it. */
  revised(revise: (principal: Principal) => Refusal | undefined): Refusal | undefined {
    const { permissions } = this.principal
    const why = revise(this.principal)
    if (why !== undefined) this.#sessions.leaveToOwner(this) // a will is published when it is closed, and asked about then
    if (why !== undefined || this.principal.permissions === permissions) return why
    for (const filter of this.subscriptions.keys()) {
      if (this.maySubscribe(filter)) continue
      // What a gateway has subscribed for its children sleeps while they are not its own: the others need not suffer for it.
      if (!permissions.isGateway || permissions.mayItself(this.#ownFilter(filter)))
        return new Refusal('not-allowed', { action: 'subscribe to', topic: filter })
    }
    return undefined
  }

  // ── subscriptions ──

  /**
   * `begun`: where its history begins, which comes first. True when the filter was not subscribed before. Errors: `not-allowed`,
   * `not-a-child`, `child-disabled`, `too-many-subscriptions`, `too-many-members`.
   */
  subscribe(filter: string, options: Omit<StoredSubscription, 'filter'>, begun?: Promise<Begun>): boolean {
    if (!this.maySubscribe(filter)) throw notAllowed('subscribe to', this.#ownFilter(filter), this.principal.permissions)
    const isNew = !this.subscriptions.has(filter)
    const { subscriptionsMax } = this.principal
    if (isNew && this.subscriptions.size >= subscriptionsMax) throw new Refusal('too-many-subscriptions', { limit: subscriptionsMax })
    const { filter: ownFilter } = this.#add({ filter, ...options }, begun)
    if (this.#number !== 0) this.#sessions.sessionLog.subscribed(this.#number, { filter, ...options })
    this.#sessions.subscribed(this, ownFilter, isNew)
    return isNew
  }

  maySubscribe(filter: string): boolean {
    return this.principal.permissions.maySubscribe(this.#ownFilter(filter))
  }

  /** What is asked of the tree: without a share name, and in the words of the hub's own plan. */
  #ownFilter(filter: string): string {
    const dialect = this.#router.dialects.foreignOf(filter)
    if (dialect === undefined) return sharedFilterOf(filter) ?? filter
    const me = this.#me()
    return (me === undefined ? undefined : dialect.filterOf(filter, me)) ?? filter
  }

  #me(): DeviceId | undefined {
    return this.#router.speakerOf(this.principal.permissions, this.clientId)
  }

  /** As its client is told it. */
  worded(message: Message): Message {
    if (this.#dialect === undefined) return message
    const me = this.#me()
    const { meaning } = this.#router.routeOf(message.topic)
    return me === undefined ? message : this.#router.dialects.write(this.#dialect, message, meaning, me)
  }

  /** A gateway hears of its own children, and needs no outbox for what all others are told. */
  #partOf(filter: string): Subscription['isFor'] {
    const { permissions } = this.principal
    if (!permissions.isGateway || permissions.mayItself(filter)) return undefined
    return (topic) => this.principal.permissions.may('subscribe', topic)
  }

  /** Asked when the message goes to the wire, wherever it comes from: what was allowed when it was subscribed or queued may not be now. */
  mayHave({ topic }: Message): boolean {
    return this.principal.permissions.may('subscribe', topic)
  }

  #add({ filter: said, qos, noLocal, retainAsPublished, identifier }: StoredSubscription, begun?: Promise<Begun>): Subscription {
    const identifiers = identifier === undefined ? undefined : [identifier]
    const dialect = this.#router.dialects.foreignOf(said)
    this.#dialect = dialect ?? this.#dialect
    const filter = dialect === undefined ? said : this.#ownFilter(said)
    const subscription: Membership = { filter, subscriber: this, qos, noLocal, retainAsPublished, identifiers, isFor: this.#partOf(filter) }
    const { tree } = this.#router
    if (sharedFilterOf(filter) !== undefined) tree.join(subscription)
    else {
      const before = this.subscriptions.get(said)
      if (before !== undefined) this.#remove(before) //  5: [MQTT-3.8.4-3]
      if (begun === undefined) tree.add(subscription)
      else this.#ownHistories().add(subscription, begun)
    }
    this.#subscriptions ??= new Map()
    this.#subscriptions.set(said, subscription)
    return subscription
  }

  /** Sends the retained messages of its filter, as a new subscription is owed.  5: [MQTT-3.3.1-9] */
  replayRetained(subscription: Subscription): void {
    if (this.#follower !== undefined) this.#follower.replayRetained(subscription)
    else this.#own().replay(subscription, (message, subscribed) => this.#qosOf(message, subscribed))
  }

  /** False when there was no such subscription. */
  unsubscribe(filter: string): boolean {
    const subscription = this.subscriptions.get(filter)
    if (subscription === undefined) return false
    this.#remove(subscription)
    this.#subscriptions?.delete(filter)
    this.#follower?.endHistory(filter)
    if (this.#number !== 0) this.#sessions.sessionLog.unsubscribed(this.#number, filter)
    return true
  }

  #remove(subscription: Subscription): void {
    if (this.#histories?.remove(subscription.filter) === true) return
    if (sharedFilterOf(subscription.filter) === undefined) this.#router.tree.remove(subscription)
    else this.#router.tree.leave(subscription.filter, this)
  }

  // ── from the hub to the client ──

  deliver(message: Message, match: Match): void {
    if (this.#follower !== undefined) {
      this.#follower.deliver(message)
      return
    }
    const qos = this.#qosOf(message, match.qos)
    if (qos === 0 && this.#presence.at !== 'online') return // a client that is away is owed QoS 1 and 2 only  5: section 3.1.2.11.2
    const retain = match.retainAsPublished && message.retain //  5: [MQTT-3.3.1-12], [MQTT-3.3.1-13]
    this.#own().deliver(message, qos, retain, match.identifiers)
  }

  /** How well it could take a message of a group now, see `standing`. */
  standing(message: Message, subscribed: QoS): number {
    if (!this.mayHave(message)) return standing.never
    const qos = message.qos < subscribed ? message.qos : subscribed
    const connection = this.acknowledging
    const deliveries = this.#own()
    if (connection === undefined) {
      if (qos === 0) return standing.never
      return deliveries.hasRoom ? standing.away + deliveries.waiting : standing.full
    }
    if (deliveries.isFree(connection, qos)) return standing.free
    return deliveries.hasRoom ? standing.online + deliveries.waiting : standing.full
  }

  deliverShared(message: Message, match: Match, group: SharedGroup): void {
    const qos = this.#qosOf(message, match.qos) //  5: [MQTT-4.8.2-3]
    if (this.standing(message, match.qos) === standing.never) this.#sessions.metrics.dropped('no-member')
    else this.#own().deliver(message, qos, match.retainAsPublished && message.retain, match.identifiers, group)
  }

  /**
   * What the hub says of itself (it has no place in the journal) is never QoS 2 in a session that outlives the process: after a crash its
   * packet identifier would be given to another message, which the client would take for this one.
   */
  #qosOf(message: Message, subscribed: QoS): QoS {
    const qos = message.qos < subscribed ? message.qos : subscribed
    return qos === 2 && message.seq === 0 && this.#number !== 0 ? 1 : qos
  }

  /** Sends until nothing waits or the wire is full. */
  flush(): void {
    this.#deliveries?.flush()
    this.#follower?.flush()
  }

  /** See `Deliveries.resend`. */
  resend(): void {
    this.#deliveries?.resend()
  }

  /** PUBACK, PUBCOMP, or a PUBREC that refuses: the delivery is over. */
  finished(packetId: number, by: 'puback' | 'pubrec' | 'pubcomp', reasonCode = 0): void {
    this.#deliveries?.finished(packetId, by, reasonCode)
  }

  /** PUBREC. False for an identifier that is not in use. */
  received(packetId: number): boolean {
    return this.#deliveries?.received(packetId) ?? false
  }

  // ── from the client to the hub, at QoS 2 ──

  /** A PUBLISH came and is in the journal's open batch. */
  receivedPublish(packetId: number): void {
    this.receivedQoS2 ??= new Set()
    this.receivedQoS2.add(packetId)
    if (this.#number !== 0) this.#sessions.sessionLog.received(this.#number, packetId)
    this.#sessions.journal.after(this, packetId)
  }

  /** PUBREL came for it. False when the identifier was not in use. */
  releasedPublish(packetId: number): boolean {
    if (this.receivedQoS2?.delete(packetId) !== true) return false
    if (this.#number !== 0) this.#sessions.sessionLog.forgotten(this.#number, packetId)
    return true
  }

  stored(): void {}

  /**
   * The PUBLISH is not on disk, so its identifier is free. Whichever connection the client has by now is closed: one that sent the PUBLISH
   * again would be told that it is stored.
   */
  failed(packetId: number, why: Refusal): void {
    this.receivedQoS2?.delete(packetId)
    this.connection?.close(why)
  }

  /** The wire takes more than what waits. */
  flushHistories(): void {
    this.#histories?.flush()
  }

  #ownHistories(): Histories {
    this.#histories ??= new Histories(this, this.#sessions, this.#router.tree, this.#own())
    return this.#histories
  }

  #own(): Deliveries {
    this.#deliveries ??= new Deliveries(this, this.#sessions, this.#router)
    return this.#deliveries
  }
}
