// What points come to, bucket by bucket: the columns of a rollup while they are made.
import type { MetricValue } from '../../../devices/device.ts'
import type { Rollup } from './rollup.ts'

type SummaryColumns = Omit<Rollup, 'tier'>

/** What a counter grew by from one number to the next: a smaller number is a reset and counts from 0. */
export function growth(from: number, to: number): number {
  return to >= from ? to - from : Math.max(to, 0)
}

export class Summaries implements SummaryColumns {
  readonly starts: Float64Array
  readonly counts: Float64Array
  readonly numbers: Float64Array
  readonly firstTimes: Float64Array
  readonly lastTimes: Float64Array
  readonly firsts: Float64Array | MetricValue[]
  readonly lasts: Float64Array | MetricValue[]
  readonly mins: Float64Array
  readonly maxs: Float64Array
  readonly sums: Float64Array
  readonly areas: Float64Array
  readonly increases: Float64Array
  readonly firstNumbers: Float64Array
  readonly lastNumbers: Float64Array
  readonly firstNumberTimes: Float64Array
  readonly lastNumberTimes: Float64Array

  /** One empty bucket for each start. `numeric`: all that will ever be added are numbers. */
  constructor(starts: Float64Array, numeric: boolean) {
    const { length } = starts
    const zeros = () => new Float64Array(length)
    const unknown = () => new Float64Array(length).fill(Number.NaN)
    this.starts = starts
    this.counts = zeros()
    this.numbers = zeros()
    this.firstTimes = unknown()
    this.lastTimes = unknown()
    this.firsts = numeric ? unknown() : new Array<MetricValue>(length).fill(null)
    this.lasts = numeric ? unknown() : new Array<MetricValue>(length).fill(null)
    this.mins = unknown()
    this.maxs = unknown()
    this.sums = zeros()
    this.areas = zeros()
    this.increases = zeros()
    this.firstNumbers = unknown()
    this.lastNumbers = unknown()
    this.firstNumberTimes = unknown()
    this.lastNumberTimes = unknown()
  }

  /**
   * Adds to bucket `at` the points from place `from` on that lie before `endMs`, and says where they end. They come after all that the
   * bucket has. `numbers` are the values as `numbersOf` gives them.
   */
  addPoints(at: number, times: Float64Array, values: ArrayLike<MetricValue>, numbers: Float64Array, from: number, endMs: number): number {
    const { length } = times
    let count = this.numbers[at]!
    let sum = this.sums[at]!
    let area = this.areas[at]!
    let increase = this.increases[at]!
    let min = this.mins[at]!
    let max = this.maxs[at]!
    let last = this.lastNumbers[at]!
    let lastMs = this.lastNumberTimes[at]!
    let place = from
    for (; place < length; place += 1) {
      const atMs = times[place]!
      if (atMs >= endMs) break
      const value = numbers[place]!
      if (Number.isNaN(value)) continue
      if (count === 0) {
        this.firstNumbers[at] = min = max = value
        this.firstNumberTimes[at] = atMs
      } else {
        area += last * (atMs - lastMs)
        increase += value >= last ? value - last : value > 0 ? value : 0 // as `growth`
        if (value < min) min = value
        else if (value > max) max = value
      }
      count += 1
      sum += value
      last = value
      lastMs = atMs
    }
    if (place === from) return place

    this.numbers[at] = count
    this.sums[at] = sum
    this.areas[at] = area
    this.increases[at] = increase
    this.mins[at] = min
    this.maxs[at] = max
    this.lastNumbers[at] = last
    this.lastNumberTimes[at] = lastMs
    if (this.counts[at] === 0) this.#setFirst(at, values[from]!, times[from]!)
    this.#setLast(at, values[place - 1]!, times[place - 1]!)
    this.counts[at]! += place - from
    return place
  }

