// PUBLISH from a client: MQTT 5 section 3.3, 3.1.1 section 3.3.
//
// The answer waits for the commit: a device that has seen PUBACK knows that its data survives a crash of the hub. Reading does not wait;
// later packets are parsed while this one commits, up to `limits.unansweredPublishes` of them.
import { isUtf8 } from 'node:buffer'
import type { QoS } from '../../devices/message.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Route } from '../routing/route.ts'
import { blankPublication } from '../routing/router.ts'
import { answerLater, refuseLater } from './acks.ts'
import { type PublishView, readTopicName } from './codec.ts'
import { hold, type MqttConnection } from './connection.ts'
import { findProperty } from './properties.ts'

const publication = blankPublication()

export function onPublish(connection: MqttConnection, publish: PublishView): void {
  const { engine, session } = connection
  const { qos, packetId } = publish
  const route = routeOf(connection, publish)
  if (qos === 1) connection.unansweredQoS1++
  if (qos === 2) {
    connection.unansweredQoS2++
    if (session.receivedQoS2?.has(packetId) === true) {
      answerLater(connection, 'pubrec', packetId, 0) // PUBREC again, no second delivery  5: [MQTT-4.3.3-10]  3.1.1: [MQTT-4.3.3-2]
      return
    }
  }

  if (qos === 2) connection.unreleased++
  if (qos > 0) mindWindow(connection)
  publication.qos = qos
  publication.retain = publish.retain
  publication.properties = publish.properties
  publication.from = session.clientId
  publication.permissions = session.principal.permissions
  publication.allowance = session.principal.allowance
  // MQTT 5 has words for a refusal. At QoS 2 the identifier would have to be taken back.
  publication.checked = qos === 1 && connection.version === 5 && route.meaning.is === 'reported'
  let seq: number
  try {
    if (publish.properties !== undefined) {
      assertPayloadFormat(publish.properties, publish.buffer, publish.payloadStart, publish.payloadEnd)
    }
    seq = engine.router.publish(route, publish.buffer, publish.payloadStart, publish.payloadEnd, publication)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    refuse(connection, qos, packetId, error)
    return
  }
  if (qos === 2) session.receivedPublish(packetId)
  if (qos > 0) answerLater(connection, qos === 2 ? 'pubrec' : 'puback', packetId, 0, publication.checked ? seq : 0)
}

/** Whoever says that a payload is text must send text: subscribers rely on the word.  5: section 3.3.2.3.2; of a will, section 3.1.3.2.3 */
export function assertPayloadFormat(properties: Uint8Array, buffer: Uint8Array, start: number, end: number): void {
  const at = findProperty('payloadFormat', properties)
  if (at !== -1 && properties[at] === 1 && !isUtf8(buffer.subarray(start, end))) throw new Refusal('payload-format-invalid')
}

/** The last topic again, which is the rule, costs a comparison of bytes; a new one is decoded and checked. */
function routeOf(connection: MqttConnection, publish: PublishView): Route {
  const { topicStart, topicEnd, topicAlias, buffer } = publish
  const { lastRoute } = connection
  if (topicAlias > limits.topicAliases) throw new Refusal('topic-alias-invalid', { alias: topicAlias, limit: limits.topicAliases }) //  5: [MQTT-3.3.2-9]
  if (topicStart === topicEnd) {
    const route = connection.aliases?.get(topicAlias)
    if (route === undefined) throw new Refusal('protocol-error', { detail: `topic alias ${topicAlias} was not set on this connection` }) //  5: [MQTT-3.3.4-1]
    return route
  }
  const isLast = lastRoute !== undefined && sameBytes(lastRoute.bytes, buffer, topicStart, topicEnd)
  const route = isLast ? lastRoute : connection.engine.router.routeOf(readTopicName(buffer, topicStart, topicEnd))
  connection.lastRoute = route
  if (topicAlias !== 0) {
    connection.aliases ??= new Map()
    connection.aliases.set(topicAlias, route)
  }
  return route
}

/** A loop in JavaScript: for topics of some 25 bytes it beats the call into native code. */
function sameBytes(bytes: Buffer, buffer: Buffer, start: number, end: number): boolean {
  if (bytes.length !== end - start) return false
  for (let at = end - start - 1; at >= 0; at--) {
    // Device ids differ at the end, so the comparison begins there.
    if (bytes[at] !== buffer[start + at]) return false
  }
  return true
}

/** Past a window the wire is not read until the disk has caught up. MQTT 5 names a window as well, a wider one, and who exceeds it is disconnected. */
function mindWindow(connection: MqttConnection): void {
  const { unansweredQoS1, unansweredQoS2, unreleased } = connection
  if (connection.version === 5 && unansweredQoS1 + unreleased > limits.receiveMaximum) {
    throw new Refusal('receive-maximum-exceeded', { limit: limits.receiveMaximum }) //  5: [MQTT-3.3.4-7]
  }
  if (unansweredQoS1 + unansweredQoS2 > limits.unansweredPublishes) connection.holdReading(hold.window)
}

/**
 * Only what time cannot heal is answered, because a device never sends again what was answered. MQTT 3.x has no word for a refusal: the
 * message is acknowledged and dropped [3.1.1: MQTT-3.3.5-2], counted and logged.
 */
function refuse(connection: MqttConnection, qos: QoS, packetId: number, refusal: Refusal): void {
  if (refusal.row.retry && qos > 0) throw refusal
  connection.engine.metrics.refused(refusal.code, connection.session.principal.owner)
  connection.engine.log.info({ client: connection.toString(), code: refusal.code }, refusal.message)
  if (qos > 0) refuseLater(connection, qos === 2 ? 'pubrec' : 'puback', packetId, refusal)
}
