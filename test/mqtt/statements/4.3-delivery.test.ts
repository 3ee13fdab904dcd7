// The protocols of QoS 0, 1 and 2. MQTT 5 and 3.1.1 section 4.3; sending again, receipt and order are in a file of their own.
//
// They have a sender and a receiver, and the hub is each of them: sender to subscribers, receiver of publishers. In
// 3.1.1 one tag stands for all that a sender or a receiver does; it is named by every test of a part of it.
import assert from 'node:assert/strict'
import type { IConnectPacket } from 'mqtt-packet'
import { HandClock } from '../../kit/clock.ts'
import { type Acknowledgement, hubOfFile, type TestClient } from '../../kit/mqtt.ts'
import { upTo } from '../../kit/numbers.ts'
import { idOf, lasting, textOf } from '../../kit/packets.ts'
import { type Bench, statementsOf } from '../../kit/statements.ts'
import { delivery, silent } from './sessions.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)
const statement = statementsOf(hub, clock)

/** A subscriber that takes everything, and a publisher that acknowledges nothing by itself. */
async function receipt(bench: Bench, more: Partial<IConnectPacket> = {}) {
  const [topic, name] = [bench.name('4.3/receipt'), bench.name('publisher')]
  const subscriber = await bench.moor(bench.name('subscriber'))
  await subscriber.subscribe(topic, { qos: 2 })
  const publisher = await bench.moor(name, more)
  publisher.answers = false
  const heard = async () => (await subscriber.leftovers()).map(textOf)
  return { topic, name, subscriber, publisher, heard }
}

// ── QoS 0 ──

statement(
  ['3.1.1 [MQTT-4.3.1-1]', '5.0 [MQTT-4.3.1-1]'],
  'to a subscriber at QoS 0 the hub sends PUBLISH with QoS 0, DUP 0 and no packet identifier, once',
  async (bench) => {
    const topic = bench.name('4.3/qos0')
    const subscriber = await bench.moor(bench.name('subscriber'))
    await subscriber.subscribe(topic, { qos: 0 })
    const publisher = await bench.moor(bench.name('publisher'))
    for (const qos of [0, 1, 2] as const) await publisher.publish(topic, `${qos}`, { qos })
    await publisher.ping()
    const messages = await subscriber.leftovers()
    assert.deepEqual(messages.map(({ payload, qos, dup, messageId }) => [`${payload}`, qos, dup, messageId]).sort(), [
      ['0', 0, false, undefined],
      ['1', 0, false, undefined],
      ['2', 0, false, undefined],
    ])
  },
)

// ── QoS 1, the hub sends ──

/** Many deliveries at a time, of which some are acknowledged: no identifier is used twice at a time. `finish` ends one delivery. */
async function assertUnusedIdentifiers(bench: Bench, qos: 1 | 2, finish: (client: TestClient, id: number) => Promise<void>) {
  const { subscriber, deliver } = await delivery(bench, qos)
  const inUse = new Set<number>()
  for (let round = 0; round < 5; round++) {
    const sent = await deliver(...upTo(12).map((at) => `${round} ${at}`))
    for (const { messageId = 0 } of sent) {
      assert.ok(messageId > 0 && messageId <= 65_535)
      assert.ok(!inUse.has(messageId), `${messageId} is in use`)
      inUse.add(messageId)
    }
    // Every second one stays, so that the next round has to go round them.
    for (const [at, { messageId = 0 }] of sent.entries()) {
      if (at % 2 === 0) continue
      await finish(subscriber, messageId)
      inUse.delete(messageId)
    }
    await subscriber.ping()
  }
}

statement(
  ['3.1.1 [MQTT-4.3.2-1]', '5.0 [MQTT-4.3.2-1]'],
  'each message to a subscriber at QoS 1 gets a packet identifier that is not in use',
  (bench) => assertUnusedIdentifiers(bench, 1, async (client, id) => client.acknowledge('puback', id)),
)

