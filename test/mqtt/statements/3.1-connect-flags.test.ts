// CONNECT, its fixed header and variable header up to the flags, without the will: MQTT 5 and 3.1.1, sections 3.1 to 3.1.2.
import assert from 'node:assert/strict'
import { HandClock } from '../../kit/clock.ts'
import { hubOfFile, type TestClient } from '../../kit/mqtt.ts'
import { lasting } from '../../kit/packets.ts'
import { type Bench, statementsOf } from '../../kit/statements.ts'
import { giveKey } from '../../security/kit.ts'
import { connectBytes, connectFlags, endedBy, noProperties, packet, packetsTo, text, turnedAway } from './packets.ts'
import { breakOff } from './sessions.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)
const statement = statementsOf(hub, clock)
/** A password that is right, whoever says it. */
const { secret } = await giveKey(hub, 'tests', { role: 'operator' })

const { reserved, clean, password, username } = connectFlags

statement(
  ['5.0 [MQTT-3.1.0-1]', '3.1.1 [MQTT-3.1.0-1]'],
  'a connection whose first packet is not CONNECT is closed, and what it said is not done',
  async ({ name, moor, dial, version }) => {
    const topic = name('first')
    const watcher = await moor(name('first'))
    await watcher.subscribe(topic, { qos: 1 })
    const none = noProperties(version)
    const packets = [
      packet(0x30, `${text(topic)} ${none} 'too early'`),
      packet(0x32, `${text(topic)} 0001 ${none} 'too early'`),
      packet(0x82, `0001 ${none} ${text(topic)} 00`),
      packet(0xc0, ''),
      packet(0xe0, ''),
      packet(0x20, version === 5 ? '0000 {}' : '0000'),
      packet(0xf0, '18 {15 0001 61}'),
    ]
    for (const bytes of packets) {
      const client = await dial()
      const answers = packetsTo(client)
      client.sendBytes(bytes)
      client.sendBytes(connectBytes(version, clean, text(name('too-late'))))
      await client.closed
      assert.deepEqual(answers, [])
    }
    await watcher.publish(topic, 'heard', { qos: 1 })
    assert.deepEqual(await watcher.texts(1), ['heard'])
  },
)

statement(
  ['5.0 [MQTT-3.1.0-2]', '3.1.1 [MQTT-3.1.0-2]'],
  'a second CONNECT is a protocol error and ends the connection, and opens no session',
  async ({ name, moor, version }) => {
    const id = name('twice')
    const bystander = await moor(name('bystander'))
    for (const second of [id, `${id}-again`]) {
      const client = await moor(id, { clean: true })
      client.sendBytes(connectBytes(version, 0, text(second), { properties: '11 00000e10' }))
      await endedBy(client, 0x82, second)
      const { connack } = await moor(second, lasting(version))
      assert.equal(connack.sessionPresent, false, 'the second CONNECT has opened no session')
    }
    await bystander.ping()
  },
)

statement(
  ['5.0 [MQTT-3.1.2-1]', '3.1.1 [MQTT-3.1.2-1]'],
  'a CONNECT whose protocol name is not MQTT opens no session of this version',
  async ({ name, dial, version }) => {
    for (const protocol of ['MQT', 'mqtt', 'MQTT ', 'MQTTS', 'Mqtt', 'MQIsdp', 'HTTP', '']) {
      const client = await dial()
      client.sendBytes(connectBytes(version, clean, text(name('misnamed')), { name: protocol }))
      await turnedAway(client)
    }
    const client = await dial()
    client.sendBytes(connectBytes(version, clean, text(name('named'))))
    await client.next('connack')
    await client.ping()
  },
)

statement(
  ['3.1.1 [MQTT-3.1.2-2]'],
  'a protocol level that the hub does not speak is answered with return code 1, then the connection is closed',
  async ({ name, dial }) => {
    for (const level of [0, 1, 2, 3, 6, 7, 0x7f]) {
      const client = await dial()
      const answers = packetsTo(client)
      client.sendBytes(connectBytes(4, clean, text(name('level')), { level }))
      await client.closed
      assert.deepEqual(answers, [packet(0x20, '00 01')], `level ${level}`)
    }
  },
)

statement(
  ['5.0 [MQTT-3.1.2-2]'],
  'a protocol version that the hub does not speak gets no session, and the connection is closed',
  async ({ name, dial }) => {
    for (const level of [0, 1, 2, 3, 6, 7, 0x85, 0xff]) {
      const client = await dial()
      client.sendBytes(connectBytes(5, clean, text(name('version')), { level }))
      await turnedAway(client)
    }
  },
)

