// Asks a store everything that can be asked of telemetry, and compares with the model.
import assert from 'node:assert/strict'
import type { MetricValue } from '../../../devices/device.ts'
import { type Tier, tierMs } from '../../../hub/store/series/rollup.ts'
import type { Store } from '../../../hub/store/store.ts'
import type { ChartQuery, ChartSeries, LatestOfDevice, PointColumns, PointsQuery, Selection } from '../../../hub/store/telemetry.ts'
import { chartOf, pointsOf, read } from '../kit.ts'
import { type Model, type Point, type SeriesName, throughJson } from './model.ts'

export const ever = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER }

function selected(model: Model, { devices, metrics }: Selection): SeriesName[] {
  return model.series.filter(({ device, metric }) => (devices?.includes(device) ?? true) && (metrics?.includes(metric) ?? true))
}

/** Scans know -0 from 0. */
export async function scanAgrees(
  store: Store,
  model: Model,
  range: { readonly fromMs: number; readonly toMs: number } = ever,
): Promise<void> {
  const found = new Map<string, Point[]>()
  const order: string[] = []
  for await (const { device, metric, times, values } of store.telemetry.scan(range)) {
    const key = `${device}\n${metric}`
    if (order.at(-1) !== key) order.push(key)
    assert.equal(times.length, values.length)
    const points = found.get(key) ?? []
    found.set(key, points)
    for (const [at, atMs] of times.entries()) points.push({ atMs, value: values[at]! })
  }
  assert.deepEqual(order, [...order].sort(), 'series by series')
  for (const name of model.series) {
    const key = `${name.device}\n${name.metric}`
    samePoints(found.get(key) ?? [], model.points(name, range.fromMs, range.toMs), `scan of ${name.device} ${name.metric}`)
    found.delete(key)
  }
  assert.equal(found.size, 0, 'no series that nobody wrote')
}

export function samePoints(actual: readonly Point[], expected: readonly Point[], what: string): void {
  for (const [at, point] of expected.entries()) {
    if (actual[at]?.atMs === point.atMs && Object.is(actual[at].value, point.value)) continue
    assert.deepEqual(actual[at], point, `${what}: point ${at} of ${expected.length}, answered ${actual.length}`)
  }
  assert.equal(actual.length, expected.length, what)
}

/** Page by page, each of another size, in one direction. */
export async function pagesOf(store: Store, query: Omit<PointsQuery, 'limit'>, limits: readonly number[]): Promise<[SeriesName, Point][]> {
  const found: [SeriesName, Point][] = []
  let cursor: string | undefined
  for (let page = 0; ; page += 1) {
    const limit = limits[page % limits.length]!
    const { json, count, next, coarse } = await store.telemetry.points({ ...query, limit, ...(cursor === undefined ? {} : { cursor }) })
    const { devices, metrics, times, values } = read<PointColumns>(json)
    assert.deepEqual([devices.length, metrics.length, values.length], [count, count, count])
    assert.equal(times.length, count)
    assert.deepEqual(coarse, [], 'all points are there')
    assert.ok(next === undefined ? count <= limit : count === limit, 'only the last page is short')
    for (const [at, atMs] of times.entries())
      found.push([
        { device: devices[at]!, metric: metrics[at]! },
        { atMs, value: values[at]! },
      ])
    if (next === undefined) return found
    assert.notEqual(next, cursor, 'each page goes on')
    cursor = next
  }
}

export async function pointsAgree(store: Store, model: Model, query: Omit<PointsQuery, 'limit'>, limits: readonly number[]): Promise<void> {
  const found = await pagesOf(store, query, limits)
  const step = query.order === 'asc' ? 1 : -1
  for (const [at, [, { atMs }]] of found.entries())
    if (at > 0) assert.ok((atMs - found[at - 1]![1].atMs) * step >= 0, 'in the order of time')
  const names = selected(model, query)
  assert.equal(
    found.length,
    names.reduce((sum, name) => sum + model.points(name, query.fromMs, query.toMs).length, 0),
    'no point twice, and none left out',
  )
  for (const name of names) {
    const own = found.filter(([{ device, metric }]) => device === name.device && metric === name.metric).map(([, point]) => point)
    const expected = model.points(name, query.fromMs, query.toMs).map(({ atMs, value }) => ({ atMs, value: throughJson(value) }))
    samePoints(query.order === 'asc' ? own : own.reverse(), expected, `points of ${name.device} ${name.metric}`)
  }
}

