// PUBLISH and its answers, in both directions: MQTT 5 and 3.1.1 chapters 3.3 to 3.7, 4.3 and 4.9.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import mqttPacket, { type IPublishPacket } from 'mqtt-packet'
import { limits } from '../../hub/limits.ts'
import { startHub } from '../kit/hub.ts'
import { heardBy, hubOfFile, moor, refusalsWith, type Version } from '../kit/mqtt.ts'
import { upTo } from '../kit/numbers.ts'

const hub = await hubOfFile()

const levels = [0, 1, 2] as const

/** One PUBLISH as bytes, for tests that put many into one write. */
function publishBytes(version: Version, topic: string, qos: 0 | 1 | 2, messageId: number, more: Partial<IPublishPacket> = {}): Buffer {
  const packet = { cmd: 'publish', topic, payload: `${messageId}`, qos, retain: false, dup: false, messageId, ...more } as IPublishPacket
  return mqttPacket.generate(packet, { protocolVersion: version })
}

function pipelined(version: Version, topic: string, qos: 1 | 2, count: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, at) => publishBytes(version, topic, qos, at + 1)))
}

for (const version of [4, 5] as const) {
  const of = `(MQTT level ${version})`
  const topic = (name: string) => `02/${version}/${name}`

  test(`a message arrives at the lower of the QoS it was sent with and the QoS asked for ${of}`, async (t) => {
    const publisher = await moor(t, hub, `qos-out-${version}`, version)
    for (const asked of levels) {
      const subscriber = await moor(t, hub, `qos-in-${version}-${asked}`, version)
      await subscriber.subscribe(topic('qos'), { qos: asked })
      for (const sent of levels) {
        await publisher.publish(topic('qos'), `${sent}`, { qos: sent })
        const message = await subscriber.next('publish')
        assert.deepEqual([message.payload.toString(), message.qos], [`${sent}`, Math.min(asked, sent)]) // 5: [MQTT-3.8.4-8]
        assert.deepEqual([message.dup, message.retain], [false, false]) // 5: [MQTT-3.3.1-1], [MQTT-3.3.1-12]
      }
      await subscriber.leave()
    }
  })

  test(`many PUBLISHes in one write are answered once each and in order ${of}`, async (t) => {
    const count = version === 5 ? limits.receiveMaximum : 200
    const publisher = await moor(t, hub, `pipeline-${version}`, version)
    const subscriber = await moor(t, hub, `pipeline-in-${version}`, version)
    await subscriber.subscribe(topic('pipeline'), { qos: 1 })
    for (const [qos, answer] of [
      [1, 'puback'],
      [2, 'pubrec'],
    ] as const) {
      publisher.sendBytes(pipelined(version, topic('pipeline'), qos, count))
      assert.deepEqual(await publisher.ids(answer, count), upTo(count)) // 5: [MQTT-4.6.0-2], [MQTT-4.6.0-3]
      assert.deepEqual(await subscriber.texts(count), upTo(count).map(String)) // 5: [MQTT-4.6.0-6]
    }
    for (const id of upTo(count)) publisher.acknowledge('pubrel', id)
    assert.deepEqual(await publisher.ids('pubcomp', count), upTo(count))
    await publisher.settle()
    assert.deepEqual(publisher.unread, [], 'no answer comes twice')
  })

  test(`a QoS 2 message that is sent again before its release is answered again and delivered once ${of}`, async (t) => {
    const publisher = await moor(t, hub, `twice-out-${version}`, version)
    const subscriber = await moor(t, hub, `twice-in-${version}`, version)
    await subscriber.subscribe(topic('exactly-once'), { qos: 2 })
    publisher.sendBytes(publishBytes(version, topic('exactly-once'), 2, 7, { payload: 'first' }))
    await publisher.next('pubrec')
    publisher.sendBytes(publishBytes(version, topic('exactly-once'), 2, 7, { payload: 'first', dup: true }))
    await publisher.next('pubrec') // 5: [MQTT-4.3.3-10]  3.1.1: [MQTT-4.3.3-2]
    publisher.acknowledge('pubrel', 7)
    await publisher.next('pubcomp')
    publisher.sendBytes(publishBytes(version, topic('exactly-once'), 2, 7, { payload: 'second' })) // the identifier is free again
    await publisher.next('pubrec')
    assert.deepEqual(await subscriber.texts(2), ['first', 'second'])
    assert.deepEqual(await subscriber.leftovers(), [])
  })

  test(`a PUBREL or a PUBREC for an identifier nobody knows is answered, so that the peer can let go of it ${of}`, async (t) => {
    const client = await moor(t, hub, `unknown-${version}`, version)
    client.answers = false
    client.acknowledge('pubrel', 77)
    const complete = await client.next('pubcomp')
    assert.deepEqual([complete.messageId, complete.reasonCode], [77, version === 5 ? 0x92 : undefined]) // 5: section 3.7.2.1
    client.acknowledge('pubrec', 78)
    const release = await client.next('pubrel')
    assert.deepEqual([release.messageId, release.reasonCode], [78, version === 5 ? 0x92 : undefined]) // 5: section 3.6.2.1
  })

  test(`a message that a device sends again after a lost connection is taken again: at least once ${of}`, async (t) => {
    const subscriber = await moor(t, hub, `again-in-${version}`, version)
    await subscriber.subscribe(topic('again'), { qos: 1 })
    for (const dup of [false, true]) {
      const device = await moor(t, hub, `again-${version}`, version)
      device.sendBytes(publishBytes(version, topic('again'), 1, 3, { dup }))
      await device.next('puback')
      device.pullCable()
    }
    const messages = await subscriber.messages(2)
    assert.deepEqual(
      messages.map(({ dup }) => dup),
      [false, false],
    ) // 5: [MQTT-3.3.1-3]: DUP is not passed on
  })

  test(`a subscriber gets no more than its window; each acknowledgement makes room for one more ${of}`, async (t) => {
    const window = version === 5 ? 3 : limits.inflightMessages
    const properties = version === 5 ? { properties: { receiveMaximum: window } } : {}
    const subscriber = await moor(t, hub, `window-${version}`, version, properties)
    subscriber.answers = false
    await subscriber.subscribe(topic('window'), { qos: 1 })
    const publisher = await moor(t, hub, `window-out-${version}`, version)
    for (let at = 0; at < window + 2; at++) await publisher.publish(topic('window'), `${at}`, { qos: 1 })
    const first = await subscriber.messages(window)
    assert.deepEqual(await subscriber.leftovers(), []) // 5: [MQTT-3.3.4-9]
    subscriber.acknowledge('puback', first[0]?.messageId)
    assert.deepEqual(await subscriber.texts(1), [`${window}`])
    assert.deepEqual(await subscriber.leftovers(), [])
  })

  test(`topics that begin with $ belong to the hub: nobody gets what a device sends there ${of}`, async (t) => {
    const hub = await startHub(t, { sysIntervalSeconds: 0 }) // says nothing there of its own
    const subscriber = await moor(t, hub, `sys-in-${version}`, version)
    await subscriber.subscribe('$SYS/#')
    await subscriber.subscribe('#')
    const refused = await refusalsWith(hub, 'topic-not-allowed')
    const device = await moor(t, hub, `sys-out-${version}`, version)
    await device.publish('$SYS/broker/version', 'mine', { qos: 0 })
    for (const [qos, answer] of [
      [1, 'puback'],
      [2, 'pubrec'],
    ] as const) {
      device.sendBytes(publishBytes(version, '$SYS/broker/version', qos, qos))
      const { reasonCode } = await device.next(answer)
      assert.equal(reasonCode, version === 5 ? 0x87 : undefined) // 3.1.1: [MQTT-3.3.5-2] acknowledged and dropped
    }
    await device.ping() // the connection goes on
    assert.equal(await refused(), 3)
    const own = (await subscriber.leftovers()).filter((message) => message.topic.startsWith('$'))
    assert.deepEqual(own, [])
    await subscriber.leave()
  })

  test(`a device id with forbidden letters is refused, and the connection goes on ${of}`, async (t) => {
    const device = await moor(t, hub, `bad-id-${version}`, version)
    for (const id of ['a b', '..', 'x'.repeat(129)]) {
      device.sendBytes(publishBytes(version, `devices/${id}/telemetry`, 1, 9, { payload: '{"t":1}' }))
      const { reasonCode } = await device.next('puback')
      assert.equal(reasonCode, version === 5 ? 0x90 : undefined, id)
    }
    assert.equal((await fetch(`${hub.url}/v1/devices/a%20b`)).status, 404)
  })

  test(`an empty message, and one of any bytes, arrive as they are ${of}`, async (t) => {
    const client = await moor(t, hub, `bytes-${version}`, version)
    await client.subscribe(topic('bytes'))
    const every = Buffer.from(Array.from({ length: 256 }, (_, at) => at))
    await client.publish(topic('bytes'), Buffer.alloc(0))
    await client.publish(topic('bytes'), every)
    const [empty, full] = await client.messages(2)
    assert.equal(empty?.payload.length, 0)
    assert.deepEqual(full?.payload, every)
  })
}

