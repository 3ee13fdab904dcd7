// The payload of CONNECT but the will, and what the hub does with a CONNECT: MQTT 5 and 3.1.1, sections 3.1.3 and 3.1.4.
import assert from 'node:assert/strict'
import { HandClock } from '../../kit/clock.ts'
import { hubOfFile, type TestClient } from '../../kit/mqtt.ts'
import { lasting, willOf } from '../../kit/packets.ts'
import { statementsOf, untestable } from '../../kit/statements.ts'
import { giveKey } from '../../security/kit.ts'
import { binary, connectBytes, connectFlags, endedBy, noProperties, packet, packetsTo, text, turnedAway, willFields } from './packets.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)
const statement = statementsOf(hub, clock)
/** A password that is right, whoever says it. */
const { secret } = await giveKey(hub, 'tests', { role: 'operator' })

const { reserved, clean, will, qos1, qos2, retain, password, username } = connectFlags

statement(
  ['5.0 [MQTT-3.1.3-2]', '3.1.1 [MQTT-3.1.3-2]'],
  'the client identifier, and nothing else, says whose session it is',
  async ({ name, moor, version }) => {
    const id = name('Identity')
    const ids = [id, id.toLowerCase(), `${id} `, `${id}/`, `${id}\u0301`]
    const topic = name('identity')
    for (const [at, clientId] of ids.entries()) {
      const client = await moor(clientId, lasting(version))
      assert.equal(client.connack.sessionPresent, false, `${clientId} has no session yet`)
      await client.subscribe(`${topic}/${at}`, { qos: 1 })
      await client.leave()
    }
    const publisher = await moor(name('publisher'))
    for (const at of ids.keys()) await publisher.publish(`${topic}/${at}`, `for ${at}`, { qos: 1 })
    for (const [at, clientId] of ids.entries()) {
      const client = await moor(clientId, lasting(version, { username: `user ${at}`, keepalive: at }))
      assert.equal(client.connack.sessionPresent, true)
      assert.deepEqual(await client.texts(1), [`for ${at}`])
      assert.deepEqual(await client.leftovers(), [])
    }
  },
)

statement(
  ['5.0 [MQTT-3.1.3-3]', '3.1.1 [MQTT-3.1.3-3]'],
  'a CONNECT without a client identifier at the beginning of its payload ends the connection',
  async ({ dial, version }) => {
    for (const payload of ['', '00', '0005 61']) {
      const client = await dial()
      client.sendBytes(connectBytes(version, clean, payload))
      await turnedAway(client, 0x81)
    }
  },
)

statement(
  ['5.0 [MQTT-3.1.3-4]', '3.1.1 [MQTT-3.1.3-4]'],
  'a client identifier that is not a string of MQTT ends the connection',
  async ({ dial, version }) => {
    for (const hex of ['c328', 'eda080', '6100', 'ff']) {
      const client = await dial()
      client.sendBytes(connectBytes(version, clean, binary(hex)))
      await turnedAway(client, 0x81)
    }
  },
)

statement(
  ['5.0 [MQTT-3.1.3-5]', '3.1.1 [MQTT-3.1.3-5]'],
  'a client identifier of 1 to 23 digits and letters is let in',
  async ({ moor, version }) => {
    const ids = ['0123456789abcdefghijklm', 'nopqrstuvwxyzABCDEFGHIJ', 'KLMNOPQRSTUVWXYZ', 'a', 'Z', '0']
    for (const id of ids) {
      const { connack, ...client } = await moor(id)
      assert.equal(version === 5 ? connack.reasonCode : connack.returnCode, 0, id)
      assert.equal(client.socket.closed, false)
    }
  },
)

statement(
  ['5.0 [MQTT-3.1.3-6]', '3.1.1 [MQTT-3.1.3-6]'],
  'each client with an empty identifier is given one of its own',
  async ({ name, moor }) => {
    const topic = name('nameless')
    const clients = []
    for (let at = 0; at < 5; at++) {
      const client = await moor('')
      assert.equal(client.connack.sessionPresent, false)
      await client.subscribe(`${topic}/${at}`, { qos: 1 })
      clients.push(client)
    }
    for (const [at, client] of clients.entries()) {
      await client.publish(`${topic}/${at}`, `for ${at}`, { qos: 1 })
      assert.deepEqual(await client.texts(1), [`for ${at}`])
      assert.deepEqual(await client.leftovers(), [], 'it shares no session with another')
    }
  },
)

