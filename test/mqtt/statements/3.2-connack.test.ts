// CONNACK: MQTT 5 and 3.1.1, section 3.2.
import assert from 'node:assert/strict'
import type { IConnackPacket } from 'mqtt-packet'
import { HandClock } from '../../kit/clock.ts'
import { hubOfFile } from '../../kit/mqtt.ts'
import { lasting } from '../../kit/packets.ts'
import { type Bench, bindsClients, statementsOf, untestable } from '../../kit/statements.ts'
import {
  binary,
  connectBytes,
  connectFlags,
  endedBy,
  noProperties,
  packet,
  packetsTo,
  text,
  turnedAway,
  u16,
  willFields,
} from './packets.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)
const statement = statementsOf(hub, clock)

const { reserved, clean, will, qos1 } = connectFlags
const connackByte = 0x20

/** CONNECTs that the hub refuses, by what is wrong with them. */
function refusedConnects(version: 4 | 5, id: string): Record<string, Buffer> {
  const fields = willFields(version, 'topic', 'payload')
  const inBoth = {
    'the reserved flag': connectBytes(version, reserved, text(id)),
    'will flags without a will': connectBytes(version, qos1, text(id)),
    'a byte behind the payload': connectBytes(version, 0, `${text(id)} 00`),
    'a wildcard in the will topic': connectBytes(version, will, `${text(id)} ${willFields(version, 'a/+', 'payload')}`),
    'an empty will topic': connectBytes(version, will, `${text(id)} ${willFields(version, '', 'payload')}`),
  }
  if (version === 4) {
    return {
      ...inBoth,
      'an unknown level': connectBytes(4, 0, text(id), { level: 9 }),
      'no identifier for a lasting session': connectBytes(4, 0, text('')),
    }
  }
  return {
    ...inBoth,
    'an unknown way to authenticate': connectBytes(5, 0, text(id), { properties: `15 ${text('SCRAM-SHA-1')}` }),
    'Receive Maximum 0': connectBytes(5, 0, text(id), { properties: '21 0000' }),
    'a property twice': connectBytes(5, 0, text(id), { properties: '17 01 17 01' }),
    'a will that is not the text it claims to be': connectBytes(5, will, `${text(id)} {01 01} ${text('topic')} ${binary('c328')}`),
    'no room for any CONNACK but the smallest': connectBytes(5, 0, text(id), { properties: '27 00000006' }),
    'a will behind the wrong flags': connectBytes(5, 0, `${text(id)} ${fields}`),
  }
}

statement(
  ['5.0 [MQTT-3.2.0-1]', '3.1.1 [MQTT-3.2.0-1]'],
  'CONNACK is the first packet, before any answer and before any message the client is owed',
  async ({ name, moor, dial, version }) => {
    const [id, topic] = [name('first'), name('first')]
    const publisher = await moor(name('publisher'))
    const before = await moor(id, lasting(version))
    await before.subscribe(topic, { qos: 1 })
    await before.leave()
    for (const payload of ['a', 'b', 'c']) await publisher.publish(topic, payload, { qos: 1, retain: true })
    const client = await dial()
    const packets = packetsTo(client)
    const none = noProperties(version)
    client.sendBytes(
      Buffer.concat([
        connectBytes(version, 0, text(id), { properties: '11 00000e10' }),
        packet(0x82, `0001 ${none} ${text(topic)} 01`),
        packet(0x32, `${text(topic)} 0002 ${none} 'd'`),
        packet(0xc0, ''),
      ]),
    )
    await client.next('puback')
    await client.next('pingresp')
    await client.messages(5)
    const types = packets.map(([first]) => (first as number) >> 4)
    assert.equal(types[0], 2)
    assert.ok(types.length >= 9)
  },
)

statement(['5.0 [MQTT-3.2.0-2]'], 'there is one CONNACK on a connection', async ({ name, dial }) => {
  const id = name('single')
  const client = await dial()
  const packets = packetsTo(client)
  client.sendBytes(Buffer.concat([connectBytes(5, clean, text(id)), packet(0xc0, ''), connectBytes(5, clean, text(id))]))
  await client.closed
  for (const connect of Object.values(refusedConnects(5, id))) {
    const refused = await dial()
    const answers = packetsTo(refused)
    refused.sendBytes(Buffer.concat([connect, connectBytes(5, clean, text(id))]))
    await turnedAway(refused)
    assert.ok(answers.length <= 1)
  }
  assert.equal(packets.filter(([first]) => first === connackByte).length, 1)
})

/** The flags of the CONNACK that a client got, which has the size byte in one byte. */
function flagsOf(connack: Buffer | undefined): number | undefined {
  assert.equal(connack?.[0], connackByte)
  return connack?.[2]
}

