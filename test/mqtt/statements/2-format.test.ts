// The format of packets: MQTT 5 and 3.1.1, chapter 2.
import assert from 'node:assert/strict'
import { HandClock } from '../../kit/clock.ts'
import { hubOfFile } from '../../kit/mqtt.ts'
import { lasting } from '../../kit/packets.ts'
import { bindsClients, statementsOf } from '../../kit/statements.ts'
import { connectBytes, connectFlags, endedBy, noProperties, packet, packetsTo, text, turnedAway } from './packets.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)
const statement = statementsOf(hub, clock)

statement(
  ['5.0 [MQTT-2.1.3-1]', '3.1.1 [MQTT-2.2.2-2]'],
  'a packet whose reserved flags are not those of its type ends the connection',
  async ({ name, moor, dial, version }) => {
    const none = noProperties(version)
    const packets: [what: string, first: number, body: string][] = [
      ['PUBACK', 0x40, '0001'],
      ['PUBREC', 0x50, '0001'],
      ['PUBREL', 0x62, '0001'],
      ['PUBCOMP', 0x70, '0001'],
      ['SUBSCRIBE', 0x82, `0001 ${none} ${text('a')} 00`],
      ['UNSUBSCRIBE', 0xa2, `0001 ${none} ${text('a')}`],
      ['PINGREQ', 0xc0, ''],
      ['DISCONNECT', 0xe0, ''],
    ]
    for (const [what, first, body] of packets) {
      for (const bit of [1, 2, 4, 8]) {
        const client = await moor(name('flags'))
        client.sendBytes(packet(first ^ bit, body))
        await endedBy(client, 0x81, `${what} with flag ${bit} turned over`)
      }
      if (what === 'DISCONNECT') continue
      const client = await moor(name('flags'))
      client.sendBytes(packet(first, body))
      await client.ping() // the same packet with its own flags is taken
    }
    for (const bit of [1, 2, 4, 8]) {
      const client = await dial()
      const connect = connectBytes(version, connectFlags.clean, text(name('flags')))
      connect[0] = 0x10 | bit
      client.sendBytes(connect)
      await turnedAway(client)
    }
  },
)

statement(
  ['5.0 [MQTT-2.1.3-1]', '3.1.1 [MQTT-2.2.2-1]'],
  'each packet the hub sends has the reserved flags of its type',
  async ({ name, dial, version }) => {
    const client = await dial()
    const packets = packetsTo(client)
    await client.connect(name('fixed'))
    const topic = name('fixed')
    await client.subscribe(topic, { qos: 2 })
    for (const qos of [0, 1, 2] as const) await client.publish(topic, 'x', { qos })
    await client.messages(3)
    await client.next('pubrel') // for the message at QoS 2 that came back
    await client.unsubscribe(topic)
    await client.ping()
    client.sendBytes('00 00')
    await client.closed
    const firstBytes = packets.map((bytes) => bytes[0] as number).filter((first) => first >> 4 !== 3) // those of PUBLISH are not reserved
    const all = [0x20, 0x40, 0x50, 0x62, 0x70, 0x90, 0xb0, 0xd0, ...(version === 5 ? [0xe0] : [])]
    assert.deepEqual(new Set(firstBytes), new Set(all))
  },
)

statement(
  ['5.0 [MQTT-2.2.1-2]', '3.1.1 [MQTT-2.3.1-5]'],
  'a PUBLISH at QoS 0 has no Packet Identifier, in either direction',
  async ({ name, moor, version }) => {
    const topic = name('qos0')
    const listener = await moor(name('qos0'))
    await listener.subscribe(topic, { qos: 2 })
    const packets = packetsTo(listener)
    const publisher = await moor(name('qos0'))
    publisher.sendBytes(packet(0x30, `${text(topic)} ${noProperties(version)} 0001 'payload'`))
    const message = await listener.next('publish')
    assert.deepEqual(message.payload, Buffer.from('\0\x01payload'), 'the hub reads no identifier out of the payload')
    assert.deepEqual(packets, [packet(0x30, `${text(topic)} ${noProperties(version)} 0001 'payload'`)])
  },
)

