// SUBSCRIBE and SUBACK: chapters 3.8 and 3.9 of MQTT 3.1.1 and 5.
import assert from 'node:assert/strict'
import type { ISubscribePacket, ISubscription } from 'mqtt-packet'
import { limits } from '../../../hub/limits.ts'
import { HandClock } from '../../kit/clock.ts'
import { hubOfFile, type TestClient } from '../../kit/mqtt.ts'
import { lasting, textOf } from '../../kit/packets.ts'
import { statementsOf } from '../../kit/statements.ts'
import { endedBy, failure, noProperties, packet } from './packets.ts'

const clock = new HandClock()
const statement = statementsOf(await hubOfFile(clock), clock)

/** A SUBSCRIBE with packet identifier 1. Its first byte and its payload, in hex, may be illegal. */
const subscribeBytes = (version: 4 | 5, payload: string, first = 0x82) => packet(first, `0001 ${noProperties(version)} ${payload}`)

/** One SUBSCRIBE and the codes of its answer. */
async function ask(client: TestClient, subscriptions: readonly ISubscription[], messageId = 1): Promise<readonly unknown[]> {
  client.sendPacket({ cmd: 'subscribe', messageId, subscriptions } as ISubscribePacket)
  return (await client.next('suback')).granted
}

const brief = (client: TestClient, count: number) =>
  client
    .messages(count)
    .then((messages) => messages.map(({ topic, payload, qos, retain }) => `${topic} ${payload} at ${qos}${retain ? ', retained' : ''}`))

// ── 3.8.1 ──

statement(
  ['3.1.1 [MQTT-3.8.1-1]', '5.0 [MQTT-3.8.1-1]'],
  'a SUBSCRIBE with other header flags than 0010 is malformed and ends the connection',
  async ({ moor, name, version }) => {
    for (let flags = 0; flags < 16; flags++) {
      const client = await moor(name('flags'))
      client.sendBytes(subscribeBytes(version, '0001 61 00', 0x80 | flags))
      if (flags === 0b0010) assert.deepEqual((await client.next('suback')).granted, [0])
      else await endedBy(client, 0x81, `flags ${flags}`)
    }
  },
)

// ── 3.8.3 ──

statement(
  ['3.1.1 [MQTT-3.8.3-1]', '5.0 [MQTT-3.8.3-1]'],
  'a topic filter is taken as UTF-8, and one that is no UTF-8 ends the connection',
  async ({ moor, name, version }) => {
    const good = await moor(name('utf8'))
    const topic = `${name('утф')}/Grüße/温度/🌡`
    await good.subscribe(topic)
    await good.publish(topic, 'heard')
    assert.deepEqual(await brief(good, 1), [`${topic} heard at 0`])
    for (const bytes of ['c328', 'eda080', 'c0af', 'e282', 'f4908080', 'ff']) {
      const bad = await moor(name('not-utf8'))
      bad.sendBytes(subscribeBytes(version, `000${bytes.length / 2} ${bytes} 00`))
      await endedBy(bad, 0x81, bytes)
    }
  },
)

statement(['3.1.1 [MQTT-3.8.3-2]'], 'the hub supports filters with wildcards: it grants them and they match', async ({ moor, name }) => {
  const client = await moor(name('wildcards'))
  const base = name('w')
  assert.deepEqual(
    await ask(client, [
      { topic: `${base}/+/x`, qos: 1 },
      { topic: `${base}/a/#`, qos: 2 },
    ]),
    [1, 2],
  )
  await client.publish(`${base}/b/x`, 'plus', { qos: 1 })
  await client.publish(`${base}/a/y/z`, 'hash', { qos: 1 })
  assert.deepEqual(await client.texts(2), ['plus', 'hash'])
})

statement(
  ['3.1.1 [MQTT-3.8.3-3]', '5.0 [MQTT-3.8.3-2]'],
  'a SUBSCRIBE that names no filter ends the connection',
  async ({ moor, name, version }) => {
    const client = await moor(name('no-filter'))
    client.sendBytes(subscribeBytes(version, ''))
    await endedBy(client, 0x82, 'no payload')
    const half = await moor(name('no-options'))
    half.sendBytes(subscribeBytes(version, '0001 61'))
    await endedBy(half, 0x81, 'a filter without its options')
  },
)

