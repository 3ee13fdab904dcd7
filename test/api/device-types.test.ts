// Device types over HTTP, with devices that are connected by MQTT: what they may do, how much, and which metrics they may send.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IPubackPacket } from 'mqtt-packet'
import { startHub, type TestHub } from '../kit/hub.ts'
import { helloJson } from '../kit/json.ts'
import { moor } from '../kit/mqtt.ts'
import { allow, ask, asPassword, bearer, giveDevice, moorAs, putRole } from '../security/kit.ts'

interface Shown {
  readonly holds: Readonly<Record<string, unknown>>
  readonly latest: Readonly<Record<string, { readonly value: unknown }>>
  readonly lastRefusal: { readonly sentence: string } | null
  readonly tags: object
}

const shown = async (hub: TestHub, id: string) => (await hub.get(`/v1/devices/${id}`)) as Shown

async function refusal(hub: TestHub, method: string, path: string, body?: unknown): Promise<string> {
  const text = typeof body === 'string' || body === undefined ? body : JSON.stringify(body)
  const response = await fetch(hub.url + path, { method, ...(text === undefined ? {} : { body: text }) })
  const { code, detail } = (await response.json()) as { code: string; detail: string }
  return `${response.status} ${code}: ${detail}`
}

const pump = {
  metrics: { t: { type: 'number', unit: '°C', min: -40, max: 125 }, on: { type: 'boolean' } },
  others: 'refuse',
}

test('a type is made, listed, shown with its devices, and removed once no device has it', async (t) => {
  const hub = await startHub(t, { identityRate: 1000 })
  await ask(hub, 'POST', '/v1/devices', { id: 'pump-1', type: 'pump' })
  const standard = (await shown(hub, 'pump-1')).holds
  assert.deepEqual([standard['role'], standard['metrics'], standard['others'], standard['keep']], ['device', null, 'take', null])
  assert.equal(standard['commands'], null)
  const commands = { 'set-speed': { type: 'object', properties: { rpm: { type: 'integer' } }, required: ['rpm'] } }
  const keep = 'raw 30d, minute 1y'
  const made = await ask(hub, 'PUT', '/v1/types/pump', { ...pump, keep, commands, limits: { messagesPerSecond: 5, burstSeconds: 2 } })
  assert.deepEqual((await hub.get('/v1/types')) as object, { types: [made] })
  assert.deepEqual((await shown(hub, 'pump-1')).holds, {
    role: 'device',
    limits: { messagesPerSecond: 5, bytesPerSecond: 4 * 1024 * 1024, burstSeconds: 2, connectionsPerMinute: 60, subscriptions: 1000 },
    ...pump,
    keep,
    commands,
  })
  const inUse = await fetch(`${hub.url}/v1/types/pump`, { method: 'DELETE' })
  const { code, detail } = (await inUse.json()) as { code: string; detail: string }
  assert.deepEqual([inUse.status, code], [409, 'type-in-use'])
  assert.match(detail, /^There are 1 devices of the type pump;/)
  await ask(hub, 'PATCH', '/v1/devices/pump-1', { type: null })
  assert.equal((await shown(hub, 'pump-1')).holds['metrics'], null)
  assert.deepEqual(await ask(hub, 'DELETE', '/v1/types/pump'), { removed: 'pump' })
  assert.match(await refusal(hub, 'DELETE', '/v1/types/pump'), /^404 type-unknown: There is no device type "pump"/)

  assert.match(await refusal(hub, 'PUT', '/v1/types/pump', '{'), /^400 type-invalid: .*not JSON/)
  assert.match(await refusal(hub, 'PUT', '/v1/types/pump', { keep: 'raw 30x' }), /^400 type-invalid: .*keep has tiers/)
  assert.match(await refusal(hub, 'PUT', '/v1/types/pump', { role: 'nobody' }), /^404 role-unknown/)
  const { entries } = (await hub.get('/v1/audit?limit=10')) as { entries: { action: string; target: string }[] }
  assert.deepEqual(
    entries.filter(({ target }) => target === 'type/pump').map(({ action }) => action),
    ['type.remove', 'type.put'],
  )
})

