// Bytes ⇄ packets, and all that a connection imports of it. The frame guard (`frame.ts`) finds a packet; PUBLISH and its answers are then
// read by hand (`publish-codec.ts`); for the rarer packets our rules (`validate.ts`) go before `mqtt-packet`, which is imported here alone.
import { type Packet, type Parser, parser } from 'mqtt-packet'
import { Refusal } from '../errors.ts'
import { topicNameProblem } from '../routing/topic-names.ts'
import { authenticating, HeldPacket, headerBytes, packetBytesOf, type Stage } from './frame.ts'
import { malformed, protocolError } from './integers.ts'
import {
  type AuthPacket,
  type ConnectPacket,
  type DisconnectPacket,
  type PacketHandler,
  type ProtocolVersion,
  packetType,
  type SubscribePacket,
  type Subscription,
  type UnsubscribePacket,
  type Will,
} from './packets.ts'
import { readAckReason, readPacketId, readPublish } from './publish-codec.ts'
import {
  checkAuth,
  checkClientId,
  checkConnect,
  checkDisconnect,
  checkSubscribe,
  checkUnsubscribe,
  type Protocol,
  readProtocol,
} from './validate.ts'

export { isSharedFilter, topicFilterProblem, topicNameProblem } from '../routing/topic-names.ts'
export {
  type Connack,
  encodeAuth,
  encodeConnack,
  encodeDisconnect,
  encodeSuback,
  encodeUnsuback,
  hasConnackCode,
  pingresp,
} from './encode.ts'
export type {
  AckType,
  AuthPacket,
  ConnectPacket,
  DisconnectPacket,
  PacketHandler,
  ProtocolVersion,
  PublishView,
  SubscribePacket,
  Subscription,
  UnsubscribePacket,
  UserProperties,
  Will,
} from './packets.ts'
export {
  ackBytesMax,
  type EncodedPublish,
  encodePublish,
  type OutgoingPublish,
  withPacketId,
  writeAck,
  writePublish,
} from './publish-codec.ts'
export { readTopicName } from './topic-check.ts'

/** Reads the packets of one client. An idle connection holds these five fields and nothing else. */
const none = Buffer.alloc(0)

export class PacketReader {
  /**
   * 0 until a CONNECT names a version we speak; set before the rest of that CONNECT is checked, so that its refusal can be answered in the
   * right form.
   */
  version: ProtocolVersion | 0 = 0
  #stage: Stage = 0
  #handler: PacketHandler
  #held: HeldPacket | undefined = undefined
  /** What came behind a CONNECT that waits; see `pause`. */
  #rest: Buffer | undefined = undefined
  #paused = false
  #stopped = false

  constructor(handler: PacketHandler) {
    this.#handler = handler
  }

