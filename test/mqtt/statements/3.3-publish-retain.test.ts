// Retained messages: MQTT 5 and 3.1.1 section 3.3.1.3. The tags of the two versions differ from the fifth on.
import assert from 'node:assert/strict'
import type { IPublishPacket } from 'mqtt-packet'
import { HandClock } from '../../kit/clock.ts'
import { hubOfFile, type TestClient } from '../../kit/mqtt.ts'
import { lasting, textOf } from '../../kit/packets.ts'
import { type Bench, statementsOf } from '../../kit/statements.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)
const statement = statementsOf(hub, clock)

/** Publishes with RETAIN at QoS 1, so that it is kept when this comes back. */
const retain = (client: TestClient, topic: string, payload: string, more: Partial<IPublishPacket> = {}) =>
  client.publish(topic, payload, { qos: 1, retain: true, ...more })

/** What a new subscriber gets on subscribing. */
async function retainedAt(bench: Bench, filter: string, qos: 0 | 1 | 2 = 2): Promise<IPublishPacket[]> {
  const client = await bench.moor(bench.name('late'))
  await client.subscribe(filter, { qos })
  return client.leftovers()
}

// ── what is kept ──

statement(['3.1.1 [MQTT-3.3.1-5]'], 'a retained message is kept with its QoS for those who subscribe later', async (bench) => {
  const base = bench.name('3.3/kept')
  const publisher = await bench.moor(bench.name('publisher'))
  for (const qos of [0, 1, 2] as const) await retain(publisher, `${base}/${qos}`, `${qos}`, { qos })
  await publisher.leave()
  const late = await retainedAt(bench, `${base}/#`)
  assert.deepEqual(late.map(({ topic, payload, qos }) => [topic, `${payload}`, qos]).sort(), [
    [`${base}/0`, '0', 0],
    [`${base}/1`, '1', 1],
    [`${base}/2`, '2', 2],
  ])
})

statement(
  ['5.0 [MQTT-3.3.1-5]'],
  'a message with RETAIN takes the place of the one retained before, for its topic alone, at any QoS',
  async (bench) => {
    const base = bench.name('3.3/replaced')
    const publisher = await bench.moor(bench.name('publisher'))
    await retain(publisher, `${base}/other`, 'other')
    for (const qos of [2, 1, 0, 1] as const) {
      await retain(publisher, `${base}/a`, `at ${qos}`, { qos, properties: { contentType: `type ${qos}` } })
      await publisher.publish(bench.name('3.3/settled'), '', { qos: 1 }) // QoS 0 has no answer of its own
      const late = await retainedAt(bench, `${base}/#`)
      assert.deepEqual(late.map(({ payload, qos, properties }) => [`${payload}`, qos, properties?.contentType]).sort(), [
        [`at ${qos}`, qos, `type ${qos}`],
        ['other', 1, undefined],
      ])
    }
  },
)

statement(
  ['3.1.1 [MQTT-3.3.1-6]'],
  'a new subscription brings the last retained message of each topic that it matches, and of no other',
  async (bench) => {
    const base = bench.name('3.3/each')
    const publisher = await bench.moor(bench.name('publisher'))
    for (const topic of ['a', 'a/b', 'a/c', 'b']) {
      for (const payload of ['old', 'last']) await retain(publisher, `${base}/${topic}`, `${payload} ${topic}`)
    }
    assert.deepEqual((await retainedAt(bench, `${base}/a/#`)).map(textOf).sort(), ['last a', 'last a/b', 'last a/c'])
    assert.deepEqual((await retainedAt(bench, `${base}/a/+`)).map(textOf).sort(), ['last a/b', 'last a/c'])
    assert.deepEqual((await retainedAt(bench, `${base}/b`)).map(textOf), ['last b'])
    assert.deepEqual((await retainedAt(bench, `${base}/c`)).map(textOf), [])
  },
)

// It should be kept and may be discarded at any time; the hub keeps it.
statement(['3.1.1 [MQTT-3.3.1-7]'], 'a QoS 0 message with RETAIN takes the place of what was retained for its topic', async (bench) => {
  const topic = bench.name('3.3/qos0')
  const publisher = await bench.moor(bench.name('publisher'))
  await retain(publisher, topic, 'old', { qos: 2 })
  await retain(publisher, topic, 'new', { qos: 0 })
  await publisher.publish(bench.name('3.3/settled'), '', { qos: 1 })
  const late = await retainedAt(bench, topic)
  assert.deepEqual(
    late.map(({ payload, qos }) => [`${payload}`, qos]),
    [['new', 0]],
  )
})

