// Read-only SQL: what a statement sees, what it costs, what it may not do, and how it ends when it does not want to.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import test, { after, type TestContext } from 'node:test'
import fc from 'fast-check'
import { systemClock } from '../../hub/clock.ts'
import type { RefusalCode } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import type { SqlAnswer, SqlParams, SqlQuery } from '../../hub/store/sql.ts'
import { SqlProcess } from '../../hub/store/sqlite/sql/process.ts'
import type { Store } from '../../hub/store/store.ts'
import { atEnd } from '../kit/at-end.ts'
import { newFolder, openIn, publish, reading, stored } from './kit.ts'
import { damageSecondChunk } from './telemetry/damaged.ts'
import { send } from './telemetry/model.ts'

const startMs = 1_700_000_000_000

/** Statements wait for a short time only, which is what these tests are about. */
const short = { queryMs: 2000, idleMs: 60_000 }
const endless = 'WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c'

/** A store with these devices on record; their numbers are their places, from 1. */
async function storeWith(t: TestContext, folder: string, devices: number): Promise<Store> {
  const store = await openIn(t, folder)
  for (let number = 1; number <= devices; number += 1) store.journal.appendDevice(`pump-${number}`, number)
  return store
}

async function rowsOf(on: Pick<Store['sql'], 'query'>, text: string, more: Partial<SqlQuery> = {}): Promise<unknown[][]> {
  return rowsIn(await on.query({ sql: text, rowsMax: limits.sqlRows, ...more }))
}

function rowsIn({ rows }: SqlAnswer): unknown[][] {
  return JSON.parse(`[${Buffer.concat(rows).toString()}]`) as unknown[][]
}

function refusedAs(code: RefusalCode, sentence = /./): (error: unknown) => boolean {
  return (error) => (error as { code?: string }).code === code && sentence.test((error as Error).message)
}

function processIn(t: TestContext, times = short, of = folder): SqlProcess {
  const own = new SqlProcess({ folder: of, clock: systemClock, settle: async () => {}, ...times })
  atEnd(t, () => own.close())
  return own
}

const file = { after } as unknown as TestContext
const folder = newFolder(file)

/** Two pumps with two metrics of 100 seconds each: 400 points. One store for all tests that only read. */
const { sql } = await storeWith(file, folder, 2).then(async (store) => {
  for (const device of [1, 2]) {
    for (let at = 0; at < 100; at += 1) reading(store, device, { ts: startMs + at * 1000, values: { n: at, state: 'ok' } })
  }
  publish(store, 'secret', 'not for SQL', { flags: 0 })
  await stored(store)
  return store
})

test('a statement sees every point that was stored before it, with its device and metric', async () => {
  assert.deepEqual(await rowsOf(sql, "SELECT * FROM telemetry WHERE device = 'pump-2' AND metric = 'n' ORDER BY time LIMIT 2"), [
    ['pump-2', 'n', startMs, 0],
    ['pump-2', 'n', startMs + 1000, 1],
  ])
  assert.deepEqual(await rowsOf(sql, 'SELECT metric, count(*) FROM telemetry GROUP BY metric'), [
    ['n', 200],
    ['state', 200],
  ])
})

test('numbers are REAL, true and false 1 and 0, text TEXT, JSON its text', async (t) => {
  const store = await storeWith(t, newFolder(t), 1)
  reading(store, 1, { ts: startMs, values: { number: 61, yes: true, no: false, text: 'a "b" \u0000 ü', json: { a: [1, 2] }, list: [] } })
  await stored(store)
  assert.deepEqual(await rowsOf(store.sql, 'SELECT metric, value, typeof(value), value / 2 FROM telemetry ORDER BY metric'), [
    ['json', '{"a":[1,2]}', 'text', 0],
    ['list', '[]', 'text', 0],
    ['no', 0, 'integer', 0],
    ['number', 61, 'real', 30.5],
    ['text', 'a "b" \u0000 ü', 'text', 0],
    ['yes', 1, 'integer', 0],
  ])
})

