// MQTT.js, the library of most programs in JavaScript, over TCP and, as in a browser, over WebSocket.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient, type Packet } from 'mqtt'
import { limits } from '../../../hub/limits.ts'
import { hubOfFile, moor, refusalsWith } from '../../kit/mqtt.ts'
import { behavesAtTheHub } from './behaviours.ts'
import { Cable } from './cable.ts'
import { type Heard, Inbox, libraryClient, type Opening, type Peer, within } from './client.ts'

const hub = await hubOfFile()

interface MqttJsPeer extends Peer {
  readonly client: MqttClient
}

function optionsOf({ clientId, version, lasting = false, will }: Opening): IClientOptions {
  return {
    clientId,
    protocolVersion: version,
    protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
    clean: !lasting,
    ...(version === 5 && lasting ? { properties: { sessionExpiryInterval: 600 } } : {}),
    ...(will === undefined ? {} : { will: { ...will, payload: Buffer.from(will.payload) } }),
    reconnectPeriod: 20,
  }
}

async function open(t: TestContext, cable: Cable, opening: Opening, more: IClientOptions = {}): Promise<MqttJsPeer> {
  const client = mqtt.connect(cable.url, { ...optionsOf(opening), ...more })
  t.after(() => client.end(true))
  const connects = new Inbox<boolean>('a connection of MQTT.js')
  const messages = new Inbox<Heard>('a message')
  client.on('error', () => {}) // a pulled cable; what matters is told by what does not arrive
  client.on('connect', ({ sessionPresent }) => connects.put(sessionPresent))
  client.on('message', (topic, payload, { qos, retain }) => messages.put({ topic, payload, qos, retain }))
  return {
    client,
    sessionPresent: await connects.next(),
    next: () => messages.next(),
    comeBack: () => connects.next(),
    leave: () => client.endAsync(),
    async subscribe(filter, qos) {
      await within('SUBACK', client.subscribeAsync(filter, { qos }))
    },
    async publish({ topic, payloads, qos, retain = false }) {
      await within('answers', Promise.all(payloads.map((payload) => client.publishAsync(topic, payload, { qos, retain }))))
    },
  }
}

behavesAtTheHub(libraryClient({ name: 'MQTT.js', versions: [3, 4, 5], wires: ['TCP', 'WebSocket'] }, open), hub)

/** A cable that is there, an identifier and a topic that no other test uses. */
async function bench(t: TestContext, name: string) {
  const cable = await Cable.lay(t, hub, 'TCP')
  const topic = `mqttjs/${name.replaceAll(' ', '-')}`
  const listener = await moor(t, hub, `${name} listener`, 5)
  await listener.subscribe(`${topic}/#`, { qos: 2 })
  return { cable, topic, listener }
}

const numbers = (count: number) => Array.from({ length: count }, (_, at) => `${at}`)

for (const version of [4, 5] as const) {
  const of = `(MQTT level ${version})`

  test(`what MQTT.js publishes before there is a hub arrives once there is one ${of}`, { timeout: 10_000 }, async (t) => {
    const { cable, topic, listener } = await bench(t, `offline ${version}`)
    cable.pull()
    const client = mqtt.connect(cable.url, optionsOf({ clientId: `offline-${version}`, version }))
    t.after(() => client.end(true))
    client.on('error', () => {}) // the pulled cable
    const published = numbers(5).map((number) => client.publishAsync(topic, number, { qos: Number(number) % 2 === 0 ? 1 : 2 }))
    await new Promise<void>((resolve) => client.once('close', resolve))
    cable.mend()
    await within('answers', Promise.all(published))
    assert.deepEqual(await listener.texts(5), numbers(5))
  })

  test(`a new MQTT.js that is given the store of one that ended finishes what that had under way, once ${of}`, {
    timeout: 10_000,
  }, async (t) => {
    const { cable, topic, listener } = await bench(t, `store ${version}`)
    const outgoingStore = new mqtt.Store({ clean: false })
    const opening = { clientId: `store-${version}`, version, lasting: true }
    const { client } = await open(t, cable, opening, { outgoingStore, reconnectPeriod: 0 })
    const lost = cable.deafen()
    client.publish(topic, 'once', { qos: 2 })
    await lost // the PUBREC
    cable.dropClientsEnd()
    await client.endAsync(true)
    const again = await open(t, cable, opening, { outgoingStore })
    assert.equal(again.sessionPresent, true)
    await again.publish({ topic, payloads: [Buffer.from('next')], qos: 2 })
    assert.deepEqual(await listener.texts(2), ['once', 'next'])
    assert.deepEqual(await listener.leftovers(), [])
  })
}

test('MQTT.js that goes past the Receive Maximum is disconnected with 0x93, comes back, and each message is heard once', {
  timeout: 10_000,
}, async (t) => {
  const { cable, topic, listener } = await bench(t, 'burst')
  const count = limits.receiveMaximum + 100
  const refused = await refusalsWith(hub, 'receive-maximum-exceeded')
  const peer = await open(t, cable, { clientId: 'burst', version: 5, lasting: true })
  const reasonCode = new Promise((resolve) => peer.client.once('disconnect', (packet) => resolve(packet.reasonCode)))
  await peer.publish({ topic, payloads: numbers(count).map((number) => Buffer.from(number)), qos: 2 })
  assert.equal(await reasonCode, 0x93)
  assert.ok((await refused()) > 0)
  const heard = await listener.texts(count)
  assert.deepEqual(
    heard.toSorted((a, b) => Number(a) - Number(b)),
    numbers(count),
  )
  assert.deepEqual(await listener.leftovers(), [])
})