  /** Bytes that are held, of an incomplete packet or behind a CONNECT that waits. */
  get bufferedBytes(): number {
    return (this.#held?.length ?? 0) + (this.#rest?.length ?? 0)
  }

  /**
   * Reads a chunk: many packets, or a part of one. The chunk may be reused when this returns.
   * Errors: `Refusal`, after which the reader is of no use; and whatever the handler throws.
   */
  read(chunk: Buffer): void {
    let at = 0
    const held = this.#held
    if (held !== undefined) {
      at = held.fill(this.#stage, chunk, 0)
      if (!held.whole) return
      this.#held = undefined
      this.#onPacket(held.bytes, 0, held.packetBytes)
    }
    while (at < chunk.length && !this.#stopped) {
      const packetBytes = packetBytesOf(this.#stage, chunk, at, chunk.length)
      if (packetBytes === 0 || packetBytes > chunk.length - at) {
        this.#held = new HeldPacket(packetBytes)
        this.#held.fill(this.#stage, chunk, at)
        return
      }
      this.#onPacket(chunk, at, at + packetBytes)
      at += packetBytes
    }
    if (this.#paused && at < chunk.length) this.#rest = Buffer.concat([this.#rest ?? none, chunk.subarray(at)])
  }

  /** Somebody else takes the packets from the next one on. From inside a callback. */
  handOver(handler: PacketHandler): void {
    this.#handler = handler
  }

  /** What follows is kept and not looked at until `resume`. From inside a callback; whoever pauses also pauses the wire, which bounds it. */
  pause(): void {
    this.#paused = true
    this.#stopped = true
  }

  /** Errors: as of `read`. */
  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#stopped = false
    const rest = this.#rest
    this.#rest = undefined
    if (rest !== undefined) this.read(rest)
  }

  /** Whether CONNECT named a method and CONNACK has not been said: until then little may come. Set from inside a callback. */
  set authenticating(is: boolean) {
    this.#stage = is ? authenticating : this.version
  }

  /** Ends reading for good: neither the rest of this chunk nor a later one is looked at. The handler may call it inside a callback. */
  stop(): void {
    this.#stopped = true
    this.#paused = false
    this.#rest = undefined
    this.#held = undefined
  }

  #onPacket(buffer: Buffer, start: number, end: number): void {
    const at = start + headerBytes(end - start)
    if (this.version !== 0) {
      handOut(this.#handler, this.version, buffer, start, at, end)
      return
    }
    // The frame guard lets nothing but CONNECT come first, and no second one.
    const protocol = readProtocol(buffer, at, end)
    this.version = protocol.version
    this.#stage = protocol.version
    this.#handler.onConnect(decodeConnect(protocol, buffer, start, end))
  }
}

function handOut(handler: PacketHandler, version: ProtocolVersion, buffer: Buffer, start: number, at: number, end: number): void {
  const first = buffer[start]!
  switch (first >> 4) {
    case packetType.publish:
      handler.onPublish(readPublish(version, first, buffer, at, end))
      break
    case packetType.puback:
      handler.onPuback(readPacketId(buffer, at, end), readAckReason(version, 'puback', buffer, at, end))
      break
    case packetType.pubrec:
      handler.onPubrec(readPacketId(buffer, at, end), readAckReason(version, 'pubrec', buffer, at, end))
      break
    case packetType.pubrel:
      handler.onPubrel(readPacketId(buffer, at, end), readAckReason(version, 'pubrel', buffer, at, end))
      break
    case packetType.pubcomp:
      handler.onPubcomp(readPacketId(buffer, at, end), readAckReason(version, 'pubcomp', buffer, at, end))
      break
    case packetType.subscribe:
      handler.onSubscribe(decodeSubscribe(version, buffer, start, at, end))
      break
    case packetType.unsubscribe:
      handler.onUnsubscribe(decodeUnsubscribe(version, buffer, start, at, end))
      break
    case packetType.pingreq:
      if (at !== end) throw malformed('PINGREQ carries no payload') // 5: section 3.12.2
      handler.onPingreq()
      break
    case packetType.disconnect:
      handler.onDisconnect(decodeDisconnect(version, buffer, start, at, end))
      break
    case packetType.auth:
      handler.onAuth(decodeAuth(version, buffer, start, at, end))
      break
    default:
      throw protocolError('a packet of this type does not come from a client') // the frame guard has refused it before
  }
}

// The decoders take one whole packet: it begins at `start`, its body lies between `at` and `end`. Errors: `Refusal`.

function decodeConnect(protocol: Protocol, buffer: Buffer, start: number, end: number): ConnectPacket {
  const { version, bridge } = protocol
  const { userProperties, willProperties } = checkConnect(version, buffer, protocol.next, end)
  const packet = parse('connect', 'connect', buffer, start, end)
  const cleanStart = packet.clean === true
  checkClientId(version, packet.clientId, cleanStart)

  let will: Will | undefined
  if (packet.will !== undefined) {
    const { topic, payload, qos, retain, properties } = packet.will
    const problem = topicNameProblem(topic)
    if (problem !== undefined) throw new Refusal('topic-invalid', { detail: `as a will topic, ${problem}` })
    will = {
      topic,
      payload: copyOf(payload),
      qos: qos ?? 0,
      retain: retain === true,
      delaySeconds: properties?.willDelayInterval ?? 0,
      properties: willProperties,
      messageExpirySeconds: properties?.messageExpiryInterval ?? -1,
    }
  }
  const { properties } = packet
  return {
    version,
    bridge,
    clientId: packet.clientId,
    cleanStart,
    keepAliveSeconds: packet.keepalive ?? 0,
    username: packet.username,
    password: packet.password === undefined ? undefined : copyOf(packet.password),
    will,
    sessionExpirySeconds: properties?.sessionExpiryInterval,
    receiveMaximum: properties?.receiveMaximum ?? 65_535, // 5: section 3.1.2.11.3
    maximumPacketSize: properties?.maximumPacketSize,
    topicAliasMaximum: properties?.topicAliasMaximum ?? 0,
    requestResponseInformation: properties?.requestResponseInformation === true,
    requestProblemInformation: properties?.requestProblemInformation !== false,
    authenticationMethod: properties?.authenticationMethod,
    authenticationData: properties?.authenticationData === undefined ? undefined : copyOf(properties.authenticationData),
    userProperties,
  }
}

function decodeSubscribe(version: ProtocolVersion, buffer: Buffer, start: number, at: number, end: number): SubscribePacket {
  const userProperties = checkSubscribe(version, buffer, at, end)
  const packet = parse(version, 'subscribe', buffer, start, end)
  const subscriptions = packet.subscriptions.map(({ topic, qos, nl, rap, rh }): Subscription => {
    // 3 was refused, so `rh` is one of the three.
    return { filter: topic, qos, noLocal: nl === true, retainAsPublished: rap === true, retainHandling: (rh ?? 0) as 0 | 1 | 2 }
  })
  const { messageId: packetId = 0, properties } = packet
  return { packetId, subscriptionIdentifier: properties?.subscriptionIdentifier, subscriptions, userProperties }
}

function decodeUnsubscribe(version: ProtocolVersion, buffer: Buffer, start: number, at: number, end: number): UnsubscribePacket {
  checkUnsubscribe(version, buffer, at, end)
  const packet = parse(version, 'unsubscribe', buffer, start, end)
  return { packetId: packet.messageId ?? 0, filters: packet.unsubscriptions }
}

function decodeDisconnect(version: ProtocolVersion, buffer: Buffer, start: number, at: number, end: number): DisconnectPacket {
  checkDisconnect(version, buffer, at, end)
  const { reasonCode, properties } = parse(version, 'disconnect', buffer, start, end)
  return {
    reasonCode: reasonCode ?? 0,
    sessionExpirySeconds: properties?.sessionExpiryInterval,
    reasonString: properties?.reasonString,
  }
}

function decodeAuth(version: ProtocolVersion, buffer: Buffer, start: number, at: number, end: number): AuthPacket {
  checkAuth(buffer, at, end)
  const { reasonCode, properties } = parse(version, 'auth', buffer, start, end)
  return {
    reasonCode,
    authenticationMethod: properties?.authenticationMethod ?? '',
    authenticationData: properties?.authenticationData === undefined ? undefined : copyOf(properties.authenticationData),
    reasonString: properties?.reasonString,
  }
}

/** A copy lets go of the read buffer, up to 64 KiB, that these few bytes are a view of. */
function copyOf(bytes: Buffer | string): Buffer {
  return typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes)
}

// One parser per version serves all connections, because each call gives it exactly one whole packet. CONNECT has its own: `mqtt-packet`
// takes the newest CONNECT as its settings.
type ParserKey = ProtocolVersion | 'connect'
const parsers: Record<ParserKey, Parser> = { connect: newParser('connect'), 3: newParser(3), 4: newParser(4), 5: newParser(5) }

/** What the parser that is running has emitted. It does so synchronously. */
let emitted: Packet | undefined
let failure: unknown

function newParser(key: ParserKey): Parser {
  const made = parser(key === 'connect' ? {} : { protocolVersion: key })
  made.on('packet', (packet) => {
    emitted = packet
  })
  made.on('error', (error: unknown) => {
    failure = error
  })
  return made
}

type Command = 'connect' | 'subscribe' | 'unsubscribe' | 'disconnect' | 'auth'

function parse<C extends Command>(key: ParserKey, command: C, buffer: Buffer, start: number, end: number): Extract<Packet, { cmd: C }> {
  // MQTT 3.1 repeats a SUBSCRIBE with DUP, a flag that means nothing to us and that `mqtt-packet` refuses.
  if (key === 3) buffer[start] = buffer[start]! & ~8
  emitted = undefined
  failure = undefined
  let left = 0
  try {
    left = parsers[key].parse(buffer.subarray(start, end))
  } catch (error) {
    failure = error // mqtt-packet also throws, a RangeError or TypeError, where it meets what it did not expect
  }
  const packet = emitted as Packet | undefined // the callback has set it, which the compiler cannot see
  emitted = undefined
  if (key === 'connect') forgetConnect()
  if (failure === undefined && left === 0 && packet?.cmd === command) return packet as Extract<Packet, { cmd: C }> // by the line before
  parsers[key] = newParser(key) // the old one may have stopped in the middle of a packet, and would start the next one there
  throw malformed(`mqtt-packet cannot read it (${failure instanceof Error ? failure.message : 'no packet came out'})`)
}

/** Otherwise the parser would hold the newest CONNECT, with its password, until the next one. */
function forgetConnect(): void {
  ;(parsers.connect as Parser & { settings: object }).settings = {} // not in its types
}
