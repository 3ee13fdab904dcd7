// One MQTT connection: its states, its packets, its keep-alive, its closing. What each packet means stands in a file of its own.
import type { Message, QoS } from '../../devices/message.ts'
import type { EndReason } from '../../devices/presence.ts'
import { addressIn, type Peer } from '../access/peer.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Route } from '../routing/route.ts'
import type { AcknowledgingConnection, Transport } from '../session/connection.ts'
import type { Session } from '../session/session.ts'
import type { Waiter } from '../store/store.ts'
import type { Touched } from '../turn.ts'
import type { Timed } from '../wheel.ts'
import { answerLater, onFailed, onStored, whenStored } from './acks.ts'
import type { TopicAliases } from './aliases.ts'
import { type Authentication, onAuth, type Proof } from './auth.ts'
import {
  type AckType,
  type AuthPacket,
  type ConnectPacket,
  type DisconnectPacket,
  encodeConnack,
  encodeDisconnect,
  hasConnackCode,
  type PacketHandler,
  PacketReader,
  type ProtocolVersion,
  type PublishView,
  pingresp,
  type SubscribePacket,
  type UnsubscribePacket,
} from './codec.ts'
import { onConnect } from './connect.ts'
import { withCursor } from './cursors.ts'
import { encodeAliased, encodeDelivery } from './deliver.ts'
import type { Engine } from './engine.ts'
import { Output } from './output.ts'
import { packetType } from './packets.ts'
import { onPublish } from './publish.ts'
import { onSubscribe, onUnsubscribe } from './subscribe.ts'
import type { Wire } from './wire.ts'

export type State =
  | { readonly is: 'waiting-for-connect' }
  | { readonly is: 'authenticating'; readonly admit: (proof: Proof) => void }
  /** It is let in to be told its token, and has no session. */
  | { readonly is: 'newcomer' }
  | { readonly is: 'connected'; readonly session: Session }
  | { readonly is: 'closed'; readonly why: string }

/** Reasons not to read from the wire; it is read again when none is left. */
export const hold = { window: 1, backlog: 2, answers: 4, identity: 8, doorstep: 16 } as const

/** How long a peer may take to read our goodbye. */
const farewellSeconds = 5

const waitingForConnect: State = { is: 'waiting-for-connect' }

export class MqttConnection implements PacketHandler, AcknowledgingConnection, Waiter, Timed, Touched {
  readonly engine: Engine
  readonly #wire: Wire
  readonly #reader: PacketReader
  readonly output = new Output()
  #state: State = waitingForConnect
  /** CONNACK, while it waits for the disk: nothing else may be said before it. */
  #welcome: Buffer | undefined = undefined
  #holds = 0
  #closing = false
  /** Of what it has said before it was let in. */
  #waitingOnDoorstep = 0
  #lastHeardTick: number
  keepAliveSeconds = 0
  dueTick = 0
  touched = false
  /** PUBLISHes whose answer waits for the commit, at QoS 1 and 2. */
  unansweredQoS1 = 0
  unansweredQoS2 = 0
  /** 5: PUBLISHes at QoS 2 that came on this connection and whose PUBREL has not. */
  unreleased = 0
  /** The route of the last PUBLISH: most devices have one topic. */
  lastRoute: Route | undefined = undefined
  /** 5: topic aliases the client has set, section 3.3.2.3.4. */
  aliases: Map<number, Route> | undefined = undefined
  /** 5: topic aliases the hub has set; there for a client that takes some. */
  outgoingAliases: TopicAliases | undefined = undefined
  /** 5: there when CONNECT named a method. */
  authentication: Authentication | undefined = undefined
  inflightMax: number = limits.inflightMessages
  /** 5: the largest packet the client takes. */
  packetBytesMax = Number.POSITIVE_INFINITY
  /** It is another broker: it gets the RETAIN flag as published and nothing of its own back (conventions 4.1). */
  isBridge = false
  /** 5: false when the client wants no reason strings.  [MQTT-3.1.2-29] */
  wantsReasons = true
  /** 5: it asked for the cursor of each message, see cursors.ts. */
  wantsCursors = false
  /** 5: why the PUBLISHes were refused whose answers wait, by packet identifier. At most a window of them; most connections never have one. */
  refusedBecause: Map<number, string> | undefined = undefined

