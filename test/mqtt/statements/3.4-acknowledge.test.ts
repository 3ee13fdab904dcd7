// PUBACK, PUBREC, PUBREL and PUBCOMP: their reason codes, their size, the reserved bits. MQTT 5 and 3.1.1 sections 3.4 to 3.7.
import assert from 'node:assert/strict'
import type { IPublishPacket, Packet } from 'mqtt-packet'
import { HandClock } from '../../kit/clock.ts'
import { heardBy, hubOfFile, type TestClient } from '../../kit/mqtt.ts'
import { lasting } from '../../kit/packets.ts'
import { type Bench, statementsOf } from '../../kit/statements.ts'
import { endedBy } from './packets.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)
const statement = statementsOf(hub, clock)

/** Tables 3-4 and 3-5. */
const receiptCodes = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]
/** Tables 3-6 and 3-7. */
const releaseCodes = [0x00, 0x92]
const foreignReceiptCodes = [0x01, 0x11, 0x81, 0x92, 0xff]
const foreignReleaseCodes = [0x01, 0x10, 0x80, 0x91, 0xff]

/** The bytes of a packet whose remaining length fits one byte or two. */
const sizeOf = ({ length = 0 }: Packet) => length + (length < 128 ? 2 : 3)

/** Connects with the smallest Maximum Packet Size that leaves room for CONNACK: nothing may be longer. */
async function tight(bench: Bench): Promise<{ client: TestClient; maximumPacketSize: number }> {
  const { connack } = await bench.moor(bench.name('roomy'))
  const maximumPacketSize = sizeOf(connack)
  return { client: await bench.moor(bench.name('tight'), { properties: { maximumPacketSize } }), maximumPacketSize }
}

/** One PUBLISH of each kind that the hub takes or refuses: with and without a subscriber, a foreign topic, a bad device id, false text. */
function publishesOf(bench: Bench, subscribed: string): [topic: string, more: Partial<IPublishPacket>][] {
  return [
    [subscribed, {}],
    [bench.name('3.4/nobody'), {}],
    [bench.name('3.4/retained'), { retain: true }],
    ['$SYS/foreign', {}],
    ['devices/not an id/telemetry', {}],
    [bench.name('3.4/text'), { payload: Buffer.from('c328', 'hex'), properties: { payloadFormatIndicator: true } }],
  ]
}

// ── reason codes ──

async function assertReceiptCodes(bench: Bench, type: 'puback' | 'pubrec', qos: 1 | 2): Promise<void> {
  const topic = bench.name('3.4/codes')
  const client = await bench.moor(bench.name('client'))
  await client.subscribe(topic, { qos: 0 })
  const codes = []
  for (const [at, [name, more]] of publishesOf(bench, topic).entries()) {
    client.sendPublish(name, 'x', { qos, messageId: at + 1, ...more })
    const { messageId, reasonCode } = await client.next(type)
    assert.equal(messageId, at + 1)
    codes.push(reasonCode ?? 0)
  }
  for (const code of codes) assert.ok(receiptCodes.includes(code), `0x${code.toString(16)} is in the table`)
  assert.deepEqual(
    codes.map((code) => code >= 0x80),
    [false, false, false, true, true, true],
  )
}

/** A delivery that the client answers with each code: one of the table is taken, another ends the connection. */
async function assertTakesCodes(bench: Bench, type: 'puback' | 'pubrec', qos: 1 | 2): Promise<void> {
  const topic = bench.name('3.4/answers')
  const publisher = await bench.moor(bench.name('publisher'))
  const answering = async () => {
    const client = await bench.moor(bench.name('client'))
    client.answers = false
    await client.subscribe(topic, { qos })
    return client
  }
  const delivered = async (client: TestClient) => {
    await publisher.publish(topic, 'x', { qos })
    return (await client.next('publish')).messageId ?? 0
  }
  const legal = await answering()
  for (const code of receiptCodes) legal.acknowledge(type, await delivered(legal), code)
  await legal.ping()
  await legal.leave()
  for (const code of foreignReceiptCodes) {
    const client = await answering()
    client.acknowledge(type, await delivered(client), code)
    await endedBy(client, [0x81, 0x82], `code 0x${code.toString(16)}`)
  }
}

statement(['5.0 [MQTT-3.4.2-1]'], 'a PUBACK of the hub has a reason code of the table, above 0x7F when it refuses', (bench) =>
  assertReceiptCodes(bench, 'puback', 1),
)

statement(['5.0 [MQTT-3.4.2-1]'], 'a PUBACK of a client is taken with any code of the table; another ends the connection', (bench) =>
  assertTakesCodes(bench, 'puback', 1),
)