statement(
  ['3.1.1 [MQTT-3.8.3-4]'],
  'a requested QoS of 3, or reserved bits beside it, end the connection',
  async ({ moor, name, version }) => {
    for (const options of ['03', '04', '08', '10', '20', '40', '80', '81']) {
      const client = await moor(name('reserved'))
      client.sendBytes(subscribeBytes(version, `0001 61 00 0001 62 ${options}`))
      await endedBy(client, 0x81, options)
      assert.deepEqual(client.unread, [], 'no SUBACK for the filter before it either')
    }
  },
)

statement(
  ['5.0 [MQTT-3.8.3-5]'],
  'reserved bits of the subscription options end the connection, and the bits that mean something do not',
  async ({ moor, name, version }) => {
    for (const options of ['40', '80', 'c0', '41', '9e']) {
      const client = await moor(name('reserved'))
      client.sendBytes(subscribeBytes(version, `0001 61 00 0001 62 ${options}`))
      await endedBy(client, 0x81, options)
      assert.deepEqual(
        client.unread.map(({ cmd }) => cmd),
        ['disconnect'],
      )
    }
    const client = await moor(name('all-options'))
    client.sendBytes(subscribeBytes(version, '0001 62 2e')) // QoS 2, No Local, Retain As Published, Retain Handling 2
    assert.deepEqual((await client.next('suback')).granted, [2])
  },
)

statement(
  ['5.0 [MQTT-3.8.3-3]'],
  'with No Local a client hears nothing of what it publishes itself, at any QoS, and all that others publish',
  async ({ moor, name }) => {
    const own = name('no-local')
    const client = await moor(own, lasting(5))
    const other = await moor(name('other'))
    const topic = name('t')
    await client.subscribe(`${topic}/+`, { nl: true, qos: 2 })
    for (const qos of [0, 1, 2] as const) {
      await client.publish(`${topic}/own`, 'own', { qos })
      await client.publish(`${topic}/own`, 'own', { qos, retain: true })
      await other.publish(`${topic}/${qos}`, 'theirs', { qos })
    }
    await other.publish(`${topic}/end`, 'end', { qos: 2 })
    const heard = await brief(client, 4)
    assert.deepEqual(heard.sort(), [`${topic}/0 theirs at 0`, `${topic}/1 theirs at 1`, `${topic}/2 theirs at 2`, `${topic}/end end at 2`])
    assert.deepEqual(await client.leftovers(), [])
    await client.leave()
    const back = await moor(own, lasting(5))
    assert.equal(back.connack.sessionPresent, true)
    await back.publish(`${topic}/own`, 'own', { qos: 1 })
    assert.deepEqual(await back.leftovers(), [], 'the subscription of a resumed session is still deaf to its own client')
  },
)

statement(['5.0 [MQTT-3.8.3-4]'], 'No Local on a shared subscription is a protocol error', async ({ moor, name, version }) => {
  const client = await moor(name('shared-local'))
  const filter = Buffer.from('$share/g/a').toString('hex')
  client.sendBytes(subscribeBytes(version, `000a ${filter} 04`))
  await endedBy(client, 0x82, 'No Local and $share')
  const fine = await moor(name('shared'))
  fine.sendBytes(subscribeBytes(version, `000a ${filter} 00`))
  assert.deepEqual((await fine.next('suback')).granted, [0])
})

// ── 3.8.4 ──

