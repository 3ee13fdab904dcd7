// SUBSCRIBE, UNSUBSCRIBE, topic filters and retained messages: MQTT 5 and 3.1.1 chapters 3.8 to 3.11, 3.3.1.3, 4.7 and 4.8.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ISubscribePacket, Packet } from 'mqtt-packet'
import { limits } from '../../hub/limits.ts'
import { dial, hubOfFile, moor, refusalsWith, type TestClient } from '../kit/mqtt.ts'

const hub = await hubOfFile()

/** Comes back once the hub has kept what was published before. */
const kept = (client: TestClient) => client.publish('03/settled', '', { qos: 1 })

for (const version of [4, 5] as const) {
  const of = `(MQTT level ${version})`
  const base = `03/${version}`

  // Section 4.7.1 of both versions.
  test(`+ stands for one level, # for all that follow, the level before it included ${of}`, async (t) => {
    const client = await moor(t, hub, `wild-${version}`, version)
    const topics = ['a', 'a/b', 'a/b/c', 'a/', '/a', 'a//c', 'b'].map((topic) => `${base}/${topic}`)
    const cases: Record<string, string[]> = {
      'a/#': ['a', 'a/b', 'a/b/c', 'a/', 'a//c'],
      'a/+': ['a/b', 'a/'],
      'a/+/c': ['a/b/c', 'a//c'],
      '+/b/#': ['a/b', 'a/b/c'],
      '+': ['a', 'b'],
      '/+': ['/a'],
      'a/b': ['a/b'],
    }
    for (const [filter, expected] of Object.entries(cases)) {
      await client.subscribe(`${base}/${filter}`)
      for (const topic of topics) await client.publish(topic, '')
      const heard = (await client.leftovers()).map(({ topic }) => topic.slice(base.length + 1))
      assert.deepEqual(heard, expected, filter)
      for (const _ of heard) await client.next('publish')
      await client.unsubscribe(`${base}/${filter}`)
    }
  })

  test(`a SUBSCRIBE with several filters is answered with a code for each, in their order ${of}`, async (t) => {
    const client = await moor(t, hub, `several-${version}`, version)
    const filters = ['x', 'x#', 'y', '$SYS/#'].map((topic, at) => ({ topic, qos: (at % 3) as 0 | 1 | 2 }))
    client.sendPacket({ cmd: 'subscribe', messageId: 77, subscriptions: filters } as ISubscribePacket)
    const { messageId, granted } = await client.next('suback')
    assert.equal(messageId, 77) // 5: [MQTT-3.8.4-2], [MQTT-3.8.4-6]
    assert.deepEqual(granted, [0, version === 5 ? 0x8f : 0x80, 2, 0])
  })

  test(`overlapping filters bring one copy of a message, at the highest QoS among them ${of}`, async (t) => {
    const client = await moor(t, hub, `overlap-${version}`, version)
    const identifier = (subscriptionIdentifier: number) => (version === 5 ? { subscriptionIdentifier } : {})
    await client.subscribe(`${base}/over/#`, { qos: 0, ...identifier(1) })
    await client.subscribe(`${base}/over/lap`, { qos: 2, ...identifier(70_000) })
    await client.subscribe(`${base}/+/lap`, { qos: 1 })
    await client.publish(`${base}/over/lap`, 'x', { qos: 2 })
    const [message] = await client.messages(1)
    assert.equal(message?.qos, 2) // 5: [MQTT-3.3.4-2]  3.1.1: [MQTT-3.3.5-1]
    const identifiers = [message?.properties?.subscriptionIdentifier ?? []].flat().sort()
    assert.deepEqual(identifiers, version === 5 ? [1, 70_000] : []) // 5: [MQTT-3.3.4-3], [MQTT-3.3.4-4]
    assert.deepEqual(await client.leftovers(), [])
  })

  test(`subscribing to the same filter again replaces the subscription ${of}`, async (t) => {
    const client = await moor(t, hub, `replace-${version}`, version)
    await client.subscribe(`${base}/replace`, { qos: 1 })
    await client.subscribe(`${base}/replace`, { qos: 0 })
    await client.publish(`${base}/replace`, 'x', { qos: 1 })
    assert.deepEqual(
      (await client.messages(1)).map(({ qos }) => qos),
      [0],
    ) // 5: [MQTT-3.8.4-3]
    assert.deepEqual(await client.leftovers(), [])
  })

  test(`a retained message is kept, replaced by the next one and cleared by an empty one ${of}`, async (t) => {
    const publisher = await moor(t, hub, `retain-out-${version}`, version)
    const live = await moor(t, hub, `retain-live-${version}`, version)
    const topic = `${base}/state`
    await live.subscribe(topic, { qos: 1 })
    const heardByNewcomer = async (name: string) => {
      const newcomer = await moor(t, hub, `retain-${name}-${version}`, version)
      await newcomer.subscribe(topic, { qos: 1 })
      const messages = await newcomer.leftovers()
      return messages.map(({ payload, retain, qos }) => [payload.toString(), retain, qos])
    }
    await publisher.publish(topic, 'one', { retain: true, qos: 1 })
    assert.deepEqual(await heardByNewcomer('first'), [['one', true, 1]]) // 5: [MQTT-3.3.1-5], [MQTT-3.3.1-8]  3.1.1: [MQTT-3.3.1-8]
    await publisher.publish(topic, 'two', { retain: true })
    await publisher.publish(topic, 'passing') // not retained: changes nothing  5: [MQTT-3.3.1-8]
    await kept(publisher)
    assert.deepEqual(await heardByNewcomer('second'), [['two', true, 0]])
    await publisher.publish(topic, '', { retain: true, qos: 1 })
    assert.deepEqual(await heardByNewcomer('third'), []) // 5: [MQTT-3.3.1-6], [MQTT-3.3.1-7]  3.1.1: [MQTT-3.3.1-10]
    const alongTheWay = (await live.messages(4)).map(({ payload, retain }) => [payload.toString(), retain])
    const expected = ['one', 'two', 'passing', ''].map((text) => [text, false]) // whoever listens already hears of all, unmarked
    assert.deepEqual(alongTheWay.sort(), expected.sort()) // 5: [MQTT-3.3.1-12]  3.1.1: [MQTT-3.3.1-9]
  })

  test(`a new subscription with wildcards brings every retained message it matches, more than an outbox holds ${of}`, async (t) => {
    const count = 3 * limits.outboxMessages
    const publisher = await moor(t, hub, `many-out-${version}`, version)
    const payload = 'x'.repeat(120)
    for (let at = 0; at < count; at++) await publisher.publish(`${base}/many/${at % 10}/${at}`, payload, { retain: true })
    await kept(publisher)
    for (const qos of [0, 1] as const) {
      const newcomer = await moor(t, hub, `many-in-${qos}-${version}`, version)
      await newcomer.subscribe(`${base}/many/+/#`, { qos })
      const topics = new Set((await newcomer.messages(count)).map(({ topic }) => topic))
      assert.equal(topics.size, count)
      assert.deepEqual(await newcomer.leftovers(), [])
    }
    for (let at = 0; at < count; at++) await publisher.publish(`${base}/many/${at % 10}/${at}`, '', { retain: true })
    await kept(publisher)
  })

  test(`what is published while retained messages go out comes after them ${of}`, async (t) => {
    const count = limits.inflightMessages + 6
    const publisher = await moor(t, hub, `during-out-${version}`, version)
    for (let at = 0; at < count; at++) await publisher.publish(`${base}/during/${at}`, 'old', { retain: true })
    await kept(publisher)
    const newcomer = await moor(t, hub, `during-in-${version}`, version)
    newcomer.answers = false // the window fills, so the rest of the retained messages waits
    await newcomer.subscribe(`${base}/during/#`, { qos: 1 })
    await publisher.publish(`${base}/during/new`, 'new')
    const rest: string[] = []
    for (let at = 0; at < count + 1; at++) {
      const { payload, qos, messageId } = await newcomer.next('publish')
      rest.push(payload.toString())
      if (qos === 1) newcomer.acknowledge('puback', messageId)
    }
    assert.equal(rest.indexOf('new'), count)
  })

  test(`after UNSUBSCRIBE nothing more comes; the answer says which filters there were ${of}`, async (t) => {
    const client = await moor(t, hub, `unsubscribe-${version}`, version)
    await client.subscribe(`${base}/gone`)
    await client.subscribe(`${base}/stays`)
    const { granted } = await client.unsubscribe(`${base}/gone`, `${base}/never-was`)
    if (version === 5) assert.deepEqual(granted, [0x00, 0x11]) // 5: [MQTT-3.11.3-2]
    await client.publish(`${base}/gone`, '') // 5: [MQTT-3.10.4-2]  3.1.1: [MQTT-3.10.4-2]
    await client.publish(`${base}/stays`, '')
    assert.deepEqual(
      (await client.leftovers()).map(({ topic }) => topic),
      [`${base}/stays`],
    )
  })
}

