// Every way to publish refuses what is not allowed, and what it refused has reached nobody.
import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { startHub } from '../kit/hub.ts'
import { dialJson, helloJson } from '../kit/json.ts'
import { dial, moor } from '../kit/mqtt.ts'
import {
  allow,
  answerTo,
  ask,
  asPassword,
  bearer,
  deny,
  giveDevice,
  giveKey,
  keyWith,
  type Made,
  moorAs,
  putRole,
  revoke,
  setDisabled,
} from './kit.ts'

const hub = await startHub({ after } as unknown as TestContext)

/** May publish below `mine/` and for `own`, may retain below `mine/kept/`, and nothing else. */
const program = await keyWith(
  hub,
  'publisher',
  allow(['publish', 'subscribe'], 'mine/#'),
  allow(['publish'], 'devices/own/#'),
  allow(['retain'], 'mine/kept/#'),
  deny(['publish'], 'mine/secret'),
)

/** Hears everything; `nothing` says that nothing came, once a message behind it has. */
async function overhear(t: TestContext) {
  const ear = await moor(t, hub, `ear ${Math.random()}`, 5)
  await ear.subscribe('#', { qos: 1, rh: 2 })
  return {
    async heard(): Promise<string[]> {
      const topics: string[] = []
      await ask(hub, 'POST', '/v1/publish', { topic: 'mark', text: '' })
      for (;;) {
        const { topic } = await ear.next('publish')
        if (topic === 'mark') return topics
        topics.push(topic)
      }
    },
  }
}

const forbidden = ['yours/a', 'mine/secret', 'devices/other/telemetry', 'devices/other/telemetry/temperature']

for (const version of [4, 5] as const) {
  for (const wire of ['TCP', 'WebSocket'] as const) {
    test(`PUBLISH of MQTT ${version} over ${wire}, at each QoS, retained or not`, async (t) => {
      const ear = await overhear(t)
      const client = await moorAs(t, hub, program, `p${version}${wire}`, version, {}, wire)
      for (const topic of forbidden) {
        client.sendPublish(topic, '1')
        const puback = await client.publish(topic, '1', { qos: 1 })
        assert.equal(puback?.cmd === 'puback' && puback.reasonCode, version === 5 ? 0x87 : undefined, topic)
        client.sendPublish(topic, '1', { qos: 2, messageId: 777 })
        const pubrec = await client.next('pubrec')
        assert.equal(pubrec.reasonCode, version === 5 ? 0x87 : undefined, topic)
        if (version === 4) client.acknowledge('pubrel', 777)
      }
      // Allowed, and yet not to be kept.
      client.sendPublish('mine/a', '1', { retain: true })
      await client.publish('mine/a', '1', { qos: 1, retain: true })
      assert.deepEqual(await ear.heard(), [])
      await client.publish('mine/a', '1', { qos: 1 })
      await client.publish('mine/kept/a', '1', { qos: 1, retain: true })
      assert.deepEqual(await ear.heard(), ['mine/a', 'mine/kept/a'])
      const { messages } = (await hub.get('/v1/retained?filter=%23')) as { messages: { topic: string }[] }
      assert.deepEqual(
        messages.map(({ topic }) => topic),
        ['mine/kept/a'],
      )
    })
  }
}

test('a topic alias carries no right along, and an alias that was refused is refused again', async (t) => {
  const ear = await overhear(t)
  const client = await moorAs(t, hub, program, 'alias', 5)
  for (const topic of ['yours/a', '']) {
    client.sendPublish(topic, '1', { qos: 1, messageId: 9, properties: { topicAlias: 1 } })
    assert.equal((await client.next('puback', 9)).reasonCode, 0x87)
  }
  assert.deepEqual(await ear.heard(), [])
})

test('a will is asked about when its client comes, also about being retained', async (t) => {
  for (const [topic, retain] of [
    ['yours/a', false],
    ['mine/secret', false],
    ['mine/a', true],
    ['$SYS/a', false],
  ] as const) {
    for (const version of [4, 5] as const) {
      const client = await dial(t, hub, version)
      const will = { topic, payload: Buffer.from('1'), qos: 1, retain } as const
      const connack = await client.connect('with a will', { ...asPassword(program), will })
      assert.ok((connack.reasonCode ?? connack.returnCode) !== 0, topic)
      await client.closed
    }
    const json = await dialJson(t, hub)
    json.say({ is: 'hello', token: program.secret, will: { topic, text: '1', retain } })
    const { code } = await json.next('error')
    assert.ok(code === 'not-allowed' || code === 'topic-not-allowed' || code === 'topic-invalid', `${topic} ${code}`)
  }
})

