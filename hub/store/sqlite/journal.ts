// The journal on the event loop: gathers messages into batches and hands one batch at a time to the writer thread.
import type { DeviceId } from '../../../devices/device.ts'
import type { Clock } from '../../clock.ts'
import { Refusal, type RefusalCode } from '../../errors.ts'
import { limits, MiB } from '../../limits.ts'
import { type Durability, frameFlags, type Journal, type Waiter } from '../store.ts'
import { Batch } from './batch.ts'
import { bytesAtFirst, frameKinds, recordStays } from './frame.ts'

/** What the journal asks of the writer thread. The buffer moves there and comes back through `takeBack`. */
export type Commit = (batch: SealedBatch) => Promise<CommitResult>

export interface SealedBatch {
  readonly buffer: ArrayBuffer
  readonly length: number
  readonly firstSeq: number
  readonly lastSeq: number
  readonly count: number
  readonly atMs: number
  /** See `Batch.routedSeq`. */
  readonly routedSeq: number
}

export type CommitResult =
  /** `refused`: checked messages that cannot be read, by sequence number, with the reason. */
  | { readonly is: 'stored'; readonly refused: readonly { readonly seq: number; readonly code: RefusalCode; readonly detail: string }[] }
  | { readonly is: 'full'; readonly kept?: KeptFrames | undefined }
  | { readonly is: 'failed'; readonly detail: string; readonly kept?: KeptFrames | undefined }

/** Of a batch that failed: devices and facts, which go into the next one because later frames build on them. */
export interface KeptFrames {
  readonly frames: Uint8Array
  readonly count: number
  readonly firstSeq: number
  readonly lastSeq: number
}

export interface JournalOptions {
  readonly epoch: number
  readonly nextSeq: number
  readonly durability: Durability
  readonly clock: Clock
  readonly commit: Commit
}

/** How long facts that nobody waits for lie until they get a commit of their own: a message in between takes them along. */
const factsWaitMs = 50
const retryMs = 1000 // after a batch that failed, what was kept of it
const spareBuffersMax = 4
const spareBytesKept = 1 * MiB // a larger buffer is kept only while batches need it
const none = new Uint8Array(0)
const encoder = new TextEncoder()

export class SqliteJournal implements Journal {
  readonly epoch: number
  readonly #durability: Durability
  readonly #clock: Clock
  readonly #commit: Commit
  #seq: number
  #open = new Batch()
  /** Full batches that wait for the disk, oldest first. */
  readonly #closed: Batch[] = []
  #committing: Batch | undefined
  #scheduled = false
  #later: NodeJS.Timeout | undefined
  #closing = false
  #oldestUnrouted: () => number = () => Number.POSITIVE_INFINITY
  /** Why nothing is stored any more: the disk failed, or the store was closed. */
  #ended: Refusal | undefined
  #backlogBytes = 0
  #storedSeq: number
  #messageSeq: number
  #resumes: (() => void)[] = []
  #idles: (() => void)[] = []
  readonly #spares: ArrayBuffer[] = []
  #recentBatchBytes = 0

  commits = 0
  commitFailures = 0
  messages = 0
  bytes = 0
  lastCommitMs = 0

  constructor({ epoch, nextSeq, durability, clock, commit }: JournalOptions) {
    this.epoch = epoch
    this.#seq = nextSeq - 1
    this.#storedSeq = this.#seq
    this.#messageSeq = this.#seq
    this.#durability = durability
    this.#clock = clock
    this.#commit = commit
  }

  get full(): boolean {
    return this.#backlogBytes > limits.backlogBytes
  }

  get backlogBytes(): number {
    return this.#backlogBytes
  }

  append(
    topic: Uint8Array,
    device: number,
    flags: number,
    properties: Uint8Array | undefined,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): number {
    const batch = this.#roomyBatch()
    if ((flags & frameFlags.checked) !== 0) batch.checked = true
    this.#frame(frameKinds.message, topic, device, flags, properties, bytes, start, end)
    batch.messages += 1
    this.#messageSeq = this.#seq
    if (!batch.urgent) this.#urge(batch)
    return this.#seq
  }

