// What is let go of, when, and what stays: by the rules, and for want of room.
import assert from 'node:assert/strict'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../../hub/clock.ts'
import { MiB } from '../../hub/limits.ts'
import { keptMs, retention, ruleFor } from '../../hub/retention.ts'
import { openSqliteStore } from '../../hub/store/sqlite/open.ts'
import type { Store } from '../../hub/store/store.ts'
import type { ChartSeries } from '../../hub/store/telemetry.ts'
import { atEnd } from '../kit/at-end.ts'
import { chartOf, newFolder, pointsOf, read, reading, stored } from './kit.ts'
import { rollAll, rowsOf, sealUntold } from './telemetry/inside.ts'

const dayMs = 86_400_000
/** The day that is this many days ago, UTC. */
const dayAgo = (days: number) => Math.floor(Date.now() / dayMs) * dayMs - days * dayMs

async function openKeeping(t: TestContext, folder: string, keep: string, diskBudgetBytes?: number): Promise<Store> {
  const store = await openSqliteStore({ folder, durability: 'batched', clock: systemClock, keep: retention.read(keep), diskBudgetBytes })
  atEnd(t, () => store.close())
  return store
}

/** A reading each `stepMs` from that moment on. */
async function send(
  store: Store,
  fromMs: number,
  count: number,
  stepMs: number,
  valueAt: (at: number) => number,
  metric = 't',
): Promise<void> {
  for (let start = 0; start < count; start += 1000) {
    const length = Math.min(1000, count - start)
    reading(
      store,
      1,
      Array.from({ length }, (_, at) => ({ ts: fromMs + (start + at) * stepMs, values: { [metric]: valueAt(start + at) } })),
    )
  }
  await stored(store)
}

/** Upkeep goes on by itself, a round a second. */
async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 30_000
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`In 30 s it has not come about that ${what}.`)
    await pause(50)
  }
}

function filesOf(folder: string, tier: string): string[] {
  return readdirSync(join(folder, 'series', tier)).filter((name) => name.endsWith('.db'))
}

const numbersOf = (chart: ChartSeries | undefined) => (chart?.values ?? []) as readonly number[]

const label = (ms: number) => new Date(ms).toISOString().slice(0, 10)

