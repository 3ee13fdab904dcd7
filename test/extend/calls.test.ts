// hub.command: what a device asks of an extension, over MQTT and over HTTP.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IPublishPacket } from 'mqtt-packet'
import { CallRefused } from '../../hub/extend/extension.ts'
import { limits } from '../../hub/limits.ts'
import { integer, object, string } from '../../hub/schema.ts'
import { HandClock } from '../kit/clock.ts'
import { moor } from '../kit/mqtt.ts'
import { bearer, giveDevice } from '../security/kit.ts'
import { gate, hubWith, Inbox, mine } from './kit.ts'

const read = ({ topic, payload }: IPublishPacket) => [topic, JSON.parse(payload.toString())]

test('a device asks, and is answered on its answers, at any QoS and in any version', async (t) => {
  const hub = await hubWith(t, [
    mine((h) => h.command<{ a: number }>('double', object({ a: integer() }), ({ device, params }) => ({ device, twice: 2 * params.a }))),
  ])
  for (const [at, version] of ([3, 4, 5] as const).entries()) {
    const pump = await moor(t, hub, `pump-${version}`, version)
    await pump.subscribe(`devices/pump-${version}/answers/+`, { qos: 1 })
    const qos = at as 0 | 1 | 2
    await pump.publish(`devices/pump-${version}/calls/c1`, '{"name":"double","params":{"a":21}}', { qos })
    assert.deepEqual(read(await pump.next('publish')), [
      `devices/pump-${version}/answers/c1`,
      { result: { device: `pump-${version}`, twice: 42 } },
    ])
  }
})

test('what cannot be answered is answered with a code and a sentence', async (t) => {
  const hub = await hubWith(t, [
    mine((h) => {
      h.command('double', object({ a: integer() }), () => 0)
      h.command('no', {}, () => {
        throw new CallRefused('Not on a Sunday.')
      })
      h.command('broken', {}, () => {
        throw new Error('a secret of the extension')
      })
      h.command('rejects', {}, async () => Promise.reject(new Error('so')))
      h.command('deep', {}, function deeper(): number {
        return deeper() + 1
      })
      h.command('huge', {}, () => 'x'.repeat(limits.packetBytes))
      h.command('circle', {}, () => {
        const circle: Record<string, unknown> = {}
        circle['of'] = circle
        return circle
      })
    }),
  ])
  const pump = await moor(t, hub, 'pump', 5)
  await pump.subscribe('devices/pump/answers/+', { qos: 1 })
  const codes: string[] = []
  const payloads = [
    'no json',
    '7',
    '{"params":{}}',
    '{"name":"triple"}',
    '{"name":"double","params":{"a":"21"}}',
    ...['no', 'broken', 'rejects', 'deep', 'huge', 'circle'].map((name) => `{"name":"${name}"}`),
  ]
  for (const [at, payload] of payloads.entries()) {
    await pump.publish(`devices/pump/calls/${at}`, payload, { qos: 1 })
    const { error } = JSON.parse((await pump.next('publish')).payload.toString()) as { error: { code: string; detail: string } }
    codes.push(error.code)
    assert.doesNotMatch(error.detail, /secret/)
    if (error.code === 'call-refused') assert.equal(error.detail, 'Not on a Sunday.')
    if (payload.includes('"21"')) assert.match(error.detail, /params\/a must be integer/)
  }
  assert.deepEqual(codes, [
    ...['call-invalid', 'call-invalid', 'call-invalid', 'call-unknown', 'call-invalid', 'call-refused'],
    ...['call-failed', 'call-failed', 'call-failed', 'call-failed', 'call-failed'],
  ])
  assert.equal((await hub.handler('command broken'))['failures'], 1)
  assert.equal((await hub.handler('command no'))['failures'], 0)
})

test('MQTT 5: the answer goes to the response topic, with the correlation data', async (t) => {
  const hub = await hubWith(t, [mine((h) => h.command('ping', {}, () => 'pong'))])
  const pump = await moor(t, hub, 'pump', 5)
  await pump.subscribe('devices/pump/inbox')
  const properties = { responseTopic: 'devices/pump/inbox', correlationData: Buffer.from([1, 0, 255]), userProperties: { a: 'b' } }
  pump.sendPublish('devices/pump/calls/1', '{"name":"ping"}', { properties })
  const answer = await pump.next('publish')
  assert.deepEqual(read(answer), ['devices/pump/inbox', { result: 'pong' }])
  assert.deepEqual(answer.properties?.correlationData, Buffer.from([1, 0, 255]))
  assert.equal(answer.properties?.userProperties, undefined)
})

test('a response topic is no way to have the hub say what the device may not say', async (t) => {
  const hub = await hubWith(t, [mine((h) => h.command('ping', {}, () => 'pong'))])
  const { secret } = await giveDevice(hub, 'pump')
  const pump = await moor(t, hub, 'pump', 5, { username: 'pump', password: Buffer.from(secret) })
  await pump.subscribe('devices/pump/answers/+')
  const listener = await moor(t, hub, 'listener', 5)
  await listener.subscribe('#')
  const foreign = [
    ...['devices/other/telemetry', 'plant/all', '$SYS/broker/uptime', 'devices/pump/state/desired', 'devices/pump/presence'],
    ...['devices/pump/commands/1', 'devices/pump/answers/of-another', 'devices/bad id/x'],
  ]
  for (const [at, responseTopic] of foreign.entries()) {
    const properties = { responseTopic, correlationData: Buffer.from('c') }
    await pump.publish(`devices/pump/calls/${at}`, '{"name":"ping"}', { qos: 1, properties })
    const answer = await pump.next('publish')
    assert.equal(answer.topic, `devices/pump/answers/${at}`, responseTopic)
    assert.deepEqual(answer.properties?.correlationData, Buffer.from('c'))
  }
  const answers = (await listener.taken()).filter(({ payload }) => payload.toString().includes('pong'))
  assert.deepEqual(
    answers.filter(({ topic }) => foreign.includes(topic)),
    [],
  )
  assert.equal(answers.length, foreign.length)
})

