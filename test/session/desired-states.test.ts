// What is desired of a device, as the device hears it: on every wire the newest and nothing else, however often it was changed while it was away.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { HandClock } from '../kit/clock.ts'
import { follow, jsonOf, overHttp1 } from '../kit/events.ts'
import { newFolder, startHub, type TestHub } from '../kit/hub.ts'
import { helloJson } from '../kit/json.ts'
import { moor, type TestClient, type Version } from '../kit/mqtt.ts'
import { ask } from '../security/kit.ts'

interface Desired {
  readonly version: number
  readonly state: { readonly [name: string]: unknown }
  readonly delta?: object
}

/** A device that listens to what is desired of it. */
interface Device {
  next(): Promise<Desired>
  /** As a cable that is pulled. Returns when it says that it is gone. */
  cut(): Promise<void>
}

/** `after` is what the opening before has seen last, where the wire has a cursor. */
type Open = (t: TestContext, hub: TestHub, seen: { after: string }) => Promise<Device>

const topic = 'devices/pump-7/state/desired'

const overMqtt =
  (version: Version, filter: string): Open =>
  async (t, hub) => {
    const properties = version === 5 ? { properties: { sessionExpiryInterval: 600 } } : {}
    const client = await moor(t, hub, 'pump-7', version, { clean: false, ...properties })
    if (!client.connack.sessionPresent) await client.subscribe(filter, { qos: 1 })
    return {
      next: async () => JSON.parse((await client.next('publish')).payload.toString()) as Desired,
      async cut() {
        await client.settle()
        client.pullCable()
      },
    }
  }

const overWebSocket: Open = async (t, hub, seen) => {
  const after = seen.after === '' ? {} : { after: seen.after }
  const client = await helloJson(t, hub, { client: 'pump-7', expiry: 600, ...after, subscribe: [{ filter: topic }] })
  return {
    async next() {
      const { payload, cursor } = await client.next('message')
      seen.after = cursor!
      return payload as Desired
    },
    async cut() {
      client.pullCable()
    },
  }
}

const overEvents: Open = async (t, hub, seen) => {
  const url = `${hub.url}/v1/session/events?client=pump-7&filter=${topic}`
  const reader = await follow(t, url, seen.after === '' ? {} : { 'last-event-id': seen.after })
  return {
    async next() {
      const { frame } = await reader.next()
      seen.after = frame.cursor!
      return frame.payload as Desired
    },
    async cut() {
      reader.answer.cut()
    },
  }
}

const overPolls: Open = async (_t, hub, seen) => ({
  async next() {
    const after = seen.after === '' ? '' : `&after=${seen.after}`
    const answer = await jsonOf(await overHttp1(`${hub.url}/v1/session/messages?client=pump-7&filter=${topic}&wait=5${after}`))
    seen.after = answer['cursor'] as string
    const messages = answer['messages'] as { payload: Desired }[]
    assert.equal(messages.length, 1, JSON.stringify(messages))
    return messages[0]!.payload
  },
  cut: async () => {},
})

const wires: Readonly<Record<string, Open>> = {
  'MQTT 3.1.1': overMqtt(4, topic),
  'MQTT 5, by a wildcard': overMqtt(5, 'devices/+/state/desired'),
  'JSON over WebSocket': overWebSocket,
  'server-sent events': overEvents,
  'long-poll': overPolls,
}

const want = (hub: TestHub, desired: object, path = 'twin') => ask(hub, 'PATCH', `/v1/devices/pump-7/${path}`, { desired })

async function onRecord(hub: TestHub): Promise<void> {
  await ask(hub, 'POST', '/v1/devices', { id: 'pump-7' })
}

/** Somebody else, who hears each change when it is said. */
async function watcherOf(t: TestContext, hub: TestHub): Promise<TestClient> {
  const watcher = await moor(t, hub, 'watcher', 5)
  await watcher.subscribe(topic, { qos: 1 })
  return watcher
}

