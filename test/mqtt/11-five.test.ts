// Smaller promises of MQTT 5: payload format, response information, reason strings that give way, refusals that say why, topic aliases to
// clients.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { IPublishPacket } from 'mqtt-packet'
import { limits } from '../../hub/limits.ts'
import { dial, hubOfFile, moor, refusalsWith, type TestClient } from '../kit/mqtt.ts'

const hub = await hubOfFile()
const notText = Buffer.from('c328', 'hex') // the beginning of two bytes in UTF-8, and no second one
const isText = { properties: { payloadFormatIndicator: true } }

// Section 3.3.2.3.2
test('a payload that claims to be text and is not is refused with 0x99 and reaches nobody', async (t) => {
  const refused = await refusalsWith(hub, 'payload-format-invalid')
  const watcher = await moor(t, hub, 'format-watcher', 5)
  await watcher.subscribe('11/format/#', { qos: 2 })
  const client = await moor(t, hub, 'format', 5)
  await client.publish('11/format/0', notText, isText)
  client.sendPublish('11/format/1', notText, { qos: 1, messageId: 1, ...isText })
  client.sendPublish('11/format/2', notText, { qos: 2, messageId: 2, ...isText })
  const puback = await client.next('puback')
  const pubrec = await client.next('pubrec')
  assert.deepEqual([puback.messageId, puback.reasonCode, pubrec.messageId, pubrec.reasonCode], [1, 0x99, 2, 0x99])
  assert.equal(await refused(), 3)
  await client.publish('11/format/end', 'that was all', { qos: 1 })
  assert.deepEqual(await watcher.texts(1), ['that was all'])
})

test('text that claims to be text passes with its claim, and so do other bytes that claim nothing', async (t) => {
  const client = await moor(t, hub, 'text', 5)
  await client.subscribe('11/text', { qos: 1 })
  await client.publish('11/text', 'Grüße', { qos: 1, ...isText })
  await client.publish('11/text', notText, { qos: 1, properties: { payloadFormatIndicator: false } })
  await client.publish('11/text', notText, { qos: 1, properties: { contentType: 'application/octet-stream' } })
  await client.publish('11/text', notText, { qos: 1 })
  const heard = await client.messages(4)
  assert.equal(heard[0]?.payload.toString(), 'Grüße')
  assert.equal(heard[0]?.properties?.payloadFormatIndicator, true) // [MQTT-3.3.2-4]
  for (const { payload } of heard.slice(1)) assert.deepEqual(payload, notText)
})

test('a will that claims to be text and is not keeps its client out', async (t) => {
  const will = (payload: Buffer) => ({ topic: '11/will', payload, qos: 0, retain: false, ...isText }) as const
  const client = await dial(t, hub, 5)
  const connack = await client.connect('liar', { will: will(notText) })
  assert.equal(connack.reasonCode, 0x99) // section 3.1.3.2.3
  await client.closed
  await moor(t, hub, 'honest', 5, { will: will(Buffer.from('text')) })
})

const asks = { properties: { requestResponseInformation: true } }

// Section 3.2.2.3.14
test('a client that asks for it is told where its answers may go, and can listen there', async (t) => {
  const client = await moor(t, hub, 'plc/7+#', 5, asks)
  const prefix = client.connack.properties?.responseInformation ?? ''
  assert.equal(prefix, 'responses/plc%2F7%2B%23/')
  await client.subscribe(`${prefix}#`, { qos: 1 })
  const answering = await moor(t, hub, 'answering', 5)
  await answering.publish(`${prefix}42`, 'the answer', { qos: 1 })
  assert.deepEqual(await client.texts(1), ['the answer'])
  const other = await moor(t, hub, 'plc%2F7%2B%23', 5, asks)
  assert.notEqual(other.connack.properties?.responseInformation, prefix)
  const nameless = await moor(t, hub, '', 5, asks)
  const { assignedClientIdentifier: given, responseInformation } = nameless.connack.properties ?? {}
  assert.equal(responseInformation, `responses/${given}/`)
})

test('a client that does not ask is told nothing, and neither is one whose identifier fills a topic', async (t) => {
  const silent = await moor(t, hub, 'does not ask', 5) // [MQTT-3.1.2-28]
  assert.equal(silent.connack.properties?.responseInformation, undefined)
  const long = await moor(t, hub, 'x'.repeat(600), 5, asks)
  assert.equal(long.connack.properties?.responseInformation, undefined)
})

