// In the writer thread: turns committed batches into points, retained messages and sessions, a slice at a time, so that a commit never waits for it.
import { isUtf8 } from 'node:buffer'
import { connectedMetric, Points, parseTelemetry } from '../../../devices/telemetry.ts'
import { meaningOf } from '../../../devices/topics.ts'
import { Refusal } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { presenceGoesOn } from '../events.ts'
import { frameFlags, recordKinds } from '../store.ts'
import type { DeviceState } from './device-state.ts'
import { figure, type SharedFigures } from './figures.ts'
import { flat, readFlatReading } from './flat-reading.ts'
import { type FrameCursor, frameKinds, recordStays } from './frame.ts'
import { whyNotFlat, whyNotPoints } from './metric-schemas.ts'
import { presenceIn } from './presence-rows.ts'
import type { SeriesBook } from './series.ts'
import type { SessionBook } from './session-book.ts'

/** A batch on its way from the journal into the tables. */
export interface CommittedBatch {
  readonly cursor: FrameCursor
  readonly lastSeq: number
  /** See `Batch.routedSeq`. */
  readonly routedSeq: number
  /** Points of the checked frames, read before the commit: the n-th such frame's end at `ends[n]`. */
  readonly checked: { readonly points: Points; readonly ends: readonly number[] } | undefined
  /** Read back from disk, where bits may have flipped. */
  readonly replayed: boolean
  /** The bytes are needed no more. */
  release(): void
}

const framesPerLook = 16 // between looks at the clock

export class Projection {
  readonly #book: SeriesBook
  readonly #sessions: SessionBook
  readonly #figures: SharedFigures
  readonly #batches: CommittedBatch[] = []
  readonly #points = new Points()
  #checkedAt = 0
  #lagBytes = 0
  readonly #waiting: { readonly seq: number; reached(): void }[] = []

  constructor(book: SeriesBook, sessions: SessionBook, figures: SharedFigures) {
    this.#book = book
    this.#sessions = sessions
    this.#figures = figures
    figures[figure.projectedSeq] = book.gatheredSeq
  }

  get lagBytes(): number {
    return this.#lagBytes
  }

  /** There is work, and memory to do it in. */
  get ready(): boolean {
    return this.#batches.length > 0 && !this.#book.overfull
  }

  add(batch: CommittedBatch): void {
    this.#batches.push(batch)
    this.#lagBytes += batch.cursor.bytes.length
  }

  /** Works for about this long. */
  step(budgetMs: number): void {
    const endMs = performance.now() + budgetMs
    while (this.ready) {
      const batch = this.#batches[0]!
      for (let frame = 0; frame < framesPerLook; frame += 1) {
        if (!batch.cursor.next()) {
          this.#finish(batch)
          break
        }
        this.#project(batch)
      }
      this.#figures[figure.projectedSeq] = this.#book.gatheredSeq
      if (performance.now() > endMs) return
    }
  }

  /** Resolves when all points up to `seq` are gathered, or when that may take for ever. */
  async reach(seq: number): Promise<void> {
    if (this.#book.gatheredSeq < seq && this.ready) {
      await new Promise<void>((resolve) => this.#waiting.push({ seq, reached: resolve }))
    }
  }

  /** The disk takes no more: whoever waits for the projection goes on without it. */
  letGo(): void {
    for (const { reached } of this.#waiting.splice(0)) reached()
  }

  #finish(batch: CommittedBatch): void {
    this.#count(figure.damagedFrames, batch.cursor.gaps + (batch.cursor.broken ? 1 : 0))
    if (batch.lastSeq > this.#book.gatheredSeq) this.#book.gathered(batch.lastSeq)
    this.#batches.shift()
    this.#checkedAt = 0
    this.#lagBytes -= batch.cursor.bytes.length
    this.#sessions.batchEnded(batch)
    while (this.#waiting.length > 0 && this.#waiting[0]!.seq <= this.#book.gatheredSeq) this.#waiting.shift()!.reached()
  }

  #project(batch: CommittedBatch): void {
    const { cursor } = batch
    if (cursor.kind !== frameKinds.message && cursor.kind !== frameKinds.fact && !isPresence(cursor)) return
    if (batch.replayed) {
      if (cursor.seq <= this.#book.gatheredSeq) return
      if (!cursor.sealed) {
        this.#count(figure.damagedFrames, 1)
        cursor.passOver()
        return
      }
    }
    if (cursor.kind === frameKinds.message) this.#projectMessage(batch)
    else if (cursor.kind === frameKinds.record) this.#projectPresence(cursor)
    else if (!this.#sessions.take(cursor)) this.#count(figure.damagedFrames, 1)
    this.#book.gathered(cursor.seq)
  }

  #projectMessage(batch: CommittedBatch): void {
    const { cursor } = batch
    if ((cursor.flags & frameFlags.telemetry) !== 0) this.#projectTelemetry(batch)
    if ((cursor.flags & frameFlags.retain) !== 0) {
      this.#book.retain({
        topic: cursor.topic(),
        seq: cursor.seq,
        atMs: cursor.atMs,
        qos: cursor.flags & frameFlags.qos,
        // Copies: the batch's buffer goes back to the loop.
        properties: copyOf(cursor.properties()),
        payload: Buffer.from(cursor.payload()),
      })
    }
  }

  #projectPresence(cursor: FrameCursor): void {
    const device = this.#book.device(cursor.device)
    if (device === undefined || cursor.seq <= device.flushedSeq) return
    const { at, since } = presenceIn(cursor)
    const timeMs = cursor.topic() === presenceGoesOn ? cursor.atMs : (since ?? cursor.atMs)
    this.#book.takeOwn(device, cursor.seq, cursor.atMs, connectedMetric, timeMs, at === 'online')
    this.#count(figure.points, 1)
  }

