// Topic names and topic filters: chapter 4.7 of MQTT 3.1.1 and 5.
import assert from 'node:assert/strict'
import { limits } from '../../../hub/limits.ts'
import { HandClock } from '../../kit/clock.ts'
import { hubOfFile, type TestClient } from '../../kit/mqtt.ts'
import { willOf } from '../../kit/packets.ts'
import { type Bench, statementsOf } from '../../kit/statements.ts'
import { endedBy, failure, turnedAway } from './packets.ts'

const clock = new HandClock()
const statement = statementsOf(await hubOfFile(clock), clock)

/** A PUBLISH to be refused by closing: it is not acknowledged either. */
async function notTaken(client: TestClient, topic: string, qos: 0 | 1 | 2, retain = false): Promise<void> {
  client.sendPublish(topic, 'x', { qos, messageId: 1, retain })
  await endedBy(client, 0x90, `${topic} at ${qos}`)
  assert.deepEqual(
    client.unread.filter(({ cmd }) => cmd !== 'disconnect'),
    [],
    'it is not acknowledged',
  )
}

/** Which of the topics a filter brings, without the level they share. */
async function matches(client: TestClient, base: string, filter: string, topics: readonly string[]): Promise<string[]> {
  await client.subscribe(`${base}/${filter}`)
  for (const topic of topics) await client.publish(`${base}/${topic}`, '')
  const heard = await client.taken()
  await client.unsubscribe(`${base}/${filter}`)
  return heard.map(({ topic }) => topic.slice(base.length + 1))
}

/** These filters are refused and bring nothing; their connection goes on. */
async function refused({ moor, name, version }: Bench, filters: readonly string[]): Promise<void> {
  const client = await moor(name('refused'))
  for (const filter of filters) assert.deepEqual((await client.subscribe(filter)).granted, [failure(version)], filter)
  for (const topic of ['a', 'a/b', 'b', 'a/c/b']) await client.publish(topic, '')
  assert.deepEqual(await client.leftovers(), [])
}

// ── 4.7.0, and 4.7.1 ──

statement(
  ['3.1.1 [MQTT-4.7.1-1]', '5.0 [MQTT-4.7.0-1]'],
  'a topic name with a wildcard ends the connection and reaches nobody, as the topic of a will too',
  async ({ dial, moor, name, version }) => {
    const base = name('t')
    const watcher = await moor(name('watcher'))
    await watcher.subscribe(`${base}/#`)
    for (const topic of [`${base}/+`, `${base}/#`, `${base}/a+`, `${base}/#/b`, '+', '#']) {
      for (const qos of [0, 1, 2] as const) await notTaken(await moor(name('wild')), topic, qos)
      await notTaken(await moor(name('wild')), topic, 1, true)
    }
    const dying = await dial()
    dying.sendConnect(name('will'), { will: willOf(`${base}/+`, 'x') })
    await turnedAway(dying, 0x90)
    assert.equal(dying.unread.length, version === 5 ? 1 : 0, 'there is a CONNACK where there is a code to say')
    assert.deepEqual(await watcher.leftovers(), [])
  },
)

statement(
  ['3.1.1 [MQTT-4.7.1-2]', '5.0 [MQTT-4.7.1-1]'],
  '# stands for any number of levels, its parent included, and only alone and at the end',
  async (bench) => {
    const { moor, name } = bench
    const client = await moor(name('hash'))
    const base = name('t')
    const topics = ['a', 'a/', 'a/b', 'a/b/c', 'ab', '/', 'b/a']
    assert.deepEqual(await matches(client, base, 'a/#', topics), ['a', 'a/', 'a/b', 'a/b/c'])
    assert.deepEqual(await matches(client, base, '#', topics), topics)
    assert.deepEqual(await matches(client, base, 'a/b/c/#', topics), ['a/b/c'])
    await client.subscribe('#')
    await client.publish(`${base}/all`, '')
    assert.equal((await client.next('publish')).topic, `${base}/all`)
    await refused(bench, ['a#', 'a/b#', '#/b', 'a/#/b', '##', '#/', '/a/##', '+#'])
  },
)

statement(
  ['3.1.1 [MQTT-4.7.1-3]', '5.0 [MQTT-4.7.1-2]'],
  '+ stands for one whole level, an empty one too, at any place and beside #',
  async (bench) => {
    const { moor, name } = bench
    const client = await moor(name('plus'))
    const base = name('t')
    const topics = ['a', 'a/', 'a/b', 'a/b/c', '/b', 'b/b', '/']
    assert.deepEqual(await matches(client, base, '+', topics), ['a'])
    assert.deepEqual(await matches(client, base, 'a/+', topics), ['a/', 'a/b'])
    assert.deepEqual(await matches(client, base, '+/b', topics), ['a/b', '/b', 'b/b'])
    assert.deepEqual(await matches(client, base, '+/+', topics), ['a/', 'a/b', '/b', 'b/b', '/'])
    assert.deepEqual(await matches(client, base, '+/b/#', topics), ['a/b', 'a/b/c', '/b', 'b/b'])
    assert.deepEqual(await matches(client, base, '+/+/+', topics), ['a/b/c'])
    await client.subscribe(`+/${base}`)
    await client.publish(`/${base}`, '')
    await client.publish(`${base}/${base}`, '')
    assert.equal((await client.leftovers()).length, 2, 'at the beginning too')
    await refused(bench, ['a+', '+a', 'a/+b', 'a/b+/c', '++', 'a/++/b', '+#'])
  },
)

// ── 4.7.2 ──