test('no CONNACK is larger than the packets a client takes', async (t) => {
  const sized = (maximumPacketSize: number) => ({ properties: { maximumPacketSize, requestResponseInformation: true } })
  const roomy = await moor(t, hub, 'sized', 5, sized(35))
  assert.equal(roomy.connack.length, 33)
  assert.equal(roomy.connack.properties?.responseInformation, 'responses/sized/')
  const tight = await moor(t, hub, 'sized', 5, sized(34))
  assert.equal(tight.connack.properties?.responseInformation, undefined)
  const terse = await dial(t, hub, 5)
  const refusal = await terse.connect('terse', { properties: { maximumPacketSize: 20, authenticationMethod: 'any' } })
  assert.deepEqual([refusal.reasonCode, refusal.properties?.reasonString], [0x8c, undefined]) // [MQTT-3.2.2-19]
})

test('a client that has no room for any CONNACK is not let in, and has no session', async (t) => {
  const properties = { maximumPacketSize: 12, sessionExpiryInterval: 60 }
  const client = await dial(t, hub, 5)
  assert.equal((await client.connect('tiny', { properties })).reasonCode, 0x82)
  await client.closed
  const deaf = await dial(t, hub, 5)
  deaf.sendConnect('deaf', { properties: { maximumPacketSize: 4 } })
  await deaf.closed // [MQTT-3.1.2-24]: not even five bytes
  assert.deepEqual(deaf.unread, [])
  const grown = await moor(t, hub, 'tiny', 5, { clean: false })
  assert.equal(grown.connack.sessionPresent, false)
})

test('a refused PUBLISH is answered with the reason in words, in its turn among the others', async (t) => {
  const client = await moor(t, hub, 'refused', 5)
  const topics = ['11/a', '$SYS/b', '11/c', 'devices/not an id/d', '11/e']
  client.socket.cork() // one turn of the loop for all of them
  for (const [at, topic] of topics.entries()) {
    client.sendPublish(topic, 'x', { qos: 1, messageId: at + 1 })
  }
  client.socket.uncork()
  const answers = []
  for (const _ of topics) answers.push(await client.next('puback'))
  assert.deepEqual(
    answers.map(({ messageId, reasonCode }) => [messageId, reasonCode]),
    [
      [1, 0],
      [2, 0x87],
      [3, 0],
      [4, 0x90],
      [5, 0],
    ],
  ) // [MQTT-4.6.0-2]
  const reasons = answers.map(({ properties }) => properties?.reasonString)
  assert.match(reasons[1] ?? '', /Nobody but the hub may publish to \$SYS\/b/)
  assert.match(reasons[3] ?? '', /not an id/)
  assert.deepEqual([reasons[0], reasons[2], reasons[4]], [undefined, undefined, undefined])
})

test('PUBREC says why as well, and the packet identifier is free again', async (t) => {
  const client = await moor(t, hub, 'refused-2', 5)
  const publish = (topic: string) => client.sendPublish(topic, 'x', { qos: 2, messageId: 9 })
  publish('$SYS/no')
  const refusal = await client.next('pubrec')
  assert.equal(refusal.reasonCode, 0x87)
  assert.match(refusal.properties?.reasonString ?? '', /topics that begin with \$/)
  publish('11/yes')
  const taken = await client.next('pubrec')
  assert.deepEqual([taken.messageId, taken.reasonCode, taken.properties?.reasonString], [9, 0, undefined])
})

test('the words are left out for a client that wants none or has no room, and do not exist in 3.1.1', async (t) => {
  const unwanted = await moor(t, hub, 'no-words', 5, { properties: { requestProblemInformation: false } }) // [MQTT-3.1.2-29]
  const small = await moor(t, hub, 'small', 5, { properties: { maximumPacketSize: 40 } }) // [MQTT-3.4.2-2]
  const old = await moor(t, hub, 'old', 4)
  for (const client of [unwanted, small, old]) {
    client.sendPublish('$SYS/no', 'x', { qos: 1, messageId: 1 })
    const puback = await client.next('puback')
    assert.equal(puback.reasonCode, client === old ? undefined : 0x87)
    assert.equal(puback.properties?.reasonString, undefined)
    await client.ping()
  }
})

// ── topic aliases, hub to client: section 3.3.2.3.4 ──

const takes = (topicAliasMaximum: number, more = {}) => ({ properties: { topicAliasMaximum, ...more } })

/** Topic and alias of the next messages as they stand in the packets: `topic`, `topic=alias` or `=alias`. */
async function named(client: TestClient, count: number): Promise<string[]> {
  const heard = await client.messages(count)
  return heard.map(({ topic, properties }) => topic + (properties?.topicAlias === undefined ? '' : `=${properties.topicAlias}`))
}

