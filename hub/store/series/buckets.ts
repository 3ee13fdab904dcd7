// What the points of one or more series come to in buckets of any lengths, from points and from rollups.
import type { MetricValue } from '../../../devices/device.ts'
import type { Aggregate, Fill } from '../telemetry.ts'
import { type Columns, firstAt, numbersOf } from './columns.ts'
import { filled } from './fill.ts'
import { NumberPool, percentileOf } from './percentiles.ts'
import type { Rollup } from './rollup.ts'
import { growth, Summaries } from './summaries.ts'

export interface BucketsOptions {
  /** What a number says holds until the next one comes, however long that takes: `twa` has a value also where no point is. */
  readonly holds?: boolean
  /** How long the newest number holds: until now, or the end of what was asked for, whichever is earlier. */
  readonly untilMs: number
  /** Most numbers held for percentiles; 0 when none are asked for. */
  readonly pooledMax: number
}

export interface BucketColumns {
  readonly starts: number[]
  readonly columns: MetricValue[][]
}

/**
 * Bucket i begins at `edges[i]` and ends before `edges[i + 1]`. One series is added in the order of time, from points, rollups or both by
 * turns; several series of a group are merged, each from `Buckets` of its own with the same edges.
 *
 * - `count`, `first` and `last` speak of all values, everything else of numbers alone, with true as 1 and false as 0. Of values of several
 *   series at the same time the one merged last is the first and the last.
 * - `twa`: each number holds until the next; the one before the bucket holds from the bucket's begin, the last until its end, or `untilMs`.
 *   Of a group: the mean over the series that have numbers in the bucket.
 * - `increase`: what the numbers grew by, from the last one before the bucket on; a smaller one is a reset and counts from 0. Null where
 *   there is a single number and none before. Of a group: the sum.
 * - `rate`: the increase per second of the bucket, which for this begins at its first number when there is none before, and ends at
 *   `untilMs` when that is earlier. Of a group: the sum.
 * - Percentiles: of all numbers, by a straight line between the two nearest. Null in buckets that were fed from rollups
 *   (`percentilesMissing`), and everywhere when more came than may be held (`tooManyNumbers`).
 * - Points before the first edge are only what comes before; points from the last edge on are passed over. A bucket of a rollup counts
 *   wholly where it begins.
 */
export class Buckets {
  readonly #edges: Float64Array
  readonly #untilMs: number
  readonly #holds: boolean
  readonly #summaries: Summaries
  readonly #pool: NumberPool
  readonly #fromRollup: Uint8Array
  /** The last number before the first edge. */
  #before: { value: number; atMs: number } | undefined
  #bucket = 0
  /** What cannot be pooled as it stands: made when the series is complete. */
  #levels: Levels | undefined

  constructor(edges: Float64Array, { untilMs, pooledMax, holds = false }: BucketsOptions) {
    const count = Math.max(edges.length - 1, 0)
    this.#edges = edges
    this.#untilMs = untilMs
    this.#holds = holds
    this.#summaries = new Summaries(edges.subarray(0, count), false)
    this.#pool = new NumberPool(count, pooledMax)
    this.#fromRollup = new Uint8Array(count)
  }

  /** Some bucket is fed from a rollup, where no percentile is known. */
  get percentilesMissing(): boolean {
    return this.#fromRollup.includes(1)
  }

  /** The number that the first bucket begins with is known. */
  get hasNumberBefore(): boolean {
    return this.#before !== undefined
  }

  /** Such a number, where it is known without a point. */
  beganWith(value: number): void {
    this.#before = { value, atMs: this.#edges[0]! }
  }

  /** Percentiles would need more than `pooledMax` numbers. */
  get tooManyNumbers(): boolean {
    return this.#pool.full
  }

  /** Numbers held for percentiles. */
  get pooled(): number {
    return this.#pool.count
  }

  /** Points whose times strictly ascend, behind all that was added before. */
  addPoints({ times, values }: Columns): void {
    const numbers = numbersOf(values)
    const endMs = this.#edges.at(-1) ?? Number.NEGATIVE_INFINITY
    let from = this.#edges.length === 0 ? 0 : firstAt(times, (atMs) => atMs >= this.#edges[0]!)
    for (let at = from - 1; at >= 0; at -= 1) {
      if (Number.isNaN(numbers[at]!)) continue
      this.#before = { value: numbers[at]!, atMs: times[at]! }
      break
    }
    while (from < times.length && times[from]! < endMs) {
      this.#advance(times[from]!)
      const to = this.#summaries.addPoints(this.#bucket, times, values, numbers, from, this.#edges[this.#bucket + 1]!)
      this.#pool.add(this.#bucket, numbers, from, to)
      from = to
    }
  }

  /** A rollup whose buckets begin behind all that was added before. */
  addRollup(rollup: Rollup): void {
    const { starts, numbers, lastNumbers, lastNumberTimes } = rollup
    const endMs = this.#edges.at(-1) ?? Number.NEGATIVE_INFINITY
    for (let place = 0; place < starts.length && starts[place]! < endMs; place += 1) {
      if (starts[place]! < this.#edges[0]!) {
        if (numbers[place]! > 0) this.#before = { value: lastNumbers[place]!, atMs: lastNumberTimes[place]! }
        continue
      }
      this.#advance(starts[place]!)
      this.#summaries.addBucket(this.#bucket, rollup, place)
      this.#fromRollup[this.#bucket] = 1
    }
  }