test('telemetry that breaks its type is refused on every wire with a sentence that names the metric', async (t) => {
  const hub = await startHub(t)
  for (const id of ['pump-1', 'pump-2', 'free']) await ask(hub, 'POST', '/v1/devices', { id, type: id === 'free' ? null : 'pump' })
  const clients = await Promise.all(['pump-1', 'free'].map((id) => moor(t, hub, id, 5)))
  for (const [at, id] of ['pump-1', 'free'].entries()) await clients[at]!.publish(`devices/${id}/telemetry`, '{"t":200}', { qos: 1 })
  await ask(hub, 'PUT', '/v1/types/pump', pump)
  const [first, free] = clients as [(typeof clients)[0], (typeof clients)[0]]

  const sentences: [string, string, string][] = [
    ['', '{"t":126}', 'the metric t of the type pump is at most 125, not 126'],
    ['', '{"t":1,"on":"yes"}', 'the metric on of the type pump is true or false, not a string'],
    ['', '[{"ts":1000,"values":{"t":1}},{"ts":2000,"values":{"t":-41}}]', 'the metric t of the type pump is at least -40, not -41'],
    ['', '{"t":1,"rh":40}', 'the type pump has no metric rh'],
    ['/t', '"warm"', 'the metric t of the type pump is a number, not a string'],
  ]
  for (const [below, payload, why] of sentences) {
    const sentence = `The telemetry is refused: ${why}.`
    await first.publish(`devices/pump-1/telemetry${below}`, payload, { qos: 1 })
    assert.equal((await shown(hub, 'pump-1')).lastRefusal?.sentence, sentence)
    // pump-2 has sent nothing since the hub began: the check does not depend on what is in memory.
    // Over HTTP the elements of an array are messages of their own.
    const one = payload.startsWith('[') ? '{"t":-41}' : payload
    const answer = await hub.post(`/v1/devices/pump-2/telemetry${below}`, one)
    assert.deepEqual([answer.status, ((await answer.json()) as { detail: string }).detail], [400, sentence])
    await free.publish(`devices/free/telemetry${below}`, payload, { qos: 1 })
  }
  assert.deepEqual((await shown(hub, 'pump-1')).latest['t']?.value, 200)
  assert.deepEqual((await shown(hub, 'pump-2')).latest, {})
  assert.equal((await shown(hub, 'free')).lastRefusal, null)
  for (const payload of ['{"t":21.5,"on":true}', '{"on":false,"t":2.15e1}']) {
    await first.publish('devices/pump-1/telemetry', payload, { qos: 1 })
    assert.equal((await hub.post('/v1/devices/pump-2/telemetry', payload)).status, 200)
  }
  for (const id of ['pump-1', 'pump-2']) {
    const { latest } = await shown(hub, id)
    assert.deepEqual([latest['t']?.value, latest['on']?.value], [21.5, false])
  }

  const csv = 'device,metric,time,value\npump-2,t,3000,20\npump-2,t,4000,900\npump-2,t,5000,22\nfree,t,5000,900\n'
  const imported = await hub.post('/v1/import?format=csv', csv)
  const { stored, refused } = (await imported.json()) as { stored: number; refused: { line: number; detail: string }[] }
  assert.deepEqual([stored, refused.map(({ line }) => line)], [3, [3]])
  assert.match(refused[0]!.detail, /the metric t of the type pump is at most 125, not 900/)
  const socket = await helloJson(t, hub, { client: 'pump-2' })
  socket.say({ is: 'publish', id: 1, topic: 'devices/pump-2/telemetry', payload: { t: 126 } })
  assert.match(JSON.stringify(await socket.answer()), /telemetry-invalid.*at most 125, not 126/)

  await ask(hub, 'PATCH', '/v1/devices/pump-1', { type: null })
  await first.publish('devices/pump-1/telemetry', '{"t":300,"rh":1}', { qos: 1 })
  assert.equal((await shown(hub, 'pump-1')).latest['t']?.value, 300)
})