test('times and numbers come back to the last bit', async (t) => {
  const store = await storeWith(t, newFolder(t), 1)
  const number = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.constantFrom(-0, 5e-324, 1.7976931348623157e308, 1e21),
  )
  const points = fc.uniqueArray(fc.tuple(fc.double({ min: 1, max: 4e12, noNaN: true }), number), {
    selector: ([ts]) => ts,
    minLength: 400,
    maxLength: 400,
  })
  const [sample] = fc.sample(points, { numRuns: 1, seed: 7 }) as [[number, number][]]
  for (const [ts, n] of sample) reading(store, 1, `{"ts":${ts},"values":{"n":${Object.is(n, -0) ? '-0' : n}}}`)
  await stored(store)
  const found = await rowsOf(store.sql, 'SELECT time, value FROM telemetry ORDER BY time')
  assert.deepEqual(
    found,
    sample.sort(([a], [b]) => a - b),
  )
})

test('devices and series are tables, too', async () => {
  const devices = await sql.query({ sql: 'SELECT * FROM devices ORDER BY id', rowsMax: 10 })
  assert.deepEqual(
    devices.columns.map(({ name }) => name),
    ['id', 'name', 'type', 'tags', 'created_at', 'last_seen_at'],
  )
  assert.deepEqual(
    rowsIn(devices).map(([id, , type, tags]) => [id, type, tags]),
    [
      ['pump-1', null, '{}'],
      ['pump-2', null, '{}'],
    ],
  )
  assert.deepEqual(
    await rowsOf(sql, 'SELECT device, metric, last_time, last_value, typeof(last_value) FROM series ORDER BY 1, 2 LIMIT 2'),
    [
      ['pump-1', 'n', startMs + 99_000, 99, 'real'],
      ['pump-1', 'state', startMs + 99_000, 'ok', 'text'],
    ],
  )
})

test('an answer says the type of each column, and what was read for it', async () => {
  const answer = await sql.query({
    sql: "SELECT time, value, NULL AS none, x'00ff' AS bytes FROM telemetry WHERE metric = 'n'",
    rowsMax: 1000,
  })
  assert.deepEqual(answer.columns, [
    { name: 'time', type: 'integer' },
    { name: 'value', type: 'real' },
    { name: 'none', type: undefined },
    { name: 'bytes', type: 'blob' },
  ])
  assert.deepEqual(rowsIn(answer)[0], [startMs, 0, null, { base64: 'AP8=' }])
  assert.deepEqual([answer.rowCount, answer.truncatedBy, answer.scanned], [200, undefined, { points: 200, bytes: 3200 }])
})

test('an answer that is cut says by what', async () => {
  const cut = await sql.query({ sql: 'SELECT * FROM telemetry', rowsMax: 7 })
  assert.deepEqual([cut.rowCount, rowsIn(cut).length, cut.truncatedBy], [7, 7, 'rows'])
  const whole = await sql.query({ sql: 'SELECT * FROM telemetry LIMIT 7', rowsMax: 7 })
  assert.deepEqual([whole.rowCount, whole.truncatedBy], [7, undefined])
  const large = await sql.query({ sql: 'SELECT hex(zeroblob(1000000)) FROM telemetry', rowsMax: 100 })
  assert.deepEqual([large.rowCount, large.truncatedBy], [4, 'bytes'])
  await assert.rejects(sql.query({ sql: 'SELECT hex(zeroblob(5000000))', rowsMax: 1 }), refusedAs('query-too-large'))
})

