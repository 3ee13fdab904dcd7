// Packets as the tests of MQTT write and read them: what a CONNECT asks for, what is compared of a message.
import type { IConnectPacket, IPublishPacket, Packet, QoS } from 'mqtt-packet'
import type { Version } from './mqtt.ts'

/** What a client says that wants to be remembered: its session outlives the connection, in MQTT 5 by so many seconds. */
export function lasting(version: Version, more: Partial<IConnectPacket> = {}, seconds = 3600): Partial<IConnectPacket> {
  const properties = version === 5 ? { properties: { sessionExpiryInterval: seconds, ...more.properties } } : {}
  return { clean: false, ...more, ...properties }
}

/** A will without properties. */
export function willOf(topic: string, payload: string, qos: QoS = 0, retain = false): NonNullable<IConnectPacket['will']> {
  return { topic, payload: Buffer.from(payload), qos, retain }
}

export const textOf = ({ payload }: IPublishPacket) => payload.toString()
export const idOf = ({ messageId }: Packet) => messageId