test('an MQTT 3.1.1 device that sends 500 at once is slowed, not refused', async (t) => {
  const device = await moor(t, hub, 'eager-4', 4)
  device.sendBytes(pipelined(4, '02/eager', 1, 500))
  assert.deepEqual(await device.ids('puback', 500), upTo(500))
})

test('an MQTT 5 device that sends more than the receive maximum at once is told so and disconnected', async (t) => {
  const refused = await refusalsWith(hub, 'receive-maximum-exceeded')
  const device = await moor(t, hub, 'eager-5', 5)
  device.sendBytes(pipelined(5, '02/eager', 1, limits.receiveMaximum + 1))
  const goodbye = await device.goodbye() // [MQTT-3.3.4-7]
  assert.equal(goodbye?.code, 0x93)
  assert.match(goodbye?.reason ?? '', /limits\.receiveMaximum/)
  assert.equal(await refused(), 1)
})

// Section 3.3.4: what counts are the PUBLISHes without PUBACK or PUBCOMP, so PUBREC makes no room.
test('an MQTT 5 device that releases none of its QoS 2 messages meets the receive maximum as well', async (t) => {
  const device = await moor(t, hub, 'never-releases', 5)
  for (const id of upTo(limits.receiveMaximum)) {
    device.sendBytes(publishBytes(5, '02/never-released', 2, id))
    await device.next('pubrec')
  }
  device.sendBytes(publishBytes(5, '02/never-released', 2, limits.receiveMaximum + 1))
  device.sendPacket({ cmd: 'pingreq' }) // closed or answered, whichever comes first
  await Promise.race([device.closed, device.next('pingresp')])
  assert.equal(device.socket.readableEnded || device.socket.closed, true, 'the connection is ended')
  assert.equal((await device.goodbye())?.code, 0x93)
})

