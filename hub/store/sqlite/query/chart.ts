// In a query thread: series thinned to what a screen can show, from the tier that is fine enough for its pixels.
import { type Columns, joined, newest, numbersOf } from '../../series/columns.ts'
import { lttb } from '../../series/lttb.ts'
import { type Rollup, type Tier, tierMs } from '../../series/rollup.ts'
import { type NumberColumns, pointsOfRollup, thinMinMax } from '../../series/thin.ts'
import type { ChartAnswer, ChartQuery, ChartSeries, CoarseSpan } from '../../telemetry.ts'
import type { PartitionRow } from '../catalogue.ts'
import { beforeOf } from './buckets.ts'
import type { Budget } from './budget.ts'
import { Coarse } from './coarse.ts'
import { type Piece, planOf } from './plan.ts'
import { type Heads, noPoints, type PointsReader } from './points-reader.ts'
import { byDevice, type SelectedSeries } from './selections.ts'

export function chartAnswer(
  reader: PointsReader,
  catalogue: readonly PartitionRow[],
  selected: readonly SelectedSeries[],
  query: ChartQuery,
  budget: Budget,
): ChartAnswer {
  const parts: string[] = []
  for (const [number, ofDevice] of byDevice(selected)) {
    const damagedBefore = budget.damaged.length
    const heads = reader.headsOf(number, new Set(ofDevice.map(({ series }) => series)), budget)
    const damagedHeads = budget.damaged.slice(damagedBefore)
    for (const one of ofDevice) {
      const series = chartSeries(reader, catalogue, one, heads, query, budget, damagedHeads)
      if (series.count === 0 && series.coarse.length === 0) continue
      const part = JSON.stringify(series)
      budget.answered(part.length)
      parts.push(part)
    }
  }
  return { json: new TextEncoder().encode(`[${parts.join(',')}]`) }
}

/** Two points, the lowest and the highest, for each column of pixels: a tier will do whose buckets are no wider than one. */
function tierOf({ fromMs, toMs, pointsMax }: ChartQuery): Tier {
  const columnMs = ((toMs - fromMs) / pointsMax) * 2
  for (const tier of ['day', 'hour', 'minute'] as const) if (tierMs[tier] <= columnMs) return tier
  return 'raw'
}

function chartSeries(
  reader: PointsReader,
  catalogue: readonly PartitionRow[],
  { series, device, metric }: SelectedSeries,
  heads: Heads,
  query: ChartQuery,
  budget: Budget,
  damagedHeads: readonly CoarseSpan[],
): ChartSeries {
  const { fromMs, toMs, pointsMax, method } = query
  const asked = tierOf(query)
  const wholeMs = asked === 'raw' ? fromMs : Math.floor(fromMs / tierMs[asked]) * tierMs[asked]
  const coarse = new Coarse(reader, asked, budget)
  const parts: Columns[] = []
  const tiers = new Set<Tier>()
  const damagedBefore = budget.damaged.length
  let count = 0
  for (const piece of planOf(reader, catalogue, series, heads.get(series) ?? noPoints, wholeMs, toMs + 1, asked)) {
    for (const [columns, points] of piecePoints(piece)) {
      parts.push(columns)
      count += points
      tiers.add(piece.tier)
    }
  }
  const all = joined(parts)
  const thin = thinned(all, pointsMax, method)
  return {
    device,
    metric,
    times: Array.from(thin.times),
    values: Array.from<ChartSeries['values'][number]>(thin.values),
    count,
    thinned: count > thin.times.length,
    tiers: finestAndCoarsest(tiers),
    coarse: [...damagedHeads, ...coarse.spans(), ...budget.damaged.slice(damagedBefore)],
  }

  function* piecePoints(piece: Piece): Generator<[Columns, number]> {
    if (piece.tier === 'raw') {
      const part = reader.parts(series, heads, Math.max(fromMs, piece.fromMs), Math.min(toMs, beforeOf(piece.endMs)), budget)
      for (const columns of part) yield [columns, columns.times.length]
      return
    }
    const rollup = reader.rollup(piece.rows, series, piece.fromMs, piece.endMs, budget)
    if (rollup === undefined) return
    coarse.note(piece, series)
    let points = 0
    for (const of of rollup.counts) points += of
    yield [drawnOf(rollup), points]
  }
}

/** True and false are thinned as 1 and 0 are. */
function thinned(all: Columns, pointsMax: number, method: ChartQuery['method']): Columns {
  const thin = method === 'lttb' ? lttb : thinMinMax
  if (all.values instanceof Float64Array) return thin(all as NumberColumns, pointsMax)
  if (!all.values.every(isBoolean)) return newest(all, pointsMax)
  const { times, values } = thin({ times: all.times, values: numbersOf(all.values) }, pointsMax)
  return { times, values: Array.from(values, (value) => value === 1) }
}

/** True and false count as numbers in a rollup, and are drawn as what they are. */
function drawnOf(rollup: Rollup): Columns {
  const { counts, numbers, firsts, lasts, lastTimes } = rollup
  if (lasts instanceof Float64Array) return pointsOfRollup(rollup)
  const allAre = (isOne: (value: unknown) => boolean) =>
    counts.every((count, at) => numbers[at] === count && isOne(firsts[at]) && isOne(lasts[at]))
  if (allAre((value) => typeof value === 'number')) return pointsOfRollup(rollup)
  if (!allAre(isBoolean)) return { times: lastTimes, values: lasts }
  const { times, values } = pointsOfRollup(rollup)
  return { times, values: Array.from(values, (value) => value === 1) }
}

function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean'
}

function finestAndCoarsest(tiers: ReadonlySet<Tier>): Tier[] {
  const inOrder = (['raw', 'minute', 'hour', 'day'] as const).filter((tier) => tiers.has(tier))
  return inOrder.length <= 1 ? inOrder : [inOrder[0]!, inOrder.at(-1)!]
}