statement(['5.0 [MQTT-3.2.2-1]'], 'the upper seven bits of the CONNACK flags are 0', async ({ name, dial }) => {
  const id = name('flags')
  for (const present of [0, 1, 1]) {
    const client = await dial()
    const packets = packetsTo(client)
    await client.connect(id, lasting(5))
    assert.equal(flagsOf(packets[0]), present)
    await client.leave()
  }
  for (const [what, connect] of Object.entries(refusedConnects(5, id))) {
    const client = await dial()
    const packets = packetsTo(client)
    client.sendBytes(connect)
    await turnedAway(client)
    if (packets[0] !== undefined) assert.equal(flagsOf(packets[0]), 0, what)
  }
})

statement(
  ['5.0 [MQTT-3.2.2-2]', '3.1.1 [MQTT-3.2.2-1]'],
  'a clean start is answered with Session Present 0 and code 0, whether or not there was a session',
  async ({ name, moor, dial, version }) => {
    const id = name('clean')
    for (const round of ['no session', 'a session of an absent client', 'a session of a connected client']) {
      const client = await dial()
      const packets = packetsTo(client)
      await client.connect(id, { clean: true })
      assert.deepEqual([...(packets[0]?.subarray(2, 4) ?? [])], [0, 0], round)
      await client.leave()
      const kept = await moor(id, lasting(version))
      if (round === 'no session') await kept.leave()
    }
  },
)

statement(
  ['5.0 [MQTT-3.2.2-3]', '3.1.1 [MQTT-3.2.2-2]'],
  'a client that has a session and wants it is told Session Present 1',
  async ({ name, moor, dial, version }) => {
    const id = name('present')
    const first = await moor(id, lasting(version))
    await first.leave()
    for (const leaves of [true, false, true]) {
      const client = await dial()
      const packets = packetsTo(client)
      await client.connect(id, lasting(version))
      assert.deepEqual([...(packets[0]?.subarray(2, 4) ?? [])], [1, 0])
      if (leaves) await client.leave()
    }
  },
)

statement(
  ['5.0 [MQTT-3.2.2-3]', '3.1.1 [MQTT-3.2.2-3]'],
  'a client that wants its session and has none is told Session Present 0',
  async ({ name, moor, dial, version }) => {
    const id = name('absent')
    const present = async () => {
      const client = await dial()
      const packets = packetsTo(client)
      await client.connect(id, lasting(version))
      return { client, said: [...(packets[0]?.subarray(2, 4) ?? [])] }
    }
    const never = await present()
    assert.deepEqual(never.said, [0, 0], 'it was never here')
    await never.client.leave()
    await (await moor(id, { clean: true })).leave()
    const cleaned = await present()
    assert.deepEqual(cleaned.said, [0, 0], 'its session ended with a clean connection')
  },
)

statement(
  ['5.0 [MQTT-3.2.2-6]', '3.1.1 [MQTT-3.2.2-4]'],
  'a CONNACK that refuses says Session Present 0, also to a client that has a session, and leaves the session as it was',
  async ({ name, moor, dial, version }) => {
    const id = name('refused')
    const before = await moor(id, lasting(version))
    await before.leave()
    let refusals = 0
    for (const [what, connect] of Object.entries(refusedConnects(version, id))) {
      const client = await dial()
      const packets = packetsTo(client)
      client.sendBytes(connect)
      await client.closed
      const [connack] = packets
      if (connack === undefined) continue
      refusals++
      assert.equal(flagsOf(connack), 0, what)
      assert.notEqual(connack[3], 0, what)
    }
    assert.ok(refusals > 0)
    assert.equal((await moor(id, lasting(version))).connack.sessionPresent, true)
  },
)

statement(
  ['5.0 [MQTT-3.2.2-7]', '3.1.1 [MQTT-3.2.2-5]'],
  'a CONNACK that refuses is followed by the closing of the connection, and by nothing else',
  async ({ name, dial, version }) => {
    let refusals = 0
    for (const [what, connect] of Object.entries(refusedConnects(version, name('refused')))) {
      const client = await dial()
      const packets = packetsTo(client)
      client.sendBytes(Buffer.concat([connect, packet(0xc0, '')]))
      await client.closed
      assert.ok(packets.length <= 1 && packets.every(([first]) => first === connackByte), what)
      refusals += packets.length
    }
    assert.ok(refusals >= 2)
  },
)