test('a subscription with No Local brings what others publish and nothing of one’s own', async (t) => {
  const client = await moor(t, hub, 'no-local', 5)
  const other = await moor(t, hub, 'no-local-other', 5)
  await client.subscribe('03/local', { nl: true, qos: 1 })
  await client.publish('03/local', 'own', { qos: 1 })
  await client.publish('03/local', 'own')
  await other.publish('03/local', 'theirs', { qos: 1 })
  assert.deepEqual(await client.texts(1), ['theirs']) // [MQTT-3.8.3-3]
  assert.deepEqual(await client.leftovers(), [])
})

test('where a filter with No Local and one without overlap, one’s own message comes by the one without', async (t) => {
  const client = await moor(t, hub, 'half-local', 5)
  await client.subscribe('03/half/local', { nl: true, qos: 2, subscriptionIdentifier: 1 })
  await client.subscribe('03/half/+', { qos: 1, subscriptionIdentifier: 2 })
  await client.publish('03/half/local', 'own', { qos: 2 })
  const [message] = await client.messages(1)
  assert.deepEqual([message?.qos, message?.properties?.subscriptionIdentifier], [1, 2]) // [MQTT-3.8.3-3], [MQTT-3.3.4-3]
  assert.deepEqual(await client.leftovers(), [])
})

