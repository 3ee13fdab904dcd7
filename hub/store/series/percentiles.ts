// Numbers kept for percentiles, which no summary can give: bounded, bucket by bucket.
import { joinedNumbers } from './columns.ts'

/**
 * Of one series, in the order of its buckets; others are merged in whole. Numbers lie one behind the other in one growing column, so that
 * many small buckets cost no more than a large one.
 */
export class NumberPool {
  readonly #countMax: number
  /** Where the numbers of each bucket end; each series has its own. */
  readonly #ends: Float64Array
  readonly #sorted: Float64Array[] = []
  readonly #merged: { numbers: Float64Array; ends: Float64Array }[] = []
  #numbers = new Float64Array(0)
  #own = 0
  #bucket = 0
  #count = 0
  #full = false

  /** `countMax`: what all of them together may hold; 0 keeps nothing. */
  constructor(buckets: number, countMax: number) {
    this.#ends = new Float64Array(buckets)
    this.#countMax = countMax
  }

  get count(): number {
    return this.#count
  }

  /** More came than may be held: the percentiles are worth nothing. */
  get full(): boolean {
    return this.#full
  }

  /** Adds those of places `from` to `to`, the second excluded, that are numbers, to a bucket: the one added to last, or one behind it. */
  add(bucket: number, numbers: Float64Array, from: number, to: number): void {
    if (this.#count + (to - from) > this.#countMax) this.#full = this.#countMax > 0
    if (this.#full || this.#countMax === 0) return
    this.#endBuckets(bucket)
    this.#grow(to - from)
    const before = this.#own
    for (let at = from; at < to; at += 1) {
      const value = numbers[at]!
      if (Number.isNaN(value)) continue
      this.#numbers[this.#own] = value
      this.#own += 1
    }
    this.#count += this.#own - before
  }

  merge(other: NumberPool): void {
    if (other.#full || this.#count + other.#count > this.#countMax) this.#full = this.#countMax > 0
    if (this.#full) return
    other.#endBuckets(other.#ends.length)
    this.#merged.push(...other.#merged, { numbers: other.#numbers.subarray(0, other.#own), ends: other.#ends })
    this.#count += other.#count
  }

  /** All numbers of a bucket, ascending. Nothing is added from then on. */
  sorted(bucket: number): Float64Array {
    this.#sorted[bucket] ??= this.#gathered(bucket).sort()
    return this.#sorted[bucket]
  }

  #gathered(bucket: number): Float64Array {
    this.#endBuckets(this.#ends.length)
    const parts = [{ numbers: this.#numbers, ends: this.#ends }, ...this.#merged]
      .map(({ numbers, ends }) => numbers.subarray(bucket === 0 ? 0 : ends[bucket - 1]!, ends[bucket]!))
      .filter(({ length }) => length > 0)
    return parts.length === 1 ? parts[0]! : joinedNumbers(parts)
  }

  #endBuckets(before: number): void {
    for (; this.#bucket < before; this.#bucket += 1) this.#ends[this.#bucket] = this.#own
  }

  #grow(more: number): void {
    if (this.#own + more <= this.#numbers.length) return
    const numbers = new Float64Array(Math.max(this.#own + more, this.#numbers.length * 2, 1024))
    numbers.set(this.#numbers.subarray(0, this.#own))
    this.#numbers = numbers
  }
}

/** The value below which `percent` of the numbers lie, by a straight line between the two nearest of them; as numpy does it by default. */
export function percentileOf(sorted: Float64Array, percent: number): number {
  if (sorted.length === 0) return Number.NaN
  const rank = (percent / 100) * (sorted.length - 1)
  const below = Math.floor(rank)
  const low = sorted[below] ?? Number.NaN
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? Number.NaN
  return low + (high - low) * (rank - below)
}
