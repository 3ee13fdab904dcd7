// UNSUBSCRIBE and UNSUBACK: chapters 3.10 and 3.11 of MQTT 3.1.1 and 5.
import assert from 'node:assert/strict'
import type { ISubscribePacket, IUnsubscribePacket } from 'mqtt-packet'
import { limits } from '../../../hub/limits.ts'
import { HandClock } from '../../kit/clock.ts'
import { hubOfFile, mourner, type TestClient, type Version } from '../../kit/mqtt.ts'
import { lasting } from '../../kit/packets.ts'
import { statementsOf } from '../../kit/statements.ts'
import { endedBy, noProperties, packet } from './packets.ts'

const clock = new HandClock()
const statement = statementsOf(await hubOfFile(clock), clock)

/** An UNSUBSCRIBE with packet identifier 1. Its first byte and its payload, in hex, may be illegal. */
const unsubscribeBytes = (version: 4 | 5, payload: string, first = 0xa2) => packet(first, `0001 ${noProperties(version)} ${payload}`)

async function subscribeAll(client: TestClient, topics: readonly string[], qos: 0 | 1 | 2 = 0): Promise<void> {
  client.sendPacket({ cmd: 'subscribe', messageId: 1, subscriptions: topics.map((topic) => ({ topic, qos })) } as ISubscribePacket)
  const { granted } = await client.next('suback')
  assert.deepEqual(
    granted,
    topics.map(() => qos),
  )
}

/** One UNSUBSCRIBE and its answer. The codes are an empty list in 3.1.1, whose UNSUBACK has none. */
async function drop(client: TestClient, filters: readonly string[], messageId = 1): Promise<readonly unknown[]> {
  client.sendPacket({ cmd: 'unsubscribe', messageId, unsubscriptions: filters } as IUnsubscribePacket)
  const unsuback = await client.next('unsuback')
  assert.equal(unsuback.messageId, messageId)
  return client.version === 5 ? (unsuback.granted ?? []) : []
}

/** What an UNSUBACK says in this version: in 3.1.1, nothing. */
const codesIn = (version: Version, codes: readonly number[]) => (version === 5 ? codes : [])

// ── 3.10.1 ──

statement(
  ['3.1.1 [MQTT-3.10.1-1]', '5.0 [MQTT-3.10.1-1]'],
  'an UNSUBSCRIBE with other header flags than 0010 is malformed and ends the connection',
  async ({ moor, name, version }) => {
    for (let flags = 0; flags < 16; flags++) {
      const client = await moor(name('flags'))
      client.sendBytes(unsubscribeBytes(version, '0001 61', 0xa0 | flags))
      if (flags === 0b0010) assert.equal((await client.next('unsuback')).messageId, 1)
      else await endedBy(client, 0x81, `flags ${flags}`)
    }
  },
)

// ── 3.10.3 ──

statement(
  ['3.1.1 [MQTT-3.10.3-1]', '5.0 [MQTT-3.10.3-1]'],
  'the filters of an UNSUBSCRIBE are taken as UTF-8 behind one another, and one that is no UTF-8 ends the connection',
  async ({ moor, name, version }) => {
    const good = await moor(name('utf8'))
    const topics = ['ü', '温度', '🌡/x'].map((word) => `${name('t')}/${word}`)
    await subscribeAll(good, topics)
    assert.deepEqual(await drop(good, topics), codesIn(version, [0, 0, 0]))
    for (const topic of topics) await good.publish(topic, 'x')
    assert.deepEqual(await good.leftovers(), [])
    for (const bytes of ['c328', 'eda080', 'c0af', 'e282', 'f4908080', 'ff']) {
      const bad = await moor(name('not-utf8'))
      bad.sendBytes(unsubscribeBytes(version, `0001 61 000${bytes.length / 2} ${bytes}`))
      await endedBy(bad, 0x81, bytes)
    }
    const cut = await moor(name('cut'))
    cut.sendBytes(unsubscribeBytes(version, '0001 61 0005 62'))
    await endedBy(cut, 0x81, 'a filter longer than the packet')
  },
)

