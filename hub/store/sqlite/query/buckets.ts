// In a query thread: aggregates over buckets of time, of each series or of groups of them.
import { isOwnMetric } from '../../../../devices/telemetry.ts'
import { Refusal } from '../../../errors.ts'
import { limits } from '../../../limits.ts'
import { Buckets } from '../../series/buckets.ts'
import { bucketsAbout, edgesOf, parseEvery, tierFor } from '../../series/calendar.ts'
import { type Tier, tierMs } from '../../series/rollup.ts'
import { Zone } from '../../series/zone.ts'
import type { BucketSeries, BucketsAnswer, BucketsQuery } from '../../telemetry.ts'
import type { PartitionRow } from '../catalogue.ts'
import { type Budget, tooManyPoints } from './budget.ts'
import { Coarse } from './coarse.ts'
import { planOf } from './plan.ts'
import { type Heads, noPoints, type PointsReader } from './points-reader.ts'
import { byDevice, type SelectedSeries } from './selections.ts'

/** Of these the last value before the first bucket is part of the answer. */
const needBefore = new Set(['twa', 'increase', 'rate'])
/** How far back it is looked for. */
const beforeMs = 7 * tierMs.day

export function bucketsAnswer(
  reader: PointsReader,
  catalogue: readonly PartitionRow[],
  selected: readonly SelectedSeries[],
  query: BucketsQuery,
  budget: Budget,
): BucketsAnswer {
  const edges = checkedEdges(query, selected.length)
  const hasPercentiles = query.aggregates.some((aggregate) => /^p\d/.test(aggregate))
  const asked = hasPercentiles ? 'raw' : tierFor(edges)
  const fetch: Fetch = {
    reader,
    catalogue,
    edges,
    asked,
    needsBefore: query.aggregates.some((aggregate) => needBefore.has(aggregate)),
    options: { untilMs: Math.min(Date.now(), edges.at(-1)!), pooledMax: hasPercentiles ? limits.queryPoints : 0 },
    coarse: new Coarse(reader, asked, budget),
    budget,
  }
  const groups = new Map<string, { readonly labels: BucketSeries['labels']; buckets: Buckets | undefined }>()
  for (const [number, ofDevice] of byDevice(selected)) {
    const heads = reader.headsOf(number, new Set(ofDevice.map(({ series }) => series)), budget)
    for (const one of ofDevice) {
      const labels = labelsOf(one, query.groupBy)
      const key = JSON.stringify(labels)
      const group = groups.get(key) ?? { labels, buckets: undefined }
      groups.set(key, group)
      const buckets = filledBuckets(fetch, one, heads)
      if (group.buckets === undefined) group.buckets = buckets
      else group.buckets.merge(buckets)
      if (group.buckets.tooManyNumbers) throw new Refusal('query-too-large', { detail: tooManyPoints })
    }
  }
  const parts = Array.from(groups.values(), ({ labels, buckets }) => {
    const { starts, columns } = buckets!.columns(query.aggregates, query.fill)
    const byName = Object.fromEntries(query.aggregates.map((aggregate, at) => [aggregate, columns[at]!]))
    const part = JSON.stringify({ labels, starts, columns: byName } satisfies BucketSeries)
    budget.answered(part.length)
    return part
  })
  const json = new TextEncoder().encode(`[${parts.join(',')}]`)
  return { fromMs: edges[0]!, toMs: edges.at(-1)!, json, coarse: [...fetch.coarse.spans(), ...budget.damaged] }
}

interface Fetch {
  readonly reader: PointsReader
  readonly catalogue: readonly PartitionRow[]
  readonly edges: Float64Array
  readonly asked: Tier
  readonly needsBefore: boolean
  readonly options: { readonly untilMs: number; readonly pooledMax: number }
  readonly coarse: Coarse
  readonly budget: Budget
}

function filledBuckets(
  { reader, catalogue, edges, asked, needsBefore, options, coarse, budget }: Fetch,
  one: SelectedSeries,
  heads: Heads,
): Buckets {
  const holds = isOwnMetric(one.metric)
  const buckets = new Buckets(edges, { ...options, holds })
  const [fromMs, endMs] = [edges[0]!, edges.at(-1)!]
  if (needsBefore) {
    for (const part of reader.parts(one.series, heads, fromMs - beforeMs, beforeOf(fromMs), budget, { descending: true })) {
      buckets.addPoints(part)
      if (buckets.hasNumberBefore) break // not so behind a part of texts alone
    }
    // The hub says again each day who is connected.
    if (holds && !buckets.hasNumberBefore && one.createdMs < fromMs) buckets.beganWith(0)
  }
  for (const piece of planOf(reader, catalogue, one.series, heads.get(one.series) ?? noPoints, fromMs, endMs, asked)) {
    if (piece.tier === 'raw') {
      for (const part of reader.parts(one.series, heads, piece.fromMs, beforeOf(piece.endMs), budget)) buckets.addPoints(part)
      continue
    }
    const rollup = reader.rollup(piece.rows, one.series, piece.fromMs, piece.endMs, budget)
    if (rollup === undefined) continue
    buckets.addRollup(rollup)
    coarse.note(piece, one.series)
  }
  return buckets
}

const float = new Float64Array(1)
const bits = new BigUint64Array(float.buffer)

/** The newest time before this positive one that a point can have. */
export function beforeOf(ms: number): number {
  float[0] = ms
  bits[0]! -= 1n
  return float[0]
}

function checkedEdges({ every, timeZone, fromMs, toMs }: BucketsQuery, series: number): Float64Array {
  const length = parseEvery(every)
  if (typeof length === 'string') throw new Refusal('request-invalid', { detail: length })
  const zone = Zone.named(timeZone)
  if (zone === undefined)
    throw new Refusal('request-invalid', { detail: `"${timeZone.slice(0, 64)}" is no time zone; write one such as Europe/Berlin` })
  const count = bucketsAbout(length, fromMs, toMs) * Math.max(series, 1)
  if (count > limits.bucketsAnswered) {
    const detail = `it makes about ${count} buckets, more than ${limits.bucketsAnswered} (limits.bucketsAnswered)`
    throw new Refusal('query-too-large', { detail })
  }
  return edgesOf(length, zone, fromMs, toMs)
}

function labelsOf({ device, metric, type, tags }: SelectedSeries, groupBy: string | undefined): BucketSeries['labels'] {
  if (groupBy === undefined) return { device, metric }
  if (groupBy === 'device') return { device }
  if (groupBy === 'metric') return { metric }
  if (groupBy === 'type') return { type }
  const value = (JSON.parse(tags) as { readonly [name: string]: string })[groupBy.slice('tag:'.length)]
  return { [groupBy]: value ?? null }
}
