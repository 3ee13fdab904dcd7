// What the hub remembers about a client between its connections: MQTT 5 and 3.1.1 chapters 3.1.2, 4.1, 4.4 and 4.6.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { dial, hubOfFile, moor, mourner } from '../kit/mqtt.ts'
import { lasting, textOf } from '../kit/packets.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)

for (const version of [4, 5] as const) {
  const of = `(MQTT level ${version})`
  const base = `04/${version}`

  test(`a device that was away finds what it missed at QoS 1 and 2, in order ${of}`, async (t) => {
    const device = await moor(t, hub, `away-${version}`, version, lasting(version))
    await device.subscribe(`${base}/away/#`, { qos: 2 })
    await device.leave()
    const publisher = await moor(t, hub, `away-out-${version}`, version)
    for (let at = 0; at < 6; at++) await publisher.publish(`${base}/away/${at}`, `${at}`, { qos: (at % 3) as 0 | 1 | 2 })
    const back = await moor(t, hub, `away-${version}`, version, lasting(version))
    assert.equal(back.connack.sessionPresent, true) // 5: [MQTT-3.2.2-3]  3.1.1: [MQTT-3.2.2-2]
    const messages = await back.messages(4)
    assert.deepEqual(messages.map(textOf), ['1', '2', '4', '5']) // 5: [MQTT-4.5.0-1], [MQTT-4.6.0-6]
    assert.deepEqual(
      messages.map(({ dup }) => dup),
      [false, false, false, false],
      'it is the first time they are sent',
    )
    await publisher.publish(`${base}/away/live`, 'live')
    assert.deepEqual(await back.texts(1), ['live'], 'the subscription lives on')
  })

  test(`a clean start forgets the session: its subscriptions and what it was owed ${of}`, async (t) => {
    const device = await moor(t, hub, `clean-${version}`, version, lasting(version))
    await device.subscribe(`${base}/clean`, { qos: 1 })
    await device.leave()
    const publisher = await moor(t, hub, `clean-out-${version}`, version)
    await publisher.publish(`${base}/clean`, 'missed', { qos: 1 })
    const anew = await moor(t, hub, `clean-${version}`, version, { clean: true })
    assert.equal(anew.connack.sessionPresent, false) // 5: [MQTT-3.1.2-4]  3.1.1: [MQTT-3.1.2-6]
    await publisher.publish(`${base}/clean`, 'later', { qos: 1 })
    assert.deepEqual(await anew.leftovers(), [])
    await anew.leave()
    const again = await moor(t, hub, `clean-${version}`, version, lasting(version))
    assert.equal(again.connack.sessionPresent, false, 'the clean session ended with its connection')
  })

  test(`what was sent and not acknowledged before the cable was pulled is sent again, marked and in order ${of}`, async (t) => {
    const { will, gone } = await mourner(t, hub, `cut-${version}`)
    const device = await moor(t, hub, `cut-${version}`, version, lasting(version, { will }))
    device.answers = false
    await device.subscribe(`${base}/cut`, { qos: 2 })
    const publisher = await moor(t, hub, `cut-out-${version}`, version)
    for (const [at, qos] of [1, 2, 1, 2].entries()) await publisher.publish(`${base}/cut`, `${at}`, { qos: qos as 1 | 2 })
    const first = await device.messages(4)
    device.acknowledge('puback', first[0]?.messageId)
    device.acknowledge('pubrec', first[1]?.messageId)
    await device.next('pubrel')
    device.pullCable()
    await gone()
    await publisher.publish(`${base}/cut`, 'missed', { qos: 1 })

    const back = await moor(t, hub, `cut-${version}`, version, lasting(version))
    // 5: [MQTT-4.4.0-1], [MQTT-4.6.0-1]  3.1.1: [MQTT-4.4.0-1], [MQTT-4.6.0-1]
    assert.equal((await back.next('pubrel')).messageId, first[1]?.messageId, 'the half that was received is only released')
    const again = (await back.messages(3)).map(({ payload, messageId, dup }) => [payload.toString(), messageId, dup])
    const [, , third, fourth] = first
    assert.deepEqual(again.slice(0, 2), [
      ['2', third?.messageId, true],
      ['3', fourth?.messageId, true],
    ]) // 5: [MQTT-3.3.1-1]
    assert.deepEqual([again[2]?.[0], again[2]?.[2]], ['missed', false])
    assert.deepEqual(await back.leftovers(), [])
  })

  test(`a QoS 2 message whose release was lost with the connection is delivered once ${of}`, async (t) => {
    const subscriber = await moor(t, hub, `release-in-${version}`, version)
    await subscriber.subscribe(`${base}/release`, { qos: 2 })
    const device = await moor(t, hub, `release-${version}`, version, lasting(version))
    device.sendPublish(`${base}/release`, 'once', { qos: 2, messageId: 5 })
    await device.next('pubrec')
    device.pullCable()
    const back = await moor(t, hub, `release-${version}`, version, lasting(version))
    back.sendPublish(`${base}/release`, 'once', { qos: 2, messageId: 5, dup: true })
    await back.next('pubrec') // 5: [MQTT-4.3.3-10]  3.1.1: [MQTT-4.3.3-2]
    back.acknowledge('pubrel', 5)
    await back.next('pubcomp')
    assert.deepEqual(await subscriber.texts(1), ['once'])
    assert.deepEqual(await subscriber.leftovers(), [])
  })

  test(`a device that takes its own session over is sent what it had not acknowledged ${of}`, async (t) => {
    const device = await moor(t, hub, `over-${version}`, version, lasting(version))
    device.answers = false
    await device.subscribe(`${base}/over`, { qos: 1 })
    await device.publish(`${base}/over`, 'x', { qos: 1 })
    const [first] = await device.messages(1)
    const newer = await moor(t, hub, `over-${version}`, version, lasting(version))
    assert.equal(newer.connack.sessionPresent, true) // 5: [MQTT-3.1.4-3]
    const [again] = await newer.messages(1)
    assert.deepEqual([again?.messageId, again?.dup], [first?.messageId, true])
  })

  test(`an absent device is owed limits.outboxMessages messages; what comes later is dropped ${of}`, async (t) => {
    const device = await moor(t, hub, `owed-${version}`, version, lasting(version))
    await device.subscribe(`${base}/owed`, { qos: 1 })
    await device.leave()
    const publisher = await moor(t, hub, `owed-out-${version}`, version)
    for (let sent = 0; sent < limits.outboxMessages + 50; sent += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, at) => publisher.publish(`${base}/owed`, `${sent + at}`, { qos: 1 })))
    }
    const back = await moor(t, hub, `owed-${version}`, version, lasting(version))
    const texts = await back.texts(limits.outboxMessages)
    assert.deepEqual(
      texts,
      Array.from({ length: limits.outboxMessages }, (_, at) => `${at}`),
    )
    assert.deepEqual(await back.leftovers(), [])
    await publisher.publish(`${base}/owed`, 'goes on', { qos: 1 })
    assert.deepEqual(await back.texts(1), ['goes on'])
  })
}