statement(
  ['3.1.1 [MQTT-4.3.2-1]', '5.0 [MQTT-4.3.2-2]'],
  'a message to a subscriber at QoS 1 is first sent with QoS 1, DUP 0 and its packet identifier',
  async (bench) => {
    const { topic, name, subscriber, publisher, deliver } = await delivery(bench, 1)
    const [live] = await deliver('live')
    await subscriber.leave()
    publisher.sendPublish(topic, 'missed', { qos: 1, messageId: 77, dup: true })
    await publisher.next('puback')
    const back = await silent(bench, name)
    const [, missed] = await back.messages(2)
    for (const message of [live, missed]) {
      assert.deepEqual([message?.qos, message?.dup], [1, false])
      assert.ok((message?.messageId ?? 0) > 0)
    }
  },
)

statement(
  ['3.1.1 [MQTT-4.3.2-1]', '5.0 [MQTT-4.3.2-3]'],
  'a QoS 1 message is unacknowledged until its PUBACK: before, it is sent again to who comes back, and after it is not',
  async (bench) => {
    const { name, subscriber, deliver } = await delivery(bench, 1)
    const [, second, third] = await deliver('first', 'second', 'third')
    subscriber.acknowledge('puback', second?.messageId)
    subscriber.acknowledge('puback', 60_000) // nobody's
    await subscriber.leave()
    const back = await silent(bench, name)
    assert.deepEqual((await back.leftovers()).map(textOf), ['first', 'third'])
    back.acknowledge('puback', third?.messageId)
    await back.leave()
    const again = await silent(bench, name)
    assert.deepEqual((await again.leftovers()).map(textOf), ['first'])
  },
)

/**
 * An acknowledgement of another kind is not the one the hub waits for. Whether it ignores it or closes the connection, the message is still
 * owed when the client comes back.
 */
async function assertStillOwed(bench: Bench, qos: 1 | 2, wrong: readonly Acknowledgement[]): Promise<void> {
  for (const cmd of wrong) {
    const { name, subscriber, deliver } = await delivery(bench, qos)
    const [first] = await deliver('owed')
    subscriber.acknowledge(cmd, first?.messageId)
    subscriber.sendPacket({ cmd: 'disconnect' })
    await subscriber.closed
    const back = await silent(bench, name)
    const again = await back.leftovers()
    assert.deepEqual(
      again.map((message) => [textOf(message), message.messageId, message.dup]),
      [['owed', first?.messageId, true]],
      `${cmd} for a PUBLISH at QoS ${qos}`,
    )
  }
}

statement(
  ['3.1.1 [MQTT-4.3.2-1]', '5.0 [MQTT-4.3.2-3]'],
  'a QoS 1 message that is answered with PUBREC or PUBCOMP instead of PUBACK is still owed',
  (bench) => assertStillOwed(bench, 1, ['pubrec', 'pubcomp']),
)

// ── QoS 1, the hub receives ──

statement(
  ['3.1.1 [MQTT-4.3.2-2]', '5.0 [MQTT-4.3.2-4]'],
  'a QoS 1 PUBLISH is answered with PUBACK and its packet identifier, and from then on the message is the business of the hub',
  async (bench) => {
    const { topic, name, deliver } = await delivery(bench, 1)
    await deliver('before')
    for (const packetId of [1, 255, 256, 65_535]) {
      const publisher = await bench.moor(bench.name('publisher'))
      publisher.sendPublish(topic, `${packetId}`, { qos: 1, messageId: packetId })
      assert.equal((await publisher.next('puback')).messageId, packetId)
      publisher.pullCable()
    }
    const back = await silent(bench, name)
    assert.deepEqual(await back.texts(5), ['before', '1', '255', '256', '65535'])
  },
)

statement(
  ['3.1.1 [MQTT-4.3.2-2]', '5.0 [MQTT-4.3.2-5]'],
  'after PUBACK a PUBLISH with the same packet identifier is a new message, whatever its DUP says',
  async (bench) => {
    const { topic, publisher, heard } = await receipt(bench)
    for (const [at, dup] of [false, true, false, true].entries()) {
      publisher.sendPublish(topic, `${at}`, { qos: 1, messageId: 7, dup })
      await publisher.next('puback')
    }
    assert.deepEqual(await heard(), ['0', '1', '2', '3'])
  },
)

// ── QoS 2, the hub sends ──

