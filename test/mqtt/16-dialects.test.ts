// Devices and gateways of ThingsBoard's MQTT API, as they are: a token as user name, and topics of theirs alone.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { IPubackPacket } from 'mqtt-packet'
import { newFolder, startHub, type TestHub } from '../kit/hub.ts'
import { helloJson } from '../kit/json.ts'
import { moor, type TestClient, type Version } from '../kit/mqtt.ts'
import { ask, bearer, giveDevice, giveKey, type Made } from '../security/kit.ts'

/** As their clients come: any client identifier that is the device's, the token as user name, no password. */
const come = (t: TestContext, hub: TestHub, made: Made, clientId: string, version: Version = 4, options: object = {}) =>
  moor(t, hub, clientId, version, { username: made.secret, ...options })

const latest = async (hub: TestHub, id: string) =>
  Object.fromEntries(
    Object.entries(((await hub.get(`/v1/devices/${id}`)) as { latest: Record<string, { value: unknown }> }).latest).map(
      ([metric, { value }]) => [metric, value],
    ),
  )

const publish = (hub: TestHub, topic: string, payload: unknown) => ask(hub, 'POST', '/v1/publish', { topic, payload })

async function said(client: TestClient): Promise<[topic: string, payload: unknown]> {
  const { topic, payload } = await client.next('publish')
  return [topic, JSON.parse(payload.toString())]
}

async function refusal(client: TestClient, topic: string, payload: string): Promise<string> {
  const { reasonCode, properties } = (await client.publish(topic, payload, { qos: 1 })) as IPubackPacket
  return `${reasonCode} ${properties?.reasonString}`
}

for (const version of [4, 5] as const) {
  test(`a device sends telemetry and attributes, is asked by RPC and answers, and asks itself (MQTT ${version})`, async (t) => {
    const hub = await startHub(t, { dialects: ['thingsboard'] })
    const device = await come(t, hub, await giveDevice(hub, 'pump-7'), 'pump-7', version)
    const watching = await moor(t, hub, 'watching', 4)
    for (const below of ['telemetry', 'state/reported', 'commands/+', 'replies/+', 'calls/+'])
      await watching.subscribe(`devices/pump-7/${below}`, { qos: 1 })

    await device.publish('v1/devices/me/telemetry', '{"t":21.5}', { qos: 1 })
    await device.publish('v1/devices/me/telemetry', '[{"ts":1700000000000,"values":{"rh":40}},{"ts":1700000001000,"values":{"rh":41}}]', {
      qos: 1,
    })
    assert.deepEqual(await latest(hub, 'pump-7'), { rh: 41, t: 21.5 })
    await device.publish('v1/devices/me/attributes', '{"firmware":"1.2"}', { qos: 1 })
    await watching.next('publish')
    await watching.next('publish')
    assert.deepEqual(await said(watching), ['devices/pump-7/state/reported', { firmware: '1.2' }])

    for (const filter of ['v1/devices/me/rpc/request/+', 'v1/devices/me/rpc/response/+', 'v1/devices/me/attributes'])
      assert.deepEqual((await device.subscribe(filter, { qos: 1 })).granted, [1], filter)
    const wanted = { name: 'setSpeed', params: { rpm: 90 } }
    const asked = await hub.post('/v1/devices/pump-7/commands', wanted)
    const { id } = (await asked.json()) as { id: string }
    await publish(hub, 'devices/pump-8/commands/c-abd', { name: 'setSpeed' })
    const [topic, request] = await said(device)
    assert.deepEqual(request, { method: 'setSpeed', params: { rpm: 90 } })
    const [, number = ''] = /^v1\/devices\/me\/rpc\/request\/(\d+)$/.exec(topic) ?? []
    assert.ok(Number(number) > 0 && Number(number) < 2 ** 31, number)
    await watching.next('publish')
    await device.publish(`v1/devices/me/rpc/response/${number}`, '{"rpm":90}', { qos: 1 })
    assert.deepEqual(await said(watching), [`devices/pump-7/replies/${id}`, { status: 'done', result: { rpm: 90 } }])
    const { state, result } = (await ask(hub, 'GET', `/v1/commands/${id}`)) as { state: string; result: object }
    assert.deepEqual([state, result], ['done', { rpm: 90 }])

    await ask(hub, 'PATCH', '/v1/devices/pump-7/twin', { desired: { speed: 5 } })
    assert.deepEqual(await said(device), ['v1/devices/me/attributes', { speed: 5 }])
    await device.publish('v1/devices/me/rpc/request/12', '{"method":"getTime","params":{}}', { qos: 1 })
    assert.deepEqual(await said(watching), ['devices/pump-7/calls/12', { name: 'getTime', params: {} }])
    const [answered, answer] = await said(device)
    assert.deepEqual([answered, (answer as { error: { code: string } }).error.code], ['v1/devices/me/rpc/response/12', 'call-unknown'])
    await device.unsubscribe('v1/devices/me/attributes')
    await ask(hub, 'PATCH', '/v1/devices/pump-7/twin', { desired: { speed: 6 } })
    assert.deepEqual(await device.taken(), [])
  })
}

