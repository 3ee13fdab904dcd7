// Who is on record, over HTTP; and what every route has in common.
import assert from 'node:assert/strict'
import test from 'node:test'
import { refusals } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import { startHub } from '../kit/hub.ts'
import { moor } from '../kit/mqtt.ts'

interface Page {
  readonly devices: { id: string; connected: boolean; latest: Record<string, { at: number; value: unknown }>; lastSeenAt: number | null }[]
  readonly total: number
  readonly next: string | null
}

test('devices are listed in order of id, page by page, and found by a part of their id', async (t) => {
  const hub = await startHub(t)
  await Promise.all(['pump-3', 'pump-1', 'boiler', 'pump-2'].map((id) => hub.post(`/v1/devices/${id}/telemetry`, '{"n":1}')))
  const first = (await hub.get('/v1/devices?limit=3')) as Page
  assert.deepEqual(
    first.devices.map(({ id }) => id),
    ['boiler', 'pump-1', 'pump-2'],
  )
  assert.equal(first.total, 4)
  const second = (await hub.get(`/v1/devices?limit=3&after=${first.next}`)) as Page
  assert.deepEqual(
    second.devices.map(({ id }) => id),
    ['pump-3'],
  )
  assert.equal(second.next, null)
  const found = (await hub.get('/v1/devices?search=PUMP')) as Page
  assert.equal(found.total, 3)
  const none = (await hub.get('/v1/devices?search=%25')) as Page
  assert.equal(none.total, 0, 'a % is a letter, not a pattern')
})

test('a device says who it is connected as, until it goes', async (t) => {
  const hub = await startHub(t)
  const pump = await moor(t, hub, 'pump-7', 5)
  await pump.publish('devices/pump-7/telemetry', '{"flow":3}', { qos: 1 })
  const online = (await hub.get('/v1/devices/pump-7')) as {
    connected: boolean
    connection: { transport: string; clientId: string; address: string }
  }
  assert.equal(online.connected, true)
  assert.equal(online.connection.transport, 'mqtt-tcp')
  assert.match(online.connection.address, /^127\.0\.0\.1:\d+$/)
  pump.sendPacket({ cmd: 'disconnect' })
  await pump.closed
  const offline = (await hub.get('/v1/devices/pump-7')) as { connected: boolean; connection: null }
  assert.deepEqual([offline.connected, offline.connection], [false, null])
})

test('a device is described by a merge patch, and found by what is said of it', async (t) => {
  const hub = await startHub(t)
  await Promise.all(['pump-1', 'pump-2', 'boiler'].map((id) => hub.post(`/v1/devices/${id}/telemetry`, '{"n":1}')))
  const patch = (id: string, change: unknown) =>
    fetch(`${hub.url}/v1/devices/${id}`, { method: 'PATCH', body: typeof change === 'string' ? change : JSON.stringify(change) })
  const described = await patch('pump-1', { name: 'Feed pump', type: 'pump', tags: { site: 'north', note: 'a:b' } })
  assert.equal(described.status, 200)
  const device = (await described.json()) as { tags: unknown }
  assert.deepEqual(device.tags, { site: 'north', note: 'a:b' })
  assert.deepEqual(await hub.get('/v1/devices/pump-1'), device)
  await patch('pump-2', { type: 'pump', tags: { site: 'south', note: 'a:b' } })
  await patch('boiler', { tags: { site: 'north' } })

  const find = async (query: string) => {
    const { devices, total } = (await hub.get(`/v1/devices?${query}`)) as Page
    assert.equal(total, devices.length)
    return devices.map(({ id }) => id)
  }
  assert.deepEqual(await find('type=pump'), ['pump-1', 'pump-2'])
  assert.deepEqual(await find('tag=site:north'), ['boiler', 'pump-1'])
  assert.deepEqual(await find('tag=site:north&tag=note:a:b'), ['pump-1'])
  assert.deepEqual(await find('type=pump&tag=site:south&search=pump'), ['pump-2'])
  assert.deepEqual(await find('search=feed'), ['pump-1'])

  const again = (await (await patch('pump-1', { name: null, tags: { note: null } })).json()) as {
    name: string
    type: string
    tags: unknown
  }
  assert.deepEqual([again.name, again.type, again.tags], ['pump-1', 'pump', { site: 'north' }])
})