statement(
  ['3.1.1 [MQTT-4.3.3-1]', '5.0 [MQTT-4.3.3-1]'],
  'each message to a subscriber at QoS 2 gets a packet identifier that is not in use, and PUBREC does not free one',
  async (bench) => {
    await assertUnusedIdentifiers(bench, 2, async (client, id) => {
      client.acknowledge('pubrec', id)
      await client.next('pubrel')
      client.acknowledge('pubcomp', id)
    })
    const { subscriber, deliver } = await delivery(bench, 2)
    const received = await deliver('a', 'b')
    for (const message of received) subscriber.acknowledge('pubrec', message.messageId)
    await subscriber.ids('pubrel', 2)
    const others = await deliver('c', 'd', 'e')
    assert.equal(new Set([...received, ...others].map(idOf)).size, 5)
  },
)

statement(
  ['3.1.1 [MQTT-4.3.3-1]', '5.0 [MQTT-4.3.3-2]'],
  'a message to a subscriber at QoS 2 is first sent with QoS 2, DUP 0 and its packet identifier',
  async (bench) => {
    const { topic, name, subscriber, publisher, deliver } = await delivery(bench, 2)
    const [live] = await deliver('live')
    await subscriber.leave()
    publisher.sendPublish(topic, 'missed', { qos: 2, messageId: 77, dup: true })
    await publisher.next('pubrec')
    const back = await silent(bench, name)
    const [, missed] = await back.messages(2)
    for (const message of [live, missed]) {
      assert.deepEqual([message?.qos, message?.dup], [2, false])
      assert.ok((message?.messageId ?? 0) > 0)
    }
  },
)

statement(
  ['3.1.1 [MQTT-4.3.3-1]', '5.0 [MQTT-4.3.3-3]'],
  'a QoS 2 message is unacknowledged until its PUBREC, and is sent again to who comes back before',
  async (bench) => {
    const { name, subscriber, deliver } = await delivery(bench, 2)
    const [first, second] = await deliver('first', 'second')
    subscriber.acknowledge('pubrec', second?.messageId)
    await subscriber.leave()
    for (let time = 0; time < 2; time++) {
      const back = await silent(bench, name)
      const again = (await back.leftovers()).map((message) => [textOf(message), message.messageId])
      assert.deepEqual(again, [['first', first?.messageId]])
      await back.leave()
    }
  },
)

statement(
  ['3.1.1 [MQTT-4.3.3-1]', '5.0 [MQTT-4.3.3-3]'],
  'a QoS 2 message that is answered with PUBACK or PUBCOMP instead of PUBREC is still owed',
  (bench) => assertStillOwed(bench, 2, ['puback', 'pubcomp']),
)

statement(
  ['3.1.1 [MQTT-4.3.3-1]', '5.0 [MQTT-4.3.3-4]'],
  'a PUBREC is answered with PUBREL and the same packet identifier, and so is one that comes again',
  async (bench) => {
    const { subscriber, deliver } = await delivery(bench, 2)
    const [first, second] = await deliver('first', 'second')
    for (const message of [second, first, second]) {
      subscriber.acknowledge('pubrec', message?.messageId)
      assert.equal((await subscriber.next('pubrel')).messageId, message?.messageId)
    }
  },
)

statement(
  ['5.0 [MQTT-4.3.3-4]'],
  'a PUBREC with a reason code below 0x80 is answered with PUBREL, and one from 0x80 on is not',
  async (bench) => {
    const { subscriber, deliver } = await delivery(bench, 2)
    const sent = await deliver('taken', 'refused', 'refused', 'taken')
    for (const [at, code] of [0x10, 0x80, 0x97, 0x00].entries()) subscriber.acknowledge('pubrec', sent[at]?.messageId, code)
    assert.deepEqual(await subscriber.ids('pubrel', 2), [sent[0]?.messageId, sent[3]?.messageId])
    assert.deepEqual(await subscriber.leftoverIds('pubrel'), [])
  },
)

statement(
  ['3.1.1 [MQTT-4.3.3-1]', '5.0 [MQTT-4.3.3-5]'],
  'a PUBREL is unacknowledged until its PUBCOMP: before, it is sent again to who comes back, and after it is not',
  async (bench) => {
    const { name, subscriber, deliver } = await delivery(bench, 2)
    const sent = await deliver('first', 'second')
    for (const message of sent) subscriber.acknowledge('pubrec', message.messageId)
    await subscriber.ids('pubrel', 2)
    await subscriber.leave()
    const back = await silent(bench, name)
    assert.deepEqual(await back.ids('pubrel', 2), sent.map(idOf))
    back.acknowledge('pubcomp', sent[0]?.messageId)
    back.acknowledge('pubcomp', 60_000) // nobody's
    await back.leave()
    const again = await silent(bench, name)
    assert.deepEqual(await again.leftoverIds('pubrel'), [sent[1]?.messageId])
    again.acknowledge('pubcomp', sent[1]?.messageId)
    await again.leave()
    const last = await silent(bench, name)
    assert.deepEqual(await last.leftoverIds('pubrel'), [])
  },
)

