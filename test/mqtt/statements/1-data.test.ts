// Strings and numbers in packets: MQTT 5 and 3.1.1, chapter 1.
import assert from 'node:assert/strict'
import { HandClock } from '../../kit/clock.ts'
import { hubOfFile } from '../../kit/mqtt.ts'
import { type Bench, statementsOf } from '../../kit/statements.ts'
import { binary, connectBytes, connectFlags, endedBy, noProperties, packet, packetsTo, text, turnedAway } from './packets.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)
const statement = statementsOf(hub, clock)

const { clean, will, username } = connectFlags

/** Every place of a CONNECT that holds a string; the string is given with its length. */
function connectsWith(version: 4 | 5, id: string, string: string): Record<string, Buffer> {
  const inBoth = {
    'the client identifier': connectBytes(version, clean, string),
    'the will topic': connectBytes(version, clean | will, `${text(id)} ${noProperties(version)} ${string} ${text('payload')}`),
    'the user name': connectBytes(version, clean | username, `${text(id)} ${string}`),
  }
  if (version === 4) return inBoth
  const ofWill = (property: string) => connectBytes(5, clean | will, `${text(id)} {${property}} ${text('topic')} ${text('payload')}`)
  return {
    ...inBoth,
    'the Authentication Method': connectBytes(5, clean, text(id), { properties: `15 ${string}` }),
    'the Content Type of a will': ofWill(`03 ${string}`),
    'the Response Topic of a will': ofWill(`08 ${string}`),
  }
}

/** Every place of a later packet that holds a string. */
function packetsWith(version: 4 | 5, string: string): Record<string, Buffer> {
  const none = noProperties(version)
  const inBoth = {
    'the topic name of a PUBLISH': packet(0x30, `${string} ${none} 00`),
    'the topic filter of a SUBSCRIBE': packet(0x82, `0001 ${none} ${string} 00`),
    'the topic filter of an UNSUBSCRIBE': packet(0xa2, `0001 ${none} ${string}`),
  }
  if (version === 4) return inBoth
  return {
    ...inBoth,
    'the Content Type of a PUBLISH': packet(0x30, `${text('a')} {03 ${string}} 00`),
    'the Response Topic of a PUBLISH': packet(0x30, `${text('a')} {08 ${string}} 00`),
    'the Reason String of a DISCONNECT': packet(0xe0, `00 {1f ${string}}`),
  }
}

/** These bytes end the connection wherever a string stands. */
async function refusedAsString({ name, dial, moor, version }: Bench, hex: string, what: string): Promise<void> {
  for (const [place, connect] of Object.entries(connectsWith(version, name('in-connect'), binary(hex)))) {
    const client = await dial()
    client.sendBytes(connect)
    await turnedAway(client, 0x81, `${what} in ${place}`)
  }
  for (const [place, bytes] of Object.entries(packetsWith(version, binary(hex)))) {
    const client = await moor(name('in-session'))
    client.sendBytes(bytes)
    await endedBy(client, 0x81, `${what} in ${place}`)
  }
}

statement(
  ['5.0 [MQTT-1.5.4-1]', '3.1.1 [MQTT-1.5.3-1]'],
  'a string that is not well-formed UTF-8, or holds a surrogate, ends the connection wherever it stands',
  async (bench) => {
    const illFormed = {
      'a first byte without its second': '61 c3 28',
      'a character that is cut off': '61 e2 82',
      'a second byte alone': '80',
      'the surrogate U+D800': '61 eda080 62',
      'the surrogate U+DFFF': 'edbfbf',
      'two surrogates that would make one character': 'eda0bdedb880',
      'a slash in two bytes': 'c0af',
      'a code point above U+10FFFF': 'f4908080',
      'a byte that UTF-8 never uses': 'ff',
    }
    for (const [what, hex] of Object.entries(illFormed)) await refusedAsString(bench, hex, what)
  },
)

statement(
  ['5.0 [MQTT-1.5.4-1]', '3.1.1 [MQTT-1.5.3-1]'],
  'well-formed UTF-8 of one to four bytes a character passes unchanged',
  async ({ name, moor, dial, version }) => {
    const string = text(name('Gerät-水-\u{1F6A2}'))
    for (const [place, connect] of Object.entries(connectsWith(version, name('well-formed'), string))) {
      if (place === 'the Authentication Method') continue // the hub knows none
      const client = await dial()
      client.sendBytes(connect)
      assert.equal((await client.next('connack'))[version === 5 ? 'reasonCode' : 'returnCode'], 0, place)
    }
    for (const [place, bytes] of Object.entries(packetsWith(version, string))) {
      const client = await moor(name('well-formed'))
      client.sendBytes(bytes)
      if (place !== 'the Reason String of a DISCONNECT') await client.ping()
      else assert.equal(await client.goodbye(), undefined)
    }
    const topic = `${name('utf8')}/aß水\u{1F6A2}\u{10FFFD}/\uD7FF\uE000`
    const client = await moor(name('Gerät-水-\u{1F6A2}'))
    await client.subscribe(topic, { qos: 1 })
    await client.publish(topic, 'heard', { qos: 1 })
    assert.equal((await client.next('publish')).topic, topic)
  },
)

statement(['5.0 [MQTT-1.5.4-2]', '3.1.1 [MQTT-1.5.3-2]'], 'a string with U+0000 ends the connection wherever it stands', async (bench) => {
  for (const hex of ['00', '61 00 62', '61 00']) await refusedAsString(bench, hex, `the bytes ${hex}`)
})

