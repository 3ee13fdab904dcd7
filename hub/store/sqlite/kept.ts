// In the writer thread: what is kept of a batch that could not be committed.
import { factKinds } from './fact.ts'
import { FrameCursor, frameKinds, recordStays } from './frame.ts'
import type { KeptFrames } from './journal.ts'

/** What of a batch that failed is not lost with its messages; sealed again when it is committed. */
export function keptOf(bytes: Buffer): KeptFrames | undefined {
  const cursor = new FrameCursor(bytes)
  const frames: Buffer[] = []
  let firstSeq = 0
  let lastSeq = 0
  while (cursor.next()) {
    const isFact = cursor.kind === frameKinds.fact
    const isRecord = cursor.kind === frameKinds.record && (cursor.flags & recordStays) !== 0
    if (!isFact && !isRecord && cursor.kind !== frameKinds.device) continue
    // These two tell of a message that is in no other batch.
    if (isFact && (cursor.flags === factKinds.received || cursor.flags === factKinds.willSent)) continue
    frames.push(bytes.subarray(cursor.start, cursor.end))
    if (firstSeq === 0) firstSeq = cursor.seq
    lastSeq = cursor.seq
  }
  // Copied, because the batch's buffer goes back to the loop on its own.
  return frames.length === 0 ? undefined : { frames: Buffer.concat(frames), count: frames.length, firstSeq, lastSeq }
}
