// Smaller promises of MQTT 5: payload format, response information, reason strings that give way, refusals that say why.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IPublishPacket, Packet } from 'mqtt-packet'
import { dial, hubOfFile, moor, refusalsWith } from '../kit/mqtt.ts'

const hub = await hubOfFile()
const notText = Buffer.from('c328', 'hex') // the beginning of two bytes in UTF-8, and no second one
const isText = { properties: { payloadFormatIndicator: true } }

// Section 3.3.2.3.2
test('a payload that claims to be text and is not is refused with 0x99 and reaches nobody', async (t) => {
  const refused = await refusalsWith(hub, 'payload-format-invalid')
  const watcher = await moor(t, hub, 'format-watcher', 5)
  await watcher.subscribe('11/format/#', { qos: 2 })
  const client = await moor(t, hub, 'format', 5)
  await client.publish('11/format/0', notText, isText)
  client.sendPacket({ cmd: 'publish', topic: '11/format/1', payload: notText, qos: 1, messageId: 1, ...isText } as IPublishPacket)
  client.sendPacket({ cmd: 'publish', topic: '11/format/2', payload: notText, qos: 2, messageId: 2, ...isText } as IPublishPacket)
  const puback = await client.next('puback')
  const pubrec = await client.next('pubrec')
  assert.deepEqual([puback.messageId, puback.reasonCode, pubrec.messageId, pubrec.reasonCode], [1, 0x99, 2, 0x99])
  assert.equal(await refused(), 3)
  await client.publish('11/format/end', 'that was all', { qos: 1 })
  assert.deepEqual(await watcher.texts(1), ['that was all'])
})

test('text that claims to be text passes with its claim, and so do other bytes that claim nothing', async (t) => {
  const client = await moor(t, hub, 'text', 5)
  await client.subscribe('11/text', { qos: 1 })
  await client.publish('11/text', 'Grüße', { qos: 1, ...isText })
  await client.publish('11/text', notText, { qos: 1, properties: { payloadFormatIndicator: false } })
  await client.publish('11/text', notText, { qos: 1, properties: { contentType: 'application/octet-stream' } })
  await client.publish('11/text', notText, { qos: 1 })
  const heard = await client.messages(4)
  assert.equal(heard[0]?.payload.toString(), 'Grüße')
  assert.equal(heard[0]?.properties?.payloadFormatIndicator, true) // [MQTT-3.3.2-4]
  for (const { payload } of heard.slice(1)) assert.deepEqual(payload, notText)
})

test('a will that claims to be text and is not keeps its client out', async (t) => {
  const will = (payload: Buffer) => ({ topic: '11/will', payload, qos: 0, retain: false, ...isText }) as const
  const client = await dial(t, hub, 5)
  const connack = await client.connect('liar', { will: will(notText) })
  assert.equal(connack.reasonCode, 0x99) // section 3.1.3.2.3
  await client.closed
  await moor(t, hub, 'honest', 5, { will: will(Buffer.from('text')) })
})

const asks = { properties: { requestResponseInformation: true } }

// Section 3.2.2.3.14
test('a client that asks for it is told where its answers may go, and can listen there', async (t) => {
  const client = await moor(t, hub, 'plc/7+#', 5, asks)
  const prefix = client.connack.properties?.responseInformation ?? ''
  assert.equal(prefix, 'responses/plc%2F7%2B%23/')
  await client.subscribe(`${prefix}#`, { qos: 1 })
  const answering = await moor(t, hub, 'answering', 5)
  await answering.publish(`${prefix}42`, 'the answer', { qos: 1 })
  assert.deepEqual(await client.texts(1), ['the answer'])
  const other = await moor(t, hub, 'plc%2F7%2B%23', 5, asks)
  assert.notEqual(other.connack.properties?.responseInformation, prefix)
  const nameless = await moor(t, hub, '', 5, asks)
  const { assignedClientIdentifier: given, responseInformation } = nameless.connack.properties ?? {}
  assert.equal(responseInformation, `responses/${given}/`)
})

test('a client that does not ask is told nothing, and neither is one whose identifier fills a topic', async (t) => {
  const silent = await moor(t, hub, 'does not ask', 5) // [MQTT-3.1.2-28]
  assert.equal(silent.connack.properties?.responseInformation, undefined)
  const long = await moor(t, hub, 'x'.repeat(600), 5, asks)
  assert.equal(long.connack.properties?.responseInformation, undefined)
})

