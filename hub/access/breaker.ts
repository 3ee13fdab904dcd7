// A circuit breaker: who failed again and again is left alone for a while, and then tried by one.
import type { Clock } from '../clock.ts'

export type BreakerState = 'closed' | 'open' | 'trying'

export class Breaker {
  readonly #clock: Clock
  readonly #failuresMax: number
  readonly #restMs: number
  #failures = 0
  #openUntilMs = 0
  #isTrying = false

  constructor(clock: Clock, failuresMax: number, restMs: number) {
    this.#clock = clock
    this.#failuresMax = failuresMax
    this.#restMs = restMs
  }

  get state(): BreakerState {
    if (this.#failures < this.#failuresMax) return 'closed'
    return this.#isTrying ? 'trying' : 'open'
  }

  /** Whether to call now. After true, `succeeded` or `failed` is called once. */
  admits(): boolean {
    if (this.#failures < this.#failuresMax) return true
    if (this.#isTrying || this.#clock.monotonic() < this.#openUntilMs) return false
    this.#isTrying = true
    return true
  }

  succeeded(): void {
    this.#failures = 0
    this.#isTrying = false
  }

  failed(): void {
    this.#failures++
    this.#isTrying = false
    if (this.#failures >= this.#failuresMax) this.#openUntilMs = this.#clock.monotonic() + this.#restMs
  }

  get secondsToRest(): number {
    return Math.max(1, Math.ceil((this.#openUntilMs - this.#clock.monotonic()) / 1000))
  }
}
