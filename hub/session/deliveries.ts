// What is on its way to one client: owed, sent, acknowledged, at the pace of its wire and, where it outlives the process, of its disk.
import type { Message, QoS } from '../../devices/message.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Router } from '../routing/router.ts'
import type { SharedGroup } from '../routing/shared-group.ts'
import type { Subscription } from '../routing/topic-tree.ts'
import type { StoredDelivery, Waiter } from '../store/store.ts'
import type { AcknowledgingConnection, Delivery } from './connection.ts'
import { handOver } from './hand-over.ts'
import { Inflight, type Sent } from './inflight.ts'
import { Outbox } from './outbox.ts'
import { Replay } from './replay.ts'
import type { Session } from './session.ts'
import type { Sessions } from './sessions.ts'

/** What an earlier run left on disk for a session. */
interface OnDisk {
  readonly count: number
  readonly byGroups: boolean
  loading: boolean
  /** Acknowledgements that came before it was read. */
  readonly early: (() => void)[]
}

export class Deliveries implements Waiter {
  readonly #session: Session
  readonly #sessions: Sessions
  readonly #router: Router
  /** Both are built when first needed. */
  #outbox: Outbox | undefined = undefined
  #inflight: Inflight | undefined = undefined
  /** It is read when the client comes back. */
  #onDisk: OnDisk | undefined = undefined
  /** Retained messages a new subscription is owed; they go out before anything newer, at the pace of the wire. */
  #replay: Replay | undefined = undefined
  /** In-flight deliveries that the present connection has not seen yet: it may take fewer at a time than the one before. */
  #unsent: number[] = []
  /** Deliveries at QoS 2 that wait for the disk before they are sent; what is to come after them waits in the outbox. */
  #storing = 0

  constructor(session: Session, sessions: Sessions, router: Router) {
    this.#session = session
    this.#sessions = sessions
    this.#router = router
  }

  /** Deliveries that wait to be sent. */
  get waiting(): number {
    return this.#outbox?.count ?? 0
  }

  get waitingBytes(): number {
    return this.#outbox?.bytes ?? 0
  }

  /** The connection is gone. */
  left(): void {
    this.#oweReplay()
    this.#unsent = []
    this.#outbox?.dropQoS0()
  }

  /** An earlier run left so much on disk. */
  expect(count: number, bytes: number, byGroups: boolean): void {
    this.#onDisk = { count, byGroups, loading: false, early: [] }
    this.#ownOutbox().expect(count, bytes)
  }

  /** Sends it now, or owes it. */
  deliver(message: Message, qos: QoS, retain: boolean, identifiers: readonly number[] | undefined, group?: SharedGroup): void {
    const connection = this.#session.acknowledging
    if (connection !== undefined && this.isFree(connection, qos)) this.#send(connection, message, qos, retain, identifiers, group)
    else {
      const delivery = { message, qos, retain, identifiers, place: 0 }
      this.#owe(group === undefined ? delivery : { ...delivery, group })
    }
  }

  /** The retained messages of a filter are owed to a new subscription, each at most at this QoS. */
  replay(subscription: Subscription, qosOf: (message: Message, subscribed: QoS) => QoS): void {
    this.#replay ??= new Replay(
      (filter) => this.#router.retained.match(filter, this.#sessions.now()),
      (message, { qos, identifiers }) => ({ message, qos: qosOf(message, qos), retain: true, identifiers, place: 0 }),
    )
    if (!this.#replay.add(subscription)) this.#sessions.metrics.dropped('outbox-full')
    this.flush()
  }

