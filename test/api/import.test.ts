// Points in from a file, over a real socket: what is stored, what is refused, and that memory does not grow with the file.
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { limits } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { startHub, type TestHub } from '../kit/hub.ts'
import { moor } from '../kit/mqtt.ts'
import { rowOf } from './formats/rows.ts'

const atMs = Date.UTC(2026, 0, 2, 3, 4, 5)

interface Imported {
  readonly stored: number
  readonly refused: readonly { readonly line: number; readonly code: string; readonly detail: string }[]
  readonly refusedMore?: number
}

function post(
  hub: TestHub,
  query: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${hub.url}/v1/import?${query}`, { method: 'POST', body, headers })
}

async function imported(hub: TestHub, query: string, body: string | Uint8Array<ArrayBuffer>): Promise<Imported> {
  const response = await post(hub, query, body)
  assert.equal(response.status, 200, await response.clone().text())
  return (await response.json()) as Imported
}

async function exported(hub: TestHub, format: string): Promise<Buffer<ArrayBuffer>> {
  return Buffer.from(await (await fetch(`${hub.url}/v1/export?format=${format}`)).arrayBuffer())
}

const points = (hub: TestHub) => exported(hub, 'csv').then((text) => text.toString().trimEnd().split('\r\n').slice(1))

test('points of many devices are stored, and those that are no points are named by their lines', async (t) => {
  const hub = await startHub(t)
  const text = [
    'device,metric,time,value',
    `d-1,n,${atMs},1`,
    `d-2,n,${atMs},1.5`,
    'a/b,n,1,1',
    `d-1,word,${atMs},"two\nlines"`,
    'd-1,n,yesterday,1',
    `d-1,n,${atMs + 1},nan`,
    `d-1,${'n'.repeat(limits.metricNameBytes + 1)},${atMs},1`,
    `d-1,n,${atMs},"${'x'.repeat(limits.lineBytes)}"`,
    `d-1,on,${atMs},true`,
  ].join('\n')
  const { stored, refused } = await imported(hub, 'format=csv', text)
  assert.equal(stored, 4)
  assert.deepEqual(
    refused.map(({ line, code }) => [line, code]),
    [
      [4, 'device-id-invalid'],
      [7, 'telemetry-invalid'],
      [8, 'telemetry-invalid'],
      [9, 'telemetry-invalid'],
      [10, 'line-too-long'],
    ],
  )
  const at = '2026-01-02T03:04:05.000Z'
  assert.deepEqual(await points(hub), [`d-1,n,${at},1`, `d-1,on,${at},true`, `d-1,word,${at},"two\nlines"`, `d-2,n,${at},1.5`])
})

test('whoever listens hears what is imported, as of any reading', async (t) => {
  const hub = await startHub(t)
  const listener = await moor(t, hub, 'listener')
  await listener.subscribe('devices/+/telemetry', { qos: 1 })
  await imported(
    hub,
    'format=ndjson',
    `{"device":"d","metric":"a","time":${atMs},"value":1}\n{"device":"d","metric":"b","time":${atMs},"value":2}`,
  )
  const { payload } = await listener.next('publish')
  assert.deepEqual(JSON.parse(String(payload)), [{ ts: atMs, values: { a: 1, b: 2 } }])
})

for (const format of ['csv', 'ndjson', 'parquet']) {
  test(`${format}: any points come back from an empty hub as the same bytes, and a file that is sent twice changes nothing`, async (t) => {
    const [first, second] = [await startHub(t), await startHub(t)]
    const isGood = ({ metric, value }: { metric: string; value: unknown }) =>
      !/[\p{Surrogate}\p{Cc}]/u.test(metric) && !/\\ud[89a-f]/i.test(JSON.stringify(value))
    const rows = fc.sample(rowOf.filter(isGood), { numRuns: 500, seed: 5 })
    const lines = rows.map(({ device, metric, atMs: time, value }) =>
      JSON.stringify({ device, metric, time, value }).replace(/"value":0}$/, `"value":${Object.is(value, -0) ? '-0' : '0'}}`),
    )
    const { stored, refused } = await imported(first, 'format=ndjson', lines.join('\n'))
    assert.deepEqual([stored, refused], [rows.length, []])
    const bytes = await exported(first, format)
    assert.deepEqual((await imported(second, `format=${format}`, bytes)).refused, [])
    assert.ok((await exported(second, format)).equals(bytes))
    await imported(second, `format=${format}`, bytes)
    assert.ok((await exported(second, format)).equals(bytes))
    // The last word on types: the format in which nothing is left to be told apart.
    assert.equal(String(await exported(second, 'ndjson')), String(await exported(first, 'ndjson')))
    assert.ok(!existsSync(join(second.folder, 'spool')) || readdirSync(join(second.folder, 'spool')).length === 0)
  })
}

test('100,000 points go out and in and out again as the same bytes, in every format', async (t) => {
  const hubs = [await startHub(t), await startHub(t)] as const
  const count = 100_000
  function* lines() {
    let text = ''
    for (let at = 0; at < count; at += 1) {
      text += `{"device":"d-${at % 50}","metric":"m-${at % 3}","time":${atMs + at * 250.5},"value":${Math.sin(at)}}\n`
      if (at % 500 !== 499) continue
      yield Buffer.from(text)
      text = ''
    }
  }
  const body = Readable.toWeb(Readable.from(lines())) as ReadableStream
  const response = await fetch(`${hubs[0].url}/v1/import?format=ndjson`, { method: 'POST', body, duplex: 'half' } as RequestInit)
  assert.deepEqual(await response.json(), { stored: count, refused: [] })
  for (const format of ['csv', 'ndjson', 'parquet']) {
    const bytes = await exported(hubs[0], format)
    assert.deepEqual(await imported(hubs[1], `format=${format}`, bytes), { stored: count, refused: [] })
    assert.ok((await exported(hubs[1], format)).equals(bytes), format)
  }
})

test('the content type says the format where the query does not; a body may be gzip; without either nothing is read', async (t) => {
  const hub = await startHub(t)
  const line = (n: number) => `{"device":"d","metric":"n","time":${n},"value":${n}}\n`
  const typed = await post(hub, '', line(1), { 'content-type': 'application/x-ndjson' })
  assert.deepEqual(await typed.json(), { stored: 1, refused: [] })
  const packed = await post(hub, 'format=ndjson', gzipSync(line(2)), { 'content-encoding': 'gzip' })
  assert.deepEqual(await packed.json(), { stored: 1, refused: [] })
  assert.deepEqual(await (await post(hub, 'format=csv', '')).json(), { stored: 0, refused: [] })
  const wrong: [string, string | Uint8Array<ArrayBuffer>, Record<string, string>][] = [
    ['', line(3), {}],
    ['format=xml', line(3), {}],
    ['format=csv', line(3), {}],
    ['format=parquet', line(3), {}],
    ['format=ndjson', line(3), { 'content-encoding': 'gzip' }],
    ['format=ndjson', gzipSync(line(3)).subarray(0, 20), { 'content-encoding': 'gzip' }],
    ['format=ndjson', line(3), { 'content-encoding': 'br' }],
  ]
  for (const [query, body, headers] of wrong) {
    const response = await post(hub, query, body, headers)
    assert.deepEqual([response.status, ((await response.json()) as { code: string }).code], [400, 'request-invalid'], query)
  }
  assert.equal((await points(hub)).length, 2)
})

test('a body that unpacks without end is refused at its bound, and the hub goes on', async (t) => {
  const hub = await startHub(t)
  const one = gzipSync(Buffer.alloc(16 * 1024 * 1024, '#'))
  const body = Buffer.concat(Array.from({ length: limits.importInflatedBytes / (16 * 1024 * 1024) + 1 }, () => one))
  const response = await post(hub, 'format=ndjson', body, { 'content-encoding': 'gzip' })
  assert.equal(((await response.json()) as { code: string }).code, 'body-too-large')
  assert.equal((await hub.post('/v1/devices/d/telemetry', '{"n":1}')).status, 200)
})

test('too-many-transfers: past the limit of imports the next is told to come again', async (t) => {
  const hub = await startHub(t)
  const open = Array.from({ length: limits.imports }, () => {
    const one = request(`${hub.url}/v1/import?format=ndjson`, { method: 'POST' })
    one.on('error', () => {})
    one.write('{"device":"d","metric":"n","time":1,"value":1}\n')
    return one
  })
  let response = await post(hub, 'format=ndjson', '')
  while (response.status === 200) response = await post(hub, 'format=ndjson', '') // until the last of them has arrived
  assert.deepEqual([response.status, ((await response.json()) as { code: string }).code], [503, 'too-many-transfers'])
  for (const one of open) one.destroy()
  while (response.status !== 200) response = await post(hub, 'format=ndjson', '')
})

test('too-many-new-devices: an import waits where devices may not appear faster, and loses none', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  const count = limits.devicesCreatedPerMinute + 10
  const body = Array.from({ length: count }, (_, at) => `{"device":"d-${at}","metric":"n","time":1,"value":1}`).join('\n')
  const done = imported(hub, 'format=ndjson', body)
  const total = async () => ((await hub.get('/v1/devices?limit=1')) as { total: number }).total
  while ((await total()) < limits.devicesCreatedPerMinute);
  clock.advance(61)
  assert.deepEqual(await done, { stored: count, refused: [] })
  assert.equal(await total(), count)
})
