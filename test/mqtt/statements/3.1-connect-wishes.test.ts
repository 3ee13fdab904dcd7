// What a client asks of the hub in CONNECT: keep-alive and the properties. MQTT 5 sections 3.1.2.10 and 3.1.2.11, 3.1.1 section 3.1.2.10.
import assert from 'node:assert/strict'
import type { Packet } from 'mqtt-packet'
import { HandClock } from '../../kit/clock.ts'
import { hubOfFile } from '../../kit/mqtt.ts'
import { lasting, willOf } from '../../kit/packets.ts'
import { bindsClients, statementsOf } from '../../kit/statements.ts'
import { endedBy, packet, packetsTo, text } from './packets.ts'
import { breakOff } from './sessions.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)
const statement = statementsOf(hub, clock)

statement(
  ['5.0 [MQTT-3.1.2-22]', '3.1.1 [MQTT-3.1.2-24]'],
  'after one and a half times the keep-alive without a packet the connection is closed as if the network had failed',
  async ({ name, moor }) => {
    const topic = name('silent')
    const watcher = await moor(name('watcher'))
    await watcher.subscribe(topic)
    for (const keepalive of [2, 10, 60]) {
      const client = await moor(name('silent'), { keepalive, will: willOf(topic, `after ${keepalive}`) })
      clock.advance(Math.floor(keepalive * 1.5) - 1)
      await client.ping()
      clock.advance(Math.floor(keepalive * 1.5) - 1)
      assert.equal(client.socket.closed, false)
      assert.deepEqual(await watcher.leftovers(), [])
      clock.advance(3) // the hub counts in whole seconds and is never early
      await endedBy(client, 0x8d, `keep-alive ${keepalive}`)
      assert.deepEqual(await watcher.texts(1), [`after ${keepalive}`])
    }
    const mute = await moor(name('mute'), { keepalive: 20 }) // CONNECT is the first and last it says
    clock.advance(29)
    assert.equal(mute.socket.closed, false)
    clock.advance(4)
    await endedBy(mute, 0x8d, 'nothing behind CONNECT')
  },
)

statement(
  ['5.0 [MQTT-3.1.2-22]', '3.1.1 [MQTT-3.1.2-24]'],
  'every packet counts for the keep-alive, not PINGREQ alone, and a keep-alive of 0 is none',
  async ({ name, moor }) => {
    const topic = name('talking')
    const client = await moor(name('talking'), { keepalive: 10 })
    const silent = await moor(name('patient'), { keepalive: 0 })
    const says: (() => Promise<unknown>)[] = [
      () => client.publish(topic, 'x', { qos: 1 }),
      () => client.subscribe(topic),
      () => client.unsubscribe(topic),
      () => client.publish(topic, 'x', { qos: 2 }),
      () => client.ping(),
    ]
    for (const say of says) {
      await say()
      clock.advance(13)
      assert.equal(client.socket.closed, false)
    }
    clock.advance(10_000)
    assert.equal(silent.socket.closed, false)
    await silent.ping()
  },
)

statement(['5.0 [MQTT-3.1.2-23]'], 'a session with an expiry interval is kept while it lasts, and no longer', async ({ name, moor }) => {
  const [id, topic] = [name('expiring'), name('expiring')]
  const wish = lasting(5, {}, 100)
  const publisher = await moor(name('publisher'))
  const first = await moor(id, wish)
  await first.subscribe(topic, { qos: 1 })
  for (const [at, end] of ['DISCONNECT', 'a lost connection'].entries()) {
    const client = at === 0 ? first : await moor(id, wish)
    if (end === 'DISCONNECT') await client.leave()
    else await breakOff(client)
    await publisher.publish(topic, end, { qos: 1 })
    clock.advance(95)
    const back = await moor(id, wish)
    assert.equal(back.connack.sessionPresent, true)
    assert.deepEqual(await back.texts(1), [end])
    await back.leave()
  }
  clock.advance(105)
  assert.equal((await moor(id, wish)).connack.sessionPresent, false)
})

statement(
  ['5.0 [MQTT-3.1.2-24]'],
  'no packet of the hub is larger than the Maximum Packet Size of the client',
  async ({ name, moor, dial }) => {
    const maximumPacketSize = 60
    const topic = name('small')
    const client = await dial()
    const packets = packetsTo(client)
    await client.connect(name('small'), { properties: { maximumPacketSize, requestResponseInformation: true } })
    await client.subscribe(topic, { qos: 1 })
    const publisher = await moor(name('large'))
    const room = maximumPacketSize - 2 - 2 - topic.length - 2 - 1 // fixed header, topic name, identifier, property length
    for (const bytes of [room - 1, room + 1, room, room + 500]) await publisher.publish(topic, Buffer.alloc(bytes), { qos: 1 })
    const sizes = (await client.messages(2)).map(({ payload }) => payload.length)
    assert.deepEqual(sizes, [room - 1, room], 'what just fits is sent')

    client.sendPublish('$SYS/no', 'x', { qos: 1, messageId: 1000 })
    assert.equal((await client.next('puback')).reasonCode, 0x87)
    await client.subscribe('bad/#/filter')
    client.sendBytes(packet(0x82, `00ff 00 ${`${text('a')} 00`.repeat(100)}`)) // a SUBACK of more than 100 bytes
    client.sendBytes(packet(0xa2, `00fe 00 ${text('a').repeat(100)}`))
    await client.ping()
    await breakOff(client)
    assert.ok(packets.length >= 6)
    for (const bytes of packets) assert.ok(bytes.length <= maximumPacketSize, `a packet of ${bytes.length} bytes: ${bytes.toString('hex')}`)
  },
)