  /** The session ends: what its groups had entrusted to it goes to other members, in order. */
  ended(): void {
    for (const [, { delivery, step }] of this.#inflight?.entries() ?? []) handOver(delivery, step, this.#sessions)
    for (let next = this.#outbox?.take(); next !== undefined; next = this.#outbox?.take()) handOver(next, 'waiting', this.#sessions)
    const { number } = this.#session
    if (number !== 0 && this.#onDisk?.byGroups === true) this.#handOverStored(number)
    else if (number !== 0) {
      this.#sessions.metrics.dropped('session-ended', this.waiting) // what is still on disk is counted, not read
      this.#sessions.sessionLog.ended(number)
    }
    this.#outbox?.clear()
  }

  /** Until the others have it, it stays on record here. */
  #handOverStored(number: number): void {
    this.#sessions.owed(this.#session).then(
      (deliveries) => {
        for (const stored of deliveries) handOver(this.#deliveryOf(stored), stepOf(stored), this.#sessions)
        this.#sessions.sessionLog.ended(number)
      },
      () => {}, // the thread that reads is gone: so is the hub, and the next start ends this session again
    )
  }

  /** Sends until nothing waits or the wire is full. */
  flush(): void {
    const connection = this.#session.acknowledging
    if (connection === undefined || this.#onDisk !== undefined) return
    this.#resendWaiting(connection)
    while (connection.writable) {
      const next = this.#peek()
      if (next === undefined) {
        this.#session.flushHistories()
        return
      }
      if (!this.#mayFollow(connection, next.qos)) return
      this.#takeNext()
      this.#transmit(connection, next)
    }
  }

  /**
   * What was sent on an earlier connection and never acknowledged goes out again, in order, also when that was in an earlier run of the
   * hub.  5: [MQTT-4.4.0-1]  3.1.1: [MQTT-4.4.0-1]
   */
  resend(): void {
    const connection = this.#session.acknowledging
    if (connection === undefined) return
    if (this.#onDisk !== undefined) {
      const onDisk = this.#onDisk
      this.#load(onDisk).catch((error: Error) => this.#loadFailed(onDisk, error))
      return
    }
    for (const [packetId, sent] of this.#inflight?.entries() ?? []) {
      const { step } = sent
      if (step === 'released') connection.sendRelease(packetId)
      else if (step !== 'releasing') this.#unsent.push(packetId)
      // The disk failed it; what it waits for went into a later batch.
      if ((step === 'storing' || step === 'releasing') && !sent.waiting) this.#waitFor(sent, packetId)
    }
    this.flush()
  }

  #loadFailed(onDisk: OnDisk, error: Error): void {
    onDisk.loading = false
    this.#session.connection?.close(new Refusal('store-failed', { detail: error.message }))
  }

  #resendWaiting(connection: AcknowledgingConnection): void {
    while (this.#unsent.length > 0 && connection.writable && this.#windowUsed() < connection.inflightMax) {
      const packetId = this.#unsent[0] as number
      const sent = this.#inflight?.get(packetId)
      if (sent?.step === 'storing') return // `stored` goes on from here
      this.#unsent.shift()
      if (sent?.step === 'sent') this.#put(connection, sent, packetId) // else acknowledged meanwhile, unasked
    }
  }

  /** `stored` or `failed` will be called for it. */
  #waitFor(sent: Sent, packetId: number): void {
    sent.waiting = true
    this.#sessions.journal.after(this, packetId)
  }

  /** PUBACK, PUBCOMP, or a PUBREC that refuses: the delivery is over. */
  finished(packetId: number, by: 'puback' | 'pubrec' | 'pubcomp', reasonCode: number): void {
    if (this.#isEarly(() => this.#finish(packetId, by, reasonCode))) return
    this.#finish(packetId, by, reasonCode)
    this.flush()
  }

  #finish(packetId: number, by: 'puback' | 'pubrec' | 'pubcomp', reasonCode: number): void {
    if (this.#inflight?.awaits(packetId) !== by) return // not even of one that waits for the disk: the client has not seen it
    const delivery = this.#inflight?.finish(packetId)
    if (delivery === undefined) return
    this.#recordEnd(delivery)
    const { from, seq } = delivery.message
    if (from === undefined && seq !== 0) {
      this.#router.acknowledged(delivery.message, this.#session, reasonCode)
      if (reasonCode < 0x80) this.#sessions.acknowledged(this.#session, seq)
    }
    if (this.#unsent.length > 0) this.#unsent = this.#unsent.filter((waiting) => waiting !== packetId)
  }

  /**
   * PUBREC: the first half of a QoS 2 delivery is over, and PUBREL is due: from here on only that may be sent  5: [MQTT-4.3.3-5]. False for
   * an identifier that is not in use.
   */
  received(packetId: number): boolean {
    if (this.#isEarly(() => this.received(packetId))) return true
    const sent = this.#inflight?.get(packetId)
    if (sent === undefined || sent.delivery.qos === 1 || sent.step === 'storing') return false
    if (sent.step === 'releasing') return true
    if (sent.step === 'sent') this.#inflight?.moveLast(packetId)
    if (sent.delivery.place === 0 || sent.step === 'released') {
      sent.step = 'released'
      this.#session.acknowledging?.sendRelease(packetId)
      return true
    }
    sent.step = 'releasing'
    this.#sessions.sessionLog.released(this.#session.number, sent.delivery.place)
    this.#waitFor(sent, packetId)
    return true
  }

  /** The step of a QoS 2 delivery is on disk: now the client may hear of it. */
  stored(packetId: number): void {
    const sent = this.#inflight?.get(packetId)
    if (sent === undefined || this.#session.presence.at === 'ended') return
    sent.waiting = false
    const connection = this.#session.acknowledging
    if (sent.step === 'storing') {
      sent.step = 'sent'
      this.#storing--
      if (connection === undefined) return
      if (!this.#unsent.includes(packetId)) this.#put(connection, sent, packetId)
      this.flush()
    } else if (sent.step === 'releasing') {
      sent.step = 'released'
      connection?.sendRelease(packetId)
    }
  }

  /** The disk takes nothing now. The step was told and will be stored with a later batch; the client is asked to come back then. */
  failed(packetId: number, why: Refusal): void {
    const sent = this.#inflight?.get(packetId)
    if (sent !== undefined) sent.waiting = false
    this.#session.connection?.close(why)
  }

  /** The wire was lost in the middle of retained messages: those at QoS 1 and 2 are owed like any other, and before what is newer. */
  #oweReplay(): void {
    const replay = this.#replay
    this.#replay = undefined
    const owed: Delivery[] = []
    for (let next = replay?.take(); next !== undefined; next = replay?.take()) {
      if (next.qos > 0) owed.push(next)
      else this.#sessions.metrics.dropped('away-qos0')
    }
    if (owed.length === 0) return
    for (const delivery of this.#ownOutbox().pushFirst(owed)) this.#record(delivery, 0)
  }

  #owe(delivery: Delivery): void {
    if (this.#ownOutbox().push(delivery)) this.#record(delivery, 0)
  }

  #send(
    connection: AcknowledgingConnection,
    message: Message,
    qos: QoS,
    retain: boolean,
    identifiers: readonly number[] | undefined,
    group?: SharedGroup,
  ): void {
    if (qos === 0 && !this.#sessions.isExpired(message)) {
      this.#sendQoS0(connection, message, retain, identifiers)
      return
    }
    const delivery = { message, qos, retain, identifiers, place: 0 }
    this.#transmit(connection, group === undefined ? delivery : { ...delivery, group })
  }

  #sendQoS0(connection: AcknowledgingConnection, message: Message, retain: boolean, identifiers: readonly number[] | undefined): void {
    if (!this.#session.mayHave(message)) this.#sessions.metrics.dropped('not-allowed')
    else if (connection.send(this.#session.worded(message), 0, retain, identifiers, 0, false)) this.#sessions.metrics.messagesSent++
    else this.#sessions.metrics.dropped('too-large')
  }

  #transmit(connection: AcknowledgingConnection, delivery: Delivery): void {
    const { message, qos, retain, identifiers } = delivery
    if (this.#sessions.isExpired(message)) {
      this.#sessions.metrics.dropped('expired') //  5: [MQTT-3.3.2-5]
      this.#recordEnd(delivery)
      return
    }
    if (qos === 0) {
      this.#sendQoS0(connection, message, retain, identifiers)
      return
    }
    if (!this.#session.mayHave(message)) {
      this.#withhold(delivery)
      return
    }
    if (!this.#router.isWanted(message)) {
      this.#sessions.metrics.dropped('outdated')
      this.#recordEnd(delivery)
      return
    }
    const waitsForDisk = qos === 2 && this.#session.number !== 0
    const inflight = this.#ownInflight()
    const packetId = inflight.add(delivery, waitsForDisk ? 'storing' : 'sent')
    this.#record(delivery, packetId)
    const sent = inflight.get(packetId) as Sent
    if (waitsForDisk) {
      this.#storing++
      this.#waitFor(sent, packetId)
    } else this.#put(connection, sent, packetId)
  }

  /** What is larger than the client takes counts as delivered.  5: [MQTT-3.1.2-25] */
  #put(connection: AcknowledgingConnection, sent: Sent, packetId: number): void {
    const { delivery, tried } = sent
    const { message, qos, retain, identifiers } = delivery
    if (!this.#session.mayHave(message)) {
      this.#inflight?.finish(packetId)
      if (tried) this.#forgo(delivery)
      else this.#withhold(delivery)
      return
    }
    sent.tried = true
    if (connection.send(this.#session.worded(message), qos, retain, identifiers, packetId, tried)) {
      if (!tried) this.#sessions.metrics.messagesSent++
      return
    }
    this.#sessions.metrics.dropped('too-large')
    this.#inflight?.finish(packetId)
    this.#recordEnd(delivery)
  }

  /** Its client may not have it; of a shared group another member may. */
  #withhold(delivery: Delivery): void {
    if (delivery.group?.deliver(delivery.message) === true) this.#recordEnd(delivery)
    else this.#forgo(delivery)
  }

  #forgo(delivery: Delivery): void {
    this.#sessions.metrics.dropped('not-allowed')
    this.#recordEnd(delivery)
  }

  /** Nothing waits, and one more can go out. */
  get isIdle(): boolean {
    const connection = this.#session.acknowledging
    return connection !== undefined && this.isFree(connection, 1)
  }

  /** It can go out now, before anything else that is owed. */
  isFree(connection: AcknowledgingConnection, qos: QoS): boolean {
    return this.#nothingWaits() && connection.writable && this.#mayFollow(connection, qos)
  }

  /** Order is kept behind a delivery that waits for the disk, and the window of the peer is kept.  5: [MQTT-4.6.0-6], [MQTT-3.3.4-9] */
  #mayFollow(connection: AcknowledgingConnection, qos: QoS): boolean {
    if (this.#storing > 0 && qos < 2) return false
    return qos === 0 || (this.#unsent.length === 0 && this.#windowUsed() < connection.inflightMax)
  }

  /** Deliveries that the present connection has yet to acknowledge. */
  #windowUsed(): number {
    return this.#inflight === undefined ? 0 : this.#inflight.count - this.#unsent.length
  }

  #nothingWaits(): boolean {
    return this.#replay === undefined && this.#onDisk === undefined && (this.#outbox === undefined || this.#outbox.count === 0)
  }

  /** Room for any message, so that a group may count on it. */
  get hasRoom(): boolean {
    const outbox = this.#outbox
    const most = limits.packetBytes
    if (this.#sessions.outboxBudget.bytes + most > limits.outboxBytesAll) return false
    return outbox === undefined || (outbox.count < limits.outboxMessages && outbox.bytes + most <= limits.outboxBytes)
  }

  #peek(): Delivery | undefined {
    const next = this.#replay?.peek()
    if (next !== undefined) return next
    this.#replay = undefined
    return this.#outbox?.peek()
  }

  #takeNext(): void {
    if (this.#replay === undefined) this.#outbox?.take()
    else this.#replay.take()
  }

  #ownOutbox(): Outbox {
    this.#outbox ??= new Outbox(this.#sessions.outboxBudget, this.#sessions.metrics)
    return this.#outbox
  }

  #ownInflight(): Inflight {
    this.#inflight ??= new Inflight()
    return this.#inflight
  }

  // ── what the store remembers ──

  /** Brings what is on disk into memory, then sends it. */
  async #load(onDisk: OnDisk): Promise<void> {
    if (onDisk.loading) return
    onDisk.loading = true
    const deliveries = await this.#sessions.owed(this.#session)
    this.#onDisk = undefined
    if (this.#session.presence.at === 'ended') return
    if (deliveries.length < onDisk.count) this.#sessions.metrics.dropped('damaged', onDisk.count - deliveries.length)
    const waiting: Delivery[] = []
    for (const stored of deliveries) {
      const delivery = this.#deliveryOf(stored)
      const step = stepOf(stored)
      if (step === 'waiting') waiting.push(delivery)
      else this.#ownInflight().restore(stored.packetId, delivery, step)
    }
    this.#ownOutbox().restore(waiting)
    for (const acknowledge of onDisk.early) acknowledge()
    this.resend()
  }

  #deliveryOf({ message, qos, retain, identifiers, shareFilter, place }: StoredDelivery): Delivery {
    const group = shareFilter === undefined ? undefined : this.#router.tree.group(shareFilter)
    const delivery = { message, qos, retain, identifiers, place }
    return group === undefined ? delivery : { ...delivery, group }
  }

