// Numbers of several bytes, all their lowest bytes first, then all the next ones: zstd sees the even planes apart from the noisy ones.
import { type ByteReader, type ByteWriter, ChunkDamaged, type Parts } from './bytes.ts'

/** What became of a plane. The numbers are part of the format. */
const modes = { zeros: 0, plain: 1, squeezed: 2 } as const

const histogram = new Uint32Array(256)

/** Little-endian numbers of `width` bytes each. */
export function planesOf(bytes: Uint8Array, count: number, width: number): Uint8Array {
  const planes = new Uint8Array(count * width)
  let place = 0
  for (let plane = 0; plane < width; plane += 1) {
    for (let at = plane; at < bytes.length; at += width) {
      planes[place] = bytes[at]!
      place += 1
    }
  }
  return planes
}

/** Whole numbers of either sign, folded to be positive, in as many planes as the largest needs. Below 2^52. */
export function planesOfWhole(values: Float64Array, count: number): Uint8Array {
  let highest = 0
  for (let at = 0; at < count; at += 1) {
    const value = values[at]!
    const folded = value < 0 ? -2 * value - 1 : 2 * value
    if (folded > highest) highest = folded
  }
  let width = 1
  for (let limit = 256; highest >= limit; limit *= 256) width += 1
  const planes = new Uint8Array(count * width)
  for (let at = 0; at < count; at += 1) {
    const value = values[at]!
    let folded = value < 0 ? -2 * value - 1 : 2 * value
    for (let place = at; place < planes.length; place += count) {
      planes[place] = folded // modulo 256, by its type
      folded = Math.floor(folded / 256)
    }
  }
  return planes
}

/** Headers of a frame and of its tables. */
const tableBytes = 40

const slots = new Int32Array(4096)

/**
 * About what zstd makes of a plane, without asking it, which would cost 30 µs: its literals take the entropy of single bytes, and strings of
 * eight bytes that were there before cost next to nothing.
 */
function squeezedBytes(plane: Uint8Array): number {
  const count = plane.length
  histogram.fill(0)
  slots.fill(0)
  let recent = 0
  let repeated = 0
  for (let at = 0; at < count; at += 1) {
    const byte = plane[at]!
    histogram[byte]! += 1
    recent = ((recent << 4) + byte) | 0 // after eight more bytes this one is shifted out
    const slot = Math.imul(recent, 0x9e3779b1) >>> 20
    if (slots[slot] === recent) repeated += 1
    else slots[slot] = recent
  }
  if (histogram[0] === count) return 0
  let bits = 0
  for (let byte = 0; byte < 256; byte += 1) {
    const seen = histogram[byte]!
    if (seen > 0) bits += seen * Math.log2(count / seen)
  }
  return tableBytes + (Math.max(bits, count / 4) * (count - repeated) + count) / count / 8
}

export interface Planes {
  readonly bytes: Uint8Array
  /** Of each plane, what is to become of it. */
  readonly modes: readonly number[]
  readonly estimatedBytes: number
}

/** Which planes are all zeros, which zstd makes smaller, and which are noise that would only spoil its tables. */
export function judged(bytes: Uint8Array, count: number, compress: boolean): Planes {
  const found: number[] = []
  let estimatedBytes = 2
  for (let start = 0; start < bytes.length; start += count) {
    const size = squeezedBytes(bytes.subarray(start, start + count))
    const squeezed = compress && size < count * 0.9
    found.push(size === 0 ? modes.zeros : squeezed ? modes.squeezed : modes.plain)
    estimatedBytes += squeezed ? size : size === 0 ? 0 : count
  }
  return { bytes, modes: found, estimatedBytes }
}

/** Two bits a plane, then the planes. */
export function writePlanes({ bytes, modes: found }: Planes, count: number, { plain, squeezed }: Parts<ByteWriter>): void {
  const all = found.reduce((sum, mode, plane) => sum | (mode << (2 * plane)), 0)
  plain.byte(all & 0xff)
  plain.byte(all >>> 8)
  for (const [plane, mode] of found.entries()) {
    if (mode === modes.plain) plain.append(bytes.subarray(plane * count, (plane + 1) * count))
    if (mode === modes.squeezed) squeezed.append(bytes.subarray(plane * count, (plane + 1) * count))
  }
}

/** Calls back for each plane that is not all zeros, with where it lies. */
export function readPlanes(
  width: number,
  count: number,
  from: Parts<ByteReader>,
  onPlane: (plane: number, bytes: Uint8Array, at: number) => void,
): void {
  const all = from.plain.byte() | (from.plain.byte() << 8)
  if (all >>> (2 * width) !== 0) throw new ChunkDamaged('A column of the chunk names planes that it cannot have.')
  for (let plane = 0; plane < width; plane += 1) {
    const mode = (all >>> (2 * plane)) & 3
    if (mode === modes.zeros) continue
    if (mode !== modes.plain && mode !== modes.squeezed) throw new ChunkDamaged('A plane of the chunk is written in an unknown way.')
    const reader = mode === modes.plain ? from.plain : from.squeezed
    onPlane(plane, reader.bytes, reader.take(count))
  }
}
