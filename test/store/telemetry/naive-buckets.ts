// Aggregates over buckets the slow way: each bucket looks at all points.
import assert from 'node:assert/strict'
import type { MetricValue } from '../../../devices/device.ts'
import { edgesOf, parseEvery } from '../../../hub/store/series/calendar.ts'
import { Zone } from '../../../hub/store/series/zone.ts'
import type { Store } from '../../../hub/store/store.ts'
import type { BucketSeries, BucketsQuery } from '../../../hub/store/telemetry.ts'
import { read } from '../kit.ts'
import { areaOf, grownBy, numbersAmong } from '../series/naive.ts'
import { type Model, type Point, type SeriesName, throughJson } from './model.ts'

type Row = { [aggregate: string]: MetricValue }

/** How far back the value before the first bucket may lie. */
const beforeMs = 7 * 86_400_000

/** What is said of the devices: the labels they are grouped by. */
export type Labels = (name: SeriesName) => { readonly [label: string]: string | null }

export async function bucketsAgree(store: Store, model: Model, query: BucketsQuery, labels: Labels = ownLabels(query)): Promise<void> {
  const { fromMs, toMs, json, coarse } = await store.telemetry.buckets(query)
  const what = JSON.stringify(query)
  const every = parseEvery(query.every)
  assert.ok(typeof every !== 'string')
  const edges = Array.from(edgesOf(every, Zone.named(query.timeZone)!, query.fromMs, query.toMs))
  assert.deepEqual([fromMs, toMs, coarse], [edges[0], edges.at(-1), []], what)
  const answered = read<BucketSeries[]>(json)
  const groups = groupsOf(model, query, labels)
  assert.deepEqual(answered.map((one) => JSON.stringify(one.labels)).sort(), [...groups.keys()].sort(), what)
  for (const { labels: group, starts, columns } of answered) {
    const names = groups.get(JSON.stringify(group))!
    assert.deepEqual(Object.keys(columns), [...query.aggregates], what)
    const expected = rowsOfGroup(model, names, edges, query)
    const kept = query.fill === 'none' ? expected.filter(({ row }) => row['count'] !== 0) : expected
    assert.deepEqual(
      starts,
      kept.map(({ startMs }) => startMs),
      what,
    )
    for (const name of query.aggregates) {
      const column = filledIn(name, expected, query.fill).filter((_, at) => query.fill !== 'none' || expected[at]!.row['count'] !== 0)
      for (const [at, value] of column.entries())
        near(columns[name]![at], value, `${name} of ${new Date(starts[at]!).toISOString()} in ${what}`)
    }
  }
}

function ownLabels({ groupBy }: BucketsQuery): Labels {
  return ({ device, metric }) => {
    if (groupBy === undefined) return { device, metric }
    return { [groupBy]: groupBy === 'device' ? device : groupBy === 'metric' ? metric : null }
  }
}

function groupsOf(model: Model, { devices, metrics }: BucketsQuery, labels: Labels): Map<string, SeriesName[]> {
  const groups = new Map<string, SeriesName[]>()
  for (const name of model.series) {
    if (devices !== undefined && !devices.includes(name.device)) continue
    if (metrics !== undefined && !metrics.includes(name.metric)) continue
    const key = JSON.stringify(labels(name))
    groups.set(key, [...(groups.get(key) ?? []), name])
  }
  return groups
}

interface Bucket {
  readonly startMs: number
  readonly row: Row
  /** How many are numbers. */
  readonly numbers: number
}

function rowsOfGroup(model: Model, names: readonly SeriesName[], edges: readonly number[], { aggregates }: BucketsQuery): Bucket[] {
  const all = names.map((name) => model.points(name, edges[0]! - beforeMs))
  const untilMs = Math.min(Date.now(), edges.at(-1)!)
  return edges.slice(1).map((endMs, at) => bucketOf(all, edges[at]!, endMs, untilMs, edges[0]!, aggregates))
}

function bucketOf(
  all: readonly Point[][],
  startMs: number,
  endMs: number,
  untilMs: number,
  firstMs: number,
  asked: readonly string[],
): Bucket {
  const inside = all.map((points) => between(points, startMs, endMs))
  // Of the same moment the later series counts.
  const together = inside.flat().map(({ atMs, value }) => ({ atMs, value: throughJson(value) }))
  const earliest = Math.min(...together.map(({ atMs }) => atMs))
  const newest = Math.max(...together.map(({ atMs }) => atMs))
  const numbers = inside.flatMap((points) => numbersAmong(points).map(({ value }) => value)).sort((a, b) => a - b)
  const row: Row = {
    count: together.length,
    first: together.findLast(({ atMs }) => atMs === earliest)?.value ?? null,
    last: together.findLast(({ atMs }) => atMs === newest)?.value ?? null,
  }
  for (const name of asked) {
    if (name in row) continue
    row[name] = numbers.length === 0 ? null : finite(aggregateOf(name, numbers, all, inside, startMs, endMs, untilMs, firstMs))
  }
  return { startMs, row, numbers: numbers.length }
}