test('it is understood on every wire, and adds no rights', async (t) => {
  const hub = await startHub(t, { dialects: ['thingsboard'] })
  const made = await giveDevice(hub, 'pump-7')
  const body = { topic: 'v1/devices/me/telemetry', payload: { t: 1 } }
  const answers = await Promise.all([
    fetch(`${hub.url}/v1/publish`, { method: 'POST', headers: bearer(made), body: JSON.stringify(body) }),
    fetch(`${hub.url}/v1/stream`, { method: 'POST', headers: bearer(made), body: JSON.stringify({ ...body, payload: { u: 2 } }) }),
  ])
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200],
  )
  const json = await helloJson(t, hub, { client: 'pump-7', token: made.secret })
  await json.do({ is: 'publish', ...body, payload: { v: 3 } })
  assert.deepEqual(await latest(hub, 'pump-7'), { t: 1, u: 2, v: 3 })
  await json.do({ is: 'subscribe', filter: 'v1/devices/me/rpc/request/+' })
  await publish(hub, 'devices/pump-7/commands/c-1', { name: 'stop' })
  const { topic, payload } = await json.next('message')
  assert.match(`${topic}`, /^v1\/devices\/me\/rpc\/request\/\d+$/)
  assert.deepEqual(payload, { method: 'stop', params: {} })

  await ask(hub, 'PUT', '/v1/roles/mute', [{ effect: 'allow', actions: ['subscribe'], filter: 'devices/%d/commands/+' }])
  const mute = await come(t, hub, await giveDevice(hub, 'mute', { role: 'mute' }), 'mute', 5)
  assert.match(await refusal(mute, 'v1/devices/me/telemetry', '{"t":1}'), /^135 .*publish devices\/mute\/telemetry/)
  assert.deepEqual((await mute.subscribe('v1/devices/me/rpc/request/+')).granted, [0])
  assert.deepEqual((await mute.subscribe('v1/devices/me/attributes')).granted, [0x87])
})

test('what cannot be read is refused with a sentence, and so is who is no device', async (t) => {
  const hub = await startHub(t, { dialects: ['thingsboard'] })
  const device = await come(t, hub, await giveDevice(hub, 'pump-7'), 'pump-7', 5)
  assert.match(
    await refusal(device, 'v1/devices/me/rpc/response/99', '{}'),
    /^153 .* cannot be read as thingsboard: there is no request of this number/,
  )
  assert.match(await refusal(device, 'v1/devices/me/claim', '{}'), /^153 .*: there is no such topic for what comes up/)
  assert.match(await refusal(device, 'v1/devices/me/rpc/request/1', 'what?'), /^153 .*: a request is /)
  assert.match(await refusal(device, 'v1/gateway/telemetry', '[]'), /^153 .*: a gateway says a JSON object/)
  assert.match(await refusal(device, 'v1/gateway/telemetry', '{"other":[{"t":1}]}'), /^135 /)
  for (const name of ['a/b', '#', ''])
    assert.match(await refusal(device, 'v1/gateway/telemetry', JSON.stringify({ [name]: {} })), /^153 .*ids of devices/)
  assert.match(await refusal(device, 'v1/gateway/connect', '{"device":"a/b"}'), /^153 .*id of a device/)
  assert.deepEqual((await device.subscribe('v1/devices/me/attributes/response/+')).granted, [0x87])
  const program = await come(t, hub, await giveKey(hub, 'program', { role: 'operator' }), 'program', 5)
  assert.match(await refusal(program, 'v1/devices/me/telemetry', '{"t":1}'), /^135 v1\/devices\/me\/telemetry is for devices/)
  const codes = ['dialect-needs-device', 'dialect-not-understood']
  const { refusals } = (await hub.get('/v1/hub')) as { refusals: { code: string; count: number }[] }
  assert.deepEqual(
    refusals
      .filter(({ code }) => codes.includes(code))
      .map(({ code, count }) => `${code} ${count}`)
      .toSorted(),
    ['dialect-needs-device 1', 'dialect-not-understood 8'],
  )

  const anonymous = await moor(t, hub, 'lamp-1', 4)
  await anonymous.publish('v1/devices/me/telemetry', '{"on":true}', { qos: 1 })
  assert.deepEqual(await latest(hub, 'lamp-1'), { on: true }, 'without credentials a device is called as its client')
})

