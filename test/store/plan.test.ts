// Which tier answers for which part of a range, and what one question may cost.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { Refusal } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import type { Columns } from '../../hub/store/series/columns.ts'
import type { Tier } from '../../hub/store/series/rollup.ts'
import { Catalogue, seriesFolder } from '../../hub/store/sqlite/catalogue.ts'
import { OpenPartitions } from '../../hub/store/sqlite/open-partitions.ts'
import { Partition } from '../../hub/store/sqlite/partition.ts'
import { Budget, Cancelled } from '../../hub/store/sqlite/query/budget.ts'
import { planOf } from '../../hub/store/sqlite/query/plan.ts'
import { noPoints, PointsReader } from '../../hub/store/sqlite/query/points-reader.ts'
import type { Store } from '../../hub/store/store.ts'
import { atEnd } from '../kit/at-end.ts'
import { chartOf, newFolder, openIn, pointsOf, read, stored } from './kit.ts'
import { damageSecondChunk } from './telemetry/damaged.ts'
import {
  changeIn,
  copyAsKilled,
  partitionsOf,
  pathOf,
  rollAll,
  rolledUp,
  rollUntold,
  sealUntold,
  withDatabase,
} from './telemetry/inside.ts'
import { type Sent, send } from './telemetry/model.ts'

const dayMs = 86_400_000
const startMs = Date.UTC(2026, 0, 14)
const day = (days: number) => startMs + days * dayMs

/** A point a second for the first hours of a day: minutes pay. */
function seconds(fromMs: number, count = 20_000): Sent[] {
  return Array.from({ length: count }, (_, at) => ({
    device: 1,
    metric: 't',
    atMs: fromMs + at * 1000,
    value: (Math.imul(at, 0x9e3779b1) >>> 8) % 1009,
  }))
}

/** Days 0, 1 and 3, rolled up; the store is closed. The only series has the number 1. */
async function threeDays(t: TestContext): Promise<string> {
  const folder = newFolder(t)
  const store = await openIn(t, folder, 'batched')
  store.journal.appendDevice('pump-1', 1)
  send(store, [...seconds(day(0)), ...seconds(day(1)), ...seconds(day(3))])
  await stored(store)
  await rolledUp(store, folder)
  await store.close()
  return folder
}

/** As a query thread reads. */
function readerOf(t: TestContext, folder: string): { readonly reader: PointsReader; readonly catalogue: Catalogue } {
  const db = new Database(join(folder, 'mooring.db'), { readonly: true })
  const catalogue = new Catalogue(db)
  const partitions = new OpenPartitions(join(folder, seriesFolder), Partition.read, 16)
  atEnd(t, () => {
    partitions.closeAll()
    db.close()
  })
  return { reader: new PointsReader(db, catalogue, partitions), catalogue }
}

/** Pieces as tier, begin and end, in days. */
function planning(
  t: TestContext,
  folder: string,
): (asked: Tier, fromMs: number, endMs: number, head?: Columns) => [Tier, number, number][] {
  const { reader, catalogue } = readerOf(t, folder)
  return (asked, fromMs, endMs, head = noPoints) => {
    const pieces = planOf(reader, catalogue.all(), 1, head, fromMs, endMs, asked)
    for (const [at, piece] of pieces.entries()) {
      assert.ok(piece.fromMs < piece.endMs && piece.fromMs >= fromMs && piece.endMs <= endMs, 'within what was asked for')
      assert.ok(at === 0 || pieces[at - 1]!.endMs <= piece.fromMs, 'one after the other')
    }
    return pieces.map((piece) => [piece.tier, (piece.fromMs - startMs) / dayMs, (piece.endMs - startMs) / dayMs])
  }
}

/** Lets go of the points of one day, as retention does. */
function letGo(folder: string, days: number): void {
  const { file } = partitionsOf(folder).find((row) => row.startMs === day(days))!
  changeIn(folder, `UPDATE partitions SET state = 'gone', points = 0, bytes = 0 WHERE file = '${file}'`)
  rmSync(pathOf(folder, file))
}

test('heads are read first: what is sealed between the two looks is in both, and told once', async (t) => {
  const folder = newFolder(t)
  const store = await openIn(t, folder, 'batched')
  store.journal.appendDevice('pump-1', 1)
  const reader = readerOf(t, folder).reader
  const all = seconds(day(0), 500)
  for (const points of [all.slice(0, 200), all.slice(200)]) {
    send(store, points)
    await stored(store)
    await store.device('pump-1')
    const heads = reader.headsOf(1)
    await store.status({ seal: true })
    const end = all.indexOf(points.at(-1)!) + 1
    const found = [...reader.parts(1, heads, 0, Number.MAX_SAFE_INTEGER, new Budget(new Int32Array(new SharedArrayBuffer(4)), 0))]
    assert.deepEqual(
      found.flatMap(({ times }) => [...times]),
      all.slice(0, end).map(({ atMs }) => atMs),
    )
  }
})

