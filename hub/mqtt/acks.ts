// Answers that wait for the disk: to PUBLISH in the order of the PUBLISHes  5: [MQTT-4.6.0-2], [MQTT-4.6.0-3], to PUBREL, to SUBSCRIBE.
//
// A wait is a number: packet identifier, kind of answer and reason code in one token, so that a batch holds no object for each message.
import type { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { hold, type MqttConnection } from './connection.ts'
import { encodeRefusal } from './encode.ts'

/** `pubcomp` waits only in a session that outlives the process: the identifier may be used again once the client has seen it. */
type AnswerType = 'puback' | 'pubrec' | 'pubcomp'

const types: readonly AnswerType[] = ['puback', 'pubrec', 'pubcomp']
const typeShift = 16
const reasonShift = 18

/** Answers a packet once everything journalled so far, what it brought with it, is on disk. `checkedSeq`: see `Journal.after`. */
export function answerLater(connection: MqttConnection, type: AnswerType, packetId: number, reasonCode: number, checkedSeq = 0): void {
  const token = packetId | (types.indexOf(type) << typeShift) | (reasonCode << reasonShift)
  connection.engine.journal.after(connection, token, checkedSeq)
}

/** Refuses a PUBLISH in its turn. The token has no room for the sentence, which waits with the connection: refusals are rare. */
export function refuseLater(connection: MqttConnection, type: 'puback' | 'pubrec', packetId: number, refusal: Refusal): void {
  rememberWhy(connection, packetId, refusal)
  answerLater(connection, type, packetId, refusal.row.mqtt)
}

/** MQTT 3.x has no words for it.  5: [MQTT-3.1.2-29] */
function rememberWhy(connection: MqttConnection, packetId: number, { message }: Refusal): void {
  if (connection.version !== 5 || !connection.wantsReasons) return
  connection.refusedBecause ??= new Map()
  connection.refusedBecause.set(packetId, message)
}

/** Does it once everything journalled so far is on disk, unless the connection has ended by then. For what is rarely asked. */
export function whenStored(connection: MqttConnection, act: () => void): void {
  const stored = () => {
    if (connection.state.is === 'connected') act()
  }
  connection.engine.journal.after({ stored, failed: (_token, why) => connection.close(why) }, 0)
}

export function onStored(connection: MqttConnection, token: number): void {
  answer(connection, token, token >>> reasonShift)
}

/**
 * It is not on disk. What may pass later is not answered: the connection closes and the message stays with the device. (In MQTT 5 even an
 * error PUBACK would count as acknowledged.)
 */
export function onFailed(connection: MqttConnection, token: number, why: Refusal): void {
  if (why.row.retry) {
    connection.close(why)
    return
  }
  connection.engine.metrics.refused(why.code, connection.session.principal.owner)
  rememberWhy(connection, token & 0xffff, why)
  answer(connection, token, why.row.mqtt)
}

function typeOf(token: number): AnswerType {
  return types[(token >>> typeShift) & 3]!
}

function answer(connection: MqttConnection, token: number, reasonCode: number): void {
  const type = typeOf(token)
  const packetId = token & 0xffff
  if (type === 'puback') connection.unansweredQoS1--
  else if (type === 'pubrec') connection.unansweredQoS2--
  if (type === 'pubrec' && reasonCode >= 0x80 && connection.unreleased > 0) connection.unreleased-- // a PUBREC that refuses ends the exchange
  if (connection.unansweredQoS1 + connection.unansweredQoS2 <= limits.unansweredPublishes / 2) connection.releaseReading(hold.window)
  if (connection.state.is !== 'connected') return
  if (reasonCode >= 0x80 && type !== 'pubcomp' && sayRefusal(connection, type, packetId, reasonCode)) return
  connection.answer(type, packetId, reasonCode)
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