  /** Acknowledgements of what is still on disk are kept until it is here; more than a window of them is no client's right. */
  #isEarly(acknowledge: () => void): boolean {
    if (this.#onDisk === undefined) return false
    if (this.#onDisk.early.length < limits.inflightMessages) this.#onDisk.early.push(acknowledge)
    return true
  }

  /** Tells the store of the delivery, when it is one that outlives the process: what the hub says of itself below $SYS does not. */
  #record(delivery: Delivery, packetId: number): void {
    if (delivery.qos === 0 || delivery.message.seq === 0) return
    const session = this.#session
    if (session.number === 0) {
      // What a shared group entrusts to it must come to another member, should the hub die.
      if (delivery.group?.lasts !== true) return
      session.putOnRecord()
    }
    const { sessionLog } = this.#sessions
    if (delivery.place !== 0) sessionLog.sent(session.number, delivery.place, packetId)
    else {
      const owed = { ...delivery, shareFilter: delivery.group?.filter }
      delivery.place = sessionLog.owed(session.number, owed, packetId, this.#router.isRouting(delivery.message))
    }
  }

  #recordEnd({ place }: Delivery): void {
    if (place !== 0) this.#sessions.sessionLog.finished(this.#session.number, place)
  }
}

function stepOf({ packetId, released }: StoredDelivery): 'waiting' | 'sent' | 'released' {
  if (packetId === 0) return 'waiting'
  return released ? 'released' : 'sent'
}
