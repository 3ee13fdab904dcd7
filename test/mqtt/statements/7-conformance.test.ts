// Conformance clauses that have a tag: MQTT 3.1.1, chapter 7. In MQTT 5 the chapter has none.
import assert from 'node:assert/strict'
import { HandClock } from '../../kit/clock.ts'
import { hubOfFile } from '../../kit/mqtt.ts'
import { bindsClients, statementsOf, untestable } from '../../kit/statements.ts'
import { connectBytes, connectFlags, packet, packetsTo, text } from './packets.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)
const statement = statementsOf(hub, clock)

statement(
  ['3.1.1 [MQTT-7.1.1-1]'],
  'a client is served over a transport that keeps bytes whole and in order: a megabyte comes out as it went in',
  async ({ name, moor }) => {
    const topic = name('stream')
    const client = await moor(name('stream'))
    await client.subscribe(topic, { qos: 1 })
    const payloads = Array.from({ length: 8 }, (_, at) => Buffer.alloc(128 * 1024, at + 1))
    for (const payload of payloads) await client.publish(topic, payload, { qos: 1 })
    const heard = await client.messages(payloads.length)
    assert.ok(heard.every((message, at) => payloads[at]?.equals(message.payload as Buffer)))
  },
)

statement(
  ['3.1.1 [MQTT-7.0.0-2]'],
  'a client that uses nothing but what the text defines gets nothing but that back',
  async ({ name, dial }) => {
    const topic = name('plain')
    const client = await dial()
    const packets = packetsTo(client)
    client.sendBytes(connectBytes(4, connectFlags.clean, text(name('plain'))))
    await client.next('connack')
    client.sendBytes(packet(0x82, `0001 ${text(topic)} 00`))
    await client.next('suback')
    client.sendBytes(packet(0x32, `${text(topic)} 0002 'x'`))
    await client.next('puback')
    await client.next('publish')
    client.sendBytes(packet(0xa2, `0003 ${text(topic)}`))
    await client.next('unsuback')
    client.sendBytes(packet(0xe0, ''))
    await client.closed
    const expected = [
      packet(0x20, '0000'),
      packet(0x90, '0001 00'),
      packet(0x40, '0002'),
      packet(0x30, `${text(topic)} 'x'`),
      packet(0xb0, '0003'),
    ]
    const inOrder = (bytes: readonly Buffer[]) => bytes.map((packet) => packet.toString('hex')).sort()
    assert.deepEqual(inOrder(packets), inOrder(expected))
  },
)

untestable(['3.1.1 [MQTT-7.0.0-1]'], 'for servers that also connect to other servers; the hub opens no connection')
bindsClients(['3.1.1 [MQTT-7.1.2-1]'], 'the transports of a client')