test('a device has metadata: set with it, changed by a merge patch, and listed where it is asked for', async (t) => {
  const hub = await startHub(t)
  const send = async (method: string, path: string, body: object | string) => {
    const response = await fetch(hub.url + path, { method, body: typeof body === 'string' ? body : JSON.stringify(body) })
    return [response.status, await response.json()] as [number, { metadata: unknown; detail: string }]
  }
  const [made, device] = await send('POST', '/v1/devices', { id: 'pump-1', metadata: { serial: 'B-17', at: { hall: 2 } } })
  assert.deepEqual([made, device.metadata], [200, { serial: 'B-17', at: { hall: 2 } }])
  const [changed, after] = await send('PATCH', '/v1/devices/pump-1', { metadata: { at: { row: 3 }, serial: null } })
  assert.deepEqual([changed, after.metadata], [200, { at: { hall: 2, row: 3 } }])
  const list = async (query: string) =>
    ((await hub.get(`/v1/devices${query}`)) as { devices: { metadata?: object }[] }).devices[0]?.metadata
  assert.deepEqual([await list(''), await list('?metadata=1')], [undefined, { at: { hall: 2, row: 3 } }])

  const deep = `{"metadata":${'{"a":'.repeat(limits.metadataLevels)}{}${'}'.repeat(limits.metadataLevels)}}`
  for (const [body, why] of [
    ['{"metadata":[1]}', /metadata is a JSON object/],
    ['{"metadata":{"n":1e999}}', /finite/],
    [deep, /at most 16 levels \(limits\.metadataLevels\)/],
    [JSON.stringify({ metadata: { text: 'x'.repeat(limits.metadataBytes) } }), /limits\.metadataBytes/],
  ] as const) {
    const [status, { detail }] = await send('PATCH', '/v1/devices/pump-1', body)
    assert.equal(status, 400)
    assert.match(detail, why)
  }
  const [status] = await send('POST', '/v1/devices', { id: 'pump-2', metadata: { text: 'x'.repeat(limits.metadataBytes) } })
  assert.equal(status, 400)
  assert.equal(((await hub.get('/v1/devices')) as Page).total, 1)

  for (let n = 0; n < limits.pageMetadata; n += 1) await send('POST', '/v1/devices', { id: `x-${n}` })
  const page = (await hub.get('/v1/devices?metadata=1&limit=1000')) as Page & { next: string | null }
  assert.deepEqual([page.devices.length, page.next], [limits.pageMetadata, page.devices.at(-1)?.id])
})

test('what a device cannot be called is refused, and a device nobody has seen is not made by a description', async (t) => {
  const hub = await startHub(t)
  await hub.post('/v1/devices/d/telemetry', '{"n":1}')
  const refused = async (method: string, path: string, body?: string) => {
    const response = await fetch(hub.url + path, { method, ...(body === undefined ? {} : { body }) })
    const { code, detail } = (await response.json()) as { code: string; detail: string }
    return `${response.status} ${code}: ${detail}`
  }
  for (const body of ['{"name":', undefined]) assert.match(await refused('PATCH', '/v1/devices/d', body), /^400 device-invalid: .*not JSON/)
  assert.match(await refused('PATCH', '/v1/devices/d', '{"type":"two words"}'), /^400 device-invalid: .*type is 1 to 64 letters/)
  const tags = Object.fromEntries(Array.from({ length: limits.tagsPerDevice + 1 }, (_, at) => [`t${at}`, 'x']))
  assert.match(await refused('PATCH', '/v1/devices/d', JSON.stringify({ tags })), /^400 device-invalid: .*limits\.tagsPerDevice/)
  assert.match(await refused('PATCH', '/v1/devices/ghost', '{"name":"Casper"}'), /^404 device-unknown/)
  assert.equal(((await hub.get('/v1/devices')) as Page).total, 1)
  assert.match(await refused('GET', '/v1/devices?tag=north'), /^400 request-invalid: .*tag is name:value, not "north"/)
  assert.match(await refused('GET', '/v1/devices?type=two%20words'), /^400 request-invalid: .*type .*"two words"/)
  const many = 'tag=a:b&'.repeat(limits.tagsPerDevice + 1)
  assert.match(await refused('GET', `/v1/devices?${many}`), /^400 request-invalid: .*limits\.tagsPerDevice/)
})