/** Where a statement names its stretch of time, no more is decoded; where that is not certain, everything. */
const readings: readonly [where: string, points: number, params?: SqlParams][] = [
  [`WHERE time >= ${startMs + 98_000}`, 8],
  [`WHERE ${startMs + 98_000} <= telemetry.time`, 8],
  [`AS t WHERE t."time" BETWEEN ${startMs} AND ${startMs} + 2 * 1000 AND metric = 'n'`, 6],
  ['WHERE time = ?', 4, [startMs]],
  ['WHERE device = ? AND (metric = ?2 AND (time < ?3))', 1, ['pump-1', 'n', startMs + 1]],
  ['WHERE time <= :until', 4, { until: startMs }],
  ["WHERE time < ms('2023-11-14T22:13:21Z') ORDER BY value", 8],
  [`JOIN devices ON devices.id = device WHERE time < ${startMs} + 1 /* OR */ -- OR`, 4],
  [`WHERE time NOT BETWEEN 1 AND 2 AND time > ${startMs + 98_500}`, 4],
  [`WHERE time > ${startMs + 98_500} OR value = 0`, 400],
  [`WHERE NOT time < ${startMs + 98_500}`, 400],
  [`WHERE time > '${startMs + 98_500}'`, 400],
  [`WHERE time + 0 > ${startMs + 98_500}`, 400],
  [`WHERE CASE WHEN time > ${startMs + 98_500} AND 1 THEN 1 ELSE 1 END`, 400],
  [`WHERE (time > ${startMs + 98_500}) IS NOT NULL`, 400],
  [`WHERE device IN (SELECT id FROM devices) AND time > ${startMs + 98_500}`, 400],
]
for (const [where, points, params = []] of readings) {
  test(`${points === 400 ? 'everything is' : `${points} of 400 points are`} decoded for … FROM telemetry ${where}`, async () => {
    assert.equal((await sql.query({ sql: `SELECT * FROM telemetry ${where}`, params, rowsMax: 1000 })).scanned.points, points)
  })
}

test('whatever conditions a statement has, it finds what it would find without their help', async (t) => {
  const second = fc.integer({ min: -1, max: 100 }).map((at) => `${startMs + at * 1000}`)
  const time = fc.constantFrom('time', 't.time', '"TIME"', '[time]')
  const simple = fc.oneof(
    fc.tuple(time, fc.constantFrom('<', '<=', '=', '==', '>=', '>', '<>'), second).map((parts) => parts.join(' ')),
    fc.tuple(second, fc.constantFrom('<', '<=', '=', '>=', '>'), time).map((parts) => parts.join(' ')),
    fc.tuple(time, fc.constantFrom('BETWEEN', 'NOT BETWEEN'), second, fc.constant('AND'), second).map((parts) => parts.join(' ')),
    fc.constantFrom("metric = 'n'", 'value > 50', "device <> 'pump-1'", 'end', 'NOT end', 'flag', 'window', '1'),
  )
  const { condition } = fc.letrec<{ condition: string }>((tie) => ({
    condition: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      simple,
      fc.tuple(tie('condition'), fc.constantFrom('AND', 'AND', 'OR'), tie('condition')).map((parts) => parts.join(' ')),
      tie('condition').map((inner) => `(${inner})`),
      tie('condition').map((inner) => `NOT (${inner})`),
      tie('condition').map((inner) => `CASE WHEN ${inner} THEN 1 ELSE 0 END`),
    ),
  }))
  const join = fc.constantFrom('', 'JOIN devices d ON d.id = device', "LEFT JOIN devices d ON d.id = device AND d.id = 'pump-1'")
  const columns = 'device, metric, time, value, value AS "end", 1 AS flag, 0 AS "window"'
  let bounded = 0
  await fc.assert(
    fc.asyncProperty(condition, join, async (where, joined) => {
      const direct = await sql.query({ sql: `SELECT ${columns} FROM telemetry t ${joined} WHERE ${where}`, rowsMax: 1000 })
      // A second SELECT takes all bounds away.
      const plain = await rowsOf(sql, `SELECT ${columns} FROM telemetry t ${joined} WHERE (${where}) AND (SELECT 1)`)
      assert.deepEqual(rowsIn(direct).sort(), plain.sort())
      if (direct.scanned.points < 400) bounded += 1
    }),
    { numRuns: 300 },
  )
  t.diagnostic(`${bounded} of 300 statements were bounded`)
  assert.ok(bounded > 30)
})

test('what is said of one telemetry says nothing of another', async () => {
  const both = 'SELECT count(*) FROM telemetry a JOIN telemetry b ON b.device = a.device AND b.metric = a.metric'
  assert.deepEqual(await rowsOf(sql, `${both} WHERE a.time = ${startMs}`), [[400]])
  assert.deepEqual(await rowsOf(sql, `${both.replace('telemetry b', "'telemetry' b")} WHERE a.time = ${startMs}`), [[400]])
  assert.deepEqual(await rowsOf(sql, `SELECT (SELECT count(*) FROM telemetry) FROM telemetry WHERE time = ${startMs} LIMIT 1`), [[400]])
  assert.deepEqual(await rowsOf(sql, `WITH t AS (SELECT max(time) AS t FROM telemetry) SELECT t FROM t WHERE t > ${startMs}`), [
    [startMs + 99_000],
  ])
})

