// What dashboards see: the newest values, at most ten frames a second, and never at anyone else's cost.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import test from 'node:test'
import { refusals } from '../../hub/errors.ts'
import { limits, MiB } from '../../hub/limits.ts'
import { Feed, type Frame, type Viewer } from '../../hub/live/feed.ts'
import { Metrics } from '../../hub/metrics.ts'
import type { Changes, Store } from '../../hub/store/store.ts'
import { HandClock } from '../kit/clock.ts'
import { startHub } from '../kit/hub.ts'
import { openEvents, openLive } from '../kit/live.ts'
import { moor } from '../kit/mqtt.ts'

test('a value published over MQTT reaches whoever watches the device', async (t) => {
  const hub = await startHub(t)
  const viewer = await openLive(t, hub)
  viewer.watch('boiler-1')
  const boiler = await moor(t, hub, 'boiler-1')
  await boiler.publish('devices/boiler-1/telemetry', '{"temperature":61.2}', { qos: 1 })
  assert.equal(await viewer.nextValue('boiler-1', 'temperature'), 61.2)
})

test('a device appears, connects and goes, without being watched', async (t) => {
  const hub = await startHub(t)
  const viewer = await openLive(t, hub)
  const pump = await moor(t, hub, 'pump-7')
  await pump.publish('devices/pump-7/telemetry', '{"flow":1}', { qos: 1 })
  const created = await viewer.nextDevice('pump-7')
  assert.equal(created?.connected, true)
  assert.equal(typeof created?.createdAt, 'number')
  pump.pullCable()
  assert.equal((await viewer.nextDevice('pump-7'))?.connected, false)
})

test('what is not watched is not sent', async (t) => {
  const hub = await startHub(t)
  const viewer = await openLive(t, hub)
  viewer.watch('wanted')
  await hub.post('/v1/devices/other/telemetry', '{"n":1}')
  await hub.post('/v1/devices/wanted/telemetry', '{"n":2}')
  const frame = await viewer.frames.next(({ changes }) => changes !== undefined, 'changes')
  assert.deepEqual(frame.changes?.devices, ['wanted'])
})

test('a thousand readings become the newest one, ten times a second', async (t) => {
  const hub = await startHub(t)
  const viewer = await openLive(t, hub)
  viewer.watch('fast')
  const fast = await moor(t, hub, 'fast')
  for (let n = 0; n <= 1000; n++) await fast.publish('devices/fast/telemetry', `{"n":${n}}`, { qos: n % 10 === 0 ? 1 : 0 })
  const values: unknown[] = []
  while (values.at(-1) !== 1000) values.push(await viewer.nextValue('fast', 'n'))
  assert.ok(values.length < 500, `${values.length} values for 1001 readings`)
  for (let at = 1; at < viewer.times.length; at++) {
    // Two frames may come closer on the wire than they were sent; five in less than 300 ms may not.
    if (at >= 4) assert.ok((viewer.times[at] as number) - (viewer.times[at - 4] as number) > 300)
  }
})

test('commands of every device are told to who asks for all of them, until it does no more', async (t) => {
  const hub = await startHub(t)
  const viewer = await openLive(t, hub)
  const ask = (id: string, name: string) => hub.post(`/v1/devices/${id}/commands`, { name })
  for (const id of ['pump-1', 'pump-2']) await hub.post(`/v1/devices/${id}/telemetry`, '{"n":1}')
  const told = (name: string) => viewer.frames.next(({ commands }) => commands?.some((one) => one.name === name) ?? false, name)
  /** What it watches is in force once a value of it has come. */
  const heard = async (n: number) => {
    await hub.post('/v1/devices/pump-2/telemetry', { n })
    await viewer.nextValue('pump-2', 'n')
  }
  viewer.hearCommands('pump-2')
  await heard(2)
  await ask('pump-1', 'stop')
  const { commands } = await told('stop')
  assert.deepEqual([commands?.[0]?.device, commands?.[0]?.state], ['pump-1', 'queued'])
  viewer.watch('pump-2')
  await heard(3)
  await ask('pump-1', 'not for who watches another')
  await ask('pump-2', 'start')
  assert.deepEqual(
    (await told('start')).commands?.map(({ device }) => device),
    ['pump-2'],
  )
})

test('figures come every second', async (t) => {
  const hub = await startHub(t)
  const viewer = await openLive(t, hub)
  const frame = await viewer.frames.next(({ figures }) => figures !== undefined, 'figures')
  assert.equal(frame.figures?.['devices'], 0)
  assert.equal(typeof frame.figures?.['messagesPerSecond'], 'number')
})