test('a will is asked about again when it fires: the role has changed, the device is disabled', async (t) => {
  const ear = await overhear(t)
  const given = await keyWith(hub, 'mortal', allow(['publish', 'subscribe'], 'last/#'))
  const will = { topic: 'last/word', payload: Buffer.from('1'), qos: 1, retain: false } as const
  const first = await moorAs(t, hub, given, 'mortal', 5, { will })
  await putRole(hub, 'mortal', allow(['publish'], 'another/#'))
  first.pullCable()
  await first.closed
  const device = await giveDevice(hub, 'ghost')
  const properties = { sessionExpiryInterval: 60 }
  const delayed = {
    topic: 'devices/ghost/gone',
    payload: Buffer.from('1'),
    qos: 1,
    retain: false,
    properties: { willDelayInterval: 1 },
  } as const
  const second = await moorAs(t, hub, device, 'ghost', 5, { will: delayed, properties })
  second.pullCable()
  await second.closed
  await setDisabled(hub, 'ghost', true)
  // A delayed will of somebody else, which comes due behind it, tells that its time is over.
  const last = await moor(t, hub, 'later', 5, { will: { ...delayed, topic: 'later/gone' }, properties })
  last.pullCable()
  await last.closed
  const listener = await moor(t, hub, 'waits for it', 5)
  await listener.subscribe('later/gone')
  await listener.next('publish')
  assert.deepEqual(await ear.heard(), ['later/gone'])
})

test('a will is asked about when its client is closed because its rights are taken away', async (t) => {
  const ear = await overhear(t)
  const will = { topic: 'last/word', payload: Buffer.from('1'), qos: 1, retain: false } as const
  const given = await keyWith(hub, 'taken', allow(['publish'], 'last/#'))
  const other = await giveKey(hub, 'taken-over-json', { role: 'taken' })
  const client = await moorAs(t, hub, given, 'taken', 5, { will })
  const json = await helloJson(t, hub, { token: other.secret, will: { topic: 'last/frame', text: '1' } })
  for (const made of [given, other]) await revoke(hub, made)
  await Promise.all([client.closed, json.closed])
  assert.deepEqual(await ear.heard(), [])
  // What its owner may do by another credential is left to it.
  const two = [await giveDevice(hub, 'keeps'), await giveDevice(hub, 'keeps')]
  const device = await moorAs(t, hub, two[0] as Made, 'keeps', 5, { will: { ...will, topic: 'devices/keeps/events/gone' } })
  await revoke(hub, two[0] as Made)
  await device.closed
  assert.deepEqual(await ear.heard(), ['devices/keeps/events/gone'])
})

test('frames of JSON over WebSocket', async (t) => {
  const ear = await overhear(t)
  const client = await helloJson(t, hub, { token: program.secret })
  for (const topic of forbidden) {
    for (const qos of [0, 1, 2]) {
      const answer = await client.ask({ is: 'publish', topic, text: '1', qos })
      assert.deepEqual([answer.is, answer.code], ['error', 'not-allowed'], `${topic} at QoS ${qos}`)
    }
  }
  assert.equal((await client.ask({ is: 'publish', topic: 'mine/a', text: '1', retain: true })).code, 'not-allowed')
  // A reply goes to the topic of the device that its client is named after.
  assert.equal((await client.ask({ is: 'reply', command: 'c1', status: 'done' })).code !== undefined, true)
  assert.deepEqual(await ear.heard(), [])
})

test('readings and messages over HTTP, one, many, by metric, and as lines', async (t) => {
  const ear = await overhear(t)
  const posts: readonly (readonly [string, string])[] = [
    ['/v1/devices/other/telemetry', '{"a":1}'],
    ['/v1/devices/other/telemetry', '[{"a":1},{"a":2}]'],
    ['/v1/devices/other/telemetry/temperature', '21'],
    ['/v1/devices/other/replies/c1', '{"status":"done"}'],
    ['/v1/publish', '{"topic":"yours/a","payload":1}'],
    ['/v1/publish', '{"topic":"mine/secret","payload":1,"qos":0}'],
    ['/v1/publish', '{"topic":"mine/a","payload":1,"retain":true}'],
    ['/v1/publish?topic=yours%2Fa', '1'],
    ['/v1/publish?topic=mine%2Fa&retain=true', '1'],
  ]
  for (const [path, body] of posts)
    assert.deepEqual(await answerTo(hub, 'POST', path, program, body), [403, 'not-allowed'], `${path} ${body}`)
  const lines = await fetch(`${hub.url}/v1/devices/other/telemetry`, {
    method: 'POST',
    headers: { ...bearer(program), 'content-type': 'application/x-ndjson' },
    body: '{"a":1}\n{"a":2}\n',
  })
  assert.equal(lines.status, 403)
  assert.deepEqual(await ear.heard(), [])
  assert.equal((await answerTo(hub, 'POST', '/v1/devices/own/telemetry', program, '{"a":1}'))[0], 200)
  assert.deepEqual(await ear.heard(), ['devices/own/telemetry'])
})

