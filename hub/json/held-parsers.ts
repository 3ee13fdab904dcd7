// When a held request gives its HTTP/1.1 parser back: so soon that of thousands that come together few have theirs at the same time. What they
// had at once the process would keep: the allocator gives nothing back that lies between what is still in use.
import type { Clock } from '../clock.ts'
import { type RawResponse, releaseParserUntilAnswered } from './response.ts'

/** A client that is answered sooner keeps its parser and pays nothing. */
const soonMs = 50

export class HeldParsers {
  readonly #clock: Clock
  /** Held since the last tick, and since the one before it. */
  #fresh: RawResponse[] = []
  #due: RawResponse[] = []
  /** Set while any are waiting: one timer for all of them. */
  #stop: (() => void) | undefined = undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Not now, when the parser is at work. One that is answered meanwhile is passed over. */
  releaseSoon(raw: RawResponse): void {
    this.#fresh.push(raw)
    this.#stop ??= this.#clock.every(soonMs, () => this.#release())
  }

  #release(): void {
    const due = this.#due
    this.#due = this.#fresh
    this.#fresh = []
    if (this.#due.length === 0) {
      this.#stop?.()
      this.#stop = undefined
    }
    for (const raw of due) releaseParserUntilAnswered(raw)
  }
}