test('a device nobody has seen is a problem document with a way out', async (t) => {
  const hub = await startHub(t)
  const response = await fetch(`${hub.url}/v1/devices/ghost`)
  assert.equal(response.status, 404)
  assert.equal(response.headers.get('content-type'), 'application/problem+json')
  const problem = (await response.json()) as { code: string; detail: string; type: string; status: number; title: string }
  assert.equal(problem.code, 'device-unknown')
  assert.equal(problem.status, 404)
  assert.match(problem.detail, /No device ghost has been seen/)
  const docs = await (await fetch(hub.url + problem.type.split('#')[0])).text()
  assert.ok(docs.includes('id="device-unknown"'), 'the type leads to the row that explains it')
})

test('a wrong path and a wrong method are told apart', async (t) => {
  const hub = await startHub(t)
  const path = await fetch(`${hub.url}/v1/nothing`)
  assert.deepEqual([path.status, ((await path.json()) as { code: string }).code], [404, 'not-found'])
  const method = await fetch(`${hub.url}/v1/devices`, { method: 'DELETE' })
  assert.deepEqual([method.status, ((await method.json()) as { code: string }).code], [405, 'method-not-allowed'])
  assert.match(method.headers.get('allow') ?? '', /GET/)
})

test('the API describes itself: every route is in the OpenAPI document and on the page', async (t) => {
  const hub = await startHub(t)
  const document = (await hub.get('/v1/openapi.json')) as { openapi: string; paths: Record<string, Record<string, unknown>> }
  assert.match(document.openapi, /^3\.1/)
  const page = await (await fetch(`${hub.url}/docs`)).text()
  const paths = [
    ...['/v1/devices', '/v1/devices/{id}', '/v1/devices/{id}/telemetry', '/v1/devices/{id}/series', '/v1/latest', '/v1/telemetry/points'],
    ...['/v1/telemetry/buckets', '/v1/telemetry/chart', '/v1/store', '/v1/events', '/v1/hub', '/healthz', '/readyz'],
  ]
  for (const path of paths) {
    assert.ok(path in document.paths, path)
    assert.ok(page.includes(path), `${path} on the page`)
  }
  const errors = await (await fetch(`${hub.url}/docs/errors`)).text()
  for (const code of Object.keys(refusals)) assert.ok(errors.includes(code), code)
})

test('the hub tells how it stands', async (t) => {
  const hub = await startHub(t)
  await hub.post('/v1/devices/d/telemetry', '{"n":1}')
  await fetch(`${hub.url}/v1/devices/ghost`)
  const page = (await hub.get('/v1/hub')) as {
    durability: string
    figures: Record<string, number>
    limits: { name: string; value: number; reason: string }[]
    refusals: { code: string; count: number }[]
  }
  assert.equal(page.durability, 'fsync')
  assert.equal(page.figures['devices'], 1)
  for (const [name, value] of Object.entries(page.figures)) assert.equal(typeof value, 'number', name)
  assert.ok(page.limits.every(({ reason }) => reason.length > 10))
  assert.equal(page.refusals.find(({ code }) => code === 'device-unknown')?.count, 1)
  assert.deepEqual(await hub.get('/healthz'), { alive: true })
  assert.deepEqual(await hub.get('/readyz'), { ready: true, checks: { backlog: true } })
})

test('a mistake of the hub is told as one, with a name to find it in the log, and nothing of its inside', async (t) => {
  const hub = await startHub(t)
  await hub.hub.store.close() // a store that is gone while the hub is not: what only a bug could bring about
  const response = await fetch(`${hub.url}/v1/devices`)
  const problem = (await response.json()) as { code: string; detail: string }
  assert.deepEqual([response.status, problem.code], [500, 'internal-error'])
  assert.doesNotMatch(problem.detail, /thread|store/)
  assert.deepEqual(await hub.get('/healthz'), { alive: true })
})

test('what a slow or absent client was owed and did not get is counted where operators look', async (t) => {
  const hub = await startHub(t)
  const sleeper = await moor(t, hub, 'sleeper', 4, { clean: false })
  await sleeper.subscribe('news', { qos: 1 })
  sleeper.pullCable()
  await sleeper.closed
  const publisher = await moor(t, hub, 'publisher')
  const excess = 3
  for (let sent = 0; sent < limits.outboxMessages + excess; sent++)
    publisher.sendPacket({ cmd: 'publish', topic: 'news', payload: 'x', qos: 1, messageId: sent + 1, dup: false, retain: false })
  for (let answered = 0; answered < limits.outboxMessages + excess; answered++) await publisher.next('puback')
  const { figures } = (await hub.get('/v1/hub')) as { figures: { dropped: number } }
  assert.equal(figures.dropped, excess)
})
