// SQL over HTTP: the shape of answers and refusals, clients that leave, and statements that mean harm.
import assert from 'node:assert/strict'
import test from 'node:test'
import { limits, MiB } from '../../hub/limits.ts'
import { besideAnOffence } from '../kit/bystander.ts'
import { newFolder, spawnHub, startHub, type TestHub } from '../kit/hub.ts'

interface Answer {
  readonly columns: { name: string; type?: string }[]
  readonly rows: unknown[][]
  readonly rowCount: number
  readonly truncated: boolean
  readonly truncatedBy?: string
  readonly elapsedMs: number
  readonly scanned: { points: number; bytes: number }
}

const endless = 'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c'

async function ask(hub: TestHub, body: string | object): Promise<Answer> {
  const response = await hub.post('/v1/sql', body)
  assert.equal(response.status, 200, await response.clone().text())
  assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8')
  return (await response.json()) as Answer
}

async function send(hub: TestHub): Promise<void> {
  const readings = [1, 2, 3].map((n) => ({ ts: 1_700_000_000_000 + n * 1000, values: { n, state: n === 2 ? 'off' : 'on' } }))
  await hub.post('/v1/devices/pump-1/telemetry', readings)
}

test('a reading that was answered is found by the next statement, sent as text or as JSON', async (t) => {
  const hub = await startHub(t)
  await send(hub)
  const answer = await ask(hub, "SELECT time, value FROM telemetry WHERE metric = 'n'")
  assert.deepEqual(
    { ...answer, elapsedMs: 0 },
    {
      columns: [
        { name: 'time', type: 'integer' },
        { name: 'value', type: 'real' },
      ],
      rows: [
        [1_700_000_001_000, 1],
        [1_700_000_002_000, 2],
        [1_700_000_003_000, 3],
      ],
      rowCount: 3,
      truncated: false,
      elapsedMs: 0,
      scanned: { points: 3, bytes: 48 },
      damaged: [],
    },
  )
  await hub.post('/v1/devices/pump-1/telemetry', { ts: 1_700_000_004_000, values: { n: 4 } })
  const sql = "SELECT value FROM telemetry WHERE metric = 'n' AND value > ? ORDER BY value"
  assert.deepEqual((await ask(hub, { sql, params: [1] })).rows, [[2], [3], [4]])
  assert.deepEqual((await ask(hub, { sql: sql.replace('?', ':least'), params: { least: 3 } })).rows, [[4]])
  assert.deepEqual((await ask(hub, { sql, params: [0], from: '2023-11-14T22:13:22Z', to: 1_700_000_003_000 })).rows, [[2], [3]])
  const cut = await ask(hub, { sql, params: [0], rowsMax: 2 })
  assert.deepEqual([cut.rows, cut.rowCount, cut.truncated, cut.truncatedBy], [[[1], [2]], 2, true, 'rows'])
})

test('a refused statement is a problem document that says why', async (t) => {
  const hub = await startHub(t)
  const cases: readonly [body: string | object, status: number, code: string, detail: RegExp][] = [
    ['', 400, 'request-invalid', /empty/],
    ['{"sql":', 400, 'request-invalid', /no JSON/],
    [{ sql: 7 }, 400, 'request-invalid', /sql is/],
    [{ sql: 'SELECT 1', rowsMax: 0 }, 400, 'request-invalid', /rowsMax/],
    [{ sql: 'SELECT 1', rowsMax: limits.sqlRows + 1 }, 400, 'request-invalid', /rowsMax/],
    [{ sql: 'SELECT ?', params: [[1]] }, 400, 'request-invalid', /params/],
    [{ sql: 'SELECT ?', params: 1 }, 400, 'request-invalid', /params/],
    [{ sql: 'SELECT 1', from: 'yesterday' }, 400, 'request-invalid', /from/],
    ['SELECT wrong FROM telemetry', 400, 'sql-invalid', /no such column: wrong, line 1, column 8/],
    ['SELECT * FROM retained', 403, 'sql-not-allowed', /only telemetry/],
    ['DROP TABLE devices', 403, 'sql-not-allowed', /begins with SELECT/],
    ['SELECT zeroblob(1000000000)', 422, 'query-too-large', /string or blob too big/],
    [`SELECT 1 -- ${'x'.repeat(limits.sqlTextBytes)}`, 413, 'body-too-large', /bytes/],
  ]
  for (const [body, status, code, detail] of cases) {
    const response = await hub.post('/v1/sql', body)
    const problem = (await response.json()) as { code: string; detail: string }
    assert.deepEqual([response.status, problem.code], [status, code], JSON.stringify(body).slice(0, 80))
    assert.match(problem.detail, detail)
    assert.equal(response.headers.get('content-type'), 'application/problem+json')
  }
})

