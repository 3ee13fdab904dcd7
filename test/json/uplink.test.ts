// NDJSON streams that go up: what is answered is on disk, and nothing a client does makes the hub hold more than its window.
import assert from 'node:assert/strict'
import test from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { MetricValue } from '../../devices/device.ts'
import { Refusal } from '../../hub/errors.ts'
import type { Frame } from '../../hub/json/uplinks.ts'
import { KiB, limits, MiB } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { type InProcessHub, newFolder, spawnHub, startHub } from '../kit/hub.ts'
import { moor } from '../kit/mqtt.ts'
import { type Answer, openHttp1, SlowDisk, serve, versions } from './upstream.ts'

/** Of the one metric that the device has, asked of the store: what the hub's own parts know of it they did not see. */
async function valuesOf({ hub }: InProcessHub, deviceId: string): Promise<readonly unknown[]> {
  const values: MetricValue[] = []
  for await (const part of hub.store.telemetry.scan({ devices: [deviceId], fromMs: 0, toMs: Date.now() + 3_600_000 }))
    values.push(...part.values)
  return values
}

/** Bytes of buffers that are still needed. */
function bytesHeld(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  return process.memoryUsage().arrayBuffers
}

/** Lets everything that is under way come about: what a socket brings takes a turn or two. */
async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!holds()) {
    if (performance.now() > deadline) assert.fail(`not within 10 s: ${what}`)
    await turn()
  }
}

const codes = (answers: readonly Answer[]) => answers.map(({ line, code }) => [line, code])

