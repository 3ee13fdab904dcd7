// Properties of PUBLISH: message expiry, topic aliases, and what reaches subscribers as it came. MQTT 5 section 3.3.2.3.
import assert from 'node:assert/strict'
import type { IPublishPacket } from 'mqtt-packet'
import { HandClock } from '../../kit/clock.ts'
import { heardBy, hubOfFile, type TestClient } from '../../kit/mqtt.ts'
import { lasting, textOf } from '../../kit/packets.ts'
import { type Bench, bindsClients, statementsOf } from '../../kit/statements.ts'
import { endedBy, publishBytes, text, u16 } from './packets.ts'
import { silent } from './sessions.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)
const statement = statementsOf(hub, clock)

const userProperty = (name: string, value: string) => `26${text(name)}${text(value)}`
const published = (topic: string, packetId: number, properties: string, first = 0x32) =>
  publishBytes(5, { first, topic, packetId, properties })

/**
 * A message with these properties reaches with them, byte for byte, a subscriber that is there, one that was away and one that comes later and
 * finds it retained.
 */
async function assertForwarded(bench: Bench, properties: string): Promise<void> {
  const [topic, name] = [bench.name('3.3/forwarded'), bench.name('away')]
  const away = await bench.moor(name, lasting(5))
  await away.subscribe(topic, { qos: 1 })
  await away.leave()
  const there = await bench.moor(bench.name('there'))
  const heard = heardBy(there)
  await there.subscribe(topic, { qos: 1 })
  const publisher = await bench.moor(bench.name('publisher'))
  publisher.sendBytes(published(topic, 1, properties, 0x33))
  assert.equal((await publisher.next('puback')).reasonCode, 0)
  const [live] = await there.messages(1)
  assert.ok(heard().includes(published(topic, live?.messageId ?? 0, properties).toString('hex')), `there: ${heard()}`)

  const back = await bench.dial()
  const heardBack = heardBy(back)
  await back.connect(name, lasting(5))
  const [missed] = await back.messages(1)
  assert.ok(heardBack().includes(published(topic, missed?.messageId ?? 0, properties).toString('hex')), `away: ${heardBack()}`)

  const late = await bench.moor(bench.name('late'))
  const heardLate = heardBy(late)
  await late.subscribe(topic, { qos: 1 })
  const [retained] = await late.messages(1)
  assert.ok(heardLate().includes(published(topic, retained?.messageId ?? 0, properties, 0x33).toString('hex')), `late: ${heardLate()}`)
}

/** A PUBLISH with these properties ends the connection, and nobody gets the message. */
async function assertNotTaken(bench: Bench, properties: string, codes: readonly number[]): Promise<void> {
  const topic = bench.name('3.3/not-taken')
  const listener = await bench.moor(bench.name('listener'))
  await listener.subscribe(topic, { qos: 2 })
  const client = await bench.moor(bench.name('client'))
  client.sendBytes(published(topic, 1, properties))
  await endedBy(client, codes)
  assert.deepEqual(await listener.leftovers(), [])
}

// ── what reaches subscribers as it came ──

statement(['5.0 [MQTT-3.3.2-4]'], 'the Payload Format Indicator reaches every subscriber as it came, 0, 1 or absent', async (bench) => {
  for (const indicator of ['0101', '0100', '']) await assertForwarded(bench, indicator)
})

statement(['5.0 [MQTT-3.3.2-15]'], 'the Response Topic reaches every subscriber as it came', async (bench) => {
  for (const topic of ['answers/here', '/', 'Grüße/温']) await assertForwarded(bench, `08${text(topic)}`)
})

statement(['5.0 [MQTT-3.3.2-16]'], 'the Correlation Data reaches every subscriber as it came, whatever bytes it is', async (bench) => {
  for (const bytes of ['', '00', 'ff00c328eda080', '2600016100016226']) await assertForwarded(bench, `09${u16(bytes.length / 2)}${bytes}`)
})

statement(
  ['5.0 [MQTT-3.3.2-17]'],
  'every User Property reaches every subscriber as it came, empty and repeated ones too',
  async (bench) => {
    await assertForwarded(bench, userProperty('', ''))
    await assertForwarded(bench, userProperty('name', 'value') + userProperty('name', 'value') + userProperty('Straße', ' \u{1f321}'))
  },
)