test('from and to bound what telemetry holds, wherever it stands', async () => {
  const within = { fromMs: startMs + 10_000, toMs: startMs + 12_000 }
  assert.deepEqual(await rowsOf(sql, "SELECT count(*) FROM telemetry a JOIN telemetry b USING (time) WHERE a.metric = 'n'", within), [[24]])
  assert.deepEqual(await rowsOf(sql, `SELECT min(time), max(time) FROM telemetry WHERE time < ${startMs + 11_500}`, within), [
    [startMs + 10_000, startMs + 11_000],
  ])
})

test('there are functions for times and buckets, and for the first and last value', async () => {
  const cases: readonly [expression: string, expected: unknown][] = [
    ["ms('2026-11-22T00:00Z')", Date.UTC(2026, 10, 22)],
    ["ms('2026-11-22')", Date.UTC(2026, 10, 22)],
    ["ms('2026-11-22 01:02:03.5')", Date.UTC(2026, 10, 22, 1, 2, 3, 500)],
    ["ms('2026-11-22T01:00+01:00')", Date.UTC(2026, 10, 22)],
    ["abs(ms('now') - 1000 * unixepoch('now')) < 5000", 1],
    ['iso(1700000000000.25)', '2023-11-14T22:13:20.000Z'],
    ['iso(NULL)', null],
    [`time_bucket('5m', ${startMs})`, Date.UTC(2023, 10, 14, 22, 10)],
    [`iso(time_bucket('1w', ${startMs}))`, '2023-11-13T00:00:00.000Z'],
    ['time_bucket(1000, -1)', -1000],
    ['time_bucket(1000, NULL)', null],
    [`datetime(${startMs} / 1000, 'unixepoch')`, '2023-11-14 22:13:20'],
  ]
  for (const [expression, expected] of cases) assert.deepEqual(await rowsOf(sql, `SELECT ${expression}`), [[expected]], expression)
  assert.deepEqual(
    await rowsOf(
      sql,
      `SELECT time_bucket('50s', time) AS bucket, first(value, time), last(value, time), percentile(value, 50)
       FROM telemetry WHERE device = 'pump-1' AND metric = 'n' GROUP BY bucket`,
    ),
    [
      [startMs, 0, 49, 24.5],
      [startMs + 50_000, 50, 99, 74.5],
    ],
  )
})

