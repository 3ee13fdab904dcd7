// The packets a client sends, written from the specifications: MQTT 3.1.1 (OASIS, 2014) and MQTT 5 (OASIS, 2019), chapters 2 and 3.
// Nothing is shared with the hub's codec on purpose: two people who read the same page twice make different mistakes.

export type MqttVersion = '3.1.1' | '5'
export type QoS = 0 | 1 | 2

export interface Will {
  readonly topic: string
  readonly payload: string | Uint8Array
  readonly qos?: QoS
  readonly retain?: boolean
  /** 5 section 3.1.3.2.2: how long the server waits before it sends the will. */
  readonly delaySeconds?: number
}

export interface Connect {
  readonly clientId: string
  readonly cleanStart: boolean
  readonly keepAliveSeconds: number
  readonly sessionExpirySeconds?: number | undefined // 5 only
  readonly receiveMaximum?: number | undefined // 5 only
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly will?: Will | undefined
}

export interface Publish {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: QoS
  readonly retain: boolean
  readonly duplicate: boolean
  /** 0 at QoS 0, where the field is not sent. */
  readonly packetId: number
}

export interface Subscription {
  readonly filter: string
  readonly qos: QoS
}

const none = Buffer.alloc(0)
const remainingLengthMax = 268_435_455 // 2.2.3 (3.1.1), 2.1.4 (5): four bytes of seven bits

/** 3.1. The name `MQTT` with level 4 or 5; the payload's fields stand in the order of 3.1.3. */
export function encodeConnect(version: MqttVersion, connect: Connect): Buffer {
  const { will, username, password } = connect
  let flags = connect.cleanStart ? 0x02 : 0
  if (will) flags |= 0x04 | ((will.qos ?? 0) << 3) | (will.retain ? 0x20 : 0)
  if (password !== undefined) flags |= 0x40
  if (username !== undefined) flags |= 0x80
  const isFive = version === '5'
  return packet(
    0x10,
    text('MQTT'),
    Buffer.of(isFive ? 5 : 4, flags, connect.keepAliveSeconds >> 8, connect.keepAliveSeconds & 0xff),
    isFive ? properties(uint32(0x11, connect.sessionExpirySeconds), uint16Property(0x21, connect.receiveMaximum)) : none,
    text(connect.clientId),
    will && isFive ? properties(uint32(0x18, will.delaySeconds)) : none,
    will ? text(will.topic) : none,
    will ? binary(bytesOf(will.payload)) : none,
    username === undefined ? none : text(username),
    password === undefined ? none : binary(Buffer.from(password)),
  )
}

/** 3.3. No properties are sent: what a device says is in the payload. */
export function encodePublish(version: MqttVersion, publish: Publish): Buffer {
  const first = 0x30 | (publish.duplicate ? 0x08 : 0) | (publish.qos << 1) | (publish.retain ? 0x01 : 0)
  return packet(
    first,
    text(publish.topic),
    publish.qos === 0 ? none : uint16(publish.packetId),
    version === '5' ? Buffer.of(0) : none,
    publish.payload,
  )
}

/** 3.4 to 3.7. Both versions: an answer without a reason code means success (5: 3.4.2.1). PUBREL carries the flags 0010. */
export function encodeAnswer(is: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp', packetId: number): Buffer {
  const first = { puback: 0x40, pubrec: 0x50, pubrel: 0x62, pubcomp: 0x70 }[is]
  return Buffer.of(first, 2, packetId >> 8, packetId & 0xff)
}

/** 3.8. The first byte's low bits are 0010. */
export function encodeSubscribe(version: MqttVersion, packetId: number, subscriptions: readonly Subscription[]): Buffer {
  return packet(
    0x82,
    uint16(packetId),
    version === '5' ? Buffer.of(0) : none,
    ...subscriptions.flatMap(({ filter, qos }) => [text(filter), Buffer.of(qos)]),
  )
}

/** 3.10. */
export function encodeUnsubscribe(version: MqttVersion, packetId: number, filters: readonly string[]): Buffer {
  return packet(0xa2, uint16(packetId), version === '5' ? Buffer.of(0) : none, ...filters.map(text))
}

/** 3.12. */
export const pingRequest: Buffer = Buffer.of(0xc0, 0)

/** 3.14. In both versions the short form means a normal disconnection: the will is not sent. */
export const disconnect: Buffer = Buffer.of(0xe0, 0)

export function bytesOf(payload: string | Uint8Array): Uint8Array {
  return typeof payload === 'string' ? Buffer.from(payload) : payload
}

function packet(firstByte: number, ...parts: readonly Uint8Array[]): Buffer {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0)
  if (bytes > remainingLengthMax) throw new RangeError(`A packet of ${bytes} bytes cannot be encoded; ${remainingLengthMax} is the most.`)
  return Buffer.concat([Buffer.of(firstByte), variableByteInteger(bytes), ...parts])
}

/** 1.5.5 (5), 2.2.3 (3.1.1): seven bits a byte, the lowest first, the high bit says that more follow. */
function variableByteInteger(value: number): Buffer {
  const bytes: number[] = []
  do {
    const rest = value >>> 7
    bytes.push((value & 0x7f) | (rest > 0 ? 0x80 : 0))
    value = rest
  } while (value > 0)
  return Buffer.from(bytes)
}

function text(value: string): Buffer {
  return binary(Buffer.from(value))
}

function binary(value: Uint8Array): Buffer {
  if (value.length > 0xffff) throw new RangeError(`A field of ${value.length} bytes cannot be encoded; 65,535 is the most.`)
  return Buffer.concat([uint16(value.length), value])
}

function uint16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff)
}

function properties(...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([variableByteInteger(body.length), body])
}

function uint32(identifier: number, value: number | undefined): Buffer {
  if (value === undefined) return none
  const bytes = Buffer.alloc(5)
  bytes[0] = identifier
  bytes.writeUInt32BE(value, 1)
  return bytes
}

function uint16Property(identifier: number, value: number | undefined): Buffer {
  return value === undefined ? none : Buffer.of(identifier, value >> 8, value & 0xff)
}