test('points are asked for as points, and tiers answer where they have everything', async (t) => {
  const folder = await threeDays(t)
  const plan = planning(t, folder)
  assert.deepEqual(plan('raw', day(0), day(2)), [
    ['raw', 0, 1],
    ['raw', 1, 2],
  ])
  assert.deepEqual(plan('minute', day(0), day(2)), [
    ['minute', 0, 1],
    ['minute', 1, 2],
  ])
  assert.deepEqual(plan('hour', day(0), day(2)), [['hour', 0, 2]])
  assert.deepEqual(plan('day', day(0), day(4)), [['day', 0, 4]])
})

test('a day with a point in a head, or marked, is answered from its points, the days around it from their tier', async (t) => {
  const folder = await threeDays(t)
  const plan = planning(t, folder)
  const head = { times: Float64Array.of(day(1) + 5), values: Float64Array.of(1) }
  assert.deepEqual(plan('hour', day(0), day(4), head), [
    ['hour', 0, 1],
    ['raw', 1, 2],
    ['hour', 2, 4],
  ])
  const { file } = partitionsOf(folder)[0]!
  withDatabase(pathOf(folder, file), (db) => db.exec('INSERT INTO marks VALUES (1, 0)'))
  assert.deepEqual(plan('hour', day(0), day(2)), [['hour', 0, 2]], 'the catalogue says that the day is whole')
  changeIn(
    folder,
    `UPDATE partitions SET state = 'stale' WHERE file = '${file}'; UPDATE meta SET value = value + 1 WHERE name = 'catalogue_version'`,
  )
  assert.deepEqual(plan('hour', day(0), day(2)), [
    ['raw', 0, 1],
    ['hour', 1, 2],
  ])
  withDatabase(pathOf(folder, file), (db) => db.exec('DELETE FROM marks WHERE key = 1; INSERT INTO marks VALUES (2, 0)'))
  assert.deepEqual(plan('hour', day(0), day(2)), [['hour', 0, 2]], 'it is another series that is marked')
})

test('where points were let go of the finest tier that is left answers, and the answer says so', async (t) => {
  const folder = await threeDays(t)
  letGo(folder, 1)
  const plan = planning(t, folder)
  assert.deepEqual(plan('raw', day(0), day(2)), [
    ['raw', 0, 1],
    ['minute', 1, 2],
  ])
  changeIn(folder, "DELETE FROM partitions WHERE tier = 'minute'; UPDATE meta SET value = value + 1 WHERE name = 'catalogue_version'")
  assert.deepEqual(plan('minute', day(0), day(2)), [
    ['raw', 0, 1],
    ['hour', 1, 2],
  ])

  const store = await openIn(t, folder, 'batched')
  const range = { devices: ['pump-1'], fromMs: day(0), toMs: day(2) - 1 }
  const { coarse, json } = await store.telemetry.points({ ...range, order: 'asc', limit: 50_000 })
  const { times } = read<{ times: number[] }>(json)
  assert.ok(times.every((atMs) => atMs < day(1) || atMs >= day(2)))
  assert.deepEqual(coarse, [{ from: day(1), to: day(2), tier: 'hour' }])
  const [chart] = await chartOf(store, { ...range, pointsMax: 10_000, method: 'minmax' })
  assert.deepEqual([chart?.count, chart?.tiers, chart?.coarse], [40_000, ['raw', 'hour'], coarse])
  const buckets = await store.telemetry.buckets({ ...range, every: '5m', timeZone: 'UTC', aggregates: ['count'], fill: 'none' })
  assert.deepEqual(buckets.coarse, coarse)
  const fromNoon = await store.telemetry.points({ ...range, fromMs: day(1) + dayMs / 2, order: 'asc', limit: 10 })
  assert.deepEqual(fromNoon.coarse, [{ from: day(1) + dayMs / 2, to: day(2), tier: 'hour' }], 'its hours are those of the morning')
  // Of day 2 nothing was ever stored: nothing of it is missing.
  const wide = await store.telemetry.points({ ...range, toMs: day(4), order: 'asc', limit: 50_000 })
  assert.deepEqual(wide.coarse, coarse)
  const byHour = await store.telemetry.buckets({ ...range, every: '1h', timeZone: 'UTC', aggregates: ['count'], fill: 'none' })
  assert.deepEqual(byHour.coarse, [], 'hours are what was asked for')
})

test('a late point for a day that was let go of is in the tiers, counted once', { timeout: 30_000 }, async (t) => {
  const folder = await threeDays(t)
  letGo(folder, 1)
  const store = await openIn(t, folder, 'batched')
  for (const atMs of [day(1) + 23 * 3_600_000, day(1) + 500]) {
    send(store, [{ device: 1, metric: 't', atMs, value: 5000 }])
    await stored(store)
    await rolledUp(store, folder)
  }
  const range = { devices: ['pump-1'], fromMs: day(1), toMs: day(2) - 1 }
  for (const pointsMax of [10_000, 40]) {
    const [chart] = await chartOf(store, { ...range, pointsMax, method: 'minmax' })
    assert.equal(chart?.count, 20_002, `${chart?.tiers}`)
    assert.ok(chart.values.includes(5000))
  }
})