statement(['5.0 [MQTT-3.5.2-1]'], 'a PUBREC of the hub has a reason code of the table, above 0x7F when it refuses', (bench) =>
  assertReceiptCodes(bench, 'pubrec', 2),
)

statement(['5.0 [MQTT-3.5.2-1]'], 'a PUBREC of a client is taken with any code of the table; another ends the connection', (bench) =>
  assertTakesCodes(bench, 'pubrec', 2),
)

statement(
  ['5.0 [MQTT-3.6.2-1]'],
  'a PUBREL of the hub has a reason code of the table: 0 for a delivery, 0x92 for an identifier that it does not know',
  async (bench) => {
    const topic = bench.name('3.6/codes')
    const client = await bench.moor(bench.name('client'))
    client.answers = false
    await client.subscribe(topic, { qos: 2 })
    await client.publish(topic, 'x', { qos: 2 })
    const { messageId } = await client.next('publish')
    client.acknowledge('pubrec', messageId ?? 0)
    const known = await client.next('pubrel')
    client.acknowledge('pubrec', 999)
    const unknown = await client.next('pubrel')
    assert.deepEqual(
      [known, unknown].map(({ messageId, reasonCode }) => [messageId, reasonCode]),
      [
        [messageId, 0],
        [999, 0x92],
      ],
    )
  },
)

statement(
  ['5.0 [MQTT-3.6.2-1]'],
  'a PUBREL of a client is taken with a code of the table; any other ends the connection',
  async (bench) => {
    const legal = await bench.moor(bench.name('client'))
    for (const code of releaseCodes) {
      legal.sendPublish(bench.name('3.6/released'), 'x', { qos: 2, messageId: 1 })
      await legal.next('pubrec')
      legal.acknowledge('pubrel', 1, code)
      assert.equal((await legal.next('pubcomp')).messageId, 1)
    }
    for (const code of foreignReleaseCodes) {
      const client = await bench.moor(bench.name('client'))
      client.acknowledge('pubrel', 1, code)
      await endedBy(client, [0x81, 0x82], `code 0x${code.toString(16)}`)
    }
  },
)

statement(
  ['5.0 [MQTT-3.7.2-1]'],
  'a PUBCOMP of the hub has a reason code of the table: 0 for a PUBLISH, 0x92 for an identifier that it does not know',
  async (bench) => {
    const client = await bench.moor(bench.name('client'))
    client.sendPublish(bench.name('3.7/codes'), 'x', { qos: 2, messageId: 5 })
    await client.next('pubrec')
    const codes = []
    for (const packetId of [5, 5, 6]) {
      client.acknowledge('pubrel', packetId)
      const { messageId, reasonCode } = await client.next('pubcomp')
      codes.push([messageId, reasonCode])
    }
    assert.deepEqual(codes, [
      [5, 0],
      [5, 0x92],
      [6, 0x92],
    ])
  },
)

statement(
  ['5.0 [MQTT-3.7.2-1]'],
  'a PUBCOMP of a client is taken with a code of the table; any other ends the connection',
  async (bench) => {
    const legal = await bench.moor(bench.name('client'))
    for (const code of releaseCodes) legal.acknowledge('pubcomp', 1, code)
    await legal.ping()
    for (const code of foreignReleaseCodes) {
      const client = await bench.moor(bench.name('client'))
      client.acknowledge('pubcomp', 1, code)
      await endedBy(client, [0x81, 0x82], `code 0x${code.toString(16)}`)
    }
  },
)

// ── size ──

/** Answers fit, and have left out what would not: the Reason String that a client with room is given, and any User Property. */
async function assertReceiptsFit(bench: Bench, type: 'puback' | 'pubrec', qos: 1 | 2, property: 'reasonString' | 'userProperties') {
  const { client, maximumPacketSize } = await tight(bench)
  for (const [at, [name, more]] of publishesOf(bench, bench.name('3.4/small')).entries()) {
    client.sendPublish(name, 'x', { qos, messageId: at + 1, ...more })
    const packet = await client.next(type)
    assert.equal(packet.messageId, at + 1)
    assert.equal((packet.reasonCode ?? 0) >= 0x80, at >= 3)
    assert.ok(sizeOf(packet) <= maximumPacketSize, `${sizeOf(packet)} bytes`)
    assert.equal(packet.properties?.[property], undefined)
  }
}

statement(['5.0 [MQTT-3.4.2-2]'], 'a PUBACK leaves out its Reason String rather than be larger than the client takes', async (bench) => {
  const roomy = await bench.moor(bench.name('roomy'))
  roomy.sendPublish('$SYS/foreign', 'x', { qos: 1, messageId: 1 })
  assert.notEqual((await roomy.next('puback')).properties?.reasonString, undefined, 'there is one to leave out')
  await assertReceiptsFit(bench, 'puback', 1, 'reasonString')
})

