// A message as PUBLISH bytes. A fan-out encodes it once per protocol version, QoS and RETAIN flag; only the packet identifier differs.
import type { Message, QoS } from '../../devices/message.ts'
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
  nowMs: number,
): Buffer {
  if (message !== sharedMessage) {
    sharedMessage = message
    sharedTopic = Buffer.from(message.topic)
    shared.fill(undefined)
  }
  let encoded: EncodedPublish
  if (version === 5 && (identifiers !== undefined || message.expiresAtMs !== Number.POSITIVE_INFINITY)) {
    encoded = encode(message, version, qos, retain, identifiers, nowMs) // identifiers are each subscriber's own, and time goes on
  } else {
    const slot = (version === 5 ? 6 : 0) + qos * 2 + (retain ? 1 : 0)
    shared[slot] ??= encode(message, version, qos, retain, undefined, nowMs)
    encoded = shared[slot] as EncodedPublish
  }
  return qos === 0 ? encoded.bytes : withPacketId(encoded, packetId, dup)
}

function encode(
  message: Message,
  version: ProtocolVersion,
  qos: QoS,
  retain: boolean,
  subscriptionIdentifiers: readonly number[] | undefined,
  nowMs: number,
): EncodedPublish {
  const { payload, properties, expiresAtMs } = message
  // What is left of it, in whole seconds and never none.  5: [MQTT-3.3.2-6]
  const messageExpirySeconds = expiresAtMs === Number.POSITIVE_INFINITY ? undefined : Math.max(1, Math.ceil((expiresAtMs - nowMs) / 1000))
  return encodePublish({
    version,
    topic: sharedTopic,
    payload,
    qos,
    retain,
    dup: false,
    properties,
    subscriptionIdentifiers,
    messageExpirySeconds,
  })
}