test('a subscription with Retain As Published passes the RETAIN flag on as it was sent', async (t) => {
  const bridge = await moor(t, hub, 'as-published', 5)
  await bridge.subscribe('03/rap', { rap: true, qos: 1 })
  await bridge.publish('03/rap', 'kept', { retain: true, qos: 1 })
  await bridge.publish('03/rap', 'passing', { qos: 1 })
  assert.deepEqual(
    (await bridge.messages(2)).map(({ retain }) => retain),
    [true, false],
  ) // [MQTT-3.3.1-13]
})

test('Retain Handling says when retained messages come: at every SUBSCRIBE, at a new subscription, never', async (t) => {
  const publisher = await moor(t, hub, 'handling-out', 5)
  await publisher.publish('03/handling', 'kept', { retain: true, qos: 1 })
  for (const [rh, first, second] of [
    [0, 1, 1], // [MQTT-3.3.1-9]
    [1, 1, 0], // [MQTT-3.3.1-10]
    [2, 0, 0], // [MQTT-3.3.1-11]
  ] as const) {
    const client = await moor(t, hub, `handling-${rh}`, 5)
    await client.subscribe('03/handling', { rh })
    assert.equal((await client.leftovers()).length, first, `${rh}, new`)
    await client.subscribe('03/handling', { rh })
    assert.equal((await client.leftovers()).length, first + second, `${rh}, again`)
  }
})