test('MQTT.js may give topics an alias by itself, more of them than the hub remembers, and each message keeps its topic', {
  timeout: 10_000,
}, async (t) => {
  const { cable, topic, listener } = await bench(t, 'auto alias')
  const peer = await open(t, cable, { clientId: 'auto-alias', version: 5 }, { autoAssignTopicAlias: true })
  const sent: (string | undefined)[] = []
  peer.client.on('packetsend', (packet: Packet) => {
    if (packet.cmd === 'publish') sent.push(packet.topic)
  })
  const topics = Array.from({ length: 50 }, (_, at) => `${topic}/${at}`)
  for (const each of [...topics, ...topics.slice(-10), ...topics])
    await peer.publish({ topic: each, payloads: [Buffer.from(each)], qos: 1 })
  const heard = await listener.messages(110)
  for (const { topic: name, payload } of heard) assert.equal(name, payload.toString())
  assert.equal(sent.filter((name) => name === '').length, 10) // the alias of the last 32 topics stood for those ten
})

test('MQTT.js may use an alias that its program gave, and the hub forgets it with the connection', { timeout: 10_000 }, async (t) => {
  const { cable, topic, listener } = await bench(t, 'own alias')
  const { client, comeBack } = await open(t, cable, { clientId: 'own-alias', version: 5, lasting: true }, { autoUseTopicAlias: true })
  const sent: string[] = []
  client.on('packetsend', (packet: Packet) => {
    if (packet.cmd === 'publish') sent.push(packet.topic)
  })
  await client.publishAsync(topic, 'given', { qos: 1, properties: { topicAlias: 7 } })
  await client.publishAsync(topic, 'used', { qos: 1 })
  cable.dropClientsEnd()
  await comeBack()
  await client.publishAsync(topic, 'whole again', { qos: 1 })
  const heard = await listener.messages(3)
  assert.deepEqual(
    heard.map((message) => [message.topic, message.payload.toString()]),
    [
      [topic, 'given'],
      [topic, 'used'],
      [topic, 'whole again'],
    ],
  )
  assert.deepEqual(sent, [topic, '', topic])
})

for (const wire of ['TCP', 'WebSocket'] as const) {
  test(`MQTT.js asks and is answered with the properties of MQTT 5 (${wire})`, { timeout: 10_000 }, async (t) => {
    const cable = await Cable.lay(t, hub, wire)
    const ask = `mqttjs/${wire}/ask`
    const { client: asking } = await open(
      t,
      cable,
      { clientId: `asking-${wire}`, version: 5 },
      { properties: { requestResponseInformation: true } },
    )
    const { client: answering } = await open(t, cable, { clientId: `answering-${wire}`, version: 5 })
    const responses = `responses/asking-${wire}/`
    await asking.subscribeAsync(`${responses}#`, { qos: 1 })
    await answering.subscribeAsync(ask, { qos: 1 })
    answering.on('message', (_topic, payload, { properties }) => {
      const { responseTopic = '', correlationData = Buffer.alloc(0), userProperties = {} } = properties ?? {}
      answering.publish(responseTopic, `61.3 to ${payload}`, {
        qos: 1,
        properties: { correlationData, userProperties, contentType: 'text/plain' },
      })
    })
    const answered = new Promise<[string, Buffer, IPublishPacket]>((resolve) => asking.once('message', (...message) => resolve(message)))
    const correlationData = Buffer.from([0, 255, 1])
    const properties = { responseTopic: `${responses}1`, correlationData, userProperties: { unit: ['C', 'K'] } }
    await asking.publishAsync(ask, 'how warm', { qos: 1, properties })
    const [topic, payload, packet] = await within('an answer', answered)
    assert.equal(topic, `${responses}1`)
    assert.equal(payload.toString(), '61.3 to how warm')
    assert.deepEqual(packet.properties?.correlationData, correlationData)
    assert.equal(packet.properties?.contentType, 'text/plain')
    assert.deepEqual({ ...packet.properties?.userProperties }, { unit: ['C', 'K'] })
  })
}

test('MQTT.js is told by which of its subscriptions a message came, and hears nothing of its own where it said so', {
  timeout: 10_000,
}, async (t) => {
  const { cable, topic } = await bench(t, 'options')
  const { client } = await open(t, cable, { clientId: 'options', version: 5 })
  const heard = new Inbox<[string, unknown]>('a message')
  client.on('message', (name, _payload, { properties }) => heard.put([name, properties?.subscriptionIdentifier]))
  await client.subscribeAsync(`${topic}/silent`, { qos: 1, nl: true, properties: { subscriptionIdentifier: 3 } })
  await client.subscribeAsync(`${topic}/loud`, { qos: 1, properties: { subscriptionIdentifier: 4 } })
  await client.publishAsync(`${topic}/silent`, 'mine', { qos: 1 })
  await client.publishAsync(`${topic}/loud`, 'mine', { qos: 1 })
  assert.deepEqual(await heard.next(), [`${topic}/loud`, 4])
})