statement(
  ['5.0 [MQTT-3.1.3-7]', '3.1.1 [MQTT-3.1.3-6]'],
  'a client with an empty identifier is served as if it had brought the one it was given',
  async (bench) => {
    const { name, moor, version } = bench
    const topic = name('adopted')
    const watcher = await moor(name('watcher'))
    await watcher.subscribe(topic, { qos: 1 })
    if (version === 4) {
      // It never learns its name, so what shows is that it has a session like any other: a will, QoS 2, and an end.
      const client = await moor('', { will: willOf(topic, 'gone', 1) })
      await client.publish(topic, 'said', { qos: 2 })
      assert.deepEqual(await watcher.texts(1), ['said'])
      client.pullCable()
      assert.deepEqual(await watcher.texts(1), ['gone'])
      return
    }
    const client = await moor('', lasting(5, { clean: true }))
    const given = client.connack.properties?.assignedClientIdentifier ?? ''
    await client.subscribe(`${topic}/own`, { qos: 1 })
    await client.leave()
    await watcher.publish(`${topic}/own`, 'missed', { qos: 1 })
    const back = await moor(given, lasting(5))
    assert.equal(back.connack.sessionPresent, true)
    assert.equal(back.connack.properties?.assignedClientIdentifier, undefined)
    assert.deepEqual(await back.texts(1), ['missed'])
  },
)

statement(
  ['3.1.1 [MQTT-3.1.3-7]', '3.1.1 [MQTT-3.1.3-8]', '3.1.1 [MQTT-3.1.3-9]'],
  'an empty client identifier without a clean session is answered with return code 2, then the connection is closed',
  async ({ dial }) => {
    const client = await dial()
    const packets = packetsTo(client)
    client.sendBytes(connectBytes(4, 0, text('')))
    await client.closed
    assert.deepEqual(packets, [packet(0x20, '00 02')])
  },
)

untestable(['5.0 [MQTT-3.1.3-8]'], 'what to do when a client identifier is rejected; the hub rejects none that is well-formed')

statement(
  ['5.0 [MQTT-3.1.3-12]', '3.1.1 [MQTT-3.1.3-11]'],
  'a user name that is not a string of MQTT ends the connection',
  async ({ name, dial, version }) => {
    for (const hex of ['c328', 'eda080', '6100']) {
      const client = await dial()
      client.sendBytes(connectBytes(version, clean | username, `${text(name('user'))} ${binary(hex)}`))
      await turnedAway(client, 0x81)
    }
  },
)

