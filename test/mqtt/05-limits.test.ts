// Every bound of hub/limits.ts that an MQTT client can meet: what it is told, and that others notice nothing.
// Elsewhere: receiveMaximum and inflightMessages in 02, connectSeconds in 01, outboxMessages in 04, connection…Bytes in 06, sharedGroupMembers
// and the sums in test/session and test/routing.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { ISubscribePacket } from 'mqtt-packet'
import { limits } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { dial, hubOfFile, moor, refusalsWith, type TestClient, type Version } from '../kit/mqtt.ts'
import { lasting } from '../kit/packets.ts'

const clock = new HandClock()
const hub = await hubOfFile(clock)

/** Another client, connected before the limit is met: it must go on working. */
async function bystander(t: TestContext, name: string, version: Version) {
  const client = await moor(t, hub, `bystander of ${name} ${version}`, version)
  await client.subscribe(`05/bystander/${version}`, { qos: 1 })
  return async () => {
    await client.publish(`05/bystander/${version}`, 'still here', { qos: 1 })
    assert.deepEqual(await client.texts(1), ['still here'])
  }
}

/** The connection is closed; MQTT 5 says why and names the limit. */
async function endedBy(client: TestClient, code: number, limit: keyof typeof limits): Promise<void> {
  const goodbye = await client.goodbye()
  if (client.version !== 5) return
  assert.equal(goodbye?.code, code)
  assert.match(goodbye?.reason ?? '', new RegExp(`limits\\.${limit}\\b`))
}

/** The filter is refused and the connection goes on; MQTT 5 names the limit. */
async function refusedFilter(client: TestClient, filter: string, limit: keyof typeof limits): Promise<void> {
  const { granted, properties } = await client.subscribe(filter)
  assert.deepEqual(granted, [client.version === 5 ? 0x8f : 0x80])
  if (client.version === 5) assert.match(properties?.reasonString ?? '', new RegExp(`limits\\.${limit}\\b`))
  await client.ping()
}

function variableInteger(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest])
    bytes.push((rest & 0x7f) | 0x80)
  }
}

/** A thousand PUBLISHes at QoS 0 with short topics and no payload, as one write. */
function emptyMessages(from: number, topicOf: (at: number) => string, version: Version = 4): Buffer {
  const packets = Array.from({ length: 1000 }, (_, at) => {
    const topic = topicOf(from + at)
    const end = version === 5 ? '\0' : '' // no properties
    return Buffer.from(
      `\x30${String.fromCharCode(2 + topic.length + end.length)}\0${String.fromCharCode(topic.length)}${topic}${end}`,
      'latin1',
    )
  })
  return Buffer.concat(packets)
}

