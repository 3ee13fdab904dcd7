// Sessions outlive the hub: kill -9 in the middle of everything, and each client finds its session as it left it.  MQTT 5 and 3.1.1 chapter 4.1
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { IConnectPacket, IPublishPacket, Packet } from 'mqtt-packet'
import { HandClock } from '../kit/clock.ts'
import { newFolder, spawnHub, startHub } from '../kit/hub.ts'
import { dial, moor, type Version } from '../kit/mqtt.ts'
import { lasting, textOf } from '../kit/packets.ts'

function described({ topic, payload, qos, dup, retain, messageId }: IPublishPacket) {
  return { topic, text: payload.toString(), qos, dup, retain, messageId }
}

/** Runs the first half against a hub, kills it, and the second against the one that is started in its place. */
async function overDeath<T>(t: TestContext, before: (hub: Kit) => Promise<T>, after: (hub: Kit, found: T) => Promise<void>): Promise<void> {
  const folder = newFolder(t)
  const first = await spawnHub(t, folder)
  const found = await before(kitOf(t, first))
  await first.kill()
  await after(kitOf(t, await spawnHub(t, folder)), found)
}

type Kit = ReturnType<typeof kitOf>
function kitOf(t: TestContext, hub: Parameters<typeof moor>[1]) {
  return { join: (clientId: string, version: Version, options: Partial<IConnectPacket> = {}) => moor(t, hub, clientId, version, options) }
}

