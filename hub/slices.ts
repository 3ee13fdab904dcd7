// Work for many that is put off and done in their order, a few milliseconds a turn: when ten thousand want something at once, everybody else
// has a turn in between.

/** How long the loop is held. */
const sliceMs = 5

export class Slices<T> {
  readonly #work: (one: T) => void
  #waiting: T[] = []
  #done = 0
  #next: NodeJS.Immediate | undefined = undefined
  readonly #slice = () => {
    this.#next = undefined
    this.#workUntil(performance.now() + sliceMs)
    if (this.#waiting.length > 0) this.#next ??= setImmediate(this.#slice)
  }

  /** `work` never throws. */
  constructor(work: (one: T) => void) {
    this.#work = work
  }

  push(one: T): void {
    this.#waiting.push(one)
    this.#next ??= setImmediate(this.#slice)
  }

  /** Does all that waits now. */
  flush(): void {
    this.#stop()
    this.#workUntil(Number.POSITIVE_INFINITY)
  }

  /** What waits is not done any more. */
  clear(): void {
    this.#stop()
    this.#waiting = []
    this.#done = 0
  }

  #stop(): void {
    clearImmediate(this.#next)
    this.#next = undefined
  }

  #workUntil(untilMs: number): void {
    while (this.#done < this.#waiting.length) {
      if (performance.now() >= untilMs) return
      this.#work(this.#waiting[this.#done++]!)
    }
    this.#waiting = []
    this.#done = 0
  }
}