async function heard(watcher: TestClient, n: number): Promise<void> {
  for (;;) {
    const { state } = JSON.parse((await watcher.next('publish')).payload.toString()) as Desired
    if (state['n'] === n) return
  }
}

for (const [name, open] of Object.entries(wires)) {
  test(`${name}: told on subscribing and on change; who was away gets one state, the newest, also of a hub that was restarted`, async (t) => {
    const folder = newFolder(t)
    let hub: TestHub = await startHub(t, { data: folder })
    await onRecord(hub)
    await want(hub, { n: 1, a: { b: true } })
    const seen = { after: '' }
    let device = await open(t, hub, seen)
    assert.deepEqual(await device.next(), { version: 1, state: { n: 1, a: { b: true } }, delta: { n: 1, a: { b: true } } })
    await ask(hub, 'POST', '/v1/devices/pump-7/state/reported', { n: 1, a: { b: true } })
    await want(hub, { n: 2 })
    assert.deepEqual(await device.next(), { version: 3, state: { n: 2, a: { b: true } }, delta: { n: 2 } })
    await device.cut()

    let watcher = await watcherOf(t, hub)
    await heard(watcher, 2)
    const wantHeard = async (n: number) => {
      await want(hub, { n })
      await heard(watcher, n)
    }
    for (const n of [3, 4, 5]) await wantHeard(n)
    device = await open(t, hub, seen)
    assert.equal((await device.next()).state['n'], 5)
    await want(hub, { n: 6 })
    assert.equal((await device.next()).state['n'], 6)
    await device.cut()

    await heard(watcher, 6)
    for (const n of [7, 8]) await wantHeard(n)
    await hub.stop()
    hub = await startHub(t, { data: folder })
    device = await open(t, hub, seen)
    assert.equal((await device.next()).state['n'], 8)
    watcher = await watcherOf(t, hub)
    await heard(watcher, 8)
    await want(hub, { n: 9 })
    let last = await device.next()
    if (last.state['n'] === 8) last = await device.next() // the watcher has asked for it
    assert.equal(last.state['n'], 9)
  })
}

/** Its session has no connection any more. */
async function gone(hub: TestHub): Promise<void> {
  while (((await ask(hub, 'GET', '/v1/hub')) as { figures: { connections: number } }).figures.connections > 0);
}

test('a client that asks now and then gets what is desired once, and is left waiting when it has it all', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  await onRecord(hub)
  await want(hub, { n: 1 })
  let after = ''
  const heardNow: unknown[] = []
  for (let poll = 0; poll < 5; poll++) {
    const url = `${hub.url}/v1/session/messages?client=pump-7&filter=${topic}&wait=0${after}`
    const { messages, cursor } = (await jsonOf(await overHttp1(url))) as { messages: { payload: Desired }[]; cursor: string }
    heardNow.push(...messages.map(({ payload }) => payload.state['n']))
    after = `&after=${cursor}`
    clock.advance(60) // each poll is a connection of its own
    await gone(hub)
  }
  assert.deepEqual(heardNow, [1])
})

test('a named twin has a topic of its own; one that is removed desires nothing any more', async (t) => {
  const hub = await startHub(t)
  await onRecord(hub)
  await want(hub, { n: 1 }, 'twins/valve')
  await want(hub, { n: 2 })
  const device = await moor(t, hub, 'pump-7', 5)
  await device.subscribe('devices/pump-7/state/+/desired', { qos: 1 })
  const { topic: named, payload } = await device.next('publish')
  assert.deepEqual(
    [named, JSON.parse(payload.toString())],
    ['devices/pump-7/state/valve/desired', { version: 1, state: { n: 1 }, delta: { n: 1 } }],
  )
  await ask(hub, 'DELETE', '/v1/devices/pump-7/twins/valve')
  assert.equal((await device.texts(1))[0], '{"version":2,"state":{}}')
  const again = await moor(t, hub, 'pump-7', 5)
  await again.subscribe('devices/pump-7/state/valve/desired', { qos: 1 })
  await want(hub, { n: 3 }, 'twins/valve')
  assert.equal((await again.texts(1))[0], '{"version":1,"state":{"n":3},"delta":{"n":3}}')
})

