// A chunk: the points of one series over a stretch of time, as bytes. README.md describes them one by one.
import type { MetricValue } from '../../../devices/device.ts'
import { type ByteReader, type ByteWriter, ChunkDamaged, type Parts } from './bytes.ts'
import type { Columns } from './columns.ts'
import { closed, type Head, kinds, lookAt, opened, sealed, verify } from './envelope.ts'
import { readNumbers, writeNumbers } from './numbers.ts'
import { nextIsOthers, readOthers, writeOthers } from './others.ts'

export { ChunkDamaged } from './bytes.ts'
export { chunkPointsMax } from './envelope.ts'

export interface ChunkOptions {
  /** Without it zstd is left out: for a few points that are soon written anew. */
  readonly compress: boolean
}

/** The points from `start` to `end` (not included), of columns whose times strictly ascend: 1 to `chunkPointsMax` of them. */
export function encodeChunk(
  { times, values }: Columns,
  start: number,
  end: number,
  { compress }: ChunkOptions = { compress: true },
): Buffer {
  return sealed(kinds.points, { count: end - start, firstMs: times[start]!, lastMs: times[end - 1]! }, (parts) => {
    writeNumbers(times, start, end, compress, parts)
    writeValues(values, start, end, compress, parts)
  })
}

/** Errors: `ChunkDamaged`, whatever the bytes are. */
export function decodeChunk(bytes: Uint8Array): Columns {
  const { count, firstMs, lastMs, from } = opened(kinds.points, bytes)
  const times = readNumbers(count, from)
  const values = readValues(count, from)
  closed(from)
  if (times[0] !== firstMs || times[count - 1] !== lastMs) throw new ChunkDamaged('The times of the chunk are not those that it announces.')
  return { times, values }
}

/** From the head alone: nothing else is checked. Errors: `ChunkDamaged`. */
export function lookAtChunk(bytes: Uint8Array): Head {
  return lookAt(kinds.points, bytes)
}

/** The checksum alone, of chunks of points and of rollups. Errors: `ChunkDamaged`. */
export function verifyChunk(bytes: Uint8Array): void {
  verify(bytes)
}

export function writeValues(
  values: Float64Array | readonly MetricValue[],
  start: number,
  end: number,
  compress: boolean,
  parts: Parts<ByteWriter>,
): void {
  if (values instanceof Float64Array) writeNumbers(values, start, end, compress, parts)
  else writeOthers(values, start, end, compress, parts)
}

export function readValues(count: number, from: Parts<ByteReader>): Float64Array | MetricValue[] {
  return nextIsOthers(from) ? readOthers(count, from) : readNumbers(count, from)
}
