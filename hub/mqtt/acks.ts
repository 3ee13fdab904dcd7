// Answers to PUBLISH, in the order of the PUBLISHes and never before the commit.  5: [MQTT-4.6.0-2], [MQTT-4.6.0-3]
//
// A wait is a number: packet identifier, QoS and reason code in one token, so that a batch holds no object for each message.
import type { QoS } from '../../devices/message.ts'
import type { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { hold, type MqttConnection } from './connection.ts'
import { encodeRefusal } from './encode.ts'

const qos2Bit = 1 << 16
const reasonShift = 17

/** Answers a PUBLISH at QoS 1 or 2 once everything journalled so far, this message with it, is on disk. */
export function answerLater(connection: MqttConnection, qos: QoS, packetId: number, reasonCode: number): void {
  connection.engine.journal.after(connection, packetId | (qos === 2 ? qos2Bit : 0) | (reasonCode << reasonShift))
}

/** Refuses one in its turn. The token has no room for the sentence, which waits with the connection: refusals are rare. */
export function refuseLater(connection: MqttConnection, qos: QoS, packetId: number, refusal: Refusal): void {
  // MQTT 3.x has no words for it.  5: [MQTT-3.1.2-29]
  if (connection.version === 5 && connection.wantsReasons) {
    connection.refusedBecause ??= new Map()
    connection.refusedBecause.set(packetId, refusal.message)
  }
  answerLater(connection, qos, packetId, refusal.row.mqtt)
}

export function onStored(connection: MqttConnection, token: number): void {
  answer(connection, token, token >>> reasonShift)
}

/**
 * The message is not on disk. What may pass later is not answered: the connection closes and the message stays with the device. (In MQTT 5
 * even an error PUBACK would count as acknowledged.)
 */
export function onFailed(connection: MqttConnection, token: number, why: Refusal): void {
  const packetId = token & 0xffff
  if (connection.state.is === 'connected' && (token & qos2Bit) !== 0) connection.session.receivedQoS2?.delete(packetId)
  if (why.row.retry) connection.close(why)
  else answer(connection, token, why.row.mqtt)
}

function answer(connection: MqttConnection, token: number, reasonCode: number): void {
  const isQoS2 = (token & qos2Bit) !== 0
  if (isQoS2) connection.unansweredQoS2--
  else connection.unansweredQoS1--
  if (isQoS2 && reasonCode >= 0x80 && connection.unreleased > 0) connection.unreleased-- // a PUBREC that refuses ends the exchange
  if (connection.unansweredQoS1 + connection.unansweredQoS2 <= limits.receiveMaximum / 2) connection.releaseReading(hold.window)
  if (connection.state.is !== 'connected') return
  if (reasonCode >= 0x80 && sayRefusal(connection, isQoS2 ? 'pubrec' : 'puback', token & 0xffff, reasonCode)) return
  connection.answer(isQoS2 ? 'pubrec' : 'puback', token & 0xffff, reasonCode)
}

/** False when there is no sentence to say, or the client takes no packet so large.  5: [MQTT-3.4.2-2], [MQTT-3.5.2-2] */
function sayRefusal(connection: MqttConnection, type: 'puback' | 'pubrec', packetId: number, reasonCode: number): boolean {
  const sentence = connection.refusedBecause?.get(packetId)
  if (sentence === undefined) return false
  connection.refusedBecause?.delete(packetId)
  const packet = encodeRefusal(type, packetId, reasonCode, sentence)
  if (packet.length > connection.packetBytesMax) return false
  connection.say(packet)
  // The short answers of a turn are written before its other packets, so those that come later would overtake this one.
  connection.flush() //  5: [MQTT-4.6.0-2], [MQTT-4.6.0-3]
  return true
}
