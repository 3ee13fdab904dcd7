/** A seeded source of randomness: the same seed gives the same fleet, reading for reading. */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** One source per device: neighbours must not move in step, so the number is mixed into the seed, not added to it. */
  static of(seed: number, text: string): Random {
    let hash = (seed ^ 0x811c9dc5) >>> 0 // FNV-1a
    for (const character of text) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193) >>> 0
    return new Random(hash)
  }

  /** From 0 up to, not including, 1. Mulberry32 (Ettinger, 2017): 32 bits of state are plenty for a thermometer. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.next()
  }

  /** True `share` of the time. */
  chance(share: number): boolean {
    return this.next() < share
  }

  /** Around 0, mostly within ±`deviation`: the sum of three is close enough to a normal distribution for noise. */
  noise(deviation: number): number {
    return (this.next() + this.next() + this.next() - 1.5) * 2 * deviation
  }
}
