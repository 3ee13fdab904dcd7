// PUBLISH: DUP, QoS, topic name, what it is answered with, overlapping subscriptions, the receive maximum. MQTT 5 and 3.1.1 section 3.3.
// Retained messages and properties have files of their own beside this one.
import assert from 'node:assert/strict'
import type { IPublishPacket } from 'mqtt-packet'
import { HandClock } from '../../kit/clock.ts'
import { heardBy, hubOfFile, type TestClient } from '../../kit/mqtt.ts'
import { lasting } from '../../kit/packets.ts'
import { type Bench, bindsClients, statementsOf } from '../../kit/statements.ts'
import { endedBy, publishBytes } from './packets.ts'
import { silent } from './sessions.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)
const statement = statementsOf(hub, clock)

/** A client that hears what reaches anybody below this topic. */
async function listenerAt(bench: Bench, filter: string, qos: 0 | 1 | 2 = 2): Promise<TestClient> {
  const listener = await bench.moor(bench.name('listener'))
  await listener.subscribe(filter, { qos })
  return listener
}

// ── DUP and QoS ──

statement(['3.1.1 [MQTT-3.3.1-1]', '5.0 [MQTT-3.3.1-1]'], 'a PUBLISH that is sent again has DUP set', async (bench) => {
  const [topic, name] = [bench.name('3.3/again'), bench.name('again')]
  const client = await bench.moor(name, lasting(bench.version))
  client.answers = false
  await client.subscribe(topic, { qos: 2 })
  const publisher = await bench.moor(bench.name('publisher'))
  for (const qos of [1, 2] as const) await publisher.publish(topic, `${qos}`, { qos })
  const first = await client.messages(2)
  await client.leave()
  const back = await bench.moor(name, lasting(bench.version))
  const again = await back.messages(2)
  const seen = (messages: IPublishPacket[]) => messages.map(({ messageId, qos, payload, dup }) => [messageId, qos, `${payload}`, dup])
  assert.deepEqual(
    seen(again),
    seen(first).map(([id, qos, payload]) => [id, qos, payload, true]),
  )
})

statement(['3.1.1 [MQTT-3.3.1-2]', '5.0 [MQTT-3.3.1-2]'], 'a PUBLISH to a client at QoS 0 has DUP 0, whatever came in', async (bench) => {
  const topic = bench.name('3.3/qos0')
  const listener = await listenerAt(bench, topic, 0)
  const publisher = await bench.moor(bench.name('publisher'))
  publisher.sendPublish(topic, 'a', { qos: 0 })
  publisher.sendPublish(topic, 'b', { qos: 1, messageId: 1, dup: true })
  publisher.sendPublish(topic, 'c', { qos: 2, messageId: 2, dup: true })
  const messages = await listener.messages(3)
  assert.deepEqual(messages.map(({ payload, qos, dup }) => [`${payload}`, qos, dup]).sort(), [
    ['a', 0, false],
    ['b', 0, false],
    ['c', 0, false],
  ])
})

statement(
  ['3.1.1 [MQTT-3.3.1-2]', '5.0 [MQTT-3.3.1-2]'],
  'a client that sends QoS 0 with DUP 1 is disconnected, and nobody gets the message',
  async (bench) => {
    const topic = bench.name('3.3/dup0')
    const listener = await listenerAt(bench, topic)
    const client = await bench.moor(bench.name('client'))
    client.sendBytes(publishBytes(bench.version, { first: 0x38, topic }))
    await endedBy(client, [0x81, 0x82])
    assert.deepEqual(await listener.leftovers(), [])
  },
)