const refused: readonly [sql: string, code: RefusalCode, sentence?: RegExp][] = [
  ['', 'sql-not-allowed', /empty/],
  ["ATTACH 'mooring.db' AS other", 'sql-not-allowed'],
  ['/* SELECT */ PRAGMA user_version', 'sql-not-allowed'],
  ['DELETE FROM devices', 'sql-not-allowed'],
  ['WITH x AS (SELECT 1) DELETE FROM main.devices', 'sql-not-allowed'],
  ['VACUUM', 'sql-not-allowed'],
  ['EXPLAIN SELECT 1', 'sql-not-allowed'],
  ['SELECT * FROM retained', 'sql-not-allowed'],
  ['SELECT * FROM \'main\'."sessions"', 'sql-not-allowed'],
  ['SELECT (SELECT count(*) FROM journal)', 'sql-not-allowed'],
  ['SELECT * FROM sqlite_schema', 'sql-not-allowed'],
  ['SELECT * FROM access', 'sql-not-allowed'],
  ["SELECT body FROM main.\"access\" WHERE kind = 'user' AND id = 'ada'", 'sql-not-allowed'],
  ['SELECT count(*) FROM [audit]', 'sql-not-allowed'],
  ['SELECT value FROM json_each((SELECT body FROM access LIMIT 1))', 'sql-not-allowed'],
  ['WITH entry AS (SELECT detail FROM audit) SELECT * FROM entry, devices', 'sql-not-allowed'],
  ["SELECT name FROM devices WHERE name IN (SELECT id FROM access) OR type = 'x'", 'sql-not-allowed'],
  ['SELECT * FROM sqlite_temp_schema', 'sql-not-allowed'],
  ['SELECT * FROM dbstat', 'sql-not-allowed'],
  ["SELECT * FROM pragma_table_info('retained')", 'sql-not-allowed'],
  ['SELECT * FROM telemetry_points(1)', 'sql-not-allowed', /use telemetry/],
  ['SELECT 1 WHERE EXISTS (SELECT 1 FROM [retained] UNION ALL SELECT 1 FROM devices)', 'sql-not-allowed'],
  ['SELECT 1; SELECT 2', 'sql-invalid', /more than one statement/],
  ["SELECT load_extension('x')", 'sql-invalid', /not authorized/],
  ['SELECT\n  wrong FROM telemetry', 'sql-invalid', /no such column: wrong, line 2, column 3/],
  ['SELECT 1 FORM telemetry', 'sql-invalid', /near "telemetry": syntax error, line 1, column 15/],
  ['SELECT (1', 'sql-invalid', /incomplete input, line 1, column 10/],
  ['SELECT * FROM nowhere', 'sql-invalid', /no such table: nowhere, line 1, column 15/],
  ["SELECT 'open", 'sql-invalid', /begins nothing/],
  ['SELECT ?', 'sql-invalid', /takes 1 parameters in a row, and 0/],
  ['SELECT :a', 'sql-invalid', /parameter/],
  ["SELECT ms('yesterday')", 'sql-invalid', /ISO 8601/],
  ["SELECT time_bucket('1 moon', 5)", 'sql-invalid', /width/],
]
test('what would write, reads something else or is no SQL is refused, with the place where it is known', async () => {
  for (const [text, code, sentence] of refused) {
    await assert.rejects(sql.query({ sql: text, rowsMax: 1 }), refusedAs(code, sentence), text)
  }
  assert.deepEqual(await rowsOf(sql, 'SELECT 1'), [[1]])
})

test('a query plan can be asked for', async () => {
  const rows = await rowsOf(sql, "EXPLAIN QUERY PLAN SELECT * FROM telemetry WHERE device = 'pump-1' AND metric = 'n'")
  assert.match(JSON.stringify(rows), /SEARCH main\.series USING/)
})

test('a statement without end is ended in time, and the next one is answered', async (t) => {
  const own = processIn(t)
  const before = performance.now()
  await assert.rejects(own.query({ sql: endless, rowsMax: 1 }), refusedAs('query-too-long', /2000 ms/))
  assert.ok(performance.now() - before < 5000)
  assert.deepEqual(await rowsOf(own, 'SELECT count(*) FROM telemetry'), [[400]])
})

test('a statement that nobody waits for any more ends at once', async (t) => {
  const own = processIn(t, { ...short, queryMs: 60_000 })
  const [running, waiting] = [new AbortController(), new AbortController()]
  const first = own.query({ sql: endless, rowsMax: 1 }, running.signal)
  const second = own.query({ sql: endless, rowsMax: 1 }, waiting.signal)
  const third = rowsOf(own, 'SELECT 3')
  waiting.abort(new Error('gone, too'))
  await assert.rejects(second, /gone, too/)
  running.abort(new Error('gone'))
  await assert.rejects(first, /gone/)
  assert.deepEqual(await third, [[3]])
  await assert.rejects(own.query({ sql: 'SELECT 1', rowsMax: 1 }, AbortSignal.abort(new Error('never there'))), /never there/)
})

test('as many wait as may, and who waits at the close is told', async (t) => {
  const own = processIn(t, { ...short, queryMs: 60_000 })
  const asked = Array.from({ length: limits.sqlWaiting + 1 }, () => own.query({ sql: endless, rowsMax: 1 }))
  const ends = Promise.allSettled(asked)
  await assert.rejects(own.query({ sql: 'SELECT 1', rowsMax: 1 }), refusedAs('too-many-queries'))
  await own.close()
  for (const end of await ends) assert.ok(end.status === 'rejected' && refusedAs('shutting-down')(end.reason))
  await assert.rejects(own.query({ sql: 'SELECT 1', rowsMax: 1 }), refusedAs('shutting-down'))
})