for (const version of [4, 5] as const) {
  const of = `(MQTT level ${version})`

  test(`packetBytes: a larger packet is refused by its declared length, before its body is sent ${of}`, async (t) => {
    const stillWorks = await bystander(t, 'packetBytes', version)
    const client = await moor(t, hub, `large-${version}`, version)
    client.sendBytes(Buffer.concat([Buffer.from([0x30]), variableInteger(limits.packetBytes - 3)])) // one byte too many, with the header
    await endedBy(client, 0x95, 'packetBytes')
    await stillWorks()
  })

  test(`packetBytes: a packet of exactly this size passes ${of}`, async (t) => {
    const client = await moor(t, hub, `largest-${version}`, version)
    const topic = `05/size/${version}`
    await client.subscribe(topic)
    const header = 1 + 3 + 2 + topic.length + (version === 5 ? 1 : 0)
    await client.publish(topic, Buffer.alloc(limits.packetBytes - header, 'x'))
    assert.equal((await client.next('publish')).payload.length, limits.packetBytes - header)
  })

  test(`connectBytes: a CONNECT that declares more is refused at once, one of this size passes ${of}`, async (t) => {
    const stillWorks = await bystander(t, 'connectBytes', version)
    const stranger = await dial(t, hub, version)
    stranger.sendBytes(Buffer.concat([Buffer.from([0x10]), variableInteger(limits.connectBytes - 3)]))
    await stranger.closed
    assert.deepEqual(stranger.unread, [], 'it has not said which version it speaks')
    const fixed = 4 + 10 + (version === 5 ? 2 : 0) + 2 + 1 + 2 + 4 + 2
    const will = { topic: 'will', payload: Buffer.alloc(limits.connectBytes - fixed), qos: 0, retain: false } as const
    const guest = await moor(t, hub, 'g', version, { will })
    await guest.leave()
    await stillWorks()
  })

  test(`topicBytes: a longer topic name or filter is refused ${of}`, async (t) => {
    const stillWorks = await bystander(t, 'topicBytes', version)
    const longest = 't'.repeat(limits.topicBytes)
    const client = await moor(t, hub, `long-topic-${version}`, version)
    await client.subscribe(longest)
    await client.publish(longest, 'x')
    assert.equal((await client.next('publish')).topic, longest)
    client.publish(`${longest}t`, 'x', { qos: 0 })
    await endedBy(client, 0x90, 'topicBytes')

    const other = await moor(t, hub, `long-filter-${version}`, version)
    await refusedFilter(other, `${longest}t`, 'topicBytes')

    const willing = await dial(t, hub, version)
    const will = { topic: `${longest}t`, payload: Buffer.from('x'), qos: 0, retain: false } as const
    const answer = willing.connect('long-will', { will })
    if (version === 5) {
      const connack = await answer
      assert.equal(connack.reasonCode, 0x90)
      assert.match(connack.properties?.reasonString ?? '', /limits\.topicBytes/)
    } else await assert.rejects(answer, /the connection closed/) // no return code of 3.1.1 says it  3.1.1: [MQTT-3.1.4-1]
    await stillWorks()
  })

  test(`topicLevels: a deeper topic name or filter is refused ${of}`, async (t) => {
    const stillWorks = await bystander(t, 'topicLevels', version)
    const deepest = `05${'/'.repeat(limits.topicLevels - 1)}`
    const client = await moor(t, hub, `deep-topic-${version}`, version)
    await client.subscribe(deepest)
    await client.publish(deepest, 'x')
    assert.equal((await client.next('publish')).topic, deepest)
    client.publish(`${deepest}/`, 'x')
    await endedBy(client, 0x90, 'topicLevels')
    const other = await moor(t, hub, `deep-filter-${version}`, version)
    await refusedFilter(other, `${deepest}/`, 'topicLevels')
    await stillWorks()
  })

  test(`subscriptionsPerSession: one more filter is refused, the connection and its other subscriptions go on ${of}`, async (t) => {
    const stillWorks = await bystander(t, 'subscriptions', version)
    const client = await moor(t, hub, `collector-${version}`, version)
    const subscriptions = Array.from({ length: limits.subscriptionsPerSession }, (_, at) => ({ topic: `05/sub/${at}`, qos: 0 as const }))
    client.sendPacket({ cmd: 'subscribe', messageId: 9, subscriptions } as ISubscribePacket)
    const { granted } = await client.next('suback')
    assert.ok(granted.every((code) => code === 0))
    const refused = await refusalsWith(hub, 'too-many-subscriptions')
    const suback = await client.subscribe('05/sub/one-more')
    assert.equal(await refused(), 1)
    assert.deepEqual(suback.granted, [version === 5 ? 0x97 : 0x80])
    if (version === 5) assert.match(suback.properties?.reasonString ?? '', /limits\.subscriptionsPerSession/)
    assert.deepEqual((await client.subscribe('05/sub/7', { qos: 1 })).granted, [1], 'to change one costs no place')
    await client.unsubscribe('05/sub/8')
    assert.deepEqual((await client.subscribe('05/sub/one-more')).granted, [0])
    await client.publish('05/sub/one-more', 'x')
    assert.deepEqual(await client.texts(1), ['x'])
    await stillWorks()
  })

  test(`outboxBytes: an absent device is owed so many bytes and no more ${of}`, async (t) => {
    const stillWorks = await bystander(t, 'outboxBytes', version)
    const device = await moor(t, hub, `absent-${version}`, version, lasting(version))
    const topic = `05/owed/${version}`
    await device.subscribe(topic, { qos: 1 })
    await device.leave()
    const publisher = await moor(t, hub, `absent-out-${version}`, version)
    const payload = Buffer.alloc(250_000, 'x')
    const fitting = Math.floor(limits.outboxBytes / (payload.length + topic.length + 100))
    await Promise.all(Array.from({ length: fitting + 4 }, () => publisher.publish(topic, payload, { qos: 1 })))
    await publisher.publish(topic, 'small', { qos: 1 }) // room that a large one could not use
    const back = await moor(t, hub, `absent-${version}`, version, lasting(version))
    const lengths = (await back.messages(fitting + 1)).map((message) => message.payload.length)
    assert.deepEqual(lengths, [...Array.from({ length: fitting }, () => payload.length), 5])
    assert.deepEqual(await back.leftovers(), [])
    await stillWorks()
  })
}