statement(
  ['3.1.1 [MQTT-3.3.1-3]', '5.0 [MQTT-3.3.1-3]'],
  'DUP of a PUBLISH that comes in says nothing about DUP of the one that goes out',
  async (bench) => {
    const [topic, name] = [bench.name('3.3/dup'), bench.name('subscriber')]
    const subscriber = await bench.moor(name, lasting(bench.version))
    subscriber.answers = false
    await subscriber.subscribe(topic, { qos: 2 })
    const publisher = await bench.moor(bench.name('publisher'))
    const sent = [
      { qos: 1, dup: true },
      { qos: 1, dup: false },
      { qos: 2, dup: true },
      { qos: 2, dup: false },
    ] as const
    for (const [at, { qos, dup }] of sent.entries()) publisher.sendPublish(topic, `${at}`, { qos, dup, messageId: at + 1 })
    const dups = (messages: IPublishPacket[]) => messages.map(({ dup }) => dup)
    assert.deepEqual(dups(await subscriber.messages(4)), [false, false, false, false])
    await subscriber.leave()
    const back = await bench.moor(name, lasting(bench.version))
    assert.deepEqual(dups(await back.messages(4)), [true, true, true, true], 'what is sent again says so')
  },
)

statement(
  ['3.1.1 [MQTT-3.3.1-4]', '5.0 [MQTT-3.3.1-4]'],
  'a PUBLISH with both QoS bits set ends the connection, in MQTT 5 as malformed',
  async (bench) => {
    const topic = bench.name('3.3/qos3')
    const listener = await listenerAt(bench, topic)
    for (const first of [0x36, 0x37, 0x3e]) {
      const client = await bench.moor(bench.name('client'))
      client.sendBytes(publishBytes(bench.version, { first, topic, packetId: 1 }))
      await endedBy(client, [0x81]) // 5: section 3.3.1.2
    }
    assert.deepEqual(await listener.leftovers(), [])
  },
)

// ── topic name ──

statement(
  ['3.1.1 [MQTT-3.3.2-1]', '5.0 [MQTT-3.3.2-1]'],
  'a PUBLISH to a subscriber begins with the topic name in UTF-8, byte for byte as published',
  async (bench) => {
    const topic = `${bench.name('3.3/Grüße')}/温度/\u{1f321}/ `
    const listener = await listenerAt(bench, `${topic.split('/').slice(0, 2).join('/')}/#`, 1)
    const heard = heardBy(listener)
    const publisher = await bench.moor(bench.name('publisher'))
    await publisher.publish(topic, 'x', { qos: 1 })
    const [message] = await listener.messages(1)
    assert.equal(message?.topic, topic)
    const name = Buffer.from(topic)
    const body = name.length + (bench.version === 5 ? 6 : 5)
    assert.ok(heard().includes(Buffer.from([0x32, body, 0, name.length, ...name]).toString('hex')), heard())
  },
)

statement(
  ['3.1.1 [MQTT-3.3.2-1]', '5.0 [MQTT-3.3.2-1]'],
  'a topic name that is not UTF-8, or is cut off, ends the connection',
  async (bench) => {
    const base = bench.name('3.3/bad')
    const listener = await listenerAt(bench, `${base}/#`)
    for (const bad of ['c328', 'eda080', 'c0af', 'f4908080']) {
      const client = await bench.moor(bench.name('client'))
      client.sendBytes(publishBytes(bench.version, { topic: Buffer.concat([Buffer.from(`${base}/`), Buffer.from(bad, 'hex')]) }))
      await endedBy(client, [0x81]) // 5: section 1.5.4
    }
    const client = await bench.moor(bench.name('client'))
    client.sendBytes('30 04 00ff 6162')
    await endedBy(client, [0x81])
    assert.deepEqual(await listener.leftovers(), [])
  },
)

statement(
  ['3.1.1 [MQTT-3.3.2-2]', '5.0 [MQTT-3.3.2-2]'],
  'a wildcard in a topic name ends the connection, and nobody gets the message',
  async (bench) => {
    const base = bench.name('3.3/wild')
    const listener = await listenerAt(bench, `${base}/#`)
    for (const name of ['#', '+', 'a/+/b', 'a+', 'a#b']) {
      const client = await bench.moor(bench.name('client'))
      client.sendBytes(publishBytes(bench.version, { topic: `${base}/${name}` }))
      await endedBy(client, [0x81, 0x82, 0x90])
    }
    assert.deepEqual(await listener.leftovers(), [])
  },
)

