// Sessions that the statement tests share: clients that are remembered and answer by hand, what is delivered to them, and how they break off.
import type { IConnectPacket } from 'mqtt-packet'
import type { TestClient } from '../../kit/mqtt.ts'
import { lasting } from '../../kit/packets.ts'
import type { Bench } from '../../kit/statements.ts'

/** Connects to a session that is kept, and acknowledges nothing by itself. */
export async function silent(bench: Bench, clientId: string, more: Partial<IConnectPacket> = {}) {
  const client = await bench.dial()
  client.answers = false
  const connack = await client.connect(clientId, lasting(bench.version, more))
  return Object.assign(client, { connack })
}

/** A subscriber that acknowledges nothing by itself, a publisher to it, and what the subscriber gets. */
export async function delivery(bench: Bench, qos: 0 | 1 | 2) {
  const [topic, name] = [bench.name('delivery'), bench.name('subscriber')]
  const subscriber = await silent(bench, name)
  await subscriber.subscribe(topic, { qos })
  const publisher = await bench.moor(bench.name('publisher'))
  /** Publishes, and waits until the subscriber has each message. */
  const deliver = async (...payloads: string[]) => {
    for (const payload of payloads) await publisher.publish(topic, payload, { qos })
    return subscriber.messages(payloads.length)
  }
  return { topic, name, subscriber, publisher, deliver }
}

/** Ends the connection of a client without a DISCONNECT of its own, and comes back once the hub has noticed. */
export async function breakOff(client: TestClient): Promise<void> {
  client.sendBytes('00 00') // there is no packet type 0
  await client.closed
}