statement(
  ['3.1.1 [MQTT-3.8.4-1]', '5.0 [MQTT-3.8.4-1]'],
  'every SUBSCRIBE is answered with one SUBACK, also when many come at once or nothing can be granted',
  async ({ moor, name, version }) => {
    const client = await moor(name('answered'))
    const filters = Array.from({ length: 40 }, (_, at) => (at % 4 === 3 ? 'bad#' : name('f')))
    client.socket.cork()
    for (const [at, topic] of filters.entries()) {
      client.sendPacket({ cmd: 'subscribe', messageId: at + 1, subscriptions: [{ topic, qos: 1 }] } as ISubscribePacket)
    }
    client.socket.uncork()
    for (const [at, filter] of filters.entries()) {
      const suback = await client.next('suback')
      assert.deepEqual([suback.messageId, suback.granted], [at + 1, [filter === 'bad#' ? failure(version) : 1]])
    }
    await client.settle()
    assert.deepEqual(client.unread, [])
  },
)

statement(
  ['3.1.1 [MQTT-3.8.4-2]', '5.0 [MQTT-3.8.4-2]'],
  'SUBACK has the packet identifier of its SUBSCRIBE, over the whole range and used again',
  async ({ moor, name }) => {
    const client = await moor(name('identifiers'))
    for (const messageId of [1, 255, 256, 32_768, 65_535, 1]) {
      client.sendPacket({ cmd: 'subscribe', messageId, subscriptions: [{ topic: name('f'), qos: 0 }] } as ISubscribePacket)
      assert.equal((await client.next('suback')).messageId, messageId)
    }
  },
)

statement(
  ['3.1.1 [MQTT-3.8.4-3]', '5.0 [MQTT-3.8.4-3]'],
  'a SUBSCRIBE for a filter that is subscribed replaces the subscription, with all its options',
  async ({ moor, name, version }) => {
    const client = await moor(name('replaces'))
    const topic = name('t')
    const identifier = (subscriptionIdentifier: number) => (version === 5 ? { subscriptionIdentifier } : {})
    await client.subscribe(topic, { qos: 2, ...identifier(7) })
    await client.subscribe(topic, { qos: 1, ...identifier(8) })
    await client.publish(topic, 'one', { qos: 2 })
    const [one] = await client.messages(1)
    assert.equal(one?.qos, 1)
    if (version === 5) {
      assert.equal(one?.properties?.subscriptionIdentifier, 8)
      await client.subscribe(topic, { qos: 0, nl: true })
      await client.publish(topic, 'own', { qos: 2 })
      await client.subscribe(topic, { qos: 0, rap: true })
      await client.publish(topic, 'two', { qos: 2, retain: true })
      const [two] = await client.messages(1)
      assert.deepEqual(
        [two?.payload.toString(), two?.qos, two?.retain, two?.properties?.subscriptionIdentifier],
        ['two', 0, true, undefined],
      )
    }
    assert.deepEqual(await client.leftovers(), [], 'one copy of each')
    await client.unsubscribe(topic)
    await client.publish(topic, 'three', { qos: 2 })
    assert.deepEqual(await client.leftovers(), [], 'nothing is left of the earlier subscriptions')
  },
)

statement(
  ['3.1.1 [MQTT-3.8.4-3]', '5.0 [MQTT-3.8.4-4]'],
  'subscribing again brings the retained messages again, and no message is lost or doubled by it',
  async ({ moor, name }) => {
    const client = await moor(name('again'))
    const publisher = await moor(name('publisher'))
    const topic = name('t')
    await publisher.publish(`${topic}/kept`, 'kept', { retain: true, qos: 1 })
    await client.subscribe(`${topic}/#`, { qos: 1 })
    const rounds = 20
    const sent: string[] = []
    for (let round = 0; round < rounds; round++) {
      const texts = Array.from({ length: 30 }, (_, at) => `${round * 30 + at}`)
      sent.push(...texts)
      const published = texts.map((text) => publisher.publish(`${topic}/live`, text, { qos: 1 }))
      await client.subscribe(`${topic}/#`, { qos: 1 })
      await Promise.all(published)
    }
    const heard = await client.messages(sent.length + rounds + 1)
    const live = heard.filter(({ retain }) => !retain).map(textOf)
    assert.deepEqual(live, sent)
    const kept = heard.filter(({ retain }) => retain)
    assert.equal(kept.length, rounds + 1)
    assert.ok(kept.every((message) => textOf(message) === 'kept'))
    assert.deepEqual(await client.leftovers(), [])
  },
)