statement(
  ['3.1.1 [MQTT-3.3.2-3]', '5.0 [MQTT-3.3.2-3]'],
  'a subscriber gets the topic name of the publisher, and none that its filter does not match',
  async (bench) => {
    const base = bench.name('3.3/match')
    const topics = ['a', 'a/b', 'a/b/c', 'a/', '/a', 'A', 'b']
    const expected: Record<string, string[]> = {
      a: ['a'],
      '+': ['a', 'A', 'b'],
      'a/#': ['a', 'a/b', 'a/b/c', 'a/'],
      'a/+/c': ['a/b/c'],
      '+/+': ['a/b', 'a/', '/a'],
    }
    const listeners = await Promise.all(
      Object.keys(expected).map(async (filter) => [filter, await listenerAt(bench, `${base}/${filter}`, 1)] as const),
    )
    const publisher = await bench.moor(bench.name('publisher'))
    for (const topic of topics) await publisher.publish(`${base}/${topic}`, '', { qos: 1 })
    for (const [filter, listener] of listeners) {
      const heard = (await listener.leftovers()).map(({ topic }) => topic.slice(base.length + 1))
      assert.deepEqual(heard, expected[filter], filter)
    }
  },
)

// ── the answer ──

statement(
  ['3.1.1 [MQTT-3.3.4-1]', '5.0 [MQTT-3.3.4-1]'],
  'a PUBLISH is answered as its QoS says: not at all, with PUBACK, with PUBREC',
  async (bench) => {
    const topic = bench.name('3.3/answer')
    for (const [qos, cmd] of [
      [0, undefined],
      [1, 'puback'],
      [2, 'pubrec'],
    ] as const) {
      const client = await bench.moor(bench.name('client'))
      client.sendPublish(topic, '', qos === 0 ? {} : { qos, messageId: 513 })
      if (cmd !== undefined) assert.equal((await client.next(cmd)).messageId, 513)
      await client.settle()
      assert.deepEqual(client.unread, [], `QoS ${qos} is answered with nothing else`)
    }
  },
)

statement(['3.1.1 [MQTT-3.3.5-2]'], 'a PUBLISH that is not allowed is acknowledged as its QoS says, and reaches nobody', async (bench) => {
  const topic = `$SYS/${bench.name('not-yours')}`
  const listener = await listenerAt(bench, topic)
  const client = await bench.moor(bench.name('client'))
  client.sendPublish(topic, '', { qos: 1, messageId: 1, retain: true })
  assert.equal((await client.next('puback')).messageId, 1)
  client.sendPublish(topic, '', { qos: 2, messageId: 2, retain: true })
  assert.equal((await client.next('pubrec')).messageId, 2)
  client.acknowledge('pubrel', 2)
  assert.equal((await client.next('pubcomp')).messageId, 2)
  assert.deepEqual(await listener.leftovers(), [])
  assert.deepEqual(await (await listenerAt(bench, topic)).leftovers(), [], 'nothing was retained either')
})

// ── overlapping subscriptions ──

statement(
  ['3.1.1 [MQTT-3.3.5-1]', '5.0 [MQTT-3.3.4-2]'],
  'of overlapping subscriptions the one with the highest QoS decides at which QoS a message is delivered',
  async (bench) => {
    const publisher = await bench.moor(bench.name('publisher'))
    for (const [asked, expected] of [
      [[0, 2, 1], 2],
      [[1, 0], 1],
      [[2, 0, 0], 2],
      [[0, 0], 0],
    ] as const) {
      const base = bench.name('3.3/overlap')
      const filters = [`${base}/#`, `${base}/a/b`, `${base}/+/b`]
      const client = await bench.moor(bench.name('client'))
      for (const [at, qos] of asked.entries()) await client.subscribe(filters[at] as string, { qos })
      await publisher.publish(`${base}/a/b`, 'x', { qos: 2 })
      const copies = await client.leftovers()
      assert.equal(Math.max(...copies.map(({ qos }) => qos)), expected, `asked for ${asked}`)
    }
  },
)

