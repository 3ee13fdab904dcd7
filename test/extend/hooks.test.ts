// hub.on: who is told of what, and that a slow handler holds up its own device alone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Heard } from '../../hub/extend/extension.ts'
import { limits } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { moor } from '../kit/mqtt.ts'
import { eventually, gate, hubWith, Inbox, mine } from './kit.ts'

type Telemetry = Heard['telemetry']

test('telemetry comes as points, behind its commit, in the order of its device', async (t) => {
  const inbox = new Inbox<Telemetry>()
  const hub = await hubWith(t, [mine((h) => h.on('telemetry', {}, inbox.push))])
  const pump = await moor(t, hub, 'pump-1')
  await pump.publish('devices/pump-1/telemetry', '{"ts":1000,"values":{"t":1,"on":true}}', { qos: 1 })
  await pump.publish('devices/pump-1/telemetry/rh', '40', { qos: 1 })
  await pump.publish('devices/pump-1/telemetry', 'no telemetry', { qos: 1 })
  await pump.publish('devices/pump-1/telemetry', '[{"ts":1,"values":{"t":2}},{"ts":2,"values":{"t":3}}]', { qos: 0 })
  const [first, second, third] = await inbox.until(3)
  assert.deepEqual(first, {
    device: 'pump-1',
    points: [
      { metric: 't', at: 1000, value: 1 },
      { metric: 'on', at: 1000, value: true },
    ],
  })
  assert.deepEqual(
    second?.points.map(({ metric, value }) => [metric, value]),
    [['rh', 40]],
  )
  assert.deepEqual(
    third?.points.map(({ value }) => value),
    [2, 3],
  )
})

test('a long message is read by a thread, and what comes behind it waits for it', async (t) => {
  const inbox = new Inbox<Telemetry>()
  const hub = await hubWith(t, [mine((h) => h.on('telemetry', { device: 'pump-1' }, inbox.push))])
  const readings = Array.from({ length: 1000 }, (_, at) => ({ ts: at + 1, values: { t: at } }))
  assert.ok(JSON.stringify(readings).length > limits.parsedOnLoopBytes)
  const pump = await moor(t, hub, 'pump-1')
  pump.sendPublish('devices/pump-1/telemetry', JSON.stringify(readings))
  pump.sendPublish('devices/pump-1/telemetry', '{"t":-1}')
  const [long, short] = await inbox.until(2)
  assert.equal(long?.points.length, 1000)
  assert.equal(short?.points[0]?.value, -1)
})

test('a filter chooses devices, types, metrics and names of events', async (t) => {
  const one = new Inbox<Telemetry>()
  const pumps = new Inbox<Telemetry>()
  const events = new Inbox<Heard['event']>()
  const hub = await hubWith(t, [
    mine((h) => {
      h.on('telemetry', { device: ['a', 'b'], only: 't' }, one.push)
      h.on('telemetry', { type: 'pump' }, pumps.push)
      h.on('event', { only: 'alarm' }, events.push)
    }),
  ])
  await hub.post('/v1/devices/c/telemetry', { t: 0 })
  await fetch(`${hub.url}/v1/devices/c`, { method: 'PATCH', body: '{"type":"pump"}' })
  for (const device of ['a', 'b', 'c']) await hub.post(`/v1/devices/${device}/telemetry`, { t: 1, rh: 2 })
  await hub.post('/v1/devices/a/telemetry/rh', '5')
  const device = await moor(t, hub, 'a')
  await device.publish('devices/a/events/started', '1', { qos: 1 })
  await device.publish('devices/a/events/alarm', 'too hot', { qos: 1 })
  await device.publish('devices/b/events/alarm', '{"level":3}', { qos: 1 })
  await one.until(2)
  await pumps.until(1)
  await events.until(2)
  assert.deepEqual(
    one.all.map((heard) => [heard.device, heard.points.map(({ metric }) => metric)]),
    [
      ['a', ['t']],
      ['b', ['t']],
    ],
  )
  assert.deepEqual(
    pumps.all.map((heard) => heard.device),
    ['c'],
  )
  assert.deepEqual(
    events.all.map(({ device: id, name, data }) => [id, name, data]),
    [
      ['a', 'alarm', 'too hot'],
      ['b', 'alarm', { level: 3 }],
    ],
  )
})

test('online and away are told once for a device, whatever it connects with', async (t) => {
  const inbox = new Inbox<string>()
  const hub = await hubWith(t, [
    mine((h) => {
      h.on('online', {}, ({ device }) => inbox.push(`${device} online`))
      h.on('away', {}, ({ device }) => inbox.push(`${device} away`))
    }),
  ])
  await hub.post('/v1/devices/pump-1/telemetry', { t: 1 })
  const first = await moor(t, hub, 'pump-1')
  await inbox.until(1)
  const second = await moor(t, hub, 'pump-1:again')
  await first.leave()
  await second.ping()
  await second.leave()
  await inbox.until(2)
  const newcomer = await moor(t, hub, 'pump-2')
  await newcomer.publish('devices/pump-2/telemetry', '{"t":1}', { qos: 1 })
  await inbox.until(3)
  assert.deepEqual(inbox.all, ['pump-1 online', 'pump-1 away', 'pump-2 online'])
})