statement(
  ['3.1.1 [MQTT-3.8.4-4]', '5.0 [MQTT-3.8.4-5]'],
  'a SUBSCRIBE with several filters does what the same filters do one by one, with one SUBACK',
  async ({ moor, name, version }) => {
    const publisher = await moor(name('publisher'))
    const topic = name('t')
    for (const level of ['a', 'b', 'c']) await publisher.publish(`${topic}/${level}`, `kept ${level}`, { retain: true, qos: 2 })
    const handling = (rh: 0 | 1 | 2) => (version === 5 ? { rh } : {})
    const filters = [
      { topic: `${topic}/a`, qos: 0, ...handling(0) },
      { topic: `${topic}/b`, qos: 1, ...handling(1) },
      { topic: 'bad#', qos: 1 },
      { topic: `${topic}/a`, qos: 2, ...handling(0) },
      { topic: `${topic}/b`, qos: 2, ...handling(1) },
      { topic: `${topic}/+`, qos: 1, ...handling(2) },
    ] as ISubscription[]
    const apart = await moor(name('apart'))
    const codes: unknown[] = []
    for (const filter of filters) codes.push(...(await ask(apart, [filter])))
    const together = await moor(name('together'))
    assert.deepEqual(await ask(together, filters), codes)
    const all = async (client: TestClient) => (await brief(client, (await client.leftovers()).length)).sort()
    assert.deepEqual(await all(together), await all(apart), 'the retained messages')
    assert.ok(!together.unread.some(({ cmd }) => cmd === 'suback'), 'one SUBACK')
    await publisher.publish(`${topic}/a`, 'live', { qos: 2 })
    const live = await all(together)
    assert.deepEqual(live, await all(apart))
    assert.deepEqual(live, [`${topic}/a live at 2`])
  },
)

statement(
  ['3.1.1 [MQTT-3.8.4-5]', '5.0 [MQTT-3.8.4-6]'],
  'SUBACK has a code for each filter, however many there are',
  async ({ moor, name }) => {
    const client = await moor(name('each'))
    for (const count of [1, 2, 127, 128, 400]) {
      const filters = Array.from({ length: count }, (_, at) => ({ topic: at % 7 === 5 ? 'bad#' : `each/${at}`, qos: 1 as const }))
      assert.equal((await ask(client, filters)).length, count)
    }
  },
)

statement(
  ['3.1.1 [MQTT-3.8.4-5]', '5.0 [MQTT-3.8.4-7]'],
  'a code is the QoS that was granted, which messages then have, or says that the subscription failed, and then nothing comes',
  async ({ moor, name, version }) => {
    const client = await moor(name('granted'))
    const topic = name('t')
    for (const qos of [0, 1, 2] as const) {
      assert.deepEqual(await ask(client, [{ topic: `${topic}/${qos}`, qos }]), [qos])
      await client.publish(`${topic}/${qos}`, 'x', { qos: 2 })
      assert.deepEqual(await brief(client, 1), [`${topic}/${qos} x at ${qos}`])
    }
    assert.deepEqual(await ask(client, [{ topic: `${topic}/#/x`, qos: 1 }]), [failure(version)])
    await client.publish(`${topic}/3/x`, 'x', { qos: 2 })
    assert.deepEqual(await client.leftovers(), [])
  },
)

statement(
  ['3.1.1 [MQTT-3.8.4-6]', '5.0 [MQTT-3.8.4-8]'],
  'a message comes at the lower of the QoS it was published with and the QoS that was granted',
  async ({ moor, name }) => {
    const client = await moor(name('lower'))
    const publisher = await moor(name('publisher'))
    const topic = name('t')
    for (const granted of [0, 1, 2] as const) {
      for (const published of [0, 1, 2] as const) {
        const own = `${topic}/${granted}/${published}`
        await publisher.publish(own, 'kept', { qos: published, retain: true })
        await publisher.publish(`${topic}/settled`, '', { qos: 1 }) // so that the retained message is kept by now, at QoS 0 too
        await client.subscribe(own, { qos: granted })
        await publisher.publish(own, 'live', { qos: published })
        const qos = Math.min(granted, published)
        assert.deepEqual(await brief(client, 2), [`${own} kept at ${qos}, retained`, `${own} live at ${qos}`])
      }
    }
    assert.deepEqual(await client.leftovers(), [])
  },
)

