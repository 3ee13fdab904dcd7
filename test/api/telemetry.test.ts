// Readings over HTTP, in and out.
import assert from 'node:assert/strict'
import test from 'node:test'
import { limits } from '../../hub/limits.ts'
import { startHub } from '../kit/hub.ts'

interface History {
  readonly from: number
  readonly to: number
  readonly series: { metric: string; times: number[]; values: unknown[]; count: number; thinned: boolean }[]
}

interface Problem {
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly type: string
}

async function problemOf(response: Response): Promise<Problem> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json')
  return (await response.json()) as Problem
}

test('a reading sent as curl -d sends it creates the device and is there when the answer comes', async (t) => {
  const hub = await startHub(t)
  const response = await hub.post('/v1/devices/boiler-1/telemetry', '{"temperature":61.3}', {
    'content-type': 'application/x-www-form-urlencoded',
  })
  assert.equal(response.status, 200)
  assert.deepEqual(await response.json(), { stored: 1 })
  const { series } = (await hub.get('/v1/devices/boiler-1/telemetry')) as History
  assert.deepEqual(
    series.map(({ metric, values }) => [metric, values]),
    [['temperature', [61.3]]],
  )
})

test('any content type will do, and none as well', async (t) => {
  const hub = await startHub(t)
  for (const type of ['application/json', 'text/plain', 'application/octet-stream']) {
    const response = await hub.post('/v1/devices/d/telemetry', '{"n":1}', { 'content-type': type })
    assert.equal(response.status, 200, type)
  }
  const response = await fetch(`${hub.url}/v1/devices/d/telemetry`, { method: 'POST', body: new TextEncoder().encode('{"n":1}') })
  assert.equal(response.status, 200)
})

test('readings bring their own times, alone or many at once', async (t) => {
  const hub = await startHub(t)
  await hub.post('/v1/devices/d/telemetry', [
    { ts: 2000, values: { n: 2 } },
    { ts: 1000, values: { n: 1, on: true, word: 'warm', more: { a: [1] } } },
  ])
  const { series } = (await hub.get('/v1/devices/d/telemetry?from=0&to=5000')) as History
  const columns = Object.fromEntries(series.map(({ metric, times, values }) => [metric, { times, values }]))
  assert.deepEqual(columns, {
    n: { times: [1000, 2000], values: [1, 2] },
    on: { times: [1000], values: [true] },
    word: { times: [1000], values: ['warm'] },
    more: { times: [1000], values: [{ a: [1] }] },
  })
})

test('one value of one metric is the whole body', async (t) => {
  const hub = await startHub(t)
  await hub.post('/v1/devices/d/telemetry/temperature', '21.5')
  await hub.post('/v1/devices/d/telemetry/state', 'heating up')
  const { latest } = (await hub.get('/v1/devices/d')) as { latest: Record<string, { value: unknown }> }
  assert.equal(latest['temperature']?.value, 21.5)
  assert.equal(latest['state']?.value, 'heating up')
})

test('of NDJSON lines the bad ones are named and the others are stored', async (t) => {
  const hub = await startHub(t)
  const now = Date.now()
  const lines = [
    `{"ts":${now - 1},"values":{"n":1}}`,
    'nonsense',
    '',
    `{"ts":${now},"values":{"n":2}}`,
    `{"n":"${'x'.repeat(limits.lineBytes)}"}`,
  ].join('\n')
  const response = await hub.post('/v1/devices/d/telemetry', lines, { 'content-type': 'application/x-ndjson' })
  const body = (await response.json()) as { stored: number; refused: { line: number; code: string; detail: string }[] }
  assert.equal(body.stored, 2)
  assert.deepEqual(
    body.refused.map(({ line, code }) => [line, code]),
    [
      [2, 'telemetry-invalid'],
      [5, 'line-too-long'],
    ],
  )
  const { series } = (await hub.get('/v1/devices/d/telemetry')) as History
  assert.deepEqual(series[0]?.count, 2)
})

test('of an array the bad readings are named and the others are stored', async (t) => {
  const hub = await startHub(t)
  const body =
    ' [ {"ts":1,"values":{"n":1}} , 7, {"ts":2,"values":{"word":"a ] \\" , [ {","more":[1,{"b":[2]}]}}\r\n,{"n":},[{"n":1}],{"ts":3,"values":{"n":3}}] '
  const response = await hub.post('/v1/devices/d/telemetry', body)
  assert.equal(response.status, 200)
  const { stored, refused } = (await response.json()) as { stored: number; refused: { item: number; code: string; detail: string }[] }
  assert.equal(stored, 3)
  assert.deepEqual(
    refused.map(({ item, code }) => [item, code]),
    [
      [2, 'telemetry-invalid'],
      [4, 'telemetry-invalid'],
      [5, 'telemetry-invalid'],
    ],
  )
  const { series } = (await hub.get('/v1/devices/d/telemetry?from=0&to=5')) as History
  assert.deepEqual(Object.fromEntries(series.map(({ metric, values }) => [metric, values])), {
    n: [1, 3],
    word: ['a ] " , [ {'],
    more: [[1, { b: [2] }]],
  })
  assert.deepEqual(await (await hub.post('/v1/devices/d/telemetry', '[]')).json(), { stored: 0, refused: [] })
})