statement(
  ['5.0 [MQTT-3.1.2-3]', '3.1.1 [MQTT-3.1.2-3]'],
  'a CONNECT whose reserved flag is set ends the connection',
  async ({ name, dial, version }) => {
    for (const flags of [reserved, reserved | clean]) {
      const client = await dial()
      client.sendBytes(connectBytes(version, flags, text(name('reserved'))))
      await turnedAway(client, 0x81)
    }
  },
)

/** Leaves a session behind: a subscription, a message at QoS 1 not acknowledged, one at QoS 2 half-way in each direction, one that came since. */
async function leaveSession({ name, moor, version }: Bench, topic: string) {
  const id = name('kept')
  const publisher = await moor(name('publisher'))
  const first = await moor(id, lasting(version))
  first.answers = false
  await first.subscribe(topic, { qos: 2 })
  await publisher.publish(topic, 'unacknowledged', { qos: 1 })
  await publisher.publish(topic, 'received', { qos: 2 })
  const [, received] = await first.messages(2)
  first.acknowledge('pubrec', received?.messageId)
  await first.next('pubrel')
  const half = (client: TestClient, dup: boolean) => client.sendPublish(`${topic}/half`, 'half-way', { qos: 2, messageId: 77, dup })
  half(first, false)
  await first.next('pubrec')
  await first.leave()
  await publisher.publish(topic, 'missed', { qos: 1 })
  return { id, publisher, sendHalfAgain: (client: TestClient) => half(client, true) }
}

statement(
  ['5.0 [MQTT-3.1.2-5]', '3.1.1 [MQTT-3.1.2-4]'],
  'a client that comes back without Clean Start goes on with its session: subscriptions, messages and acknowledgements',
  async (bench) => {
    const { name, moor, version, dial } = bench
    const topic = name('resume')
    const listener = await moor(name('half-listener'))
    await listener.subscribe(`${topic}/half`, { qos: 2 })
    const { id, publisher, sendHalfAgain } = await leaveSession(bench, topic)
    const back = await dial()
    back.answers = false
    const connack = await back.connect(id, lasting(version))
    assert.equal(connack.sessionPresent, true)
    const messages = await back.messages(2)
    assert.deepEqual(
      messages.map(({ payload, dup }) => [payload.toString(), dup]),
      [
        ['unacknowledged', true],
        ['missed', false],
      ],
    )
    await back.next('pubrel') // the message at QoS 2 goes on where it stood
    sendHalfAgain(back)
    assert.equal((await back.next('pubrec')).messageId, 77)
    back.acknowledge('pubrel', 77)
    await back.next('pubcomp')
    await publisher.publish(topic, 'live', { qos: 1 })
    assert.deepEqual(await back.texts(1), ['live'], 'the subscription goes on')
    assert.deepEqual(await listener.texts(1), ['half-way'])
    assert.deepEqual(await listener.leftovers(), [], 'what was repeated at QoS 2 was one message')
  },
)

statement(
  ['5.0 [MQTT-3.1.2-6]', '3.1.1 [MQTT-3.1.2-4]'],
  'a client without a session gets a new one when it asks for no clean start',
  async ({ name, moor, version }) => {
    const id = name('new')
    const client = await moor(id, lasting(version))
    assert.equal(client.connack.sessionPresent, false)
    await client.subscribe(name('new'), { qos: 1 })
    await client.leave()
    const back = await moor(id, lasting(version))
    assert.equal(back.connack.sessionPresent, true)
  },
)

statement(
  ['3.1.1 [MQTT-3.1.2-5]'],
  'what is published at QoS 1 and 2 while a client with a session is away is kept and delivered in order',
  async ({ name, moor, version }) => {
    const [id, topic] = [name('away'), name('away')]
    const first = await moor(id, lasting(version))
    await first.subscribe(`${topic}/+`, { qos: 2 })
    await first.subscribe(`${topic}/low`, { qos: 1 })
    await breakOff(first)
    const publisher = await moor(name('publisher'))
    for (let at = 0; at < 20; at++) await publisher.publish(`${topic}/one`, `${at}`, { qos: at % 2 === 0 ? 1 : 2 })
    await publisher.publish(`${topic}/else/where`, 'no match', { qos: 1 })
    const back = await moor(id, lasting(version))
    const messages = await back.messages(20)
    assert.deepEqual(
      messages.map(({ payload, qos }) => [payload.toString(), qos]),
      Array.from({ length: 20 }, (_, at) => [`${at}`, at % 2 === 0 ? 1 : 2]),
    )
    assert.deepEqual(await back.leftovers(), [])
  },
)

