// Session state, transports, flow control and errors: chapters 4.1, 4.2, 4.9 and 4.13 of MQTT 5; 4.1, 4.8 and 7 of MQTT 3.1.1.
import assert from 'node:assert/strict'
import type { IConnectPacket, Packet } from 'mqtt-packet'
import { limits } from '../../../hub/limits.ts'
import { HandClock } from '../../kit/clock.ts'
import { hubOfFile, mourner, type TestClient } from '../../kit/mqtt.ts'
import { counted } from '../../kit/numbers.ts'
import { lasting, willOf } from '../../kit/packets.ts'
import { randomFrom } from '../../kit/random.ts'
import { type Bench, bindsClients, statementsOf, untestable } from '../../kit/statements.ts'
import { endedBy } from './packets.ts'
import { silent } from './sessions.ts'

const clock = new HandClock()
const statement = statementsOf(await hubOfFile(clock), clock)

// ── 4.1 ──

/** A session with everything in it that a session has; its client has not acknowledged a thing. */
async function wholeSession({ t, hub, moor, name, version }: Bench, options: Partial<IConnectPacket>) {
  const id = name('session')
  const topic = name('t')
  const { will, gone } = await mourner(t, hub, id)
  const client = await moor(id, { ...options, will })
  client.answers = false
  const publisher = await moor(name('publisher'))
  await client.subscribe(`${topic}/+`, { qos: 2 })
  for (const [text, qos] of [
    ['released', 2],
    ['sent at 1', 1],
    ['sent at 2', 2],
  ] as const)
    await publisher.publish(`${topic}/x`, text, { qos })
  const [released, ...unacknowledged] = await client.messages(3)
  client.acknowledge('pubrec', released?.messageId)
  await client.next('pubrel')
  const watcher = await moor(name('watcher'))
  await watcher.subscribe(`once/${topic}`, { qos: 2 })
  client.sendPublish(`once/${topic}`, 'once', { qos: 2, messageId: 77 })
  await client.next('pubrec')
  assert.deepEqual(await watcher.texts(1), ['once'])

  /** The same client, perhaps on another connection: its subscriptions are there, and what it had sent is known. */
  const isWhole = async (now: TestClient) => {
    now.sendPublish(`once/${topic}`, 'once', { qos: 2, messageId: 77, dup: now !== client })
    await now.next('pubrec')
    now.acknowledge('pubrel', 77)
    await now.next('pubcomp')
    assert.deepEqual(await watcher.leftovers(), [], 'the message at QoS 2 is handed on once')
    await publisher.publish(`${topic}/y`, 'new', { qos: 1 })
    assert.deepEqual(await now.texts(1), ['new'], `the subscription is there (level ${version})`)
  }
  return { id, topic, client, publisher, watcher, gone, released: released!, unacknowledged, isWhole }
}

statement(['3.1.1 [MQTT-4.1.0-1]'], 'the hub keeps the whole state of a session while its client is away', async (bench) => {
  const { id, topic, client, publisher, gone, released, unacknowledged, isWhole } = await wholeSession(bench, lasting(4))
  client.pullCable()
  await gone()
  await publisher.publish(`${topic}/x`, 'waiting', { qos: 2 })
  clock.advance(3600)
  const back = await silent(bench, id)
  assert.equal(back.connack.sessionPresent, true)
  assert.equal((await back.next('pubrel')).messageId, released.messageId)
  const messages = await back.messages(3)
  assert.deepEqual(
    messages.map(({ payload, dup }) => [payload.toString(), dup]),
    [
      ['sent at 1', true],
      ['sent at 2', true],
      ['waiting', false],
    ],
  )
  assert.deepEqual(
    messages.slice(0, 2).map(({ messageId }) => messageId),
    unacknowledged.map(({ messageId }) => messageId),
  )
  await isWhole(back)
})