// ── the flag ──

statement(['3.1.1 [MQTT-3.3.1-8]'], 'what is sent because of a new subscription has RETAIN 1', async (bench) => {
  const base = bench.name('3.3/flag')
  const publisher = await bench.moor(bench.name('publisher'))
  for (const qos of [0, 1, 2] as const) await retain(publisher, `${base}/${qos}`, 'x', { qos })
  const client = await bench.moor(bench.name('client'))
  for (const qos of [1, 2] as const) {
    await client.subscribe(`${base}/#`, { qos }) // the second time it takes the place of the first
    const flags = (await client.taken()).map(({ retain }) => retain)
    assert.deepEqual(flags, [true, true, true])
  }
})

statement(
  ['3.1.1 [MQTT-3.3.1-9]'],
  'what is sent because of an established subscription has RETAIN 0, whatever flag it came with',
  async (bench) => {
    const [topic, name] = [bench.name('3.3/no-flag'), bench.name('client')]
    const client = await bench.moor(name, { clean: false })
    await client.subscribe(topic, { qos: 2 })
    const publisher = await bench.moor(bench.name('publisher'))
    for (const qos of [0, 1, 2] as const) await retain(publisher, topic, `live ${qos}`, { qos })
    await publisher.publish(topic, 'plain', { qos: 1 })
    const live = await client.messages(4)
    await client.leave()
    await retain(publisher, topic, 'while away')
    const back = await bench.moor(name, { clean: false })
    const flags = [...live, ...(await back.messages(1))].map(({ payload, retain }) => [`${payload}`, retain])
    assert.deepEqual(flags, [
      ['live 0', false],
      ['live 1', false],
      ['live 2', false],
      ['plain', false],
      ['while away', false],
    ])
  },
)

// ── what is not kept ──

statement(
  ['3.1.1 [MQTT-3.3.1-10]'],
  'an empty message with RETAIN reaches its subscribers with RETAIN 0 and removes what was retained',
  async (bench) => {
    const base = bench.name('3.3/removed')
    const publisher = await bench.moor(bench.name('publisher'))
    for (const topic of ['a', 'b']) await retain(publisher, `${base}/${topic}`, topic)
    const client = await bench.moor(bench.name('client'))
    await client.subscribe(`${base}/a`, { qos: 1 })
    await client.messages(1)
    await retain(publisher, `${base}/a`, '')
    const heard = await client.leftovers()
    assert.deepEqual(
      heard.map(({ payload, retain }) => [payload.length, retain]),
      [[0, false]],
    )
    assert.deepEqual((await retainedAt(bench, `${base}/#`)).map(textOf), ['b'])
  },
)

statement(
  ['5.0 [MQTT-3.3.1-6]'],
  'an empty message with RETAIN reaches its subscribers and removes what was retained, at any QoS',
  async (bench) => {
    for (const qos of [0, 1, 2] as const) {
      const base = bench.name('3.3/removed')
      const publisher = await bench.moor(bench.name('publisher'))
      for (const topic of ['a', 'b']) await retain(publisher, `${base}/${topic}`, topic)
      const client = await bench.moor(bench.name('client'))
      await client.subscribe(`${base}/a`, { qos: 2 })
      await client.messages(1)
      await retain(publisher, `${base}/a`, '', { qos, properties: { contentType: 'nothing' } })
      const [message] = await client.messages(1)
      assert.deepEqual([message?.payload.length, message?.qos, message?.properties?.contentType], [0, qos, 'nothing'])
      assert.deepEqual((await retainedAt(bench, `${base}/#`)).map(textOf), ['b'])
    }
  },
)

statement(
  ['3.1.1 [MQTT-3.3.1-11]', '5.0 [MQTT-3.3.1-7]'],
  'an empty message is never kept as a retained message, with or without one before it',
  async (bench) => {
    const topic = bench.name('3.3/empty')
    const publisher = await bench.moor(bench.name('publisher'))
    for (const payload of ['', 'something', '', '']) {
      await retain(publisher, topic, payload)
      assert.deepEqual((await retainedAt(bench, topic)).map(textOf), payload === '' ? [] : [payload])
    }
  },
)

