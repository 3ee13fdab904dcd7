// The protocols of QoS 0, 1 and 2. MQTT 5 and 3.1.1 section 4.3; sending again, receipt and order are in a file of their own.
//
// They have a sender and a receiver, and the hub is each of them: sender to subscribers, receiver of publishers. In
// 3.1.1 one tag stands for all that a sender or a receiver does; it is named by every test of a part of it.
import assert from 'node:assert/strict'
import type { IConnectPacket, IPublishPacket, Packet } from 'mqtt-packet'
import { HandClock } from '../../kit/clock.ts'
import { hubOfFile, type TestClient } from '../../kit/mqtt.ts'
import { type Bench, statementsOf } from '../../kit/statements.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)
const statement = statementsOf(hub, clock)

/** What a client says whose session outlives its connection. */
function lasting(version: 4 | 5, properties: IConnectPacket['properties'] = {}): Partial<IConnectPacket> {
  return version === 5 ? { clean: false, properties: { sessionExpiryInterval: 86_400, ...properties } } : { clean: false }
}

/** Connects to a session that is kept, and acknowledges nothing by itself. */
async function silent(bench: Bench, name: string, properties: IConnectPacket['properties'] = {}): Promise<TestClient> {
  const client = await bench.dial()
  client.answers = false
  await client.connect(name, lasting(bench.version, properties))
  return client
}

/** A subscriber that acknowledges nothing by itself, a publisher to it, and what the subscriber gets. */
async function delivery(bench: Bench, qos: 0 | 1 | 2) {
  const [topic, name] = [bench.name('4.3/delivery'), bench.name('subscriber')]
  const subscriber = await silent(bench, name)
  await subscriber.subscribe(topic, { qos })
  const publisher = await bench.moor(bench.name('publisher'))
  /** Publishes, and waits until the subscriber has each message. */
  const deliver = async (...payloads: string[]) => {
    for (const payload of payloads) await publisher.publish(topic, payload, { qos })
    return subscriber.messages(payloads.length)
  }
  return { topic, name, subscriber, publisher, deliver }
}

/** A subscriber that takes everything, and a publisher that acknowledges nothing by itself. */
async function receipt(bench: Bench, more: Partial<IConnectPacket> = {}) {
  const [topic, name] = [bench.name('4.3/receipt'), bench.name('publisher')]
  const subscriber = await bench.moor(bench.name('subscriber'))
  await subscriber.subscribe(topic, { qos: 2 })
  const publisher = await bench.moor(name, more)
  publisher.answers = false
  const heard = async () => (await subscriber.leftovers()).map(({ payload }) => `${payload}`)
  return { topic, name, subscriber, publisher, heard }
}

function publish(client: TestClient, topic: string, messageId: number, payload: string, more: Partial<IPublishPacket> = {}): void {
  client.sendPacket({ cmd: 'publish', topic, payload, qos: 1, retain: false, dup: false, messageId, ...more } as IPublishPacket)
}

type Acknowledgement = 'puback' | 'pubrec' | 'pubrel' | 'pubcomp'

function acknowledge(client: TestClient, cmd: Acknowledgement, messageId: number | undefined, reasonCode = 0): void {
  client.sendPacket({ cmd, messageId, ...(reasonCode === 0 ? {} : { reasonCode }) } as Packet)
}

const idOf = ({ messageId }: Packet) => messageId
const textOf = ({ payload }: IPublishPacket) => `${payload}`

/** The identifiers of packets of this kind that came and that nobody asked for, once all that the hub had to say has arrived. */
async function waiting(client: TestClient, cmd: Acknowledgement): Promise<(number | undefined)[]> {
  await client.ping()
  return client.unread.filter((packet) => packet.cmd === cmd).map(idOf)
}

async function next(client: TestClient, cmd: Acknowledgement, count: number): Promise<(number | undefined)[]> {
  const found = []
  for (let at = 0; at < count; at++) found.push((await client.next(cmd)).messageId)
  return found
}

const upTo = (count: number) => Array.from({ length: count }, (_, at) => at + 1)

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
  (bench) => assertUnusedIdentifiers(bench, 1, async (client, id) => acknowledge(client, 'puback', id)),
)

