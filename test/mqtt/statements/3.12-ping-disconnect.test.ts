// PINGREQ, PINGRESP and DISCONNECT: chapters 3.12 to 3.14 of MQTT 3.1.1 and 5.
import assert from 'node:assert/strict'
import type { IConnectPacket, ISubscribePacket } from 'mqtt-packet'
import { limits } from '../../../hub/limits.ts'
import { HandClock } from '../../kit/clock.ts'
import { startHub } from '../../kit/hub.ts'
import { hubOfFile, moor as moorAt, type TestClient } from '../../kit/mqtt.ts'
import { upTo } from '../../kit/numbers.ts'
import { lasting, textOf, willOf } from '../../kit/packets.ts'
import { type Bench, statementsOf } from '../../kit/statements.ts'
import { endedBy } from './packets.ts'

const clock = new HandClock()
const statement = statementsOf(await hubOfFile(clock), clock)

const pingreq = 'c000'
/** A packet of a type that does not exist. */
const malformed = '0000'

/** A client with a will, and someone who hears that will and nothing else. */
async function mortal({ moor, name, version }: Bench, options: Partial<IConnectPacket> = {}) {
  const topic = name('will')
  const heir = await moor(name('heir'))
  await heir.subscribe(topic)
  const client = await moor(name('mortal'), { will: willOf(topic, 'died'), ...options })
  assert.equal(version === 5 ? client.connack.reasonCode : client.connack.returnCode, 0)
  return { client, heir }
}

/** Every way to make the hub say DISCONNECT to a client of MQTT 5, by the code it has. */
const endings: Record<number, (client: TestClient, bench: Bench, id: string) => Promise<void> | void> = {
  129: (client) => client.sendBytes(malformed),
  130: (client) => client.sendBytes('30 03 0000 00'), // PUBLISH without topic and alias
  141: () => clock.advance(100), // silence
  142: async (_client, { moor }, id) => {
    await moor(id) // the same client comes again
  },
  144: (client) => client.sendBytes('30 04 0001 23 00'), // PUBLISH to "#"
  147: (client) => {
    for (const messageId of upTo(limits.receiveMaximum + 1)) client.sendPublish('x', '', { qos: 2, messageId })
  },
  148: (client) => client.sendBytes('30 07 0001 61 03 230100'), // PUBLISH to "a" with topic alias 256
  149: (client) => client.sendBytes('30 ffff7f'), // a PUBLISH of 2 MiB
}

/** What the hub says when it ends a connection of MQTT 5, which is its last word; the client answers nothing. */
async function farewell(bench: Bench, code: number, options: Partial<IConnectPacket> = {}) {
  const id = bench.name('ended')
  const client = await bench.moor(id, { keepalive: 60, ...options })
  await endings[code]?.(client, bench, id)
  await client.closed
  const last = client.unread.at(-1)
  assert.ok(last?.cmd === 'disconnect', `the last word is DISCONNECT (${code})`)
  assert.equal(last.reasonCode, code)
  return last
}

// ── 3.12 ──

statement(
  ['3.1.1 [MQTT-3.12.4-1]', '5.0 [MQTT-3.12.4-1]'],
  'every PINGREQ is answered with a PINGRESP, alone, in a row and between other packets',
  async ({ moor, name, version }) => {
    const client = await moor(name('ping'))
    await client.ping()
    client.sendBytes(pingreq.repeat(5))
    for (let at = 0; at < 5; at++) await client.next('pingresp')
    const end = version === 5 ? '00' : ''
    client.sendBytes(`${pingreq} 82${version === 5 ? '07' : '06'} 0001 ${end} 0001 61 00 ${pingreq}`)
    await client.next('pingresp')
    await client.next('suback')
    await client.next('pingresp')
    assert.deepEqual(client.unread, [], 'and with no more than one')
    client.sendBytes('c001 00')
    await endedBy(client, 0x81, 'a PINGREQ has no payload')
  },
)

// ── 3.14.0 ──