statement(['5.0 [MQTT-3.4.2-3]'], 'no User Property makes a PUBACK larger than the client takes', (bench) =>
  assertReceiptsFit(bench, 'puback', 1, 'userProperties'),
)

statement(['5.0 [MQTT-3.5.2-2]'], 'a PUBREC leaves out its Reason String rather than be larger than the client takes', async (bench) => {
  const roomy = await bench.moor(bench.name('roomy'))
  roomy.sendPublish('$SYS/foreign', 'x', { qos: 2, messageId: 1 })
  assert.notEqual((await roomy.next('pubrec')).properties?.reasonString, undefined, 'there is one to leave out')
  await assertReceiptsFit(bench, 'pubrec', 2, 'reasonString')
})

statement(['5.0 [MQTT-3.5.2-3]'], 'no User Property makes a PUBREC larger than the client takes', (bench) =>
  assertReceiptsFit(bench, 'pubrec', 2, 'userProperties'),
)

/** The answer to an identifier that the hub does not know: the one PUBREL or PUBCOMP with something to explain. */
async function assertReleasesFit(
  bench: Bench,
  asks: 'pubrec' | 'pubrel',
  type: 'pubrel' | 'pubcomp',
  property: 'reasonString' | 'userProperties',
) {
  const { client, maximumPacketSize } = await tight(bench)
  client.answers = false
  client.acknowledge(asks, 4711)
  const packet = await client.next(type)
  assert.deepEqual([packet.messageId, packet.reasonCode], [4711, 0x92])
  assert.ok(sizeOf(packet) <= maximumPacketSize, `${sizeOf(packet)} bytes`)
  assert.equal(packet.properties?.[property], undefined)
}

statement(['5.0 [MQTT-3.6.2-2]'], 'no Reason String makes a PUBREL larger than the client takes', (bench) =>
  assertReleasesFit(bench, 'pubrec', 'pubrel', 'reasonString'),
)

statement(['5.0 [MQTT-3.6.2-3]'], 'no User Property makes a PUBREL larger than the client takes', (bench) =>
  assertReleasesFit(bench, 'pubrec', 'pubrel', 'userProperties'),
)

statement(['5.0 [MQTT-3.7.2-2]'], 'no Reason String makes a PUBCOMP larger than the client takes', (bench) =>
  assertReleasesFit(bench, 'pubrel', 'pubcomp', 'reasonString'),
)

statement(['5.0 [MQTT-3.7.2-3]'], 'no User Property makes a PUBCOMP larger than the client takes', (bench) =>
  assertReleasesFit(bench, 'pubrel', 'pubcomp', 'userProperties'),
)

// ── the reserved bits of PUBREL ──

statement(
  ['3.1.1 [MQTT-3.6.1-1]', '5.0 [MQTT-3.6.1-1]'],
  'a PUBREL with other reserved bits than 0010 ends the connection, in MQTT 5 as malformed',
  async (bench) => {
    for (let flags = 0; flags < 16; flags++) {
      if (flags === 0b0010) continue
      const client = await bench.moor(bench.name('client'))
      client.sendPublish(bench.name('3.6/bits'), 'x', { qos: 2, messageId: 1 })
      await client.next('pubrec')
      client.sendBytes(Buffer.from([0x60 | flags, 2, 0, 1]))
      await endedBy(client, [0x81], `bits ${flags.toString(2)}`)
      assert.deepEqual(
        client.unread.filter(({ cmd }) => cmd === 'pubcomp'),
        [],
      )
    }
  },
)

statement(
  ['3.1.1 [MQTT-3.6.1-1]', '5.0 [MQTT-3.6.1-1]'],
  'a PUBREL of the hub has the bits 0010, also when it is sent again',
  async (bench) => {
    const [topic, name] = [bench.name('3.6/own-bits'), bench.name('client')]
    const client = await bench.moor(name, lasting(bench.version))
    client.answers = false
    await client.subscribe(topic, { qos: 2 })
    await client.publish(topic, 'x', { qos: 2 })
    const { messageId = 0 } = await client.next('publish')
    const expected = `6202${messageId.toString(16).padStart(4, '0')}`
    const heard = heardBy(client)
    client.acknowledge('pubrec', messageId)
    await client.next('pubrel')
    assert.equal(heard(), expected)
    await client.leave()
    const back = await bench.dial()
    const heardAgain = heardBy(back)
    await back.connect(name, lasting(bench.version))
    await back.next('pubrel')
    assert.ok(heardAgain().endsWith(expected), heardAgain())
  },
)