test('a statement ends when its client leaves, and others do not wait for it', async (t) => {
  const hub = await startHub(t)
  await ask(hub, 'SELECT 1')
  const leaving = new AbortController()
  const left = fetch(`${hub.url}/v1/sql`, { method: 'POST', body: endless, signal: leaving.signal })
  const next = ask(hub, 'SELECT 2')
  // The second statement waits behind the first for as long as that runs.
  await hub.get('/v1/hub')
  leaving.abort()
  const leftMs = performance.now()
  await assert.rejects(left, { name: 'AbortError' })
  assert.deepEqual((await next).rows, [[2]])
  assert.ok(performance.now() - leftMs < limits.queryMs / 2)
})

test('the route is documented', async (t) => {
  const hub = await startHub(t)
  const { paths } = (await hub.get('/v1/openapi.json')) as { paths: Record<string, { post?: { description?: string } }> }
  assert.match(paths['/v1/sql']?.post?.description ?? '', /telemetry\(device, metric, time, value\)/)
})

/** Some are refused at once, some when they have taken what they may; one needs all the time there is. */
const harm = [
  endless,
  "WITH RECURSIVE c(x) AS (SELECT 'x' UNION ALL SELECT x || x FROM c) SELECT x FROM c ORDER BY x",
  'SELECT hex(zeroblob(500000000))',
  "SELECT printf('%.*c', 530000000, 'x')",
  `SELECT ${'('.repeat(5000)}1${')'.repeat(5000)}`,
  `SELECT 1 ${'UNION ALL SELECT 1 '.repeat(3000)}`,
  `SELECT ${'abs('.repeat(900)}1${')'.repeat(900)}`,
  "ATTACH '/tmp/harm.db' AS harm",
  "SELECT load_extension('/tmp/harm.so'), writefile('/tmp/harm', 'x'), readfile('/etc/passwd')",
  "SELECT * FROM telemetry WHERE time > ms(printf('%.*c', 400000000, '1'))",
  'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n, hex(zeroblob(100000)) FROM c',
]

test('statements that mean harm harm nobody, and are answered each', async (t) => {
  const hub = await spawnHub(t, newFolder(t))
  await send(hub)
  const found: string[] = []
  await besideAnOffence(t, hub, 'SQL', 96 * MiB, async () => {
    for (const sql of harm) {
      const response = await hub.post('/v1/sql', { sql, rowsMax: limits.sqlRows })
      const { code = 'answered', truncatedBy = '' } = (await response.json()) as { code?: string; truncatedBy?: string }
      found.push(`${response.status} ${code} ${truncatedBy}`.trim())
    }
  })
  // On a slow machine the time may be over before the memory is.
  const tooMuch = /^422 query-too-(large|long)$/
  const expected = [/too-long/, tooMuch, tooMuch, tooMuch, /400 sql-invalid/, /400 sql-invalid/, /400 sql-invalid/]
  expected.push(/403 sql-not-allowed/, /400 sql-invalid/, tooMuch, /^200 answered bytes$|^422 query-too-long$/)
  assert.equal(found.length, expected.length)
  for (const [at, pattern] of expected.entries()) assert.match(found[at]!, pattern, harm[at])
  assert.equal((await ask(hub, 'SELECT count(*) FROM telemetry')).rows[0]?.[0], 6)
  assert.equal(hub.stderr(), '')
})