test('streams of lines: each line is asked about, whatever its frame', async (t) => {
  const ear = await overhear(t)
  const stream = async (path: string, ...frames: object[]) => {
    const body = frames.map((frame) => JSON.stringify(frame)).join('\n')
    const response = await fetch(hub.url + path, { method: 'POST', headers: bearer(program), body })
    return (await response.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { line?: number; code?: string; stored?: number; refused?: number })
  }
  const readings = await stream('/v1/devices/other/stream', { a: 1 }, { a: 2 })
  assert.deepEqual(
    readings.filter(({ line }) => line !== undefined).map(({ code }) => code),
    ['not-allowed', 'not-allowed'],
  )
  assert.deepEqual([readings.at(-1)?.stored, readings.at(-1)?.refused], [0, 2])
  const messages = await stream('/v1/stream', { topic: 'yours/a', payload: 1 }, { topic: 'mine/a', payload: 1, retain: true })
  assert.deepEqual(
    messages.filter(({ line }) => line !== undefined).map(({ code }) => code),
    ['not-allowed', 'not-allowed'],
  )
  const session = await helloJson(t, hub, { token: program.secret, client: 'a program' })
  const replies = await stream(
    '/v1/stream?client=a%20program',
    { is: 'reply', command: 'c', status: 'done' },
    { is: 'subscribe', filter: 'yours/#' },
  )
  assert.equal(replies.at(-1)?.stored, 0)
  await session.leave()
  assert.deepEqual(await ear.heard(), [])
})

test('files: every format of an import, and line protocol of both versions', async (t) => {
  await ask(hub, 'POST', '/v1/devices/exported/telemetry', { a: 1 })
  const parquet = await (await fetch(`${hub.url}/v1/export?device=exported&format=parquet`)).arrayBuffer()
  const ear = await overhear(t)
  const post = async (path: string, body: string | ArrayBuffer) => {
    const response = await fetch(hub.url + path, { method: 'POST', headers: bearer(program), body })
    return { status: response.status, text: await response.text() }
  }
  for (const [format, body] of [
    ['csv', 'device,metric,time,value\nother,a,2026-01-01T00:00:00Z,1\n'],
    ['ndjson', '{"device":"other","metric":"a","time":1767225600000,"value":1}\n'],
    ['line-protocol', 'm,device=other a=1\n'],
    ['parquet', parquet],
  ] as const) {
    const { text } = await post(`/v1/import?format=${format}`, body)
    const { stored, refused } = JSON.parse(text) as { stored: number; refused: { code: string }[] }
    assert.deepEqual([stored, refused.map(({ code }) => code)], [0, ['not-allowed']], `${format}: ${text}`)
  }
  for (const path of ['/api/v2/write', '/write']) {
    const { status, text } = await post(path, 'm,device=other a=1\n')
    assert.equal(status, 400, `${path}: ${text}`)
    assert.equal((await post(path, 'm,device=own a=1\n')).status, 204, path)
  }
  assert.deepEqual(await ear.heard(), ['devices/own/telemetry', 'devices/own/telemetry'])
  assert.equal((await fetch(`${hub.url}/v1/devices/other`)).status, 404, 'nor has any of it made the device')
})

test('who may read all and publish nothing publishes nothing', async (t) => {
  const ear = await overhear(t)
  const viewer = await giveKey(hub, 'viewer')
  const client = await moorAs(t, hub, viewer, 'viewer')
  assert.equal(((await client.publish('a', '1', { qos: 1 })) as { reasonCode?: number }).reasonCode, 0x87)
  assert.deepEqual(await answerTo(hub, 'POST', '/v1/publish', viewer, '{"topic":"a","payload":1}'), [403, 'not-allowed'])
  assert.deepEqual(await ear.heard(), [])
})
