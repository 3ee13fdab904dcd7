// Cursors and history by MQTT 5 user properties (hub/mqtt/cursors.ts): a client goes on where it was, whatever the hub or the wire did.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IPublishPacket } from 'mqtt-packet'
import { limits } from '../../hub/limits.ts'
import { newFolder, startHub } from '../kit/hub.ts'
import { hubOfFile, moor } from '../kit/mqtt.ts'

const hub = await hubOfFile()

const cursorOf = ({ properties }: IPublishPacket) => properties?.userProperties?.['cursor'] as string | undefined
const textsOf = (messages: readonly IPublishPacket[]) => messages.map(({ payload }) => payload.toString())
const asked = { properties: { userProperties: { cursor: '1' } } } as const

test('a client that asks is told the cursor of each message that is kept, and of no other', async (t) => {
  const plain = await moor(t, hub, 'plain', 5)
  const curious = await moor(t, hub, 'curious', 5, asked)
  await plain.subscribe('told/#', { qos: 1 })
  await curious.subscribe('told/#', { qos: 1 })
  const publisher = await moor(t, hub, 'told by', 5)
  await publisher.publish('told/kept', '1', { qos: 1, properties: { userProperties: { mine: 'x' } } })
  await publisher.publish('told/fleeting', '2')
  await publisher.publish('told/kept', '3', { qos: 2 })

  const without = await plain.messages(3)
  assert.deepEqual(without.map(cursorOf), [undefined, undefined, undefined])
  const [first, second, third] = await curious.messages(3)
  assert.match(cursorOf(first!) ?? '', /^\d+\.\d+$/)
  assert.deepEqual({ ...first?.properties?.userProperties }, { mine: 'x', cursor: cursorOf(first!) }, 'behind those of the publisher')
  assert.equal(cursorOf(second!), undefined)
  assert.ok(Number(cursorOf(third!)?.split('.')[1]) > Number(cursorOf(first!)?.split('.')[1]))
})

test('a retained message that a new subscription gets has no cursor: it is older than where the client stands', async (t) => {
  const client = await moor(t, hub, 'late', 5, asked)
  await client.publish('kept/here', 'old', { qos: 1, retain: true })
  await client.subscribe('kept/here', { qos: 1 })
  const [message] = await client.messages(1)
  assert.equal(message?.retain, true)
  assert.equal(cursorOf(message!), undefined)
})

test('since a cursor: the history comes first, then what happens, without gap or duplicate while a publisher goes on', async (t) => {
  const publisher = await moor(t, hub, 'goes on', 5)
  const total = 1500
  let published = 0
  let stopAt = 500
  const publishing = async () => {
    while (published < stopAt) await publisher.publish('stream/a', `${published++}`, { qos: 1 })
  }
  await publishing()
  const seen: string[] = []
  let cursor: string | undefined
  stopAt = total
  const rest = publishing()
  for (let round = 0; seen.length < total; round += 1) {
    const client = await moor(t, hub, `hop ${round}`, 5)
    const since = cursor === undefined ? '0' : cursor
    const suback = await client.subscribe('stream/+', { qos: round % 2 === 0 ? 1 : 2, userProperties: { since } })
    assert.ok((suback.granted[0] as number) < 3)
    for (const message of await client.messages(Math.min(211, total - seen.length))) {
      seen.push(message.payload.toString())
      cursor = cursorOf(message)
      if (message.qos > 0) client.acknowledge(message.qos === 1 ? 'puback' : 'pubrec', message.messageId)
    }
    client.pullCable()
  }
  await rest
  assert.deepEqual(
    seen,
    Array.from({ length: total }, (_, at) => `${at}`),
  )
})

test('the last few, or since a time', async (t) => {
  const client = await moor(t, hub, 'reader', 5)
  for (let at = 0; at < 5; at += 1) await client.publish('few/x', `${at}`, { qos: 1 })
  await client.subscribe('few/#', { qos: 0, userProperties: { last: '2' } })
  assert.deepEqual(await client.texts(2), ['3', '4'])
  await client.publish('few/y', 'live', { qos: 1 })
  assert.deepEqual(await client.texts(1), ['live'])
  assert.deepEqual(await client.leftovers(), [])

  const other = await moor(t, hub, 'timely', 5)
  await other.subscribe('few/x', { qos: 0, userProperties: { since: new Date(0).toISOString() } })
  assert.deepEqual(await other.texts(5), ['0', '1', '2', '3', '4'])
  await other.subscribe('few/x', { userProperties: { since: `${Date.now() + 60_000}` } })
  assert.deepEqual(await other.leftovers(), [])
})

