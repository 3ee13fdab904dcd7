// Bytes of a chunk, written and read: what every encoding stands on.

/** Bytes that are no chunk of ours any more, or never were. The message says what is wrong with them. */
export class ChunkDamaged extends Error {
  override readonly name = 'ChunkDamaged'
}

const float = new Float64Array(1)
const floatBytes = new Uint8Array(float.buffer)

const firstBytes = 16 * 1024

/** What one long text made a buffer grow to is let go of. */
const keptBytesMax = 1024 * 1024

/** A buffer that grows and is used again. Hot loops `reserve` once and write into `bytes` themselves. */
export class ByteWriter {
  bytes = new Uint8Array(firstBytes)
  length = 0

  clear(): void {
    this.length = 0
    if (this.bytes.length > keptBytesMax) this.bytes = new Uint8Array(firstBytes)
  }

  /** Makes room for so many more. `bytes` may be another array afterwards. */
  reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + more))
    grown.set(this.bytes.subarray(0, this.length))
    this.bytes = grown
  }

  byte(value: number): void {
    this.reserve(1)
    this.bytes[this.length] = value
    this.length += 1
  }

  /** LEB128 of a whole number from 0 to 2^53. */
  varint(value: number): void {
    this.reserve(8)
    let rest = value
    while (rest >= 0x80) {
      this.bytes[this.length] = (rest % 0x80) + 0x80
      this.length += 1
      rest = Math.floor(rest / 0x80)
    }
    this.bytes[this.length] = rest
    this.length += 1
  }

  signed(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value)
  }

  float64(value: number): void {
    this.reserve(8)
    float[0] = value
    this.bytes.set(floatBytes, this.length)
    this.length += 8
  }

  append(more: Uint8Array): void {
    this.reserve(more.length)
    this.bytes.set(more, this.length)
    this.length += more.length
  }

  /** A view, valid until the next write. */
  written(start = 0): Uint8Array {
    return this.bytes.subarray(start, this.length)
  }
}

/** Reads what a `ByteWriter` wrote; whatever does not fit is `ChunkDamaged`. */
export class ByteReader {
  readonly bytes: Uint8Array
  at: number
  readonly end: number

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  /** Passes over so many bytes and says where they begin. */
  take(count: number): number {
    const at = this.at
    if (count > this.end - at) throw new ChunkDamaged('The chunk ends too early.')
    this.at = at + count
    return at
  }

  byte(): number {
    return this.bytes[this.take(1)]!
  }

  varint(): number {
    let value = 0
    let unit = 1
    for (let length = 1; length <= 8; length += 1) {
      const byte = this.byte()
      value += (byte & 0x7f) * unit
      if (byte < 0x80) {
        if (value > 2 ** 53) break
        return value
      }
      unit *= 0x80
    }
    throw new ChunkDamaged('A number of the chunk is longer than any it can hold.')
  }

  signed(): number {
    const value = this.varint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  float64(): number {
    const at = this.take(8)
    for (let index = 0; index < 8; index += 1) floatBytes[index] = this.bytes[at + index]!
    return float[0]!
  }
}

/** The two parts of a chunk: bytes as they are, and bytes that zstd makes smaller, all in one frame. */
export interface Parts<Part> {
  readonly plain: Part
  readonly squeezed: Part
}