statement(
  ['5.0 [MQTT-1.5.4-3]', '3.1.1 [MQTT-1.5.3-3]'],
  'the bytes EF BB BF are the character U+FEFF wherever they stand, and are not taken off',
  async ({ name, moor, version }) => {
    const base = name('bom')
    const topics = [`\uFEFF${base}`, `${base}/\uFEFF`, `${base}\uFEFF/x`]
    const listener = await moor(name('bom-listener'))
    for (const filter of [...topics, base, `${base}/x`, `${base}/`]) await listener.subscribe(filter, { qos: 1 })
    const publisher = await moor(name('bom-publisher'))
    const properties = version === 5 ? { properties: { contentType: '\uFEFFtext' } } : {}
    for (const topic of topics) await publisher.publish(topic, topic, { qos: 1, ...properties })
    const heard = await listener.messages(topics.length)
    assert.deepEqual(
      heard.map(({ topic }) => topic),
      topics,
    )
    if (version === 5) assert.ok(heard.every((message) => message.properties?.contentType === '\uFEFFtext'))
    assert.deepEqual(await listener.leftovers(), [], 'a topic without the character is another topic')

    const id = name('bom-client')
    const plain = await moor(id)
    await moor(`\uFEFF${id}`)
    await plain.ping() // has not been taken over: it is another client identifier
  },
)

statement(
  ['5.0 [MQTT-1.5.5-1]'],
  'a Variable Byte Integer that takes more bytes than it needs is malformed',
  async ({ name, moor, dial }) => {
    const packets = {
      'the Remaining Length, in two bytes': Buffer.from('c08000', 'hex'),
      'the Remaining Length, in four bytes': Buffer.from('c080808000', 'hex'),
      'the Remaining Length of a PUBACK, whose bytes could be read in another way': Buffer.from('4082000100', 'hex'),
      'the Property Length': packet(0x82, `0001 8000 ${text('a')} 00`),
      'the Subscription Identifier': packet(0x82, `0001 {0b 8100} ${text('a')} 00`),
    }
    for (const [what, bytes] of Object.entries(packets)) {
      const client = await moor(name('long-winded'))
      client.sendBytes(bytes)
      await endedBy(client, 0x81, what)
    }
    const connecting = await dial()
    connecting.sendBytes(packet(0x10, `${text('MQTT')} 05 02 0000 8000 ${text(name('long-winded'))}`))
    await turnedAway(connecting)
  },
)

statement(['5.0 [MQTT-1.5.5-1]'], 'the hub writes each Variable Byte Integer in its fewest bytes', async ({ name, moor }) => {
  const topic = name('size')
  const listener = await moor(name('size-listener'))
  await listener.subscribe(topic, { qos: 0, subscriptionIdentifier: 127 })
  const packets = packetsTo(listener)
  const publisher = await moor(name('size-publisher'))
  const sizes = [1, 100, 120, 128, 200, 16_300, 16_384, 20_000]
  for (const size of sizes) {
    for (const long of [0, 120, 128, 300]) {
      const properties = { userProperties: { long: 'x'.repeat(long) } }
      await publisher.publish(topic, Buffer.alloc(size), { properties })
    }
  }
  await publisher.ping()
  await listener.messages(4 * sizes.length)
  const leastBytes = (value: number) => (value < 128 ? 1 : value < 16_384 ? 2 : 3)
  const seen = new Set<number>()
  for (const bytes of packets) {
    const headerBytes = bytes.findIndex((byte, at) => at > 0 && byte < 0x80) + 1
    assert.equal(headerBytes - 1, leastBytes(bytes.length - headerBytes), 'the Remaining Length')
    seen.add(headerBytes - 1)
    const propertiesAt = headerBytes + 2 + topic.length
    const lengthBytes = (bytes[propertiesAt] as number) < 0x80 ? 1 : 2
    const first = (bytes[propertiesAt] as number) & 0x7f
    const propertyLength = lengthBytes === 1 ? first : first + 128 * (bytes[propertiesAt + 1] as number)
    assert.equal(lengthBytes, leastBytes(propertyLength), 'the Property Length')
  }
  assert.deepEqual([...seen].sort(), [1, 2, 3])
})

statement(
  ['5.0 [MQTT-1.5.7-1]'],
  'a User Property whose name or value is not a string of MQTT is malformed, in whichever packet it stands',
  async ({ name, moor, dial }) => {
    for (const hex of ['c328', 'eda080', '6100']) {
      for (const pair of [`26 ${binary(hex)} ${text('value')}`, `26 ${text('name')} ${binary(hex)}`]) {
        const packets = {
          PUBLISH: packet(0x30, `${text('a')} {${pair}} 00`),
          PUBACK: packet(0x40, `0001 00 {${pair}}`),
          SUBSCRIBE: packet(0x82, `0001 {${pair}} ${text('a')} 00`),
          UNSUBSCRIBE: packet(0xa2, `0001 {${pair}} ${text('a')}`),
          DISCONNECT: packet(0xe0, `00 {${pair}}`),
        }
        for (const [what, bytes] of Object.entries(packets)) {
          const client = await moor(name('pair'))
          client.sendBytes(bytes)
          await endedBy(client, 0x81, `${what} with ${pair}`)
        }
        const connects = [
          connectBytes(5, clean, text(name('pair')), { properties: pair }),
          connectBytes(5, clean | will, `${text(name('pair'))} {${pair}} ${text('topic')} ${text('payload')}`),
        ]
        for (const bytes of connects) {
          const client = await dial()
          client.sendBytes(bytes)
          assert.equal(await turnedAway(client), 0x81)
        }
      }
    }
  },
)
