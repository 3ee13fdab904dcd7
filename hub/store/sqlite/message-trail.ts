// In the writer thread: the newest batches that were projected, as long as facts may still name messages in them.
//
// A message is handed on after its commit, so the facts that follow from it stand in a later batch. Keeping a batch until then spares each
// fact a look into the journal table, where a message can only be found by reading its whole row.
import { FrameCursor } from './frame.ts'

interface Kept {
  readonly cursor: FrameCursor
  readonly lastSeq: number
  release(): void
}

export class MessageTrail {
  /** The oldest first. */
  readonly #kept: Kept[] = []
  #lastSeq = 0
  #lastFrame: Buffer | undefined

  /** Takes over a batch, to be released when no fact can name its messages any more. */
  add(bytes: Buffer, lastSeq: number, release: () => void): void {
    this.#kept.push({ cursor: new FrameCursor(bytes), lastSeq, release })
  }

  /** Every message up to `seq` was handed on, and what followed from it was met. */
  routed(seq: number): void {
    while (this.#kept.length > 0 && this.#kept[0]!.lastSeq <= seq) this.#kept.shift()!.release()
  }

  /** A copy of the frame; undefined when it is not here, or not what was written. Ever newer messages are found at once. */
  frameOf(seq: number): Buffer | undefined {
    if (seq !== this.#lastSeq) {
      this.#lastSeq = seq
      this.#lastFrame = this.#find(seq)
    }
    return this.#lastFrame
  }

  #find(seq: number): Buffer | undefined {
    const kept = this.#kept.find(({ lastSeq }) => lastSeq >= seq)
    if (kept === undefined) return undefined
    if (kept.cursor.seq > seq) kept.cursor.rewind()
    const { cursor } = kept
    while (cursor.seq < seq && cursor.next());
    return cursor.seq === seq && cursor.sealed ? Buffer.from(cursor.bytes.subarray(cursor.start, cursor.end)) : undefined
  }
}