statement(
  ['5.0 [MQTT-3.2.2-8]'],
  'the code of a CONNACK is one of its table, whatever the CONNECT was refused for',
  async ({ name, moor, dial }) => {
    // Table 3-1 of section 3.2.2.2.
    const table = [
      0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
    ]
    for (const [what, connect] of Object.entries(refusedConnects(5, name('refused')))) {
      const client = await dial()
      client.sendBytes(connect)
      const code = await turnedAway(client)
      assert.ok(code === undefined || table.includes(code), `${what}: 0x${code?.toString(16)}`)
    }
    assert.equal((await moor(name('welcome'))).connack.reasonCode, 0)
  },
)

statement(
  ['3.1.1 [MQTT-3.2.2-6]'],
  'a refusal for which there is no return code is the closing of the connection without a CONNACK',
  async ({ name, dial }) => {
    for (const topic of ['a/+', '#', '']) {
      const client = await dial()
      const packets = packetsTo(client)
      client.sendBytes(connectBytes(4, clean | will, `${text(name('uncoded'))} ${willFields(4, topic, 'payload')}`))
      await client.closed
      assert.deepEqual(packets, [], `the will topic '${topic}'`)
    }
  },
)

statement(['5.0 [MQTT-3.2.2-9]'], 'the hub names no Maximum QoS, and takes messages and wills at QoS 1 and 2', async ({ name, moor }) => {
  const topic = name('qos')
  const will = { topic, payload: Buffer.from('will'), qos: 2, retain: false } as const
  const client = await moor(name('qos'), { will })
  assert.equal(client.connack.properties?.maximumQoS, undefined)
  await client.subscribe(topic, { qos: 2 })
  for (const qos of [0, 1, 2] as const) {
    await client.publish(topic, 'x', { qos })
    assert.equal((await client.next('publish')).qos, qos)
  }
})

statement(['5.0 [MQTT-3.2.2-10]'], 'a SUBSCRIBE that requests QoS 0, 1 or 2 is accepted at that QoS', async ({ name, moor }) => {
  const client = await moor(name('requests'))
  for (const qos of [0, 1, 2] as const) assert.deepEqual((await client.subscribe(`${name('requests')}/#`, { qos })).granted, [qos])
})

statement(
  ['5.0 [MQTT-3.2.2-15]'],
  'the hub names the largest packet it takes; a larger one ends the connection with code 0x95, one of that size passes',
  async ({ name, moor }) => {
    const topic = name('largest')
    const listener = await moor(name('listener'))
    await listener.subscribe(topic, { qos: 0 })
    const client = await moor(name('largest'))
    const most = client.connack.properties?.maximumPacketSize ?? 0
    const body = (bytes: number) =>
      Buffer.concat([packet(0, `${text(topic)} 00`).subarray(2), Buffer.alloc(bytes - 4 - 2 - topic.length - 1, 'x')])
    const fits = packet(0x30, body(most))
    assert.equal(fits.length, most)
    client.sendBytes(fits)
    assert.equal((await listener.next('publish')).payload.length, most - 4 - 2 - topic.length - 1)
    client.sendBytes(packet(0x30, body(most + 1)))
    await endedBy(client, 0x95, 'one byte more')
    assert.deepEqual(await listener.leftovers(), [])
  },
)

statement(
  ['5.0 [MQTT-3.2.2-16]'],
  'a client without an identifier is told the one it is given, which no other session has, not even one that chose it',
  async ({ moor }) => {
    const client = await moor('')
    const given = client.connack.properties?.assignedClientIdentifier ?? ''
    assert.notEqual(given, '')
    const second = await moor('')
    assert.notEqual(second.connack.properties?.assignedClientIdentifier, given)

    // Someone guesses which ones are next, should they be counted.
    const guesses = guessesAfter(given, second.connack.properties?.assignedClientIdentifier ?? '', 5)
    const squatters = []
    for (const guess of guesses) squatters.push(await moor(guess))
    for (let at = 0; at < 5; at++) {
      const next = await moor('')
      assert.ok(!guesses.includes(next.connack.properties?.assignedClientIdentifier ?? ''), 'it belongs to another session')
    }
    for (const squatter of squatters) await squatter.ping()
  },
)

/** What would follow two identifiers if their ends were counted up, in figures of any base up to 36. */
function guessesAfter(one: string, two: string, count: number): string[] {
  const shared = [...two].findIndex((letter, at) => letter !== one[at])
  const tail = Number.parseInt(two.slice(shared), 36)
  if (Number.isNaN(tail)) return []
  return Array.from({ length: count }, (_, at) => two.slice(0, shared) + (tail + 1 + at).toString(36))
}

