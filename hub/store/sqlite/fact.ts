// Facts about a session as frames of the journal: built on the loop, read in the writer thread. In a fact's frame the device number is the
// session's and the flags are the kind of fact; the topic is its text, the payload the rest.
import type { QoS } from '../../../devices/message.ts'
import type { Will } from '../../../devices/will.ts'
import type { Owed, StoredSubscription } from '../store.ts'
import type { FrameCursor } from './frame.ts'

export const factKinds = {
  opened: 1,
  left: 2,
  willSent: 3,
  ended: 4,
  subscribed: 5,
  unsubscribed: 6,
  owed: 7,
  sent: 8,
  released: 9,
  finished: 10,
  received: 11,
  forgotten: 12,
  followed: 13,
} as const

/** A message that is being routed is named by its number; any other (retained, say) has `seq` 0 and is carried in the same frame. */
export interface OwedFact {
  readonly seq: number
  readonly packetId: number
  readonly qos: QoS
  readonly retain: boolean
  readonly identifiers: readonly number[] | undefined
  readonly shareFilter: string | undefined
}

const owedHeaderBytes = 14

/** f64 seq, u16 packet identifier, u8 QoS and RETAIN, u8 count of identifiers, u16 bytes of the share filter; then those, 4 bytes each. */
export function encodeOwed({ message, qos, retain, identifiers, shareFilter }: Owed, seq: number, packetId: number): Buffer {
  const shared = shareFilter === undefined ? undefined : Buffer.from(shareFilter)
  const count = identifiers?.length ?? 0
  const headBytes = owedHeaderBytes + count * 4 + (shared?.length ?? 0)
  const carried = seq === 0 ? 8 + message.payload.length : 0
  const bytes = Buffer.allocUnsafe(headBytes + carried)
  bytes.writeDoubleLE(seq, 0)
  bytes.writeUInt16LE(packetId, 8)
  bytes.writeUInt8(qos | (retain ? 4 : 0) | (message.qos << 3) | (message.retain ? 32 : 0), 10)
  bytes.writeUInt8(count, 11)
  bytes.writeUInt16LE(shared?.length ?? 0, 12)
  for (let at = 0; at < count; at += 1) bytes.writeUInt32LE(identifiers![at]!, owedHeaderBytes + at * 4)
  shared?.copy(bytes, owedHeaderBytes + count * 4)
  if (seq === 0) {
    bytes.writeDoubleLE(message.atMs, headBytes)
    bytes.set(message.payload, headBytes + 8)
  }
  return bytes
}

export function decodeOwed(cursor: FrameCursor): OwedFact {
  const bytes = cursor.payload()
  const bits = bytes.readUInt8(10)
  const count = bytes.readUInt8(11)
  const sharedBytes = bytes.readUInt16LE(12)
  const sharedAt = owedHeaderBytes + count * 4
  return {
    seq: bytes.readDoubleLE(0),
    packetId: bytes.readUInt16LE(8),
    qos: (bits & 3) as QoS,
    retain: (bits & 4) !== 0,
    identifiers: count === 0 ? undefined : Array.from({ length: count }, (_, at) => bytes.readUInt32LE(owedHeaderBytes + at * 4)),
    shareFilter: sharedBytes === 0 ? undefined : bytes.toString('utf8', sharedAt, sharedAt + sharedBytes),
  }
}

/** The message inside the frame of an owed fact, as its publisher sent it. */
export function carriedMessage(cursor: FrameCursor): { qos: QoS; retain: boolean; atMs: number; payload: Buffer } {
  const bytes = cursor.payload()
  const bits = bytes.readUInt8(10)
  const at = owedHeaderBytes + bytes.readUInt8(11) * 4 + bytes.readUInt16LE(12)
  return { qos: ((bits >> 3) & 3) as QoS, retain: (bits & 32) !== 0, atMs: bytes.readDoubleLE(at), payload: bytes.subarray(at + 8) }
}

/** Place and packet identifier: all that sent, released, finished, received, forgotten and followed say. */
export function encodePlace(into: Buffer, place: number, packetId: number): void {
  into.writeDoubleLE(place, 0)
  into.writeUInt16LE(packetId, 8)
}

export const placeBytes = 10

export function decodePlace(cursor: FrameCursor): { place: number; packetId: number } {
  const bytes = cursor.payload()
  return { place: bytes.readDoubleLE(0), packetId: bytes.readUInt16LE(8) }
}

/** What is told rarely is told in JSON. */
export interface OpenedFact {
  readonly expirySeconds: number
  /** See `willToJson`. */
  readonly will: string | undefined
  /** Left out when it is empty. */
  readonly owner?: string | undefined
}

interface WillInJson extends Omit<Will, 'payload' | 'properties'> {
  readonly payload: string
  readonly properties: string | undefined
}

/** Bytes in base64. */
export function willToJson(will: Will): string {
  const { payload, properties } = will
  const inJson: WillInJson = { ...will, payload: base64(payload), properties: properties === undefined ? undefined : base64(properties) }
  return JSON.stringify(inJson)
}

export function willOfJson(text: string): Will {
  const will = JSON.parse(text) as WillInJson
  const properties = will.properties === undefined ? undefined : Buffer.from(will.properties, 'base64')
  return { ...will, payload: Buffer.from(will.payload, 'base64'), properties }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
}

export interface LeftFact {
  readonly expirySeconds: number
  readonly keepsWill: boolean
}

const subscribedBytes = 5

/** The options byte of SUBSCRIBE (5: section 3.8.3.1), and the subscription identifier or 0. */
export function encodeSubscribed({ qos, noLocal, retainAsPublished, identifier }: StoredSubscription): Buffer {
  const bytes = Buffer.alloc(subscribedBytes)
  bytes.writeUInt8(qos | (noLocal ? 4 : 0) | (retainAsPublished ? 8 : 0), 0)
  bytes.writeUInt32LE(identifier ?? 0, 1)
  return bytes
}

export function decodeSubscribed(cursor: FrameCursor): { options: number; identifier: number } {
  const bytes = cursor.payload()
  return { options: bytes.readUInt8(0), identifier: bytes.readUInt32LE(1) }
}

/** `identifier` 0: none. */
export function subscriptionOf(filter: string, options: number, identifier: number): StoredSubscription {
  return {
    filter,
    qos: (options & 3) as QoS,
    noLocal: (options & 4) !== 0,
    retainAsPublished: (options & 8) !== 0,
    identifier: identifier === 0 ? undefined : identifier,
  }
}