for (const version of versions) {
  test(`over ${version} readings are on disk when they are counted, while the body stays open`, async (t) => {
    const hub = await startHub(t)
    const { open } = await serve(t, version, hub.hub.store.journal, new HandClock())
    const pump = await open('/v1/devices/pump/stream')
    assert.equal(pump.status, 200)
    pump.line({ ts: 1, values: { n: 1 } }, { ts: 2, values: { n: 2 } })
    await pump.stored(2)
    assert.deepEqual(await valuesOf(hub, 'pump'), [1, 2])
    pump.write('\n \r\n') // signs of life, which are not counted
    pump.write('{"n":3}') // the last line needs no end
    pump.end()
    assert.deepEqual((await pump.rest()).at(-1), { stored: 3, refused: 0, done: true })
  })

  test(`over ${version} a line that is refused is named by its number, in its turn, and the others are stored`, async (t) => {
    const hub = await startHub(t)
    const { open, metrics } = await serve(t, version, hub.hub.store.journal, new HandClock())
    const pump = await open('/v1/devices/pump/stream')
    pump.write(`{"n":1}\nnonsense\n\n{"n":2}\n{"long":"${'x'.repeat(limits.lineBytes)}"}\n{"n":3}\n[`)
    pump.end()
    const answers = await pump.rest()
    assert.deepEqual(codes(answers.filter(({ line }) => line !== undefined)), [
      [2, 'telemetry-invalid'],
      [5, 'line-too-long'],
      [7, 'telemetry-invalid'],
    ])
    assert.deepEqual(answers.at(-1), { stored: 3, refused: 3, done: true })
    assert.equal(metrics.refusedBy('telemetry-invalid'), 2)
  })

  test(`over ${version} it does not matter where the bytes are cut`, async (t) => {
    const hub = await startHub(t)
    const { open } = await serve(t, version, hub.hub.store.journal, new HandClock())
    const pump = await open('/v1/devices/pump/stream')
    const long = `grün${'n'.repeat(600)}`
    const readings = [{ word: long }, { word: 'blau' }, { word: 'rot' }].map((values, ts) => JSON.stringify({ ts, values }))
    const text = Buffer.from(`${readings[0]}\r\n\n${readings[1]}\n{"bad":\n${readings[2]}`)
    for (const byte of text) {
      pump.write(Buffer.of(byte))
      await turn()
    }
    pump.end()
    const answers = await pump.rest()
    assert.deepEqual(codes(answers.filter(({ line }) => line !== undefined)), [[4, 'telemetry-invalid']])
    assert.deepEqual(answers.at(-1), { stored: 3, refused: 1, done: true })
    assert.deepEqual(await valuesOf(hub, 'pump'), [long, 'blau', 'rot'])
  })

  test(`over ${version} frames that are no publish are handed on one at a time and answered in their place`, async (t) => {
    const hub = await startHub(t)
    const asked: [Frame, (outcome: Refusal | undefined) => void][] = []
    const clock = new HandClock()
    const { open } = await serve(t, version, hub.hub.store.journal, clock, (frame, answer) => asked.push([frame, answer]))
    const client = await open('/v1/stream?client=c')
    client.line({ topic: 'a', payload: 1 }, { is: 'subscribe', filter: 'b' }, { is: 'ping' }, { is: 'publish', topic: 'a', text: '' })
    await client.stored(1)
    await until(() => asked.length > 0, 'the first frame is handed on')
    assert.deepEqual(
      asked.map(([frame]) => frame),
      [{ is: 'subscribe', filter: 'b' }],
    )
    asked[0]?.[1](new Refusal('filter-invalid', { detail: 'of a test' }))
    assert.deepEqual(codes([(await client.next()) as Answer]), [[2, 'filter-invalid']])
    await until(() => asked.length === 2, 'the second frame is handed on')
    asked[1]?.[1](undefined)
    asked[1]?.[1](undefined) // once is enough
    client.end()
    assert.deepEqual((await client.rest()).at(-1), { stored: 3, refused: 1, done: true })
  })

  test(`over ${version} a client that hangs up loses nothing that was answered and leaves nothing behind`, async (t) => {
    const hub = await startHub(t)
    const { open, uplinks, metrics } = await serve(t, version, hub.hub.store.journal, new HandClock())
    const pump = await open('/v1/devices/pump/stream')
    pump.line(...Array.from({ length: 1000 }, (_, n) => ({ ts: n, values: { n } })))
    await pump.stored(1000)
    pump.write('{"n":1000')
    assert.equal(uplinks.size, 1)
    pump.abort()
    await until(() => uplinks.size === 0, 'the stream is forgotten')
    assert.equal((await valuesOf(hub, 'pump')).length, 1000)
    assert.equal(metrics.refusedBy('telemetry-invalid'), 0) // half a line is none
  })

  test(`over ${version} a full disk ends the stream, and says from which line to send again`, async (t) => {
    const disk = new SlowDisk()
    const clock = new HandClock()
    const { open, uplinks } = await serve(t, version, disk.journal(clock), clock)
    const pump = await open('/v1/devices/pump/stream')
    pump.line({ n: 1 }, { n: 2 })
    await until(() => disk.messages > 0, 'the first lines are on their way to the disk')
    pump.line({ n: 3 })
    disk.store()
    await pump.stored(2)
    disk.answer({ is: 'full' })
    const last = (await pump.rest()).at(-1)
    assert.deepEqual([last?.['stored'], last?.['refused'], last?.['next'], last?.['code'], last?.['retry']], [2, 0, 3, 'store-full', true])
    pump.end()
    await until(() => uplinks.size === 0, 'the stream is over once the client has ended its body')
  })

  test(`over ${version} nothing is said of a line before those in front of it are on disk`, async (t) => {
    const disk = new SlowDisk()
    const clock = new HandClock()
    const { open } = await serve(t, version, disk.journal(clock), clock)
    const client = await open('/v1/stream')
    client.line({ topic: 'a', payload: 1 }, { topic: '#', payload: 2 }, { topic: 'a', payload: 3, qos: 0 })
    await until(() => disk.messages > 0, 'the first line is on its way to the disk')
    for (let turns = 0; turns < 20; turns++) await turn()
    assert.equal(client.unread, 0)
    disk.answer({ is: 'stored', refused: [] })
    assert.deepEqual(codes(await client.stored(2)), [[2, 'topic-invalid']])
  })

  test(`over ${version} no more than a window of lines waits for the disk, however many come`, async (t) => {
    const disk = new SlowDisk()
    const clock = new HandClock()
    const { open } = await serve(t, version, disk.journal(clock), clock)
    const pump = await open('/v1/devices/pump/stream')
    const tiny = '{}\n'.repeat(100_000)
    pump.write(tiny)
    let batches = 0
    while (disk.messages < 100_001) {
      const before = disk.messages
      await until(() => disk.messages > before, 'the next lines go to the disk')
      assert.ok(disk.messages - before <= limits.unansweredLines + 1, `${disk.messages - before} lines at once`) // and the new device
      batches++
      disk.store()
    }
    assert.ok(batches >= 100_000 / limits.unansweredLines)
    disk.answer({ is: 'stored', refused: [] })
    pump.end()
    assert.deepEqual((await pump.rest()).at(-1), { stored: 100_000, refused: 0, done: true })
  })

  test(`over ${version} long lines are held to a window of bytes`, async (t) => {
    const disk = new SlowDisk()
    const clock = new HandClock()
    const { open } = await serve(t, version, disk.journal(clock), clock)
    const pump = await open('/v1/devices/pump/stream')
    const line = `{"n":"${'x'.repeat(30_000)}"}\n`
    pump.write(line.repeat(100))
    while (disk.messages < 101) {
      const before = disk.messages
      await until(() => disk.messages > before, 'the next lines go to the disk')
      assert.ok((disk.messages - before - 2) * line.length <= limits.unansweredLineBytes, `${disk.messages - before} lines at once`)
      disk.store()
    }
  })

  test(`over ${version} a line without end is refused once, and takes no memory`, async (t) => {
    const hub = await startHub(t)
    const { open } = await serve(t, version, hub.hub.store.journal, new HandClock())
    const pump = await open('/v1/devices/pump/stream')
    const piece = Buffer.alloc(64 * KiB, 0x78)
    const before = bytesHeld()
    await pump.flood(piece, 1024)
    assert.deepEqual(codes([(await pump.next()) as Answer]), [[1, 'line-too-long']])
    pump.write('\n{"n":1}\n')
    assert.deepEqual(await pump.stored(1), [])
    await until(() => bytesHeld() - before < 8 * MiB, 'nearly nothing is held of 64 MiB')
  })

  test(`over ${version} who does not read the answers is not read, and is cut off in the end`, async (t) => {
    const hub = await startHub(t)
    const clock = new HandClock()
    const { open, uplinks, metrics } = await serve(t, version, hub.hub.store.journal, clock)
    const pump = await open('/v1/stream')
    pump.freeze()
    const refused = '{"topic":"#"}\n'.repeat(5000)
    // Each line costs an answer of 90 bytes; what the two sockets hold is filled first.
    let sent = 0
    for (let before = -1; metrics.refusedBy('topic-invalid') !== before && sent < 2_000_000; sent += 5000) {
      before = metrics.refusedBy('topic-invalid')
      pump.write(refused)
      for (let turns = 0; turns < 50; turns++) await turn()
    }
    assert.ok(metrics.refusedBy('topic-invalid') < sent, `all of ${sent} lines were read`)
    clock.advance(limits.streamSilenceSeconds + 2)
    await turn()
    clock.advance(10) // … and to read why
    await until(() => uplinks.size === 0, 'the stream is cut')
  })

  test(`over ${version} both sides say now and then that they live, and a client that does not is told so`, async (t) => {
    const hub = await startHub(t)
    const clock = new HandClock()
    const { open, uplinks } = await serve(t, version, hub.hub.store.journal, clock)
    const pump = await open('/v1/devices/pump/stream')
    for (let times = 0; times < 5; times++) {
      pump.write('\n')
      const heard = pump.heartbeat()
      clock.advance(25)
      await heard
    }
    pump.write('{"n":') // bytes alone are no sign of life: the line has to end
    clock.advance(limits.streamSilenceSeconds + 2)
    const last = (await pump.rest()).at(-1)
    assert.deepEqual([last?.['stored'], last?.['next'], last?.['code'], last?.['retry']], [0, 1, 'stream-silent', true])
    clock.advance(10)
    await until(() => uplinks.size === 0, 'the stream is cut')
  })

  test(`over ${version} a hub that stops settles what it has taken and says when to come again`, async (t) => {
    const disk = new SlowDisk()
    const clock = new HandClock()
    const { open, uplinks } = await serve(t, version, disk.journal(clock), clock)
    const [busy, idle] = [await open('/v1/devices/busy/stream'), await open('/v1/devices/idle/stream')]
    busy.line({ n: 1 }, { n: 2 })
    await until(() => disk.messages > 0, 'the lines are on their way to the disk')
    uplinks.closeAll(new Refusal('shutting-down'), () => 7)
    assert.throws(() => uplinks.assertRoom(), { code: 'shutting-down' })
    const [last] = await idle.rest()
    assert.deepEqual([last?.['stored'], last?.['next'], last?.['code'], last?.['retryAfter']], [0, 1, 'shutting-down', 7])
    busy.line({ n: 3 }) // is not taken any more
    disk.answer({ is: 'stored', refused: [] })
    const lastOfBusy = (await busy.rest()).at(-1)
    assert.deepEqual([lastOfBusy?.['stored'], lastOfBusy?.['next'], lastOfBusy?.['retry']], [2, 3, true])
    uplinks.destroyAll()
    assert.equal(uplinks.size, 0)
  })
}