test('nobody else says what is desired, and nobody hears it who may not', async (t) => {
  const hub = await startHub(t)
  await onRecord(hub)
  const client = await moor(t, hub, 'somebody', 5)
  const answer = (await client.publish(topic, '{"version":9}', { qos: 1 })) as { reasonCode?: number }
  assert.equal(answer.reasonCode, 0x87)
  const response = await hub.post('/v1/publish', { topic: 'devices/pump-7/state/valve/desired', payload: {} })
  assert.equal(((await response.json()) as { code: string }).code, 'topic-not-allowed')
})

test('what a device reports of its state and cannot be read is refused in MQTT 5, and in 3.1.1 said on its page', async (t) => {
  const hub = await startHub(t)
  const five = await moor(t, hub, 'pump-7', 5, { properties: { requestProblemInformation: true } })
  const report = (client: TestClient, payload: string, to = 'reported') =>
    client.publish(`devices/pump-7/state/${to}`, payload, { qos: 1 }) as Promise<{
      reasonCode?: number
      properties?: { reasonString?: string }
    }>
  assert.equal((await report(five, '{"n":1}')).reasonCode, 0)
  const refused = await report(five, '[1]')
  assert.deepEqual(
    [refused.reasonCode, refused.properties?.reasonString],
    [0x99, 'The change of the state is refused: a state is changed by a JSON object, a merge patch, or by null to remove all of it.'],
  )
  assert.equal((await report(five, '{"n":2}', 'no name/reported')).reasonCode, 0x99)
  assert.equal((await report(five, JSON.stringify({ n: 'x'.repeat(40_000) }))).reasonCode, 0x99)
  assert.equal((await report(five, '{"n":2}')).reasonCode, 0)
  const three = await moor(t, hub, 'pump-7', 4)
  await report(three, '{"n":')
  await three.publish('devices/pump-7/state/reported', '{"q0":true}')
  await report(three, '{"q1":true}')
  const { lastRefusal } = (await ask(hub, 'GET', '/v1/devices/pump-7')) as { lastRefusal: { sentence: string } }
  assert.match(lastRefusal.sentence, /it is not JSON/)
  const { reported } = (await ask(hub, 'GET', '/v1/devices/pump-7/twin')) as { reported: object }
  assert.deepEqual(reported, { n: 2, q0: true, q1: true })
})

test('a fleet that comes back at once hears what is desired, each device once', async (t) => {
  const hub = await startHub(t)
  const ids = Array.from({ length: 250 }, (_, at) => `pump-${at}`)
  for (const id of ids) await ask(hub, 'POST', '/v1/devices', { id, tags: { site: 'north' } })
  const fleet = await Promise.all(
    ids.map(async (id) => {
      const client = await moor(t, hub, id, 4, { clean: false })
      await client.subscribe(`devices/${id}/state/desired`, { qos: 1 })
      return client
    }),
  )
  for (const client of fleet) client.pullCable()
  for (const n of [1, 2]) await ask(hub, 'POST', '/v1/twins', { tag: 'site:north', desired: { n } })
  const back = await Promise.all(ids.map((id) => moor(t, hub, id, 4, { clean: false })))
  const { changed } = (await ask(hub, 'POST', '/v1/twins', { tag: ['site:north'], desired: { n: 3 } })) as { changed: number }
  assert.equal(changed, ids.length)
  for (const client of back) {
    const states: unknown[] = []
    while (states.at(-1) !== 3) states.push((JSON.parse((await client.texts(1))[0]!) as Desired).state['n'])
    assert.ok(states.length <= 2 && states.every((n) => n === 2 || n === 3), JSON.stringify(states))
  }
})