test('a statement that wants more memory than there is for it is refused, and the next one is answered', async () => {
  const greedy = ['SELECT zeroblob(1000000000)', 'SELECT hex(zeroblob(250000000))']
  for (const text of greedy) await assert.rejects(sql.query({ sql: text, rowsMax: 1 }), refusedAs('query-too-large'), text)
  assert.deepEqual(await rowsOf(sql, 'SELECT count(*) FROM telemetry'), [[400]])
})

const boundsOfProcesses = existsSync('/proc/self/limits') ? false : 'what bounds a process is read in /proc, which is not there'
test('the kernel bounds the process, so that it ends even without the hub', { skip: boundsOfProcesses }, async (t) => {
  const own = processIn(t, { ...short, queryMs: 10_000 })
  await rowsOf(own, 'SELECT 1')
  const bounds = readFileSync(`/proc/${own.pid}/limits`, 'utf8')
  assert.match(bounds, new RegExp(`^Max cpu time +${limits.sqlCpuSeconds} `, 'm'))
  assert.match(bounds, new RegExp(`^Max data size +${limits.sqlMemoryBytes} `, 'm'))
  assert.match(bounds, /^Max file size +0 /m)
  assert.doesNotMatch(readFileSync(`/proc/${own.pid}/environ`, 'utf8'), /MOORING|PATH=/)
})

test('the process ends when nobody asks for a while', async (t) => {
  const own = processIn(t, { queryMs: 10_000, idleMs: 1 })
  await rowsOf(own, 'SELECT 1')
  const { pid } = own
  while (own.pid !== undefined) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(await rowsOf(own, 'SELECT 2'), [[2]])
  assert.notEqual(own.pid, pid)
})

test('a store that cannot be read is no fault of the statement', async (t) => {
  const own = processIn(t, { ...short, queryMs: 10_000 }, newFolder(t))
  await assert.rejects(own.query({ sql: 'SELECT 1', rowsMax: 1 }), (error: Error) => {
    return !('code' in error) && /could not read the store: unable to open database file/.test(error.message)
  })
})

test('points that cannot be read cost themselves, and the answer names their time: once, whether met or put aside', async (t) => {
  const folder = newFolder(t)
  const store = await storeWith(t, folder, 1)
  const points = (count: number, offset: number) =>
    Array.from({ length: count }, (_, at) => ({ device: 1, metric: 'n', atMs: startMs + at * 1000 + offset, value: at % 7 }))
  send(store, points(3000, 0))
  await stored(store)
  await store.status({ seal: true })
  assert.deepEqual((await store.sql.query({ sql: 'SELECT count(*) FROM telemetry', rowsMax: 1 })).damaged, [])
  await store.close()
  const { startMs: from, endMs: to, count } = damageSecondChunk(folder)

  const again = await openIn(t, folder)
  const ask = (text: string, more: Partial<SqlQuery> = {}) => again.sql.query({ sql: text, rowsMax: 10, ...more })
  const counted = await ask('SELECT count(*) FROM telemetry')
  assert.deepEqual([rowsIn(counted), counted.damaged], [[[3000 - count]], [{ from, to }]])
  const twice = await ask('SELECT (SELECT count(*) FROM telemetry), (SELECT max(value) FROM telemetry)')
  assert.deepEqual([rowsIn(twice), twice.damaged], [[[3000 - count, 6]], [{ from, to }]])
  assert.deepEqual((await ask('SELECT count(*) FROM telemetry', { toMs: from - 1 })).damaged, [], 'it was not needed')
  const behind = await ask('SELECT time FROM telemetry LIMIT 1', { fromMs: from })
  assert.deepEqual([rowsIn(behind), behind.damaged], [[[to + 1000]], [{ from, to }]], 'a statement that ends early has passed over it')
  assert.deepEqual((await ask('SELECT 1')).damaged, [])

  // Points that fall into the damaged chunk put it aside.
  send(again, points(3000, 500))
  await stored(again)
  await again.status({ seal: true })
  const aside = await ask('SELECT count(*) FROM telemetry')
  assert.deepEqual([rowsIn(aside), aside.damaged], [[[6000 - count]], [{ from, to }]])
})
