// The properties of MQTT 5 (section 2.2.2): one table of what each is and where a client may send it, and the scanner that enforces it.

import type { Refusal } from '../errors.ts'
import { lengthPrefixedEnd, malformed, protocolError, u16, u32, variableInteger, variableIntegerEnd } from './integers.ts'
import type { UserProperties } from './packets.ts'
import { isMqttString } from './utf8.ts'

type PropertyType = 'flag' | 'u16' | 'u32' | 'varint' | 'text' | 'binary' | 'pair'

/** Where a property can stand. The will has a block of its own inside CONNECT; the four acknowledgements share one rule. */
export type PropertyPlace = 'connect' | 'will' | 'publish' | 'ack' | 'subscribe' | 'unsubscribe' | 'disconnect' | 'auth'

interface PropertyRow {
  readonly id: number
  readonly says: string
  readonly type: PropertyType
  /** Where a client may send it: those of the server's packets are foreign to all of them. */
  readonly places: readonly PropertyPlace[]
  /** It may stand in one block more than once. */
  readonly repeats?: true
  /** Zero is no value of it. */
  readonly neverZero?: true
}

const everywhere: readonly PropertyPlace[] = ['connect', 'will', 'publish', 'ack', 'subscribe', 'unsubscribe', 'disconnect', 'auth']

// Each byte-sized property has the values 0 and 1 only, also Maximum QoS: hence `flag`.
export const properties = {
  payloadFormat: { id: 0x01, says: 'Payload Format Indicator', type: 'flag', places: ['will', 'publish'] },
  messageExpiry: { id: 0x02, says: 'Message Expiry Interval', type: 'u32', places: ['will', 'publish'] },
  contentType: { id: 0x03, says: 'Content Type', type: 'text', places: ['will', 'publish'] },
  responseTopic: { id: 0x08, says: 'Response Topic', type: 'text', places: ['will', 'publish'] },
  correlationData: { id: 0x09, says: 'Correlation Data', type: 'binary', places: ['will', 'publish'] },
  subscriptionIdentifier: { id: 0x0b, says: 'Subscription Identifier', type: 'varint', places: ['subscribe'], neverZero: true },
  sessionExpiry: { id: 0x11, says: 'Session Expiry Interval', type: 'u32', places: ['connect', 'disconnect'] },
  assignedClientIdentifier: { id: 0x12, says: 'Assigned Client Identifier', type: 'text', places: [] },
  serverKeepAlive: { id: 0x13, says: 'Server Keep Alive', type: 'u16', places: [] },
  authenticationMethod: { id: 0x15, says: 'Authentication Method', type: 'text', places: ['connect', 'auth'] },
  authenticationData: { id: 0x16, says: 'Authentication Data', type: 'binary', places: ['connect', 'auth'] },
  requestProblemInformation: { id: 0x17, says: 'Request Problem Information', type: 'flag', places: ['connect'] },
  willDelay: { id: 0x18, says: 'Will Delay Interval', type: 'u32', places: ['will'] },
  requestResponseInformation: { id: 0x19, says: 'Request Response Information', type: 'flag', places: ['connect'] },
  responseInformation: { id: 0x1a, says: 'Response Information', type: 'text', places: [] },
  serverReference: { id: 0x1c, says: 'Server Reference', type: 'text', places: [] },
  reasonString: { id: 0x1f, says: 'Reason String', type: 'text', places: ['ack', 'disconnect', 'auth'] },
  receiveMaximum: { id: 0x21, says: 'Receive Maximum', type: 'u16', places: ['connect'], neverZero: true },
  topicAliasMaximum: { id: 0x22, says: 'Topic Alias Maximum', type: 'u16', places: ['connect'] },
  topicAlias: { id: 0x23, says: 'Topic Alias', type: 'u16', places: ['publish'], neverZero: true },
  maximumQos: { id: 0x24, says: 'Maximum QoS', type: 'flag', places: [] },
  retainAvailable: { id: 0x25, says: 'Retain Available', type: 'flag', places: [] },
  userProperty: { id: 0x26, says: 'User Property', type: 'pair', places: everywhere, repeats: true },
  maximumPacketSize: { id: 0x27, says: 'Maximum Packet Size', type: 'u32', places: ['connect'], neverZero: true },
  wildcardAvailable: { id: 0x28, says: 'Wildcard Subscription Available', type: 'flag', places: [] },
  subscriptionIdentifiersAvailable: { id: 0x29, says: 'Subscription Identifier Available', type: 'flag', places: [] },
  sharedAvailable: { id: 0x2a, says: 'Shared Subscription Available', type: 'flag', places: [] },
} as const satisfies Record<string, PropertyRow>