test('telemetry has a history whatever its QoS', async (t) => {
  const client = await moor(t, hub, 'sensor', 5)
  await client.publish('devices/sensor/telemetry', '{"t":1}')
  await client.settle()
  await client.subscribe('devices/sensor/telemetry', { qos: 1, userProperties: { last: '10' } })
  assert.deepEqual(await client.texts(1), ['{"t":1}'])
})

test('a history of more than an outbox comes whole, at the pace of the acknowledgements', async (t) => {
  const publisher = await moor(t, hub, 'prolific', 5)
  const total = limits.outboxMessages + 500
  for (let at = 0; at < total; at += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, next) => publisher.publish('many', `${at + next}`, { qos: 1 })))
  }
  const reader = await moor(t, hub, 'patient', 5, { clean: false, properties: { sessionExpiryInterval: 60 } })
  await reader.subscribe('many', { qos: 1, userProperties: { since: '0' } })
  const seen: string[] = []
  while (seen.length < total) {
    const [message] = await reader.messages(1)
    seen.push(message!.payload.toString())
    reader.acknowledge('puback', message!.messageId)
  }
  assert.deepEqual(
    seen,
    Array.from({ length: total }, (_, at) => `${at}`),
  )
})

test('what cannot be a beginning is refused for its filters alone, and says why', async (t) => {
  const client = await moor(t, hub, 'wrong', 5)
  for (const userProperties of [
    { since: 'yesterday' },
    { last: '-1' },
    { last: `${limits.historyMessages + 1}` },
    { since: '1.1', last: '1' },
  ]) {
    const suback = await client.subscribe('a', { qos: 1, userProperties: userProperties as Record<string, string> })
    assert.deepEqual(suback.granted, [0x83], JSON.stringify(userProperties))
    assert.match(suback.properties?.reasonString ?? '', /history/)
  }
  const shared = await client.subscribe('$share/g/a', { qos: 1, userProperties: { last: '1' } })
  assert.deepEqual(shared.granted, [0x83])
  await client.ping()
})

test('a cursor that the journal cannot serve is told with SUBACK, with the one from which it goes on', async (t) => {
  const client = await moor(t, hub, 'stranger', 5)
  await client.publish('gap/a', '1', { qos: 1 })
  const suback = await client.subscribe('gap/a', { qos: 1, userProperties: { since: '7.99' } })
  assert.deepEqual(suback.granted, [1])
  assert.match(suback.properties?.userProperties?.['gap'] as string, /^\d+\.0$/)
  assert.match(suback.properties?.reasonString ?? '', /^Messages between 7\.99 and \d+\.0 are not in the journal any more\.$/)
  assert.deepEqual(await client.texts(1), ['1'])
})

test('unsubscribing ends a history; subscribing without one replaces it', async (t) => {
  const client = await moor(t, hub, 'fickle', 5, { properties: { receiveMaximum: 1 } })
  for (let at = 0; at < 3; at += 1) await client.publish('fickle', `${at}`, { qos: 1 })
  await client.subscribe('fickle', { qos: 1, userProperties: { since: '0' } })
  const [first] = await client.messages(1)
  await client.unsubscribe('fickle')
  client.acknowledge('puback', first!.messageId)
  const left = textsOf(await client.leftovers())
  assert.ok(left.length <= 2)
  await client.publish('fickle', 'nobody', { qos: 1 })
  assert.ok(!textsOf(await client.leftovers()).includes('nobody'))
})

test('cursors go on over a restart of the hub', async (t) => {
  const data = newFolder(t)
  const one = await startHub(t, { data })
  const before = await moor(t, one, 'before', 5, asked)
  await before.subscribe('a', { qos: 1 })
  for (const text of ['1', '2', '3']) await before.publish('a', text, { qos: 1 })
  const cursor = cursorOf((await before.messages(2)).at(-1)!)
  await one.stop()

  const two = await startHub(t, { data })
  const after = await moor(t, two, 'after', 5)
  await after.subscribe('a', { qos: 1, userProperties: { since: cursor! } })
  await after.publish('a', '4', { qos: 1 })
  assert.deepEqual(await after.texts(2), ['3', '4'])
})