  appendDevice(id: DeviceId, device: number): number {
    const batch = this.#roomyBatch()
    this.#frame(frameKinds.device, encoder.encode(id), device, 0, undefined, none, 0, 0)
    if (!batch.urgent) this.#urge(batch)
    return this.#seq
  }

  /**
   * A fact joins the open batch whatever its size: it lies in the batch of the message it belongs to, and all that follows from handing on
   * one message lies in one batch. Returns its place in the sequence.
   */
  appendFact(session: number, kind: number, topic: Uint8Array, properties: Uint8Array | undefined, payload: Uint8Array): number {
    this.#frame(frameKinds.fact, topic, session, kind, properties, payload, 0, payload.length)
    if (this.#committing === undefined && !this.#open.urgent) this.#waitFor(factsWaitMs)
    return this.#seq
  }

  appendRecord(kind: number, device: number, key: string, body: string, stays: boolean): number {
    const bytes = encoder.encode(body)
    const flags = stays ? kind | recordStays : kind
    this.#frame(frameKinds.record, encoder.encode(key), device, flags, undefined, bytes, 0, bytes.length)
    if (this.#committing === undefined && !this.#open.urgent) this.#waitFor(factsWaitMs)
    return this.#seq
  }

  get newestSeq(): number {
    return this.#seq
  }

  get newestMessageSeq(): number {
    return this.#messageSeq
  }

  get storedSeq(): number {
    return this.#storedSeq
  }

  routedBy(oldestUnrouted: () => number): void {
    this.#oldestUnrouted = oldestUnrouted
  }

  /** With nothing on the way to the disk the waiter is told before this returns. */
  after(waiter: Waiter, token: number, checkedSeq = 0): void {
    const batch = this.#newestBatch()
    if (batch !== undefined) {
      batch.wait(waiter, token, this.#seq, checkedSeq)
      if (!batch.urgent) this.#urge(batch)
    } else if (this.#ended !== undefined) waiter.failed(token, this.#ended)
    else waiter.stored(token, this.#seq)
  }

  whenRoom(resume: () => void): void {
    if (this.full) this.#resumes.push(resume)
    else resume()
  }

  /** The writer thread needs the buffer no more; the next batch may have it. */
  takeBack(buffer: ArrayBuffer): void {
    const tooLarge = buffer.byteLength > spareBytesKept && buffer.byteLength > this.#recentBatchBytes * 4
    if (this.#spares.length < spareBuffersMax && !tooLarge) this.#spares.push(buffer)
  }

  /** The disk is lost: whoever waits, now or later, is told. */
  end(why: Refusal): void {
    this.#ended ??= why
    if (this.#committing === undefined) this.#next()
  }

  /** Resolves when everything appended so far is at rest; what is appended from now on is refused. */
  async close(): Promise<void> {
    this.#closing = true
    if (this.#newestBatch() !== undefined) {
      const idle = new Promise<void>((resolve) => this.#idles.push(resolve))
      this.#schedule()
      await idle
    }
    clearTimeout(this.#later)
    this.#ended ??= new Refusal('shutting-down', { seconds: 1 })
  }

  // Measured on the loop, frame, clock and waiter included: 0.5 µs a message.
  #frame(
    kind: number,
    topic: Uint8Array,
    device: number,
    flags: number,
    properties: Uint8Array | undefined,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const batch = this.#open
    this.#seq += 1
    if (batch.count === 0) batch.firstSeq = this.#seq
    batch.lastSeq = this.#seq
    batch.count += 1
    this.#backlogBytes += batch.frames.append(this.#seq, this.#clock.now(), device, kind, flags, topic, properties, bytes, start, end)
  }

  /** The open batch; a full one joins the queue first. */
  #roomyBatch(): Batch {
    if (this.#open.frames.length >= limits.batchBytes) this.#close()
    return this.#open
  }

  #close(): void {
    const batch = this.#open
    batch.routedSeq = Math.min(batch.lastSeq, this.#oldestUnrouted() - 1)
    this.#closed.push(batch)
    this.#open = new Batch(this.#spares.pop() ?? new ArrayBuffer(bufferBytesFor(this.#recentBatchBytes)))
  }

  #newestBatch(): Batch | undefined {
    if (this.#open.count > 0) return this.#open
    return this.#closed.at(-1) ?? this.#committing
  }

  /** While the disk is idle a batch is what one turn of the loop brings; else it closes when the commit before it returns. */
  #schedule(): void {
    if (this.#scheduled || this.#committing !== undefined) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      if (this.#committing === undefined) this.#next()
    })
  }

  /** From here on the batch is not put off. */
  #urge(batch: Batch): void {
    batch.urgent = true
    this.#schedule()
  }

  #waitFor(ms: number): void {
    this.#later ??= setTimeout(() => {
      this.#later = undefined
      if (this.#open.count === 0) return
      this.#urge(this.#open)
    }, ms)
  }

  #next(): void {
    if (this.#closed.length === 0 && this.#open.count > 0) {
      if (this.#open.urgent || this.#closing) this.#close()
      else {
        this.#waitFor(factsWaitMs)
        return
      }
    }
    const batch = this.#closed.shift()
    if (batch === undefined) {
      for (const idle of this.#idles.splice(0)) idle()
      return
    }
    this.#committing = batch
    if (this.#ended !== undefined) {
      this.#settle(batch, { is: 'failed', detail: this.#ended.message }, this.#ended)
      return
    }
    const closedMs = this.#clock.monotonic()
    const sealed = seal(batch, this.#clock.now())
    this.#recentBatchBytes = Math.max(sealed.length, this.#recentBatchBytes * 0.98)
    this.#commit(sealed).then(
      (result) => {
        this.lastCommitMs = this.#clock.monotonic() - closedMs
        this.#settle(batch, result)
      },
      // The writer thread died; its end is told to the store apart from this.
      (error: Error) => this.#settle(batch, { is: 'failed', detail: error.message }),
    )
    // Told last: a waiter may append and wait again, and then finds a journal that is committing.
    if (this.#durability === 'memory' && !batch.checked) batch.tellStored()
  }

  #settle(batch: Batch, result: CommitResult, why?: Refusal): void {
    this.#backlogBytes -= batch.frames.length
    if (result.is === 'stored') {
      this.commits += 1
      this.messages += batch.messages
      this.#storedSeq = batch.lastSeq
      this.bytes += batch.frames.length
      const refused = result.refused.map(({ seq, code, detail }) => [seq, new Refusal(code, { detail })] as const)
      batch.tellStored(refused.length === 0 ? undefined : new Map(refused))
    } else {
      this.commitFailures += 1
      if (result.kept !== undefined && this.#ended === undefined) this.#carry(result.kept)
      batch.tellFailed(why ?? (result.is === 'full' ? new Refusal('store-full') : new Refusal('store-failed', { detail: result.detail })))
    }
    // Only now: who began to wait while the others were told has been told in turn.
    this.#committing = undefined
    if (!this.full) for (const resume of this.#resumes.splice(0)) resume()
    this.#next()
  }

  /** Puts what was kept of a failed batch before all that goes to disk next. Its places are free: the failed batch has no row. */
  #carry({ frames, count, firstSeq, lastSeq }: KeptFrames): void {
    const next = this.#closed[0] ?? this.#open
    if (next.count === 0) next.lastSeq = lastSeq
    next.firstSeq = firstSeq
    next.count += count
    next.frames.prepend(frames)
    this.#backlogBytes += frames.length
    if (next === this.#open && !next.urgent) this.#waitFor(retryMs)
  }
}

/** A power of two with room for a batch like the recent ones, so that it need not grow. */
function bufferBytesFor(batchBytes: number): number {
  return Math.max(bytesAtFirst, 2 ** Math.ceil(Math.log2(batchBytes + 1)))
}

/** `frames` keeps the detached buffer's length for the bookkeeping; its bytes are gone with the commit. */
function seal(batch: Batch, atMs: number): SealedBatch {
  const { firstSeq, lastSeq, count, routedSeq, frames } = batch
  return { buffer: frames.buffer, length: frames.length, firstSeq, lastSeq, count, atMs, routedSeq }
}