// Telemetry that breaks a bound is kept, as every message is, and the device's page says why it could not be read.
const names = (count: number, prefix = 'm') => Object.fromEntries(Array.from({ length: count }, (_, at) => [`${prefix}${at}`, at]))
const unreadable: readonly [keyof typeof limits, topic: string, within: string, beyond: string][] = [
  ['metricsPerMessage', '', JSON.stringify(names(limits.metricsPerMessage)), JSON.stringify(names(limits.metricsPerMessage + 1))],
  [
    'pointsPerMessage',
    '',
    JSON.stringify(Array.from({ length: limits.pointsPerMessage / 100 }, () => names(100))),
    JSON.stringify([{ last: 1 }, ...Array.from({ length: limits.pointsPerMessage / 100 }, () => names(100))]),
  ],
  [
    'metricNameBytes',
    '',
    JSON.stringify({ ['n'.repeat(limits.metricNameBytes)]: 1 }),
    JSON.stringify({ ['n'.repeat(limits.metricNameBytes + 1)]: 1 }),
  ],
  ['valueBytes', '/text', 'v'.repeat(limits.valueBytes), 'v'.repeat(limits.valueBytes + 1)],
]

for (const [limit, subtopic, within, beyond] of unreadable) {
  test(`${limit}: telemetry beyond it is acknowledged, kept and named on the device's page`, async (t) => {
    const id = `measures-${limit}`
    const topic = `devices/${id}/telemetry${subtopic}`
    const device = await moor(t, hub, id, 5)
    assert.equal(((await device.publish(topic, within, { qos: 1 })) as { reasonCode?: number }).reasonCode, 0)
    assert.equal((await about(id)).lastRefusal, null)
    assert.equal(((await device.publish(topic, beyond, { qos: 1 })) as { reasonCode?: number }).reasonCode, 0)
    const { lastRefusal } = await about(id)
    assert.equal(lastRefusal?.topic, topic)
    assert.match(lastRefusal?.sentence ?? '', new RegExp(`\\b${limits[limit]}\\b`))
    await device.publish(topic, within, { qos: 1 })
  })
}

test("metricsPerDevice: a metric too many is named on the device's page, the others go on", async (t) => {
  const device = await moor(t, hub, 'numbered', 4)
  const topic = 'devices/numbered/telemetry'
  for (let at = 0; at < limits.metricsPerDevice; at += 250) await device.publish(topic, JSON.stringify(names(250, `m${at}-`)), { qos: 1 })
  assert.equal((await about('numbered')).lastRefusal, null)
  await device.publish(topic, '{"one-more":1}', { qos: 1 })
  const { lastRefusal } = await about('numbered')
  assert.match(lastRefusal?.sentence ?? '', /limits\.metricsPerDevice/)
  await device.publish(topic, '{"m0-0":77}', { qos: 1 })
  assert.equal((await about('numbered')).latest['m0-0']?.value, 77)
})

test('routeCacheTopics: more topics than are remembered are delivered all the same', async (t) => {
  const client = await moor(t, hub, 'many-topics', 4)
  await client.subscribe('05/route/first')
  for (let at = 0; at < limits.routeCacheTopics + 10; at += 1000) {
    client.sendBytes(emptyMessages(at, (next) => `05/route/${next}`))
    await client.ping()
  }
  await client.publish('05/route/first', 'x')
  assert.deepEqual(await client.texts(1), ['x'])
})

test('devicesCreatedPerMinute: a loop that invents ids is stopped until the minute is over; known devices go on', async (t) => {
  const stillWorks = await bystander(t, 'devices', 5)
  clock.advance(61) // what this file has created before is of an earlier minute
  const inventor = await moor(t, hub, 'inventor', 5)
  for (let at = 0; at < limits.devicesCreatedPerMinute; at += 1000) {
    inventor.sendBytes(emptyMessages(at, (next) => `devices/d${next}/events/boot`, 5))
    await inventor.ping()
  }
  const refused = await refusalsWith(hub, 'too-many-new-devices')
  await inventor.publish('devices/one-more/events/boot', '') // at QoS 0 there is nobody to tell
  await inventor.ping()
  assert.equal(await refused(), 1)
  await inventor.publish('devices/d7/events/boot', '', { qos: 1 })
  // It may pass later, so it is not answered: the connection closes and the message stays with the device.
  inventor.sendPublish('devices/one-more/events/boot', '', { qos: 1, messageId: 9 })
  await endedBy(inventor, 0x96, 'devicesCreatedPerMinute')
  await stillWorks()
  clock.advance(61)
  const later = await moor(t, hub, 'inventor', 5)
  await later.publish('devices/one-more/events/boot', '', { qos: 1 })
  assert.equal((await about('one-more')).id, 'one-more')
})

interface About {
  readonly id: string
  readonly latest: Record<string, { value: unknown }>
  readonly lastRefusal: { topic: string; sentence: string } | null
}

async function about(id: string): Promise<About> {
  return (await hub.get(`/v1/devices/${id}`)) as About
}