test('a command that waits for a device that is away, and for a hub that is down, comes in its words, and its answer finds back', async (t) => {
  const folder = newFolder(t)
  const hub = await startHub(t, { dialects: ['thingsboard'], data: folder })
  const made = await giveDevice(hub, 'pump-7')
  const device = await come(t, hub, made, 'pump-7', 4, { clean: false })
  await device.subscribe('v1/devices/me/rpc/request/+', { qos: 1 })
  device.socket.destroy()
  await device.closed
  await publish(hub, 'devices/pump-7/commands/c-1', { name: 'stop' })
  await hub.stop()
  const again = await startHub(t, { dialects: ['thingsboard'], data: folder })
  const back = await come(t, again, made, 'pump-7', 4, { clean: false })
  const [topic, request] = await said(back)
  assert.deepEqual(request, { method: 'stop', params: {} })
  const watching = await moor(t, again, 'watching', 4)
  await watching.subscribe('devices/+/replies/+')
  await back.publish(topic.replace('request', 'response'), 'done', { qos: 1 })
  assert.deepEqual(await said(watching), ['devices/pump-7/replies/c-1', { status: 'done', result: 'done' }])
})

test('a gateway brings its devices, speaks for them, and is asked by RPC for them', async (t) => {
  const hub = await startHub(t, { dialects: ['thingsboard'] })
  await ask(hub, 'PUT', '/v1/types/gateway', { children: 'new' })
  await ask(hub, 'POST', '/v1/devices', { id: 'gw', type: 'gateway' })
  await ask(hub, 'POST', '/v1/devices', { id: 'stranger' })
  const gateway = await come(t, hub, await giveDevice(hub, 'gw'), 'gw', 5)
  const shown = async (id: string) => (await hub.get(`/v1/devices/${id}`)) as { gateway: string; connected: boolean }
  await gateway.publish('v1/gateway/connect', '{"device":"A"}', { qos: 1 })
  assert.deepEqual([(await shown('A')).gateway, (await shown('A')).connected], ['gw', true])
  await gateway.publish('v1/gateway/telemetry', '{"A":[{"ts":1700000000000,"values":{"t":1}}],"B":[{"t":2}]}', { qos: 1 })
  assert.deepEqual([await latest(hub, 'A'), await latest(hub, 'B')], [{ t: 1 }, { t: 2 }])
  assert.match(await refusal(gateway, 'v1/gateway/telemetry', '{"A":[{"t":7}],"stranger":[{"t":7}]}'), /^135 stranger is no child/)
  assert.deepEqual(await latest(hub, 'A'), { t: 1 }, 'all of it is allowed, or none is taken')
  await gateway.publish('v1/gateway/disconnect', '{"device":"A"}', { qos: 1 })
  assert.equal((await shown('A')).connected, false)

  for (const filter of ['v1/gateway/rpc', 'v1/gateway/attributes', 'v1/devices/me/rpc/request/+'])
    assert.deepEqual((await gateway.subscribe(filter, { qos: 1 })).granted, [1], filter)
  for (const id of ['stranger', 'B']) await publish(hub, `devices/${id}/commands/c-1`, { name: 'open', params: [1] })
  const [topic, request] = (await said(gateway)) as [string, { device: string; data: { id: number; method: string; params: unknown } }]
  assert.deepEqual([topic, request.device, request.data.method, request.data.params], ['v1/gateway/rpc', 'B', 'open', [1]])
  const watching = await moor(t, hub, 'watching', 4)
  await watching.subscribe('devices/+/replies/+')
  await gateway.publish('v1/gateway/rpc', JSON.stringify({ device: 'B', id: request.data.id, data: { ok: true } }), { qos: 1 })
  assert.deepEqual(await said(watching), ['devices/B/replies/c-1', { status: 'done', result: { ok: true } }])
  await ask(hub, 'PATCH', '/v1/devices/A/twin', { desired: { on: true } })
  assert.deepEqual(await said(gateway), ['v1/gateway/attributes', { device: 'A', data: { on: true } }])
  await publish(hub, 'devices/gw/commands/c-2', { name: 'restart' })
  assert.match((await said(gateway))[0], /^v1\/devices\/me\/rpc\/request\/\d+$/)
})

test('a hub that is not told to speak it takes its topics for any others', async (t) => {
  const hub = await startHub(t)
  const device = await come(t, hub, await giveDevice(hub, 'pump-7'), 'pump-7', 5)
  assert.match(await refusal(device, 'v1/devices/me/telemetry', '{"t":1}'), /^135 These credentials do not allow/)
})