test('a handler that waits holds up its own device and no other; what is too much gives way, the oldest first, and is counted', async (t) => {
  const inbox = new Inbox<string>()
  const { opened, open } = gate()
  const hub = await hubWith(t, [
    mine((h) =>
      h.on('telemetry', {}, async ({ device, points: [point] }) => {
        inbox.push(`${device} ${point?.value}`)
        if (device === 'slow') await opened
      }),
    ),
  ])
  await hub.post('/v1/devices/slow/telemetry', { t: 0 })
  await inbox.until(1)
  const more = limits.hookWaiting + 5
  for (let n = 1; n <= more; n++) await hub.post('/v1/devices/slow/telemetry', { t: n })
  await hub.post('/v1/devices/quick/telemetry', { t: 1 })
  await inbox.until(2)
  assert.deepEqual(inbox.all, ['slow 0', 'quick 1'])
  const { dropped, running } = await hub.handler('on telemetry')
  assert.deepEqual([dropped, running], [5, 1])
  open()
  await inbox.until(2 + limits.hookWaiting)
  assert.equal(inbox.all[2], 'slow 6')
  assert.equal(inbox.all.at(-1), `slow ${more}`)
})

test('a value gives way to a newer one of the same topic before it does to another metric', async (t) => {
  const inbox = new Inbox<string>()
  const { opened, open } = gate()
  const hub = await hubWith(t, [
    mine((h) =>
      h.on('telemetry', {}, async ({ points: [point] }) => {
        inbox.push(`${point?.metric} ${point?.value}`)
        await opened
      }),
    ),
  ])
  await hub.post('/v1/devices/d/telemetry/first', '1')
  await inbox.until(1)
  await hub.post('/v1/devices/d/telemetry/rare', '1')
  for (let n = 1; n <= 100; n++) await hub.post('/v1/devices/d/telemetry/often', String(n))
  open()
  const all = await inbox.until(1 + limits.hookWaiting)
  assert.equal(all[1], 'rare 1')
  assert.equal(all.at(-1), 'often 100')
})

test('a handler that never settles is given up, and its device goes on', async (t) => {
  const clock = new HandClock()
  const inbox = new Inbox<number>()
  const aborted = new Inbox<string>()
  const hub = await hubWith(
    t,
    [
      mine((h) =>
        h.on('telemetry', {}, ({ points: [point] }, signal) => {
          inbox.push(point?.value as number)
          signal.addEventListener('abort', () => aborted.push('aborted'))
          return new Promise(() => {})
        }),
      ),
    ],
    clock,
  )
  await hub.post('/v1/devices/d/telemetry', { t: 1 })
  await hub.post('/v1/devices/d/telemetry', { t: 2 })
  await inbox.until(1)
  clock.advance(limits.handlerSeconds + 2)
  await inbox.until(2)
  await aborted.until(1)
  await hub.lines.until('warn', /did not get done with on telemetry within 30 s/)
  assert.equal((await hub.handler('on telemetry'))['late'], 1)
})

test('what an extension has added is gone with it', async (t) => {
  const inbox = new Inbox<unknown>()
  const hub = await hubWith(t, [
    mine((h) => {
      h.on('telemetry', {}, inbox.push)
      h.on('online', {}, inbox.push)
      h.command('now', {}, () => 1)
      h.route({ method: 'GET', url: '/hello', handler: async () => 'hello' })
      h.conversation('talk', async () => 1)
      h.signal.addEventListener('abort', () => inbox.push('the end'))
    }),
  ])
  const { subscriptions } = ((await hub.get('/v1/hub')) as { figures: { subscriptions: number } }).figures
  assert.equal(subscriptions, 1)
  assert.equal((await fetch(`${hub.url}/x/mine/hello`)).status, 200)
  assert.equal(hub.hub.extensions.remove('mine'), true)
  assert.equal(hub.hub.extensions.remove('mine'), false)
  await hub.post('/v1/devices/d/telemetry', { t: 1 })
  await moor(t, hub, 'd')
  assert.equal((await fetch(`${hub.url}/x/mine/hello`)).status, 404)
  assert.equal((await hub.post('/v1/devices/d/calls/now', {})).status, 404)
  assert.equal((await hub.post('/v1/devices/d/conversations/talk', {})).status, 404)
  assert.deepEqual(await hub.get('/v1/extensions'), { extensions: [] })
  await eventually('the subscription to be gone', async () => {
    const { figures } = (await hub.get('/v1/hub')) as { figures: { subscriptions: number } }
    return figures.subscriptions === 0
  })
  assert.deepEqual(inbox.all, ['the end'])
})