test('the role of a type is that of its devices, at once, unless a credential names another', async (t) => {
  const hub = await startHub(t)
  await putRole(hub, 'plants', allow(['publish', 'subscribe'], 'plants/%d/#'))
  await ask(hub, 'POST', '/v1/devices', { id: 'pump-1', type: 'pump' })
  const [plain, named] = [await giveDevice(hub, 'pump-1'), await giveDevice(hub, 'pump-1', { role: 'viewer' })]
  const client = await moorAs(t, hub, plain, 'pump-1')
  const other = await moorAs(t, hub, named, 'pump-1:2')
  const may = async (of: typeof client, topic: string) => ((await of.publish(topic, '1', { qos: 1 })) as IPubackPacket).reasonCode !== 0x87
  assert.deepEqual([await may(client, 'devices/pump-1/x'), await may(client, 'plants/pump-1/x')], [true, false])

  await ask(hub, 'PUT', '/v1/types/pump', { role: 'plants' })
  assert.deepEqual([await may(client, 'devices/pump-1/x'), await may(client, 'plants/pump-1/x')], [false, true])
  assert.equal(await may(other, 'plants/pump-1/x'), false)
  const fresh = await moorAs(t, hub, plain, 'pump-1:3')
  assert.equal(await may(fresh, 'plants/pump-1/x'), true)
  assert.equal((await shown(hub, 'pump-1')).holds['role'], 'plants')
  const explained = (await hub.get('/v1/permissions/explain?action=publish&topic=plants/pump-1/x&device=pump-1')) as { role: string }
  assert.equal(explained.role, 'viewer') // of its newest credential

  await ask(hub, 'PATCH', '/v1/devices/pump-1', { type: 'valve' })
  assert.deepEqual([await may(client, 'devices/pump-1/x'), await may(client, 'plants/pump-1/x')], [true, false])
  const lost = client.closed
  await client.subscribe('devices/pump-1/#')
  await ask(hub, 'PUT', '/v1/types/valve', { role: 'plants' })
  await lost // a subscription that is not allowed any more closes, as with a role that is changed
})

test('the limits of a type are those of each of its devices, within a second, and go with it', async (t) => {
  const hub = await startHub(t, { identityRate: 1000 })
  await ask(hub, 'POST', '/v1/devices', { id: 'pump-1', type: 'pump' })
  const made = await giveDevice(hub, 'pump-1')
  const client = await moorAs(t, hub, made, 'pump-1')
  for (let n = 0; n < 10; n += 1) await client.publish('devices/pump-1/x', '1', { qos: 1 })
  await ask(hub, 'PUT', '/v1/types/pump', { limits: { messagesPerSecond: 0.001, burstSeconds: 2000, subscriptions: 2 } })
  const granted = []
  for (const topic of ['a', 'b', 'c']) granted.push((await client.subscribe(`devices/pump-1/${topic}`)).granted[0])
  assert.deepEqual(granted, [0, 0, 0x97])
  for (let n = 0; n < 2; n += 1) await client.publish('devices/pump-1/x', '1', { qos: 1 })
  client.sendPublish('devices/pump-1/x', '1', { qos: 1, messageId: 9 })
  assert.equal((await client.next('disconnect')).reasonCode, 0x96)
  const answer = await hub.post('/v1/devices/pump-1/telemetry', { t: 1 }, bearer(made))
  assert.deepEqual([answer.status, ((await answer.json()) as { code: string }).code], [429, 'rate-exceeded'])
  await ask(hub, 'PATCH', '/v1/devices/pump-1', { type: null })
  const again = await moor(t, hub, 'pump-1', 5, asPassword(made))
  for (let n = 0; n < 5; n += 1) await again.publish('devices/pump-1/x', '1', { qos: 1 })
})