statement(
  ['3.1.1 [MQTT-4.3.3-1]', '5.0 [MQTT-4.3.3-5]'],
  'a PUBREL that is answered with PUBACK instead of PUBCOMP is sent again to who comes back',
  async (bench) => {
    const { name, subscriber, deliver } = await delivery(bench, 2)
    const [message] = await deliver('x')
    subscriber.acknowledge('pubrec', message?.messageId)
    await subscriber.next('pubrel')
    subscriber.acknowledge('puback', message?.messageId)
    subscriber.sendPacket({ cmd: 'disconnect' })
    await subscriber.closed
    const back = await silent(bench, name)
    assert.deepEqual(await back.leftoverIds('pubrel'), [message?.messageId])
  },
)

statement(
  ['3.1.1 [MQTT-4.3.3-1]', '5.0 [MQTT-4.3.3-6]'],
  'a PUBLISH is not sent again once its PUBREL was, on any later connection',
  async (bench) => {
    const { name, subscriber, deliver } = await delivery(bench, 2)
    const [message] = await deliver('once')
    subscriber.acknowledge('pubrec', message?.messageId)
    await subscriber.next('pubrel')
    await subscriber.leave()
    for (let time = 0; time < 3; time++) {
      const back = await silent(bench, name)
      assert.deepEqual(await back.leftoverIds('pubrel'), [message?.messageId])
      assert.deepEqual(await back.leftovers(), [])
      await back.leave()
    }
  },
)

statement(
  ['5.0 [MQTT-4.3.3-7]'],
  'a QoS 2 message that was sent does not expire: it is sent again after its time, and its exchange goes on to the end',
  async (bench) => {
    const { topic, name, subscriber, publisher } = await delivery(bench, 2)
    for (const payload of ['sent again', 'goes on']) {
      await publisher.publish(topic, payload, { qos: 2, properties: { messageExpiryInterval: 10 } })
    }
    const [first, second] = await subscriber.messages(2)
    clock.advance(60)
    subscriber.acknowledge('pubrec', second?.messageId)
    assert.equal((await subscriber.next('pubrel')).reasonCode, 0)
    await subscriber.leave()
    const back = await silent(bench, name)
    assert.deepEqual(await back.leftoverIds('pubrel'), [second?.messageId])
    const again = await back.leftovers()
    assert.deepEqual(
      again.map((message) => [textOf(message), message.messageId]),
      [['sent again', first?.messageId]],
    )
  },
)

// ── QoS 2, the hub receives ──

statement(
  ['3.1.1 [MQTT-4.3.3-2]', '5.0 [MQTT-4.3.3-8]'],
  'a QoS 2 PUBLISH is answered with PUBREC and its packet identifier, and from then on the message is the business of the hub',
  async (bench) => {
    const { topic, name, deliver } = await delivery(bench, 2)
    await deliver('before')
    for (const packetId of [1, 255, 256, 65_535]) {
      const publisher = await bench.moor(bench.name('publisher'))
      publisher.sendPublish(topic, `${packetId}`, { qos: 2, messageId: packetId })
      assert.equal((await publisher.next('pubrec')).messageId, packetId)
      publisher.pullCable()
    }
    const back = await silent(bench, name)
    assert.deepEqual(await back.texts(5), ['before', '1', '255', '256', '65535'])
  },
)

statement(
  ['5.0 [MQTT-4.3.3-9]'],
  'after a PUBREC that refuses, a PUBLISH with the same packet identifier is a new message',
  async (bench) => {
    const { topic, publisher, heard } = await receipt(bench)
    publisher.sendPublish('$SYS/refused', 'refused', { qos: 2, messageId: 9 })
    assert.ok(((await publisher.next('pubrec')).reasonCode ?? 0) >= 0x80)
    for (const dup of [false, true]) {
      publisher.sendPublish(topic, `DUP ${dup}`, { qos: 2, messageId: 9, dup })
      assert.equal((await publisher.next('pubrec')).reasonCode, 0)
      publisher.acknowledge('pubrel', 9)
      assert.equal((await publisher.next('pubcomp')).reasonCode, 0)
    }
    assert.deepEqual(await heard(), ['DUP false', 'DUP true'])
  },
)

