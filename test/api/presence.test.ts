// How devices are connected, over every wire: the word, since when, why it ended; told live, kept as events, and a series to ask for uptime.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Presence } from '../../devices/presence.ts'
import { limits } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { bodyOf, follow, overHttp1 } from '../kit/events.ts'
import { newFolder, spawnHub, startHub, type TestHub } from '../kit/hub.ts'
import { helloJson } from '../kit/json.ts'
import { openEvents, openLive } from '../kit/live.ts'
import { moor, type TestClient } from '../kit/mqtt.ts'

interface Seen {
  readonly connected: boolean
  readonly lastSeenAt: number | null
  readonly latest: Record<string, unknown>
  readonly presence: Presence
  readonly connection: { readonly transport: string; readonly keepAliveSeconds: number } | null
  readonly connections: readonly { readonly clientId: string }[]
}

interface Page {
  readonly events: readonly { device: string; at: number; kind: string; name: string; body: unknown }[]
  readonly next: number | null
}

const seen = (hub: TestHub, id: string) => hub.get(`/v1/devices/${id}`) as Promise<Seen>
const eventsOf = (hub: TestHub, id: string, query = '') => hub.get(`/v1/devices/${id}/events?${query}`) as Promise<Page>

/** Follows the presence of all devices, as anybody may over MQTT. */
async function watcherOf(t: TestContext, hub: TestHub) {
  const client = await moor(t, hub, 'watcher', 5)
  await client.subscribe('devices/+/presence', { qos: 1 })
  return async (): Promise<Presence & { id: string }> => {
    const { topic, payload } = await client.next('publish')
    return { id: topic.split('/')[1] ?? '', ...(JSON.parse(payload.toString()) as Presence) }
  }
}

/** Puts devices on record that were never connected. */
async function register(hub: TestHub, ...ids: string[]): Promise<void> {
  for (const id of ids) await hub.post('/v1/devices', { id })
}

const wires: Record<string, (t: TestContext, hub: TestHub, id: string) => Promise<() => unknown>> = {
  async 'mqtt-tcp'(t, hub, id) {
    const client = await moor(t, hub, id)
    return () => client.pullCable()
  },
  async 'mqtt-ws'(t, hub, id) {
    const client = await moor(t, hub, id, 5, {}, 'WebSocket')
    return () => client.pullCable()
  },
  async 'json-ws'(t, hub, id) {
    const client = await helloJson(t, hub, { client: id })
    return () => client.socket.terminate()
  },
  async sse(t, hub, id) {
    const answer = await overHttp1(`${hub.url}/v1/session/events?client=${id}`)
    t.after(() => answer.cut())
    return () => answer.cut()
  },
}

for (const [wire, connect] of Object.entries(wires)) {
  test(`a device over ${wire} is online with its wire, and offline when that is cut`, async (t) => {
    const hub = await startHub(t)
    await register(hub, 'pump-7')
    assert.deepEqual((await seen(hub, 'pump-7')).presence, { at: 'offline', since: null })
    const next = await watcherOf(t, hub)
    const cut = await connect(t, hub, 'pump-7')
    const online = await next()
    assert.deepEqual([online.id, online.at, online.wire, online.reason], ['pump-7', 'online', wire, undefined])
    assert.match(online.address ?? '', /^127\.0\.0\.1:\d+$/)
    const { connected, presence, connection, lastSeenAt } = await seen(hub, 'pump-7')
    assert.deepEqual([connected, { id: 'pump-7', ...presence }, connection?.transport], [true, online, wire])
    assert.equal(lastSeenAt, null, 'to be connected is not to be heard')
    cut()
    const offline = await next()
    assert.deepEqual([offline.at, offline.reason, offline.wire, offline.address], ['offline', 'connection-lost', wire, online.address])
    assert.equal(offline.lastOnlineAt, offline.since)
    const left = await seen(hub, 'pump-7')
    assert.deepEqual([left.connected, { id: 'pump-7', ...left.presence }, left.connection], [false, offline, null])
  })
}