statement(
  ['3.1.1 [MQTT-4.3.2-1]', '5.0 [MQTT-4.3.2-2]'],
  'a message to a subscriber at QoS 1 is first sent with QoS 1, DUP 0 and its packet identifier',
  async (bench) => {
    const { topic, name, subscriber, publisher, deliver } = await delivery(bench, 1)
    const [live] = await deliver('live')
    await subscriber.leave()
    publish(publisher, topic, 77, 'missed', { dup: true })
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
    acknowledge(subscriber, 'puback', second?.messageId)
    acknowledge(subscriber, 'puback', 60_000) // nobody's
    await subscriber.leave()
    const back = await silent(bench, name)
    assert.deepEqual((await back.leftovers()).map(textOf), ['first', 'third'])
    acknowledge(back, 'puback', third?.messageId)
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
    acknowledge(subscriber, cmd, first?.messageId)
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
      publish(publisher, topic, packetId, `${packetId}`)
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
      publish(publisher, topic, 7, `${at}`, { dup })
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
      acknowledge(client, 'pubrec', id)
      await client.next('pubrel')
      acknowledge(client, 'pubcomp', id)
    })
    const { subscriber, deliver } = await delivery(bench, 2)
    const received = await deliver('a', 'b')
    for (const message of received) acknowledge(subscriber, 'pubrec', message.messageId)
    await next(subscriber, 'pubrel', 2)
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
    publish(publisher, topic, 77, 'missed', { qos: 2, dup: true })
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
    acknowledge(subscriber, 'pubrec', second?.messageId)
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
      acknowledge(subscriber, 'pubrec', message?.messageId)
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
    for (const [at, code] of [0x10, 0x80, 0x97, 0x00].entries()) acknowledge(subscriber, 'pubrec', sent[at]?.messageId, code)
    assert.deepEqual(await next(subscriber, 'pubrel', 2), [sent[0]?.messageId, sent[3]?.messageId])
    assert.deepEqual(await waiting(subscriber, 'pubrel'), [])
  },
)

statement(
  ['3.1.1 [MQTT-4.3.3-1]', '5.0 [MQTT-4.3.3-5]'],
  'a PUBREL is unacknowledged until its PUBCOMP: before, it is sent again to who comes back, and after it is not',
  async (bench) => {
    const { name, subscriber, deliver } = await delivery(bench, 2)
    const sent = await deliver('first', 'second')
    for (const message of sent) acknowledge(subscriber, 'pubrec', message.messageId)
    await next(subscriber, 'pubrel', 2)
    await subscriber.leave()
    const back = await silent(bench, name)
    assert.deepEqual(await next(back, 'pubrel', 2), sent.map(idOf))
    acknowledge(back, 'pubcomp', sent[0]?.messageId)
    acknowledge(back, 'pubcomp', 60_000) // nobody's
    await back.leave()
    const again = await silent(bench, name)
    assert.deepEqual(await waiting(again, 'pubrel'), [sent[1]?.messageId])
    acknowledge(again, 'pubcomp', sent[1]?.messageId)
    await again.leave()
    const last = await silent(bench, name)
    assert.deepEqual(await waiting(last, 'pubrel'), [])
  },
)

statement(
  ['3.1.1 [MQTT-4.3.3-1]', '5.0 [MQTT-4.3.3-5]'],
  'a PUBREL that is answered with PUBACK instead of PUBCOMP is sent again to who comes back',
  async (bench) => {
    const { name, subscriber, deliver } = await delivery(bench, 2)
    const [message] = await deliver('x')
    acknowledge(subscriber, 'pubrec', message?.messageId)
    await subscriber.next('pubrel')
    acknowledge(subscriber, 'puback', message?.messageId)
    subscriber.sendPacket({ cmd: 'disconnect' })
    await subscriber.closed
    const back = await silent(bench, name)
    assert.deepEqual(await waiting(back, 'pubrel'), [message?.messageId])
  },
)