statement(
  ['3.1.1 [MQTT-3.10.3-2]', '5.0 [MQTT-3.10.3-2]'],
  'an UNSUBSCRIBE that names no filter is a protocol error and ends the connection',
  async ({ moor, name, version }) => {
    const client = await moor(name('no-filter'))
    client.sendBytes(unsubscribeBytes(version, ''))
    await endedBy(client, 0x82, 'no payload')
  },
)

// ── 3.10.4 ──

statement(
  ['3.1.1 [MQTT-3.10.4-1]', '5.0 [MQTT-3.10.4-1]'],
  'only the subscription whose filter is the same, character by character, is deleted',
  async ({ moor, name, version }) => {
    const client = await moor(name('exact'))
    const base = name('T')
    const held = [`${base}/a`, `${base}/a/#`, `${base}/+`, `${base}/\u00e9`]
    await subscribeAll(client, held)
    const others = [
      `${base}/A`,
      `${base}/a/`,
      `/${base}/a`,
      `${base}//a`,
      `${base}/#`,
      `${base}/+/#`,
      `${base}/a/+`,
      `${base}/b`,
      `${base}/e\u0301`,
      `${base}/a `,
      base.toLowerCase(),
      '#',
    ]
    assert.deepEqual(
      await drop(client, others),
      codesIn(
        version,
        others.map(() => 0x11),
      ),
    )
    await client.publish(`${base}/a/deep`, 'still')
    await client.publish(`${base}/\u00e9`, 'still')
    assert.deepEqual(await client.texts(2), ['still', 'still'])
    for (const [at, filter] of held.entries()) {
      assert.deepEqual(await drop(client, [filter]), codesIn(version, [0]), filter)
      assert.deepEqual(await drop(client, [filter]), codesIn(version, [0x11]), `${filter} again`)
      await client.publish(`${base}/a`, 'x')
      await client.publish(`${base}/a/deep`, 'x')
      await client.publish(`${base}/\u00e9`, 'x')
      const expected = [
        [`${base}/a`, `${base}/a/deep`, `${base}/\u00e9`], // held are all but the first
        [`${base}/a`, `${base}/\u00e9`], // held are the last two
        [`${base}/\u00e9`],
        [],
      ][at]
      const heard = await client.taken()
      assert.deepEqual(
        heard.map(({ topic }) => topic),
        expected,
        `without ${filter}`,
      )
    }
  },
)

statement(
  ['3.1.1 [MQTT-3.10.4-2]', '5.0 [MQTT-3.10.4-2]'],
  'after UNSUBSCRIBE no new message is added for the client, connected or away, and none that is new comes behind UNSUBACK',
  async ({ moor, name, version }) => {
    const id = name('stops')
    const client = await moor(id, lasting(version))
    const publisher = await moor(name('publisher'))
    const topic = name('t')
    await client.subscribe(topic, { qos: 2 })
    await publisher.publish(topic, 'before', { qos: 2 })
    assert.deepEqual(await client.texts(1), ['before'])
    await client.unsubscribe(topic)
    for (const qos of [0, 1, 2] as const) await publisher.publish(topic, 'after', { qos })
    assert.deepEqual(await client.leftovers(), [])
    await client.leave()
    await publisher.publish(topic, 'away', { qos: 1 })
    const back = await moor(id, lasting(version))
    assert.equal(back.connack.sessionPresent, true)
    assert.deepEqual(await back.leftovers(), [])
  },
)

