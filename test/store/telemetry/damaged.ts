// Damages a chunk of a closed store, as a bad sector does.
import assert from 'node:assert/strict'
import { decodeChunk } from '../../../hub/store/series/chunk.ts'
import { chunksIn, partitionsOf, pathOf, type StoredChunk, withDatabase } from './inside.ts'

/** A bit of the second chunk of the first raw partition. Returns the chunk as it was. */
export function damageSecondChunk(folder: string): StoredChunk {
  const { file } = partitionsOf(folder)[0]!
  const second = chunksIn(folder, file)[1]!
  const bytes = Buffer.from(second.bytes)
  bytes[bytes.length >> 1]! ^= 4
  assert.throws(() => decodeChunk(bytes))
  withDatabase(pathOf(folder, file), (db) => db.prepare('UPDATE chunks SET bytes = ? WHERE id = ?').run(bytes, second.id))
  return second
}