export async function latestAgrees(store: Store, model: Model, limit: number, metrics?: readonly string[]): Promise<void> {
  const found = new Map<string, LatestOfDevice['latest']>()
  let after: string | undefined
  do {
    const query = { limit, ...(metrics === undefined ? {} : { metrics }), ...(after === undefined ? {} : { after }) }
    const { json, count, next } = await store.telemetry.latest(query)
    const page = read<LatestOfDevice[]>(json)
    assert.equal(page.length, count)
    for (const { device, latest } of page) {
      assert.ok(after === undefined || device > after)
      found.set(device, latest)
    }
    after = next
  } while (after !== undefined)
  for (const [device, latest] of found) {
    const names = selected(model, { devices: [device], ...(metrics === undefined ? {} : { metrics }) })
    const expected = names.map((name) => {
      const { atMs, value } = model.points(name).at(-1)!
      return [name.metric, { at: atMs, value: throughJson(value) }]
    })
    assert.deepEqual({ ...latest }, Object.fromEntries(expected), `newest values of ${device}`)
    if (metrics === undefined) assert.deepEqual({ ...(await store.device(device))?.latest }, { ...latest })
  }
  for (const { device } of selected(model, metrics === undefined ? {} : { metrics })) assert.ok(found.has(device))
}

/** The widest buckets that may stand for points in a chart: two points for each. */
function mayServe(tier: Tier, { fromMs, toMs, pointsMax }: ChartQuery): boolean {
  return tier === 'raw' || tierMs[tier] <= ((toMs - fromMs) / pointsMax) * 2
}

export async function chartAgrees(store: Store, model: Model, query: ChartQuery): Promise<void> {
  const charts = await chartOf(store, query)
  const names = selected(model, query)
  const keys = charts.map(({ device, metric }) => `${device}\n${metric}`)
  assert.deepEqual(keys, [...keys].sort(), 'by device id, then metric')
  for (const name of names) {
    const chart = charts.find(({ device, metric }) => device === name.device && metric === name.metric)
    if (chart === undefined) assert.deepEqual(model.points(name, query.fromMs, query.toMs), [], `no chart of ${name.device} ${name.metric}`)
    else chartOfSeriesAgrees(chart, model.points(name), query)
  }
  assert.equal(charts.filter(({ device, metric }) => !names.some((name) => name.device === device && name.metric === metric)).length, 0)
}

