// Rollups made beside the points: they are what the points say, they follow late ones, and no answer changes when they appear.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { decodeChunk } from '../../hub/store/series/chunk.ts'
import { type Rollup, tierMs } from '../../hub/store/series/rollup.ts'
import { decodeRollup } from '../../hub/store/series/rollup-chunk.ts'
import type { Store } from '../../hub/store/store.ts'
import { aggregates, type BucketSeries, type BucketsQuery, type ChartQuery } from '../../hub/store/telemetry.ts'
import { chartOf, openIn, read } from './kit.ts'
import { areaOf, assertNear, grownBy, numbersAmong } from './series/naive.ts'
import { chunksIn, partitionsOf, pathOf, rolledUp, rowsOf, withDatabase } from './telemetry/inside.ts'
import type { Model, Point, Sent } from './telemetry/model.ts'
import { bucketsAgree } from './telemetry/naive-buckets.ts'
import { beginPumps, sent } from './telemetry/pumps.ts'

const dayMs = 86_400_000
const startMs = Date.UTC(2026, 0, 14)
const tiers = ['minute', 'hour', 'day'] as const

/** Quick enough that minutes pay: a point a second, whole numbers with a reset now and then. */
function counter(fromMs: number, count: number, change: Partial<Sent> = {}): Sent[] {
  return Array.from({ length: count }, (_, at) => ({
    device: 1,
    metric: 'n',
    atMs: fromMs + at * 1000,
    value: (Math.imul(at, 0x9e3779b1) >>> 8) % 1009,
    ...change,
  }))
}

/** Of a slow series with values of every kind. */
function mixed(fromMs: number, count: number): Sent[] {
  const values = [1, true, 'text', null, -5, { a: 1 }, false]
  return Array.from({ length: count }, (_, at) => ({
    device: 2,
    metric: 'm',
    atMs: fromMs + at * 50_000,
    value: values[at % values.length]!,
  }))
}

/** What a bucket has to hold, from a look at its points. */
function assertBucket(rollup: Rollup, at: number, points: readonly Point[]): void {
  const what = `${rollup.tier} of ${new Date(rollup.starts[at]!).toISOString()}`
  const numbers = numbersAmong(points)
  assert.deepEqual([rollup.counts[at], rollup.numbers[at]], [points.length, numbers.length], what)
  assert.deepEqual([rollup.firstTimes[at], rollup.firsts[at]], [points[0]!.atMs, points[0]!.value], what)
  assert.deepEqual([rollup.lastTimes[at], rollup.lasts[at]], [points.at(-1)!.atMs, points.at(-1)!.value], what)
  if (numbers.length === 0) return
  const values = numbers.map(({ value }) => value)
  assert.deepEqual([rollup.mins[at], rollup.maxs[at]], [Math.min(...values), Math.max(...values)], what)
  assertNear(
    rollup.sums[at],
    values.reduce((sum, value) => sum + value, 0),
    what,
  )
  assertNear(rollup.increases[at], grownBy(numbers), what)
  assertNear(rollup.areas[at], areaOf(numbers, numbers[0]!.atMs, numbers.at(-1)!.atMs), what)
  assert.deepEqual([rollup.firstNumbers[at], rollup.firstNumberTimes[at]], [values[0], numbers[0]!.atMs], what)
  assert.deepEqual([rollup.lastNumbers[at], rollup.lastNumberTimes[at]], [values.at(-1), numbers.at(-1)!.atMs], what)
}

/** Every bucket of every file of the tiers, which have all points before `untilMs`. Returns how many there are, by tier. */
function assertRollups(folder: string, model: Model, untilMs = Number.MAX_SAFE_INTEGER): number[] {
  const names = rowsOf<{ id: number; device: string; metric: string }>(
    folder,
    'SELECT series.id AS id, devices.id AS device, metric FROM series JOIN devices ON devices.number = device',
  )
  return tiers.map((tier) => {
    let buckets = 0
    for (const { file } of partitionsOf(folder, tier)) {
      const counted = new Map<number, number>()
      for (const { series, bytes } of chunksIn(folder, file)) {
        const rollup = decodeRollup(bytes)
        assert.equal(rollup.tier, tier)
        buckets += rollup.starts.length
        for (const [at, bucketMs] of rollup.starts.entries()) {
          const points = model.points(
            names.find(({ id }) => id === series)!,
            bucketMs,
            bucketMs + tierMs[tier] - 1e-3, // times of these tests are whole milliseconds
          )
          assert.ok(points.length > 0, 'a bucket without points has no entry')
          assertBucket(rollup, at, points)
          counted.set(series, (counted.get(series) ?? 0) + points.length)
        }
      }
      const { startMs: fromMs, endMs } = partitionsOf(folder, tier).find((row) => row.file === file)!
      for (const [series, count] of counted) {
        const expected = model.points(names.find(({ id }) => id === series)!, fromMs, Math.min(endMs, untilMs) - 1)
        assert.equal(count, expected.length, `${file} has every point`)
      }
    }
    return buckets
  })
}