test('readings of every form in one batch keep their places', async (t) => {
  const hub = await startHub(t)
  const pump = await openHttp1(t, Number(new URL(hub.url).port), '/v1/devices/pump/stream')
  pump.line({ a: 0, b: 0, c: 0 })
  await pump.stored(1)
  await hub.get('/v1/devices/pump') // its metrics are known to the store now, which then reads the common form faster
  pump.write('{"a":1}\nnonsense\n{"b":1}\n{"ts":5,"values":{"c":1}}\n{}\n{"c":2}\n')
  await pump.stored(6)
  const { series } = (await hub.get('/v1/devices/pump/telemetry?from=0')) as { series: { metric: string; values: unknown[] }[] }
  assert.deepEqual(Object.fromEntries(series.map(({ metric, values }) => [metric, values])), { a: [0, 1], b: [0, 1], c: [1, 0, 2] })
})

test('while the journal is full a stream takes one line and no more, and goes on when there is room', async (t) => {
  const disk = new SlowDisk()
  const clock = new HandClock()
  const journal = disk.journal(clock)
  const { open } = await serve(t, 'HTTP/1.1', journal, clock)
  const pump = await open('/v1/devices/pump/stream')
  const other = Buffer.alloc(limits.batchBytes)
  for (let bytes = 0; bytes <= limits.backlogBytes; bytes += other.length)
    journal.append(Buffer.from('t'), 0, 1, undefined, other, 0, other.length)
  assert.ok(journal.full)
  const before = journal.newestSeq
  pump.write('{"n":1}\n'.repeat(100))
  await until(() => journal.newestSeq > before, 'the first line is taken')
  for (let turns = 0; turns < 20; turns++) await turn()
  assert.equal(journal.newestSeq - before, 2) // the new device and the line
  disk.answer({ is: 'stored', refused: [] })
  await pump.stored(100)
})

