// SUBSCRIBE and UNSUBSCRIBE: MQTT 5 sections 3.8 to 3.11. A filter that is refused refuses nothing but itself. In a session that outlives the
// process the answer waits for the disk: a client that has seen SUBACK is subscribed, whatever happens to the hub.
import { Refusal } from '../errors.ts'
import type { Subscription as Made } from '../routing/topic-tree.ts'
import type { Begun } from '../session/beginning.ts'
import { whenStored } from './acks.ts'
import {
  encodeSuback,
  encodeUnsuback,
  isSharedFilter,
  type SubscribePacket,
  type Subscription,
  topicFilterProblem,
  type UnsubscribePacket,
} from './codec.ts'
import type { MqttConnection } from './connection.ts'
import { answerWithHistories, historyAsked } from './cursors.ts'
import type { UserProperties } from './packets.ts'

/**
 * One code for each filter, in their order  5: [MQTT-3.8.4-6]; then the retained messages  5: [MQTT-3.8.4-4], section 3.8.3.1, or the history
 * that was asked for (cursors.ts).
 */
export function onSubscribe(connection: MqttConnection, packet: SubscribePacket): void {
  const { session } = connection
  const toReplay: Made[] = []
  const histories: Promise<Begun>[] = []
  const { codes, reason } = answersTo(connection, packet.subscriptions, (subscription) => {
    const { filter, qos, retainHandling } = subscription
    const begun = historyAsked(connection, packet, filter)
    const isNew = subscribe(connection, subscription, packet.subscriptionIdentifier, begun)
    const isOwed = retainHandling === 0 || (retainHandling === 1 && isNew) //  5: [MQTT-3.3.1-9], [MQTT-3.3.1-10]
    if (begun !== undefined) histories.push(begun)
    else if (isOwed && !isSharedFilter(filter)) toReplay.push(session.subscriptions.get(filter) as Made) // a member that joins is owed nothing  5: section 3.8.4
    return qos
  })
  const answer = (because?: string, pairs?: UserProperties) => {
    connection.sayWithReason(because, (why) => encodeSuback(connection.version, packet.packetId, codes, why, pairs)) //  5: [MQTT-3.9.2-1]
    for (const made of toReplay) session.replayRetained(made) // a filter may stand there twice, each time at its own QoS
  }
  if (histories.length > 0) answerWithHistories(connection, histories, reason, answer)
  else if (session.number === 0) answer(reason)
  else whenStored(connection, () => answer(reason))
}

/** 5: [MQTT-3.10.4-5], [MQTT-3.11.3-2]. In 3.x the answer has no codes, so a bad filter is passed over. */
export function onUnsubscribe(connection: MqttConnection, packet: UnsubscribePacket): void {
  const { codes, reason } = answersTo(connection, packet.filters, (filter) => {
    assertFilter(filter)
    return connection.session.unsubscribe(filter) ? 0x00 : 0x11
  })
  const answer = () => {
    connection.sayWithReason(reason, (why) => encodeUnsuback(connection.version, packet.packetId, codes, why)) //  5: [MQTT-3.11.2-1]
  }
  if (connection.session.number === 0) answer()
  else whenStored(connection, answer)
}

/** True when the filter was not subscribed before. Errors: `filter-invalid`, and those of the session. */
function subscribe(
  connection: MqttConnection,
  { filter, qos, noLocal, retainAsPublished }: Subscription,
  identifier: number | undefined,
  begun: Promise<Begun> | undefined,
): boolean {
  assertFilter(filter)
  const options = {
    qos,
    noLocal: noLocal || connection.isBridge,
    retainAsPublished: retainAsPublished || connection.isBridge,
    identifier,
  }
  return connection.session.subscribe(filter, options, begun)
}

function assertFilter(filter: string): void {
  const problem = topicFilterProblem(filter)
  if (problem !== undefined) throw new Refusal('filter-invalid', { detail: problem })
}

/** The code for each, and the sentence of the first that was refused, for a client that wants to know. */
function answersTo<T>(connection: MqttConnection, asked: readonly T[], codeOf: (one: T) => number): { codes: number[]; reason?: string } {
  let reason: string | undefined
  const codes = asked.map((one) => {
    try {
      return codeOf(one)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      connection.engine.metrics.refused(error.code, connection.session.principal.owner)
      connection.engine.log.info({ client: connection.toString(), code: error.code }, error.message)
      if (connection.wantsReasons) reason ??= error.message
      return error.row.mqtt
    }
  })
  return reason === undefined ? { codes } : { codes, reason }
}