export type PropertyName = keyof typeof properties

/** A row with every field, so that all share one hidden class, its places and itself as bits: 27 properties fit into one integer. */
interface Rule {
  readonly id: number
  readonly says: string
  readonly type: PropertyType
  readonly places: number
  readonly repeats: boolean
  readonly neverZero: boolean
  readonly bit: number
}

const rulesById: (Rule | undefined)[] = Array.from({ length: 256 }, () => undefined)
Object.values<PropertyRow>(properties).forEach(({ id, says, type, places, repeats, neverZero }, index) => {
  const placeBits = places.reduce((bits, place) => bits | placeBit(place), 0)
  rulesById[id] = { id, says, type, places: placeBits, repeats: repeats === true, neverZero: neverZero === true, bit: 1 << index }
})

function placeBit(place: PropertyPlace): number {
  return 1 << everywhere.indexOf(place)
}

/** What the newest scan found. One object for all, because a PUBLISH may not cost an allocation: read it before the next scan. */
export const scanned = {
  /** Where the properties begin, behind their length, and end. */
  start: 0,
  end: 0,
  /** One bit for each property seen; ask `saw`. */
  seen: 0,
  topicAlias: 0,
  messageExpirySeconds: -1,
  /** The one property that is not for subscribers (topic alias, will delay); both equal `start` when there is none. */
  cutStart: 0,
  cutEnd: 0,
}

/** Whether the newest scan met the property. */
export function saw(name: PropertyName): boolean {
  return (scanned.seen & rulesById[properties[name].id]!.bit) !== 0
}

/**
 * Checks a block of properties, its length in front, that begins at `at` and may not reach past `limit`; returns the position behind it.
 * What it found is in `scanned`.
 * Errors: `malformed-packet` for bytes that are no properties of this place, `protocol-error` for values and repeats that are not allowed.
 */
export function scanProperties(place: PropertyPlace, buffer: Buffer, at: number, limit: number): number {
  const placeAsBit = placeBit(place)
  let next = variableIntegerEnd(buffer, at, limit, 'the length of the properties')
  const end = next + variableInteger(buffer, at)
  if (end > limit) throw malformed('the properties reach past the end of the packet')
  scanned.start = next
  scanned.end = end
  scanned.seen = 0
  scanned.topicAlias = 0
  scanned.messageExpirySeconds = -1
  scanned.cutStart = next
  scanned.cutEnd = next

  while (next < end) {
    const id = buffer[next]!
    const rule = rulesById[id]
    if (rule === undefined) throw malformed(`there is no property 0x${id.toString(16).padStart(2, '0')}`) // 5: section 2.2.2.2
    const valueAt = next + 1
    const valueEnd = propertyValueEnd(rule, buffer, valueAt, end)
    if ((rule.places & placeAsBit) === 0) throw foreign(rule, place)
    if ((scanned.seen & rule.bit) !== 0 && !rule.repeats) throw protocolError(`${rule.says} stands twice`)
    scanned.seen |= rule.bit
    checkValue(rule, buffer, valueAt, valueEnd)

    if (id === properties.messageExpiry.id) scanned.messageExpirySeconds = u32(buffer, valueAt)
    else if (id === properties.topicAlias.id || id === properties.willDelay.id) {
      if (id === properties.topicAlias.id) scanned.topicAlias = u16(buffer, valueAt)
      scanned.cutStart = next
      scanned.cutEnd = valueEnd
    }
    next = valueEnd
  }
  return end
}

/** The scanned properties that subscribers get: a view when they lie together, else a copy; undefined when there are none. */
export function forwardable(buffer: Buffer): Buffer | undefined {
  const { start, end, cutStart, cutEnd } = scanned
  if (end - start === cutEnd - cutStart) return undefined
  if (cutStart === start) return buffer.subarray(cutEnd, end)
  if (cutEnd === end) return buffer.subarray(start, cutStart)
  return Buffer.concat([buffer.subarray(start, cutStart), buffer.subarray(cutEnd, end)])
}