test('rollups of minutes, hours and days are what the points say, after late ones too', async (t) => {
  const { folder, store, model } = await beginPumps(t)
  await sent(store, model, [...counter(startMs + 3_600_000, 20_000), ...mixed(startMs, 2500)])
  await rolledUp(store, folder)
  assert.deepEqual(
    partitionsOf(folder).map(({ state }) => state),
    ['whole', 'whole'],
  )
  const before = assertRollups(folder, model)
  assert.ok(before.every((count) => count > 0))

  // Between points, over points with other values, before the first, in an hour without any, and on a day of its own.
  await sent(store, model, [
    ...counter(startMs + 3_600_500, 3),
    ...counter(startMs + 2 * 3_600_000, 70, { value: -77 }),
    ...counter(startMs, 2),
    ...counter(startMs + 20 * 3_600_000, 5),
    ...counter(startMs - dayMs, 100),
    ...mixed(startMs + 7, 50),
  ])
  await rolledUp(store, folder)
  const after = assertRollups(folder, model)
  for (const [at, count] of after.entries()) assert.ok(count > before[at]!, `${tiers[at]} has buckets more`)
  await store.close()
})

test('days that are over are rolled up without anyone asking; the day that is not is answered from its points', {
  timeout: 30_000,
}, async (t) => {
  const { folder, store, model } = await beginPumps(t)
  const now = Date.now()
  const today = Math.floor(now / dayMs) * dayMs
  const lately = Array.from(
    { length: 1000 },
    (_, at): Sent => ({ device: 1, metric: 'n', atMs: today + (at * (now - today)) / 1000, value: at }),
  )
  await sent(store, model, [...counter(startMs, 1000), ...counter(today - 2 * dayMs, 1000), ...lately])
  await store.device('pump-1') // writes heads, deep enough to be sealed
  while (partitionsOf(folder).length < 3 || partitionsOf(folder).filter(({ state }) => state === 'stale').length > 1)
    await store.devices({ limit: 1 })
  assert.deepEqual(
    partitionsOf(folder).map(({ state }) => state),
    ['whole', 'whole', 'stale'],
  )
  assertRollups(folder, model, today)
  const [chart] = await chartOf(store, { devices: ['pump-1'], fromMs: today, toMs: today + dayMs - 1, pointsMax: 4, method: 'minmax' })
  assert.deepEqual([chart?.tiers, chart?.count], [['raw'], model.points({ device: 'pump-1', metric: 'n' }, today).length])
})

/** Fourteen days, all of one month, which are rolled up one after the other; a few points in each hour. */
async function twoWeeks(t: TestContext): Promise<{ folder: string; store: Store; model: Model }> {
  const pumps = await beginPumps(t)
  const hours = Array.from({ length: 14 * 24 }, (_, hour) => counter(startMs + hour * 3_600_000, 3))
  await sent(pumps.store, pumps.model, hours.flat())
  await rolledUp(pumps.store, pumps.folder)
  return pumps
}

const tierFile = (folder: string, tier: string): string => partitionsOf(folder, tier)[0]!.file
const countsIn = (folder: string, tier: string): number[] => chunksIn(folder, tierFile(folder, tier)).map(({ count }) => count)

test('chunks of hours and days grow from day to day, and a late point changes its own buckets in them', { timeout: 60_000 }, async (t) => {
  const { folder, store, model } = await twoWeeks(t)
  assert.deepEqual([countsIn(folder, 'hour'), countsIn(folder, 'day')], [[240, 96], [14]])
  await sent(store, model, [...counter(startMs + 4 * dayMs + 1_800_500, 4), ...counter(startMs + 10 * dayMs + 500, 2)])
  await rolledUp(store, folder)
  assertRollups(folder, model)
  assert.deepEqual([countsIn(folder, 'hour'), countsIn(folder, 'day')], [[240, 96], [14]])

  await sent(store, model, counter(startMs - 3 * dayMs, 3)) // days before the first: they do not take what comes behind them
  await rolledUp(store, folder)
  assertRollups(folder, model)
  assert.deepEqual(countsIn(folder, 'hour'), [1, 240, 96])
})