  constructor(engine: Engine, wire: Wire) {
    this.engine = engine
    this.#wire = wire
    this.#reader = new PacketReader(this)
    this.#lastHeardTick = engine.wheel.tick
    engine.connections.add(this)
    engine.metrics.connectionsOpened++
    engine.wheel.arm(this, limits.connectSeconds)
  }

  get follows(): false {
    return false
  }

  get transport(): Transport {
    return this.#wire.transport
  }

  get address(): string {
    return this.#wire.address
  }

  /** What is known of the peer before it has said anything. */
  get peer(): Peer {
    const { address, certificate, host } = this.#wire
    return { address: addressIn(address), certificate, host }
  }

  /** 4 until CONNECT says otherwise: the oldest answer any client understands. */
  get version(): ProtocolVersion {
    return this.#reader.version === 0 ? 4 : this.#reader.version
  }

  get state(): State {
    return this.#state
  }

  get writable(): boolean {
    return this.output.bytes + this.#wire.waitingBytes < limits.connectionWriteBytes
  }

  toString(): string {
    const name = this.#state.is === 'connected' ? this.#state.session.clientId : '(no client yet)'
    return `${name} from ${this.address} over ${this.transport}`
  }

  // ── from the wire ──

  /** Bytes came. Whatever goes wrong with them ends this connection and nothing else. */
  onBytes(chunk: Buffer): void {
    if (this.#state.is === 'closed') return
    this.#lastHeardTick = this.engine.wheel.tick
    this.engine.metrics.bytesReceived += chunk.length
    if (this.#state.is === 'connected' && this.#waitingOnDoorstep === 0) this.#read(chunk)
    else {
      this.holdReading(hold.doorstep)
      this.#waitingOnDoorstep++
      this.engine.doorstep.push({ connection: this, chunk })
    }
  }

  /** Its turn has come. */
  onDoorOpened(chunk: Buffer): void {
    this.#waitingOnDoorstep--
    if (this.#waitingOnDoorstep === 0) this.releaseReading(hold.doorstep)
    if (this.#state.is !== 'closed') this.#read(chunk)
  }

  #read(chunk: Buffer): void {
    try {
      this.#reader.read(chunk)
    } catch (error) {
      this.#fail(error)
      return
    }
    this.#mindPressure()
  }

  #mindPressure(): void {
    if (this.engine.journal.full) this.#waitForRoom()
    if (this.output.bytes + this.#wire.waitingBytes > limits.connectionAnswerBytes) this.holdReading(hold.answers)
  }

  /** The peer has taken what was written. */
  onDrain(): void {
    this.releaseReading(hold.answers)
    if (this.#state.is === 'connected') this.#state.session.flush()
  }

  /** The wire is gone. Without a DISCONNECT before, the will is due. */
  onWireClosed(why: string): void {
    this.engine.connections.delete(this)
    this.engine.wheel.disarm(this)
    this.#leave(why, 'connection-lost', true)
  }

  // ── packets ──

  onConnect(packet: ConnectPacket): void {
    this.#heard(packetType.connect)
    onConnect(this, packet)
  }

  onPublish(publish: PublishView): void {
    this.#heard(packetType.publish)
    onPublish(this, publish)
  }

  onPuback(packetId: number, reasonCode: number): void {
    this.#heard(packetType.puback)
    this.session.finished(packetId, 'puback', reasonCode)
  }

  onPubrec(packetId: number, reasonCode: number): void {
    this.#heard(packetType.pubrec)
    const { session } = this
    if (reasonCode >= 0x80) {
      session.finished(packetId, 'pubrec', reasonCode)
      return
    }
    // An identifier we do not know is released all the same, so that the peer can let go of it.  5: section 4.3.3, 0x92
    if (!session.received(packetId)) this.answer('pubrel', packetId, 0x92)
  }

  onPubrel(packetId: number): void {
    this.#heard(packetType.pubrel)
    const { session } = this
    const known = session.releasedPublish(packetId)
    if (known && this.unreleased > 0) this.unreleased--
    const reasonCode = known ? 0 : 0x92
    // Also one that is not known: that it is free may still be on its way to the disk, from an earlier connection.
    if (session.number !== 0) answerLater(this, 'pubcomp', packetId, reasonCode)
    else this.answer('pubcomp', packetId, reasonCode)
  }

  onPubcomp(packetId: number): void {
    this.#heard(packetType.pubcomp)
    this.session.finished(packetId, 'pubcomp')
  }

  onSubscribe(packet: SubscribePacket): void {
    this.#heard(packetType.subscribe)
    onSubscribe(this, packet)
  }

  onUnsubscribe(packet: UnsubscribePacket): void {
    this.#heard(packetType.unsubscribe)
    onUnsubscribe(this, packet)
  }

  onPingreq(): void {
    this.#heard(packetType.pingreq)
    this.say(pingresp)
  }

  onDisconnect(packet: DisconnectPacket): void {
    this.#heard(packetType.disconnect)
    const session = this.#state.is === 'connected' ? this.#state.session : undefined //  5: section 4.12, it may come before CONNACK
    if (packet.sessionExpirySeconds !== undefined && session !== undefined) {
      if (session.expirySeconds === 0 && packet.sessionExpirySeconds > 0) {
        throw new Refusal('protocol-error', { detail: 'a session that ends with its connection cannot be given an expiry at its end' }) //  5: section 3.14.2.2.2
      }
      session.expirySeconds = Math.min(packet.sessionExpirySeconds, limits.sessionExpirySeconds)
    }
    const wantsWill = packet.reasonCode !== 0x00 // 0x04 asks for it, others say that something is wrong  5: [MQTT-3.14.4-3]  3.1.1: [MQTT-3.14.4-3]
    this.#reader.stop()
    this.#leave('DISCONNECT', 'closed-by-device', wantsWill)
    this.#farewell()
  }

  onAuth(packet: AuthPacket): void {
    this.#heard(packetType.auth)
    onAuth(this, packet)
  }

  /** All that counting costs a packet, here and in `#told`: one addition in a typed array. */
  #heard(type: number): void {
    this.engine.metrics.packetsReceived[type]!++
  }

  // ── to the peer ──

  /** The session of a connected client: packets come only after CONNACK, the reader sees to that. */
  get session(): Session {
    if (this.#state.is !== 'connected') throw new Error(`a packet in state ${this.#state.is}`)
    return this.#state.session
  }

  send(message: Message, qos: QoS, retain: boolean, identifiers: readonly number[] | undefined, packetId: number, dup: boolean): boolean {
    const { clock, sessions } = this.engine
    if (this.wantsCursors && message.seq !== 0 && !retain) message = withCursor(message, sessions.store.cursors)
    const bytes =
      this.outgoingAliases === undefined
        ? encodeDelivery(message, this.version, qos, retain, identifiers, packetId, dup, clock)
        : encodeAliased(this.outgoingAliases, this.packetBytesMax, message, qos, retain, identifiers, packetId, dup, clock)
    if (bytes.length > this.packetBytesMax) return false
    this.say(bytes)
    return true
  }

  sendRelease(packetId: number): void {
    this.answer('pubrel', packetId, 0)
  }

  /** A whole packet, out at the end of this turn. */
  say(packet: Buffer): void {
    this.#told(packet[0]! >> 4)
    this.output.add(packet)
    this.engine.turn.touch(this)
  }

  /**
   * Says a packet that may carry a reason string. The string gives way when the client wants none or takes no packet so large; false, and
   * nothing is said, when the packet is too large even so. `encode` is called once or twice.
   * 5: [MQTT-3.1.2-24], [MQTT-3.1.2-29]; for the string [MQTT-3.2.2-19], [MQTT-3.4.2-2], [MQTT-3.5.2-2], [MQTT-3.9.2-1], [MQTT-3.11.2-1],
   * [MQTT-3.14.2-3].
   */
  sayWithReason(reason: string | undefined, encode: (reason: string | undefined) => Buffer): boolean {
    let packet = encode(this.wantsReasons ? reason : undefined)
    if (packet.length > this.packetBytesMax) packet = encode(undefined)
    if (packet.length > this.packetBytesMax) return false
    this.say(packet)
    return true
  }

  answer(type: AckType, packetId: number, reasonCode: number): void {
    this.#told(packetType[type])
    this.output.addAck(type, packetId, reasonCode, this.version)
    this.engine.turn.touch(this)
  }

  #told(type: number): void {
    this.engine.metrics.packetsSent[type]!++
  }

  /** CONNACK comes before anything else that is said from now on.  5: [MQTT-3.2.0-1]  3.1.1: [MQTT-3.2.0-1] */
  welcome(connack: Buffer, isStored: boolean): void {
    this.flush()
    this.#welcome = connack
    if (isStored) this.#sayWelcome(connack)
    else whenStored(this, () => this.#sayWelcome(connack))
  }

  #sayWelcome(connack: Buffer): void {
    this.#welcome = undefined
    this.#told(packetType.connack)
    this.engine.metrics.bytesSent += connack.length
    this.#wire.write(connack)
    this.flush()
  }

  flush(): void {
    if (this.output.isEmpty || this.#welcome !== undefined) return
    this.engine.metrics.bytesSent += this.output.writeTo(this.#wire)
    // A socket that took it all, or all but less than its high-water mark (64 KiB), has nothing to drain and will not say so.
    if (this.#wire.waitingBytes < limits.connectionAnswerBytes) this.onDrain()
  }

  stored(token: number): void {
    onStored(this, token)
  }

  failed(token: number, why: Refusal): void {
    onFailed(this, token, why)
  }

  // ── life ──

  /** CONNECT named a method; `admit` is what follows once the client has proven who it is. The deadline of CONNECT stays. */
  authenticating(admit: (proof: Proof) => void): void {
    this.#reader.authenticating = true
    this.#become({ is: 'authenticating', admit })
  }

  /** What decides whether it may come is not known yet: nothing further is looked at until then. The deadline of CONNECT stays. */
  identifying<T>(found: Promise<T>, admit: (found: T) => void): void {
    this.#reader.pause()
    this.holdReading(hold.identity)
    found.then(admit).then(
      () => this.#identified(),
      (error: unknown) => this.#identified(error),
    )
  }

  #identified(error?: unknown): void {
    this.releaseReading(hold.identity) // also of one that is closed: its peer's goodbye is read, or a WebSocket waits for it
    if (this.#state.is === 'closed') return
    try {
      if (error !== undefined) throw error
      this.#reader.resume()
    } catch (failure) {
      this.#fail(failure)
      return
    }
    this.#mindPressure()
  }

  /** The deadline of CONNECT stays. */
  met(newcomer: PacketHandler): void {
    this.#reader.handOver(newcomer)
    this.#become({ is: 'newcomer' })
  }

  connected(session: Session): void {
    this.#reader.authenticating = false
    this.#become({ is: 'connected', session })
    if (this.keepAliveSeconds === 0) this.engine.wheel.disarm(this)
    else this.engine.wheel.arm(this, this.keepAliveSeconds * 1.5) //  5: [MQTT-3.1.2-22]  3.1.1: [MQTT-3.1.2-24]
  }

  /** The time to CONNECT, the keep-alive or the farewell is over. Packets only note when they came, so the deadline moves here. */
  onDue(): void {
    if (this.#state.is === 'closed') {
      this.#wire.destroy()
      return
    }
    if (this.#state.is !== 'connected') {
      this.close(new Refusal('connect-timeout', { seconds: limits.connectSeconds }))
      return
    }
    // While the hub itself does not read, nothing can be heard: silence then is no fault of the client's.
    const isDeaf = (this.#holds & (hold.window | hold.backlog)) !== 0
    const silentSeconds = isDeaf ? 0 : this.engine.wheel.tick - this.#lastHeardTick
    const allowedSeconds = this.keepAliveSeconds * 1.5
    if (silentSeconds < allowedSeconds) {
      this.engine.wheel.arm(this, allowedSeconds - silentSeconds)
      return
    }
    this.close(new Refusal('keep-alive-timeout', { seconds: allowedSeconds }))
  }

  /** Says why in the words of the protocol, then closes: DISCONNECT in 5, a CONNACK before a session, nothing but the closing in 3.x. */
  close(why: Refusal): void {
    if (this.#closing) return
    this.engine.metrics.refused(why.code, this.#state.is === 'connected' ? this.#state.session.principal.owner : undefined)
    this.#reader.stop()
    const reasonCode = why.row.mqtt
    if (this.#state.is === 'connected' || this.#state.is === 'newcomer') {
      if (this.version === 5) this.sayWithReason(why.message, (reason) => encodeDisconnect(reasonCode, reason))
    } else if ((why.code === 'version-unsupported' || this.#reader.version !== 0) && hasConnackCode(this.version, reasonCode)) {
      this.sayWithReason(why.message, (reasonString) => encodeConnack(this.version, { sessionPresent: false, reasonCode, reasonString }))
    }
    this.#leave(why.message, why.code, true)
    this.#farewell()
  }

  destroy(): void {
    this.#wire.destroy()
  }

  holdReading(reason: number): void {
    if (this.#holds === 0) this.#wire.pause()
    this.#holds |= reason
  }

  releaseReading(reason: number): void {
    if ((this.#holds & reason) === 0) return
    this.#holds &= ~reason
    if (this.#holds === 0) this.#wire.resume()
  }

  #fail(error: unknown): void {
    if (error instanceof Refusal) {
      this.engine.log.info({ client: this.toString(), code: error.code }, error.message)
      this.close(error)
      return
    }
    this.engine.log.error({ err: error, client: this.toString() }, 'a bug ended a connection')
    this.close(new Refusal('internal-error', { detail: this.toString() }))
  }

  /** Leaves the session, once. */
  #leave(why: string, reason: EndReason, wantsWill: boolean): void {
    const state = this.#state
    if (state.is === 'closed') return
    this.#become({ is: 'closed', why })
    if (state.is === 'connected') this.engine.sessions.leave(state.session, this, { publishWill: wantsWill, why: reason })
  }

  #farewell(): void {
    if (this.#closing) return
    this.#closing = true
    this.flush()
    this.#wire.end()
    this.engine.wheel.arm(this, farewellSeconds)
  }

  #waitForRoom(): void {
    if ((this.#holds & hold.backlog) !== 0) return
    this.holdReading(hold.backlog)
    this.engine.journal.whenRoom(() => this.releaseReading(hold.backlog))
  }

  /** A connection's life can be read from the log. */
  #become(next: State): void {
    const before = this.#state
    this.#state = next
    if (!this.engine.log.isLevelEnabled('debug')) return // the name costs more than the change
    const client = before.is === 'connected' ? `${before.session.clientId} from ${this.address} over ${this.transport}` : this.toString()
    this.engine.log.debug({ client }, `${before.is} → ${next.is}${next.is === 'closed' ? ` (${next.why})` : ''}`)
  }
}
