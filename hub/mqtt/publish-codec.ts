// PUBLISH and its four answers, read and written by hand on the raw bytes: all that a busy hub does all day. `mqtt-packet` takes some
// 2 µs and a dozen objects for a PUBLISH; this takes well under 0.1 µs and none.
import type { QoS } from '../../devices/message.ts'
import { malformed, protocolError, u16, variableIntegerBytes, writeU16, writeU32, writeVariableInteger } from './integers.ts'
import { type AckType, type ProtocolVersion, type PublishView, packetType } from './packets.ts'
import { findProperty, forwardable, properties, scanned, scanProperties } from './properties.ts'

const view: { -readonly [field in keyof PublishView]: PublishView[field] } = {
  buffer: Buffer.alloc(0),
  topicStart: 0,
  topicEnd: 0,
  payloadStart: 0,
  payloadEnd: 0,
  qos: 0,
  retain: false,
  dup: false,
  packetId: 0,
  topicAlias: 0,
  properties: undefined,
  messageExpirySeconds: -1,
}

/** Reads a PUBLISH whose body lies between `at` and `end`; `first` is its first byte, which the frame guard has checked. */
export function readPublish(version: ProtocolVersion, first: number, buffer: Buffer, at: number, end: number): PublishView {
  if (at + 2 > end) throw malformed('the topic name is cut off')
  const topicStart = at + 2
  const topicEnd = topicStart + u16(buffer, at)
  if (topicEnd > end) throw malformed('the topic name is cut off')
  const qos = (first >> 1) & 3
  let packetId = 0
  let next = topicEnd
  if (qos > 0) {
    packetId = readPacketId(buffer, next, end)
    next += 2
  }

  if (version === 5) {
    // Most packets carry none, and their block is one zero byte.
    if (next < end && buffer[next] === 0) {
      next += 1
      view.topicAlias = 0
      view.properties = undefined
      view.messageExpirySeconds = -1
    } else {
      next = scanProperties('publish', buffer, next, end)
      view.topicAlias = scanned.topicAlias
      view.properties = forwardable(buffer)
      view.messageExpirySeconds = scanned.messageExpirySeconds
    }
    if (topicStart === topicEnd && view.topicAlias === 0) {
      throw protocolError('the topic name is empty and there is no Topic Alias') // 5: section 3.3.2.1
    }
  } else {
    if (topicStart === topicEnd) throw malformed('the topic name is empty') // 3.1.1: [MQTT-4.7.3-1]
    view.topicAlias = 0
    view.properties = undefined
    view.messageExpirySeconds = -1
  }

  view.buffer = buffer
  view.topicStart = topicStart
  view.topicEnd = topicEnd
  view.payloadStart = next
  view.payloadEnd = end
  view.qos = qos as QoS // 3 was refused with the first byte
  view.retain = (first & 1) !== 0
  view.dup = (first & 8) !== 0
  view.packetId = packetId
  return view
}

export function readPacketId(buffer: Buffer, at: number, end: number): number {
  if (at + 2 > end) throw malformed('the Packet Identifier is cut off')
  const packetId = u16(buffer, at)
  if (packetId === 0) throw protocolError('the Packet Identifier is 0') // 5: [MQTT-2.2.1-3]  3.1.1: [MQTT-2.3.1-1]
  return packetId
}

// 5: [MQTT-3.4.2-1] [MQTT-3.5.2-1] for PUBACK and PUBREC, [MQTT-3.6.2-1] [MQTT-3.7.2-1] for PUBREL and PUBCOMP.
const receiptCodes: readonly number[] = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]
const releaseCodes: readonly number[] = [0x00, 0x92]

/** The reason code of a PUBACK, PUBREC, PUBREL or PUBCOMP whose body lies between `at` and `end`; 0 when it has none. */
export function readAckReason(version: ProtocolVersion, type: AckType, buffer: Buffer, at: number, end: number): number {
  if (end - at === 2) return 0
  if (version !== 5) throw malformed('an acknowledgement carries two bytes') // 3.1.1: section 3.4.1
  const reasonCode = buffer[at + 2]!
  const codes = type === 'puback' || type === 'pubrec' ? receiptCodes : releaseCodes
  if (!codes.includes(reasonCode)) throw protocolError(`0x${reasonCode.toString(16)} is no reason code of this acknowledgement`)
  // 5: section 3.4.2.2.1: with a remaining length below 4 there is no property length either
  if (end - at > 3 && scanProperties('ack', buffer, at + 3, end) !== end) throw malformed('bytes follow the properties')
  return reasonCode
}

/**
 * Writes a PUBACK, PUBREC, PUBREL or PUBCOMP in its shortest form, 4 bytes, or 5 for MQTT 5 with a reason code; returns the position behind
 * it. MQTT 3 has no reason codes: there an error cannot be said, and closing is the caller's choice.
 */