test('a damaged chunk of hours is put aside when a day of it is made again, and the days beside it are missed until they are', {
  timeout: 60_000,
}, async (t) => {
  const { folder, store, model } = await twoWeeks(t)
  await store.close()
  const file = tierFile(folder, 'hour')
  const [damaged] = chunksIn(folder, file)
  withDatabase(pathOf(folder, file), (db) => {
    const bytes = Buffer.from(damaged!.bytes)
    bytes[bytes.length >>> 1]! ^= 16
    db.prepare('UPDATE chunks SET bytes = ? WHERE id = ?').run(bytes, damaged!.id)
  })
  const again = await openIn(t, folder, 'batched')
  await sent(again, model, counter(startMs + 4 * dayMs + 500, 1))
  await rolledUp(again, folder)
  assert.deepEqual(
    chunksIn(folder, file).map(({ series, count }) => [series, count]),
    [
      [-damaged!.series, 240],
      [damaged!.series, 24],
      [damaged!.series, 96],
    ],
  )
  const week = { devices: ['pump-1'], fromMs: startMs, toMs: startMs + 14 * dayMs }
  const { coarse, json } = await again.telemetry.buckets({ ...week, every: '6h', timeZone: 'UTC', aggregates: ['count'], fill: 'none' })
  assert.deepEqual(coarse, [{ from: damaged!.startMs, to: damaged!.endMs, tier: null }])
  const [{ starts, columns }] = read<[BucketSeries]>(json)
  assert.deepEqual(
    starts.slice(0, 5),
    [0, 6, 12, 18, 144].map((hour) => startMs + 4 * dayMs + hour * 3_600_000),
  )
  assert.equal(columns['count']![0], 19)
})

/** The same moments with their points alone: all tiers are forgotten. */
async function withoutTiers(t: TestContext, folder: string): Promise<Store> {
  withDatabase(join(folder, 'mooring.db'), (db) => db.exec("DELETE FROM partitions WHERE tier <> 'raw'"))
  return openIn(t, folder, 'batched')
}

const bucketsQueries: BucketsQuery[] = (['1h', '6h', '1d', '1w', '1mo'] as const).flatMap((every) =>
  [undefined, 'metric'].map((groupBy) => ({
    fromMs: startMs - dayMs,
    toMs: startMs + 3 * dayMs,
    every,
    timeZone: 'UTC',
    aggregates,
    fill: 'null',
    ...(groupBy === undefined ? {} : { groupBy }),
  })),
)

test('buckets are the same from tiers and from points', async (t) => {
  const { folder, store, model } = await beginPumps(t)
  await sent(store, model, [
    ...counter(startMs + 3_600_000, 20_000),
    ...mixed(startMs, 2500),
    ...counter(startMs + dayMs, 3000, { device: 2 }),
  ])
  await rolledUp(store, folder)
  const fromTiers: BucketSeries[][] = []
  for (const query of bucketsQueries) {
    await bucketsAgree(store, model, query)
    fromTiers.push(read((await store.telemetry.buckets(query)).json))
  }
  await store.close()
  const points = await withoutTiers(t, folder)
  for (const [at, query] of bucketsQueries.entries()) {
    const fromPoints = read<BucketSeries[]>((await points.telemetry.buckets(query)).json)
    assert.equal(fromPoints.length, fromTiers[at]!.length)
    for (const [place, { labels, starts, columns }] of fromPoints.entries()) {
      const other = fromTiers[at]![place]!
      assert.deepEqual([other.labels, other.starts], [labels, starts])
      for (const [name, column] of Object.entries(columns)) {
        for (const [row, value] of column.entries()) assertNear(other.columns[name]![row], value, `${name} of ${query.every}`)
      }
    }
  }
})

test('buckets that no tier fits, and percentiles, are made from points', async (t) => {
  const { folder, store, model } = await beginPumps(t)
  await sent(store, model, [...counter(startMs + 3_600_000, 20_000), ...mixed(startMs, 2500)])
  await rolledUp(store, folder)
  const range = { fromMs: startMs - 3_600_000, toMs: startMs + 2 * dayMs, fill: 'null' } as const
  await bucketsAgree(store, model, { ...range, every: '7m', timeZone: 'UTC', aggregates })
  await bucketsAgree(store, model, { ...range, every: '1d', timeZone: 'Asia/Kolkata', aggregates }) // half hours from UTC: minutes fit
  await bucketsAgree(store, model, { ...range, every: '1d', timeZone: 'UTC', aggregates: ['p50', 'p99.9', 'count'] })
})