statement(
  ['3.1.1 [MQTT-3.3.1-12]', '5.0 [MQTT-3.3.1-8]'],
  'a message without RETAIN is not kept, and neither replaces nor removes what is',
  async (bench) => {
    const base = bench.name('3.3/plain')
    const publisher = await bench.moor(bench.name('publisher'))
    await retain(publisher, `${base}/a`, 'retained')
    const listener = await bench.moor(bench.name('listener'))
    await listener.subscribe(`${base}/#`, { qos: 2 }) // whether somebody listens must make no difference
    for (const qos of [0, 1, 2] as const) {
      for (const payload of ['plain', '']) {
        await publisher.publish(`${base}/a`, payload, { qos })
        await publisher.publish(`${base}/b`, payload, { qos })
      }
    }
    assert.deepEqual((await retainedAt(bench, `${base}/#`)).map(textOf), ['retained'])
    assert.equal((await listener.leftovers()).length, 13, 'they were delivered')
  },
)

// ── options of a subscription in MQTT 5 ──

/** Two retained messages below a new topic. */
async function twoRetained(bench: Bench): Promise<string> {
  const base = bench.name('3.3/handling')
  const publisher = await bench.moor(bench.name('publisher'))
  for (const topic of ['a', 'b']) await retain(publisher, `${base}/${topic}`, topic)
  return base
}

statement(
  ['5.0 [MQTT-3.3.1-9]'],
  'with Retain Handling 0 every SUBSCRIBE brings all matching retained messages, for a subscription that was there as well',
  async (bench) => {
    const base = await twoRetained(bench)
    const client = await bench.moor(bench.name('client'))
    for (let time = 0; time < 3; time++) {
      await client.subscribe(`${base}/#`, { qos: 1, rh: 0 })
      assert.deepEqual((await client.takenTexts()).sort(), ['a', 'b'])
    }
  },
)

statement(
  ['5.0 [MQTT-3.3.1-10]'],
  'with Retain Handling 1 a new subscription brings all matching retained messages, and one that was there brings none',
  async (bench) => {
    const base = await twoRetained(bench)
    const name = bench.name('client')
    const client = await bench.moor(name, lasting(5))
    const subscribed = async (to: TestClient) => {
      await to.subscribe(`${base}/#`, { qos: 1, rh: 1 })
      return (await to.takenTexts()).sort()
    }
    assert.deepEqual(await subscribed(client), ['a', 'b'])
    assert.deepEqual(await subscribed(client), [])
    await client.leave()
    const back = await bench.moor(name, lasting(5))
    assert.deepEqual(await subscribed(back), [], 'it was there all the time')
    await back.unsubscribe(`${base}/#`)
    assert.deepEqual(await subscribed(back), ['a', 'b'], 'it is new again')
  },
)

statement(
  ['5.0 [MQTT-3.3.1-11]'],
  'with Retain Handling 2 a SUBSCRIBE brings no retained message, and what comes later is delivered',
  async (bench) => {
    const base = await twoRetained(bench)
    const client = await bench.moor(bench.name('client'))
    for (let time = 0; time < 2; time++) {
      await client.subscribe(`${base}/#`, { qos: 1, rh: 2 })
      assert.deepEqual(await client.leftovers(), [])
    }
    await retain(await bench.moor(bench.name('publisher')), `${base}/a`, 'later')
    assert.deepEqual(await client.takenTexts(), ['later'])
  },
)

/** The flags with which a message with RETAIN and one without arrive, while the subscriber is there and while it is away. */
async function flagsWith(bench: Bench, rap: boolean): Promise<[string, boolean][]> {
  const [topic, name] = [bench.name('3.3/as-published'), bench.name('client')]
  const client = await bench.moor(name, lasting(5))
  await client.subscribe(topic, { qos: 1, rap })
  const publisher = await bench.moor(bench.name('publisher'))
  await retain(publisher, topic, 'retained')
  await publisher.publish(topic, 'plain', { qos: 1 })
  const heard = await client.messages(2)
  await client.leave()
  await retain(publisher, topic, 'retained, away')
  await publisher.publish(topic, 'plain, away', { qos: 1 })
  const back = await bench.moor(name, lasting(5))
  heard.push(...(await back.messages(2)))
  return heard.map(({ payload, retain }) => [`${payload}`, retain])
}

statement(['5.0 [MQTT-3.3.1-12]'], 'without Retain As Published a message is forwarded with RETAIN 0', async (bench) => {
  assert.deepEqual(await flagsWith(bench, false), [
    ['retained', false],
    ['plain', false],
    ['retained, away', false],
    ['plain, away', false],
  ])
})

statement(['5.0 [MQTT-3.3.1-13]'], 'with Retain As Published a message is forwarded with the flag it came with', async (bench) => {
  assert.deepEqual(await flagsWith(bench, true), [
    ['retained', true],
    ['plain', false],
    ['retained, away', true],
    ['plain, away', false],
  ])
})