function aggregateOf(
  name: string,
  sorted: readonly number[],
  all: readonly Point[][],
  inside: readonly Point[][],
  startMs: number,
  endMs: number,
  untilMs: number,
  firstMs: number,
): number | null {
  const sum = sorted.reduce((total, value) => total + value, 0)
  switch (name) {
    case 'min':
      return sorted[0]!
    case 'max':
      return sorted.at(-1)!
    case 'sum':
      return sum
    case 'avg':
      return sum / sorted.length
    case 'twa':
    case 'increase':
    case 'rate': {
      const levels = all
        .map((points, at) => levelOf(points, inside[at]!, startMs, endMs, untilMs, firstMs))
        .filter((level) => level !== undefined)
      if (name === 'twa') return levels.reduce((total, { twa }) => total + twa, 0) / levels.length
      const known = levels.flatMap((level) => level[name] ?? [])
      return known.length === 0 ? null : known.reduce((total, value) => total + value, 0)
    }
    default: {
      const rank = ((sorted.length - 1) * Number(name.slice(1))) / 100
      const low = sorted[Math.floor(rank)]!
      return low + (sorted[Math.ceil(rank)]! - low) * (rank % 1)
    }
  }
}

/** What depends on the number before the bucket, of one series. */
function levelOf(points: readonly Point[], inside: readonly Point[], startMs: number, endMs: number, untilMs: number, firstMs: number) {
  const numbers = numbersAmong(inside)
  if (numbers.length === 0) return undefined
  const before = lastNumberBefore(points, startMs, firstMs - beforeMs)
  const steps = before === undefined ? numbers : [before, ...numbers]
  const beginMs = before === undefined ? numbers[0]!.atMs : startMs
  const holdsMs = Math.max(Math.min(endMs, untilMs), numbers.at(-1)!.atMs)
  const increase = steps.length > 1 ? grownBy(steps) : undefined
  return {
    twa: holdsMs > beginMs ? areaOf(steps, beginMs, holdsMs) / (holdsMs - beginMs) : numbers.at(-1)!.value,
    increase,
    rate: increase !== undefined && holdsMs > beginMs ? (increase / (holdsMs - beginMs)) * 1000 : undefined,
  }
}

/** By halving: a naive look at all points for each of thousands of buckets takes minutes. */
function placeOf(points: readonly Point[], ms: number): number {
  let [low, high] = [0, points.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (points[middle]!.atMs < ms) low = middle + 1
    else high = middle
  }
  return low
}

function between(points: readonly Point[], startMs: number, endMs: number): Point[] {
  return points.slice(placeOf(points, startMs), placeOf(points, endMs))
}

function lastNumberBefore(points: readonly Point[], beforeThisMs: number, fromMs: number) {
  for (let at = placeOf(points, beforeThisMs) - 1; at >= 0 && points[at]!.atMs >= fromMs; at -= 1) {
    const [number] = numbersAmong([points[at]!])
    if (number !== undefined) return number
  }
  return undefined
}

function finite(value: number | null): number | null {
  return value === null || Number.isFinite(value) ? value : null
}

/** Buckets without points, or for what speaks of numbers without numbers. */
function filledIn(name: string, all: readonly Bucket[], fill: BucketsQuery['fill']): MetricValue[] {
  const isKnown = ({ row, numbers }: Bucket) => (name === 'first' || name === 'last' ? row['count'] !== 0 : numbers > 0)
  if (name === 'count') return all.map(({ row }) => row['count']!)
  return all.map((bucket, at) => {
    if (isKnown(bucket) || fill === 'none' || fill === 'null') return bucket.row[name]!
    const before = all.slice(0, at).findLast((other) => isKnown(other) && other.row[name] !== null)
    if (fill === 'previous') return before?.row[name] ?? null
    const next = all.slice(at + 1).find((other) => isKnown(other) && other.row[name] !== null)
    const [low, high] = [before?.row[name], next?.row[name]]
    if (before === undefined || next === undefined || typeof low !== 'number' || typeof high !== 'number') return null
    return low + ((high - low) * (bucket.startMs - before.startMs)) / (next.startMs - before.startMs)
  })
}

/** Sums of times and levels are rounded in another order; and the clock goes on while a question is answered. */
function near(actual: MetricValue | undefined, expected: MetricValue | undefined, what: string): void {
  if (typeof actual !== 'number' || typeof expected !== 'number') assert.deepEqual(actual, expected, what)
  else assert.ok(Math.abs(actual - expected) <= 1e-6 * Math.max(1, Math.abs(expected)), `${what}: ${actual} is not ${expected}`)
}
