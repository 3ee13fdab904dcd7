// The records of a body that comes in chunks of any size: lines, or in CSV what may hold line breaks between quotes. Records are positions in
// the chunk; only one that is cut in two is copied.
import { limits } from '../../limits.ts'

const newline = 0x0a
const quote = 0x22
const partBytesAtFirst = 256

export class Records {
  readonly #quoted: boolean
  #chunk: Buffer | undefined = undefined
  #at = 0
  /** Where the next quote of the chunk stands; its length when there is none. */
  #quoteAt = 0
  /** A record that has begun and whose end has not come, with the line breaks in it. */
  #part: Buffer = Buffer.alloc(0)
  #partBytes = 0
  #partLines = 0
  /** An odd number of quotes came so far. */
  #inQuotes = false
  /** The rest of a line that is too long. */
  #passing = false
  #ended = false
  #linesDone = 0

  // ── the record that `next` found: `bytes` from `start` to `end`, until the next call ──
  bytes: Buffer = this.#part
  start = 0
  end = 0
  /** The number of its first line; the first line is 1, and empty ones count. */
  line = 0

  /** `quoted`: a line break between double quotes is part of the record (RFC 4180). */
  constructor(quoted: boolean) {
    this.#quoted = quoted
  }

  /** All records of the chunk before must have been taken. */
  add(chunk: Buffer): void {
    this.#chunk = chunk
    this.#at = 0
    this.#quoteAt = -1
  }

  /** Nothing more comes: what is left is the last record. */
  finish(): void {
    this.#ended = true
  }

  /** `too-long`, said once and without the bytes, is a record past `limits.lineBytes`. Blank ones are passed over. */
  next(): 'record' | 'too-long' | 'none' {
    for (;;) {
      const found = this.#find()
      if (found !== 'record' || !isBlank(this.bytes, this.start, this.end)) return found
    }
  }

  #find(): 'record' | 'too-long' | 'none' {
    for (let chunk = this.#chunk; chunk !== undefined; chunk = this.#chunk) {
      const start = this.#at
      const found = chunk.indexOf(newline, start)
      const end = found === -1 ? chunk.length : found
      const next = found === -1 ? chunk.length : found + 1
      this.#at = next
      if (next === chunk.length) this.#chunk = undefined
      if (this.#passing) {
        if (found === -1) continue
        this.#passing = false
        this.#linesDone++
        continue
      }
      if (this.#quoted) this.#countQuotes(chunk, start, end)
      if (found !== -1) this.#partLines++
      // Whatever stands in quotes: the one that opened them may have been a slip.
      if (this.#partBytes + end - start > limits.lineBytes) return this.#passOver(found === -1)
      if (found !== -1 && !this.#inQuotes) return this.#found(chunk, start, end)
      this.#keep(chunk, start, next)
    }
    if (!this.#ended || this.#partBytes === 0) return 'none'
    this.#partLines++
    return this.#found(this.#part, 0, 0)
  }

  #countQuotes(chunk: Buffer, start: number, end: number): void {
    if (this.#quoteAt < start) this.#quoteAt = quoteFrom(chunk, start)
    while (this.#quoteAt < end) {
      this.#inQuotes = !this.#inQuotes
      this.#quoteAt = quoteFrom(chunk, this.#quoteAt + 1)
    }
  }

  #found(chunk: Buffer, start: number, end: number): 'record' {
    this.bytes = chunk
    this.start = start
    this.end = end
    if (this.#partBytes > 0) {
      this.#keep(chunk, start, end)
      this.bytes = this.#part
      this.start = 0
      this.end = this.#partBytes
    }
    this.#forget()
    return 'record'
  }

  #passOver(hasMore: boolean): 'too-long' {
    this.#passing = hasMore
    this.#forget()
    return 'too-long'
  }

  #forget(): void {
    this.line = this.#linesDone + 1
    this.#linesDone += this.#partLines
    this.#part = Buffer.alloc(0)
    this.#partBytes = 0
    this.#partLines = 0
    this.#inQuotes = false
  }

  /** The copy lets go of the socket's chunk. */
  #keep(chunk: Buffer, start: number, end: number): void {
    const bytes = this.#partBytes + end - start
    if (bytes > this.#part.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(partBytesAtFirst, 2 ** Math.ceil(Math.log2(bytes))))
      this.#part.copy(larger, 0, 0, this.#partBytes)
      this.#part = larger
    }
    chunk.copy(this.#part, this.#partBytes, start, end)
    this.#partBytes = bytes
  }
}

function quoteFrom(chunk: Buffer, start: number): number {
  const at = chunk.indexOf(quote, start)
  return at === -1 ? chunk.length : at
}

function isBlank(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0x20 && bytes[at] !== 0x0d && bytes[at] !== 0x09) return false
  return true
}