test('nonsense from a viewer closes its socket with a sentence', async (t) => {
  const hub = await startHub(t)
  const cases: [text: string, says: RegExp][] = [
    ['{', /JSON text such as/],
    ['{"is":"dance"}', /nothing else/],
    ['{"is":"watch","devices":["a b"]}', /device ids/],
    [
      JSON.stringify({ is: 'watch', devices: Array.from({ length: limits.watchedDevices + 1 }, (_, n) => `d${n}`) }),
      /limits\.watchedDevices/,
    ],
  ]
  for (const [text, says] of cases) {
    const viewer = await openLive(t, hub)
    viewer.socket.send(text)
    const { code, reason } = await viewer.closed
    assert.equal(code, refusals['watch-invalid'].ws)
    assert.match(reason, says)
  }
  const large = await openLive(t, hub)
  large.socket.send('x'.repeat(limits.liveMessageBytes + 1))
  assert.equal((await large.closed).code, 1009)
})

test('server-sent events carry the same changes, of all devices or of some', async (t) => {
  const hub = await startHub(t)
  const all = await openEvents(t, hub)
  const some = await openEvents(t, hub, '?device=b')
  await hub.post('/v1/devices/a/telemetry', '{"n":1}')
  await hub.post('/v1/devices/b/telemetry', '{"n":2}')
  const created = await all.next(({ event }) => event === 'devices', 'devices')
  assert.equal((created.data as { id: string }[])[0]?.id, 'a')
  await all.next(({ event, data }) => event === 'changes' && (data as Changes).devices.includes('b'), 'changes of b')
  const only = await some.next(({ event }) => event === 'changes', 'changes')
  assert.deepEqual((only.data as Changes).devices, ['b'])
  const seen = await some.next(({ event }) => event === 'devices', 'devices')
  assert.deepEqual(
    (seen.data as { id: string }[]).map(({ id }) => id),
    ['b'],
    'who may see some devices does not hear that others are there',
  )
  const refused = await fetch(`${hub.url}/v1/events?device=not%20an%20id`)
  assert.equal(refused.status, 400)
})