test('a body of very many readings is stored a window at a time, and of very many bad ones only the first are named', async (t) => {
  const hub = await startHub(t)
  const count = 100_000
  const stored = await hub.post('/v1/devices/d/telemetry', `[${'{},'.repeat(count - 1)}{}]`)
  assert.deepEqual(await stored.json(), { stored: count, refused: [] })
  const some = await hub.post('/v1/devices/d/telemetry', `{}\n${'x\n'.repeat(2 * limits.refusalsNamed)}`, {
    'content-type': 'application/x-ndjson',
  })
  const answer = (await some.json()) as { stored: number; refused: { line: number }[]; refusedMore: number }
  assert.deepEqual([answer.stored, answer.refused.length, answer.refusedMore], [1, limits.refusalsNamed, limits.refusalsNamed])
  assert.deepEqual([answer.refused[0]?.line, answer.refused.at(-1)?.line], [2, limits.refusalsNamed + 1])
})

test('what cannot be read is refused with a sentence and nothing of it is stored', async (t) => {
  const hub = await startHub(t)
  const cases: [body: string, says: RegExp][] = [
    ['{"n":', /not JSON/],
    ['42', /a reading is an object of metrics, not a number/],
    ['{"ts":"now","values":{"n":1}}', /ts must be Unix milliseconds/],
    ['[7,{"n":"x]"},', /not JSON/],
    ['[[{"n":1}],7]', /an object of metrics, not an array/],
    ['[,]', /not JSON/],
    [`{"${'m'.repeat(limits.metricNameBytes + 1)}":1}`, /1 to 128 bytes/],
  ]
  for (const [body, says] of cases) {
    const response = await hub.post('/v1/devices/d/telemetry', body)
    assert.equal(response.status, 400, body.slice(0, 40))
    const problem = await problemOf(response)
    assert.equal(problem.code, 'telemetry-invalid')
    assert.match(problem.detail, says)
  }
  const empty = await problemOf(await hub.post('/v1/devices/d/telemetry', ''))
  assert.match(empty.detail, /body is empty/)
  assert.deepEqual(((await hub.get('/v1/devices/d/telemetry')) as History).series, [])
})

test('a body over the limit, a bad device id and a bad metric name each get their own refusal', async (t) => {
  const hub = await startHub(t)
  const large = await problemOf(await hub.post('/v1/devices/d/telemetry', 'x'.repeat(limits.bodyBytes + 1)))
  assert.deepEqual([large.status, large.code], [413, 'body-too-large'])
  assert.match(large.detail, /limits\.bodyBytes/)
  const id = await problemOf(await hub.post('/v1/devices/not%20an%20id/telemetry', '{"n":1}'))
  assert.deepEqual([id.status, id.code], [400, 'device-id-invalid'])
  const metric = await problemOf(await hub.post('/v1/devices/d/telemetry/a%2B', '1'))
  assert.deepEqual([metric.status, metric.code], [400, 'topic-invalid'])
  const deep = await problemOf(await hub.post(`/v1/devices/d/telemetry/${'x'.repeat(limits.topicBytes + 1)}`, '1'))
  assert.deepEqual([deep.status, deep.code], [400, 'request-invalid'])
  const type = await problemOf(await hub.post('/v1/devices/d/telemetry', '{}', { 'content-type': 'not a type' }))
  assert.deepEqual([type.status, type.code], [400, 'request-invalid'])
})

test('a range is given in Unix ms or ISO 8601, and a wrong one is explained', async (t) => {
  const hub = await startHub(t)
  const noon = Date.parse('2026-01-01T12:00:00Z')
  await hub.post(
    '/v1/devices/d/telemetry',
    Array.from({ length: 10 }, (_, minute) => ({ ts: noon + minute * 60_000, values: { n: minute } })),
  )
  const iso = (await hub.get('/v1/devices/d/telemetry?from=2026-01-01T12:02:00Z&to=2026-01-01T12:04:00Z')) as History
  assert.deepEqual(iso.series[0]?.values, [2, 3, 4])
  const ms = (await hub.get(`/v1/devices/d/telemetry?from=${noon}&to=${noon}`)) as History
  assert.deepEqual(ms.series[0]?.values, [0])
  for (const query of ['from=yesterday', 'from=5&to=4', 'points=0', 'points=1000000']) {
    const problem = await problemOf(await fetch(`${hub.url}/v1/devices/d/telemetry?${query}`))
    assert.deepEqual([problem.status, problem.code], [400, 'request-invalid'], query)
  }
})

test('a long series comes thinned, with its peaks, and says so', async (t) => {
  const hub = await startHub(t)
  const start = 1_000_000
  const readings = Array.from({ length: 5000 }, (_, at) => ({ ts: start + at, values: { n: at === 2345 ? 999 : Math.sin(at) } }))
  await hub.post('/v1/devices/d/telemetry', readings)
  const { series } = (await hub.get(`/v1/devices/d/telemetry?from=${start}&to=${start + 5000}&points=200`)) as History
  const [one] = series
  assert.equal(one?.count, 5000)
  assert.equal(one?.thinned, true)
  assert.ok((one?.times.length ?? 0) <= 200)
  assert.ok(one?.values.includes(999))
})

test('metrics are picked by name', async (t) => {
  const hub = await startHub(t)
  await hub.post('/v1/devices/d/telemetry', { a: 1, b: 2, c: 3 })
  const one = (await hub.get('/v1/devices/d/telemetry?metric=b')) as History
  assert.deepEqual(
    one.series.map(({ metric }) => metric),
    ['b'],
  )
  const two = (await hub.get('/v1/devices/d/telemetry?metric=a&metric=c')) as History
  assert.deepEqual(two.series.map(({ metric }) => metric).sort(), ['a', 'c'])
})
