// In a query thread: what one query may cost, looked at between chunks. Nobody can stop a thread in the middle of its work but the work itself.
import { Refusal } from '../../../errors.ts'
import { limits } from '../../../limits.ts'
import type { CoarseSpan } from '../../telemetry.ts'

/** One flag per query that is under way, in memory that the loop shares: 1 when nobody wants the answer any more. */
export type CancelFlags = Int32Array<SharedArrayBuffer>

/** The query was cancelled: an error that nobody waits for. */
export class Cancelled extends Error {
  constructor() {
    super('The query was cancelled.')
  }
}

export const tooManyPoints = `it reads more than ${limits.queryPoints} points (limits.queryPoints)`

export class Budget {
  /** Stretches whose chunks could not be read: the answer is made from the rest, and says so. */
  readonly damaged: CoarseSpan[] = []
  readonly #flags: CancelFlags
  readonly #place: number
  readonly #endMs: number
  readonly #pointsMax: number
  #points = 0
  #bytes = 0

  /** `place` is the query's flag. Unbounded is what its client takes a part at a time. */
  constructor(flags: CancelFlags, place: number, { unbounded }: { readonly unbounded: boolean } = { unbounded: false }) {
    this.#flags = flags
    this.#place = place
    this.#endMs = unbounded ? Number.POSITIVE_INFINITY : performance.now() + limits.queryMs
    this.#pointsMax = unbounded ? Number.POSITIVE_INFINITY : limits.queryPoints
  }

  /** Points read so far. */
  get points(): number {
    return this.#points
  }

  /** What is answered is held as text in this thread and on the loop. Errors: `query-too-large`. */
  answered(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes <= limits.answerBytes) return
    throw new Refusal('query-too-large', { detail: `its answer has more than ${limits.answerBytes} bytes (limits.answerBytes)` })
  }

  /** Errors: `query-too-large`, `query-too-long`, `Cancelled`. */
  spend(points: number): void {
    this.#points += points
    if (this.#points > this.#pointsMax) throw new Refusal('query-too-large', { detail: tooManyPoints })
    this.check()
  }

  check(): void {
    if (Atomics.load(this.#flags, this.#place) === 1) throw new Cancelled()
    if (performance.now() > this.#endMs) throw new Refusal('query-too-long', { limit: limits.queryMs })
  }
}
