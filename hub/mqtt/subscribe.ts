// SUBSCRIBE and UNSUBSCRIBE: MQTT 5 sections 3.8 to 3.11.
import { Refusal } from '../errors.ts'
import { encodeSuback, encodeUnsuback, type SubscribePacket, type UnsubscribePacket } from './codec.ts'
import type { MqttConnection } from './connection.ts'

/** One code for each filter, in their order  5: [MQTT-3.8.4-6]; then the retained messages.  5: [MQTT-3.8.4-4], section 3.8.3.1 */
export function onSubscribe(connection: MqttConnection, packet: SubscribePacket): void {
  const { session } = connection
  const toReplay: string[] = []
  let reason: string | undefined
  const codes = packet.subscriptions.map(({ filter, qos, noLocal, retainAsPublished, retainHandling }) => {
    try {
      if (filter.startsWith('$share/')) throw new Refusal('shared-unsupported', { filter })
      const isNew = session.subscribe(filter, {
        qos,
        noLocal: noLocal || connection.isBridge,
        retainAsPublished: retainAsPublished || connection.isBridge,
        identifier: packet.subscriptionIdentifier,
      })
      if (retainHandling === 0 || (retainHandling === 1 && isNew)) toReplay.push(filter) //  5: [MQTT-3.3.1-9], [MQTT-3.3.1-10]
      return qos
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      connection.engine.metrics.refused(error.code)
      connection.engine.log.info({ client: connection.toString(), code: error.code }, error.message)
      if (connection.wantsReasons) reason ??= error.message
      return error.row.mqtt
    }
  })
  connection.say(encodeSuback(connection.version, packet.packetId, codes, reason))
  for (const filter of toReplay) session.replayRetained(filter)
}

/** 5: [MQTT-3.10.4-5], [MQTT-3.11.3-2] */
export function onUnsubscribe(connection: MqttConnection, packet: UnsubscribePacket): void {
  const codes = packet.filters.map((filter) => (connection.session.unsubscribe(filter) ? 0x00 : 0x11))
  connection.say(encodeUnsuback(connection.version, packet.packetId, codes))
}
