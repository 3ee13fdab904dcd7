// The lines of a body that comes in chunks of any size. Lines are positions in the chunk; only one that is cut in two is copied.
import { limits } from '../limits.ts'

const newline = 0x0a
const partBytesAtFirst = 256

export class Lines {
  #chunk: Buffer | undefined = undefined
  #at = 0
  /** A line that has begun and whose end has not come. */
  #part: Buffer | undefined = undefined
  #partBytes = 0
  /** The rest of a line that is too long. */
  #passing = false
  #ended = false

  // ── the line that `next` found: `bytes` from `start` to `end`, until the next call ──
  bytes: Buffer = Buffer.alloc(0)
  start = 0
  end = 0
  /** The first line is 1; empty lines count, as in an editor. */
  number = 0

  /** All lines of the chunk before must have been taken. The chunk is read until `next` says `none`. */
  add(chunk: Buffer): void {
    this.#chunk = chunk
    this.#at = 0
  }

  /** Nothing more comes: what is left is the last line, with or without a newline. */
  finish(): void {
    this.#ended = true
  }

  /** `too-long`, said once and without the bytes, is a line past `limits.lineBytes`. */
  next(): 'line' | 'too-long' | 'none' {
    for (let chunk = this.#chunk; chunk !== undefined; chunk = this.#chunk) {
      const start = this.#at
      const end = chunk.indexOf(newline, start)
      if (end === -1) {
        this.#chunk = undefined
        if (!this.#passing && !this.#keep(chunk, start, chunk.length)) return this.#passOver(true)
        continue
      }
      this.#at = end + 1
      if (this.#at === chunk.length) this.#chunk = undefined
      if (this.#passing) this.#passing = false
      else if (this.#part !== undefined) return this.#keep(chunk, start, end) ? this.#wholePart() : this.#passOver(false)
      else return end - start > limits.lineBytes ? this.#passOver(false) : this.#found(chunk, start, end)
    }
    return this.#ended && this.#part !== undefined ? this.#wholePart() : 'none'
  }

  #found(bytes: Buffer, start: number, end: number): 'line' {
    this.number++
    this.bytes = bytes
    this.start = start
    this.end = end
    return 'line'
  }

  #passOver(hasMore: boolean): 'too-long' {
    this.number++
    this.#part = undefined
    this.#partBytes = 0
    this.#passing = hasMore
    return 'too-long'
  }

  #wholePart(): 'line' {
    const bytes = this.#part as Buffer
    const end = this.#partBytes
    this.#part = undefined
    this.#partBytes = 0
    return this.#found(bytes, 0, end)
  }

  /** The copy lets go of the socket's chunk. False when the line is too long. */
  #keep(chunk: Buffer, start: number, end: number): boolean {
    const bytes = this.#partBytes + end - start
    if (bytes > limits.lineBytes) return false
    if (this.#part === undefined || bytes > this.#part.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(partBytesAtFirst, 2 ** Math.ceil(Math.log2(bytes + 1))))
      this.#part?.copy(larger, 0, 0, this.#partBytes)
      this.#part = larger
    }
    chunk.copy(this.#part, this.#partBytes, start, end)
    this.#partBytes = bytes
    return true
  }
}

/** Nothing but blanks: a sign of life. */
export function isBlank(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0x20 && bytes[at] !== 0x0d && bytes[at] !== 0x09) return false
  return true
}