test('nobody but the hub answers', async (t) => {
  const hub = await hubWith(t, [])
  const pump = await moor(t, hub, 'pump', 5)
  const puback = await pump.publish('devices/pump/answers/1', '{"result":1}', { qos: 1 })
  assert.equal((puback as { reasonCode?: number }).reasonCode, 0x87)
  const refused = await hub.post('/v1/publish', { topic: 'devices/pump/answers/1', payload: 1 })
  assert.equal(((await refused.json()) as { code: string }).code, 'topic-not-allowed')
})

test('calls of one device are answered in their order, of others at once; what is too much is refused', async (t) => {
  const { opened, open } = gate()
  const asked = new Inbox<string>()
  const hub = await hubWith(t, [
    mine((h) =>
      h.command('wait', {}, async ({ device }) => {
        asked.push(device)
        if (device === 'slow') await opened
        return device
      }),
    ),
  ])
  const slow = await moor(t, hub, 'slow')
  await slow.subscribe('devices/slow/answers/+', { qos: 1 })
  const count = limits.callsWaiting + 2
  for (let n = 1; n <= count; n++) await slow.publish(`devices/slow/calls/${n}`, '{"name":"wait"}', { qos: 1 })
  const [topic, answer] = read(await slow.next('publish'))
  assert.deepEqual([topic, (answer as { error: { code: string } }).error.code], [`devices/slow/answers/${count}`, 'too-many-calls'])
  await slow.publish('devices/slow/calls/2', '{"name":"wait"}', { qos: 1 }) // once more, because it was cut off, say
  const quick = await hub.post('/v1/devices/quick/calls/wait', {})
  assert.deepEqual(await quick.json(), { result: 'quick' })
  assert.deepEqual(asked.all, ['slow', 'quick'])
  open()
  const answers = (await slow.messages(count - 1)).map((message) => message.topic)
  assert.deepEqual(
    answers,
    Array.from({ length: count - 1 }, (_, at) => `devices/slow/answers/${at + 1}`),
  )
})

test('a call that takes too long is answered, and the next one is asked', async (t) => {
  const clock = new HandClock()
  const asked = new Inbox<unknown>()
  const hub = await hubWith(
    t,
    [
      mine((h) =>
        h.command('hang', {}, ({ params }) => {
          asked.push(params)
          return new Promise(() => {})
        }),
      ),
    ],
    clock,
  )
  const pump = await moor(t, hub, 'pump')
  await pump.subscribe('devices/pump/answers/+', { qos: 1 })
  await pump.publish('devices/pump/calls/1', '{"name":"hang","params":1}', { qos: 1 })
  await asked.until(1)
  clock.advance(limits.callSeconds / 2)
  await pump.publish('devices/pump/calls/2', '{"name":"hang","params":2}', { qos: 1 })
  clock.advance(limits.callSeconds / 2 + 2)
  assert.equal((read(await pump.next('publish'))[1] as { error: { code: string } }).error.code, 'call-timeout')
  await asked.until(2)
  clock.advance(limits.callSeconds / 2 + 2)
  assert.equal((read(await pump.next('publish'))[1] as { error: { code: string } }).error.code, 'call-timeout')
})

test('over HTTP a call is answered with its result, or refused as any request is', async (t) => {
  const hub = await hubWith(t, [
    mine((h) => {
      h.command('greet', object({ name: string() }), ({ params }) => `hello ${(params as { name: string }).name}`)
      h.command('nothing', {}, () => {})
    }),
  ])
  const ask = async (path: string, body: string | object, headers = {}) => {
    const response = await hub.post(path, body, headers)
    const { result, code } = (await response.json()) as { result?: unknown; code?: string }
    return [response.status, code ?? result]
  }
  assert.deepEqual(await ask('/v1/devices/pump/calls/greet', { name: 'you' }), [200, 'hello you'])
  assert.deepEqual(await ask('/v1/devices/pump/calls/nothing', ''), [200, null])
  assert.deepEqual(await ask('/v1/devices/pump/calls/greet', { name: 7 }), [400, 'call-invalid'])
  assert.deepEqual(await ask('/v1/devices/pump/calls/greet', '{'), [400, 'request-invalid'])
  assert.deepEqual(await ask('/v1/devices/pump/calls/other', {}), [404, 'call-unknown'])
  assert.deepEqual(await ask('/v1/devices/b%20d/calls/greet', {}), [400, 'device-id-invalid'])
  const own = await giveDevice(hub, 'pump')
  assert.deepEqual(await ask('/v1/devices/pump/calls/greet', { name: 'me' }, bearer(own)), [200, 'hello me'])
  assert.deepEqual(await ask('/v1/devices/other/calls/greet', { name: 'me' }, bearer(own)), [403, 'not-allowed'])
})