  // 3 µs for a reading of 150 bytes with six numbers, of which JSON.parse is a third.
  #projectTelemetry({ cursor, checked }: CommittedBatch): void {
    const device = this.#book.device(cursor.device)
    let read = checked !== undefined && (cursor.flags & frameFlags.checked) !== 0 ? checked : undefined
    let start = 0
    if (read !== undefined) {
      start = read.ends[this.#checkedAt - 1] ?? 0
      if (read.ends[this.#checkedAt] === start) read = undefined // its points were not kept
      this.#checkedAt += 1
    }
    if (device === undefined) {
      // its number was never put on record
      this.#count(figure.telemetryRefused, 1)
      return
    }
    if (cursor.seq <= device.flushedSeq) return

    const points = read?.points ?? this.#points
    if (read === undefined) {
      points.count = 0
      start = 0
      const isChecked = (cursor.flags & frameFlags.checked) !== 0 // and was taken: a type that has changed since takes nothing back
      if (readFlat(cursor, device)) {
        const whyNot = isChecked ? undefined : whyNotFlat(device)
        if (whyNot !== undefined) {
          this.#refuse(cursor, device, whyNot)
          return
        }
        this.#count(figure.points, flat.count)
        this.#book.takeFlat(device, cursor.seq, cursor.atMs)
        return
      }
      const why = readTelemetry(cursor, device, points) ?? (isChecked ? undefined : whyNotPoints(device, points, 0))
      if (why !== undefined) {
        this.#refuse(cursor, device, why)
        return
      }
    }
    const end = read === undefined ? points.count : read.ends[this.#checkedAt - 1]!
    this.#count(figure.points, end - start)
    const { seq, atMs, payloadStart } = cursor
    if (this.#book.take(device, seq, atMs, cursor.end - payloadStart, points, start, end)) return
    this.#refuse(cursor, device, `the device has ${limits.metricsPerDevice} metrics, its limit (limits.metricsPerDevice)`)
  }

  #refuse(cursor: FrameCursor, device: DeviceState, detail: string): void {
    this.#count(figure.telemetryRefused, 1)
    this.#book.refuse(device, cursor.seq, cursor.atMs, cursor.topic(), new Refusal('telemetry-invalid', { detail }).message)
  }

  #count(which: (typeof figure)[keyof typeof figure], by: number): void {
    this.#figures[which]! += by
  }
}

function isPresence({ kind, flags }: FrameCursor): boolean {
  return kind === frameKinds.record && (flags & ~recordStays) === recordKinds.presence
}

/** The same as `readTelemetry`, faster, for the commonest readings alone: their points are in `flat`. False for any other. */
export function readFlat(cursor: FrameCursor, device: DeviceState): boolean {
  if (cursor.topicEnd - cursor.topicStart !== device.telemetryTopicBytes) return false // it names a metric
  return readFlatReading(cursor.bytes, cursor.payloadStart, cursor.end, device, cursor.atMs)
}

/** Reads the telemetry of the frame the cursor stands on; says why when it cannot. The device may not be on record yet. */
export function readTelemetry(cursor: FrameCursor, device: DeviceState | undefined, into: Points): string | undefined {
  const text = cursor.bytes.toString('utf8', cursor.payloadStart, cursor.end)
  // The replacement character is rare in text that is right, so only then the bytes are looked at again.
  if (text.includes('\ufffd') && !isUtf8(cursor.payload())) return 'it is not UTF-8'
  return parseTelemetry(text, metricOf(cursor, device), cursor.atMs, limits, into)
}

/** The metric that the topic names. Most topics name none, which their length tells. */
function metricOf(cursor: FrameCursor, device: DeviceState | undefined): string | undefined {
  if (cursor.topicEnd - cursor.topicStart === device?.telemetryTopicBytes) return undefined
  const meaning = meaningOf(cursor.topic())
  return meaning.is === 'telemetry' ? meaning.metric : undefined
}

function copyOf(bytes: Buffer | undefined): Buffer | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes)
}