test('a session is kept for its time and forgotten after it', async (t) => {
  const eternal = await moor(t, hub, 'without-expiry', 4, lasting(4)) // MQTT 3.1.1 has no expiry: the hub's own bound is a week
  await eternal.leave()
  const device = await moor(t, hub, 'expiry', 5, lasting(5, {}, 10))
  await device.subscribe('04/expiry', { qos: 1 })
  await device.leave()
  clock.advance(9)
  const inTime = await moor(t, hub, 'expiry', 5, lasting(5, {}, 10))
  assert.equal(inTime.connack.sessionPresent, true) // [MQTT-3.1.2-23]
  clock.advance(60) // it does not run out while the device is connected
  await inTime.leave()
  clock.advance(12)
  const late = await moor(t, hub, 'expiry', 5, lasting(5, {}, 10))
  assert.equal(late.connack.sessionPresent, false)
  await late.publish('04/expiry', 'to nobody', { qos: 1 })
  assert.deepEqual(await late.leftovers(), [], 'its subscription is gone as well')
  assert.equal((await moor(t, hub, 'without-expiry', 4, lasting(4))).connack.sessionPresent, true)
})

test('in MQTT 5 a session without an expiry ends with its connection, whatever Clean Start says', async (t) => {
  for (const round of [1, 2]) {
    const device = await moor(t, hub, 'no-expiry', 5, { clean: false })
    assert.equal(device.connack.sessionPresent, false, `round ${round}`) // section 3.1.2.11.2
    await device.leave()
  }
})

test('in MQTT 5 a DISCONNECT may shorten the time a session is kept, but not give one to a session without', async (t) => {
  const device = await moor(t, hub, 'shortens', 5, lasting(5))
  await device.leave(0, { sessionExpiryInterval: 0 })
  const back = await moor(t, hub, 'shortens', 5, { clean: false })
  assert.equal(back.connack.sessionPresent, false)
  await back.leave(0, { sessionExpiryInterval: 10 })
  assert.equal((await back.goodbye())?.code, 0x82) // section 3.14.2.2.2
})

test('in MQTT 5 a will waits for its delay; a device that is back in time takes it along', async (t) => {
  const watcher = await moor(t, hub, 'delay-watcher', 5)
  await watcher.subscribe('04/delayed', { qos: 1 })
  const will = { topic: '04/delayed', payload: Buffer.from('late'), qos: 0, retain: false, properties: { willDelayInterval: 10 } } as const
  const first = await moor(t, hub, 'delayed', 5, lasting(5, { will }))
  await first.leave(0x04) // as a lost connection, but the hub is known to have noticed
  clock.advance(8)
  const inTime = await moor(t, hub, 'delayed', 5, lasting(5, { will })) // [MQTT-3.1.3-9]
  clock.advance(20)
  assert.deepEqual(await watcher.leftovers(), [])
  await inTime.leave(0x04)
  clock.advance(12)
  assert.deepEqual(await watcher.texts(1), ['late'])
})