/** A subscriber whose bytes are kept. */
async function recorded(t: TestContext, clientId: string, options: Parameters<typeof moor>[4]) {
  const client = await moor(t, hub, clientId, 5, options)
  let bytes = ''
  client.socket.on('data', (chunk: Buffer) => (bytes += chunk.toString('hex')))
  return Object.assign(client, {
    takeBytes() {
      const taken = bytes
      bytes = ''
      return taken
    },
  })
}

const hex = (text: string) => Buffer.from(text).toString('hex')

for (const wire of ['TCP', 'WebSocket'] as const) {
  test(`a topic that comes again is given an alias, and from then on the alias stands for it (${wire})`, async (t) => {
    const client = await moor(t, hub, `alias-${wire}`, 5, takes(10), wire)
    await client.subscribe(`11/alias/${wire}/+`, { qos: 2 })
    const [a, b] = [`11/alias/${wire}/a`, `11/alias/${wire}/b`]
    const topics = [a, b, a, a, b, a, b]
    for (const [at, topic] of topics.entries()) await client.publish(topic, `${at}`, { qos: (at % 3) as 0 | 1 | 2 })
    const heard = await client.messages(topics.length)
    assert.deepEqual(
      heard.map(({ topic, properties, payload, qos }) => [topic, properties?.topicAlias, payload.toString(), qos]),
      [
        [a, undefined, '0', 0],
        [b, undefined, '1', 1],
        [a, 1, '2', 2],
        ['', 1, '3', 0],
        [b, 2, '4', 1],
        ['', 1, '5', 2],
        ['', 2, '6', 0],
      ],
    )
  })
}

test('who announces no Topic Alias Maximum, or 0, is never sent an alias', async (t) => {
  const clients = [
    await moor(t, hub, 'no aliases', 5),
    await moor(t, hub, 'zero aliases', 5, takes(0)),
    await moor(t, hub, 'aliases in 3.1.1'),
  ]
  for (const client of clients) await client.subscribe('11/alias/none')
  const publisher = await moor(t, hub, 'publishes to none', 5)
  for (let at = 0; at < 4; at++) await publisher.publish('11/alias/none', 'x', { qos: 1 })
  for (const client of clients) assert.deepEqual(await named(client, 4), Array(4).fill('11/alias/none')) // [MQTT-3.1.2-27]
})

for (const [announced, given] of [
  [1, 1],
  [2, 2],
  [limits.topicAliases + 1, limits.topicAliases],
  [65_535, limits.topicAliases],
] as const) {
  test(`a client that takes ${announced} aliases is sent ${given}, and all other topics in full`, async (t) => {
    const client = await moor(t, hub, `takes-${announced}`, 5, takes(announced))
    await client.subscribe(`11/many/${announced}/#`)
    const topics = Array.from({ length: given + 3 }, (_, at) => `11/many/${announced}/${at}`)
    for (const topic of topics) for (let time = 0; time < 3; time++) await client.publish(topic, 'x', { qos: 1 })
    const expected = topics.flatMap((topic, at) => (at < given ? [topic, `${topic}=${at + 1}`, `=${at + 1}`] : [topic, topic, topic]))
    assert.deepEqual(await named(client, expected.length), expected) // [MQTT-3.1.2-26]
  })
}

test('topics that came once are forgotten when they are more than there are aliases; those with an alias keep it', async (t) => {
  const client = await moor(t, hub, 'forgets', 5, takes(2))
  await client.subscribe('11/forget/#')
  const of = (letters: string) => [...letters].map((letter) => `11/forget/${letter}`)
  const [a, b, c] = of('abc')
  for (const topic of of('abcaacbbca')) await client.publish(topic, 'x', { qos: 1 })
  assert.deepEqual(await named(client, 10), [a, b, c, a, `${a}=1`, `${c}=2`, b, b, '=2', '=1'])
})

test('aliases are spared where they save little: for short topics and for messages of more than a kilobyte', async (t) => {
  const client = await moor(t, hub, 'spares', 5, takes(10))
  await client.subscribe('11/a')
  await client.subscribe('11/spare/#')
  for (let time = 0; time < 3; time++) await client.publish('11/a', 'x', { qos: 1 })
  assert.deepEqual(await named(client, 3), ['11/a', '11/a', '11/a'])
  const topic = '11/spare/topic'
  for (const bytes of [1024, 1025, 1024, 1025, 1024]) await client.publish(topic, 'x'.repeat(bytes), { qos: 1 })
  assert.deepEqual(await named(client, 5), [topic, topic, `${topic}=1`, topic, '=1'])
})