// ── 3.9.2 ──

statement(
  ['5.0 [MQTT-3.9.2-1]'],
  'SUBACK gives a reason in words only where the client takes a packet so large',
  async ({ moor, name }) => {
    const refused = async (maximumPacketSize: number) => {
      const client = await moor(name('sized'), { properties: { maximumPacketSize } })
      client.sendPacket({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a#', qos: 0 }] } as ISubscribePacket)
      const suback = await client.next('suback')
      assert.deepEqual(suback.granted, [0x8f])
      return { bytes: 2 + (suback.length ?? 0), reason: suback.properties?.reasonString }
    }
    const roomy = await refused(1000)
    assert.match(roomy.reason ?? '', /#/)
    assert.ok(roomy.bytes < 128, 'so its header is two bytes')
    assert.equal((await refused(roomy.bytes)).reason, roomy.reason)
    assert.deepEqual(await refused(roomy.bytes - 1), { bytes: 6, reason: undefined })
  },
)

statement(
  ['5.0 [MQTT-3.9.2-2]'],
  'SUBACK has no User Property that could make it too large, not even one that the SUBSCRIBE had',
  async ({ moor, name }) => {
    for (const maximumPacketSize of [60, 100_000]) {
      const client = await moor(name('user-property'), { properties: { maximumPacketSize } })
      client.sendPacket({
        cmd: 'subscribe',
        messageId: 1,
        subscriptions: [{ topic: name('f'), qos: 0 }],
        properties: { userProperties: { note: 'x'.repeat(100) } },
      } as ISubscribePacket)
      const suback = await client.next('suback')
      assert.deepEqual([suback.granted, suback.properties?.userProperties, suback.length], [[0], undefined, 4])
    }
  },
)

// ── 3.9.3 ──

statement(
  ['3.1.1 [MQTT-3.9.3-1]', '5.0 [MQTT-3.9.3-1]'],
  'the codes of SUBACK stand in the order of the filters',
  async ({ moor, name, version }) => {
    const client = await moor(name('order'))
    const wanted = [2, 0, failure(version), 1, 1, failure(version), 2, 0, 0, failure(version), 1, 2]
    const filters = wanted.map((code, at) => (code < 3 ? { topic: `order/${at}`, qos: code } : { topic: `bad${at}#`, qos: at % 3 }))
    assert.deepEqual(await ask(client, filters as ISubscription[]), wanted)
    assert.deepEqual(await ask(client, [...filters].reverse() as ISubscription[]), [...wanted].reverse())
  },
)

statement(
  ['3.1.1 [MQTT-3.9.3-2]', '5.0 [MQTT-3.9.3-2]'],
  'each code of SUBACK is one that its table lists, whatever the reason to refuse',
  async ({ moor, name, version }) => {
    const listed = version === 5 ? [0, 1, 2, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2] : [0, 1, 2, 0x80] // 5: table 3-8
    const client = await moor(name('codes'))
    const odd = ['', 'a#', '+b', '#/c', '$share', '$share/', '$share/g', '$share/g/', '$share//x', '$share/+/x', '$other/x', '$SYS/#']
    const long = ['x'.repeat(limits.topicBytes + 1), '/'.repeat(limits.topicLevels + 1)]
    const many = Array.from({ length: limits.subscriptionsPerSession + 3 }, (_, at) => `codes/${at}`)
    const filters = [...odd, ...long, ...many].map((topic, at) => ({ topic, qos: (at % 3) as 0 | 1 | 2 }))
    const codes = (await ask(client, filters)) as number[]
    assert.equal(codes.length, filters.length)
    assert.deepEqual(
      codes.filter((code) => !listed.includes(code)),
      [],
    )
    assert.equal(codes.at(-1), version === 5 ? 0x97 : 0x80, 'past the limit of subscriptions')
  },
)
