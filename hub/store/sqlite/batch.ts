// One batch on the event loop: its frames, and who waits for its commit.
import type { Refusal } from '../../errors.ts'
import type { Waiter } from '../store.ts'
import { FrameBuffer } from './frame.ts'

export class Batch {
  readonly frames: FrameBuffer
  firstSeq = 0
  lastSeq = 0
  count = 0
  messages = 0
  /** Set by a frame whose telemetry the writer checks: only the commit's answer tells whether it was taken. */
  checked = false
  /** False while it holds nothing but facts that nobody waits for. */
  urgent = false
  /** Every message up to here has been handed to those it is owed to, and what was told of that is in this batch or in an earlier one. */
  routedSeq = 0
  // Four columns instead of a list of objects: a waiter costs no allocation.
  readonly #waiters: Waiter[] = []
  readonly #tokens: number[] = []
  readonly #seqs: number[] = []
  /** 0 for those that do not ask how a checked frame fared. */
  readonly #checkedSeqs: number[] = []
  #told = 0

  constructor(buffer?: ArrayBuffer) {
    this.frames = new FrameBuffer(buffer)
  }

  wait(waiter: Waiter, token: number, seq: number, checkedSeq: number): void {
    this.#waiters.push(waiter)
    this.#tokens.push(token)
    this.#seqs.push(seq)
    this.#checkedSeqs.push(checkedSeq)
  }

  /** Tells everyone, also those who begin to wait meanwhile. A waiter whose checked message is in `refused` is told so. */
  tellStored(refused?: ReadonlyMap<number, Refusal>): void {
    for (; this.#told < this.#waiters.length; this.#told += 1) {
      const waiter = this.#waiters[this.#told]!
      const seq = this.#seqs[this.#told]!
      const why = refused?.get(this.#checkedSeqs[this.#told]!)
      if (why === undefined) waiter.stored(this.#tokens[this.#told]!, seq)
      else waiter.failed(this.#tokens[this.#told]!, why)
    }
  }

  tellFailed(why: Refusal): void {
    for (; this.#told < this.#waiters.length; this.#told += 1) this.#waiters[this.#told]!.failed(this.#tokens[this.#told]!, why)
  }

  toString(): string {
    return `batch ${this.firstSeq}–${this.lastSeq} (${this.count} frames, ${this.frames.length} bytes)`
  }
}
