// Whole numbers in as few bits as the widest of their block needs.
// Source: frame of reference with bit packing (Lemire, Boytsov: Decoding billions of integers per second through vectorization, 2012).
import { type ByteReader, type ByteWriter, ChunkDamaged } from './bytes.ts'

/** Long enough that a block's own three bytes cost little, short enough that one outlier widens few of its neighbours. */
export const blockLength = 128

/** No more bits at once, so that four bytes hold a value at any of the eight places in a byte. */
const partBits = 24
const partUnit = 2 ** partBits

/** Bits for a whole number from 0 to 2^53 - 1. */
export function bitsFor(value: number): number {
  return value < 0x8000_0000 ? 32 - Math.clz32(value) : 32 + 32 - Math.clz32(Math.floor(value / 2 ** 32))
}

/** No number may be further from zero: the distance of two must be exact. */
const valueMax = 2 ** 52

/** The bytes that packing takes; infinite when it cannot. */
export function packedBytes(values: Float64Array, count: number): number {
  let bytes = 0
  for (let start = 0; start < count; start += blockLength) {
    const end = Math.min(start + blockLength, count)
    let low = values[start]!
    let high = low
    for (let at = start + 1; at < end; at += 1) {
      const value = values[at]!
      if (value < low) low = value
      else if (value > high) high = value
    }
    bytes += blockBytes(low, high, end - start)
  }
  return bytes
}

/** Of one block whose lowest and highest value these are; infinite when they cannot be packed. */
export function blockBytes(low: number, high: number, length: number): number {
  if (!(low > -valueMax && high < valueMax)) return Number.POSITIVE_INFINITY
  const headBytes = 1 + Math.max(1, Math.ceil((bitsFor(Math.abs(low)) + 1) / 7))
  return headBytes + Math.ceil((bitsFor(high - low) * length) / 8)
}

/** One block per 128 values: the width in bits, the lowest value, then each value's distance to it, low bits first. */
export function pack(values: Float64Array, count: number, out: ByteWriter): void {
  for (let start = 0; start < count; start += blockLength) {
    const end = Math.min(start + blockLength, count)
    let low = values[start]!
    let high = low
    for (let at = start + 1; at < end; at += 1) {
      const value = values[at]!
      if (value < low) low = value
      else if (value > high) high = value
    }
    const width = bitsFor(high - low)
    out.byte(width)
    out.signed(low)
    for (let from = 0; from < width; from += partBits)
      packPart(values, start, end, low, from, Math.min(width - from, partBits), from + partBits >= width, out)
  }
}

function packPart(
  values: Float64Array,
  start: number,
  end: number,
  low: number,
  from: number,
  width: number,
  last: boolean,
  out: ByteWriter,
): void {
  out.reserve((((end - start) * width) >> 3) + 1)
  const bytes = out.bytes
  let place = out.length
  let held = 0
  let bits = 0
  const unit = 2 ** from
  for (let at = start; at < end; at += 1) {
    const above = Math.floor((values[at]! - low) / unit)
    const part = last ? above : above - Math.floor(above / partUnit) * partUnit
    held |= part << bits
    bits += width
    while (bits >= 8) {
      bytes[place] = held
      place += 1
      held >>>= 8
      bits -= 8
    }
  }
  if (bits > 0) {
    bytes[place] = held
    place += 1
  }
  out.length = place
}

/** Into `values`, from the first on. The last three bytes behind `from.end` may be looked at: a chunk ends in a checksum of four. */
export function unpack(from: ByteReader, values: Float64Array): void {
  const count = values.length
  for (let start = 0; start < count; start += blockLength) {
    const end = Math.min(start + blockLength, count)
    const width = from.byte()
    if (width > 53) throw new ChunkDamaged('A block of the chunk claims numbers that are too wide.')
    const low = from.signed()
    if (width === 0) values.fill(low, start, end)
    else
      unpackFirst(
        from.bytes,
        from.take(Math.ceil((Math.min(width, partBits) * (end - start)) / 8)),
        values,
        start,
        end,
        low,
        Math.min(width, partBits),
      )
    for (let above = partBits; above < width; above += partBits) {
      const part = Math.min(width - above, partBits)
      unpackMore(from.bytes, from.take(Math.ceil((part * (end - start)) / 8)), values, start, end, 2 ** above, part)
    }
  }
}

function unpackFirst(bytes: Uint8Array, at: number, values: Float64Array, start: number, end: number, low: number, width: number): void {
  const mask = (1 << width) - 1
  let bit = at * 8
  for (let index = start; index < end; index += 1) {
    const place = bit >>> 3
    const four = bytes[place]! | (bytes[place + 1]! << 8) | (bytes[place + 2]! << 16) | (bytes[place + 3]! << 24)
    values[index] = low + ((four >>> (bit & 7)) & mask)
    bit += width
  }
}

function unpackMore(bytes: Uint8Array, at: number, values: Float64Array, start: number, end: number, unit: number, width: number): void {
  const mask = (1 << width) - 1
  let bit = at * 8
  for (let index = start; index < end; index += 1) {
    const place = bit >>> 3
    const four = bytes[place]! | (bytes[place + 1]! << 8) | (bytes[place + 2]! << 16) | (bytes[place + 3]! << 24)
    values[index] = values[index]! + ((four >>> (bit & 7)) & mask) * unit
    bit += width
  }
}