test('no CONNACK is larger than the packets a client takes', async (t) => {
  const sized = (maximumPacketSize: number) => ({ properties: { maximumPacketSize, requestResponseInformation: true } })
  const roomy = await moor(t, hub, 'sized', 5, sized(35))
  assert.equal(roomy.connack.length, 33)
  assert.equal(roomy.connack.properties?.responseInformation, 'responses/sized/')
  const tight = await moor(t, hub, 'sized', 5, sized(34))
  assert.equal(tight.connack.properties?.responseInformation, undefined)
  const terse = await dial(t, hub, 5)
  const refusal = await terse.connect('terse', { properties: { maximumPacketSize: 20, authenticationMethod: 'any' } })
  assert.deepEqual([refusal.reasonCode, refusal.properties?.reasonString], [0x8c, undefined]) // [MQTT-3.2.2-19]
})

test('a client that has no room for any CONNACK is not let in, and has no session', async (t) => {
  const properties = { maximumPacketSize: 12, sessionExpiryInterval: 60 }
  const client = await dial(t, hub, 5)
  assert.equal((await client.connect('tiny', { properties })).reasonCode, 0x82)
  await client.closed
  const deaf = await dial(t, hub, 5)
  deaf.sendPacket({
    cmd: 'connect',
    clientId: 'deaf',
    clean: true,
    keepalive: 0,
    protocolId: 'MQTT',
    protocolVersion: 5,
    properties: { maximumPacketSize: 4 },
  } as Packet)
  await deaf.closed // [MQTT-3.1.2-24]: not even five bytes
  assert.deepEqual(deaf.unread, [])
  const grown = await moor(t, hub, 'tiny', 5, { clean: false })
  assert.equal(grown.connack.sessionPresent, false)
})

test('a refused PUBLISH is answered with the reason in words, in its turn among the others', async (t) => {
  const client = await moor(t, hub, 'refused', 5)
  const topics = ['11/a', '$SYS/b', '11/c', 'devices/not an id/d', '11/e']
  client.socket.cork() // one turn of the loop for all of them
  for (const [at, topic] of topics.entries()) {
    client.sendPacket({ cmd: 'publish', topic, payload: 'x', qos: 1, messageId: at + 1 } as IPublishPacket)
  }
  client.socket.uncork()
  const answers = []
  for (const _ of topics) answers.push(await client.next('puback'))
  assert.deepEqual(
    answers.map(({ messageId, reasonCode }) => [messageId, reasonCode]),
    [
      [1, 0],
      [2, 0x87],
      [3, 0],
      [4, 0x90],
      [5, 0],
    ],
  ) // [MQTT-4.6.0-2]
  const reasons = answers.map(({ properties }) => properties?.reasonString)
  assert.match(reasons[1] ?? '', /Nobody but the hub may publish to \$SYS\/b/)
  assert.match(reasons[3] ?? '', /not an id/)
  assert.deepEqual([reasons[0], reasons[2], reasons[4]], [undefined, undefined, undefined])
})

test('PUBREC says why as well, and the packet identifier is free again', async (t) => {
  const client = await moor(t, hub, 'refused-2', 5)
  const publish = (topic: string) => client.sendPacket({ cmd: 'publish', topic, payload: 'x', qos: 2, messageId: 9 } as IPublishPacket)
  publish('$SYS/no')
  const refusal = await client.next('pubrec')
  assert.equal(refusal.reasonCode, 0x87)
  assert.match(refusal.properties?.reasonString ?? '', /topics that begin with \$/)
  publish('11/yes')
  const taken = await client.next('pubrec')
  assert.deepEqual([taken.messageId, taken.reasonCode, taken.properties?.reasonString], [9, 0, undefined])
})

test('the words are left out for a client that wants none or has no room, and do not exist in 3.1.1', async (t) => {
  const unwanted = await moor(t, hub, 'no-words', 5, { properties: { requestProblemInformation: false } }) // [MQTT-3.1.2-29]
  const small = await moor(t, hub, 'small', 5, { properties: { maximumPacketSize: 40 } }) // [MQTT-3.4.2-2]
  const old = await moor(t, hub, 'old', 4)
  for (const client of [unwanted, small, old]) {
    client.sendPacket({ cmd: 'publish', topic: '$SYS/no', payload: 'x', qos: 1, messageId: 1 } as IPublishPacket)
    const puback = await client.next('puback')
    assert.equal(puback.reasonCode, client === old ? undefined : 0x87)
    assert.equal(puback.properties?.reasonString, undefined)
    await client.ping()
  }
})