statement(
  ['3.1.1 [MQTT-4.1.0-2]', '5.0 [MQTT-4.1.0-1]'],
  'while the connection is open nothing of the session is discarded, however short it is to be kept afterwards',
  async (bench) => {
    for (const seconds of [0, 1]) {
      const clean = { clean: true, ...(bench.version === 5 ? { properties: { sessionExpiryInterval: seconds } } : {}) }
      const { client, released, unacknowledged, isWhole } = await wholeSession(bench, clean)
      clock.advance(2 * 3600)
      await isWhole(client)
      client.acknowledge('pubrec', released.messageId)
      assert.equal((await client.next('pubrel')).reasonCode ?? 0, 0, 'it is known')
      client.acknowledge('pubrec', unacknowledged[1]?.messageId)
      assert.equal((await client.next('pubrel')).reasonCode ?? 0, 0)
    }
    const { id, client, isWhole } = await wholeSession(bench, lasting(bench.version, {}, 5))
    await client.leave()
    const back = await bench.moor(id, lasting(bench.version, {}, 5))
    await back.messages(2) // what it had not acknowledged
    clock.advance(60)
    await isWhole(back)
    await back.leave()
    assert.equal(
      (await bench.moor(id, lasting(bench.version, {}, 5))).connack.sessionPresent,
      true,
      'a session that was resumed lasts as well',
    )
  },
)

statement(
  ['5.0 [MQTT-4.1.0-2]'],
  'once the connection is closed and the expiry interval has passed nothing of the session is left',
  async (bench) => {
    for (const seconds of [0, 5]) {
      const options = lasting(5, {}, seconds)
      const { id, topic, client, publisher, watcher, gone } = await wholeSession(bench, options)
      client.pullCable()
      await gone()
      await publisher.publish(`${topic}/x`, 'missed', { qos: 1 })
      if (seconds > 0) clock.advance(seconds + 2)
      const back = await bench.moor(id, options)
      assert.equal(back.connack.sessionPresent, false)
      await publisher.publish(`${topic}/x`, 'later', { qos: 1 })
      await back.settle()
      assert.deepEqual(back.unread, [], 'no subscription, no message, no PUBREL')
      await back.publish(`once/${topic}`, 'again', { qos: 2, messageId: 77 })
      assert.deepEqual(await watcher.texts(1), ['again'], 'its packet identifiers are free')
    }
    const id = bench.name('in-time')
    await (await bench.moor(id, lasting(5, {}, 5))).leave()
    clock.advance(3)
    assert.equal((await bench.moor(id, lasting(5, {}, 5))).connack.sessionPresent, true, 'before that it is there')
  },
)

// ── 4.2, and 7 of 3.1.1 ──

statement(
  ['3.1.1 [MQTT-7.1.1-1]', '5.0 [MQTT-4.2-1]'],
  'bytes arrive whole and in order both ways, however the stream is cut',
  async ({ moor, name, version }) => {
    const client = await moor(name('stream'))
    const topic = name('t')
    await client.subscribe(topic, { qos: 0 })
    const random = randomFrom(41)
    const payloads = Array.from({ length: 300 }, (_, at) => `${at}:`.padEnd(random(at % 10 === 0 ? 20_000 : 300), 'x'))
    const stream = Buffer.concat(
      payloads.map((payload) => {
        const end = version === 5 ? Buffer.of(0) : Buffer.of()
        const body = Buffer.concat([Buffer.of(0, topic.length), Buffer.from(topic), end, Buffer.from(payload)])
        const length: number[] = []
        let rest = body.length
        for (; rest > 127; rest >>= 7) length.push((rest & 127) | 128)
        return Buffer.concat([Buffer.of(0x30, ...length, rest), body])
      }),
    )
    for (let at = 0; at < stream.length; ) {
      const next = at + 1 + random(random(4) === 0 ? 5000 : 3)
      await new Promise((written) => client.socket.write(stream.subarray(at, next), written))
      at = next
    }
    assert.deepEqual(await client.texts(payloads.length), payloads)
  },
)