test('with an alias the bytes are those of the same message without, but for topic and alias', async (t) => {
  const topic = '11/bytes/a'
  const client = await recorded(t, 'bytes', takes(10))
  client.answers = false
  await client.subscribe(topic, { qos: 2, rap: true })
  const publisher = await moor(t, hub, 'publishes bytes', 5)
  const name = `000a${hex(topic)}`
  const bytesOf = async (qos: 0 | 1 | 2, options: Partial<IPublishPacket> = {}) => {
    await client.ping()
    client.takeBytes()
    await publisher.publish(topic, 'hi', { qos, ...options })
    await client.next('publish')
    return client.takeBytes()
  }
  assert.equal(await bytesOf(0), `300f${name}006869`)
  assert.equal(await bytesOf(0), `3012${name}032300016869`)
  assert.equal(await bytesOf(0), '3008' + '0000' + '03230001' + '6869')
  assert.equal(await bytesOf(1), '320a' + '0000' + '0001' + '03230001' + '6869')
  assert.equal(await bytesOf(2), '340a' + '0000' + '0002' + '03230001' + '6869')
  assert.equal(await bytesOf(1, { retain: true }), '330a' + '0000' + '0003' + '03230001' + '6869')
  const properties = { contentType: 't', userProperties: { k: 'v' } }
  assert.equal(
    await bytesOf(1, { properties }),
    '3215' + '0000' + '0004' + '0e' + '03000174' + '260001' + '6b' + '000176' + '230001' + '6869',
  )
  assert.equal(
    await bytesOf(1, { properties: { messageExpiryInterval: 300 } }),
    '320f' + '0000' + '0005' + '08' + '020000012c' + '230001' + '6869',
  )
  await client.subscribe(topic, { qos: 2, subscriptionIdentifier: 200, rh: 2 })
  assert.equal(await bytesOf(1), '320d' + '0000' + '0006' + '06' + '230001' + '0bc801' + '6869')
  const both = { properties: { messageExpiryInterval: 300 } }
  assert.equal(await bytesOf(2, both), '3412' + '0000' + '0007' + '0b' + '020000012c' + '230001' + '0bc801' + '6869')
})

test('an alias whose introduction carries identifiers and an expiry is right as well', async (t) => {
  const topic = '11/introduced'
  const client = await moor(t, hub, 'introduced', 5, takes(10))
  await client.subscribe(topic, { qos: 1, subscriptionIdentifier: 7 })
  for (let time = 0; time < 3; time++) await client.publish(topic, 'x', { qos: 1, properties: { messageExpiryInterval: 60 } })
  const heard = await client.messages(3)
  assert.deepEqual(
    heard.map(({ topic: name, properties }) => [name, properties?.topicAlias]),
    [
      [topic, undefined],
      [topic, 1],
      ['', 1],
    ],
  )
  for (const { properties } of heard) assert.deepEqual([properties?.subscriptionIdentifier, properties?.messageExpiryInterval], [7, 60])
})

test('retained messages use and make aliases like others', async (t) => {
  const publisher = await moor(t, hub, 'retains', 5)
  await publisher.publish('11/kept/a', 'a', { qos: 1, retain: true })
  await publisher.publish('11/kept/b', 'b', { qos: 1, retain: true })
  const client = await moor(t, hub, 'reads retained', 5, takes(10))
  for (let time = 0; time < 3; time++) await client.subscribe('11/kept/a', { qos: 1 })
  await client.subscribe('11/kept/b', { qos: 1 })
  const heard = await client.messages(4)
  assert.deepEqual(
    heard.map(({ topic, properties, retain, payload }) => [topic, properties?.topicAlias, retain, payload.toString()]),
    [
      ['11/kept/a', undefined, true, 'a'],
      ['11/kept/a', 1, true, 'a'],
      ['', 1, true, 'a'],
      ['11/kept/b', undefined, true, 'b'],
    ],
  )
})