statement(
  ['5.0 [MQTT-3.2.2-17]'],
  'the hub names the highest Topic Alias it takes; a higher one ends the connection with code 0x94, that one passes',
  async ({ name, moor }) => {
    const topic = name('aliases')
    const listener = await moor(name('listener'))
    await listener.subscribe(topic)
    const client = await moor(name('aliases'))
    const most = client.connack.properties?.topicAliasMaximum ?? 0
    assert.ok(most > 0)
    for (const alias of [1, most]) client.sendBytes(packet(0x30, `${text(topic)} {23 ${u16(alias)}} 'set'`))
    for (const alias of [1, most]) client.sendBytes(packet(0x30, `${text('')} {23 ${u16(alias)}} 'used'`))
    assert.deepEqual(await listener.texts(4), ['set', 'set', 'used', 'used'])
    client.sendBytes(packet(0x30, `${text(topic)} {23 ${u16(most + 1)}} 'too high'`))
    await endedBy(client, 0x94, 'one more')
    assert.deepEqual(await listener.leftovers(), [])
  },
)

/** The CONNACKs that answer a CONNECT at each Maximum Packet Size from 5 on, none of which may be larger than that. */
async function sizedConnacks({ dial, name }: Bench, connectWith: (id: string, maximum: string) => Buffer): Promise<IConnackPacket[]> {
  const connacks: IConnackPacket[] = []
  for (let size = 5; size <= 200; size += size < 60 ? 1 : 10) {
    const client = await dial()
    const packets = packetsTo(client)
    client.sendBytes(connectWith(name('sized'), `27 ${size.toString(16).padStart(8, '0')}`))
    client.sendBytes('00 00') // ends those that were let in
    await client.closed
    for (const bytes of packets) assert.ok(bytes.length <= size, `${bytes.length} bytes for a client that takes ${size}`)
    const connack = client.unread.find(({ cmd }) => cmd === 'connack')
    if (connack?.cmd === 'connack') connacks.push(connack)
  }
  return connacks
}

statement(['5.0 [MQTT-3.2.2-19]'], 'the Reason String gives way when CONNACK would become larger than the client takes', async (bench) => {
  const connacks = await sizedConnacks(bench, (id, maximum) =>
    connectBytes(5, clean, text(id), { properties: `${maximum} 15 ${text('SCRAM-SHA-1')}` }),
  )
  const reasons = connacks.map(({ properties }) => properties?.reasonString)
  assert.equal(reasons[0], undefined)
  assert.match(reasons.at(-1) ?? '', /SCRAM-SHA-1/, 'where there is room, it is said')
  assert.ok(connacks.length > 10)
})

statement(['5.0 [MQTT-3.2.2-20]'], 'no User Property makes CONNACK larger than the client takes', async (bench) => {
  const properties = `19 01 26 ${text('a')} ${text('b')}`
  const connacks = await sizedConnacks(bench, (id, maximum) => connectBytes(5, clean, text(id), { properties: `${maximum} ${properties}` }))
  assert.ok(connacks.length > 10)
})

statement(
  ['5.0 [MQTT-3.2.2-22]'],
  'the hub names no Server Keep Alive and holds to the keep-alive of the client, be it short or long',
  async ({ name, moor }) => {
    for (const keepalive of [1, 7, 1000]) {
      const client = await moor(name('keep-alive'), { keepalive })
      assert.equal(client.connack.properties?.serverKeepAlive, undefined)
      clock.advance(Math.floor(keepalive * 1.5) - 1)
      assert.equal(client.socket.closed, false)
      await client.ping()
      clock.advance(Math.ceil(keepalive * 1.5) + 2)
      await endedBy(client, 0x8d, `keep-alive ${keepalive}`)
    }
  },
)

untestable(['5.0 [MQTT-3.2.2-12]'], 'for servers that do not take every QoS; a will at any QoS is accepted, see 3.1.2-12')
untestable(['5.0 [MQTT-3.2.2-13]'], 'for servers without retained messages; a will with will retain is accepted, see 3.1.2-15')

bindsClients(['5.0 [MQTT-3.2.2-4]', '5.0 [MQTT-3.2.2-5]'], 'what a client does with its own session when it hears Session Present')
bindsClients(['5.0 [MQTT-3.2.2-11]'], 'which QoS a client may use after a Maximum QoS; the hub names none, see 3.2.2-9')
bindsClients(['5.0 [MQTT-3.2.2-14]'], 'what a client may send after Retain Available 0, which the hub never says')
bindsClients(['5.0 [MQTT-3.2.2-18]'], 'what a client may send when the server takes no Topic Alias; the hub always does, see 3.2.2-17')
bindsClients(
  ['5.0 [MQTT-3.2.2-21]'],
  'which keep-alive a client uses after a Server Keep Alive, which the hub sends only with the setting --keep-alive-max',
)
