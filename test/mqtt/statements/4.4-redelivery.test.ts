// Sending again, receipt and order of messages. MQTT 5 and 3.1.1 sections 4.4 to 4.6.
import assert from 'node:assert/strict'
import { HandClock } from '../../kit/clock.ts'
import { hubOfFile } from '../../kit/mqtt.ts'
import { upTo } from '../../kit/numbers.ts'
import { idOf, lasting, textOf } from '../../kit/packets.ts'
import { type Bench, bindsClients, statementsOf } from '../../kit/statements.ts'
import { delivery, silent } from './sessions.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)
const statement = statementsOf(hub, clock)

// ── sending again ──

statement(
  ['3.1.1 [MQTT-4.4.0-1]', '5.0 [MQTT-4.4.0-1]'],
  'who comes back to its session is sent every unacknowledged PUBLISH and PUBREL again, with the identifiers they had',
  async (bench) => {
    const { topic, name, subscriber, publisher } = await delivery(bench, 2)
    for (const [at, qos] of [1, 2, 2, 0].entries()) await publisher.publish(topic, `${at}`, { qos: qos as 0 | 1 | 2 })
    await publisher.ping()
    const [first, second, third] = (await subscriber.messages(4)).filter(({ qos }) => qos > 0)
    subscriber.acknowledge('pubrec', third?.messageId)
    await subscriber.next('pubrel')
    await subscriber.leave()
    for (let time = 0; time < 2; time++) {
      const back = await silent(bench, name)
      assert.deepEqual(await back.leftoverIds('pubrel'), [third?.messageId])
      assert.deepEqual(
        (await back.leftovers()).map((message) => [textOf(message), message.messageId, message.qos]),
        [
          ['0', first?.messageId, 1],
          ['1', second?.messageId, 2],
        ],
      )
      if (time === 0) await back.leave()
      else back.pullCable() // the hub need not have noticed when the next one comes
    }
    const taker = await bench.moor(name, lasting(bench.version))
    assert.deepEqual(await taker.texts(2), ['0', '1'])
  },
)

statement(['3.1.1 [MQTT-4.4.0-1]', '5.0 [MQTT-4.4.0-1]'], 'who wants no session back is sent nothing again', async (bench) => {
  const { name, subscriber, deliver } = await delivery(bench, 2)
  const [first] = await deliver('first', 'second')
  subscriber.acknowledge('pubrec', first?.messageId)
  await subscriber.next('pubrel')
  await subscriber.leave()
  const anew = await bench.moor(name, { ...lasting(bench.version), clean: true })
  assert.deepEqual(await anew.leftovers(), [])
  assert.deepEqual(await anew.leftoverIds('pubrel'), [])
})

statement(
  ['5.0 [MQTT-4.4.0-1]'],
  'nothing is sent again while the connection lasts, however long an acknowledgement takes',
  async (bench) => {
    const { subscriber, deliver } = await delivery(bench, 2)
    const [first] = await deliver('first', 'second')
    subscriber.acknowledge('pubrec', first?.messageId)
    await subscriber.next('pubrel')
    for (let hour = 0; hour < 3; hour++) {
      clock.advance(3600)
      assert.deepEqual(await subscriber.leftovers(), [])
      assert.deepEqual(await subscriber.leftoverIds('pubrel'), [])
    }
  },
)

statement(['5.0 [MQTT-4.4.0-2]'], 'a message that the client refused with PUBACK or PUBREC is not sent again', async (bench) => {
  for (const [qos, cmd] of [
    [1, 'puback'],
    [2, 'pubrec'],
  ] as const) {
    const { name, subscriber, deliver } = await delivery(bench, qos)
    const [first, , third] = await deliver('first', 'second', 'third')
    subscriber.acknowledge(cmd, first?.messageId, 0x80)
    subscriber.acknowledge(cmd, third?.messageId, 0x99)
    await subscriber.leave()
    const back = await silent(bench, name)
    assert.deepEqual((await back.leftovers()).map(textOf), ['second'])
    assert.deepEqual(await back.leftoverIds('pubrel'), [])
  }
})

// ── receipt ──

statement(
  ['3.1.1 [MQTT-4.5.0-1]', '5.0 [MQTT-4.5.0-1]'],
  'a message that the hub has taken is owed to every client with a matching subscription, here or away, and to no other',
  async (bench) => {
    const base = bench.name('4.5/owed')
    const filters = ['#', '+/b', 'a/b', 'a/+', 'a', 'b/#']
    const matching = filters.slice(0, 4)
    const subscribers = []
    for (const filter of filters) {
      for (const isAway of [false, true]) {
        const name = bench.name('subscriber')
        const subscriber = await silent(bench, name)
        await subscriber.subscribe(`${base}/${filter}`, { qos: 2 })
        if (isAway) await subscriber.leave()
        subscribers.push({ filter, isAway, name, subscriber })
      }
    }
    const publisher = await bench.moor(bench.name('publisher'))
    await publisher.publish(`${base}/a/b`, 'at 1', { qos: 1 })
    await publisher.publish(`${base}/a/b`, 'at 2', { qos: 2 })
    for (const { filter, isAway, name, subscriber } of subscribers) {
      const client = isAway ? await silent(bench, name) : subscriber
      if (matching.includes(filter)) assert.deepEqual(await client.texts(2), ['at 1', 'at 2'], filter)
      assert.deepEqual(await client.leftovers(), [], filter)
    }
  },
)