statement(
  ['5.0 [MQTT-2.2.1-3]', '3.1.1 [MQTT-2.3.1-1]'],
  'a Packet Identifier of 0 ends the connection',
  async ({ name, moor, version }) => {
    const none = noProperties(version)
    const packets = {
      'PUBLISH at QoS 1': packet(0x32, `${text('a')} 0000 ${none}`),
      'PUBLISH at QoS 2': packet(0x34, `${text('a')} 0000 ${none}`),
      SUBSCRIBE: packet(0x82, `0000 ${none} ${text('a')} 00`),
      UNSUBSCRIBE: packet(0xa2, `0000 ${none} ${text('a')}`),
    }
    for (const [what, bytes] of Object.entries(packets)) {
      const client = await moor(name('zero'))
      client.sendBytes(bytes)
      await endedBy(client, [0x81, 0x82], what) // the text asks for an error of the protocol and leaves open which of the two it is
    }
  },
)

statement(
  ['5.0 [MQTT-2.2.1-4]', '3.1.1 [MQTT-2.3.1-1]'],
  'each PUBLISH the hub sends at QoS 1 or 2 has an identifier that is not 0 and not in use',
  async ({ name, moor }) => {
    const topic = name('unused')
    const listener = await moor(name('unused'))
    listener.answers = false
    await listener.subscribe(topic, { qos: 2 })
    const publisher = await moor(name('unused'))
    const idsOf = async (count: number) => {
      for (let at = 0; at < count; at++) await publisher.publish(topic, `${at}`, { qos: at % 2 === 0 ? 1 : 2 })
      return (await listener.messages(count)).map(({ messageId, qos }) => ({ id: messageId as number, qos }))
    }
    let open = await idsOf(20)
    for (let round = 0; round < 5; round++) {
      assert.equal(new Set(open.map(({ id }) => id)).size, open.length, 'no identifier twice')
      assert.ok(open.every(({ id }) => id >= 1 && id <= 65_535))
      const answered = open.filter((_, at) => at % 3 === round % 3)
      for (const { id, qos } of answered) {
        if (qos === 1) listener.acknowledge('puback', id)
        else {
          listener.acknowledge('pubrec', id)
          await listener.next('pubrel')
          listener.acknowledge('pubcomp', id)
        }
      }
      await listener.ping()
      open = [...open.filter((message) => !answered.includes(message)), ...(await idsOf(answered.length))]
    }
  },
)

statement(
  ['5.0 [MQTT-2.2.1-4]', '3.1.1 [MQTT-2.3.1-4]'],
  'the hub sends a message again under the identifier it had, and gives that one to no other message until it is acknowledged',
  async ({ name, moor, version }) => {
    const topic = name('again')
    const id = name('again')
    const first = await moor(id, lasting(version))
    first.answers = false
    await first.subscribe(topic, { qos: 2 })
    const publisher = await moor(name('again'))
    await publisher.publish(topic, 'one', { qos: 1 })
    await publisher.publish(topic, 'two', { qos: 2 })
    const before = await first.messages(2)
    await first.leave()

    const second = await moor(id, lasting(version))
    second.answers = false
    const after = await second.messages(2)
    const idsOf = (messages: typeof after) => messages.map(({ messageId, payload }) => [messageId, payload.toString()])
    assert.deepEqual(idsOf(after), idsOf(before))
    await publisher.publish(topic, 'three', { qos: 1 })
    await publisher.publish(topic, 'four', { qos: 2 })
    const newer = await second.messages(2)
    const ids = [...before, ...newer].map(({ messageId }) => messageId)
    assert.equal(new Set(ids).size, 4)
  },
)