statement(['5.0 [MQTT-3.14.0-1]'], 'a client that was not let in is never sent a DISCONNECT', async ({ dial, name }) => {
  const firstWords = {
    'no packet': malformed,
    PINGREQ: pingreq,
    DISCONNECT: 'e000',
    AUTH: 'f000',
    'reserved flag': '100d 0004 4d515454 05 03 003c 00 0000',
    'protocol name': '100d 0004 4d515458 05 02 003c 00 0000',
    'too large': '10 ffff7f',
  }
  for (const [what, bytes] of Object.entries(firstWords)) {
    const client = await dial()
    client.sendBytes(bytes)
    await client.closed
    const answers = client.unread.map((packet) => (packet.cmd === 'connack' ? (packet.reasonCode ?? packet.returnCode) : packet.cmd))
    assert.ok(answers.length === 0 || (answers.length === 1 && Number(answers[0]) > 0), `${what}: ${answers.join()}`)
  }
  const unknownMethod = await dial()
  const connack = await unknownMethod.connect(name('method'), { properties: { authenticationMethod: 'none such' } })
  assert.ok((connack.reasonCode ?? 0) >= 0x80)
  await unknownMethod.closed
  assert.deepEqual(unknownMethod.unread, [])
  const silent = await dial()
  clock.advance(limits.connectSeconds + 2)
  await silent.closed
  assert.deepEqual(silent.unread, [])
})

// ── 3.14.1 ──

statement(
  ['3.1.1 [MQTT-3.14.1-1]', '5.0 [MQTT-3.14.1-1]'],
  'a DISCONNECT with reserved bits set is malformed: the connection ends as for any fault, and the will is published',
  async (bench) => {
    for (const flags of [1, 2, 4, 8, 15]) {
      const { client, heir } = await mortal(bench)
      client.sendBytes(Buffer.from([0xe0 | flags, 0]))
      await endedBy(client, 0x81)
      assert.deepEqual(await heir.texts(1), ['died'])
    }
  },
)

// ── 3.14.2 ──

statement(
  ['5.0 [MQTT-3.14.2-1]'],
  'the hub ends a connection with a reason code that the table of DISCONNECT gives to servers',
  async (bench) => {
    for (const code of Object.keys(endings)) await farewell(bench, Number(code)) // compares the codes, which are of table 3-10
    const hub = await startHub(bench.t)
    const client = await moorAt(bench.t, hub, 'stays', 5, {}, bench.wire)
    await hub.stop()
    assert.equal((await client.goodbye())?.code, 0x8b)
  },
)

statement(
  ['5.0 [MQTT-3.14.2-1]'],
  'a DISCONNECT with a reason code that clients do not have is a protocol error, and any that they have is taken',
  async ({ moor, name }) => {
    const ofClients = [0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99] // table 3-10
    for (const code of [...ofClients, 0x01, 0x05, 0x18, 0x7f, 0x87, 0x8b, 0x8e, 0x9d, 0xa2, 0xff]) {
      const client = await moor(name('code'))
      client.sendBytes(Buffer.from([0xe0, 1, code]))
      const goodbye = await client.goodbye()
      assert.equal(goodbye?.code, ofClients.includes(code) ? undefined : 0x82, `0x${code.toString(16)}`)
    }
  },
)

statement(['5.0 [MQTT-3.14.2-2]'], 'the hub’s DISCONNECT has no Session Expiry Interval', async (bench) => {
  for (const code of Object.keys(endings)) {
    const { properties } = await farewell(bench, Number(code), { properties: { sessionExpiryInterval: 3600 } })
    assert.equal(properties?.sessionExpiryInterval, undefined, code)
  }
})

statement(
  ['5.0 [MQTT-3.14.2-3]'],
  'the hub’s DISCONNECT gives a reason in words only where the client takes a packet so large',
  async (bench) => {
    const sized = async (maximumPacketSize: number) => {
      const { length, properties } = await farewell(bench, 129, { properties: { maximumPacketSize } })
      return { bytes: 2 + (length ?? 0), reason: properties?.reasonString }
    }
    const roomy = await sized(1000)
    assert.match(roomy.reason ?? '', /malformed/)
    assert.ok(roomy.bytes < 128, 'so its header is two bytes')
    assert.equal((await sized(roomy.bytes)).reason, roomy.reason)
    const tight = await sized(roomy.bytes - 1)
    assert.equal(tight.reason, undefined)
    assert.ok(tight.bytes < roomy.bytes)
  },
)

statement(['5.0 [MQTT-3.14.2-4]'], 'the hub’s DISCONNECT has no User Property that could make it too large', async (bench) => {
  for (const maximumPacketSize of [60, 100_000]) {
    const properties = { maximumPacketSize, userProperties: { note: 'x'.repeat(100) } }
    for (const code of Object.keys(endings)) {
      const goodbye = await farewell(bench, Number(code), { properties })
      assert.equal(goodbye.properties?.userProperties, undefined)
      assert.ok(2 + (goodbye.length ?? 0) <= maximumPacketSize)
    }
  }
})