statement(
  ['3.1.1 [MQTT-4.3.3-1]', '5.0 [MQTT-4.3.3-6]'],
  'a PUBLISH is not sent again once its PUBREL was, on any later connection',
  async (bench) => {
    const { name, subscriber, deliver } = await delivery(bench, 2)
    const [message] = await deliver('once')
    acknowledge(subscriber, 'pubrec', message?.messageId)
    await subscriber.next('pubrel')
    await subscriber.leave()
    for (let time = 0; time < 3; time++) {
      const back = await silent(bench, name)
      assert.deepEqual(await waiting(back, 'pubrel'), [message?.messageId])
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
    acknowledge(subscriber, 'pubrec', second?.messageId)
    assert.equal((await subscriber.next('pubrel')).reasonCode, 0)
    await subscriber.leave()
    const back = await silent(bench, name)
    assert.deepEqual(await waiting(back, 'pubrel'), [second?.messageId])
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
      publish(publisher, topic, packetId, `${packetId}`, { qos: 2 })
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
    publish(publisher, '$SYS/refused', 9, 'refused', { qos: 2 })
    assert.ok(((await publisher.next('pubrec')).reasonCode ?? 0) >= 0x80)
    for (const dup of [false, true]) {
      publish(publisher, topic, 9, `DUP ${dup}`, { qos: 2, dup })
      assert.equal((await publisher.next('pubrec')).reasonCode, 0)
      acknowledge(publisher, 'pubrel', 9)
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
    publish(publisher, topic, 5, 'once', { qos: 2 })
    publish(publisher, topic, 5, 'once', { qos: 2, dup: true })
    publish(publisher, topic, 5, 'once', { qos: 2 })
    assert.deepEqual(await next(publisher, 'pubrec', 3), [5, 5, 5])
    await publisher.leave()
    const back = await silent(bench, name)
    publish(back, topic, 5, 'once', { qos: 2, dup: true })
    assert.deepEqual(await next(back, 'pubrec', 1), [5])
    publish(back, topic, 6, 'another', { qos: 2 })
    await back.next('pubrec')
    assert.deepEqual(await heard(), ['once', 'another'])
  },
)

statement(
  ['3.1.1 [MQTT-4.3.3-2]', '5.0 [MQTT-4.3.3-11]'],
  'a PUBREL is answered with PUBCOMP and the same packet identifier, one that comes again and one for nothing as well',
  async (bench) => {
    const { topic, name, publisher } = await receipt(bench, lasting(bench.version))
    for (const packetId of [3, 4]) publish(publisher, topic, packetId, 'x', { qos: 2 })
    await next(publisher, 'pubrec', 2)
    acknowledge(publisher, 'pubrel', 4)
    assert.deepEqual(await next(publisher, 'pubcomp', 1), [4])
    await publisher.leave()
    const back = await silent(bench, name)
    for (const packetId of [3, 3, 4, 65_535]) {
      acknowledge(back, 'pubrel', packetId)
      assert.deepEqual(await next(back, 'pubcomp', 1), [packetId])
    }
  },
)

statement(
  ['3.1.1 [MQTT-4.3.3-2]', '5.0 [MQTT-4.3.3-12]'],
  'after PUBCOMP a PUBLISH with the same packet identifier is a new message, whatever its DUP says',
  async (bench) => {
    const { topic, publisher, heard } = await receipt(bench)
    for (const [at, dup] of [false, true, false].entries()) {
      publish(publisher, topic, 8, `${at}`, { qos: 2, dup })
      await publisher.next('pubrec')
      acknowledge(publisher, 'pubrel', 8)
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
  publish(publisher, topic, 2, 'expires', { qos: 2, properties })
  await publisher.next('pubrec')
  clock.advance(20)
  const back = await silent(bench, name)
  assert.deepEqual((await back.leftovers()).map(textOf), ['fills nothing'])
  publish(publisher, topic, 2, 'expires', { qos: 2, dup: true, properties })
  assert.equal((await publisher.next('pubrec')).reasonCode, 0)
  acknowledge(publisher, 'pubrel', 2)
  const complete = await publisher.next('pubcomp')
  assert.deepEqual([complete.messageId, complete.reasonCode], [2, 0])
  assert.deepEqual((await back.leftovers()).map(textOf), ['fills nothing'], 'and nobody got it')
})