statement(
  ['5.0 [MQTT-3.3.4-3]'],
  'the Subscription Identifier of an overlapping subscription comes with the message, though another has none',
  async (bench) => {
    const base = bench.name('3.3/one-identifier')
    const client = await bench.moor(bench.name('client'))
    await client.subscribe(`${base}/#`, { qos: 2 })
    await client.subscribe(`${base}/a`, { qos: 1, subscriptionIdentifier: 268_435_455 })
    const publisher = await bench.moor(bench.name('publisher'))
    for (const topic of ['a', 'b']) await publisher.publish(`${base}/${topic}`, '', { qos: 1 })
    const heard = (await client.leftovers()).map(({ topic, properties }) => [topic.slice(-1), properties?.subscriptionIdentifier])
    assert.deepEqual(heard, [
      ['a', 268_435_455],
      ['b', undefined],
    ])
  },
)

statement(
  ['5.0 [MQTT-3.3.4-4]'],
  'one copy of a message carries the Subscription Identifiers of all matching subscriptions, of those that wait too',
  async (bench) => {
    const [base, name] = [bench.name('3.3/identifiers'), bench.name('client')]
    const client = await bench.moor(name, lasting(5))
    for (const [at, filter] of ['#', 'a', '+', 'b'].entries()) {
      await client.subscribe(`${base}/${filter}`, { qos: 1, subscriptionIdentifier: 200 * at + 1 })
    }
    const publisher = await bench.moor(bench.name('publisher'))
    const identifiers = (message: IPublishPacket | undefined) =>
      [message?.properties?.subscriptionIdentifier ?? []].flat().sort((one, other) => one - other)
    await publisher.publish(`${base}/a`, 'live', { qos: 1 })
    assert.deepEqual((await client.leftovers()).map(identifiers), [[1, 201, 401]])
    await client.leave()
    await publisher.publish(`${base}/b`, 'waits', { qos: 1 })
    const back = await bench.moor(name, lasting(5))
    assert.deepEqual((await back.leftovers()).map(identifiers), [[1, 401, 601]])
  },
)

statement(
  ['5.0 [MQTT-3.3.4-5]'],
  'a message that comes twice, by a shared subscription and by one of its own, carries the identifier of each',
  async (bench) => {
    const topic = bench.name('3.3/copies')
    const client = await bench.moor(bench.name('client'))
    await client.subscribe(`$share/group/${topic}`, { qos: 1, subscriptionIdentifier: 7 })
    await client.subscribe(topic, { qos: 1, subscriptionIdentifier: 9 })
    const publisher = await bench.moor(bench.name('publisher'))
    await publisher.publish(topic, 'x', { qos: 1 })
    const heard = await client.leftovers()
    assert.equal(heard.length, 2)
    assert.deepEqual(heard.map(({ properties }) => properties?.subscriptionIdentifier).sort(), [7, 9])
  },
)

statement(
  ['5.0 [MQTT-3.3.4-6]'],
  'a client that sends a Subscription Identifier makes a protocol error, and nobody gets the message',
  async (bench) => {
    const topic = bench.name('3.3/foreign-identifier')
    const listener = await listenerAt(bench, topic)
    const client = await bench.moor(bench.name('client'))
    client.sendBytes(publishBytes(5, { topic, properties: '0b 01' }))
    await endedBy(client, [0x82])
    assert.deepEqual(await listener.leftovers(), [])
  },
)

// ── the receive maximum ──

statement(
  ['5.0 [MQTT-3.3.4-7]'],
  'a client may have as many PUBLISHes unfinished as CONNACK says; one more ends the connection with 0x93',
  async (bench) => {
    const topic = bench.name('3.3/quota')
    const client = await bench.moor(bench.name('client'))
    const most = client.connack.properties?.receiveMaximum ?? 65_535
    for (let id = 1; id <= most; id++) {
      client.sendPublish(topic, '', { qos: 2, messageId: id })
      assert.equal((await client.next('pubrec')).reasonCode, 0)
    }
    client.acknowledge('pubrel', 1) // room for one more
    await client.next('pubcomp')
    client.sendPublish(topic, '', { qos: 2, messageId: most + 1 })
    await client.next('pubrec')
    await client.ping()
    client.sendPublish(topic, '', { qos: 1, messageId: most + 2 })
    await endedBy(client, [0x93])
  },
)