test('each way to end has its reason', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  await register(hub, 'pump-7', 'pump-8')
  const next = await watcherOf(t, hub)
  const come = async (keepalive = 0): Promise<TestClient> => {
    const client = await moor(t, hub, 'pump-7', 5, { keepalive })
    assert.equal((await next()).at, 'online')
    return client
  }
  const reason = async () => {
    const { at, reason } = await next()
    return `${at}: ${reason}`
  }

  const polite = await come()
  await polite.leave()
  assert.equal(await reason(), 'offline: closed-by-device')

  await come(30)
  assert.equal((await seen(hub, 'pump-7')).connection?.keepAliveSeconds, 30)
  clock.advance(60)
  assert.equal(await reason(), 'offline: keep-alive-timeout')

  const wrong = await come()
  wrong.sendBytes('f000')
  assert.match(await reason(), /^offline: (protocol-error|malformed-packet)$/)

  const old = await come()
  await moor(t, hub, 'pump-7', 5)
  await old.closed
  assert.equal(await reason(), 'online: taken-over')
  const kicked = await fetch(`${hub.url}/v1/devices/pump-7/connection`, { method: 'DELETE' })
  assert.deepEqual(await kicked.json(), { closed: 1 })
  assert.equal(await reason(), 'offline: kicked')
  assert.equal((await seen(hub, 'pump-7')).presence.reason, 'kicked')
  const nobody = await fetch(`${hub.url}/v1/devices/nobody/connection`, { method: 'DELETE' })
  assert.equal(((await nobody.json()) as { code: string }).code, 'device-unknown')

  const { token } = await credentialOf(hub, 'pump-7')
  await moor(t, hub, 'pump-7', 5, { username: 'pump-7', password: Buffer.from(token) })
  assert.equal((await next()).at, 'online')
  await fetch(`${hub.url}/v1/devices/pump-7/disabled`, { method: 'PUT', body: 'true' })
  assert.equal(await reason(), 'offline: device-disabled')
  await fetch(`${hub.url}/v1/devices/pump-7/disabled`, { method: 'PUT', body: 'false' })

  const polled = await overHttp1(`${hub.url}/v1/session/messages?client=pump-8&wait=0&filter=a`)
  assert.equal(polled.status, 200, await bodyOf(polled))
  assert.equal((await next()).wire, 'long-poll')
  clock.advance(20)
  assert.equal(await reason(), 'away: not-polled')
})

async function credentialOf(hub: TestHub, id: string): Promise<{ token: string }> {
  const made = await hub.post(`/v1/devices/${id}/credentials`, '{}')
  return { token: ((await made.json()) as { secret: string }).secret }
}

test('who is remembered is away until then, and offline when the session is over', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  await register(hub, 'pump-7')
  const next = await watcherOf(t, hub)
  const properties = { sessionExpiryInterval: 600 }
  const pump = await moor(t, hub, 'pump-7', 5, { clean: false, properties })
  await next()
  pump.pullCable()
  const away = await next()
  assert.deepEqual([away.at, away.reason, away.until], ['away', 'connection-lost', Number(away.since) + 600_000])
  assert.deepEqual((await seen(hub, 'pump-7')).connected, false)
  const again = await moor(t, hub, 'pump-7', 5, { clean: false, properties })
  assert.equal((await next()).at, 'online')
  await again.leave()
  const left = await next()
  assert.deepEqual([left.at, left.reason], ['away', 'closed-by-device'])
  clock.advance(700)
  const offline = await next()
  assert.deepEqual([offline.at, offline.reason, offline.lastOnlineAt], ['offline', 'session-expired', left.since])
})

test('several sessions of one device are one device', async (t) => {
  const hub = await startHub(t)
  await register(hub, 'pump-7')
  const next = await watcherOf(t, hub)
  const one = await moor(t, hub, 'pump-7:one', 5)
  const { since } = await next()
  const other = await helloJson(t, hub, { client: 'pump-7:other' })
  await one.leave()
  await one.closed
  const both = await seen(hub, 'pump-7')
  assert.deepEqual([both.presence.since, both.connections.map(({ clientId }) => clientId)], [since, ['pump-7:other']])
  other.socket.close()
  const { at, reason, wire } = await next()
  assert.deepEqual([at, reason, wire], ['offline', 'closed-by-device', 'mqtt-tcp'], 'and nothing between')
})

test('a device that is put on record while it is connected is online from its connection on', async (t) => {
  const hub = await startHub(t)
  const next = await watcherOf(t, hub)
  const pump = await moor(t, hub, 'pump-7', 5)
  await pump.publish('devices/pump-7/telemetry', '{"t":1}', { qos: 1 })
  const { id, at, since } = await next()
  const { createdAt } = (await hub.get('/v1/devices/pump-7')) as { createdAt: number }
  assert.deepEqual([id, at, Number(since) <= createdAt], ['pump-7', 'online', true])
})

