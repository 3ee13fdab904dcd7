// zstd at level 1, with bounds on what a frame may ask for.
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { ChunkDamaged } from './bytes.ts'

/** What the compressed part of one chunk may grow to; longer texts stay as they are. */
export const squeezedBytesMax = 16 * 1024 * 1024

/** Matches shorter than seven bytes cost more than the few bits a literal of such planes takes: 335 bytes instead of 364. */
const compression = { params: { [constants.ZSTD_c_compressionLevel]: 1, [constants.ZSTD_c_minMatch]: 7 } }

/** Level 1 asks for windows of 2^19 bytes; without this bound a frame could ask for 2^27. */
const windowLogMax = 20

export function squeeze(bytes: Uint8Array): Uint8Array {
  return zstdCompressSync(bytes, { ...compression, chunkSize: Math.max(bytes.length + 64, 64) })
}

/** The frame's content, exactly so long. */
export function unsqueezed(frame: Uint8Array, length: number): Uint8Array {
  let bytes: Uint8Array
  try {
    bytes = zstdDecompressSync(frame, {
      chunkSize: Math.min(Math.max(length, 64), 65_536),
      maxOutputLength: Math.max(length, 1),
      params: { [constants.ZSTD_d_windowLogMax]: windowLogMax },
    })
  } catch {
    throw new ChunkDamaged('The compressed part of the chunk cannot be read.')
  }
  if (bytes.length !== length) throw new ChunkDamaged('The compressed part of the chunk is not as long as it says.')
  return bytes
}
