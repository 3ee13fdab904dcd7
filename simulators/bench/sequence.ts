// What one receiver has to get: messages numbered one after another. The numbers have six digits and start over after them.
import type { Tally } from './tally.ts'

export const sequenceLength = 1_000_000

export class Sequence {
  #expected: number
  readonly #tally: Tally

  constructor(tally: Tally, first: number) {
    this.#tally = tally
    this.#expected = first
  }

  /** The whole number of the message that says `seq`; undefined, and counted, when it came before. What it leaps over is lost. */
  take(seq: number): number | undefined {
    const ahead = (seq - (this.#expected % sequenceLength) + sequenceLength) % sequenceLength
    if (ahead >= sequenceLength / 2) {
      this.#tally.duplicates++
      return undefined
    }
    this.#tally.lost += ahead
    this.#expected += ahead + 1
    return this.#expected - 1
  }
}