test('viewers hear of it with since and why', async (t) => {
  const hub = await startHub(t)
  await register(hub, 'pump-7')
  const viewer = await openLive(t, hub)
  const stream = await openEvents(t, hub, '?device=pump-7')
  const pump = await moor(t, hub, 'pump-7', 5)
  const online = await viewer.nextDevice('pump-7')
  assert.deepEqual(online, { id: 'pump-7', connected: true, presence: (await seen(hub, 'pump-7')).presence })
  await pump.leave()
  const offline = await viewer.nextDevice('pump-7')
  assert.deepEqual([offline?.connected, offline?.presence.at, offline?.presence.reason], [false, 'offline', 'closed-by-device'])
  const told = await stream.next(({ event, data }) => event === 'devices' && JSON.stringify(data).includes('offline'), 'the end')
  assert.deepEqual(told.data, [offline])
})

test('followers by cursor have presence in the journal, also what came before them', async (t) => {
  const hub = await startHub(t)
  await register(hub, 'pump-7')
  const next = await watcherOf(t, hub)
  const pump = await moor(t, hub, 'pump-7', 5)
  await pump.leave()
  await next()
  await next()
  const reader = await follow(t, `${hub.url}/v1/messages?filter=devices/%2B/presence&last=2`)
  const frames = [await reader.next(), await reader.next()].map(({ frame }) => (frame as { payload: Presence }).payload.at)
  assert.deepEqual(frames, ['online', 'offline'])
})

test('uptime is a query: the metric $connected holds 1 while a device is connected, and what was before the window counts', async (t) => {
  const clock = new HandClock(Date.UTC(2026, 10, 2))
  const hub = await startHub(t, {}, clock)
  await register(hub, 'pump-7', 'pump-8')
  const next = await watcherOf(t, hub)
  const start = clock.now()
  const pump = await moor(t, hub, 'pump-7', 5)
  await next()
  clock.advance(3600) // an hour up, then half an hour down
  await pump.leave()
  await next()
  clock.advance(1800)
  const end = clock.now()
  const uptime = async (from: number) => {
    const path = `/v1/telemetry/buckets?metric=$connected&aggregates=twa&from=${from}&to=${clock.now()}&every=30m`
    const { series } = (await hub.get(path)) as { series: { labels: { device: string }; columns: { twa: number[] } }[] }
    return series.map(({ labels, columns }) => [labels.device, columns.twa.map((value) => Math.round(value * 1000) / 1000)])
  }
  assert.deepEqual(await uptime(start), [['pump-7', [1, 1, 0]]], 'nothing of a device that was never connected')
  assert.deepEqual(await uptime(start + 1_800_000), [['pump-7', [1, 0]]], 'it was connected before the window began')
  clock.advance(1800)
  assert.deepEqual(await uptime(end), [['pump-7', [0]]], 'nothing has happened in the window')
})

test('$connected is nobody’s to send, and shows only where it is asked for', async (t) => {
  const hub = await startHub(t)
  const type = { metrics: { t: { type: 'number' } }, others: 'refuse' }
  await fetch(`${hub.url}/v1/types/strict`, { method: 'PUT', body: JSON.stringify(type) })
  await hub.post('/v1/devices', { id: 'pump-7', type: 'strict' })
  const next = await watcherOf(t, hub)
  const pump = await moor(t, hub, 'pump-7', 5)
  await next()
  await pump.publish('devices/pump-7/telemetry', '{"t":1}', { qos: 1 })
  for (const body of ['{"$connected":false}', '{"t":2,"$connected":false}']) {
    const refused = (await (await hub.post('/v1/devices/pump-7/telemetry', body)).json()) as { code: string; detail: string }
    assert.deepEqual([refused.code, refused.detail.includes('measured by the hub')], ['telemetry-invalid', true])
  }
  const asked = (await hub.get('/v1/latest?metric=$connected')) as { devices: { latest: { $connected: { value: boolean } } }[] }
  assert.equal(asked.devices[0]?.latest.$connected.value, true)
  const all = (await hub.get('/v1/latest')) as { devices: { latest: object }[] }
  assert.deepEqual(Object.keys(all.devices[0]?.latest ?? {}), ['t'])
  const { latest } = await seen(hub, 'pump-7')
  assert.deepEqual(Object.keys(latest), ['t'])
  const typed = await fetch(`${hub.url}/v1/types/odd`, { method: 'PUT', body: '{"metrics":{"$connected":{"type":"boolean"}}}' })
  assert.equal(((await typed.json()) as { code: string }).code, 'type-invalid')
})