/** What charts count of day 1, when all that is late is added to its tiers. */
async function countAfterLate(store: Store, folder: string): Promise<number | undefined> {
  await rolledUp(store, folder)
  const [chart] = await chartOf(store, { devices: ['pump-1'], fromMs: day(1), toMs: day(2) - 1, pointsMax: 40, method: 'minmax' })
  return chart?.count
}

const lateAt = (hours: number) => ({ device: 1, metric: 't', atMs: day(1) + hours * 3_600_000 + 500, value: 5000 })

test('killed when a late point is in the tiers and not confirmed, with another one coming: both are counted once', async (t) => {
  const folder = await threeDays(t)
  letGo(folder, 1)
  const store = await openIn(t, folder, 'batched')
  send(store, [lateAt(20)])
  await stored(store)
  await store.status({ seal: true })
  await store.close()
  rollUntold(folder)
  const again = await openIn(t, folder, 'batched')
  send(again, [lateAt(21)])
  await stored(again)
  assert.equal(await countAfterLate(again, folder), 20_002)
})

test('killed when a late point is sealed and its head is not gone: it is counted once, beside what comes then', async (t) => {
  const folder = await threeDays(t)
  letGo(folder, 1)
  const store = await openIn(t, folder, 'batched')
  send(store, [lateAt(20)])
  await stored(store)
  await store.status({ seal: true }) // now the partition of late points is on record
  send(store, [lateAt(21)])
  await stored(store)
  await store.device('pump-1')
  const killed = newFolder(t)
  copyAsKilled(folder, killed)
  await store.close()
  sealUntold(killed)
  rollAll(killed) // nothing that is in a head, too
  const again = await openIn(t, killed, 'batched')
  send(again, [lateAt(22)])
  await stored(again)
  assert.equal(await countAfterLate(again, killed), 20_003)
})

test('a chunk that is damaged costs its own points, and every answer names the time that it spans', async (t) => {
  const folder = await threeDays(t)
  const second = damageSecondChunk(folder)
  const store = await openIn(t, folder, 'batched')
  const range = { devices: ['pump-1'], fromMs: day(0), toMs: day(0) + 4_000_000 }
  const damaged = { from: second.startMs, to: second.endMs, tier: null }
  const points = await pointsOf(store, 'pump-1', 't', range.fromMs, range.toMs)
  assert.deepEqual(
    points.map(([atMs]) => atMs),
    seconds(day(0), 4001)
      .map(({ atMs }) => atMs)
      .filter((atMs) => atMs < damaged.from || atMs > damaged.to),
  )
  assert.deepEqual((await store.telemetry.points({ ...range, order: 'asc', limit: 10_000 })).coarse, [damaged])
  const [chart] = await chartOf(store, { ...range, pointsMax: 10_000, method: 'minmax' })
  assert.deepEqual(chart?.coarse, [damaged])
  const buckets = await store.telemetry.buckets({ ...range, every: '10s', timeZone: 'UTC', aggregates: ['count'], fill: 'none' })
  assert.deepEqual(buckets.coarse, [damaged])
  assert.deepEqual((await store.telemetry.points({ ...range, toMs: day(0) + 1000, order: 'asc', limit: 10_000 })).coarse, [])
})

test('a question ends at its points, at its time, and when nobody wants the answer any more', (t) => {
  const flags = new Int32Array(new SharedArrayBuffer(8))
  const budget = new Budget(flags, 1)
  budget.spend(limits.queryPoints)
  assert.throws(
    () => budget.spend(1),
    (error) => error instanceof Refusal && error.code === 'query-too-large' && /limits\.queryPoints/.test(error.message),
  )
  assert.throws(
    () => new Budget(flags, 0).answered(limits.answerBytes + 1),
    (error) => error instanceof Refusal && error.code === 'query-too-large',
  )

  let nowMs = 1000
  t.mock.method(performance, 'now', () => nowMs)
  const late = new Budget(flags, 0)
  const unbounded = new Budget(flags, 0, { unbounded: true })
  nowMs += limits.queryMs
  late.check()
  nowMs += 1
  assert.throws(
    () => late.check(),
    (error) => error instanceof Refusal && error.code === 'query-too-long' && error.message.includes(`${limits.queryMs} ms`),
  )
  unbounded.spend(limits.queryPoints * 2)

  flags[0] = 1
  assert.throws(() => unbounded.check(), Cancelled)
  assert.throws(
    () => late.spend(1),
    (error) => error instanceof Refusal || error instanceof Cancelled,
  )
})