test('a topic alias stands for its topic on its connection, and may be given a new one', async (t) => {
  const subscriber = await moor(t, hub, 'alias-in', 5)
  await subscriber.subscribe('02/alias/#')
  const device = await moor(t, hub, 'alias-out', 5)
  const send = (topic: string, payload: string, topicAlias: number) => device.publish(topic, payload, { properties: { topicAlias } })
  await send('02/alias/a', 'sets 1', 1)
  await send('', 'uses 1', 1)
  await send('02/alias/b', 'sets 32', 32)
  await send('', 'uses 1', 1)
  await send('', 'uses 32', 32)
  await send('02/alias/c', 'sets 1 anew', 1)
  await send('', 'uses 1', 1)
  const topics = (await subscriber.messages(7)).map(({ topic, properties }) => [topic.slice(-1), properties?.topicAlias])
  assert.deepEqual(
    topics,
    [...'aababcc'].map((letter) => [letter, undefined]),
  ) // section 3.3.2.3.4, [MQTT-3.3.2-7]
})

test('a topic alias that was not set on this connection is a protocol error', async (t) => {
  const device = await moor(t, hub, 'alias-unset', 5)
  await device.publish('', 'x', { properties: { topicAlias: 5 } })
  assert.equal((await device.goodbye())?.code, 0x82) // section 3.3.4
})

test('a topic alias above the maximum is told as such', async (t) => {
  const refused = await refusalsWith(hub, 'topic-alias-invalid')
  const device = await moor(t, hub, 'alias-high', 5)
  await device.publish('02/alias/high', 'x', { properties: { topicAlias: 33 } })
  assert.equal((await device.goodbye())?.code, 0x94) // [MQTT-3.3.2-9], section 3.14.2.1
  assert.equal(await refused(), 1)
})

test('properties of a message reach MQTT 5 subscribers byte for byte, and MQTT 3.1.1 subscribers get the message without them', async (t) => {
  const text = (value: string) => `${value.length.toString(16).padStart(4, '0')}${Buffer.from(value).toString('hex')}`
  const user = (name: string, value: string) => `26${text(name)}${text(value)}`
  const block = [
    '0101', // the payload is UTF-8
    `03${text('text/plain')}`, // content type
    user('b', '1'),
    `08${text('answers/here')}`, // response topic
    `09${text('\x01\x02\xfe')}`.replace('0004', '0003').replace('c3be', 'fe'), // correlation data
    user('a', '2'),
    user('b', '3'),
  ].join('')
  const modern = await moor(t, hub, 'props-5', 5)
  const plain = await moor(t, hub, 'props-4', 4)
  await modern.subscribe('02/props', { qos: 1 })
  await plain.subscribe('02/props', { qos: 1 })
  const heard = heardBy(modern)

  const device = await moor(t, hub, 'props-out', 5)
  const body = Buffer.from(`${text('02/props')}0001${(block.length / 2).toString(16)}${block}${Buffer.from('hi').toString('hex')}`, 'hex')
  device.sendBytes(Buffer.concat([Buffer.from([0x32, body.length]), body]))
  await device.next('puback')
  const [message] = await modern.messages(1)
  assert.ok(heard().includes(block), heard()) // [MQTT-3.3.2-4], -15, -16, -17, -18, -20
  assert.equal(message?.properties?.contentType, 'text/plain')
  assert.deepEqual(await plain.texts(1), ['hi'])
})

test('a message larger than a subscriber takes is not sent to it, and the next one is', async (t) => {
  const small = await moor(t, hub, 'small', 5, { properties: { maximumPacketSize: 100 } })
  const large = await moor(t, hub, 'large', 5)
  await small.subscribe('02/size', { qos: 1 })
  await large.subscribe('02/size', { qos: 1 })
  const device = await moor(t, hub, 'size-out', 5)
  // More of them than fit the window: a message that was not sent must not hold a place in it.
  const big = 'x'.repeat(200)
  for (let at = 0; at < limits.inflightMessages + 6; at++) await device.publish('02/size', big, { qos: 1 })
  await device.publish('02/size', 'fits', { qos: 1 })
  assert.deepEqual(await small.texts(1), ['fits']) // [MQTT-3.1.2-24], [MQTT-3.1.2-25]
  assert.equal((await large.texts(limits.inflightMessages + 7)).at(-1), 'fits')
})