statement(['5.0 [MQTT-3.3.2-18]'], 'User Properties keep their order, among names and among values of one name', async (bench) => {
  const names = [...'bacabdb']
  await assertForwarded(bench, names.map((name, at) => userProperty(name, `${(at * 5) % 7}`)).join(''))
  const mixed = [userProperty('z', '1'), `03${text('type')}`, userProperty('a', '2'), '0101', userProperty('z', '0')].join('')
  const topic = bench.name('3.3/order')
  const client = await bench.moor(bench.name('client'))
  const heard = heardBy(client)
  await client.subscribe(topic, { qos: 1 })
  client.sendBytes(published(topic, 1, mixed))
  await client.messages(1)
  const places = [userProperty('z', '1'), userProperty('a', '2'), userProperty('z', '0')].map((property) => heard().indexOf(property))
  assert.deepEqual(
    places,
    places.toSorted((one, other) => one - other),
  )
  assert.ok(!places.includes(-1))
})

statement(['5.0 [MQTT-3.3.2-20]'], 'the Content Type reaches every subscriber as it came', async (bench) => {
  for (const type of ['application/json; charset=utf-8', '', 'Maßeinheit']) await assertForwarded(bench, `03${text(type)}`)
})

// ── what a string may be ──

const notUtf8 = ['c328', 'eda080', 'c0af']

statement(['5.0 [MQTT-3.3.2-13]'], 'a Response Topic that is not UTF-8 ends the connection as malformed', async (bench) => {
  for (const bytes of notUtf8) await assertNotTaken(bench, `08${u16(bytes.length / 2)}${bytes}`, [0x81])
})

statement(['5.0 [MQTT-3.3.2-14]'], 'a Response Topic with a wildcard ends the connection', async (bench) => {
  for (const topic of ['answers/#', '+', 'a/+/b']) await assertNotTaken(bench, `08${text(topic)}`, [0x81, 0x82, 0x90])
})

statement(['5.0 [MQTT-3.3.2-19]'], 'a Content Type that is not UTF-8 ends the connection as malformed', async (bench) => {
  for (const bytes of notUtf8) await assertNotTaken(bench, `03${u16(bytes.length / 2)}${bytes}`, [0x81])
})

// ── message expiry ──

const expiresIn = (messageExpiryInterval: number) => ({ qos: 1, properties: { messageExpiryInterval } }) as const

statement(
  ['5.0 [MQTT-3.3.2-5]'],
  'a message whose time is over before it was sent to a subscriber is never sent, while it was away and while its window was full',
  async (bench) => {
    const [topic, name] = [bench.name('3.3/expires'), bench.name('away')]
    const away = await bench.moor(name, lasting(5))
    await away.subscribe(topic, { qos: 1 })
    await away.leave()
    const busy = await bench.moor(bench.name('busy'), { properties: { receiveMaximum: 1 } })
    busy.answers = false
    await busy.subscribe(topic, { qos: 1 })
    const publisher = await bench.moor(bench.name('publisher'))
    await publisher.publish(topic, 'first', { qos: 1 })
    const [first] = await busy.messages(1)
    await publisher.publish(topic, 'short', expiresIn(10))
    await publisher.publish(topic, 'long', expiresIn(60))
    clock.advance(20)
    busy.answers = true
    busy.acknowledge('puback', first?.messageId)
    assert.deepEqual(await busy.texts(1), ['long'])
    const back = await bench.moor(name, lasting(5))
    assert.deepEqual(await back.texts(2), ['first', 'long'])
    assert.deepEqual([...(await busy.leftovers()), ...(await back.leftovers())], [])
  },
)

statement(['5.0 [MQTT-3.3.2-5]'], 'a retained message is not sent to a new subscriber once its time is over', async (bench) => {
  const base = bench.name('3.3/expires-retained')
  const publisher = await bench.moor(bench.name('publisher'))
  await publisher.publish(`${base}/short`, 'short', { ...expiresIn(10), retain: true })
  await publisher.publish(`${base}/long`, 'long', { ...expiresIn(60), retain: true })
  clock.advance(10)
  const late = await bench.moor(bench.name('late'))
  await late.subscribe(`${base}/#`, { qos: 1 })
  assert.deepEqual((await late.leftovers()).map(textOf), ['long'])
})