statement(
  ['5.0 [MQTT-2.2.1-5]', '3.1.1 [MQTT-2.3.1-6]'],
  'PUBACK, PUBREC, PUBREL and PUBCOMP have the identifier of their PUBLISH',
  async ({ name, moor, version }) => {
    const topic = name('acks')
    const client = await moor(name('acks'))
    const publish = (first: number, id: string) => client.sendBytes(packet(first, `${text(topic)} ${id} ${noProperties(version)} 'x'`))
    for (const [hex, id] of [
      ['0001', 1],
      ['00ff', 255],
      ['0100', 256],
      ['ffff', 65_535],
    ] as const) {
      publish(0x32, hex)
      assert.equal((await client.next('puback')).messageId, id)
      publish(0x34, hex)
      assert.equal((await client.next('pubrec')).messageId, id)
      client.sendBytes(packet(0x62, hex))
      assert.equal((await client.next('pubcomp')).messageId, id)
    }
    const listener = await moor(name('acks'))
    listener.answers = false
    await listener.subscribe(topic, { qos: 2 })
    for (const payload of ['a', 'b', 'c']) await client.publish(topic, payload, { qos: 2 })
    for (const { messageId } of (await listener.messages(3)).reverse()) {
      listener.acknowledge('pubrec', messageId)
      assert.equal((await listener.next('pubrel')).messageId, messageId)
      listener.acknowledge('pubcomp', messageId)
    }
  },
)

statement(
  ['5.0 [MQTT-2.2.1-6]', '3.1.1 [MQTT-2.3.1-7]'],
  'SUBACK and UNSUBACK have the identifier of their SUBSCRIBE and UNSUBSCRIBE',
  async ({ name, moor, version }) => {
    const client = await moor(name('subacks'))
    const none = noProperties(version)
    for (const [hex, id] of [
      ['0001', 1],
      ['00ff', 255],
      ['0100', 256],
      ['ffff', 65_535],
    ] as const) {
      client.sendBytes(packet(0x82, `${hex} ${none} ${text('a/b')} 01`))
      assert.equal((await client.next('suback')).messageId, id)
      client.sendBytes(packet(0xa2, `${hex} ${none} ${text('a/b')}`))
      assert.equal((await client.next('unsuback')).messageId, id)
    }
  },
)

statement(['5.0 [MQTT-2.2.2-1]'], 'a packet without properties says that their length is 0', async ({ name, moor }) => {
  const topic = name('bare')
  const client = await moor(name('bare'))
  const packets = packetsTo(client)
  client.sendBytes(packet(0x82, `0007 00 ${text(topic)} 01`))
  await client.next('suback')
  client.sendBytes(packet(0x32, `${text(topic)} 0008 00 'x'`))
  const { messageId } = await client.next('publish')
  client.sendBytes(packet(0xa2, `0009 00 ${text(topic)}`))
  await client.next('unsuback')
  const id = (messageId as number).toString(16).padStart(4, '0')
  const kinds = packets.filter((bytes) => bytes[0] !== 0x40)
  assert.deepEqual(kinds, [packet(0x90, '0007 00 01'), packet(0x32, `${text(topic)} ${id} 00 'x'`), packet(0xb0, '0009 00 00')])
})

statement(['5.0 [MQTT-2.2.2-1]'], 'a packet that leaves the length of its properties out is malformed', async ({ name, moor, dial }) => {
  const packets = {
    PUBLISH: packet(0x30, text('a')),
    SUBSCRIBE: packet(0x82, `0001 ${text('topic')} 00`),
    UNSUBSCRIBE: packet(0xa2, `0001 ${text('topic')}`),
  }
  for (const [what, bytes] of Object.entries(packets)) {
    const client = await moor(name('no-length'))
    client.sendBytes(bytes)
    await endedBy(client, 0x81, what)
  }
  const client = await dial()
  client.sendBytes(packet(0x10, `${text('MQTT')} 05 02 0000 ${text(name('no-length'))}`))
  await turnedAway(client)
})

bindsClients(
  ['3.1.1 [MQTT-2.3.1-2]'],
  'which identifiers a client has in use is its own knowledge; the hub reads a used one as a repetition at QoS 2 and as a new message otherwise',
)
bindsClients(['3.1.1 [MQTT-2.3.1-3]'], 'the identifier of a repetition is chosen by the client; what the hub repeats is held by 2.3.1-4')