statement(
  ['3.1.1 [MQTT-4.5.0-1]', '5.0 [MQTT-4.5.0-1]'],
  'what a client has not acknowledged is still owed when its connection is lost in the middle of it',
  async (bench) => {
    const { topic, name, subscriber, publisher, deliver } = await delivery(bench, 1)
    await deliver('sent')
    subscriber.pullCable()
    await publisher.publish(topic, 'while nobody knows whether it is gone', { qos: 1 })
    const back = await silent(bench, name)
    assert.deepEqual(await back.texts(2), ['sent', 'while nobody knows whether it is gone'])
  },
)

bindsClients(['3.1.1 [MQTT-4.5.0-2]', '5.0 [MQTT-4.5.0-2]'], 'it says that a client acknowledges what it does not want as well')

// ── order ──
//
// The first four rules are addressed to clients. 3.1.1 has the server follow them too [MQTT-4.6.0-6]; 5.0 names for it only the order of
// messages, and the hub keeps them there as well.

statement(
  ['3.1.1 [MQTT-4.6.0-1]', '5.0 [MQTT-4.6.0-1]', '3.1.1 [MQTT-4.6.0-6]'],
  'what is sent again comes in the order it was first sent, QoS 1 and 2 among each other, before anything newer',
  async (bench) => {
    const { topic, name, subscriber, publisher } = await delivery(bench, 2)
    for (let at = 0; at < 12; at++) await publisher.publish(topic, `${at}`, { qos: ((at % 2) + 1) as 1 | 2 })
    const sent = await subscriber.messages(12)
    for (const at of [7, 2, 10]) subscriber.acknowledge(at % 2 === 0 ? 'puback' : 'pubrec', sent[at]?.messageId)
    await subscriber.leave()
    await publisher.publish(topic, 'newer', { qos: 1 })
    const expected = sent.map(textOf).filter((_, at) => ![7, 2, 10].includes(at))
    for (let time = 0; time < 3; time++) {
      const back = await silent(bench, name)
      assert.deepEqual((await back.leftovers()).map(textOf), [...expected, 'newer'])
      await back.leave()
    }
    const narrow = await bench.moor(name, lasting(bench.version, { properties: { receiveMaximum: 2 } }))
    assert.deepEqual(await narrow.texts(10), [...expected, 'newer'], 'a smaller window changes nothing')
  },
)

/** PUBLISHes in one write, some of them refused, are answered in their order. */
async function assertAnswerOrder(bench: Bench, qos: 1 | 2, cmd: 'puback' | 'pubrec'): Promise<void> {
  const publisher = await bench.moor(bench.name('publisher'))
  publisher.answers = false
  const topics = [bench.name('4.6/a'), '$SYS/refused', bench.name('4.6/b'), 'devices/not an id/x', bench.name('4.6/c')]
  const ids = [9, 3, 65_535, 1, 400, 2, 8, 7, 30, 31, 29, 4]
  publisher.socket.cork() // one write
  for (const [at, id] of ids.entries()) {
    publisher.sendPublish(topics[at % topics.length] as string, 'x', { qos, messageId: id, retain: at % 4 === 0 })
    publisher.sendPublish(topics[0] as string, 'x', { qos: 0 })
  }
  publisher.socket.uncork()
  assert.deepEqual(await publisher.ids(cmd, ids.length), ids)
}

statement(
  ['3.1.1 [MQTT-4.6.0-2]', '5.0 [MQTT-4.6.0-2]'],
  'PUBACKs come in the order of the PUBLISHes that they answer, those that refuse as well',
  (bench) => assertAnswerOrder(bench, 1, 'puback'),
)

statement(
  ['3.1.1 [MQTT-4.6.0-3]', '5.0 [MQTT-4.6.0-3]'],
  'PUBRECs come in the order of the PUBLISHes that they answer, those that refuse as well',
  (bench) => assertAnswerOrder(bench, 2, 'pubrec'),
)

statement(
  ['3.1.1 [MQTT-4.6.0-4]', '5.0 [MQTT-4.6.0-4]'],
  'PUBRELs come in the order of the PUBRECs that they answer, not in that of the messages',
  async (bench) => {
    const { subscriber, deliver } = await delivery(bench, 2)
    const ids = (await deliver(...upTo(6).map(String))).map(idOf)
    const shuffled = [4, 0, 5, 2, 1, 3].map((at) => ids[at])
    subscriber.socket.cork()
    for (const id of shuffled) subscriber.acknowledge('pubrec', id)
    subscriber.socket.uncork()
    assert.deepEqual(await subscriber.ids('pubrel', 6), shuffled)
  },
)

