// The packets as the rest of the hub sees them: plain data in the words of the specification, nothing of how they are encoded.
import type { QoS } from '../../devices/message.ts'

/** The protocol level of CONNECT: 3 is MQTT 3.1 (`MQIsdp`), 4 is 3.1.1, 5 is 5.0. */
export type ProtocolVersion = 3 | 4 | 5

/** The upper four bits of a packet's first byte. */
export const packetType = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
  auth: 15,
} as const

/** The four answers of the QoS 1 and 2 handshakes, which share one form. */
export type AckType = 'puback' | 'pubrec' | 'pubrel' | 'pubcomp'

/** What a connection does with each packet. Called synchronously, in the order of the packets. */
export interface PacketHandler {
  onConnect(packet: ConnectPacket): void
  onPublish(publish: PublishView): void
  onPuback(packetId: number, reasonCode: number): void
  onPubrec(packetId: number, reasonCode: number): void
  onPubrel(packetId: number, reasonCode: number): void
  onPubcomp(packetId: number, reasonCode: number): void
  onSubscribe(packet: SubscribePacket): void
  onUnsubscribe(packet: UnsubscribePacket): void
  onPingreq(): void
  onDisconnect(packet: DisconnectPacket): void
  onAuth(packet: AuthPacket): void
}

/**
 * One PUBLISH as positions in the read buffer. There is one such object for all connections, filled anew for each packet: what it says,
 * and the bytes it points to, hold only during the call.
 */
export interface PublishView {
  readonly buffer: Buffer
  /** Equal to `topicEnd` when the topic is given by its alias alone. The bytes are not yet checked: `readTopicName` does that. */
  readonly topicStart: number
  readonly topicEnd: number
  readonly payloadStart: number
  readonly payloadEnd: number
  readonly qos: QoS
  readonly retain: boolean
  readonly dup: boolean
  /** 0 for QoS 0. */
  readonly packetId: number
  /** 0 for none. */
  readonly topicAlias: number
  /**
   * The MQTT 5 properties every subscriber gets, as in `Message.properties`; undefined when there are none. A view into `buffer`, or a copy
   * when a topic alias stood between them: copy it to keep it.
   */
  readonly properties: Buffer | undefined
  /** -1 for none. It is among `properties` as well. */
  readonly messageExpirySeconds: number
}

export type UserProperties = readonly (readonly [name: string, value: string])[]

export interface Will {
  readonly topic: string
  readonly payload: Buffer
  readonly qos: QoS
  readonly retain: boolean
  readonly delaySeconds: number
  /** As in `Message.properties`: encoded, without the will delay. */
  readonly properties: Buffer | undefined
  /** -1 for none. */
  readonly messageExpirySeconds: number
}

export interface ConnectPacket {
  readonly version: ProtocolVersion
  /** The client set bit 0x80 of the protocol level: a bridge that wants RETAIN as published and none of its own messages back. */
  readonly bridge: boolean
  /** Empty when the hub shall choose one (3.1.1 and 5). */
  readonly clientId: string
  readonly cleanStart: boolean
  readonly keepAliveSeconds: number
  readonly username: string | undefined
  readonly password: Buffer | undefined
  readonly will: Will | undefined
  /** Undefined when absent, always in MQTT 3; 0xffffffff is for ever. */
  readonly sessionExpirySeconds: number | undefined
  readonly receiveMaximum: number
  readonly maximumPacketSize: number | undefined
  readonly topicAliasMaximum: number
  readonly requestResponseInformation: boolean
  readonly requestProblemInformation: boolean
  readonly authenticationMethod: string | undefined
  readonly authenticationData: Buffer | undefined
  readonly userProperties: UserProperties
}

export interface Subscription {
  readonly filter: string
  readonly qos: QoS
  readonly noLocal: boolean
  readonly retainAsPublished: boolean
  /** 0 retained messages at every SUBSCRIBE, 1 only when the subscription is new, 2 never. */
  readonly retainHandling: 0 | 1 | 2
}

export interface SubscribePacket {
  readonly packetId: number
  readonly subscriptionIdentifier: number | undefined
  readonly subscriptions: readonly Subscription[]
  readonly userProperties: UserProperties
}

export interface UnsubscribePacket {
  readonly packetId: number
  readonly filters: readonly string[]
}

export interface DisconnectPacket {
  readonly reasonCode: number
  readonly sessionExpirySeconds: number | undefined
  readonly reasonString: string | undefined
}

export interface AuthPacket {
  readonly reasonCode: number
  readonly authenticationMethod: string
  readonly authenticationData: Buffer | undefined
  readonly reasonString: string | undefined
}