statement(
  ['3.1.1 [MQTT-7.0.0-2]'],
  'a client that knows nothing but the specification gets along with the hub, byte for byte',
  async ({ dial }) => {
    const client = await dial()
    const said: [string, Packet['cmd']][] = [
      ['100d 0004 4d515454 04 02 003c 0001 7a', 'connack'], // CONNECT "z", clean session, keep-alive of a minute
      ['8206 0001 0001 7a 02', 'suback'],
      ['3004 0001 7a 30', 'publish'],
      ['3206 0001 7a 0002 31', 'puback'],
      ['3406 0001 7a 0003 32', 'pubrec'],
      ['6202 0003', 'pubcomp'],
      ['c000', 'pingresp'],
      ['a205 0004 0001 7a', 'unsuback'],
    ]
    for (const [bytes, answer] of said) {
      client.sendBytes(bytes)
      const packet = await client.next(answer)
      if (packet.cmd === 'publish') assert.equal(packet.payload.toString(), '0')
    }
    assert.deepEqual(await client.texts(2), ['1', '2'])
    client.sendBytes('e000')
    await client.closed
  },
)

untestable(['3.1.1 [MQTT-7.0.0-1]'], 'It is about servers that open connections to other servers; the hub opens none.')

bindsClients(['3.1.1 [MQTT-7.1.2-1]'], 'It says which transports a client must have.')

// ── 4.8 of 3.1.1, 4.13 of 5 ──

/** Bytes that no client may send, and the reason codes that MQTT 5 has for them. */
const violations: readonly [what: string, level4: string | undefined, level5: string, codes: readonly number[]][] = [
  ['packet type 0', '0000', '0000', [0x81]],
  ['a second CONNECT', '100d 0004 4d515454 04 02 0000 0001 7a', '100e 0004 4d515454 05 02 0000 00 0001 7a', [0x82]],
  ['CONNACK', '2002 0000', '2003 0000 00', [0x82]],
  ['SUBACK', '9003 0001 00', '9004 0001 00 00', [0x82]],
  ['UNSUBACK', 'b002 0001', 'b004 0001 00 00', [0x82]],
  ['PINGRESP', 'd000', 'd000', [0x82]],
  ['AUTH without an authentication', 'f000', 'f000', [0x82]],
  ['a length of five bytes', '30 ffffffff01', '30 ffffffff01', [0x81]],
  ['a PUBLISH with QoS 3', '3606 0001 61 0001 78', '3607 0001 61 0001 00 78', [0x81]],
  ['a PUBLISH at QoS 1 without packet identifier', '3205 0001 61 0000', '3206 0001 61 0000 00', [0x81, 0x82]],
  ['a PUBLISH with a wildcard', '3003 0001 2b', '3004 0001 2b 00', [0x82, 0x90]],
  ['a PUBLISH that is no UTF-8', '3003 0001 ff', '3004 0001 ff 00', [0x81]],
  ['a PUBLISH whose topic is longer than it', '3003 0009 61', '3003 0009 61', [0x81]],
  ['a PUBREL with other flags', '6002 0001', '6002 0001', [0x81]],
  ['a PUBACK cut off', '4001 00', '4001 00', [0x81]],
  ['a SUBSCRIBE with packet identifier 0', '8206 0000 0001 61 00', '8207 0000 00 0001 61 00', [0x81, 0x82]],
  ['a SUBSCRIBE without filters', '8202 0001', '8203 0001 00', [0x82]],
  ['an UNSUBSCRIBE without filters', 'a202 0001', 'a203 0001 00', [0x82]],
  ['a PINGREQ with a payload', 'c001 00', 'c001 00', [0x81]],
  ['a property that does not exist', undefined, '3006 0001 61 02 7f00', [0x81]],
  ['a property of another packet', undefined, '3009 0001 61 05 1100000001', [0x81, 0x82]],
  ['a property twice', undefined, '3008 0001 61 04 01000101', [0x82]],
  ['a flag property that is neither 0 nor 1', undefined, '3006 0001 61 02 0102', [0x82]],
  ['properties longer than the packet', undefined, '3005 0001 61 7f 01', [0x81]],
  ['topic alias 0', undefined, '3007 0001 61 03 230000', [0x82, 0x94]],
  ['a Subscription Identifier from a client', undefined, '3006 0001 61 02 0b01', [0x82]],
  ['Subscription Identifier 0', undefined, '8209 0001 02 0b00 0001 61 00', [0x82]],
]