test('a retained message brings the identifier of the subscription that asked for it', async (t) => {
  const client = await moor(t, hub, 'identified', 5)
  await client.publish('03/identified', 'kept', { retain: true, qos: 1 })
  await client.subscribe('03/identified', { subscriptionIdentifier: 9 })
  assert.equal((await client.next('publish')).properties?.subscriptionIdentifier, 9) // [MQTT-3.3.4-3]
})

for (const version of [3, 4, 5] as const) {
  // 5: [MQTT-3.8.4-6], [MQTT-4.7.1-1], [MQTT-4.7.1-2], section 3.9.3
  test(`a bad filter does not harm the others of its SUBSCRIBE, and MQTT 5 says why (MQTT level ${version})`, async (t) => {
    const client = await moor(t, hub, `bad-filter-${version}`, version)
    const bad = ['a#', 'a/#/b', 'a+', '+a/b', '#/', '', '$share/g', '$share//a', '$share/+/a']
    const good = `03/bad-filter/${version}`
    const refused = await refusalsWith(hub, 'filter-invalid')
    client.sendPacket({ cmd: 'subscribe', messageId: 5, subscriptions: [...bad, good].map((topic) => ({ topic, qos: 1 })) } as Packet)
    const { granted, properties } = await client.next('suback')
    assert.deepEqual(granted, [...bad.map(() => (version === 5 ? 0x8f : 0x80)), 1])
    assert.equal(await refused(), bad.length)
    if (version === 5) assert.match(properties?.reasonString ?? '', /# is not alone in its level/)
    await client.publish(good, 'x', { qos: 1 })
    assert.deepEqual(await client.texts(1), ['x'])
  })

  // 5: section 3.11.3. In 3.x an UNSUBACK says nothing but that the UNSUBSCRIBE came.
  test(`a bad filter does not harm the others of its UNSUBSCRIBE (MQTT level ${version})`, async (t) => {
    const client = await moor(t, hub, `bad-unsubscribe-${version}`, version)
    const good = `03/bad-unsubscribe/${version}`
    await client.subscribe(good)
    const { granted, properties } = await client.unsubscribe('+a', good, `${good}/never`)
    if (version === 5) {
      assert.deepEqual(granted, [0x8f, 0, 0x11])
      assert.match(properties?.reasonString ?? '', /\+ is not alone in its level/)
    }
    await client.publish(good, 'x')
    assert.deepEqual(await client.leftovers(), [])
  })
}

// [MQTT-3.9.2-1], [MQTT-3.11.2-1]
test('in MQTT 5 a client that takes only small packets is told the codes without the reason', async (t) => {
  const client = await moor(t, hub, 'small', 5, { properties: { maximumPacketSize: 40 } })
  const suback = await client.subscribe('a#')
  assert.deepEqual([suback.granted, suback.properties?.reasonString], [[0x8f], undefined])
  const unsuback = await client.unsubscribe('a#')
  assert.deepEqual([unsuback.granted, unsuback.properties?.reasonString], [[0x8f], undefined])
})

// conventions 4.1: bit 0x80 of the protocol level, as Mosquitto's bridges set it.
test('a bridge gets the RETAIN flag as it was published, and nothing of its own back', async (t) => {
  const bridge = await dial(t, hub, 4)
  bridge.sendBytes('10 12 00 04 4d 51 54 54 84 02 00 00 00 06 62 72 69 64 67 65') // CONNECT "bridge", level 0x84, clean session
  assert.equal((await bridge.next('connack')).returnCode, 0)
  await bridge.subscribe('03/bridge/#', { qos: 1 })
  await bridge.publish('03/bridge/own', 'own', { qos: 1 })
  const publisher = await moor(t, hub, 'bridge-other', 4)
  await publisher.publish('03/bridge/other', 'kept', { qos: 1, retain: true })
  const [message] = await bridge.messages(1)
  assert.deepEqual([message?.payload.toString(), message?.retain], ['kept', true])
  assert.deepEqual(await bridge.leftovers(), [])
})