statement(
  ['5.0 [MQTT-3.3.2-6]'],
  'a message says how much of its time is left when it is sent: all of it, or less the time it waited in the hub',
  async (bench) => {
    const [topic, name] = [bench.name('3.3/left'), bench.name('away')]
    const away = await bench.moor(name, lasting(5))
    await away.subscribe(topic, { qos: 1 })
    await away.leave()
    const there = await bench.moor(bench.name('there'))
    await there.subscribe(topic, { qos: 1 })
    const busy = await bench.moor(bench.name('busy'), { properties: { receiveMaximum: 1 } })
    busy.answers = false
    await busy.subscribe(topic, { qos: 1 })
    const publisher = await bench.moor(bench.name('publisher'))
    const left = async (client: TestClient) => (await client.next('publish')).properties?.messageExpiryInterval
    await publisher.publish(topic, 'for ever', { qos: 1 })
    await publisher.publish(topic, 'x', { ...expiresIn(100), retain: true })
    assert.deepEqual([await left(there), await left(there)], [undefined, 100])
    clock.advance(30)
    const first = await busy.next('publish')
    busy.acknowledge('puback', first.messageId)
    assert.equal(await left(busy), 70, 'it waited for a place in the window')
    clock.advance(5)
    const back = await bench.moor(name, lasting(5))
    assert.deepEqual([await left(back), await left(back)], [undefined, 65])
    const late = await bench.moor(bench.name('late'))
    await late.subscribe(topic, { qos: 1 })
    assert.equal(await left(late), 65, 'it was retained')
  },
)

// ── topic aliases, client to hub ──

const withAlias = (client: TestClient, topic: string, payload: string, topicAlias: number) =>
  client.publish(topic, payload, { properties: { topicAlias } })

statement(['5.0 [MQTT-3.3.2-7]'], 'an alias that a client set ends with its connection, though its session does not', async (bench) => {
  const [topic, name] = [bench.name('3.3/alias-ends'), bench.name('client')]
  const listener = await bench.moor(bench.name('listener'))
  await listener.subscribe(topic, { qos: 1 })
  const client = await bench.moor(name, lasting(5))
  await withAlias(client, topic, 'sets it', 1)
  await withAlias(client, '', 'uses it', 1)
  assert.deepEqual(await listener.texts(2), ['sets it', 'uses it'])
  await client.leave()
  const back = await bench.moor(name, lasting(5))
  assert.equal(back.connack.sessionPresent, true)
  await withAlias(back, '', 'means nothing', 1)
  await endedBy(back, [0x82, 0x94])
  assert.deepEqual(await listener.leftovers(), [])
})

statement(['5.0 [MQTT-3.3.2-7]'], 'an alias of one client means nothing on the connection of another', async (bench) => {
  const topics = [bench.name('3.3/alias-mine'), bench.name('3.3/alias-yours')] as const
  const listener = await bench.moor(bench.name('listener'))
  for (const topic of topics) await listener.subscribe(topic, { qos: 0 })
  const clients = [await bench.moor(bench.name('client')), await bench.moor(bench.name('client'))] as const
  await withAlias(clients[0], topics[0], 'a', 5)
  await withAlias(clients[1], topics[1], 'b', 5)
  await clients[1].ping()
  await withAlias(clients[0], '', 'c', 5)
  await clients[0].ping()
  const heard = (await listener.messages(3)).map(({ topic, payload }) => `${payload} ${topic}`)
  assert.deepEqual(heard.sort(), [`a ${topics[0]}`, `b ${topics[1]}`, `c ${topics[0]}`])
})

statement(['5.0 [MQTT-3.3.2-8]'], 'a client that sends Topic Alias 0 is disconnected, and nobody gets the message', async (bench) => {
  await assertNotTaken(bench, '230000', [0x81, 0x82, 0x94])
})

statement(['5.0 [MQTT-3.3.2-9]'], 'a client that sends an alias above what CONNACK allows is disconnected with 0x94', async (bench) => {
  const { connack } = await bench.moor(bench.name('client'))
  const most = connack.properties?.topicAliasMaximum ?? 0
  for (const alias of [most + 1, 65_535]) await assertNotTaken(bench, `23${u16(alias)}`, [0x94]) // section 3.14.2.1
})

statement(['5.0 [MQTT-3.3.2-12]'], 'the hub takes every alias from 1 to what CONNACK allows, all at a time', async (bench) => {
  const base = bench.name('3.3/alias-all')
  const listener = await bench.moor(bench.name('listener'))
  await listener.subscribe(`${base}/+`, { qos: 0 })
  const client = await bench.moor(bench.name('client'))
  const most = client.connack.properties?.topicAliasMaximum ?? 0
  assert.ok(most > 0)
  const aliases = Array.from({ length: most }, (_, at) => at + 1)
  for (const alias of aliases) await withAlias(client, `${base}/${alias}`, 'sets', alias)
  for (const alias of aliases) await withAlias(client, '', 'uses', alias)
  const heard = (await listener.messages(2 * most)).map(({ topic, payload }) => `${payload} ${topic}`)
  const expected = ['sets', 'uses'].flatMap((verb) => aliases.map((alias) => `${verb} ${base}/${alias}`))
  assert.deepEqual(heard, expected)
})