statement(
  ['3.1.1 [MQTT-4.8.0-1]'],
  'a protocol violation closes the connection on which it came, and that one only',
  async ({ moor, name }) => {
    const bystander = await moor(name('bystander'))
    for (const [what, bytes] of violations) {
      if (bytes === undefined) continue
      const client = await moor(name('violates'))
      client.sendBytes(bytes)
      await client.closed
      assert.deepEqual(client.unread, [], what)
    }
    await bystander.ping()
  },
)

statement(
  ['5.0 [MQTT-4.13.1-1]'],
  'a malformed packet or a protocol error closes the connection, with the reason code of the specification, and no other connection',
  async ({ moor, name }) => {
    const bystander = await moor(name('bystander'))
    for (const [what, , bytes, codes] of violations) {
      const client = await moor(name('violates'))
      client.sendBytes(bytes)
      await endedBy(client, codes, what)
      assert.equal(client.unread.length, 1, what)
    }
    await bystander.ping()
  },
)

statement(
  ['5.0 [MQTT-4.13.2-1]'],
  'a CONNACK or DISCONNECT of 0x80 or more is followed by the closing of the connection, and so is one that could not be said',
  async ({ moor, dial, name }) => {
    const refusedBy: Partial<IConnectPacket>[] = [
      { properties: { authenticationMethod: 'none such' } },
      { will: willOf('#', 'x') },
      { properties: { receiveMaximum: 0 } },
    ]
    for (const options of refusedBy) {
      const client = await dial()
      const connack = await client.connect(name('refused'), options)
      assert.ok((connack.reasonCode ?? 0) >= 0x80)
      await client.closed
    }
    const deaf = await dial()
    deaf.sendBytes('1014 0004 4d515454 05 02 0000 05 2700000004 0002 7a7a') // takes no packet of more than four bytes
    await deaf.closed
    assert.deepEqual(deaf.unread, [], 'there was no room for a CONNACK')

    const id = name('twice')
    const first = await moor(id)
    await moor(id)
    assert.equal((await first.goodbye())?.code, 0x8e)
    const mute = await moor(name('mute'), { keepalive: 2 })
    clock.advance(5)
    assert.equal((await mute.goodbye())?.code, 0x8d)
    const failing = await moor(name('failing'))
    failing.sendBytes('e001 80') // the client says that it is in trouble
    await failing.closed
  },
)

let invented = 0
statement(
  ['3.1.1 [MQTT-4.8.0-2]'],
  'a fault that may pass, met while a packet is handled, closes the connection on which it came; sent again later it is taken',
  async ({ moor, name }) => {
    clock.advance(61) // what came before is of an earlier minute, so the limit of devices is whole
    const inventor = await moor(name('inventor'))
    for (let lot = 0; lot < limits.devicesCreatedPerMinute; lot += 1000) {
      const packets = Array.from({ length: 1000 }, () => {
        const topic = `devices/d${++invented}/events/boot`
        return Buffer.concat([Buffer.of(0x30, 2 + topic.length, 0, topic.length), Buffer.from(topic)])
      })
      inventor.sendBytes(Buffer.concat(packets))
      await inventor.ping()
    }
    const bystander = await moor(name('bystander'))
    for (const qos of [1, 2] as const) {
      const client = await moor(name('too-early'))
      client.sendPublish(`devices/${name('new')}/events/boot`, 'x', { qos, messageId: 1 })
      await client.closed
      assert.deepEqual(client.unread, [], 'it is not acknowledged, so the message stays with its client')
    }
    await bystander.publish('devices/d1/events/boot', 'x', { qos: 1 })
    clock.advance(61)
    await bystander.publish(`devices/${name('new')}/events/boot`, 'x', { qos: 1 })
  },
)

// ── 4.9 ──

/** A client that takes `receiveMaximum` at a time and has acknowledged nothing, and `owed` messages for it. */
async function stalled({ moor, name }: Bench, receiveMaximum: number | undefined, owed: number, qos: 1 | 2 = 1) {
  const topic = name('t')
  const client = await moor(name('stalled'), receiveMaximum === undefined ? {} : { properties: { receiveMaximum } })
  client.answers = false
  await client.subscribe(`${topic}/#`, { qos })
  const publisher = await moor(name('publisher'))
  await Promise.all(counted(0, owed).map((text) => publisher.publish(`${topic}/x`, text, { qos })))
  return { topic, client, publisher, sent: await client.taken() }
}