/** CONNECTs that are not in the format of section 3.1, each for one reason. */
function misshapen(version: 4 | 5, id: string): Record<string, Buffer> {
  const connect = (flags: number, payload: string, properties = '') => connectBytes(version, flags, payload, { properties })
  const fields = willFields(version, 'topic', 'payload')
  const inBoth = {
    'no variable header': packet(0x10, ''),
    'no protocol level': packet(0x10, text('MQTT')),
    'no flags': packet(0x10, `${text('MQTT')} 0${version}`),
    'no keep-alive': packet(0x10, `${text('MQTT')} 0${version} 02 00`),
    'no payload': connect(clean, ''),
    'a client identifier that is cut off': connect(clean, '0009 61'),
    'a byte behind the payload': connect(clean, `${text(id)} 00`),
    'the reserved flag': connect(reserved | clean, text(id)),
    'a will QoS of 3': connect(clean | will | qos1 | qos2, `${text(id)} ${fields}`),
    'a will QoS without a will': connect(clean | qos1, text(id)),
    'will retain without a will': connect(clean | retain, text(id)),
    'a will without its fields': connect(clean | will, text(id)),
    'a will without its flag': connect(clean, `${text(id)} ${fields}`),
    'a will payload that is cut off': connect(clean | will, `${text(id)} ${noProperties(version)} ${text('topic')} 0009 61`),
    'a user name without its flag': connect(clean, `${text(id)} ${text('user')}`),
    'a password that is cut off': connect(clean | username | password, `${text(id)} ${text('user')} 0009 61`),
  }
  if (version === 4) return { ...inBoth, 'a password without a user name': connect(clean | password, `${text(id)} ${text('secret')}`) }
  const ofWill = (properties: string) => connect(clean | will, `${text(id)} {${properties}} ${text('topic')} ${text('payload')}`)
  return {
    ...inBoth,
    'no length of properties': packet(0x10, `${text('MQTT')} 05 02 0000`),
    'properties longer than the packet': packet(0x10, `${text('MQTT')} 05 02 0000 7f ${text(id)}`),
    'an unknown property': connect(clean, text(id), '7f 00'),
    'a property of another packet': connect(clean, text(id), '23 0001'),
    'a property that is cut off': connect(clean, text(id), '11 0000'),
    'Session Expiry Interval twice': connect(clean, text(id), '11 00000001 11 00000001'),
    'Receive Maximum twice': connect(clean, text(id), '21 0001 21 0001'),
    'Receive Maximum 0': connect(clean, text(id), '21 0000'),
    'Maximum Packet Size 0': connect(clean, text(id), '27 00000000'),
    'Maximum Packet Size twice': connect(clean, text(id), '27 00001000 27 00001000'),
    'Topic Alias Maximum twice': connect(clean, text(id), '22 0001 22 0001'),
    'Request Response Information 2': connect(clean, text(id), '19 02'),
    'Request Problem Information 2': connect(clean, text(id), '17 02'),
    'Request Problem Information twice': connect(clean, text(id), '17 01 17 01'),
    'Authentication Data without a method': connect(clean, text(id), `16 ${text('data')}`),
    'a property of the will outside of it': connect(clean, text(id), '18 00000001'),
    'Will Delay Interval twice': ofWill('18 00000001 18 00000001'),
    'a Payload Format Indicator of 2': ofWill('01 02'),
    'Content Type twice': ofWill(`03 ${text('a')} 03 ${text('a')}`),
    'a property of CONNECT in the will': ofWill('11 00000001'),
  }
}

statement(
  ['5.0 [MQTT-3.1.4-1]'],
  'a CONNECT that is not in the format of CONNECT ends the connection; a CONNACK before says an error',
  async ({ name, dial }) => {
    for (const [what, bytes] of Object.entries(misshapen(5, name('misshapen')))) {
      const client = await dial()
      const packets = packetsTo(client)
      client.sendBytes(bytes)
      const code = await turnedAway(client)
      assert.ok(code === undefined || code === 0x81 || code === 0x82, `${what}: 0x${code?.toString(16)}`)
      assert.ok(packets.length <= 1 && packets.every(([first]) => first === 0x20), what)
    }
  },
)

statement(
  ['3.1.1 [MQTT-3.1.4-1]'],
  'a CONNECT that is not in the format of CONNECT ends the connection without a CONNACK',
  async ({ name, dial }) => {
    for (const [what, bytes] of Object.entries(misshapen(4, name('misshapen')))) {
      const client = await dial()
      const packets = packetsTo(client)
      client.sendBytes(bytes)
      await client.closed
      assert.deepEqual(packets, [], what)
    }
  },
)

statement(['5.0 [MQTT-3.1.4-2]'], 'a client that fails another check is told why and its connection is closed', async ({ name, dial }) => {
  const rows: [connect: Buffer, code: number][] = [
    [connectBytes(5, clean, text(name('checked')), { properties: `15 ${text('SCRAM-SHA-256')}` }), 0x8c],
    [connectBytes(5, clean | will, `${text(name('checked'))} {01 01} ${text('topic')} ${binary('c328')}`), 0x99],
    [connectBytes(5, clean | will, `${text(name('checked'))} {} ${text('a/#')} ${text('payload')}`), 0x90],
  ]
  for (const [bytes, code] of rows) {
    const client = await dial()
    client.sendBytes(bytes)
    assert.equal(await turnedAway(client), code)
  }
})

