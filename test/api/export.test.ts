// Points out as a file, over a real socket: what it holds, that it is made while it is read, and what becomes of a client that goes away.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import fastify, { type FastifyInstance } from 'fastify'
import { Downloads } from '../../hub/api/download.ts'
import { exportRoutes } from '../../hub/api/export.ts'
import type { ApiParts } from '../../hub/api/parts.ts'
import { limits } from '../../hub/limits.ts'
import type { ScanPart, ScanQuery } from '../../hub/store/telemetry.ts'
import { atEnd } from '../kit/at-end.ts'
import { startHub, type TestHub } from '../kit/hub.ts'

const atMs = Date.UTC(2026, 0, 2, 3, 4, 5)

async function fill(hub: TestHub): Promise<void> {
  const readings = [
    `{"ts":${atMs},"values":{"speed":21.5,"on":true,"word":"a, b"}}`,
    `{"ts":${atMs}.25,"values":{"speed":-0}}`,
    `{"ts":${atMs + 1000},"values":{"speed":23,"word":"1","more":{"a":1}}}`,
  ]
  await hub.post('/v1/devices/pump-7/telemetry', `[${readings}]`)
  await hub.post('/v1/devices/boiler-1/telemetry', [{ ts: atMs, values: { speed: 1, gone: null } }])
}

const textOf = async (hub: TestHub, query: string) => (await fetch(`${hub.url}/v1/export?${query}`)).text()

test('CSV: a row for each point, by device, metric and time', async (t) => {
  const hub = await startHub(t)
  await fill(hub)
  const response = await fetch(`${hub.url}/v1/export?format=csv`)
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'text/csv; charset=utf-8')
  assert.match(response.headers.get('content-disposition') ?? '', /^attachment; filename="telemetry-\d{4}-\d\d-\d\d\.csv"$/)
  assert.equal(response.headers.get('mooring-points'), '9')
  assert.equal(
    await response.text(),
    [
      'device,metric,time,value',
      'boiler-1,gone,2026-01-02T03:04:05.000Z,null',
      'boiler-1,speed,2026-01-02T03:04:05.000Z,1',
      'pump-7,more,2026-01-02T03:04:06.000Z,"{""a"":1}"',
      'pump-7,on,2026-01-02T03:04:05.000Z,true',
      'pump-7,speed,2026-01-02T03:04:05.000Z,21.5',
      'pump-7,speed,2026-01-02T03:04:05.00025Z,-0',
      'pump-7,speed,2026-01-02T03:04:06.000Z,23',
      'pump-7,word,2026-01-02T03:04:05.000Z,"a, b"',
      'pump-7,word,2026-01-02T03:04:06.000Z,"""1"""',
      '',
    ].join('\r\n'),
  )
})

test('NDJSON: one point a line', async (t) => {
  const hub = await startHub(t)
  await fill(hub)
  assert.equal(
    await textOf(hub, 'format=ndjson&device=pump-7&metric=speed'),
    [
      `{"device":"pump-7","metric":"speed","time":${atMs},"value":21.5}`,
      `{"device":"pump-7","metric":"speed","time":${atMs}.25,"value":-0}`,
      `{"device":"pump-7","metric":"speed","time":${atMs + 1000},"value":23}`,
      '',
    ].join('\n'),
  )
})

test('a selection by device, metric and time; both ends are included', async (t) => {
  const hub = await startHub(t)
  await fill(hub)
  const rowsOf = async (query: string) => (await textOf(hub, `format=csv&time=ms&${query}`)).trimEnd().split('\r\n').slice(1)
  assert.equal((await rowsOf('device=pump-7&device=boiler-1&metric=speed')).length, 4)
  assert.deepEqual(await rowsOf(`metric=speed&metric=gone&from=${atMs}&to=2026-01-02T03:04:05Z`), [
    `boiler-1,gone,${atMs},null`,
    `boiler-1,speed,${atMs},1`,
    `pump-7,speed,${atMs},21.5`,
  ])
  assert.deepEqual(await rowsOf('device=nobody'), [])
})

test('what cannot be asked is refused before anything is sent', async (t) => {
  const hub = await startHub(t)
  const wrong = [
    '',
    'format=xml',
    'format=csv&from=yesterday',
    'format=csv&from=2&to=1',
    'format=csv&tag=a',
    'format=csv&device=a/b',
    'format=csv&time=s',
  ]
  for (const query of wrong) assert.equal((await fetch(`${hub.url}/v1/export?${query}`)).status, 400, query)
})

// ── its stream, with a store that never ends ──

interface Endless {
  readonly app: FastifyInstance
  readonly port: number
  /** Points that the scan has handed out so far. */
  readonly points: () => number
  readonly ended: Promise<void>
}

