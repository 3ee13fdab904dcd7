// A message as PUBLISH bytes. A fan-out encodes it once per protocol version, QoS and RETAIN flag; only the packet identifier differs. Those
// who take topic aliases share what they can among themselves.
import type { Message, QoS } from '../../devices/message.ts'
import type { Clock } from '../clock.ts'
import type { TopicAliases } from './aliases.ts'
import { type EncodedPublish, encodePublish, type ProtocolVersion, withPacketId } from './codec.ts'

/** Encodings of the message that is being fanned out right now, by version, QoS and RETAIN. */
const shared: (EncodedPublish | undefined)[] = []
let sharedMessage: Message | undefined
let sharedTopic: Buffer = Buffer.alloc(0)

export function encodeDelivery(
  message: Message,
  version: ProtocolVersion,
  qos: QoS,
  retain: boolean,
  identifiers: readonly number[] | undefined,
  packetId: number,
  dup: boolean,
  clock: Clock,
): Buffer {
  if (message !== sharedMessage) {
    sharedMessage = message
    sharedTopic = Buffer.from(message.topic)
    shared.fill(undefined)
  }
  let encoded: EncodedPublish
  if (version === 5 && (identifiers !== undefined || message.expiresAtMs !== Number.POSITIVE_INFINITY)) {
    encoded = encode(message, version, qos, retain, identifiers, clock) // identifiers are each subscriber's own, and time goes on
  } else {
    const slot = (version === 5 ? 6 : 0) + qos * 2 + (retain ? 1 : 0)
    shared[slot] ??= encode(message, version, qos, retain, undefined, clock)
    encoded = shared[slot] as EncodedPublish
  }
  return qos === 0 ? encoded.bytes : withPacketId(encoded, packetId, dup)
}

/** Encodings of the message that is being fanned out, its topic an alias alone: by alias, QoS and RETAIN. */
const aliased = new Map<number, EncodedPublish>()
let aliasedMessage: Message | undefined

/**
 * The same for a connection that takes topic aliases. Measured per subscriber of a fan-out at QoS 0 with 125 bytes of payload: 0.3 µs by an
 * alias nobody else has for the topic, 0.07 µs by one that others have too, 0.03 µs for those who take none and never come here.
 */
export function encodeAliased(
  aliases: TopicAliases,
  packetBytesMax: number,
  message: Message,
  qos: QoS,
  retain: boolean,
  identifiers: readonly number[] | undefined,
  packetId: number,
  dup: boolean,
  clock: Clock,
): Buffer {
  const { topic, payload } = message
  const alias = aliases.aliasFor(topic, payload.length)
  if (alias === undefined) return encodeDelivery(message, 5, qos, retain, identifiers, packetId, dup, clock)
  if (alias.introduces) {
    const encoded = encode(message, 5, qos, retain, identifiers, clock, Buffer.from(topic), alias.number)
    // The alias costs some bytes, once. Where the client's Maximum Packet Size has no room for them, it waits for a smaller message.
    if (encoded.bytes.length > packetBytesMax) return encodeDelivery(message, 5, qos, retain, identifiers, packetId, dup, clock)
    aliases.introduced(topic, alias)
    return qos === 0 ? encoded.bytes : withPacketId(encoded, packetId, dup)
  }
  let encoded: EncodedPublish | undefined
  if (identifiers !== undefined || message.expiresAtMs !== Number.POSITIVE_INFINITY) {
    encoded = encode(message, 5, qos, retain, identifiers, clock, noTopic, alias.number)
  } else {
    if (message !== aliasedMessage) {
      aliasedMessage = message
      aliased.clear()
    }
    const key = alias.number * 6 + qos * 2 + (retain ? 1 : 0)
    encoded = aliased.get(key)
    if (encoded === undefined) {
      encoded = encode(message, 5, qos, retain, undefined, clock, noTopic, alias.number)
      aliased.set(key, encoded)
    }
  }
  return qos === 0 ? encoded.bytes : withPacketId(encoded, packetId, dup)
}

/** In its place stands an alias.  5: section 3.3.2.1 */
const noTopic = new Uint8Array(0)

function encode(
  message: Message,
  version: ProtocolVersion,
  qos: QoS,
  retain: boolean,
  subscriptionIdentifiers: readonly number[] | undefined,
  clock: Clock,
  topic: Uint8Array = sharedTopic,
  topicAlias?: number,
): EncodedPublish {
  const { payload, properties, expiresAtMs } = message
  // What is left of it, in whole seconds and never none.  5: [MQTT-3.3.2-6]
  const messageExpirySeconds =
    expiresAtMs === Number.POSITIVE_INFINITY ? undefined : Math.max(1, Math.ceil((expiresAtMs - clock.steady()) / 1000))
  return encodePublish({
    version,
    topic,
    payload,
    qos,
    retain,
    dup: false,
    properties,
    subscriptionIdentifiers,
    messageExpirySeconds,
    topicAlias,
  })
}