test('rules are read, the first that fits holds, and what is not said is for ever', () => {
  const rules = retention.read('raw 30d, minute 1y; fast metric=vibration.*: raw 7d; pumps type=pump: raw 2w, hour 5y')
  assert.equal(ruleFor(rules, 'vibration.x', 'pump'), 'fast')
  assert.equal(ruleFor(rules, 't', 'pump'), 'pumps')
  assert.equal(ruleFor(rules, 'vibration', null), 'default')
  assert.equal(keptMs(rules, 'fast', 'raw'), 7 * dayMs)
  assert.equal(keptMs(rules, 'fast', 'minute'), 365 * dayMs)
  assert.equal(keptMs(rules, 'pumps', 'hour'), 5 * 365 * dayMs)
  assert.equal(keptMs(rules, 'default', 'day'), Number.POSITIVE_INFINITY)
  assert.equal(keptMs(rules, 'a rule that is gone', 'raw'), 30 * dayMs)
  const middle = retention.read('raw 1d; a metric=*.temp*.max: raw 2d')
  for (const [metric, rule] of [
    ['room.temp.max', 'a'],
    ['room.temperature.max', 'a'],
    ['room.temp.min', 'default'],
    ['.temp.max', 'a'],
    ['temp.max', 'default'],
  ] as const)
    assert.equal(ruleFor(middle, metric, null), rule, metric)
  for (const wrong of [
    '',
    'raw',
    'raw 0d',
    'raw 5',
    'weeks 3d',
    'raw 1d; metric=x: raw 2d',
    'raw 1d; a x=1: raw 2d',
    'raw 1d; a type=p: raw 2d; a type=q: raw 3d',
  ])
    assert.throws(() => retention.read(wrong), /such as "raw 30d/, wrong)
})

test('points whose time is over go with their file; minutes and hours still say what they were', async (t) => {
  const folder = newFolder(t)
  const store = await openKeeping(t, folder, 'raw 10d')
  store.journal.appendDevice('pump-1', 1)
  const [old, recent] = [dayAgo(20), dayAgo(5)]
  const valueAt = (at: number) => Math.round(Math.sin(at / 500) * 1000) / 10
  await send(store, old, 5000, 10_000, valueAt)
  await send(store, recent, 5000, 10_000, valueAt)
  const query = { devices: ['pump-1'], fromMs: old, toMs: old + dayMs - 1, pointsMax: 300, method: 'minmax' } as const
  const [before] = await chartOf(store, query)
  await store.status({ seal: true })
  await until(() => !filesOf(folder, 'raw').includes(`${label(old)}.db`), 'the old points are gone')

  assert.deepEqual(filesOf(folder, 'raw'), [`${label(recent)}.db`])
  assert.equal((await pointsOf(store, 'pump-1', 't')).length, 5000)
  const [after] = await chartOf(store, query)
  assert.deepEqual([after?.count, after?.tiers], [5000, ['minute']])
  assert.deepEqual(
    [after, before].map((chart) => [Math.min(...numbersOf(chart)), Math.max(...numbersOf(chart))]),
    [
      [-100, 100],
      [-100, 100],
    ],
  )
  const hours = { ...query, every: '1h', timeZone: 'UTC', aggregates: ['count', 'sum'], fill: 'none' } as const
  const [sums] = read<{ columns: { count: number[]; sum: number[] } }[]>((await store.telemetry.buckets(hours)).json)
  assert.equal(
    sums?.columns.count.reduce((sum, count) => sum + count, 0),
    5000,
  )
  const exact = Array.from({ length: 5000 }, (_, at) => valueAt(at)).reduce((sum, value) => sum + value, 0)
  assert.ok(Math.abs(sums!.columns.sum.reduce((sum, one) => sum + one, 0) - exact) < 1e-6)
  const { coarse } = await store.telemetry.points({ ...query, order: 'asc', limit: 10 })
  assert.deepEqual(coarse, [{ from: old, to: old + dayMs, tier: 'minute' }], 'who asks for the points is told')
})

test('a point that comes for a day that is gone is added to its minutes and hours, once, and takes no room of its own', async (t) => {
  const folder = newFolder(t)
  const store = await openKeeping(t, folder, 'raw 10d')
  store.journal.appendDevice('pump-1', 1)
  const old = dayAgo(20)
  await send(store, old, 100, 60_000, () => 10)
  await store.status({ seal: true })
  await until(() => filesOf(folder, 'raw').length === 0, 'the points are gone')
  await send(store, old + 30_000, 3, 60_000, () => 100)
  await send(store, old + 13 * 3_600_000, 1, 60_000, () => 7)
  await store.status({ seal: true })
  const query = { devices: ['pump-1'], fromMs: old, toMs: old + dayMs - 1, every: '1d', timeZone: 'UTC', fill: 'none' } as const
  const aggregates = ['count', 'min', 'max', 'sum', 'last'] as const
  const day = async () => {
    const [series] = read<{ columns: Record<string, number[]> }[]>((await store.telemetry.buckets({ ...query, aggregates })).json)
    return aggregates.map((name) => series?.columns[name]?.[0])
  }
  await until(async () => (await day())[0] === 104, 'the late points are in the rollups')
  assert.deepEqual(await day(), [104, 7, 100, 1000 + 300 + 7, 7])
  await until(() => filesOf(folder, 'raw').length === 0, 'the file of late points is gone')
  await store.close()
  const again = await openKeeping(t, folder, 'raw 10d')
  const [series] = read<{ columns: Record<string, number[]> }[]>((await again.telemetry.buckets({ ...query, aggregates })).json)
  assert.equal(series?.columns['count']?.[0], 104)
})

test('points that a crash left in chunks and in heads are counted once, when their day goes', async (t) => {
  const folder = newFolder(t)
  const fromMs = dayAgo(40)
  const before = await openKeeping(t, folder, 'raw 60d')
  before.journal.appendDevice('pump-1', 1)
  await send(before, fromMs, 600, 60_000, (at) => at)
  await before.status({ seal: true })
  await before.close()
  rollAll(folder)
  const cut = await openKeeping(t, folder, 'raw 60d')
  await send(cut, fromMs + 30_000, 8, 60_000, (at) => at)
  await cut.devices({ limit: 1 }) // has them written to heads
  await cut.close()
  sealUntold(folder)
  assert.deepEqual(rowsOf(folder, "SELECT state FROM partitions WHERE tier = 'raw'"), [{ state: 'whole' }])

  const after = await openKeeping(t, folder, 'raw 30d')
  const rawOf = (state: string) => rowsOf(folder, `SELECT file FROM partitions WHERE tier = 'raw' AND state = '${state}'`).length
  await until(() => rawOf('gone') === 1, 'the day has gone')
  await after.status({ seal: true })
  await until(() => rawOf('late') === 0, 'late points are added, if there are any')
  const query = { devices: ['pump-1'], fromMs, toMs: fromMs + dayMs - 1, every: '1d', timeZone: 'UTC', fill: 'none' } as const
  const [day] = read<{ columns: { count: number[] } }[]>((await after.telemetry.buckets({ ...query, aggregates: ['count'] })).json)
  assert.deepEqual(day?.columns.count, [608])
})

test('rules of their own have files of their own, which go by themselves', async (t) => {
  const folder = newFolder(t)
  const store = await openKeeping(t, folder, 'raw forever; fast metric=vibration: raw 3d')
  store.journal.appendDevice('pump-1', 1)
  const old = dayAgo(6)
  await send(store, old, 500, 1000, (at) => at)
  await send(store, old, 500, 1000, (at) => at, 'vibration')
  await store.status({ seal: true })
  await until(() => !filesOf(folder, 'raw').includes(`${label(old)}.fast.db`), 'vibration is gone')
  assert.deepEqual(filesOf(folder, 'raw'), [`${label(old)}.db`])
  assert.equal((await pointsOf(store, 'pump-1', 't')).length, 500)
  assert.equal((await pointsOf(store, 'pump-1', 'vibration')).length, 0)
  const charts = await chartOf(store, { devices: ['pump-1'], fromMs: old, toMs: old + 600_000, pointsMax: 4000, method: 'minmax' })
  assert.deepEqual(
    charts.map(({ metric, count, tiers }) => [metric, count, tiers]),
    [
      ['t', 500, ['raw']],
      ['vibration', 500, ['minute']],
    ],
  )
})

test('a disk budget takes the oldest points first, never the newest day, and goes on recording', async (t) => {
  const folder = newFolder(t)
  const days = [9, 8, 7, 6].map(dayAgo)
  const filling = await openKeeping(t, folder, 'raw forever')
  filling.journal.appendDevice('pump-1', 1)
  for (const day of days) await send(filling, day, 60_000, 1000, () => Math.random())
  await send(filling, Date.now() - 60_000, 50, 1000, (at) => at)
  const { tiers } = await filling.status({ seal: true })
  await filling.close()

  const budget = statSync(join(folder, 'mooring.db')).size + tiers.raw.bytes / 2 + 600 * 1024 // some of it for the write-ahead log
  const store = await openKeeping(t, folder, 'raw forever', budget)
  await until(() => filesOf(folder, 'raw').length < 5, 'something has made room')
  await until(async () => (await store.status({ seal: false })).disk.bytes <= budget, 'it fits')
  const raw = filesOf(folder, 'raw')
  assert.ok(!raw.includes(`${label(days[0]!)}.db`), 'the oldest is the first to go')
  assert.ok(raw.includes(`${label(Date.now() - 60_000)}.db`) || raw.includes(`${label(Date.now())}.db`))
  await send(store, Date.now(), 10, 1, (at) => at)
  const { disk } = await store.status({ seal: false })
  assert.equal(disk.budgetBytes, budget)
  assert.match(disk.next ?? '', /^the points of \d{4}-\d\d-\d\d$/)
  const [chart] = await chartOf(store, {
    devices: ['pump-1'],
    fromMs: days[0]!,
    toMs: Date.now() + 60_000,
    pointsMax: 1000,
    method: 'minmax',
  })
  assert.equal(chart?.count, 4 * 60_000 + 60)
})

test('the journal keeps within its bytes and its age, and never lets go of what is not in the series', async (t) => {
  const folder = newFolder(t)
  const journal = { bytes: 1 * MiB, ageMs: undefined }
  const store = await openSqliteStore({ folder, durability: 'batched', clock: systemClock, journal })
  atEnd(t, () => store.close())
  store.journal.appendDevice('pump-1', 1)
  for (let round = 0; round < 30; round += 1) await send(store, 1_700_000_000_000 + round * 1e6, 3000, 10, (at) => at)
  await store.status({ seal: true })
  await until(async () => (await store.status({ seal: false })).journal.bytes <= 1 * MiB, 'the journal is trimmed')
  assert.equal((await pointsOf(store, 'pump-1', 't')).length, 90_000)
})