statement(
  ['5.0 [MQTT-3.1.2-25]'],
  'a message too large for its client is passed over as if it had been delivered: it holds no window, and does not come later',
  async ({ name, moor, dial }) => {
    const [id, topic] = [name('passed-over'), name('passed-over')]
    const wish = (maximumPacketSize: number) => lasting(5, { properties: { maximumPacketSize, receiveMaximum: 1 } })
    const client = await moor(id, wish(100))
    await client.subscribe(topic, { qos: 2 })
    const publisher = await moor(name('large'))
    for (const qos of [1, 2, 0, 2, 1] as const) await publisher.publish(topic, Buffer.alloc(200), { qos })
    await publisher.publish(topic, 'one', { qos: 1 })
    await publisher.publish(topic, 'two', { qos: 2 })
    assert.deepEqual(await client.texts(2), ['one', 'two'])
    await client.leave()
    await publisher.publish(topic, Buffer.alloc(200), { qos: 1 })
    await publisher.publish(topic, 'three', { qos: 1 })
    const back = await moor(id, wish(100))
    assert.deepEqual(await back.texts(1), ['three'])
    await back.leave()
    const roomy = await dial()
    await roomy.connect(id, lasting(5))
    assert.deepEqual(await roomy.leftovers(), [])
  },
)

statement(['5.0 [MQTT-3.1.2-26]'], 'the hub uses no Topic Alias above the Topic Alias Maximum of the client', async ({ name, moor }) => {
  const base = name('alias')
  const topicAliasMaximum = 2
  const client = await moor(name('alias'), { properties: { topicAliasMaximum } })
  await client.subscribe(`${base}/#`)
  const publisher = await moor(name('alias'))
  const topics = Array.from({ length: 30 }, (_, at) => `${base}/${Math.floor(at / 6)}`) // each comes often enough to be worth an alias
  for (const topic of topics) await publisher.publish(topic, topic)
  const aliases = new Set<number>()
  for (const { topic, payload, properties } of await client.messages(topics.length)) {
    const alias = properties?.topicAlias
    if (alias !== undefined) aliases.add(alias)
    else assert.equal(topic, payload.toString())
  }
  assert.ok(aliases.size > 0, 'otherwise this test would show nothing')
  for (const alias of aliases) assert.ok(alias >= 1 && alias <= topicAliasMaximum, `alias ${alias}`)
})

statement(['5.0 [MQTT-3.1.2-27]'], 'a client whose Topic Alias Maximum is 0 or absent gets no Topic Alias', async ({ name, moor }) => {
  const base = name('no-alias')
  const publisher = await moor(name('no-alias'))
  for (const options of [{}, { properties: { topicAliasMaximum: 0 } }]) {
    const client = await moor(name('no-alias'), options)
    await client.subscribe(`${base}/#`)
    for (let at = 0; at < 10; at++) await publisher.publish(`${base}/${at % 2}`, 'x', { properties: { topicAlias: 1 + (at % 2) } })
    for (const { topic, properties } of await client.messages(10)) {
      assert.equal(properties?.topicAlias, undefined)
      assert.match(topic, new RegExp(`^${base}/[01]$`))
    }
  }
})

statement(['5.0 [MQTT-3.1.2-28]'], 'a client that does not ask for Response Information gets none', async ({ name, moor }) => {
  const silent = await moor(name('response'))
  assert.equal(silent.connack.properties?.responseInformation, undefined)
  const declining = await moor(name('response'), { properties: { requestResponseInformation: false } })
  assert.equal(declining.connack.properties?.responseInformation, undefined)
  const asking = await moor(name('response'), { properties: { requestResponseInformation: true } })
  assert.notEqual(asking.connack.properties?.responseInformation, undefined, 'otherwise this test would show nothing')
})

statement(
  ['5.0 [MQTT-3.1.2-29]'],
  'a client that wants no problem information gets no Reason String and no User Property in answers, but those of messages',
  async ({ name, moor }) => {
    const answersTo = async (requestProblemInformation: boolean) => {
      const topic = name('problem')
      const client = await moor(name('problem'), { properties: { requestProblemInformation } })
      for (const qos of [1, 2] as const) client.sendPublish('$SYS/no', 'x', { qos, messageId: 900 + qos })
      const answers: Packet[] = [await client.next('puback'), await client.next('pubrec')]
      answers.push(await client.subscribe('bad/#/filter'), await client.unsubscribe('bad/#/filter'))
      client.acknowledge('pubrel', 999) // nobody knows this identifier
      client.acknowledge('pubrec', 998)
      answers.push(await client.next('pubcomp'), await client.next('pubrel'))
      await client.subscribe(topic)
      await client.publish(topic, 'x', { properties: { userProperties: { from: 'the publisher' } } })
      assert.deepEqual({ ...(await client.next('publish')).properties?.userProperties }, { from: 'the publisher' })
      return answers.map(({ cmd, ...packet }) => {
        const { properties } = packet as { properties?: { reasonString?: string; userProperties?: object } }
        return [cmd, properties?.reasonString !== undefined || properties?.userProperties !== undefined] as const
      })
    }
    for (const [cmd, explains] of await answersTo(false)) assert.equal(explains, false, cmd)
    const explained = (await answersTo(true)).filter(([, explains]) => explains).map(([cmd]) => cmd)
    assert.deepEqual(explained, ['puback', 'pubrec', 'suback', 'unsuback'], 'otherwise this test would show nothing')
  },
)

bindsClients(
  ['5.0 [MQTT-3.1.2-20]', '3.1.1 [MQTT-3.1.2-23]'],
  'it is the client that sends PINGREQ when it has nothing else to say; silence is answered by the keep-alive of the hub',
)
bindsClients(['5.0 [MQTT-3.1.2-21]'], 'how a client takes a Server Keep Alive, which the hub sends only with the setting --keep-alive-max')