test('in MQTT 5 a delayed will is published when its session ends before the delay does', async (t) => {
  const watcher = await moor(t, hub, 'end-watcher', 5)
  await watcher.subscribe('04/ends', { qos: 1 })
  const will = { topic: '04/ends', payload: Buffer.from('ended'), qos: 0, retain: false, properties: { willDelayInterval: 1000 } } as const
  const expires = await moor(t, hub, 'ends', 5, lasting(5, { will }, 10))
  await expires.leave(0x04)
  clock.advance(12)
  assert.deepEqual(await watcher.texts(1), ['ended']) // [MQTT-3.1.2-8]
  const replaced = await moor(t, hub, 'ends', 5, lasting(5, { will }))
  await replaced.leave(0x04)
  await moor(t, hub, 'ends', 5, { clean: true })
  assert.deepEqual(await watcher.texts(1), ['ended'])
})

test('in MQTT 5 a device that comes back with a smaller window gets no more than fits it', async (t) => {
  const device = await moor(t, hub, 'narrow', 5, lasting(5))
  device.answers = false
  await device.subscribe('04/narrow', { qos: 1 })
  const publisher = await moor(t, hub, 'narrow-out', 5)
  for (let at = 0; at < 4; at++) await publisher.publish('04/narrow', `${at}`, { qos: 1 })
  await device.messages(4)
  await device.leave()
  const back = await dial(t, hub, 5)
  back.answers = false
  await back.connect('narrow', lasting(5, { properties: { receiveMaximum: 2 } }))
  const [first] = await back.messages(2)
  assert.deepEqual(await back.leftovers(), []) // [MQTT-3.3.4-9]
  back.acknowledge('puback', first?.messageId)
  assert.deepEqual(await back.texts(1), ['2'])
})

test('in MQTT 5 a device that comes back with a smaller buffer is not stuck behind what it cannot take', async (t) => {
  const device = await moor(t, hub, 'shrunk', 5, lasting(5))
  device.answers = false
  await device.subscribe('04/shrunk', { qos: 1 })
  const publisher = await moor(t, hub, 'shrunk-out', 5)
  await publisher.publish('04/shrunk', 'x'.repeat(500), { qos: 1 })
  await device.messages(1)
  await device.leave()
  const back = await moor(t, hub, 'shrunk', 5, lasting(5, { properties: { receiveMaximum: 1, maximumPacketSize: 100 } }))
  await publisher.publish('04/shrunk', 'fits', { qos: 1 })
  assert.deepEqual(await back.texts(1), ['fits']) // [MQTT-3.1.2-25]
})

test('in MQTT 5 a message that nobody fetched in its time is gone, and others say how much is left', async (t) => {
  const device = await moor(t, hub, 'expiring', 5, lasting(5))
  await device.subscribe('04/expiring', { qos: 1 })
  await device.leave()
  const publisher = await moor(t, hub, 'expiring-out', 5)
  await publisher.publish('04/expiring', 'short', { qos: 1, properties: { messageExpiryInterval: 5 } })
  await publisher.publish('04/expiring', 'long', { qos: 1, properties: { messageExpiryInterval: 100 } })
  clock.advance(30)
  const back = await moor(t, hub, 'expiring', 5, lasting(5))
  const [message] = await back.messages(1)
  assert.equal(message?.payload.toString(), 'long') // [MQTT-3.3.2-5]
  assert.equal(message?.properties?.messageExpiryInterval, 70) // [MQTT-3.3.2-6]
})

test('what is left of a message is counted by the time that has passed, whatever is done to the wall clock', async (t) => {
  const device = await moor(t, hub, 'clock-set', 5, lasting(5))
  await device.subscribe('04/clock-set', { qos: 1 })
  await device.leave()
  const publisher = await moor(t, hub, 'clock-set-out', 5)
  const publish = (text: string) => publisher.publish('04/clock-set', text, { qos: 1, properties: { messageExpiryInterval: 100 } })
  await publish('before')
  clock.jump(3_600_000)
  await publish('after')
  clock.jump(-7_200_000)
  clock.advance(30)
  const back = await moor(t, hub, 'clock-set', 5, lasting(5))
  const messages = await back.messages(2)
  assert.deepEqual(
    messages.map(({ payload, properties }) => [payload.toString(), properties?.messageExpiryInterval]),
    [
      ['before', 70],
      ['after', 70],
    ],
  )
  clock.jump(3_600_000)
})
