// What one run of the load generator has seen, and whether it is to be believed.
import { Histogram } from '../histogram.ts'

export class Tally {
  /** PUBACKs, messages behind which a PINGRESP came, or copies that reached a subscriber. */
  confirmed = 0
  lost = 0
  duplicates = 0
  outOfOrder = 0
  latency = new Histogram()
  /** The first thing that should not have happened. */
  trouble: string | undefined

  broken(sentence: string): void {
    this.trouble ??= sentence
  }

  get clean(): boolean {
    return this.lost + this.duplicates + this.outOfOrder === 0 && this.trouble === undefined
  }

  /** Forgets numbers, not troubles: what went wrong while warming up went wrong. */
  restart(): void {
    this.confirmed = 0
    this.latency = new Histogram()
  }
}