statement(
  ['5.0 [MQTT-3.1.4-3]', '3.1.1 [MQTT-3.1.4-2]'],
  'a client that connects under the identifier of a connected one ends the connection of that one',
  async ({ name, moor, version, wire, dial }) => {
    const id = name('contested')
    let last: TestClient = await moor(id)
    for (const options of [{ clean: true }, lasting(version), { clean: true }, lasting(version), lasting(version)]) {
      const next = await dial()
      await next.connect(id, options)
      await endedBy(last, 0x8e, wire)
      await next.ping()
      last = next
    }
  },
)

statement(
  ['5.0 [MQTT-3.1.4-4]', '3.1.1 [MQTT-3.1.4-3]'],
  'Clean Start is heeded also when the session is taken over from a connected client',
  async ({ name, moor, version }) => {
    const [id, topic] = [name('heeded'), name('heeded')]
    const publisher = await moor(name('publisher'))
    const first = await moor(id, lasting(version))
    await first.subscribe(topic, { qos: 1 })
    const second = await moor(id, lasting(version))
    assert.equal(second.connack.sessionPresent, true)
    await publisher.publish(topic, 'resumed', { qos: 1 })
    assert.deepEqual(await second.texts(1), ['resumed'])
    const third = await moor(id, { clean: true })
    assert.equal(third.connack.sessionPresent, false)
    await publisher.publish(topic, 'nobody listens', { qos: 1 })
    assert.deepEqual(await third.leftovers(), [])
  },
)

statement(
  ['5.0 [MQTT-3.1.4-5]', '3.1.1 [MQTT-3.1.4-4]'],
  'a CONNECT that passes every check is answered with a CONNACK of code 0',
  async ({ name, dial, version }) => {
    const id = () => text(name('welcome'))
    const fields = willFields(version, 'topic', 'payload')
    const connects = [
      connectBytes(version, clean, id()),
      connectBytes(version, 0, id()),
      connectBytes(version, clean | will | qos1 | retain, `${id()} ${fields}`),
      connectBytes(version, will | qos2 | username | password, `${id()} ${fields} ${text('user')} ${text(secret)}`),
      ...(version === 5
        ? [connectBytes(5, clean, id(), { properties: `11 00000010 21 0001 27 00000100 22 0001 19 01 17 00 26 ${text('a')} ${text('b')}` })]
        : []),
    ]
    for (const bytes of connects) {
      const client = await dial()
      client.sendBytes(bytes)
      const connack = await client.next('connack')
      assert.equal(version === 5 ? connack.reasonCode : connack.returnCode, 0)
      await client.ping()
    }
  },
)

statement(
  ['5.0 [MQTT-3.1.4-6]', '3.1.1 [MQTT-3.1.4-5]'],
  'what a client sends behind a CONNECT that is refused is not done',
  async ({ name, dial, moor, version }) => {
    const topic = name('unheard')
    const watcher = await moor(name('watcher'))
    await watcher.subscribe(topic, { qos: 1 })
    const refused = [
      connectBytes(version, clean | reserved, text(name('refused'))),
      version === 5 ? connectBytes(5, clean, text(name('refused')), { properties: `15 ${text('any')}` }) : connectBytes(4, 0, text('')),
      connectBytes(version, clean, text(name('refused')), { level: 9 }),
    ]
    const publish = packet(0x30, `${text(topic)} ${noProperties(version)} 'unheard'`)
    const retained = packet(0x31, `${text(topic)} ${noProperties(version)} 'unheard'`)
    for (const connect of refused) {
      const client = await dial()
      client.sendBytes(Buffer.concat([connect, publish, connectBytes(version, clean, text(name('second'))), retained]))
      client.sendBytes(publish)
      await turnedAway(client)
    }
    await watcher.publish(topic, 'heard', { qos: 1 })
    assert.deepEqual(await watcher.texts(1), ['heard'])
    const late = await moor(name('late'))
    await late.subscribe(topic)
    assert.deepEqual(await late.leftovers(), [])
  },
)
