// CONNECT: MQTT 5 section 3.1, 3.1.1 section 3.1. The handshake is this list of steps, top to bottom.

import type { Principal } from '../access/principal.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { assertAllowed } from '../routing/router.ts'
import { TopicAliases } from './aliases.ts'
import { authenticate, type Proof } from './auth.ts'
import { type Connack, type ConnectPacket, encodeConnack } from './codec.ts'
import type { MqttConnection } from './connection.ts'
import { asksForCursors } from './cursors.ts'
import { keyIn, meet } from './newcomer.ts'
import { assertPayloadFormat } from './publish.ts'

/** A session of MQTT 3.x that is not clean has no expiry of its own; the hub's bound is one. */
const expiryOfVersion3 = limits.sessionExpirySeconds

export function onConnect(connection: MqttConnection, packet: ConnectPacket): void {
  const { engine } = connection
  connection.wantsReasons = packet.requestProblemInformation
  connection.packetBytesMax = packet.maximumPacketSize ?? Number.POSITIVE_INFINITY // before anything is answered, a refusal too
  connection.isBridge = packet.bridge
  connection.wantsCursors = asksForCursors(packet.userProperties)
  if (packet.authenticationMethod !== undefined) {
    const { authenticationMethod: method, authenticationData: data } = packet
    // From whatever address it comes.
    authenticate(connection, method, data, (proof) => {
      admit(connection, packet, engine.principalOfUser(proof.username, packet.clientId, connection.peer.address), proof)
    })
    return
  }
  const key = keyIn(packet)
  if (key !== undefined) {
    meet(connection, packet, key)
    return
  }
  const principal = engine.authenticate({
    clientId: packet.clientId,
    username: packet.username,
    password: packet.password,
    token: undefined,
    ...connection.peer,
  })
  if (principal instanceof Promise) {
    connection.identifying(principal, (found) => {
      if (connection.state.is !== 'closed') admit(connection, packet, found, undefined)
    })
  } else admit(connection, packet, principal, undefined)
}

function admit(connection: MqttConnection, packet: ConnectPacket, comes: Principal, proof: Proof | undefined): void {
  const { engine } = connection
  const { will } = packet
  const clientId = packet.clientId === '' ? comes.ownClientId(engine.sessions.newClientId()) : packet.clientId
  const principal = comes.as(clientId)
  if (will !== undefined) assertAllowed(will.topic, { permissions: principal.permissions, retain: will.retain })
  if (will?.properties !== undefined) assertPayloadFormat(will.properties, will.payload, 0, will.payload.length)

  const serverKeepAliveSeconds = keepAliveGiven(packet, engine.keepAliveMaxSeconds)
  connection.keepAliveSeconds = serverKeepAliveSeconds ?? packet.keepAliveSeconds //  5: [MQTT-3.2.2-22]
  connection.inflightMax = Math.min(packet.receiveMaximum, limits.inflightMessages) //  5: [MQTT-3.3.4-9]
  if (packet.topicAliasMaximum > 0) connection.outgoingAliases = new TopicAliases(packet.topicAliasMaximum) //  5: [MQTT-3.1.2-27]

  const asked = expiryAsked(packet)
  const connack = welcome(connection, packet, clientId, asked, proof, serverKeepAliveSeconds) // before the session is touched: nobody may be let in without hearing of it
  const { session, resumed, replaced } = engine.sessions.open(clientId, connection, {
    clean: packet.cleanStart,
    expirySeconds: asked,
    will,
    principal,
  })
  connection.connected(session)
  connection.welcome(encodeConnack(packet.version, { ...connack, sessionPresent: resumed }), !replaced) //  5: [MQTT-3.2.2-2], [MQTT-3.2.2-3]  3.1.1: [MQTT-3.2.2-1] to -3
  if (resumed) session.resend()
}

/** The keep-alive that the hub gives a client which asked for a longer one or for none; undefined when it keeps its own. 3.x has no word for it. */
function keepAliveGiven({ version, keepAliveSeconds }: ConnectPacket, maxSeconds: number): number | undefined {
  const isTooLong = keepAliveSeconds === 0 || keepAliveSeconds > maxSeconds
  return version === 5 && maxSeconds !== 0 && isTooLong ? maxSeconds : undefined
}

function expiryAsked(packet: ConnectPacket): number {
  if (packet.version === 5) return packet.sessionExpirySeconds ?? 0 //  5: section 3.1.2.11.2
  return packet.cleanStart ? 0 : expiryOfVersion3
}

/** What CONNACK says. What the client can do without gives way when it takes only small packets.  5: [MQTT-3.1.2-24] */
function welcome(
  connection: MqttConnection,
  packet: ConnectPacket,
  clientId: string,
  asked: number,
  proof: Proof | undefined,
  serverKeepAliveSeconds: number | undefined,
): Connack {
  const needed: Connack = {
    reasonCode: 0,
    sessionExpirySeconds: asked > limits.sessionExpirySeconds ? limits.sessionExpirySeconds : undefined,
    receiveMaximum: limits.receiveMaximum,
    maximumPacketSize: limits.packetBytes,
    assignedClientId: packet.clientId === '' ? clientId : undefined,
    topicAliasMaximum: limits.topicAliases,
    serverKeepAliveSeconds,
    authenticationMethod: packet.authenticationMethod, //  5: [MQTT-4.12.0-5], [MQTT-4.12.0-6]
    authenticationData: proof?.data,
  }
  const full: Connack = packet.requestResponseInformation ? { ...needed, responseInformation: responsePrefix(clientId) } : needed
  const fits = (connack: Connack) => encodeConnack(packet.version, connack).length <= connection.packetBytesMax
  if (packet.maximumPacketSize === undefined || fits(full)) return full
  if (fits(needed)) return needed
  throw new Refusal('protocol-error', { detail: `a Maximum Packet Size of ${packet.maximumPacketSize} has no room for CONNACK` })
}

/**
 * Where answers to this client's requests may go; undefined when its identifier would leave no room for the rest of a topic. What a topic
 * level cannot hold is escaped, so that the prefix is one level, a topic name, and no other client's.  5: section 3.2.2.3.14
 */
function responsePrefix(clientId: string): string | undefined {
  const prefix = `responses/${encodeURIComponent(clientId)}/`
  return prefix.length <= limits.topicBytes / 2 ? prefix : undefined
}
