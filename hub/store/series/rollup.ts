// Rollups: what is kept of the points of one minute, hour or day, so that a year is read in milliseconds.
import type { MetricValue } from '../../../devices/device.ts'

export type Tier = 'raw' | 'minute' | 'hour' | 'day'

export const tierMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const

/**
 * Buckets of one series in columns of equal length, in the order of time; a bucket without points has no entry. Buckets begin at multiples
 * of their tier's length since the epoch (UTC).
 *
 * The numeric columns speak of the numbers alone, with true as 1 and false as 0; of a bucket without numbers they hold NaN (`numbers`,
 * `sums`, `areas` and `increases` hold 0).
 */
export interface Rollup {
  readonly tier: Exclude<Tier, 'raw'>
  readonly starts: Float64Array
  /** All points, and those that are numbers. */
  readonly counts: Float64Array
  readonly numbers: Float64Array
  readonly firstTimes: Float64Array
  readonly lastTimes: Float64Array
  /** Of any kind, as `Columns.values`. */
  readonly firsts: Float64Array | readonly MetricValue[]
  readonly lasts: Float64Array | readonly MetricValue[]
  readonly mins: Float64Array
  readonly maxs: Float64Array
  readonly sums: Float64Array
  /** Value · ms between the first and the last number, each holding until the next. */
  readonly areas: Float64Array
  /** Of a counter: what the numbers grew by, one after the other; a smaller one is a reset and counts from 0. */
  readonly increases: Float64Array
  /** The first and the last number and their times: what joins a bucket to its neighbours. */
  readonly firstNumbers: Float64Array
  readonly lastNumbers: Float64Array
  readonly firstNumberTimes: Float64Array
  readonly lastNumberTimes: Float64Array
}

export type NumberColumn = Exclude<keyof Rollup, 'tier' | 'firsts' | 'lasts'>

/** A rollup made column by column: a plain object, which passes between threads. */
export function eachColumn(
  tier: Rollup['tier'],
  numbers: (column: NumberColumn) => Float64Array,
  mixed: (column: 'firsts' | 'lasts') => Rollup['firsts'],
): Rollup {
  return {
    tier,
    starts: numbers('starts'),
    counts: numbers('counts'),
    numbers: numbers('numbers'),
    firstTimes: numbers('firstTimes'),
    lastTimes: numbers('lastTimes'),
    firsts: mixed('firsts'),
    lasts: mixed('lasts'),
    mins: numbers('mins'),
    maxs: numbers('maxs'),
    sums: numbers('sums'),
    areas: numbers('areas'),
    increases: numbers('increases'),
    firstNumbers: numbers('firstNumbers'),
    lastNumbers: numbers('lastNumbers'),
    firstNumberTimes: numbers('firstNumberTimes'),
    lastNumberTimes: numbers('lastNumberTimes'),
  }
}