test('each subscriber of one message has its own table, and all read the same', async (t) => {
  const publisher = await moor(t, hub, 'fans out', 5)
  const old = await moor(t, hub, 'fan-3.1.1', 4)
  const plain = await moor(t, hub, 'fan-plain', 5)
  const first = await moor(t, hub, 'fan-first', 5, takes(10))
  const alsoFirst = await moor(t, hub, 'fan-also-first', 5, takes(5))
  const second = await moor(t, hub, 'fan-second', 5, takes(10))
  const identified = await moor(t, hub, 'fan-identified', 5, takes(10))
  const clients = [old, plain, first, alsoFirst, second, identified]
  await second.subscribe('11/fan/other')
  for (let time = 0; time < 2; time++) await publisher.publish('11/fan/other', 'x', { qos: 1 })
  await second.messages(2)
  for (const client of clients) {
    await client.subscribe('11/fan/+', { qos: 1, ...(client === identified ? { subscriptionIdentifier: 9 } : {}) })
  }
  await second.unsubscribe('11/fan/other')
  const sent = ['one', 'two', 'three', 'four']
  for (const [at, text] of sent.entries()) await publisher.publish('11/fan/topic', text, { qos: (at % 2) as 0 | 1 })
  for (const client of clients) {
    const heard = await client.messages(sent.length)
    assert.deepEqual(
      heard.map(({ payload, qos }) => [payload.toString(), qos]),
      sent.map((text, at) => [text, at % 2]),
    )
    const alias = client === second ? 2 : client === old || client === plain ? undefined : 1
    assert.deepEqual(
      heard.map(({ properties }) => properties?.topicAlias),
      [undefined, alias, alias, alias],
    )
    assert.deepEqual(
      heard.map(({ topic }) => topic),
      ['11/fan/topic', '11/fan/topic', ...Array(2).fill(alias === undefined ? '11/fan/topic' : '')],
    )
    if (client === identified) assert.ok(heard.every(({ properties }) => properties?.subscriptionIdentifier === 9))
  }
})

test('an alias ends with its connection: what is sent again on the next one has its topic', async (t) => {
  const keeps = { clean: false, ...takes(10, { sessionExpiryInterval: 60 }) }
  const topic = '11/again/topic'
  const before = await moor(t, hub, 'comes again', 5, keeps)
  before.answers = false
  await before.subscribe(topic, { qos: 1 })
  const publisher = await moor(t, hub, 'publishes again', 5)
  for (const text of ['one', 'two', 'three']) await publisher.publish(topic, text, { qos: 1 })
  assert.deepEqual(await named(before, 3), [topic, `${topic}=1`, '=1'])
  before.pullCable()
  const after = await moor(t, hub, 'comes again', 5, keeps)
  const again = await after.messages(3)
  assert.deepEqual(
    again.map(({ topic: name, properties, dup, payload }) => [name, properties?.topicAlias, dup, payload.toString()]),
    [
      [topic, undefined, true, 'one'],
      [topic, 1, true, 'two'],
      ['', 1, true, 'three'],
    ],
  ) // section 3.3.2.3.4: mappings last for one Network Connection
  after.pullCable()
  const without = await moor(t, hub, 'comes again', 5, { clean: false })
  await publisher.publish(topic, 'four', { qos: 1 })
  assert.deepEqual(await named(without, 1), [topic])
})

test('an alias never makes a message too large for the client, and may make it fit', async (t) => {
  // A PUBLISH at QoS 0: five bytes of header, topic length and properties' length, 30 of the topic, the payload; the alias takes 3 more.
  const topic = '11/size/'.padEnd(30, 'x')
  const client = await moor(t, hub, 'sized-alias', 5, takes(10, { maximumPacketSize: 60 }))
  await client.subscribe(topic)
  const publisher = await moor(t, hub, 'publishes sizes', 5)
  const send = (bytes: number) => publisher.publish(topic, `${bytes}`.padEnd(bytes, '.'), { qos: 1 })
  const lengths = async (count: number) =>
    (await client.messages(count)).map(({ topic: name, length, properties }) => [name, properties?.topicAlias, length])
  await send(26) // 61 bytes: one too many, with or without an alias, so it is left out
  await send(25) //  fits to the byte
  await send(25) //  with the new alias it would be 63 bytes: it goes in full
  await send(22) //  fits with the new alias
  await send(25)
  await send(52) //  fits because of the alias alone
  await send(53)
  await send(1)
  const heard = await lengths(6) // the parser counts what follows the first two bytes
  assert.deepEqual(heard, [
    [topic, undefined, 58],
    [topic, undefined, 58],
    [topic, 1, 58],
    ['', 1, 31],
    ['', 1, 58],
    ['', 1, 7],
  ]) // [MQTT-3.1.2-24], [MQTT-3.1.2-25]
  assert.deepEqual(await client.leftovers(), [])
})