/** The routes over a scan of as many points as anyone reads. */
async function endless(t: Parameters<typeof atEnd>[0]): Promise<Endless> {
  let points = 0
  let told = () => {}
  const ended = new Promise<void>((resolve) => (told = resolve))
  async function* scan(_query: ScanQuery, signal?: AbortSignal): AsyncGenerator<ScanPart> {
    try {
      for (;;) {
        signal?.throwIfAborted()
        const times = Float64Array.from({ length: 1000 }, (_, at) => atMs + points + at)
        points += times.length
        yield { device: 'd', metric: 'n', times, values: times.map((ms) => Math.sin(ms)) }
      }
    } finally {
      told()
    }
  }
  const telemetry = { scan, scanSummary: async () => ({ series: 1, points: 1e9 }) }
  const app = fastify({ forceCloseConnections: true })
  exportRoutes(app, { access: {}, downloads: new Downloads(), store: { telemetry } } as unknown as ApiParts)
  await app.listen({ port: 0, host: '127.0.0.1' })
  atEnd(t, () => app.close())
  const address = app.server.address()
  return { app, port: typeof address === 'object' && address !== null ? address.port : 0, points: () => points, ended }
}

for (const format of ['csv', 'ndjson', 'parquet']) {
  test(`${format}: a client that does not read is not read for, and one that goes away ends the scan`, async (t) => {
    const { port, points, ended } = await endless(t)
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(`GET /v1/export?format=${format} HTTP/1.1\r\nhost: x\r\n\r\n`)
    socket.pause()
    // It stands still: in many turns of the loop not one point more is asked for.
    let before = -1
    for (let turns = 0; turns < 20_000; turns += 1) {
      if (points() !== before || before === 0) turns = 0
      before = points()
      await new Promise(setImmediate)
    }
    // What fills the sockets of both sides, some MiB, and not the 10^9 points; as Parquet of these times each point takes some 10 bytes.
    assert.ok(before < 2_000_000, `${before} points`)
    socket.destroy()
    await ended
    assert.ok(points() - before <= 1000, `${points() - before} points more`)
  })
}

test('too-many-transfers: past the limit of exports the next is told to come again; when one has ended there is room', async (t) => {
  const { port } = await endless(t)
  const get = () => fetch(`http://127.0.0.1:${port}/v1/export?format=csv`)
  const open = await Promise.all(Array.from({ length: limits.exports }, get))
  const refused = await get()
  assert.equal(refused.status, 500) // without the hub's error handler; the code is what counts
  assert.match(await refused.text(), /limits\.exports/)
  await open[0]?.body?.cancel()
  let status = 0
  while (status !== 200) {
    const response = await get()
    status = response.status
    await response.body?.cancel()
  }
  for (const one of open.slice(1)) await one.body?.cancel()
})

test('a scan that waits is told that nobody waits for it any more', async (t) => {
  const app = fastify({ forceCloseConnections: true })
  let told = () => {}
  const ended = new Promise<void>((resolve) => (told = resolve))
  async function* scan(_query: ScanQuery, signal?: AbortSignal): AsyncGenerator<ScanPart> {
    yield { device: 'd', metric: 'n', times: Float64Array.of(1), values: ['x'.repeat(limits.exportChunkBytes)] }
    await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))).catch(told)
  }
  exportRoutes(app, {
    downloads: new Downloads(),
    access: {},
    store: { telemetry: { scan, scanSummary: async () => ({ series: 1, points: 1 }) } },
  } as unknown as ApiParts)
  await app.listen({ port: 0, host: '127.0.0.1' })
  atEnd(t, () => app.close())
  const { port } = app.server.address() as { port: number }
  const response = await fetch(`http://127.0.0.1:${port}/v1/export?format=csv`)
  await response.body?.cancel()
  await ended
})

test('a scan that fails in the middle cuts the connection: a file that is not whole never looks whole', async (t) => {
  const app = fastify({ forceCloseConnections: true })
  async function* scan(): AsyncGenerator<ScanPart> {
    yield { device: 'd', metric: 'n', times: Float64Array.of(1), values: ['x'.repeat(limits.exportChunkBytes)] }
    throw new Error('the disk failed')
  }
  exportRoutes(app, {
    downloads: new Downloads(),
    access: {},
    store: { telemetry: { scan, scanSummary: async () => ({ series: 1, points: 1 }) } },
  } as unknown as ApiParts)
  await app.listen({ port: 0, host: '127.0.0.1' })
  atEnd(t, () => app.close())
  const { port } = app.server.address() as { port: number }
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
  socket.on('error', () => {})
  socket.write('GET /v1/export?format=csv HTTP/1.1\r\nhost: x\r\n\r\n')
  await once(socket, 'close')
  assert.match(text, /^HTTP\/1\.1 200/)
  assert.doesNotMatch(text, /\r\n0\r\n\r\n$/, 'the last chunk was not sent')
})
