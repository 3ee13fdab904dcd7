// What every chunk is wrapped in: version, kind, count, the first and the last time, the columns, a checksum.
import { crc32 } from 'node:zlib'
import { ByteReader, ByteWriter, ChunkDamaged, type Parts } from './bytes.ts'
import { squeeze, squeezedBytesMax, unsqueezed } from './zstd.ts'

/** The most points of one chunk: what a decoder may be made to allocate by bytes that lie. */
export const chunkPointsMax = 65_536

const version = 1

/** One bit: there is a compressed part. */
const squeezedFlag = 1

/** The other bits of the second byte. */
export const kinds = { points: 0, rollup: 2 } as const

export type Kind = (typeof kinds)[keyof typeof kinds]

const checksumBytes = 4

export interface Head {
  readonly count: number
  readonly firstMs: number
  readonly lastMs: number
}

const parts: Parts<ByteWriter> = { plain: new ByteWriter(), squeezed: new ByteWriter() }
const whole = new ByteWriter()

/** Bytes with these columns. */
export function sealed(kind: Kind, { count, firstMs, lastMs }: Head, writeColumns: (parts: Parts<ByteWriter>) => void): Buffer {
  if (!(count > 0 && count <= chunkPointsMax)) throw new RangeError(`A chunk holds 1 to ${chunkPointsMax} points, not ${count}.`)
  const { plain, squeezed } = parts
  plain.clear()
  squeezed.clear()
  writeColumns(parts)
  whole.clear()
  whole.byte(version)
  whole.byte(squeezed.length > 0 ? kind + squeezedFlag : kind)
  whole.varint(count)
  whole.float64(firstMs)
  whole.float64(lastMs)
  if (squeezed.length > 0) {
    const frame = squeeze(squeezed.written())
    whole.varint(squeezed.length)
    whole.varint(frame.length)
    whole.append(frame)
  }
  whole.append(plain.written())
  const bytes = Buffer.allocUnsafe(whole.length + checksumBytes)
  bytes.set(whole.written())
  bytes.writeUInt32LE(crc32(whole.written()), whole.length)
  return bytes
}

/** The checksum alone. Errors: `ChunkDamaged`. */
export function verify(bytes: Uint8Array): void {
  const end = bytes.length - checksumBytes
  if (end < 0) throw new ChunkDamaged('The chunk is too short.')
  const sum = (bytes[end]! | (bytes[end + 1]! << 8) | (bytes[end + 2]! << 16) | (bytes[end + 3]! << 24)) >>> 0
  if (crc32(bytes.subarray(0, end)) !== sum) throw new ChunkDamaged('The checksum of the chunk does not fit its bytes.')
}

/** The head, and readers of what stands behind it. Errors: `ChunkDamaged`. */
export function opened(kind: Kind, bytes: Uint8Array): Head & { readonly from: Parts<ByteReader> } {
  verify(bytes)
  const { head, plain, hasSqueezed } = readHead(kind, bytes)
  if (!hasSqueezed) return { ...head, from: { plain, squeezed: new ByteReader(new Uint8Array(0)) } }
  const length = plain.varint()
  if (length > squeezedBytesMax) throw new ChunkDamaged('The chunk claims a compressed part that is too large.')
  const frameLength = plain.varint()
  const at = plain.take(frameLength)
  return { ...head, from: { plain, squeezed: new ByteReader(unsqueezed(bytes.subarray(at, at + frameLength), length)) } }
}

/** Errors: `ChunkDamaged` unless everything was read. */
export function closed({ plain, squeezed }: Parts<ByteReader>): void {
  if (plain.at !== plain.end || squeezed.at !== squeezed.end) throw new ChunkDamaged('The chunk is longer than its columns.')
}

export function lookAt(kind: Kind, bytes: Uint8Array): Head {
  return readHead(kind, bytes).head
}

function readHead(kind: Kind, bytes: Uint8Array): { head: Head; plain: ByteReader; hasSqueezed: boolean } {
  const plain = new ByteReader(bytes, 0, Math.max(bytes.length - checksumBytes, 0))
  const seenVersion = plain.byte()
  if (seenVersion !== version) throw new ChunkDamaged(`The chunk has the unknown version ${seenVersion}.`)
  const flags = plain.byte()
  if ((flags & ~squeezedFlag) !== kind) throw new ChunkDamaged('The chunk is of another kind.')
  const count = plain.varint()
  if (count === 0 || count > chunkPointsMax) throw new ChunkDamaged(`The chunk claims ${count} points.`)
  const firstMs = plain.float64()
  return { head: { count, firstMs, lastMs: plain.float64() }, plain, hasSqueezed: (flags & squeezedFlag) !== 0 }
}