for (const version of [4, 5] as const) {
  const of = `(MQTT level ${version})`

  test(`a client that was away when the hub was killed finds what it missed, in order, and its subscriptions ${of}`, (t) =>
    overDeath(
      t,
      async ({ join }) => {
        const sleeper = await join('sleeper', version, lasting(version))
        await sleeper.subscribe('missed/+', { qos: 2 })
        await sleeper.subscribe('gone/#', { qos: 1 })
        await sleeper.unsubscribe('gone/#')
        await sleeper.leave()
        const publisher = await join('publisher', version)
        await publisher.publish('gone/x', 'not any more', { qos: 1 })
        for (let at = 0; at < 20; at++) await publisher.publish(`missed/${at % 3}`, `${at}`, { qos: (1 + (at % 2)) as 1 | 2 })
      },
      async ({ join }) => {
        const sleeper = await join('sleeper', version, lasting(version))
        assert.equal(sleeper.connack.sessionPresent, true)
        const messages = (await sleeper.messages(20)).map(described)
        const expected = Array.from({ length: 20 }, (_, at) => [`missed/${at % 3}`, `${at}`, 1 + (at % 2), false])
        assert.deepEqual(
          messages.map(({ topic, text, qos, dup }) => [topic, text, qos, dup]),
          expected,
        )
        const publisher = await join('publisher', version)
        await publisher.publish('missed/live', 'live', { qos: 1 })
        assert.deepEqual(await sleeper.texts(1), ['live'])
        assert.deepEqual(await sleeper.leftovers(), [])
      },
    ))

  test(`what was sent and not acknowledged is sent again after the hub was killed: same identifiers, marked, in order ${of}`, (t) =>
    overDeath(
      t,
      async ({ join }) => {
        const device = await join('device', version, lasting(version))
        await device.subscribe('in-flight', { qos: 2 })
        device.answers = false
        const publisher = await join('publisher', version)
        for (const [at, qos] of [1, 2, 1, 2, 2].entries()) await publisher.publish('in-flight', `${at}`, { qos: qos as 1 | 2 })
        const messages = await device.messages(5)
        device.acknowledge('puback', messages[0]?.messageId)
        device.acknowledge('pubrec', messages[1]?.messageId)
        await device.next('pubrel')
        device.acknowledge('pubrec', messages[4]?.messageId)
        await device.next('pubrel')
        device.acknowledge('pubcomp', messages[4]?.messageId)
        await device.ping()
        await publisher.publish('elsewhere', 'whose commit takes along what the device said', { qos: 1 })
        return messages.map(described)
      },
      async ({ join }, messages) => {
        const device = await join('device', version, lasting(version))
        assert.equal((await device.next('pubrel')).messageId, messages[1]?.messageId, 'what was received is only released')
        const again = (await device.messages(2)).map(described)
        assert.deepEqual(again, [
          { ...messages[2], dup: true },
          { ...messages[3], dup: true },
        ]) // 5: [MQTT-4.4.0-1]  3.1.1: [MQTT-4.4.0-1]
        assert.deepEqual(await device.leftovers(), [])
        const publisher = await join('publisher', version)
        await publisher.publish('in-flight', 'new', { qos: 2 })
        assert.deepEqual(await device.texts(1), ['new'])
      },
    ))

  test(`a QoS 2 message taken before the hub was killed is not taken twice, and a released identifier is free ${of}`, (t) =>
    overDeath(
      t,
      async ({ join }) => {
        const listener = await join('listener', version, lasting(version))
        await listener.subscribe('once', { qos: 1 })
        await listener.leave()
        const device = await join('device', version, lasting(version))
        const publish = (messageId: number, text: string) => device.sendPublish('once', text, { qos: 2, messageId })
        publish(7, 'taken')
        await device.next('pubrec')
        publish(8, 'done')
        await device.next('pubrec')
        device.acknowledge('pubrel', 8)
        await device.next('pubcomp')
      },
      async ({ join }) => {
        const device = await join('device', version, lasting(version))
        const publish = (messageId: number, text: string, dup: boolean) => device.sendPublish('once', text, { qos: 2, messageId, dup })
        publish(7, 'taken', true)
        await device.next('pubrec') // 5: [MQTT-4.3.3-10]  3.1.1: [MQTT-4.3.3-2]
        publish(8, 'another', false)
        await device.next('pubrec')
        for (const messageId of [7, 8]) {
          device.acknowledge('pubrel', messageId)
          await device.next('pubcomp')
        }
        const listener = await join('listener', version, lasting(version))
        assert.deepEqual(await listener.texts(3), ['taken', 'done', 'another'])
        assert.deepEqual(await listener.leftovers(), [])
      },
    ))

  test(`the will of a client that was connected when the hub was killed is published, once ${of}`, (t) =>
    overDeath(
      t,
      async ({ join }) => {
        const watcher = await join('watcher', version, lasting(version))
        await watcher.subscribe('wills/#', { qos: 1 })
        await watcher.leave()
        const will = (name: string) => ({ will: { topic: `wills/${name}`, payload: Buffer.from(name), qos: 1, retain: true } as const })
        await join('clean', version, will('clean'))
        await join('lasting', version, lasting(version, will('lasting')))
        const polite = await join('polite', version, will('polite'))
        await polite.leave()
        await (await join('publisher', version)).publish('elsewhere', 'a commit', { qos: 1 })
      },
      async ({ join }) => {
        const watcher = await join('watcher', version, lasting(version))
        assert.deepEqual((await watcher.texts(2)).sort(), ['clean', 'lasting'])
        assert.deepEqual(await watcher.leftovers(), [])
        const late = await join('late', version)
        await late.subscribe('wills/#', { qos: 1 })
        assert.deepEqual((await late.texts(2)).sort(), ['clean', 'lasting'])
      },
    ))
}

test('a session that ended with its connection, or was ended by a clean start, is not there after a restart', (t) =>
  overDeath(
    t,
    async ({ join }) => {
      const clean = await join('clean', 4)
      await clean.subscribe('x', { qos: 1 })
      await clean.leave()
      const ended = await join('ended', 5, lasting(5))
      await ended.subscribe('x', { qos: 1 })
      await ended.leave(0, { sessionExpiryInterval: 0 })
      const before = await join('anew', 4, lasting(4))
      await before.subscribe('x', { qos: 1 })
      await before.leave()
      const anew = await join('anew', 4, { clean: true })
      await anew.leave()
      await (await join('publisher', 4)).publish('x', 'for nobody', { qos: 1 })
    },
    async ({ join }) => {
      for (const clientId of ['clean', 'ended', 'anew']) {
        const client = await join(clientId, 5, lasting(5))
        assert.equal(client.connack.sessionPresent, false, clientId)
      }
    },
  ))