statement(
  ['5.0 [MQTT-4.9.0-1]'],
  'the hub begins with a send quota of at least one and no more than the client’s Receive Maximum',
  async (bench) => {
    for (const receiveMaximum of [1, 2, 40, 65_535, undefined]) {
      for (const qos of [1, 2] as const) {
        const { sent } = await stalled(bench, receiveMaximum, 45, qos)
        assert.ok(sent.length > 0 && sent.length <= (receiveMaximum ?? 65_535), `${sent.length} of ${receiveMaximum}`)
      }
    }
  },
)

statement(
  ['5.0 [MQTT-4.9.0-2]'],
  'each PUBLISH at QoS 1 or 2 takes one from the quota and its acknowledgement gives it back; at zero none is sent',
  async (bench) => {
    const one = await stalled(bench, 2, 6, 1)
    assert.equal(one.sent.length, 2)
    one.client.acknowledge('puback', one.sent[1]?.messageId)
    assert.deepEqual(await one.client.texts(1), ['2'])
    one.client.acknowledge('puback', one.sent[0]?.messageId, 0x83)
    assert.deepEqual(await one.client.texts(1), ['3'], 'a PUBACK with an error gives it back as well')
    one.client.acknowledge('puback', 60_000)
    assert.deepEqual(await one.client.leftovers(), [], 'a PUBACK of nothing does not raise the quota')

    const { client, sent } = await stalled(bench, 2, 6, 2)
    const [first, second] = sent
    client.acknowledge('pubrec', first?.messageId)
    await client.next('pubrel')
    assert.deepEqual(await client.leftovers(), [], 'PUBREC gives nothing back')
    client.acknowledge('pubcomp', first?.messageId)
    assert.deepEqual(await client.texts(1), ['2'])
    client.acknowledge('pubrec', second?.messageId, 0x83)
    assert.deepEqual(await client.texts(1), ['3'], 'a PUBREC with an error does')
    assert.deepEqual(await client.leftovers(), [])
  },
)

statement(
  ['5.0 [MQTT-4.9.0-2]'],
  'the quota is whole again on a new connection, and what was not acknowledged is sent again within it',
  async (bench) => {
    const { moor, name } = bench
    const id = name('again')
    const topic = name('t')
    const client = await silent(bench, id, { properties: { receiveMaximum: 4 } })
    await client.subscribe(topic, { qos: 1 })
    const publisher = await moor(name('publisher'))
    for (const text of counted(0, 7)) await publisher.publish(topic, text, { qos: 1 })
    assert.deepEqual(await client.texts(4), counted(0, 4))
    await client.leave()
    const back = await silent(bench, id, { properties: { receiveMaximum: 2 } })
    for (const text of counted(0, 7)) {
      const waiting = await back.leftovers()
      assert.ok(waiting.length <= 2)
      const { payload, messageId } = await back.next('publish')
      assert.equal(payload.toString(), text)
      back.acknowledge('puback', messageId)
    }
    assert.deepEqual(await back.leftovers(), [])
  },
)

statement(['5.0 [MQTT-4.9.0-3]'], 'at a quota of zero the hub goes on handling and answering every other packet', async (bench) => {
  const { client, sent, topic, publisher } = await stalled(bench, 2, 5, 2)
  assert.equal(sent.length, 2)
  await client.ping()
  assert.deepEqual((await client.subscribe(`${topic}-other`, { qos: 1 })).granted, [1])
  assert.deepEqual((await client.unsubscribe(`${topic}-other`)).granted, [0])
  await publisher.subscribe(`${topic}-own/#`, { qos: 2 })
  for (const qos of [0, 1, 2] as const) {
    await client.publish(`${topic}-own/${qos}`, `own ${qos}`, { qos })
    assert.deepEqual(await publisher.texts(1), [`own ${qos}`])
  }
  for (const { messageId } of sent) {
    client.acknowledge('pubrec', messageId)
    assert.equal((await client.next('pubrel')).messageId, messageId)
  }
  assert.deepEqual(await client.leftovers(), [], 'the quota has been zero all the while')
  await client.leave()
})