/** The user properties of the newest scan, in their order. */
export function scannedUserProperties(buffer: Buffer): UserProperties {
  const pairs: [string, string][] = []
  for (let at = scanned.start; at < scanned.end; ) {
    const rule = rulesById[buffer[at]!]!
    const valueAt = at + 1
    at = propertyValueEnd(rule, buffer, valueAt, scanned.end)
    if (rule.type !== 'pair') continue
    const nameEnd = valueAt + 2 + u16(buffer, valueAt)
    pairs.push([buffer.toString('utf8', valueAt + 2, nameEnd), buffer.toString('utf8', nameEnd + 2, at)])
  }
  return pairs
}

/** Where a property's value stands in a checked block without its length in front; -1 when it is not there. */
export function findProperty(name: PropertyName, block: Uint8Array): number {
  for (let at = 0; at < block.length; ) {
    const rule = rulesById[block[at]!]!
    if (rule.id === properties[name].id) return at + 1
    at = propertyValueEnd(rule, block, at + 1, block.length)
  }
  return -1
}

function propertyValueEnd(rule: Rule, buffer: Uint8Array, at: number, limit: number): number {
  switch (rule.type) {
    case 'flag':
      return fixedEnd(rule, at + 1, limit)
    case 'u16':
      return fixedEnd(rule, at + 2, limit)
    case 'u32':
      return fixedEnd(rule, at + 4, limit)
    case 'varint':
      return variableIntegerEnd(buffer, at, limit, rule.says)
    case 'text':
    case 'binary':
      return lengthPrefixedEnd(buffer, at, limit, rule.says)
    case 'pair':
      return lengthPrefixedEnd(buffer, lengthPrefixedEnd(buffer, at, limit, rule.says), limit, rule.says)
  }
}

function fixedEnd(rule: Rule, end: number, limit: number): number {
  if (end > limit) throw malformed(`${rule.says} is cut off`)
  return end
}

function foreign(rule: Rule, place: PropertyPlace): Refusal {
  if (place === 'publish' && rule.id === properties.subscriptionIdentifier.id) {
    return protocolError('a PUBLISH from a client carries no Subscription Identifier') // 5: [MQTT-3.3.4-6]
  }
  return malformed(`${rule.says} is no property of ${placeNames[place]}`) // 5: section 2.2.2.2
}

const placeNames: Readonly<Record<PropertyPlace, string>> = {
  connect: 'CONNECT',
  will: 'a will',
  publish: 'PUBLISH',
  ack: 'an acknowledgement',
  subscribe: 'SUBSCRIBE',
  unsubscribe: 'UNSUBSCRIBE',
  disconnect: "a client's DISCONNECT",
  auth: 'AUTH',
}

function checkValue(rule: Rule, buffer: Buffer, at: number, end: number): void {
  switch (rule.type) {
    case 'flag':
      if (buffer[at]! > 1) throw protocolError(`${rule.says} is 0 or 1`)
      return
    case 'text':
      if (!isMqttString(buffer, at + 2, end)) throw malformed(`${rule.says} is not UTF-8, or contains U+0000`) // 5: [MQTT-1.5.4-1]
      if (rule.id === properties.responseTopic.id) checkResponseTopic(buffer, at + 2, end)
      return
    case 'pair': {
      const nameEnd = at + 2 + u16(buffer, at)
      if (isMqttString(buffer, at + 2, nameEnd) && isMqttString(buffer, nameEnd + 2, end)) return
      throw malformed(`a ${rule.says} is not UTF-8, or contains U+0000`) // 5: [MQTT-1.5.7-1]
    }
    default:
      if (!rule.neverZero) return
      for (let digit = at; digit < end; digit++) if (buffer[digit] !== 0) return
      throw protocolError(`${rule.says} is never 0`)
  }
}

function checkResponseTopic(buffer: Buffer, at: number, end: number): void {
  if (at === end) throw protocolError('the Response Topic is empty') // 5: [MQTT-4.7.3-1]
  for (; at < end; at++) {
    if (buffer[at] === 0x23 || buffer[at] === 0x2b) throw protocolError('the Response Topic contains a wildcard') // 5: [MQTT-3.3.2-14]
  }
}