statement(
  ['3.1.1 [MQTT-3.10.4-3]', '5.0 [MQTT-3.10.4-3]'],
  'deliveries at QoS 1 and 2 that have begun are completed after UNSUBSCRIBE, over a lost connection too',
  async ({ t, hub, moor, name, version }) => {
    const id = name('completes')
    const { will, gone } = await mourner(t, hub, id)
    const client = await moor(id, { ...lasting(version), will })
    client.answers = false
    const topic = name('t')
    await client.subscribe(topic, { qos: 2 })
    const publisher = await moor(name('publisher'))
    for (const [text, qos] of [
      ['one', 1],
      ['two', 2],
      ['three', 2],
      ['four', 1],
    ] as const)
      await publisher.publish(topic, text, { qos })
    const [one, two, three, four] = await client.messages(4)
    await client.unsubscribe(topic)
    await publisher.publish(topic, 'five', { qos: 2 })
    client.acknowledge('puback', one?.messageId)
    client.acknowledge('pubrec', two?.messageId)
    assert.equal((await client.next('pubrel')).messageId, two?.messageId)
    client.pullCable()
    await gone()

    const back = await moor(id, lasting(version))
    assert.equal((await back.next('pubrel')).messageId, two?.messageId)
    const again = (await back.messages(2)).map(({ payload, messageId, qos, dup }) => [payload.toString(), messageId, qos, dup])
    assert.deepEqual(again, [
      ['three', three?.messageId, 2, true],
      ['four', four?.messageId, 1, true],
    ])
    assert.equal((await back.next('pubrel')).messageId, three?.messageId)
    assert.deepEqual(await back.leftovers(), [], 'nothing else')
  },
)

statement(
  ['3.1.1 [MQTT-3.10.4-4]', '5.0 [MQTT-3.10.4-4]'],
  'every UNSUBSCRIBE is answered with one UNSUBACK, also when many come at once',
  async ({ moor, name }) => {
    const client = await moor(name('answered'))
    const topics = Array.from({ length: 40 }, () => name('f'))
    await subscribeAll(client, topics)
    client.socket.cork()
    for (const [at, topic] of topics.entries()) {
      client.sendPacket({ cmd: 'unsubscribe', messageId: at + 1, unsubscriptions: [topic] } as IUnsubscribePacket)
    }
    client.socket.uncork()
    for (const at of topics.keys()) assert.equal((await client.next('unsuback')).messageId, at + 1)
    await client.settle()
    assert.deepEqual(client.unread, [])
  },
)

statement(
  ['3.1.1 [MQTT-3.10.4-4]', '5.0 [MQTT-3.10.4-5]'],
  'UNSUBACK has the packet identifier of its UNSUBSCRIBE, over the whole range and used again',
  async ({ moor, name }) => {
    const client = await moor(name('identifiers'))
    for (const messageId of [1, 255, 256, 32_768, 65_535, 1]) {
      const topic = name('f')
      await subscribeAll(client, [topic])
      await drop(client, [topic], messageId) // compares the identifiers
    }
  },
)

statement(
  ['3.1.1 [MQTT-3.10.4-5]', '5.0 [MQTT-3.10.4-5]'],
  'an UNSUBSCRIBE that deletes nothing is answered as well',
  async ({ moor, name, version }) => {
    const client = await moor(name('nothing'))
    assert.deepEqual(await drop(client, [name('never'), '#'], 4711), codesIn(version, [0x11, 0x11]))
    const other = await moor(name('other'))
    const topic = name('t')
    await other.subscribe(topic)
    assert.deepEqual(await drop(client, [topic], 4712), codesIn(version, [0x11]), 'the subscription of another client is not its own')
    await client.publish(topic, 'x')
    assert.deepEqual(await other.texts(1), ['x'])
  },
)

statement(
  ['3.1.1 [MQTT-3.10.4-6]', '5.0 [MQTT-3.10.4-6]'],
  'an UNSUBSCRIBE with several filters does what the same filters do one by one, with one UNSUBACK',
  async ({ moor, name, version }) => {
    const client = await moor(name('several'))
    const topics = Array.from({ length: 6 }, () => name('f'))
    await subscribeAll(client, topics)
    const [a, b, c, d, e, f] = topics as [string, string, string, string, string, string]
    assert.deepEqual(await drop(client, [a, 'never', b, a, 'bad#', c]), codesIn(version, [0, 0x11, 0, 0x11, 0x8f, 0]))
    for (const topic of [a, b, c, d, e, f]) await client.publish(topic, '')
    const heard = await client.leftovers()
    assert.deepEqual(
      heard.map(({ topic }) => topic),
      [d, e, f],
    )
    assert.equal(client.unread.length, heard.length, 'one UNSUBACK')
  },
)