statement(
  ['3.1.1 [MQTT-4.6.0-4]', '3.1.1 [MQTT-4.6.0-6]'],
  'PUBRELs that are sent again come in the order of the PUBRECs too',
  async (bench) => {
    const { name, subscriber, deliver } = await delivery(bench, 2)
    const ids = (await deliver('a', 'b', 'c')).map(idOf)
    const shuffled = [2, 0, 1].map((at) => ids[at])
    for (const id of shuffled) subscriber.acknowledge('pubrec', id)
    await subscriber.ids('pubrel', 3)
    await subscriber.leave()
    const back = await silent(bench, name)
    assert.deepEqual(await back.ids('pubrel', 3), shuffled)
  },
)

/** Messages to several topics in turn, at one QoS and with these RETAIN flags in turn, arrive at each in their order. */
async function assertTopicOrder(bench: Bench, topics: readonly string[], qos: 0 | 1 | 2, flags: readonly boolean[]): Promise<void> {
  const subscriber = await bench.moor(bench.name('subscriber'))
  for (const topic of topics) await subscriber.subscribe(topic, { qos: 2 })
  const publisher = await bench.moor(bench.name('publisher'))
  const expected = upTo(8).map((at) => `{"t":${at}}`)
  for (const [at, payload] of expected.entries()) {
    const retain = flags[at % flags.length] === true
    for (const topic of topics) await publisher.publish(topic, payload, { qos, retain })
  }
  await publisher.settle()
  const messages = await subscriber.leftovers()
  for (const topic of topics) {
    assert.deepEqual(messages.filter((message) => message.topic === topic).map(textOf), expected, `${topic} at QoS ${qos}`)
  }
}

statement(
  ['3.1.1 [MQTT-4.6.0-5]', '5.0 [MQTT-4.6.0-6]'],
  'every topic is an ordered one: none that a client may use loses the order of its messages, at any QoS',
  async (bench) => {
    const id = bench.name('every')
    const topics = [`4.6/${id}`, `/${id}`, `${id}//`, `devices/${id}/telemetry`, `devices/${id}/other`]
    for (const qos of [0, 1, 2] as const) await assertTopicOrder(bench, topics, qos, [false])
  },
)

statement(
  ['3.1.1 [MQTT-4.6.0-6]', '5.0 [MQTT-4.6.0-5]'],
  'messages with RETAIN and without keep their order among each other at QoS 1 and 2',
  async (bench) => {
    for (const qos of [1, 2] as const) await assertTopicOrder(bench, [bench.name('4.6/mixed')], qos, [true, false, false])
  },
)

statement(
  ['3.1.1 [MQTT-4.6.0-6]', '5.0 [MQTT-4.6.0-5]'],
  'messages with RETAIN and without keep their order among each other at QoS 0',
  async (bench) => {
    await assertTopicOrder(bench, [bench.name('4.6/mixed')], 0, [true, false, false])
    await assertTopicOrder(bench, [bench.name('4.6/mixed')], 0, [false, true])
  },
)

statement(
  ['3.1.1 [MQTT-4.6.0-6]', '5.0 [MQTT-4.6.0-5]'],
  'messages of one publisher to one topic at one QoS reach every subscriber in their order: a quick one, one with a full window, one that was away',
  async (bench) => {
    const [topic, name] = [bench.name('4.6/order'), bench.name('away')]
    const quick = await bench.moor(bench.name('quick'))
    const slow = await bench.moor(bench.name('slow'), bench.version === 5 ? { properties: { receiveMaximum: 2 } } : {})
    const away = await bench.moor(name, lasting(bench.version))
    for (const client of [quick, slow, away]) await client.subscribe(topic, { qos: 2 })
    slow.answers = false
    await away.leave()
    const publishers = [await bench.moor(bench.name('publisher')), await bench.moor(bench.name('publisher'))]
    const count = 40
    for (const [from, publisher] of publishers.entries()) {
      publisher.socket.cork()
      for (const id of upTo(count)) {
        const qos = ((id % 2) + 1) as 1 | 2
        publisher.sendPublish(topic, `${from} ${qos} ${id}`, { qos, messageId: id })
      }
      publisher.socket.uncork()
    }
    for (const publisher of publishers) {
      await publisher.ids('puback', count / 2)
      await publisher.ids('pubrec', count / 2)
    }
    const held = await slow.taken()
    assert.ok(held.length < 2 * count)
    slow.answers = true
    for (const message of held) slow.acknowledge(message.qos === 1 ? 'puback' : 'pubrec', message.messageId)
    const back = await bench.moor(name, lasting(bench.version))
    const heard = {
      quick: await quick.messages(2 * count),
      slow: [...held, ...(await slow.messages(2 * count - held.length))],
      away: await back.messages(2 * count),
    }
    for (const [who, messages] of Object.entries(heard)) {
      for (const from of [0, 1]) {
        for (const qos of [1, 2]) {
          const order = messages.map(textOf).filter((text) => text.startsWith(`${from} ${qos} `))
          const expected = upTo(count).filter((id) => (id % 2) + 1 === qos)
          assert.deepEqual(
            order,
            expected.map((id) => `${from} ${qos} ${id}`),
            who,
          )
        }
      }
    }
  },
)
