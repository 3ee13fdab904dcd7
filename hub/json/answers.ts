// Frames of one client that wait for the disk, in their order; the journal answers in the same.
import type { Refusal } from '../errors.ts'
import type { FrameId } from './frames.ts'

export interface WaitingAnswer {
  /** Undefined for a frame that named none: it is answered only when the wire has to close. */
  readonly id: FrameId | undefined
  /** There when it was refused already, and waits for its turn. */
  readonly refusal: Refusal | undefined
}

export class Answers {
  #waiting: WaitingAnswer[] = []
  #taken = 0

  get count(): number {
    return this.#waiting.length - this.#taken
  }

  add(id: FrameId | undefined, refusal: Refusal | undefined): void {
    this.#waiting.push({ id, refusal })
  }

  /** The oldest. */
  take(): WaitingAnswer {
    const answer = this.#waiting[this.#taken++] as WaitingAnswer
    if (this.#taken === this.#waiting.length || this.#taken >= 1024) {
      this.#waiting = this.#waiting.slice(this.#taken)
      this.#taken = 0
    }
    return answer
  }
}
