// From points to rollups, from rollups to coarser ones, and rollups put together.
import type { MetricValue } from '../../../devices/device.ts'
import { type Columns, firstAt, joinedNumbers, numbersOf } from './columns.ts'
import { eachColumn, type NumberColumn, type Rollup, tierMs } from './rollup.ts'
import { Summaries } from './summaries.ts'

type RollupTier = Rollup['tier']

/** Of points of one series, whose times strictly ascend. */
export function rollUp({ times, values }: Columns, tier: RollupTier): Rollup {
  const lengthMs = tierMs[tier]
  const starts = startsOf(times, lengthMs)
  const summaries = new Summaries(starts, values instanceof Float64Array)
  const numbers = numbersOf(values)
  let from = 0
  for (let at = 0; at < starts.length; at += 1) from = summaries.addPoints(at, times, values, numbers, from, starts[at]! + lengthMs)
  return rollupOf(tier, summaries)
}

/**
 * From minutes to hours, from either to days: equal to what `rollUp` makes of the points, but for the rounding of sums and areas. (Also of
 * a rollup that `combined` made: as exact as that one was.)
 */
export function rollUpFurther(rollup: Rollup, tier: RollupTier): Rollup {
  const lengthMs = tierMs[tier]
  const starts = startsOf(rollup.starts, lengthMs)
  const summaries = new Summaries(starts, isNumeric(rollup))
  let at = 0
  for (let place = 0; place < rollup.starts.length; place += 1) {
    if (rollup.starts[place]! >= starts[at]! + lengthMs) at += 1
    summaries.addBucket(at, rollup, place)
  }
  return rollupOf(tier, summaries)
}

/**
 * Two rollups of the same tier and series as one; buckets may share a start. `later` was written later: of values at the same time its one
 * is the first and the last.
 *
 * For points that come after their neighbours are gone from the disk. In a bucket that both have, minimum, maximum, first and last are
 * exact; so are counts and sums, unless both hold a point of the same time: it should replace the other and is counted twice. For areas
 * and increases see `Summaries.addBucket`: exact unless the points of both interleave.
 */
export function combined(earlier: Rollup, later: Rollup): Rollup {
  const starts = union(earlier.starts, later.starts)
  const summaries = new Summaries(starts, isNumeric(earlier) && isNumeric(later))
  for (const rollup of [earlier, later]) {
    let at = 0
    for (let place = 0; place < rollup.starts.length; place += 1) {
      while (starts[at]! < rollup.starts[place]!) at += 1
      summaries.addBucket(at, rollup, place)
    }
  }
  return rollupOf(earlier.tier, summaries)
}

/** Of each bucket the one with more points; the newer where they are equal. */
export function fullest(older: Rollup, newer: Rollup): Rollup {
  const starts = union(older.starts, newer.starts)
  const summaries = new Summaries(starts, isNumeric(older) && isNumeric(newer))
  let atOlder = 0
  let atNewer = 0
  for (const [at, startMs] of starts.entries()) {
    const inOlder = older.starts[atOlder] === startMs ? atOlder++ : undefined
    const inNewer = newer.starts[atNewer] === startMs ? atNewer++ : undefined
    const isOlder = inOlder !== undefined && older.counts[inOlder]! > (inNewer === undefined ? 0 : newer.counts[inNewer]!)
    summaries.addBucket(at, isOlder ? older : newer, isOlder ? inOlder : inNewer!)
  }
  return rollupOf(older.tier, summaries)
}

/** One after the other, at least one, of the same tier and series. Where one begins before the part ahead of it has ended, they are combined. */
export function joinedRollups(parts: readonly Rollup[]): Rollup {
  const filled = parts.filter(({ starts }) => starts.length > 0)
  if (filled.length <= 1) return filled[0] ?? parts[0]!
  const ascend = filled.every(({ starts }, at) => at === 0 || starts[0]! > filled[at - 1]!.starts.at(-1)!)
  if (!ascend) return filled.reduce(combined)

  const numeric = filled.every(isNumeric)
  const numbers = (column: NumberColumn) => joinedNumbers(filled.map((part) => part[column]))
  const mixed = (column: 'firsts' | 'lasts') =>
    numeric ? joinedNumbers(filled.map((part) => part[column] as Float64Array)) : filled.flatMap((part): MetricValue[] => [...part[column]])
  return eachColumn(filled[0]!.tier, numbers, mixed)
}

/** The buckets that begin from `fromMs` on and before `toMs`. They share their memory with the rollup. */
export function cutRollup(rollup: Rollup, fromMs: number, toMs: number): Rollup {
  const start = firstAt(rollup.starts, (atMs) => atMs >= fromMs)
  const end = firstAt(rollup.starts, (atMs) => atMs >= toMs)
  if (start === 0 && end === rollup.starts.length) return rollup
  const mixed = (values: Rollup['firsts']) => (values instanceof Float64Array ? values.subarray(start, end) : values.slice(start, end))
  return eachColumn(
    rollup.tier,
    (column) => rollup[column].subarray(start, end),
    (column) => mixed(rollup[column]),
  )
}

function rollupOf(tier: RollupTier, summaries: Summaries): Rollup {
  return eachColumn(
    tier,
    (column) => summaries[column],
    (column) => summaries[column],
  )
}

function isNumeric({ firsts, lasts }: Rollup): boolean {
  return firsts instanceof Float64Array && lasts instanceof Float64Array
}

/** Where the buckets begin that have any of these times, which ascend. */
function startsOf(times: Float64Array, lengthMs: number): Float64Array {
  const starts: number[] = []
  let endMs = Number.NEGATIVE_INFINITY
  for (let at = 0; at < times.length; at += 1) {
    if (times[at]! < endMs) continue
    const startMs = Math.floor(times[at]! / lengthMs) * lengthMs
    starts.push(startMs)
    endMs = startMs + lengthMs
  }
  return Float64Array.from(starts)
}

function union(a: Float64Array, b: Float64Array): Float64Array {
  const all = new Float64Array(a.length + b.length)
  let count = 0
  for (let atA = 0, atB = 0; atA < a.length || atB < b.length; count += 1) {
    const startA = a[atA] ?? Number.POSITIVE_INFINITY
    const startB = b[atB] ?? Number.POSITIVE_INFINITY
    all[count] = Math.min(startA, startB)
    if (startA <= startB) atA += 1
    if (startB <= startA) atB += 1
  }
  return all.slice(0, count)
}