test('what was answered survives kill -9 in the middle of a stream', async (t) => {
  const folder = newFolder(t)
  const hub = await spawnHub(t, folder)
  const pump = await openHttp1(t, Number(new URL(hub.url).port), '/v1/devices/pump/stream')
  let sent = 0
  let answered = 0
  while (answered < 5000) {
    for (let lines = 0; lines < 500; lines++) pump.line({ ts: sent++, values: { n: 1 } })
    const answer = await pump.next()
    answered = Number(answer?.['stored'])
  }
  await hub.kill()
  const again = await spawnHub(t, folder)
  const { series } = (await again.get('/v1/devices/pump/telemetry?from=0')) as { series: { count: number }[] }
  const [{ count }] = series as [{ count: number }]
  assert.ok(count >= answered && count <= sent, `${answered} were answered, ${count} are there, ${sent} were sent`)
})

test('a device too many for this minute ends the stream before that line, which may be sent again', async (t) => {
  const hub = await startHub(t)
  const { open } = await serve(t, 'HTTP/1.1', hub.hub.store.journal, new HandClock())
  const client = await open('/v1/stream')
  const count = limits.devicesCreatedPerMinute
  client.write(Array.from({ length: count + 5 }, (_, n) => `{"topic":"devices/d${n}/telemetry","payload":{"n":1}}\n`).join(''))
  const last = (await client.rest()).at(-1)
  assert.deepEqual([last?.['stored'], last?.['next'], last?.['code'], last?.['retry']], [count, count + 1, 'too-many-new-devices', true])
})

test('streams are counted, and one too many is refused before it begins', async (t) => {
  const clock = new HandClock()
  const { openMany, uplinks } = await serve(t, 'HTTP/2', new SlowDisk().journal(clock), clock)
  await openMany('/v1/devices/d/stream', limits.streams - 1)
  uplinks.assertRoom()
  await openMany('/v1/devices/d/stream', 1)
  assert.equal(uplinks.size, limits.streams)
  assert.throws(() => uplinks.assertRoom(), { code: 'too-many-streams' })
})