statement(
  ['3.1.1 [MQTT-4.7.2-1]', '5.0 [MQTT-4.7.2-1]'],
  'filters that begin with a wildcard bring nothing whose topic begins with $, neither kept nor new',
  async ({ moor, name }) => {
    const all = ['#', '+/#', '+/broker/#', '+/broker/uptime']
    const early = await moor(name('early'))
    const named = await moor(name('named'))
    await named.subscribe('$SYS/#')
    for (const filter of all) await early.subscribe(filter)
    clock.advance(30) // the hub speaks of itself below $SYS at intervals
    const topics = (await named.leftovers()).map(({ topic }) => topic)
    assert.ok(topics.includes('$SYS/broker/uptime'), 'who names $SYS hears it')
    const late = await moor(name('late'))
    for (const filter of all) await late.subscribe(filter)
    for (const client of [early, late]) {
      const heard = await client.leftovers()
      assert.deepEqual(
        heard.filter(({ topic }) => topic.startsWith('$')),
        [],
      )
    }
    const knowing = await moor(name('knowing'))
    await knowing.subscribe('$SYS/+/uptime')
    assert.equal((await knowing.next('publish')).topic, '$SYS/broker/uptime', 'a wildcard behind it is one like any other')
  },
)

// ── 4.7.3 ──

statement(
  ['3.1.1 [MQTT-4.7.3-1]', '5.0 [MQTT-4.7.3-1]'],
  'an empty topic name ends the connection, an empty filter is refused, and one character is enough for either',
  async (bench) => {
    const { moor, name, version } = bench
    for (const qos of [0, 1, 2] as const) {
      const client = await moor(name('empty'))
      client.sendBytes(
        `3${(qos * 2).toString(16)} 0${(version === 5 ? 3 : 2) + (qos > 0 ? 2 : 0)} 0000 ${qos > 0 ? '0001' : ''} ${version === 5 ? '00' : ''}`,
      )
      await endedBy(client, [0x82, 0x90], 'a protocol error, or no topic name')
    }
    await refused(bench, [''])
    const client = await moor(name('short'))
    const letter = 'ä'
    for (const topic of [letter, '/']) {
      assert.deepEqual((await client.subscribe(topic)).granted, [0])
      await client.publish(topic, '')
      assert.equal((await client.next('publish')).topic, topic)
    }
  },
)

statement(
  ['3.1.1 [MQTT-4.7.3-2]', '5.0 [MQTT-4.7.3-2]'],
  'U+0000 in a topic name or a filter ends the connection',
  async ({ moor, name, version }) => {
    const end = version === 5 ? '00' : ''
    const length = (rest: number) => (rest + (version === 5 ? 1 : 0)).toString(16).padStart(2, '0')
    const packets = {
      PUBLISH: `30 ${length(5)} 0003 610062 ${end}`,
      'PUBLISH of one character': `30 ${length(3)} 0001 00 ${end}`,
      SUBSCRIBE: `82 ${length(8)} 0001 ${end} 0003 610062 00`,
      UNSUBSCRIBE: `a2 ${length(7)} 0001 ${end} 0003 610062`,
    }
    for (const [kind, bytes] of Object.entries(packets)) {
      const client = await moor(name('null'))
      client.sendBytes(bytes)
      await endedBy(client, 0x81, kind)
      assert.deepEqual(
        client.unread.filter(({ cmd }) => cmd !== 'disconnect'),
        [],
      )
    }
  },
)

// No string of the protocol can be longer than 65,535 bytes, because its length has two; the hub takes fewer.
statement(
  ['3.1.1 [MQTT-4.7.3-3]', '5.0 [MQTT-4.7.3-3]'],
  'a topic up to the length that the hub takes comes back whole, and none is cut to fit: a longer one is refused',
  async (bench) => {
    const { moor, name } = bench
    const base = `${name('t')}/`
    const client = await moor(name('long'))
    const longest = base + '温'.repeat((limits.topicBytes - base.length) / 3)
    await client.subscribe(longest, { qos: 1 })
    await client.subscribe(`${base}#`, { qos: 1 })
    await client.publish(longest, 'x', { qos: 1 })
    assert.equal((await client.next('publish')).topic, longest)
    for (const bytes of [limits.topicBytes + 1, 65_535]) {
      const topic = base + 'x'.repeat(bytes - base.length)
      await refused(bench, [topic])
      await notTaken(await moor(name('longer')), topic, 1)
    }
    assert.deepEqual(await client.leftovers(), [])
  },
)

statement(
  ['3.1.1 [MQTT-4.7.3-4]', '5.0 [MQTT-4.7.3-4]'],
  'names and filters are compared as they are: no case, form, space, slash or escape is made the same as another',
  async ({ moor, name }) => {
    const base = name('t')
    const alike = [
      ['A', 'a'],
      ['\u00e9', 'e\u0301'],
      ['\u212b', '\u00c5'],
      ['\u{1f1e9}', '\u{1f1ea}'],
      ['a/b', 'a//b'],
      ['a', 'a/'],
      ['a', '/a'],
      ['a b', 'a%20b'],
      ['a', ' a'],
      ['a', 'a\t'],
      ['a', '\ufeffa'],
      ['a', 'a\u200b'],
      ['a/../b', 'b'],
      ['\ufffd', '\ufffc'],
      ['\u{10ffff}', '\u{10fffe}'],
    ] as const
    const client = await moor(name('exact'))
    for (const [one, other] of alike) {
      for (const [filter, stranger] of [
        [one, other],
        [other, one],
      ]) {
        await client.subscribe(`${base}/${filter}`)
        await client.publish(`${base}/${stranger}`, 'stranger')
        await client.publish(`${base}/${filter}`, 'same')
        const { topic, payload } = await client.next('publish')
        assert.deepEqual([topic, payload.toString()], [`${base}/${filter}`, 'same'])
        assert.deepEqual(await client.leftovers(), [])
        await client.unsubscribe(`${base}/${filter}`)
      }
    }
  },
)
