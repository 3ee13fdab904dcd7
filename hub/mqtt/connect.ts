// CONNECT: MQTT 5 section 3.1, 3.1.1 section 3.1. The handshake is this list of steps, top to bottom.

import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { type ConnectPacket, encodeConnack } from './codec.ts'
import type { MqttConnection } from './connection.ts'

/** A session of MQTT 3.x that is not clean has no expiry of its own; the hub's bound is one. */
const expiryOfVersion3 = limits.sessionExpirySeconds
/** 5: aliases a client may set. More would only serve a gateway, which has `lastRoute` and the route cache anyway. */
export const topicAliasMaximum = 32

export function onConnect(connection: MqttConnection, packet: ConnectPacket): void {
  const { engine } = connection
  connection.wantsReasons = packet.requestProblemInformation
  connection.isBridge = packet.bridge
  if (packet.authenticationMethod !== undefined) {
    throw new Refusal('extended-auth-unsupported', { detail: packet.authenticationMethod }) //  5: [MQTT-4.12.0-1]
  }

  const assigned = packet.clientId === '' ? engine.assignClientId() : undefined
  const clientId = assigned ?? packet.clientId
  engine.authenticate({ clientId, username: packet.username, address: connection.address })

  connection.keepAliveSeconds = packet.keepAliveSeconds
  connection.inflightMax = Math.min(packet.receiveMaximum, limits.inflightMessages) //  5: [MQTT-3.3.4-9]
  connection.packetBytesMax = packet.maximumPacketSize ?? Number.POSITIVE_INFINITY

  const asked = expiryAsked(packet)
  const { session, resumed } = engine.sessions.open(clientId, connection, {
    clean: packet.cleanStart,
    expirySeconds: asked,
    will: packet.will,
  })
  connection.say(
    encodeConnack(packet.version, {
      sessionPresent: resumed, //  5: [MQTT-3.2.2-2]  3.1.1: [MQTT-3.2.2-1]
      reasonCode: 0,
      sessionExpirySeconds: session.expirySeconds === asked ? undefined : session.expirySeconds,
      receiveMaximum: limits.receiveMaximum,
      maximumPacketSize: limits.packetBytes,
      assignedClientId: assigned,
      topicAliasMaximum,
      sharedAvailable: false,
    }),
  )
  connection.flush() // CONNACK comes before any answer of this turn  5: [MQTT-3.2.0-1]  3.1.1: [MQTT-3.2.0-1]
  connection.connected(session)
  if (resumed) session.resend()
}

function expiryAsked(packet: ConnectPacket): number {
  if (packet.version === 5) return packet.sessionExpirySeconds ?? 0 //  5: section 3.1.2.11.2
  return packet.cleanStart ? 0 : expiryOfVersion3
}
