// One application message, whatever carried it. Every protocol turns into and out of this.

/** MQTT 5 section 4.3: at most once, at least once, exactly once. */
export type QoS = 0 | 1 | 2

export interface Message {
  /** Place in the hub-wide sequence; 0 for a message that is not kept in the journal. */
  readonly seq: number
  /** A topic name: no wildcards, at least one character. */
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: QoS
  /** The RETAIN flag of the PUBLISH, not "this is a retained message being replayed". */
  readonly retain: boolean
  /**
   * The MQTT 5 properties every subscriber gets unchanged, in their order and with repeats, encoded as in a PUBLISH
   * (section 2.2.2) without the length in front. Topic alias and subscription identifiers are never among them.
   */
  readonly properties: Uint8Array | undefined
  /** When the hub took it, Unix ms. */
  readonly atMs: number
  /** From when on it is not delivered any more, Unix ms of a clock that does not jump; Infinity for most. 5: section 3.3.2.3.3 */
  readonly expiresAtMs: number
  /** Client identifier of the publisher; undefined when it came from outside MQTT or from the hub. */
  readonly from: string | undefined
}

/** The width of the value behind each property that `Message.properties` can hold; 0 for one or two strings with their length in front. */
const fixedBytes: { readonly [id: number]: number } = { 1: 1, 2: 4, 3: 0, 8: 0, 9: 0, 38: 0 }
const messageExpiry = 0x02
const responseTopic = 0x08
const correlationData = 0x09
const userProperty = 0x26

const encoder = new TextEncoder()

/** Encoded properties, read: bytes that end too early end the search. */
function u16(properties: Uint8Array, at: number): number {
  return ((properties[at] ?? 0) << 8) | (properties[at + 1] ?? 0)
}

/** Where the first property of this id stands, its id byte included; undefined where there is none. */
function placeOf(properties: Uint8Array, wanted: number): { start: number; end: number } | undefined {
  for (let at = 0; at < properties.length; ) {
    const start = at
    const id = properties[at++] as number
    const fixed = fixedBytes[id]
    if (fixed === undefined) return undefined // the codec lets none through
    if (fixed > 0) at += fixed
    else for (let strings = id === userProperty ? 2 : 1; strings > 0; strings--) at += 2 + u16(properties, at)
    if (id === wanted) return { start, end: at }
  }
  return undefined
}

/** When a message taken at `atMs` expires: its Message Expiry Interval, found among its encoded properties. Infinity without one. */
export function expiryOf(properties: Uint8Array | undefined, atMs: number): number {
  const place = properties === undefined ? undefined : placeOf(properties, messageExpiry)
  if (properties === undefined || place === undefined) return Number.POSITIVE_INFINITY
  return atMs + (u16(properties, place.start + 1) * 0x1_0000 + u16(properties, place.start + 3)) * 1000
}

/** The properties of a message that is to be delivered within so many seconds. */
export function expiringIn(seconds: number): Uint8Array {
  const [high, low] = [Math.floor(seconds / 0x1_0000), Math.floor(seconds) % 0x1_0000]
  return Uint8Array.of(messageExpiry, high >> 8, high & 0xff, low >> 8, low & 0xff)
}

/** Where the publisher waits for an answer, and the properties of that answer: its correlation data, as it came. 5: section 4.10 */
export function answerAddressOf(properties: Uint8Array | undefined): { topic: string; properties: Uint8Array | undefined } | undefined {
  const place = properties === undefined ? undefined : placeOf(properties, responseTopic)
  if (properties === undefined || place === undefined) return undefined
  const correlation = placeOf(properties, correlationData)
  return {
    topic: new TextDecoder().decode(properties.subarray(place.start + 3, place.end)),
    properties: correlation === undefined ? undefined : properties.slice(correlation.start, correlation.end),
  }
}

/** What asks for an answer: where to and by which mark, and until when it is worth one. As in `Message.properties`. 5: section 4.10 */
export function requestProperties(expirySeconds: number, answerTopic: string, mark: string): Uint8Array {
  const [topic, correlation] = [encoder.encode(answerTopic), encoder.encode(mark)]
  const properties = new Uint8Array(5 + 3 + topic.length + 3 + correlation.length)
  const view = new DataView(properties.buffer)
  view.setUint8(0, messageExpiry)
  view.setUint32(1, expirySeconds)
  view.setUint8(5, responseTopic)
  view.setUint16(6, topic.length)
  properties.set(topic, 8)
  view.setUint8(8 + topic.length, correlationData)
  view.setUint16(9 + topic.length, correlation.length)
  properties.set(correlation, 11 + topic.length)
  return properties
}