test('messages come from a stream at the hub, from readings and from frames alike', async (t) => {
  const hub = await startHub(t)
  const port = Number(new URL(hub.url).port)
  const listener = await moor(t, hub, 'listener')
  await listener.subscribe('plant/#', { qos: 2 })
  const client = await openHttp1(t, port, '/v1/stream?client=c')
  client.line(
    { topic: 'plant/json', payload: { a: [1, 'ü'] } },
    { topic: 'plant/text', text: 'grün', qos: 2 },
    { is: 'publish', topic: 'plant/bytes', base64: '/wA=', qos: 0 },
    { topic: 'plant/kept', payload: null, retain: true },
  )
  const got = await Promise.all([1, 2, 3, 4].map(() => listener.next('publish')))
  const said = new Map(got.map(({ topic, payload, qos }) => [topic, [Buffer.from(payload as Buffer).toString('hex'), qos]]))
  const hex = (text: string) => Buffer.from(text).toString('hex')
  assert.deepEqual(said.get('plant/json'), [hex('{"a":[1,"ü"]}'), 1])
  assert.deepEqual(said.get('plant/text'), [hex('grün'), 2])
  assert.deepEqual(said.get('plant/bytes'), ['ff00', 0])
  assert.deepEqual(said.get('plant/kept'), [hex('null'), 1])
  await client.stored(4)

  const bad: readonly [line: string, code: string][] = [
    ['{"topic":"a"}', 'request-invalid'],
    ['{"topic":"a","text":"b","payload":1}', 'request-invalid'],
    ['{"topic":"a","text":1}', 'request-invalid'],
    ['{"topic":"a","text":"\\ud800"}', 'request-invalid'],
    ['{"topic":"a","base64":"abc"}', 'request-invalid'],
    ['{"topic":"a","base64":"a!=="}', 'request-invalid'],
    ['{"topic":"a","payload":1,"qos":3}', 'request-invalid'],
    ['{"topic":"a","payload":1,"qos":"1"}', 'request-invalid'],
    ['{"topic":"a","payload":1,"retain":1}', 'request-invalid'],
    ['{"payload":1}', 'request-invalid'],
    ['{"topic":"a/#","payload":1}', 'topic-invalid'],
    ['{"topic":"","payload":1}', 'topic-invalid'],
    ['{"topic":"$SYS/x","payload":1}', 'topic-not-allowed'],
    ['{"topic":"devices/d/telemetry","payload":1}', 'telemetry-invalid'],
    ['{"topic":"devices/not an id/x","payload":1}', 'device-id-invalid'],
    ['{"is":"subscribe","filter":"a"}', 'session-unknown'],
    [`{"topic":"a","payload":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, 'request-invalid'],
    ['["topic"]', 'request-invalid'],
    ['null', 'request-invalid'],
  ]
  client.write(bad.map(([line]) => `${line}\n`).join(''))
  client.write(Buffer.from([0x22, 0xff, 0x22, 0x0a])) // "\xff" is not UTF-8
  client.end()
  const answers = await client.rest()
  const refused = answers.filter(({ line }) => line !== undefined)
  assert.deepEqual(
    codes(refused),
    [...bad, ['', 'request-invalid'] as const].map(([, code], at) => [at + 5, code]),
  )
  assert.deepEqual(answers.at(-1), { stored: 4, refused: bad.length + 1, done: true })
})

test('the hub stops while streams are open: each is told, and the stop does not wait for them', async (t) => {
  const hub = await startHub(t)
  const port = Number(new URL(hub.url).port)
  const streams = await Promise.all(Array.from({ length: 20 }, (_, at) => openHttp1(t, port, `/v1/devices/d${at}/stream`)))
  for (const stream of streams) stream.line({ n: 1 })
  await Promise.all(streams.map((stream) => stream.stored(1)))
  const started = performance.now()
  const stopped = hub.stop()
  for (const stream of streams) {
    const [last] = await stream.rest()
    assert.deepEqual([last?.['stored'], last?.['code'], last?.['retry']], [1, 'shutting-down', true])
    stream.end()
  }
  await stopped
  assert.ok(performance.now() - started < 5000)
})

test('a stream to a device whose id is none is refused with an answer', async (t) => {
  const hub = await startHub(t)
  const response = await hub.post('/v1/devices/not%20an%20id/stream', '{"n":1}\n')
  assert.equal(response.status, 400)
  assert.equal(((await response.json()) as { code: string }).code, 'device-id-invalid')
})

test('a stream may come with its length, or without a body, and the connection is used again', async (t) => {
  const hub = await startHub(t)
  for (let times = 0; times < 3; times++) {
    const whole = await hub.post('/v1/devices/d/stream', '{"n":1}\n{"n":2}\n')
    assert.equal(whole.headers.get('content-type'), 'application/x-ndjson')
    assert.match(await whole.text(), /\{"stored":2,"refused":0,"done":true\}\n$/)
  }
  const empty = await fetch(`${hub.url}/v1/stream`, { method: 'POST' })
  assert.equal(await empty.text(), '{"stored":0,"refused":0,"done":true}\n')
})