  /** Takes in what other series of the same group came to; neither is added to from then on. */
  merge(other: Buckets): void {
    const mine = this.#complete()
    const others = other.#complete()
    for (let at = 0; at < this.#fromRollup.length; at += 1) {
      this.#summaries.addBucket(at, other.#summaries, at)
      if (other.#fromRollup[at] === 1) this.#fromRollup[at] = 1
      for (const name of levelNames) mine[name][at]! += others[name][at]!
    }
    this.#pool.merge(other.#pool)
  }

  /**
   * The starts of buckets and one column per aggregate. A bucket without points, or for what speaks of numbers one without numbers, is
   * filled: see `filled`. Nothing is added from then on.
   */
  columns(aggregates: readonly Aggregate[], fill: Fill): BucketColumns {
    const { starts, counts } = this.#summaries
    this.#complete()
    const columns = aggregates.map((aggregate) => this.#column(aggregate, fill))
    if (fill !== 'none') return { starts: Array.from(starts), columns }
    const { twaSeries } = this.#complete()
    const there = (_: unknown, at: number) => counts[at]! > 0 || (this.#holds && twaSeries[at]! > 0)
    return { starts: Array.from(starts).filter(there), columns: columns.map((column) => column.filter(there)) }
  }

  #column(aggregate: Aggregate, fill: Fill): MetricValue[] {
    const { starts, counts, numbers, firsts, lasts, mins, maxs, sums } = this.#summaries
    const { twas, twaSeries, increases, increaseSeries, rates, rateSeries } = this.#complete()
    if (aggregate === 'count') return Array.from(counts)
    if (aggregate === 'first' || aggregate === 'last') {
      const values = aggregate === 'first' ? firsts : lasts
      return filled(Array.from<MetricValue>(values), starts, counts, fill)
    }
    const column = (numberAt: (at: number) => number, known = numbers): MetricValue[] => {
      // Sums of huge numbers may be infinite, which JSON has no word for.
      const values = Array.from(starts, (_, at) => {
        const value = known[at]! > 0 ? numberAt(at) : Number.NaN
        return Number.isFinite(value) ? value : null
      })
      return filled(values, starts, known, fill)
    }
    switch (aggregate) {
      case 'min':
        return column((at) => mins[at]!)
      case 'max':
        return column((at) => maxs[at]!)
      case 'sum':
        return column((at) => sums[at]!)
      case 'avg':
        return column((at) => sums[at]! / numbers[at]!)
      case 'twa':
        return column((at) => twas[at]! / twaSeries[at]!, twaSeries)
      case 'increase':
        return column((at) => (increaseSeries[at]! > 0 ? increases[at]! : Number.NaN))
      case 'rate':
        return column((at) => (rateSeries[at]! > 0 ? rates[at]! : Number.NaN))
      default: {
        const percent = Number(aggregate.slice(1))
        const known = (at: number) => !this.#pool.full && this.#fromRollup[at] === 0
        return column((at) => (known(at) ? percentileOf(this.#pool.sorted(at), percent) : Number.NaN))
      }
    }
  }

  /** Makes `atMs`, which lies in one of the buckets, lie in the current one. */
  #advance(atMs: number): void {
    while (this.#edges[this.#bucket + 1]! <= atMs) this.#bucket += 1
  }

  #complete(): Levels {
    this.#levels ??= levelsOf(this.#summaries, this.#edges, this.#untilMs, this.#before, this.#holds)
    return this.#levels
  }
}

const levelNames = ['twas', 'twaSeries', 'increases', 'increaseSeries', 'rates', 'rateSeries'] as const

/** Sums over series, and how many series they are of. */
type Levels = { readonly [name in (typeof levelNames)[number]]: Float64Array }

/** Of one series: what depends on the last number before each bucket. */
function levelsOf(
  summaries: Summaries,
  edges: Float64Array,
  untilMs: number,
  before: { value: number; atMs: number } | undefined,
  holds: boolean,
): Levels {
  const { numbers, areas, firstNumbers, lastNumbers, firstNumberTimes, lastNumberTimes } = summaries
  const column = () => new Float64Array(numbers.length)
  const levels = {
    twas: column(),
    twaSeries: column(),
    increases: column(),
    increaseSeries: column(),
    rates: column(),
    rateSeries: column(),
  }
  let carried = before
  for (let at = 0; at < numbers.length; at += 1) {
    if (numbers[at] === 0) {
      if (!holds || carried === undefined || edges[at]! >= untilMs) continue
      levels.twas[at] = carried.value
      levels.twaSeries[at] = 1
      continue
    }
    const firstMs = firstNumberTimes[at]!
    const lastMs = lastNumberTimes[at]!
    // A bucket of a rollup may reach over its bucket's end: what it holds counts here, and is not counted again in the next.
    const fromMs = carried === undefined ? firstMs : Math.min(Math.max(edges[at]!, carried.atMs), firstMs)
    const toMs = Math.max(Math.min(edges[at + 1]!, untilMs), lastMs)
    const area = (carried === undefined ? 0 : carried.value * (firstMs - fromMs)) + areas[at]! + lastNumbers[at]! * (toMs - lastMs)
    levels.twas[at] = toMs > fromMs ? area / (toMs - fromMs) : lastNumbers[at]!
    levels.twaSeries[at] = 1
    if (carried !== undefined || numbers[at]! > 1) {
      levels.increases[at] = summaries.increases[at]! + (carried === undefined ? 0 : growth(carried.value, firstNumbers[at]!))
      levels.increaseSeries[at] = 1
      levels.rates[at] = toMs > fromMs ? levels.increases[at]! / ((toMs - fromMs) / 1000) : 0
      levels.rateSeries[at] = toMs > fromMs ? 1 : 0
    }
    carried = { value: lastNumbers[at]!, atMs: lastMs }
  }
  return levels
}