export function writeAck(
  into: Uint8Array,
  at: number,
  type: AckType,
  packetId: number,
  reasonCode: number,
  version: ProtocolVersion,
): number {
  const withReason = reasonCode !== 0 && version === 5
  into[at] = type === 'pubrel' ? 0x62 : packetType[type] << 4 // 5: [MQTT-3.6.1-1]
  into[at + 1] = withReason ? 3 : 2
  const next = writeU16(into, at + 2, packetId)
  if (!withReason) return next
  into[next] = reasonCode
  return next + 1
}

/** The most bytes `writeAck` writes. */
export const ackBytesMax = 5

export interface OutgoingPublish {
  readonly version: ProtocolVersion
  /** Encoded. Empty only beside a topic alias. */
  readonly topic: Uint8Array
  readonly payload: Uint8Array
  readonly qos: QoS
  readonly retain: boolean
  readonly dup: boolean
  /** As in `Message.properties`. MQTT 3 has none; there this and all below is left out. */
  readonly properties: Uint8Array | undefined
  /** What is left of the message expiry now: takes the place of the one in `properties`, or is added.  5: [MQTT-3.3.2-6] */
  readonly messageExpirySeconds?: number | undefined
  readonly subscriptionIdentifiers?: readonly number[] | undefined
  readonly topicAlias?: number | undefined
}

/** A PUBLISH for any number of peers of one version: all but the packet identifier and DUP is there. */
export interface EncodedPublish {
  readonly bytes: Buffer
  /** Where the packet identifier goes; 0 for QoS 0, which has none. */
  readonly packetIdAt: number
}

/** Encodes a PUBLISH once for all its receivers. With QoS 1 or 2 the packet identifier is 0 until `withPacketId` puts one in. */
export function encodePublish(publish: OutgoingPublish): EncodedPublish {
  const { topic, payload, qos } = publish
  const block = publish.version === 5 ? propertyBlock(publish) : none
  const blockBytes = publish.version === 5 ? variableIntegerBytes(block.length) + block.length : 0
  const bodyBytes = 2 + topic.length + (qos > 0 ? 2 : 0) + blockBytes + payload.length

  const bytes = Buffer.allocUnsafe(1 + variableIntegerBytes(bodyBytes) + bodyBytes)
  bytes[0] = (packetType.publish << 4) | (publish.dup ? 8 : 0) | (qos << 1) | (publish.retain ? 1 : 0)
  let at = writeVariableInteger(bytes, 1, bodyBytes)
  at = writeU16(bytes, at, topic.length)
  bytes.set(topic, at)
  at += topic.length
  let packetIdAt = 0
  if (qos > 0) {
    packetIdAt = at
    at = writeU16(bytes, at, 0)
  }
  if (publish.version === 5) {
    at = writeVariableInteger(bytes, at, block.length)
    bytes.set(block, at)
    at += block.length
  }
  bytes.set(payload, at)
  return { bytes, packetIdAt }
}

/** A copy for one receiver. */
export function withPacketId(encoded: EncodedPublish, packetId: number, dup: boolean): Buffer {
  const copy = Buffer.allocUnsafe(encoded.bytes.length)
  writePublish(copy, 0, encoded, packetId, dup)
  return copy
}

/** Copies the packet for one receiver into a buffer with room for it, and returns the position behind it. */
export function writePublish(into: Uint8Array, at: number, encoded: EncodedPublish, packetId: number, dup: boolean): number {
  into.set(encoded.bytes, at)
  if (encoded.packetIdAt > 0) {
    writeU16(into, at + encoded.packetIdAt, packetId)
    into[at] = dup ? into[at]! | 8 : into[at]! & ~8 // 5: [MQTT-3.3.1-1]
  }
  return at + encoded.bytes.length
}

const none = new Uint8Array(0)

function propertyBlock(publish: OutgoingPublish): Uint8Array {
  const { subscriptionIdentifiers = [], topicAlias, messageExpirySeconds } = publish
  const message = publish.properties ?? none
  if (subscriptionIdentifiers.length === 0 && topicAlias === undefined && messageExpirySeconds === undefined) return message

  const expiryAt = messageExpirySeconds === undefined ? -1 : findProperty('messageExpiry', message)
  const expiryMissing = messageExpirySeconds !== undefined && expiryAt === -1
  let bytes = message.length + (topicAlias === undefined ? 0 : 3) + (expiryMissing ? 5 : 0)
  for (const identifier of subscriptionIdentifiers) bytes += 1 + variableIntegerBytes(identifier)

  const block = new Uint8Array(bytes)
  block.set(message)
  let at = message.length
  if (messageExpirySeconds !== undefined) {
    if (expiryMissing) {
      block[at] = properties.messageExpiry.id
      at = writeU32(block, at + 1, messageExpirySeconds)
    } else writeU32(block, expiryAt, messageExpirySeconds)
  }
  if (topicAlias !== undefined) {
    block[at] = properties.topicAlias.id
    at = writeU16(block, at + 1, topicAlias)
  }
  for (const identifier of subscriptionIdentifiers) {
    block[at] = properties.subscriptionIdentifier.id
    at = writeVariableInteger(block, at + 1, identifier)
  }
  return block
}