statement(
  ['3.1.1 [MQTT-4.3.3-2]', '5.0 [MQTT-4.3.3-10]'],
  'until PUBREL a PUBLISH with the same packet identifier is answered with PUBREC and reaches nobody again, on a new connection too',
  async (bench) => {
    const { topic, name, publisher, heard } = await receipt(bench, lasting(bench.version))
    publisher.sendPublish(topic, 'once', { qos: 2, messageId: 5 })
    publisher.sendPublish(topic, 'once', { qos: 2, messageId: 5, dup: true })
    publisher.sendPublish(topic, 'once', { qos: 2, messageId: 5 })
    assert.deepEqual(await publisher.ids('pubrec', 3), [5, 5, 5])
    await publisher.leave()
    const back = await silent(bench, name)
    back.sendPublish(topic, 'once', { qos: 2, messageId: 5, dup: true })
    assert.deepEqual(await back.ids('pubrec', 1), [5])
    back.sendPublish(topic, 'another', { qos: 2, messageId: 6 })
    await back.next('pubrec')
    assert.deepEqual(await heard(), ['once', 'another'])
  },
)

statement(
  ['3.1.1 [MQTT-4.3.3-2]', '5.0 [MQTT-4.3.3-11]'],
  'a PUBREL is answered with PUBCOMP and the same packet identifier, one that comes again and one for nothing as well',
  async (bench) => {
    const { topic, name, publisher } = await receipt(bench, lasting(bench.version))
    for (const packetId of [3, 4]) publisher.sendPublish(topic, 'x', { qos: 2, messageId: packetId })
    await publisher.ids('pubrec', 2)
    publisher.acknowledge('pubrel', 4)
    assert.deepEqual(await publisher.ids('pubcomp', 1), [4])
    await publisher.leave()
    const back = await silent(bench, name)
    for (const packetId of [3, 3, 4, 65_535]) {
      back.acknowledge('pubrel', packetId)
      assert.deepEqual(await back.ids('pubcomp', 1), [packetId])
    }
  },
)

statement(
  ['3.1.1 [MQTT-4.3.3-2]', '5.0 [MQTT-4.3.3-12]'],
  'after PUBCOMP a PUBLISH with the same packet identifier is a new message, whatever its DUP says',
  async (bench) => {
    const { topic, publisher, heard } = await receipt(bench)
    for (const [at, dup] of [false, true, false].entries()) {
      publisher.sendPublish(topic, `${at}`, { qos: 2, messageId: 8, dup })
      await publisher.next('pubrec')
      publisher.acknowledge('pubrel', 8)
      await publisher.next('pubcomp')
    }
    assert.deepEqual(await heard(), ['0', '1', '2'])
  },
)

statement(['5.0 [MQTT-4.3.3-13]'], 'the exchange of a QoS 2 message goes on to its end though the message has expired', async (bench) => {
  const { topic, name, subscriber, deliver } = await delivery(bench, 2)
  await deliver('fills nothing')
  await subscriber.leave() // the message will expire while it waits for somebody who is away
  const publisher = await bench.moor(bench.name('publisher'))
  const properties = { messageExpiryInterval: 5 }
  publisher.sendPublish(topic, 'expires', { qos: 2, messageId: 2, properties })
  await publisher.next('pubrec')
  clock.advance(20)
  const back = await silent(bench, name)
  assert.deepEqual((await back.leftovers()).map(textOf), ['fills nothing'])
  publisher.sendPublish(topic, 'expires', { qos: 2, messageId: 2, dup: true, properties })
  assert.equal((await publisher.next('pubrec')).reasonCode, 0)
  publisher.acknowledge('pubrel', 2)
  const complete = await publisher.next('pubcomp')
  assert.deepEqual([complete.messageId, complete.reasonCode], [2, 0])
  assert.deepEqual((await back.leftovers()).map(textOf), ['fills nothing'], 'and nobody got it')
})