// ── 3.14.4 ──

statement(
  ['3.1.1 [MQTT-3.14.4-2]', '5.0 [MQTT-3.14.4-1]'],
  'what a client sends behind its DISCONNECT, which it may not, is not handled',
  async ({ moor, name, version }) => {
    const topic = name('t')
    const watcher = await moor(name('watcher'))
    await watcher.subscribe(topic)
    const client = await moor(name('talks-on'))
    client.socket.cork() // in one chunk, so that the hub holds it all when it reads DISCONNECT
    client.sendPublish(topic, 'before')
    client.sendBytes('e000')
    client.sendPublish(topic, 'behind')
    client.sendPacket({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 0 }] } as ISubscribePacket)
    client.sendBytes(pingreq)
    client.sendBytes(malformed)
    client.socket.uncork()
    await client.closed
    assert.deepEqual(client.unread, [], `no answer, of level ${version} either`)
    assert.deepEqual(await watcher.texts(1), ['before'])
    assert.deepEqual(await watcher.leftovers(), [])
  },
)

statement(
  ['5.0 [MQTT-3.14.4-1]'],
  'the hub sends nothing behind its DISCONNECT: no answer to what it has read, no message',
  async (bench) => {
    const { moor, name } = bench
    const topic = name('t')
    const publisher = await moor(name('publisher'))
    const client = await moor(name('hears-on'))
    client.answers = false
    await client.subscribe(topic, { qos: 1 })
    for (let at = 0; at < limits.inflightMessages + 5; at++) await publisher.publish(topic, 'x', { qos: 1 }) // the last ones wait
    const deliveries = publisher.publish(topic, 'x', { qos: 1 })
    client.sendBytes(`${pingreq} 40 02 0001 ${malformed} ${pingreq} 82 07 0001 00 0001 61 00`)
    await publisher.publish(topic, 'x')
    await deliveries
    await client.closed
    const kinds = client.unread.map(({ cmd }) => cmd)
    assert.equal(kinds.indexOf('disconnect'), kinds.length - 1)
    assert.equal(kinds.filter((kind) => kind === 'pingresp').length, 1, 'the packet before the fault is answered')
  },
)

statement(
  ['3.1.1 [MQTT-3.14.4-1]', '5.0 [MQTT-3.14.4-2]'],
  'the connection is closed after a DISCONNECT, by the hub where the client that said it does not',
  async (bench) => {
    const { moor, name, version } = bench
    const client = await moor(name('leaves'))
    client.sendBytes('e000')
    await client.closed
    assert.deepEqual(client.unread, [])
    if (version !== 5) return
    for (const code of Object.keys(endings)) await farewell(bench, Number(code)) // waits for the closing, which the client does not begin
  },
)

statement(
  ['3.1.1 [MQTT-3.14.4-3]', '5.0 [MQTT-3.14.4-3]'],
  'with a DISCONNECT that gives no reason the will is discarded, for good',
  async (bench) => {
    const forms = bench.version === 5 ? ['e000', 'e001 00', 'e002 00 00', 'e007 00 05 1100000002'] : ['e000']
    for (const form of forms) {
      const { client, heir } = await mortal(bench, bench.version === 5 ? lasting(5, {}, 5) : {})
      client.sendBytes(form)
      await client.closed
      assert.deepEqual(await heir.leftovers(), [], form)
      clock.advance(10) // past the session's end
      assert.deepEqual(await heir.leftovers(), [], `${form}, later`)
    }
    const { client, heir } = await mortal(bench)
    client.pullCable()
    assert.deepEqual(await heir.texts(1), ['died'], 'without DISCONNECT it is published')
  },
)

// Section 3.1.2.5 says that a client that leaves with another reason than 0x00 has not left in peace.
statement(['5.0 [MQTT-3.14.4-3]'], 'with a DISCONNECT that gives any other reason than 0x00 the will is published', async (bench) => {
  for (const code of [0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99]) {
    const { client, heir } = await mortal(bench)
    client.sendBytes(Buffer.from([0xe0, 1, code]))
    await client.closed
    const heard = await heir.leftovers()
    assert.deepEqual(heard.map(textOf), ['died'], `0x${code.toString(16)}`)
  }
})