test('presence is the hub’s own word', async (t) => {
  const hub = await startHub(t)
  await register(hub, 'pump-7')
  const pump = await moor(t, hub, 'pump-7', 5)
  const { reasonCode } = (await pump.publish('devices/pump-7/presence', '{"at":"offline"}', { qos: 1 })) as { reasonCode: number }
  assert.equal(reasonCode, 0x87)
  const refused = await hub.post('/v1/publish', { topic: 'devices/pump-7/presence', payload: 'x' })
  assert.equal(((await refused.json()) as { code: string }).code, 'topic-not-allowed')
})

test('what a device says has happened to it is kept with what the hub has found, newest first, by page, kind, name and time', async (t) => {
  const hub = await startHub(t)
  await register(hub, 'pump-7')
  const next = await watcherOf(t, hub)
  const pump = await moor(t, hub, 'pump-7', 5)
  await next()
  await pump.publish('devices/pump-7/events/started', '{"why":"power"}', { qos: 1 })
  await pump.publish('devices/pump-7/events/door', 'open', { qos: 0 })
  await pump.publish('devices/pump-7/events/door', 'closed', { qos: 1 })
  await pump.leave()
  await hub.post('/v1/publish', { topic: 'devices/boiler/events/lit', payload: true })
  const { events } = await eventsOf(hub, 'pump-7')
  assert.deepEqual(
    events.map(({ kind, name }) => `${kind} ${name}`),
    ['presence offline', 'event door', 'event door', 'event started', 'presence online'],
  )
  assert.deepEqual(
    events.filter(({ kind }) => kind === 'event').map(({ body }) => body),
    ['closed', 'open', { why: 'power' }],
  )
  const first = await eventsOf(hub, 'pump-7', 'limit=2&kind=event')
  const second = await eventsOf(hub, 'pump-7', `limit=2&kind=event&after=${first.next}`)
  assert.deepEqual(
    [...first.events, ...second.events].map(({ name }) => name),
    ['door', 'door', 'started'],
  )
  assert.equal(second.next, null)
  assert.deepEqual((await eventsOf(hub, 'pump-7', 'name=started')).events.length, 1)
  const since = events[0]?.at ?? 0
  assert.deepEqual((await eventsOf(hub, 'pump-7', `from=${since + 1}`)).events, [])
  assert.deepEqual((await eventsOf(hub, 'pump-7', `from=${since}&kind=presence`)).events, [events[0]])

  const fleet = (await hub.get('/v1/timeline?kind=event')) as Page
  assert.deepEqual(
    fleet.events.map(({ device, name }) => `${device} ${name}`),
    ['boiler lit', 'pump-7 door', 'pump-7 door', 'pump-7 started'],
  )
  const some = (await hub.get('/v1/timeline?device=boiler')) as Page
  assert.deepEqual(
    some.events.map(({ body }) => body),
    [true],
  )
  const unknown = (await hub.get('/v1/devices/nobody/events')) as { code: string }
  assert.equal(unknown.code, 'device-unknown')
})

test('an event is refused when it is too long, called by too much, or no text', async (t) => {
  const hub = await startHub(t)
  const pump = await moor(t, hub, 'pump-7', 5)
  const codeOf = async (name: string, payload: string | Buffer) => {
    const answer = (await pump.publish(`devices/pump-7/events/${name}`, payload, { qos: 1 })) as { reasonCode: number }
    return answer.reasonCode
  }
  assert.equal(await codeOf('e', 'x'.repeat(limits.eventBytes)), 0)
  assert.equal(await codeOf('e', 'x'.repeat(limits.eventBytes + 1)), 0x99)
  assert.equal(await codeOf('n'.repeat(limits.eventNameBytes + 1), 'x'), 0x99)
  assert.equal(await codeOf('e', Buffer.from([0xff])), 0x99)
  const refused = await hub.post('/v1/publish', { topic: 'devices/pump-7/events/e', payload: 'x'.repeat(limits.eventBytes + 1) })
  assert.equal(((await refused.json()) as { code: string }).code, 'event-invalid')
})