test('viewers past the limit are told so, and the others go on', async (t) => {
  const hub = await startHub(t)
  const viewers = await Promise.all(Array.from({ length: limits.viewers }, () => openLive(t, hub)))
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/live`, 'mooring.live')
  const closed = await new Promise<CloseEvent>((resolve) => socket.addEventListener('close', resolve))
  assert.equal(closed.code, 1013)
  assert.match(closed.reason, /limits\.viewers/)
  const refused = await fetch(`${hub.url}/v1/events`)
  assert.deepEqual([refused.status, ((await refused.json()) as { code: string }).code], [503, 'too-many-viewers'])
  const last = viewers.at(-1)
  last?.watch('d')
  await hub.post('/v1/devices/d/telemetry', '{"n":1}')
  assert.equal(await last?.nextValue('d', 'n'), 1)
})

test('a browser that stops reading costs another one nothing', async (t) => {
  const hub = await startHub(t)
  const frozen = connect(Number(new URL(hub.url).port), '127.0.0.1')
  t.after(() => frozen.destroy())
  const devices = Array.from({ length: 200 }, (_, n) => `wide-${n}`)
  const watch = Buffer.from(JSON.stringify({ is: 'watch', devices }))
  // RFC 6455 section 5.2: a masked text frame with a 16-bit length; the mask is zero, so the bytes are as they are.
  const header = Buffer.from([0x81, 0xfe, watch.length >> 8, watch.length & 0xff, 0, 0, 0, 0])
  const upgrade = 'GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
  frozen.write(
    `${upgrade}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mooring.live\r\n\r\n`,
  )
  frozen.write(Buffer.concat([header, watch]))
  await once(frozen, 'readable') // the answer to the upgrade; nothing is ever read of it or of what follows

  const viewer = await openLive(t, hub)
  viewer.watch('wide-0')
  const publisher = await moor(t, hub, 'publisher')
  const wide = 'x'.repeat(8000)
  for (let round = 0; round < 20; round++) {
    // 1.6 MB of changes a round: more in all than the kernel and the viewer's allowance take together.
    for (const device of devices) publisher.publish(`devices/${device}/telemetry`, JSON.stringify({ wide: wide + round }))
    await publisher.publish('devices/wide-0/telemetry', `{"round":${round}}`, { qos: 1 })
    assert.equal(await viewer.nextValue('wide-0', 'round'), round)
  }
  // Once it reads again it finds what was handed over before the bound was met, and then the newest values, not the 20 rounds of 1.6 MB.
  await publisher.publish('devices/wide-0/telemetry/end', 'of the test', { qos: 1 })
  let text = ''
  let bytes = 0
  for await (const chunk of frozen) {
    bytes += (chunk as Buffer).length
    text = (text + (chunk as Buffer).toString('latin1')).slice(-100_000)
    if (text.includes('of the test')) break
  }
  assert.ok(bytes < 16 * MiB, `${bytes} bytes were kept for it`)
  assert.ok(bytes > limits.viewerWriteBytes, 'the bound was met at all')
})

/** A feed of its own, fed by hand: what a viewer that never reads is owed can only be filled past its bound this way in a test's time. */
function feedByHand() {
  const clock = new HandClock()
  let tell: (changes: Changes) => void = () => {}
  const store = { onChanges: (listener: typeof tell) => (tell = listener), watch() {} } as unknown as Store
  const feed = new Feed(store, clock, new Metrics())
  return {
    clock,
    feed,
    change: (device: string, metric: string, value: number) =>
      tell({ devices: [device], metrics: [metric], times: [1], values: [value], seqs: [1] }),
  }
}

class SlowViewer implements Viewer {
  writable = true
  frames: Frame[] = []
  resyncs = 0

  send(frame: Frame): void {
    this.frames.push(frame)
  }

  resync(): void {
    this.resyncs++
  }
}

test('a viewer that stops reading gets the newest values when it reads again, not all of them', () => {
  const { clock, feed, change } = feedByHand()
  const slow = new SlowViewer()
  const quick = new SlowViewer()
  feed.watch(feed.open(slow), 'all')
  feed.watch(feed.open(quick), 'all')
  slow.writable = false
  for (let n = 0; n < 50; n++) {
    change('d', 'n', n)
    clock.advance(1)
  }
  assert.equal(slow.frames.length, 0)
  assert.equal(quick.frames.length, 50, 'the other viewer saw every one')
  slow.writable = true
  clock.advance(1)
  assert.deepEqual(
    slow.frames.map(({ changes }) => changes?.values),
    [[49]],
  )
})

test('a viewer that falls too far behind is told to start over, and its memory is given back', () => {
  const { clock, feed, change } = feedByHand()
  const slow = new SlowViewer()
  const view = feed.open(slow)
  feed.watch(view, 'all')
  slow.writable = false
  for (let n = 0; n <= limits.viewerPending; n++) change(`d${n}`, 'n', n)
  assert.equal(slow.resyncs, 1)
  assert.equal(view.changes.size, 0)
  slow.writable = true
  change('d1', 'n', 7)
  clock.advance(1)
  assert.deepEqual(slow.frames.at(-1)?.changes?.values, [7])
})

test('more changes than a frame holds come in the frames after it', () => {
  const { clock, feed, change } = feedByHand()
  const viewer = new SlowViewer()
  feed.watch(feed.open(viewer), 'all')
  viewer.writable = false
  for (let n = 0; n < limits.frameChanges + 10; n++) change(`d${n}`, 'n', n)
  viewer.writable = true
  clock.advance(2)
  assert.deepEqual(
    viewer.frames.map(({ changes }) => changes?.devices.length),
    [limits.frameChanges, 10],
  )
})

test('a change that comes too soon after a frame goes out once the next one is due, not a tick later', () => {
  const { clock, feed, change } = feedByHand()
  const viewer = new SlowViewer()
  feed.watch(feed.open(viewer), 'all')
  clock.pass(limits.frameEveryMs / 2) // ticks and frames do not fall together
  change('d', 'n', 1)
  change('d', 'n', 2)
  clock.pass(limits.frameEveryMs - 1)
  assert.equal(viewer.frames.length, 1)
  clock.pass(1)
  assert.deepEqual(
    viewer.frames.map(({ changes }) => changes?.values),
    [[1], [2]],
  )
})

test('devices that are lost all at once come in bounded frames, each of them once', () => {
  const { clock, feed } = feedByHand()
  const viewer = new SlowViewer()
  feed.open(viewer)
  const gone = { at: 'offline', since: 1, reason: 'connection-lost' } as const
  const count = 2 * limits.frameChanges + 10
  for (let n = 0; n < count; n++) feed.onPresence(`d${n}`, gone)
  for (let frame = 0; frame < 3; frame++) clock.pass(limits.frameEveryMs)
  const frames = viewer.frames.map(({ devices = [] }) => devices.map(({ id }) => id))
  assert.deepEqual(
    frames.map(({ length }) => length),
    [1, limits.frameChanges, limits.frameChanges, 9],
  )
  assert.equal(new Set(frames.flat()).size, count)
})