test('the time that the hub was down counts: for sessions, for delayed wills and for messages', async (t) => {
  const folder = newFolder(t)
  const clock = new HandClock()
  const first = await startHub(t, { data: folder }, clock)
  const join = (hub: typeof first, clientId: string, options: Partial<IConnectPacket>) => moor(t, hub, clientId, 5, options)
  const watcher = await join(first, 'watcher', lasting(5, {}, 10_000))
  await watcher.subscribe('wills/#', { qos: 1 })
  await watcher.subscribe('expiring', { qos: 1 })
  await watcher.leave()
  for (const [name, delay, seconds] of [
    ['early', 50, 1000],
    ['late', 500, 1000],
    ['with the session', 500, 100],
  ] as const) {
    const payload = Buffer.from(name)
    const client = await join(first, name, {
      ...lasting(5, {}, seconds),
      will: { topic: `wills/${name}`, payload, qos: 1, retain: false, properties: { willDelayInterval: delay } },
    })
    await client.leave(4) // with its will
  }
  const publisher = await join(first, 'publisher', {})
  await publisher.publish('expiring', 'too old', { qos: 1, properties: { messageExpiryInterval: 100 } })
  await publisher.publish('expiring', 'still good', { qos: 1, properties: { messageExpiryInterval: 1000 } })
  await first.stop()

  clock.advance(200)
  const second = await startHub(t, { data: folder }, clock)
  const back = await join(second, 'watcher', lasting(5, {}, 10_000))
  const messages = await back.messages(3)
  const texts = messages.map(textOf)
  assert.equal(texts[0], 'still good')
  assert.deepEqual(texts.slice(1).sort(), ['early', 'with the session']) // 5: [MQTT-3.1.2-8]
  assert.equal(messages[0]?.properties?.messageExpiryInterval, 800) // 5: [MQTT-3.3.2-6]
  assert.deepEqual(await back.leftovers(), [])
  assert.equal((await join(second, 'with the session', lasting(5))).connack.sessionPresent, false)
  clock.advance(310)
  assert.deepEqual(await back.texts(1), ['late'])
  assert.equal((await join(second, 'early', lasting(5))).connack.sessionPresent, true)
})

test('a message that a shared group gave to an absent member goes to another when that session ends after a restart', async (t) => {
  const folder = newFolder(t)
  const clock = new HandClock()
  const first = await startHub(t, { data: folder }, clock)
  const member = await moor(t, first, 'absent', 5, lasting(5, {}, 100))
  await member.subscribe('$share/g/work', { qos: 1 })
  await member.leave()
  const publisher = await moor(t, first, 'publisher', 5)
  for (const text of ['one', 'two', 'three']) await publisher.publish('work', text, { qos: 1 })
  await first.stop()

  const second = await startHub(t, { data: folder }, clock)
  const other = await moor(t, second, 'other', 5)
  await other.subscribe('$share/g/work', { qos: 1 })
  assert.deepEqual(await other.leftovers(), [])
  clock.advance(200)
  assert.deepEqual(await other.texts(3), ['one', 'two', 'three'])
})

test('a clean start over a session on disk is answered when the disk has it, before anything else, and holds over a kill', async (t) => {
  const folder = newFolder(t)
  const hub = await spawnHub(t, folder)
  const old = await moor(t, hub, 'anew', 5, lasting(5))
  await old.subscribe('x', { qos: 1 })
  old.sendPacket({ cmd: 'publish', topic: 'y', payload: 'x', qos: 2, messageId: 1, dup: false, retain: false } as Packet)
  await old.next('pubrec')
  old.pullCable()
  const anew = await dial(t, hub, 5)
  const order: string[] = []
  anew.socket.on('data', (chunk: Buffer) => order.push(...[...chunk].filter((_, at) => at === 0).map((byte) => byte.toString(16))))
  anew.socket.cork() // all in one go: what follows CONNECT is answered behind its CONNACK
  const connack = anew.connect('anew', { clean: true, properties: { sessionExpiryInterval: 60 } })
  anew.sendPacket({ cmd: 'pingreq' })
  anew.socket.uncork()
  assert.equal((await connack).sessionPresent, false)
  await anew.next('pingresp')
  assert.equal(order[0], '20') // 5: [MQTT-3.2.0-1]
  await hub.kill()
  const again = await spawnHub(t, folder)
  const back = await moor(t, again, 'anew', 5, lasting(5))
  assert.equal(back.connack.sessionPresent, true, 'the new one')
  assert.deepEqual([...(await back.unsubscribe('x')).granted], [0x11], 'which has no subscription')
})