statement(['5.0 [MQTT-3.3.4-7]'], 'a PUBREC that refuses makes room for one more PUBLISH', async (bench) => {
  const client = await bench.moor(bench.name('client'))
  const most = client.connack.properties?.receiveMaximum ?? 65_535
  for (let id = 1; id <= most + 10; id++) {
    client.sendPublish('$SYS/refused', '', { qos: 2, messageId: id })
    assert.equal((await client.next('pubrec')).reasonCode, 0x87)
  }
  await client.ping()
})

bindsClients(['5.0 [MQTT-3.3.4-8]'], 'it says when a client may not hold back packets other than PUBLISH')

statement(
  ['5.0 [MQTT-3.3.4-9]'],
  'a client is sent no more than its Receive Maximum; PUBACK, PUBCOMP and a refusing PUBREC make room, PUBREC does not',
  async (bench) => {
    const topic = bench.name('3.3/window')
    const client = await bench.moor(bench.name('client'), { properties: { receiveMaximum: 2 } })
    client.answers = false
    await client.subscribe(topic, { qos: 2 })
    const publisher = await bench.moor(bench.name('publisher'))
    for (const [at, qos] of [1, 2, 2, 1, 2, 1].entries()) await publisher.publish(topic, `${at}`, { qos: qos as 1 | 2 })
    const none = async (why: string) => assert.deepEqual(await client.leftovers(), [], why)
    const one = async (payload: string) => {
      const message = await client.next('publish')
      assert.equal(`${message.payload}`, payload)
      await none('no more than one')
      return message.messageId
    }
    const [first, second] = (await client.messages(2)).map(({ messageId }) => messageId)
    await none('the window is full')
    client.acknowledge('pubrec', second)
    await client.next('pubrel')
    await none('PUBREC makes no room')
    client.acknowledge('puback', first)
    const third = await one('2')
    client.acknowledge('pubcomp', second)
    await one('3')
    client.acknowledge('pubrec', third, 0x80)
    await one('4')
  },
)

statement(['5.0 [MQTT-3.3.4-9]'], 'what is sent again after a lost connection counts against the new Receive Maximum', async (bench) => {
  const [topic, name] = [bench.name('3.3/narrower'), bench.name('client')]
  const client = await bench.moor(name, lasting(5))
  client.answers = false
  await client.subscribe(topic, { qos: 1 })
  const publisher = await bench.moor(bench.name('publisher'))
  for (let at = 0; at < 5; at++) await publisher.publish(topic, `${at}`, { qos: 1 })
  await client.messages(5)
  await client.leave()
  const back = await silent(bench, name, { properties: { receiveMaximum: 3 } })
  assert.deepEqual(await back.texts(3), ['0', '1', '2'])
  assert.deepEqual(await back.leftovers(), [])
})

statement(
  ['5.0 [MQTT-3.3.4-10]'],
  'a client whose Receive Maximum is used up still gets every packet but PUBLISH at QoS 1 and 2',
  async (bench) => {
    const topic = bench.name('3.3/full')
    const client = await bench.moor(bench.name('client'), { properties: { receiveMaximum: 1 } })
    client.answers = false
    await client.subscribe(topic, { qos: 2 })
    const publisher = await bench.moor(bench.name('publisher'))
    for (const payload of ['fills it', 'waits']) await publisher.publish(topic, payload, { qos: 2 })
    const [first] = await client.messages(1)
    await client.ping()
    await client.subscribe(`${topic}/more`, { qos: 1 })
    await client.unsubscribe(`${topic}/more`)
    await client.publish(bench.name('3.3/own'), 'x', { qos: 1 }) // comes back with its PUBACK
    await client.publish(bench.name('3.3/own'), 'x', { qos: 2 }) // PUBREC and PUBCOMP
    client.acknowledge('pubrec', first?.messageId)
    await client.next('pubrel')
    assert.deepEqual(await client.leftovers(), [])
    client.acknowledge('pubcomp', first?.messageId)
    assert.deepEqual(await client.texts(1), ['waits'])
  },
)