// ── 3.11.2 ──

statement(
  ['5.0 [MQTT-3.11.2-1]'],
  'UNSUBACK gives a reason in words only where the client takes a packet so large',
  async ({ moor, name }) => {
    const refused = async (maximumPacketSize: number) => {
      const client = await moor(name('sized'), { properties: { maximumPacketSize } })
      client.sendPacket({ cmd: 'unsubscribe', messageId: 1, unsubscriptions: ['a#'] } as IUnsubscribePacket)
      const unsuback = await client.next('unsuback')
      assert.deepEqual(unsuback.granted, [0x8f])
      return { bytes: 2 + (unsuback.length ?? 0), reason: unsuback.properties?.reasonString }
    }
    const roomy = await refused(1000)
    assert.match(roomy.reason ?? '', /#/)
    assert.ok(roomy.bytes < 128, 'so its header is two bytes')
    assert.equal((await refused(roomy.bytes)).reason, roomy.reason)
    assert.deepEqual(await refused(roomy.bytes - 1), { bytes: 6, reason: undefined })
  },
)

statement(
  ['5.0 [MQTT-3.11.2-2]'],
  'UNSUBACK has no User Property that could make it too large, not even one that the UNSUBSCRIBE had',
  async ({ moor, name }) => {
    for (const maximumPacketSize of [60, 100_000]) {
      const client = await moor(name('user-property'), { properties: { maximumPacketSize } })
      client.sendPacket({
        cmd: 'unsubscribe',
        messageId: 1,
        unsubscriptions: [name('f')],
        properties: { userProperties: { note: 'x'.repeat(100) } },
      } as IUnsubscribePacket)
      const unsuback = await client.next('unsuback')
      assert.deepEqual([unsuback.granted, unsuback.properties?.userProperties, unsuback.length], [[0x11], undefined, 4])
    }
  },
)

// ── 3.11.3 ──

statement(['5.0 [MQTT-3.11.3-1]'], 'the codes of UNSUBACK stand in the order of the filters', async ({ moor, name }) => {
  const client = await moor(name('order'))
  const wanted = [0, 0x11, 0x8f, 0, 0, 0x11, 0x8f, 0x11, 0]
  const filters = wanted.map((code, at) => (code === 0x8f ? `bad${at}#` : `order/${at}`))
  const held = filters.filter((_, at) => wanted[at] === 0)
  await subscribeAll(client, held)
  assert.deepEqual(await drop(client, filters), wanted)
  await subscribeAll(client, held)
  assert.deepEqual(await drop(client, [...filters].reverse()), [...wanted].reverse())
})

statement(
  ['5.0 [MQTT-3.11.3-2]'],
  'UNSUBACK has a code for each filter, one that its table lists, whatever the filter is',
  async ({ moor, name }) => {
    const listed = [0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91] // table 3-9
    const client = await moor(name('codes'))
    await subscribeAll(client, ['$share/g/codes', 'codes'])
    const odd = ['', 'a#', '+b', '#/c', '$share', '$share/', '$share/g', '$share/g/', '$share//x', '$other/x', '$SYS/#']
    const long = ['x'.repeat(limits.topicBytes + 1), '/'.repeat(limits.topicLevels + 1)]
    const filters = ['$share/g/codes', 'codes', ...odd, ...long, ...Array.from({ length: 300 }, (_, at) => `codes/${at}`)]
    const codes = (await drop(client, filters)) as number[]
    assert.equal(codes.length, filters.length)
    assert.deepEqual(
      codes.filter((code) => !listed.includes(code)),
      [],
    )
    assert.deepEqual(codes.slice(0, 2), [0, 0])
  },
)