  /**
   * Adds bucket `place` of others to bucket `at`. Of points at the same time the one added later is the first and the last.
   *
   * Area and increase are exact where the numbers of one lie behind those of the other. Where they interleave, single points would be
   * needed: the area is then that of the mean level of both, weighted by their numbers; the increase is the least it can have been, which
   * for a counter without a reset is exact.
   */
  addBucket(at: number, others: SummaryColumns, place: number): void {
    if (others.counts[place] === 0) return
    const empty = this.counts[at] === 0
    if (empty || others.firstTimes[place]! <= this.firstTimes[at]!) this.#setFirst(at, others.firsts[place]!, others.firstTimes[place]!)
    if (empty || others.lastTimes[place]! >= this.lastTimes[at]!) this.#setLast(at, others.lasts[place]!, others.lastTimes[place]!)
    this.counts[at]! += others.counts[place]!
    if (others.numbers[place] === 0) return

    if (this.numbers[at] === 0) {
      this.mins[at] = others.mins[place]!
      this.maxs[at] = others.maxs[place]!
      this.areas[at] = others.areas[place]!
      this.increases[at] = others.increases[place]!
      this.#setFirstNumber(at, others, place)
      this.#setLastNumber(at, others, place)
    } else {
      this.mins[at] = Math.min(this.mins[at]!, others.mins[place]!)
      this.maxs[at] = Math.max(this.maxs[at]!, others.maxs[place]!)
      this.#joinNumbers(at, others, place)
    }
    this.numbers[at]! += others.numbers[place]!
    this.sums[at]! += others.sums[place]!
  }

  #joinNumbers(at: number, others: SummaryColumns, place: number): void {
    const lastMs = this.lastNumberTimes[at]!
    const firstMs = this.firstNumberTimes[at]!
    const othersFirstMs = others.firstNumberTimes[place]!
    const othersLastMs = others.lastNumberTimes[place]!
    if (othersFirstMs > lastMs) {
      this.areas[at]! += this.lastNumbers[at]! * (othersFirstMs - lastMs) + others.areas[place]!
      this.increases[at]! += growth(this.lastNumbers[at]!, others.firstNumbers[place]!) + others.increases[place]!
      this.#setLastNumber(at, others, place)
    } else if (othersLastMs < firstMs) {
      this.areas[at]! += others.lastNumbers[place]! * (firstMs - othersLastMs) + others.areas[place]!
      this.increases[at]! += growth(others.lastNumbers[place]!, this.firstNumbers[at]!) + others.increases[place]!
      this.#setFirstNumber(at, others, place)
    } else {
      const count = this.numbers[at]!
      const othersCount = others.numbers[place]!
      const level = (levelOf(this, at) * count + levelOf(others, place) * othersCount) / (count + othersCount)
      if (othersFirstMs <= firstMs) this.#setFirstNumber(at, others, place)
      if (othersLastMs >= lastMs) this.#setLastNumber(at, others, place)
      this.areas[at] = level * (this.lastNumberTimes[at]! - this.firstNumberTimes[at]!)
      const least = growth(this.firstNumbers[at]!, this.lastNumbers[at]!)
      this.increases[at] = Math.max(this.increases[at]!, others.increases[place]!, least)
    }
  }

  #setFirst(at: number, value: MetricValue, atMs: number): void {
    ;(this.firsts as MetricValue[])[at] = value // a column of numbers only ever meets numbers
    this.firstTimes[at] = atMs
  }

  #setLast(at: number, value: MetricValue, atMs: number): void {
    ;(this.lasts as MetricValue[])[at] = value
    this.lastTimes[at] = atMs
  }

  #setFirstNumber(at: number, others: SummaryColumns, place: number): void {
    this.firstNumbers[at] = others.firstNumbers[place]!
    this.firstNumberTimes[at] = others.firstNumberTimes[place]!
  }

  #setLastNumber(at: number, others: SummaryColumns, place: number): void {
    this.lastNumbers[at] = others.lastNumbers[place]!
    this.lastNumberTimes[at] = others.lastNumberTimes[place]!
  }
}

/** The time-weighted mean from the first number to the last. */
function levelOf({ areas, firstNumberTimes, lastNumberTimes, lastNumbers }: SummaryColumns, at: number): number {
  const spanMs = lastNumberTimes[at]! - firstNumberTimes[at]!
  return spanMs > 0 ? areas[at]! / spanMs : lastNumbers[at]!
}