statement(['5.0 [MQTT-3.1.2-4]', '3.1.1 [MQTT-3.1.2-6]'], 'a clean start discards the session there was, all of it', async (bench) => {
  const { name, moor, version } = bench
  const topic = name('discard')
  const { id, publisher, sendHalfAgain } = await leaveSession(bench, topic)
  const listener = await moor(name('half-listener'))
  await listener.subscribe(`${topic}/half`, { qos: 2 })
  const anew = await moor(id, { clean: true })
  assert.equal(anew.connack.sessionPresent, false)
  await publisher.publish(topic, 'later', { qos: 1 })
  sendHalfAgain(anew)
  await anew.next('pubrec')
  assert.deepEqual(await listener.texts(1), ['half-way'], 'the identifier 77 is that of a new message now')
  assert.deepEqual(await anew.leftovers(), [])
  assert.deepEqual(await anew.leftoverIds('pubrel'), [])
  await anew.leave()
  const again = await moor(id, lasting(version))
  assert.equal(again.connack.sessionPresent, false, 'the clean session was no longer than its connection')
  await publisher.publish(topic, 'again', { qos: 1 })
  assert.deepEqual(await again.leftovers(), [])
})

statement(
  ['3.1.1 [MQTT-3.1.2-7]'],
  'a retained message outlives the session of its publisher and that of its reader',
  async ({ name, moor, version }) => {
    const [topic, id] = [name('retained'), name('retained')]
    const publisher = await moor(id, { clean: true })
    await publisher.publish(topic, 'stays', { qos: 1, retain: true })
    await publisher.leave()
    const reader = await moor(id, lasting(version))
    await reader.subscribe(topic, { qos: 1 })
    assert.deepEqual(await reader.texts(1), ['stays'])
    await reader.leave()
    await (await moor(id, { clean: true })).leave()
    const late = await moor(name('late'))
    await late.subscribe(topic, { qos: 1 })
    const [message] = await late.messages(1)
    assert.deepEqual([message?.payload.toString(), message?.retain], ['stays', true])
  },
)

/** A CONNECT with these flags and, behind the client identifier, these fields: it is turned away, and with the right flags it is not. */
function misfit(flags: number, fields: readonly string[], rightFlags: number, rightFields = fields) {
  return async ({ name, dial, version }: Bench) => {
    const connect = (flags: number, fields: readonly string[]) =>
      connectBytes(version, clean | flags, [name('credentials'), ...fields].map(text).join(' '))
    const client = await dial()
    client.sendBytes(connect(flags, fields))
    await turnedAway(client, 0x81)
    const right = await dial()
    right.sendBytes(connect(rightFlags, rightFields))
    await right.next('connack')
    await right.ping()
  }
}

statement(
  ['5.0 [MQTT-3.1.2-16]', '3.1.1 [MQTT-3.1.2-18]'],
  'a user name without its flag ends the connection',
  misfit(0, ['user'], username),
)
statement(
  ['5.0 [MQTT-3.1.2-17]', '3.1.1 [MQTT-3.1.2-19]'],
  'the flag of a user name without a user name ends the connection',
  misfit(username, [], username, ['user']),
)
statement(
  ['5.0 [MQTT-3.1.2-18]', '3.1.1 [MQTT-3.1.2-20]'],
  'a password without its flag ends the connection',
  misfit(username, ['user', secret], username | password),
)
statement(
  ['5.0 [MQTT-3.1.2-19]', '3.1.1 [MQTT-3.1.2-21]'],
  'the flag of a password without a password ends the connection',
  misfit(username | password, ['user'], username | password, ['user', '']),
)

statement(['3.1.1 [MQTT-3.1.2-22]'], 'a password without a user name ends the connection', async ({ name, dial }) => {
  const client = await dial()
  client.sendBytes(connectBytes(4, clean | password, `${text(name('nameless'))} ${text('secret')}`))
  await turnedAway(client)
})

statement(['5.0 [MQTT-3.1.2-19]'], 'a password may come without a user name', async ({ name, dial }) => {
  const client = await dial()
  client.sendBytes(connectBytes(5, clean | password, `${text(name('token'))} ${text(secret)}`))
  assert.equal((await client.next('connack')).reasonCode, 0)
})
