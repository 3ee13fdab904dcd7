// A clock that tests turn by hand.
import type { Clock } from '../../hub/clock.ts'

interface Ticking {
  readonly ms: number
  readonly tick: () => void
  nextMs: number
}

export class HandClock implements Clock {
  #nowMs = 0
  readonly #startMs = Date.now()
  readonly #ticking = new Set<Ticking>()

  now(): number {
    return this.#startMs + this.#nowMs
  }

  monotonic(): number {
    return this.#nowMs
  }

  every(ms: number, tick: () => void): () => void {
    const ticking: Ticking = { ms, tick, nextMs: this.#nowMs + ms }
    this.#ticking.add(ticking)
    return () => this.#ticking.delete(ticking)
  }

  /** Lets time pass in steps of a second, ticking whoever is due in each. */
  advance(seconds: number): void {
    for (let second = 0; second < seconds; second++) {
      this.#nowMs += 1000
      for (const ticking of [...this.#ticking]) {
        for (; ticking.nextMs <= this.#nowMs && this.#ticking.has(ticking); ticking.nextMs += ticking.ms) ticking.tick()
      }
    }
  }
}
