// Queries over stored telemetry: newest values, points, buckets, charts, and what the store holds.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { constants, connect as openHttp2 } from 'node:http2'
import { connect } from 'node:net'
import test, { type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { limits } from '../../hub/limits.ts'
import { startHub, type TestHub } from '../kit/hub.ts'

interface Labelled {
  readonly labels: Record<string, string | null>
  readonly starts: number[]
  readonly columns: Record<string, unknown[]>
}

interface Drawn {
  readonly device: string
  readonly metric: string
  readonly times: number[]
  readonly values: unknown[]
  readonly count: number
  readonly thinned: boolean
  readonly tiers: string[]
}

const noon = Date.parse('2026-01-01T12:00:00Z')
const minute = 60_000

/** Two pumps and a boiler with a reading a minute from noon on, described. */
async function withFleet(t: TestContext): Promise<TestHub> {
  const hub = await startHub(t)
  const readings = (base: number, count: number) =>
    Array.from({ length: count }, (_, at) => ({ ts: noon + at * minute, values: { flow: base + at, on: at % 2 === 0 } }))
  await hub.post('/v1/devices/pump-1/telemetry', readings(0, 120))
  await hub.post('/v1/devices/pump-2/telemetry', readings(1000, 3))
  await hub.post('/v1/devices/boiler/telemetry', [{ ts: noon, values: { temperature: 61.5 } }])
  const describe = (id: string, change: unknown) => fetch(`${hub.url}/v1/devices/${id}`, { method: 'PATCH', body: JSON.stringify(change) })
  await describe('pump-1', { type: 'pump', tags: { site: 'north' } })
  await describe('pump-2', { type: 'pump', tags: { site: 'south', line: '2' } })
  await describe('boiler', { type: 'boiler', tags: { site: 'north' } })
  return hub
}

test('newest values of many devices come in one answer, narrowed to some, page by page', async (t) => {
  const hub = await withFleet(t)
  const last = noon + 119 * minute
  assert.deepEqual(await hub.get('/v1/latest'), {
    devices: [
      { device: 'boiler', latest: { temperature: { at: noon, value: 61.5 } } },
      { device: 'pump-1', latest: { flow: { at: last, value: 119 }, on: { at: last, value: false } } },
      { device: 'pump-2', latest: { flow: { at: noon + 2 * minute, value: 1002 }, on: { at: noon + 2 * minute, value: true } } },
    ],
    next: null,
  })
  const of = async (query: string) => {
    const { devices, next } = (await hub.get(`/v1/latest?${query}`)) as {
      devices: { device: string; latest: object }[]
      next: string | null
    }
    return [devices.map(({ device, latest }) => [device, ...Object.keys(latest)].join(' ')), next]
  }
  assert.deepEqual(await of('metric=flow'), [['boiler', 'pump-1 flow', 'pump-2 flow'], null])
  assert.deepEqual(await of('type=pump&metric=on&metric=ghost'), [['pump-1 on', 'pump-2 on'], null])
  assert.deepEqual(await of('tag=site:north'), [['boiler temperature', 'pump-1 flow on'], null])
  assert.deepEqual(await of('device=pump-2&device=boiler'), [['boiler temperature', 'pump-2 flow on'], null])
  assert.deepEqual(await of('device=nobody'), [[], null])
  assert.deepEqual(await of('limit=2'), [['boiler temperature', 'pump-1 flow on'], 'pump-1'])
  assert.deepEqual(await of('limit=2&after=pump-1'), [['pump-2 flow on'], null])
  assert.equal((await fetch(`${hub.url}/v1/latest`)).headers.get('content-type'), 'application/json; charset=utf-8')
})

test('points of many series come in the order of time, either way, page by page', async (t) => {
  const hub = await withFleet(t)
  interface Page {
    readonly points: { devices: string[]; metrics: string[]; times: number[]; values: unknown[] }
    readonly count: number
    readonly next: string | null
    readonly from: number
    readonly to: number
    readonly coarse: unknown[]
  }
  const ask = async (query: string) => (await hub.get(`/v1/telemetry/points?${query}`)) as Page
  const all = await ask(`type=pump&metric=flow&from=${noon}&to=${noon + minute}`)
  assert.deepEqual(all, {
    points: {
      devices: ['pump-1', 'pump-2', 'pump-1', 'pump-2'],
      metrics: ['flow', 'flow', 'flow', 'flow'],
      times: [noon, noon, noon + minute, noon + minute],
      values: [0, 1000, 1, 1001],
    },
    from: noon,
    to: noon + minute,
    count: 4,
    next: null,
    coarse: [],
  })

  const values: unknown[] = []
  const range = `device=pump-1&metric=flow&from=2026-01-01T12:00:00Z&to=2026-01-01T13:59:00Z&limit=50`
  let page = await ask(range)
  for (;;) {
    assert.equal(page.count, page.points.values.length)
    values.push(...page.points.values)
    if (page.next === null) break
    page = await ask(`${range}&cursor=${encodeURIComponent(page.next)}`)
  }
  assert.deepEqual(
    values,
    Array.from({ length: 120 }, (_, at) => at),
  )
  const backwards = await ask(`device=pump-1&metric=flow&from=${noon}&to=${noon + 10 * minute}&order=desc&limit=3`)
  assert.deepEqual(backwards.points.values, [10, 9, 8])
  const on = await ask(`device=pump-1&metric=on&from=${noon}&to=${noon + minute}`)
  assert.deepEqual(on.points.values, [true, false])
  assert.equal((await ask('device=nobody')).count, 0)
})

test('a range may be said from now backwards', async (t) => {
  const hub = await startHub(t)
  await hub.post('/v1/devices/d/telemetry', [
    { ts: Date.now() - 2 * 3_600_000, values: { n: 1 } },
    { ts: Date.now() - 30 * minute, values: { n: 2 } },
  ])
  const of = async (range: string) => {
    const { points } = (await hub.get(`/v1/telemetry/points?device=d${range}`)) as { points: { values: unknown[] } }
    return points.values
  }
  assert.deepEqual(await of(''), [2], 'the last hour')
  assert.deepEqual(await of('&from=-24h'), [1, 2])
  assert.deepEqual(await of('&from=-15m'), [])
  assert.deepEqual(await of('&from=-1d&to=-1h'), [1])
})

test('buckets tell aggregates by name, per series or per group, with what was asked for in between', async (t) => {
  const hub = await withFleet(t)
  interface Answer {
    readonly series: Labelled[]
    readonly from: number
    readonly to: number
    readonly every: string
    readonly timezone: string
    readonly coarse: unknown[]
  }
  const ask = async (query: string) => (await hub.get(`/v1/telemetry/buckets?${query}`)) as Answer
  const hour = 60 * minute
  const range = `from=${noon}&to=${noon + 2 * hour - 1}`
  assert.deepEqual(await ask(`device=pump-1&metric=flow&every=1h&${range}`), {
    series: [
      {
        labels: { device: 'pump-1', metric: 'flow' },
        starts: [noon, noon + hour],
        columns: { min: [0, 60], max: [59, 119], avg: [29.5, 89.5] },
      },
    ],
    from: noon,
    to: noon + 2 * hour,
    every: '1h',
    timezone: 'UTC',
    coarse: [],
  })
  const counted = await ask(`type=pump&metric=flow&every=1h&aggregates=count,sum&aggregates=count&${range}`)
  assert.deepEqual(counted.series[1], {
    labels: { device: 'pump-2', metric: 'flow' },
    starts: [noon],
    columns: { count: [3], sum: [3003] },
  })
  const filled = await ask(`device=pump-2&metric=flow&every=1h&aggregates=max&fill=null&${range}`)
  assert.deepEqual(filled.series[0]?.columns, { max: [1002, null] })

  const grouped = async (group: string) =>
    (await ask(`metric=flow&every=1d&aggregates=count&group=${group}&${range}`)).series.map(({ labels, columns }) => [
      labels,
      columns['count'],
    ])
  assert.deepEqual(await grouped('tag:site'), [
    [{ 'tag:site': 'north' }, [120]],
    [{ 'tag:site': 'south' }, [3]],
  ])
  assert.deepEqual(await grouped('tag:line'), [
    [{ 'tag:line': null }, [120]],
    [{ 'tag:line': '2' }, [3]],
  ])
  assert.deepEqual(await grouped('type'), [[{ type: 'pump' }, [123]]])
  assert.deepEqual(await grouped('metric'), [[{ metric: 'flow' }, [123]]])
})

test('days begin when the time zone says so', async (t) => {
  const hub = await startHub(t)
  await hub.post('/v1/devices/d/telemetry', [
    { ts: Date.parse('2026-01-01T22:30:00Z'), values: { n: 1 } }, // still the 1st in Berlin
    { ts: Date.parse('2026-01-01T23:30:00Z'), values: { n: 2 } }, // the 2nd
  ])
  const ask = async (zone: string) => {
    const { series, from } = (await hub.get(
      `/v1/telemetry/buckets?device=d&every=1d&aggregates=count&from=2026-01-01&to=2026-01-02T12:00&timezone=${zone}`,
    )) as { series: Labelled[]; from: number }
    return [series[0]?.starts.map((ms) => new Date(ms).toISOString()), series[0]?.columns['count'], new Date(from).toISOString()]
  }
  assert.deepEqual(await ask('Europe/Berlin'), [
    ['2025-12-31T23:00:00.000Z', '2026-01-01T23:00:00.000Z'],
    [1, 1],
    '2025-12-31T23:00:00.000Z',
  ])
  assert.deepEqual(await ask('UTC'), [['2026-01-01T00:00:00.000Z'], [2], '2026-01-01T00:00:00.000Z'])
})

test('a chart of several series has its peaks, and says what it was made from', async (t) => {
  const hub = await startHub(t)
  const start = 1_000_000
  const readings = Array.from({ length: 5000 }, (_, at) => ({ ts: start + at, values: { n: at === 2345 ? 999 : Math.sin(at) } }))
  await hub.post('/v1/devices/a/telemetry', readings)
  await hub.post('/v1/devices/b/telemetry', readings.slice(0, 10))
  for (const method of ['minmax', 'lttb']) {
    const { series, from, to } = (await hub.get(
      `/v1/telemetry/chart?metric=n&from=${start}&to=${start + 5000}&points=200&method=${method}`,
    )) as { series: Drawn[]; from: number; to: number }
    assert.deepEqual([from, to], [start, start + 5000])
    assert.deepEqual(
      series.map(({ device, metric, count, thinned, tiers }) => [device, metric, count, thinned, tiers]),
      [
        ['a', 'n', 5000, true, ['raw']],
        ['b', 'n', 10, false, ['raw']],
      ],
    )
    const [first] = series
    assert.ok(first !== undefined && first.times.length <= 200 && first.times.length > 20)
    assert.equal(first.times.length, first.values.length)
    assert.ok(first.values.includes(999), method)
  }
})

test('what a query cannot mean is refused by the name of its parameter', async (t) => {
  const hub = await startHub(t)
  await hub.post('/v1/devices/d/telemetry', '{"n":1}')
  const cases: [path: string, says: RegExp][] = [
    ['latest?limit=0', /limit/],
    [`latest?limit=${limits.latestDevices + 1}`, /limit/],
    ['latest?tags=site:north', /no parameter "tags"; there are device, metric, type, tag, group, after, limit/],
    ['latest?device=not%20one', /device is no id of a device: "not one"/],
    ['latest?tag=north', /tag is name:value/],
    ['latest?type=%2F', /type is no word/],
    ['telemetry/points?from=yesterday', /from is Unix ms/],
    ['telemetry/points?from=5&to=4', /from lies after to/],
    ['telemetry/points?order=random', /order/],
    [`telemetry/points?limit=${limits.pointsAnswered + 1}`, /limit/],
    ['telemetry/points?cursor=nonsense', /cursor/],
    ['telemetry/points?from=1&from=2', /from/],
    ['telemetry/buckets', /every/],
    ['telemetry/buckets?every=often', /every is a number and one of ms, s, m, h, d, w, mo, y/],
    ['telemetry/buckets?every=1h&to=8640000000000000', /from or to lies outside the years 1 to 9999/],
    ['telemetry/buckets?every=1h&timezone=Mars', /timezone is a name such as Europe\/Berlin/],
    ['telemetry/buckets?every=1h&aggregates=min,median', /aggregates knows count, min.*not "median"/],
    ['telemetry/buckets?every=1h&aggregates=p101', /not "p101"/],
    ['telemetry/buckets?every=1h&aggregates=', /not ""/],
    [`telemetry/buckets?every=1h&aggregates=${Array.from({ length: 40 }, (_, at) => `p${at}`).join(',')}`, /limits\.aggregatesAnswered/],
    ['telemetry/buckets?every=1h&fill=zero', /fill/],
    ['telemetry/buckets?every=1h&group=colour', /group is device, type, metric or tag:NAME; not "colour"/],
    ['telemetry/buckets?every=1h&group=tag:', /group/],
    ['telemetry/chart?points=3', /points/],
    ['telemetry/chart?method=m4', /method/],
    ['devices/d/telemetry?metrics=n', /no parameter "metrics"/],
    ['store?seal=yes', /seal/],
  ]
  for (const [path, says] of cases) {
    const response = await fetch(`${hub.url}/v1/${path}`)
    const { code, detail } = (await response.json()) as { code: string; detail: string }
    assert.deepEqual([response.status, code], [400, 'request-invalid'], path)
    assert.match(detail, says)
  }
  for (const path of ['devices/ghost/telemetry', 'devices/ghost/series'])
    assert.equal((await fetch(`${hub.url}/v1/${path}`)).status, 404, path)
})

test('a query that asks for too much is refused with what to do about it', async (t) => {
  const hub = await withFleet(t)
  const response = await fetch(`${hub.url}/v1/telemetry/buckets?metric=flow&every=1s&from=2025-01-01&to=2026-01-01`)
  const { code, detail } = (await response.json()) as { code: string; detail: string }
  assert.deepEqual([response.status, code], [422, 'query-too-large'])
  assert.match(detail, /limits\.bucketsAnswered.*ask for less/)
})

/** Asks, and goes away as soon as the request is on its way. */
const departures: Record<string, (hub: TestHub, path: string) => Promise<void>> = {
  'HTTP/1.1': async (hub, path) => {
    const socket = connect(Number(new URL(hub.url).port), '127.0.0.1')
    await once(socket, 'connect')
    socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`)
    await turn()
    socket.resetAndDestroy()
    await once(socket, 'close')
  },
  'HTTP/2': async (hub, path) => {
    const session = openHttp2(hub.url)
    await once(session, 'connect')
    const request = session.request({ ':path': path })
    request.on('error', () => {})
    await turn()
    request.close(constants.NGHTTP2_CANCEL)
    await once(request, 'close')
    session.close()
    await once(session, 'close')
  },
}

for (const [wire, depart] of Object.entries(departures)) {
  test(`a query ends when who asked for it over ${wire} goes away`, async (t) => {
    const hub = await startHub(t)
    for (let part = 0; part < 10; part += 1)
      await hub.post(
        '/v1/devices/d/telemetry',
        Array.from({ length: 5000 }, (_, at) => ({ ts: part * 5000 + at, values: { a: Math.sin(at), b: Math.cos(at) } })),
      )
    const gone = async () => {
      const { refusals } = (await hub.get('/v1/hub')) as { refusals: { code: string; count: number }[] }
      return refusals.find(({ code }) => code === 'client-gone')?.count ?? 0
    }
    // Now and then the answer is there before the hub hears of it.
    const deadline = performance.now() + 20_000
    while ((await gone()) === 0) {
      assert.ok(performance.now() < deadline, 'no query was ended')
      await depart(hub, '/v1/telemetry/points?from=0&to=50000&limit=10000')
    }
    const { points } = (await hub.get('/v1/telemetry/points?from=0&to=9')) as { points: { times: number[] } }
    assert.equal(points.times.length, 20, 'and the next one is answered')
  })
}

test('the store tells what it holds, and what each series of a device takes', async (t) => {
  const hub = await withFleet(t)
  interface Status {
    readonly series: { count: number; points: number; bytes: number; bytesPerPoint: number | null }
    readonly heads: { points: number }
    readonly tiers: Record<string, { bytes: number; files: number; count: number }>
    readonly journal: { bytes: number; bytesMax: number }
    readonly projection: { lagMessages: number; lagBytes: number }
    readonly disk: { bytes: number; freeBytes: number; budgetBytes: number | null }
  }
  const status = (await hub.get('/v1/store?seal=1')) as Status
  assert.equal(status.series.points, 2 * 120 + 2 * 3 + 1)
  assert.ok(Math.abs((status.series.bytesPerPoint ?? 0) - status.series.bytes / status.series.points) < 1e-9)
  assert.equal(status.heads.points, 0, 'all of them are in chunks')
  assert.deepEqual(Object.keys(status.tiers), ['raw', 'minute', 'hour', 'day'])
  assert.ok((status.tiers['raw']?.files ?? 0) >= 1)
  assert.ok(status.journal.bytes > 0 && status.journal.bytes <= status.journal.bytesMax)
  assert.deepEqual(status.projection, { lagMessages: 0, lagBytes: 0 })
  assert.ok(status.disk.bytes > 0 && status.disk.freeBytes > 0)

  const { device, series } = (await hub.get('/v1/devices/pump-1/series')) as {
    device: string
    series: { metric: string; points: number; bytes: number; bytesPerPoint: number; fromMs: number; toMs: number }[]
  }
  assert.equal(device, 'pump-1')
  assert.deepEqual(
    series.map(({ metric, points, fromMs, toMs }) => [metric, points, fromMs, toMs]),
    [
      ['flow', 120, noon, noon + 119 * minute],
      ['on', 120, noon, noon + 119 * minute],
    ],
  )
  for (const { bytes, points, bytesPerPoint } of series) assert.ok(bytes > 0 && bytesPerPoint === bytes / points)
})