/** From a tier the chart begins and ends with whole buckets, so it may hold somewhat more than was asked for. */
function chartOfSeriesAgrees(chart: ChartSeries, all: readonly Point[], query: ChartQuery): void {
  const { device, metric, times, values, count, thinned, tiers, coarse } = chart
  const what = `chart of ${device} ${metric} from ${tiers.join(' to ')}`
  assert.deepEqual(coarse, [], what)
  assert.equal(times.length, values.length, what)
  assert.ok(tiers.length >= 1 && tiers.length <= 2, what)
  for (const tier of tiers) assert.ok(mayServe(tier, query), `${what}: ${tier} is too coarse for ${query.pointsMax} points`)
  assert.equal(thinned, count > times.length, what)
  const inside = all.filter(({ atMs }) => atMs >= query.fromMs && atMs <= query.toMs)
  if (tiers.length === 1 && tiers[0] === 'raw') {
    assert.equal(count, inside.length, what)
    if (thinned) isThinned(chart, inside, query, what)
    else samePoints(columnsAsPoints(chart), inside.map(asJson), what)
    return
  }
  const coarsest = tiers.at(-1) as Exclude<Tier, 'raw'>
  const beginMs = Math.floor(query.fromMs / tierMs[coarsest]) * tierMs[coarsest]
  const endMs = Math.ceil((query.toMs + 1) / tierMs[coarsest]) * tierMs[coarsest]
  const about = all.filter(({ atMs }) => atMs >= beginMs && atMs < endMs)
  assert.ok(count >= inside.length && count <= about.length, `${what}: ${count} points of ${inside.length} to ${about.length}`)
  const numbers = numbersIn(inside)
  if (numbers.length !== inside.length || about.some(({ value }) => typeof value !== 'number')) return // then the newest ones are shown
  const [low, high] = [Math.min(...(values as number[])), Math.max(...(values as number[]))]
  const keepsExtremes = query.method === 'minmax' && query.pointsMax >= 4
  if (keepsExtremes) assert.ok(low <= Math.min(...numbers) && high >= Math.max(...numbers), `${what}: its extremes are in it`)
  const known = new Set(about.map(({ value }) => throughJson(value)))
  for (const value of values) assert.ok(known.has(value), `${what}: ${value} is a value that was sent`)
}

function isThinned(chart: ChartSeries, inside: readonly Point[], { pointsMax, method }: ChartQuery, what: string): void {
  assert.ok(chart.times.length <= pointsMax, what)
  const byTime = new Map(inside.map(({ atMs, value }) => [atMs, throughJson(value)]))
  for (const [at, { atMs, value }] of columnsAsPoints(chart).entries()) {
    assert.deepEqual(value, byTime.get(atMs), `${what}: a point that was sent`)
    assert.ok(at === 0 || atMs > chart.times[at - 1]!, `${what}: in the order of time`)
  }
  assert.equal(chart.times.at(-1), inside.at(-1)!.atMs, what)
  if (inside.some(({ value }) => typeof value !== 'number')) return
  if (pointsMax > 1) assert.equal(chart.times[0], inside[0]!.atMs, what)
  if (pointsMax < 4 || method !== 'minmax') return
  const numbers = numbersIn(inside.map(asJson))
  assert.equal(Math.min(...(chart.values as number[])), Math.min(...numbers), what)
  assert.equal(Math.max(...(chart.values as number[])), Math.max(...numbers), what)
}

function numbersIn(points: readonly Point[]): number[] {
  return points.flatMap(({ value }) => (typeof value === 'number' ? [value] : []))
}

function columnsAsPoints({ times, values }: { times: readonly number[]; values: readonly MetricValue[] }): Point[] {
  return times.map((atMs, at) => ({ atMs, value: values[at]! }))
}

function asJson({ atMs, value }: Point): Point {
  return { atMs, value: throughJson(value) }
}

/** After sealing everything is counted. */
export async function sizesAgree(store: Store, model: Model): Promise<void> {
  for (const device of new Set(model.series.map((name) => name.device))) {
    const names = model.series.filter((name) => name.device === device)
    const sizes = await store.telemetry.seriesOf(device)
    assert.deepEqual(
      sizes.map(({ metric }) => metric),
      names.map(({ metric }) => metric),
    )
    for (const [at, { points, fromMs, toMs, bytes }] of sizes.entries()) {
      const expected = model.points(names[at]!)
      assert.deepEqual([points, fromMs, toMs], [expected.length, expected[0]!.atMs, expected.at(-1)!.atMs], `size of ${names[at]!.metric}`)
      assert.ok(bytes > 0)
    }
  }
  const { series, points } = await store.telemetry.scanSummary(ever)
  const all = model.series.reduce((sum, name) => sum + model.points(name).length, 0)
  assert.deepEqual([series, points], [model.series.length, all])
}

export async function metricAgrees(store: Store, model: Model, name: SeriesName): Promise<void> {
  const found = (await pointsOf(store, name.device, name.metric)).map(([atMs, value]) => ({ atMs, value }))
  samePoints(found, model.points(name), `${name.device} ${name.metric}`)
}
