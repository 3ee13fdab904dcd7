// Moments at which what somebody came by ends by itself, where the book of credentials does not watch it: tokens of other issuers, certificates.
import type { Clock } from '../clock.ts'
import type { Timed, Wheel } from '../wheel.ts'

/** The wheel counts seconds that pass, and these moments go by the wall clock: when someone sets that, it is noticed within an hour. */
const lookAgainSeconds = 3600

/** One timer for each second in which anything ends, however many came by it: a fleet may be given its tokens in one minute. */
export class Endings {
  readonly #clock: Clock
  readonly #wheel: Wheel
  readonly #onEnd: (nowMs: number) => void
  /** By Unix s. */
  readonly #armed = new Map<number, Ending>()

  /** `onEnd` looks at everybody: something has ended by this moment, Unix ms. */
  constructor(clock: Clock, wheel: Wheel, onEnd: (nowMs: number) => void) {
    this.#clock = clock
    this.#wheel = wheel
    this.#onEnd = onEnd
  }

  note(untilMs: number): void {
    const second = Math.ceil(untilMs / 1000)
    if (this.#armed.has(second)) return
    const ending: Ending = { dueTick: 0, onDue: () => this.#onDue(second, ending) }
    this.#armed.set(second, ending)
    this.#arm(second, ending)
  }

  stop(): void {
    for (const ending of this.#armed.values()) this.#wheel.disarm(ending)
    this.#armed.clear()
  }

  #arm(second: number, ending: Ending): void {
    this.#wheel.arm(ending, Math.min(Math.max(second - this.#clock.now() / 1000, 0), lookAgainSeconds))
  }

  #onDue(second: number, ending: Ending): void {
    const nowMs = this.#clock.now()
    if (nowMs < second * 1000) {
      this.#arm(second, ending)
      return
    }
    this.#armed.delete(second)
    this.#onEnd(nowMs)
  }
}

type Ending = Timed
