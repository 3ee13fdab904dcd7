// One batch on the event loop: its frames, and who waits for its commit.
import type { DeviceId } from '../../../devices/device.ts'
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
  /** Devices put on record by this batch. When it fails they go into the next one, for later messages carry their numbers. */
  readonly devices: { readonly id: DeviceId; readonly number: number }[] = []
  // Three columns instead of a list of objects: a waiter costs no allocation.
  readonly #waiters: Waiter[] = []
  readonly #tokens: number[] = []
  readonly #seqs: number[] = []
  #told = 0

  constructor(buffer?: ArrayBuffer) {
    this.frames = new FrameBuffer(buffer)
  }

  wait(waiter: Waiter, token: number, seq: number): void {
    this.#waiters.push(waiter)
    this.#tokens.push(token)
    this.#seqs.push(seq)
  }

  /** Tells everyone, also those who begin to wait meanwhile. A waiter whose newest message is in `refused` is told so. */
  tellStored(refused?: ReadonlyMap<number, Refusal>): void {
    for (; this.#told < this.#waiters.length; this.#told += 1) {
      const waiter = this.#waiters[this.#told]!
      const seq = this.#seqs[this.#told]!
      const why = refused?.get(seq)
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
