/**
 * Counts of durations in logarithmic buckets, so that a run of hours fits into a few kilobytes and a percentile is off by 3 % at most.
 *
 * Units and shape: microseconds in, milliseconds out. 32 buckets for each doubling, from 1 µs to 2^32 µs (71 minutes);
 * the idea of HdrHistogram (Tene).
 */
export class Histogram {
  count = 0
  maxMs = 0
  readonly #buckets = new Float64Array(32 * 28)

  record(microseconds: number): void {
    const value = microseconds < 1 ? 1 : microseconds > 0xffff_ffff ? 0xffff_ffff : microseconds >>> 0
    // Below 32 each value has its own bucket; above, the five bits after the leading one choose it.
    const shift = value < 32 ? 0 : 26 - Math.clz32(value)
    const bucket = shift * 32 + (value >>> shift)
    this.#buckets[bucket] = this.#buckets[bucket]! + 1
    this.count++
    if (microseconds > this.maxMs * 1000) this.maxMs = microseconds / 1000
  }

  add(other: Histogram): void {
    for (let bucket = 0; bucket < this.#buckets.length; bucket++) this.#buckets[bucket] = this.#buckets[bucket]! + other.#buckets[bucket]!
    this.count += other.count
    this.maxMs = Math.max(this.maxMs, other.maxMs)
  }

  /** The value that `share` (0 to 1) of all are not above: the middle of its bucket. 0 when nothing was recorded. */
  percentileMs(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.count))
    let seen = 0
    for (let bucket = 0; bucket < this.#buckets.length; bucket++) {
      seen += this.#buckets[bucket]!
      if (seen >= rank) return Math.min(middleMs(bucket), this.maxMs)
    }
    return this.maxMs
  }
}

function middleMs(bucket: number): number {
  if (bucket < 64) return bucket / 1000
  const shift = (bucket >>> 5) - 1
  return ((bucket - shift * 32 + 0.5) * 2 ** shift) / 1000
}