bindsClients(['5.0 [MQTT-3.3.2-10]'], 'it says which aliases a client has to take')

// ── topic aliases, hub to client: it may use them, and need not ──

/**
 * The topics of messages as a client with its own table of aliases reads them: all messages of one connection. Every alias is from 1 to `most`,
 * and where one is allowed there is one: a test of a hub that sends none would show nothing.
 */
function resolved(messages: readonly IPublishPacket[], most: number): string[] {
  const aliases = new Map<number, string>()
  const topics = messages.map(({ topic, properties }) => {
    const alias = properties?.topicAlias
    if (alias === undefined) {
      assert.notEqual(topic, '', 'without an alias there is a topic')
      return topic
    }
    assert.ok(alias >= 1 && alias <= most, `alias ${alias} is not from 1 to ${most}`)
    if (topic !== '') aliases.set(alias, topic)
    const known = aliases.get(alias)
    assert.ok(known !== undefined, `alias ${alias} was not set on this connection`)
    return known
  })
  assert.equal(aliases.size > 0, most > 0, `${aliases.size} aliases of ${most} are used`)
  return topics
}

statement(
  ['5.0 [MQTT-3.3.2-8]', '5.0 [MQTT-3.3.2-11]'],
  'an alias that the hub sends is from 1 to what the client allows, and stands for the right topic on each of its connections',
  async (bench) => {
    for (const topicAliasMaximum of [1, 3, 65_535]) {
      const [base, name] = [bench.name('3.3/alias-out'), bench.name('client')]
      const publisher = await bench.moor(bench.name('publisher'))
      const options = lasting(5, { properties: { topicAliasMaximum } })
      const topics = [...'aabacabcdeaabbccddeefghij'].map((letter) => `${base}/${letter}`)
      for (let connection = 0; connection < 2; connection++) {
        const client = await bench.moor(name, options)
        await client.subscribe(`${base}/+`, { qos: 1 })
        for (const [at, topic] of topics.entries()) await publisher.publish(topic, `${topic} ${at}`, { qos: (at % 2) as 0 | 1 })
        const messages = await client.messages(topics.length)
        assert.deepEqual(
          resolved(messages, topicAliasMaximum),
          messages.map((message) => textOf(message).split(' ')[0]),
        )
        await client.leave()
      }
    }
  },
)

statement(
  ['5.0 [MQTT-3.3.2-7]', '5.0 [MQTT-3.3.2-11]'],
  'what is sent again on a new connection names its topic there, by an alias of that connection or in full',
  async (bench) => {
    const [base, name] = [bench.name('3.3/alias-again'), bench.name('client')]
    const publisher = await bench.moor(bench.name('publisher'))
    const connect = (topicAliasMaximum: number) => silent(bench, name, { properties: { topicAliasMaximum } })
    const first = await connect(10)
    await first.subscribe(`${base}/+`, { qos: 1 })
    const topics = [...'aabb'].map((letter) => `${base}/${letter}`)
    for (const topic of topics) await publisher.publish(topic, topic, { qos: 1 })
    for (const most of [10, 1, 0]) {
      const client = most === 10 ? first : await connect(most)
      assert.deepEqual(resolved(await client.messages(topics.length), most), topics)
      await client.leave()
    }
  },
)

statement(['5.0 [MQTT-3.3.2-11]'], 'a client that allows no alias is sent none', async (bench) => {
  const topic = bench.name('3.3/alias-none')
  const publisher = await bench.moor(bench.name('publisher'))
  for (const options of [{}, { properties: { topicAliasMaximum: 0 } }]) {
    const client = await bench.moor(bench.name('client'), options)
    await client.subscribe(topic, { qos: 1 })
    for (let at = 0; at < 20; at++) await publisher.publish(topic, `${at}`, { qos: (at % 2) as 0 | 1 })
    for (const message of await client.messages(20)) {
      assert.deepEqual([message.topic, message.properties?.topicAlias], [topic, undefined])
    }
  }
})
