// A clock that tests turn by hand.
import type { Clock } from '../../hub/clock.ts'

interface Ticking {
  readonly ms: number
  readonly tick: () => void
  nextMs: number
}

export class HandClock implements Clock {
  #nowMs = 0
  readonly #startMs: number
  #jumpedMs = 0
  readonly #ticking = new Set<Ticking>()

  constructor(startMs = Date.now()) {
    this.#startMs = startMs
  }

  now(): number {
    return this.steady() + this.#jumpedMs
  }

  steady(): number {
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

  /** Someone sets the wall clock; what has passed since some moment stays as it is. */
  jump(ms: number): void {
    this.#jumpedMs += ms
  }

  /** Lets time pass in steps of a second, ticking whoever is due in each. */
  advance(seconds: number): void {
    for (let second = 0; second < seconds; second++) this.pass(1000)
  }

  /** The same at once. */
  pass(ms: number): void {
    this.#nowMs += ms
    for (const ticking of [...this.#ticking]) {
      for (; ticking.nextMs <= this.#nowMs && this.#ticking.has(ticking); ticking.nextMs += ticking.ms) ticking.tick()
    }
  }
}