test('a metric that falls silent is an event of its device, and one that speaks again', async (t) => {
  const hub = await startHub(t)
  await fetch(`${hub.url}/v1/types/pump`, { method: 'PUT', body: '{"metrics":{"t":{"type":"number","every":0.5}}}' })
  await hub.post('/v1/devices', { id: 'pump-7', type: 'pump' })
  await hub.post('/v1/devices', { id: 'pump-8' })
  const news = async (name: string): Promise<Page['events'][number]> => {
    for (;;) {
      const { events } = await eventsOf(hub, 'pump-7', `kind=freshness&name=${name}`)
      if (events[0] !== undefined) return events[0]
    }
  }
  await hub.post('/v1/devices/pump-7/telemetry', '{"t":1,"h":2}')
  assert.deepEqual(await freshnessOf(hub, 'pump-7'), { t: [0.5, false], h: [null, false] })
  const stale = await news('stale')
  assert.deepEqual(Object.keys((stale.body as { metrics: object }).metrics), ['t'])
  assert.deepEqual(await freshnessOf(hub, 'pump-7'), { t: [0.5, true], h: [null, false] })
  const { devices } = (await hub.get('/v1/devices?stale=1')) as { devices: { id: string }[] }
  assert.deepEqual(
    devices.map(({ id }) => id),
    ['pump-7'],
  )
  await hub.post('/v1/devices/pump-7/telemetry', '{"t":1}')
  await news('fresh')
  assert.deepEqual(await freshnessOf(hub, 'pump-7'), { t: [0.5, false], h: [null, false] })
})

/** How often each metric should come, and whether it is stale. */
async function freshnessOf(hub: TestHub, id: string) {
  const { freshness } = (await hub.get(`/v1/devices/${id}`)) as { freshness: Record<string, { every: number; isStale: boolean }> }
  return Object.fromEntries(Object.entries(freshness).map(([metric, { every, isStale }]) => [metric, [every, isStale]]))
}

test('a device that is deleted leaves no event, and one that is connected meanwhile is another device with its next word', async (t) => {
  const hub = await startHub(t)
  await register(hub, 'pump-7')
  const next = await watcherOf(t, hub)
  const pump = await moor(t, hub, 'pump-7', 5)
  await next()
  await fetch(`${hub.url}/v1/devices/pump-7`, { method: 'DELETE' })
  assert.deepEqual(((await hub.get('/v1/timeline')) as Page).events, [])
  await pump.publish('devices/pump-7/telemetry', '{"t":1}', { qos: 1 })
  assert.equal((await next()).at, 'online')
  const { events } = await eventsOf(hub, 'pump-7')
  assert.deepEqual(
    events.map(({ name }) => name),
    ['online'],
  )
})

test('an orderly end of the hub is one reason, its death another, and both are known after the next start', async (t) => {
  const folder = newFolder(t)
  const lasting = { clean: false, properties: { sessionExpiryInterval: 3600 } }
  const first = await spawnHub(t, folder)
  await register(first, 'pump-1', 'pump-2', 'pump-3')
  await Promise.all([moor(t, first, 'pump-1', 5), moor(t, first, 'pump-2', 5, lasting)])
  await first.stop()

  const second = await spawnHub(t, folder)
  const after = async (hub: TestHub, id: string) => {
    const { at, reason, wire } = (await seen(hub, id)).presence
    return [at, reason, wire]
  }
  assert.deepEqual(await after(second, 'pump-1'), ['offline', 'shutting-down', 'mqtt-tcp'])
  assert.deepEqual(await after(second, 'pump-2'), ['away', 'shutting-down', 'mqtt-tcp'])
  const next = await watcherOf(t, second)
  await Promise.all([moor(t, second, 'pump-1', 5), moor(t, second, 'pump-2', 5, lasting)])
  const cameMs = Math.max(...[await next(), await next()].map(({ since }) => Number(since)))
  await second.post('/v1/devices/pump-3/telemetry', '{"t":1}')
  const diedMs = Date.now()
  await second.kill()

  const third = await spawnHub(t, folder)
  assert.deepEqual(await after(third, 'pump-1'), ['offline', 'hub-stopped', 'mqtt-tcp'])
  assert.deepEqual(await after(third, 'pump-2'), ['away', 'hub-stopped', 'mqtt-tcp'])
  const { since } = (await seen(third, 'pump-1')).presence
  assert.ok(Number(since) >= cameMs && Number(since) <= diedMs, 'since its last sign of life')
  assert.deepEqual((await seen(third, 'pump-3')).presence, { at: 'offline', since: null })
  const { events } = await eventsOf(third, 'pump-1', 'kind=presence')
  assert.deepEqual(
    events.map(({ name, body }) => `${name} ${(body as Presence).reason ?? ''}`),
    ['offline hub-stopped', 'online ', 'offline shutting-down', 'online '],
  )
  assert.equal(events[0]?.at, since)
  const { devices } = (await third.get('/v1/latest?metric=$connected')) as { devices: { device: string; latest: object }[] }
  assert.deepEqual(devices[0], { device: 'pump-1', latest: { $connected: { at: since, value: false } } })
})