test('a chart says which tiers it was made from, and has the same points in it as the tiers', async (t) => {
  const { folder, store, model } = await beginPumps(t)
  await sent(store, model, counter(startMs, 86_400))
  await rolledUp(store, folder)
  const name = { device: 'pump-1', metric: 'n' }
  const asked = async (hours: number, pointsMax: number) => {
    const query: ChartQuery = { devices: ['pump-1'], fromMs: startMs, toMs: startMs + hours * 3_600_000 - 1, pointsMax, method: 'minmax' }
    const [chart] = await chartOf(store, query)
    assert.deepEqual(chart?.coarse, [])
    assert.equal(chart?.count, model.points(name, query.fromMs, query.toMs).length)
    return chart?.tiers
  }
  assert.deepEqual(await asked(24, 10_000), ['raw'])
  assert.deepEqual(await asked(24, 2000), ['minute'])
  assert.deepEqual(await asked(24, 40), ['hour'])
  assert.deepEqual(await asked(24, 2), ['hour'], 'a millisecond less than a day has no room for days')
  assert.deepEqual(await asked(1, 100), ['minute'])

  // A late point: from then on the points answer, exactly, until the tiers have it.
  await sent(store, model, counter(startMs + 500, 1, { value: 99_999 }))
  assert.deepEqual(await asked(24, 40), ['raw'])
  await rolledUp(store, folder)
  assert.deepEqual(await asked(24, 40), ['hour'])
  const [chart] = await chartOf(store, { devices: ['pump-1'], fromMs: startMs, toMs: startMs + dayMs - 1, pointsMax: 40, method: 'minmax' })
  assert.ok(chart?.values.includes(99_999))
})

test('as long as a series is marked its points answer, and other series of the day are answered from their tiers', async (t) => {
  const { folder, store, model } = await beginPumps(t)
  await sent(store, model, [...counter(startMs, 20_000), ...counter(startMs, 20_000, { device: 2 })])
  await rolledUp(store, folder)
  await store.close()
  // As a crash leaves it that comes between a late point's sealing and the rolling up.
  const { file, state } = partitionsOf(folder)[0]!
  assert.equal(state, 'whole')
  const series = rowsOf<{ id: number }>(folder, 'SELECT id FROM series WHERE device = 1')[0]!.id
  withDatabase(pathOf(folder, file), (db) => db.exec(`INSERT INTO marks VALUES (${series}, 0)`))
  withDatabase(join(folder, 'mooring.db'), (db) => db.exec(`UPDATE partitions SET state = 'stale' WHERE file = '${file}'`))
  const again = await openIn(t, folder, 'batched')
  const charts = await chartOf(again, { fromMs: startMs, toMs: startMs + dayMs - 1, pointsMax: 40, method: 'minmax' })
  const tiersBefore = charts.map(({ device, tiers }) => [device, ...tiers])
  // The upkeep may have been quicker than the question: then it has rolled up, and the mark is gone.
  const isRolled = withDatabase(pathOf(folder, file), (db) => db.prepare('SELECT 1 FROM marks WHERE key = ?').get(series)) === undefined
  if (!isRolled) assert.deepEqual(tiersBefore[0], ['pump-1', 'raw'])
  assert.deepEqual(tiersBefore[1], ['pump-2', 'hour'])
})

test('minutes are not made of a series that is slow, and its points answer where minutes were asked for', async (t) => {
  const { folder, store, model } = await beginPumps(t)
  const slow = Array.from(
    { length: 1440 },
    (_, at): Sent => ({ device: 1, metric: 'n', atMs: startMs + at * 60_000, value: (at * 7919) % 1000 }),
  )
  await sent(store, model, slow)
  await rolledUp(store, folder)
  assert.deepEqual(partitionsOf(folder, 'minute'), [])
  assert.equal(partitionsOf(folder, 'hour').length, 1)
  const query: ChartQuery = { devices: ['pump-1'], fromMs: startMs, toMs: startMs + dayMs - 1, pointsMax: 1000, method: 'minmax' }
  const [chart] = await chartOf(store, query)
  assert.deepEqual([chart?.tiers, chart?.count, chart?.coarse], [['raw'], 1440, []])
  await bucketsAgree(store, model, { ...query, every: '5m', timeZone: 'UTC', aggregates, fill: 'null' })

  // A fast series of the same day has minutes; the slow one beside it has none still.
  await sent(store, model, counter(startMs, 30_000, { device: 2 }))
  await rolledUp(store, folder)
  const charts = await chartOf(store, { fromMs: startMs, toMs: startMs + dayMs - 1, pointsMax: 1000, method: 'minmax' })
  assert.deepEqual(
    charts.map(({ device, tiers, count }) => [device, tiers, count]),
    [
      ['pump-1', ['raw'], 1440],
      ['pump-2', ['minute'], 30_000],
    ],
  )
})

test('points of one part are kept as they are when a day is settled: the chunks hold what was sent', async (t) => {
  const { folder, store, model } = await beginPumps(t)
  // Backwards, so that each visit leaves a chunk before the others; the rolling up joins them.
  for (let visit = 9; visit >= 0; visit -= 1) {
    await sent(store, model, counter(startMs + visit * 100_000, 100))
    await rolledUp(store, folder)
  }
  const { file } = partitionsOf(folder)[0]!
  const chunks = chunksIn(folder, file)
  assert.equal(chunks.length, 1)
  assert.deepEqual(
    [...decodeChunk(chunks[0]!.bytes).times],
    model.points({ device: 'pump-1', metric: 'n' }).map(({ atMs }) => atMs),
  )
})
