// In the writer thread: the statements behind series.ts. One call of `write` is one transaction.
import type { Database } from 'better-sqlite3'
import type { DeviceId, MetricValue } from '../../../devices/device.ts'
import { limits } from '../../limits.ts'
import { type Columns, inOrder, joined } from '../series/columns.ts'
import type { DeviceState, SeriesState } from './device-state.ts'
import { decodeSegment, encodeSegment } from './segment.ts'
import type { RetainedChange } from './series.ts'

const segmentPointsMax = 4096 // 64 KiB of numbers: what a short range has to read at most
const segmentPointsGood = 1024 // from here on a segment is left as it is
const tailSegmentsMax = 32 // shorter ones that a series collects before they become one
const trimRows = 64 // more than come per flush when the disk is slow; when it is fast, twice as many as came

export class SeriesTables {
  readonly #db: Database
  readonly #sql: ReturnType<typeof statements>
  #lastSeriesId: number
  #lastSegmentId: number
  #journalBytes: number
  #journalCountedSeq: number
  #journalRowsNew = 0

  constructor(db: Database) {
    this.#db = db
    this.#sql = statements(db)
    this.#lastSeriesId = db.prepare<[], number>('SELECT coalesce(max(id), 0) FROM series').pluck().get()!
    this.#lastSegmentId = db.prepare<[], number>('SELECT coalesce(max(id), 0) FROM segments').pluck().get()!
    const meta = db.prepare<[string], number>('SELECT value FROM meta WHERE name = ?').pluck()
    this.#journalCountedSeq = meta.get('journal_counted_seq') ?? 0
    // Only the batches since the last flush are added up; the sum of the others is on record.
    const uncounted = this.#sql.uncountedJournal.get(this.#journalCountedSeq)!
    this.#journalBytes = (meta.get('journal_bytes') ?? 0) + uncounted.bytes
    this.#journalCountedSeq = Math.max(this.#journalCountedSeq, uncounted.lastSeq)
  }

  newSeriesId(): number {
    this.#lastSeriesId += 1
    return this.#lastSeriesId
  }

  journalGrew(bytes: number, lastSeq: number): void {
    this.#journalBytes += bytes
    this.#journalCountedSeq = lastSeq
    this.#journalRowsNew += 1
  }

  loadDevice(number: number, create: (id: DeviceId, flushedSeq: number) => DeviceState): DeviceState | undefined {
    const row = this.#sql.device.get(number)
    if (row === undefined) return undefined
    const device = create(row.id, row.flushedSeq)
    for (const { id, metric, lastMs, lastValue } of this.#sql.seriesOf.all(number)) {
      device.addSeries(id, metric, { lastMs, lastValue: JSON.parse(lastValue) as MetricValue })
    }
    return device
  }

  write(devices: readonly DeviceState[], retained: Iterable<RetainedChange>, projectedSeq: number): void {
    for (const device of devices) device.fold()
    const tails = new Map<SeriesState, readonly number[]>()
    let journalBytes = 0
    this.#db.transaction(() => {
      // In the order of ids, because neighbours share a page.
      const gathered = devices.flatMap((device) => device.unflushed()).sort(([a], [b]) => a.id - b.id)
      for (const [series, points] of gathered) tails.set(series, this.#writeSeries(series, points))
      for (const device of devices) {
        this.#sql.seen.run(device.lastSeenMs, device.lastSeq, device.number)
        const { refusal } = device
        if (refusal !== undefined) this.#sql.refusal.run(refusal.atMs, refusal.topic, refusal.sentence, device.number)
      }
      for (const change of retained) this.#writeRetained(change)
      journalBytes = this.#journalBytes - this.#trimJournal(projectedSeq)
      this.#sql.setMeta.run('projected_seq', projectedSeq)
      this.#sql.setMeta.run('journal_bytes', journalBytes)
      this.#sql.setMeta.run('journal_counted_seq', this.#journalCountedSeq)
    })()
    for (const [one, tail] of tails) {
      one.tail = tail
      one.stored = true
    }
    this.#journalBytes = journalBytes
    this.#journalRowsNew = 0
  }

  /** Returns the series' new tail. */
  #writeSeries(series: SeriesState, points: Columns): readonly number[] {
    const { id, device, metric, lastMs, stored, tail } = series
    const lastValue = JSON.stringify(series.lastValue)
    if (stored) this.#sql.updateSeries.run(lastMs, lastValue, id)
    else this.#sql.insertSeries.run(id, device.number, metric, lastMs, lastValue)

    if (points.times.length >= segmentPointsGood) {
      this.#insert(id, points)
      return [] // the tail is older than this segment, and what is merged must be the newest that was written
    }
    if (tail.length < tailSegmentsMax) return [...tail, this.#insert(id, points)]

    const merged = this.#takeTail(tail, points)
    const mergedId = this.#insert(id, merged)
    return merged.times.length < segmentPointsGood ? [mergedId] : []
  }

  /** Removes these segments and returns their points with those gathered since. */
  #takeTail(tail: readonly number[], gathered: Columns): Columns {
    const parts = tail.map((id) => decodeSegment(this.#sql.segment.get(id)!))
    for (const id of tail) this.#sql.deleteSegment.run(id)
    return inOrder(joined([...parts, gathered]))
  }

  /** Returns the id of the last segment written. */
  #insert(series: number, points: Columns): number {
    const count = points.times.length
    for (let start = 0; start < count; start += segmentPointsMax) {
      const { firstMs, lastMs, count: length, kind, bytes } = encodeSegment(points, start, Math.min(count, start + segmentPointsMax))
      this.#lastSegmentId += 1
      this.#sql.insertSegment.run(this.#lastSegmentId, series, firstMs, lastMs, length, kind, bytes)
    }
    return this.#lastSegmentId
  }

  #writeRetained({ topic, seq, atMs, qos, properties, payload }: RetainedChange): void {
    if (payload.length === 0) this.#sql.deleteRetained.run(topic, seq)
    else this.#sql.upsertRetained.run(topic, seq, atMs, qos, properties ?? null, payload)
  }

  /** Lets go of the oldest batches past the limit, a few at a time, never of one that is still needed. Returns their bytes. */
  #trimJournal(projectedSeq: number): number {
    const excess = this.#journalBytes - limits.journalBytes
    if (excess <= 0) return 0
    let freed = 0
    for (const { firstSeq, lastSeq, bytes } of this.#sql.oldestJournal.all(trimRows + this.#journalRowsNew * 2)) {
      if (freed >= excess || lastSeq > projectedSeq) break
      this.#sql.deleteJournal.run(firstSeq)
      freed += bytes
    }
    return freed
  }
}

interface SeriesRow {
  readonly id: number
  readonly metric: string
  readonly lastMs: number
  readonly lastValue: string
}

interface SegmentRow {
  readonly count: number
  readonly kind: number
  readonly bytes: Buffer
}

function statements(db: Database) {
  return {
    device: db.prepare<[number], { id: DeviceId; flushedSeq: number }>(
      'SELECT id, flushed_seq AS flushedSeq FROM devices WHERE number = ?',
    ),
    seriesOf: db.prepare<[number], SeriesRow>('SELECT id, metric, last_ms AS lastMs, last_value AS lastValue FROM series WHERE device = ?'),
    insertSeries: db.prepare('INSERT INTO series (id, device, metric, last_ms, last_value) VALUES (?, ?, ?, ?, ?)'),
    updateSeries: db.prepare('UPDATE series SET last_ms = ?, last_value = ? WHERE id = ?'),
    segment: db.prepare<[number], SegmentRow>('SELECT count, kind, bytes FROM segments WHERE id = ?'),
    insertSegment: db.prepare('INSERT INTO segments (id, series, first_ms, last_ms, count, kind, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)'),
    deleteSegment: db.prepare('DELETE FROM segments WHERE id = ?'),
    seen: db.prepare('UPDATE devices SET last_seen_ms = ?, flushed_seq = ? WHERE number = ?'),
    refusal: db.prepare('UPDATE devices SET refusal_at_ms = ?, refusal_topic = ?, refusal_sentence = ? WHERE number = ?'),
    // A replay meets older states of a topic again; they must not undo newer ones.
    upsertRetained: db.prepare(`
      INSERT INTO retained (topic, seq, at_ms, qos, properties, payload) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (topic) DO UPDATE SET seq = excluded.seq, at_ms = excluded.at_ms, qos = excluded.qos,
        properties = excluded.properties, payload = excluded.payload WHERE excluded.seq >= seq`),
    deleteRetained: db.prepare('DELETE FROM retained WHERE topic = ? AND seq <= ?'),
    setMeta: db.prepare('INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value'),
    uncountedJournal: db.prepare<[number], { bytes: number; lastSeq: number }>(
      'SELECT coalesce(sum(length(bytes)), 0) AS bytes, coalesce(max(last_seq), 0) AS lastSeq FROM journal WHERE first_seq > ?',
    ),
    oldestJournal: db.prepare<[number], { firstSeq: number; lastSeq: number; bytes: number }>(
      'SELECT first_seq AS firstSeq, last_seq AS lastSeq, length(bytes) AS bytes FROM journal ORDER BY first_seq LIMIT ?',
    ),
    deleteJournal: db.prepare('DELETE FROM journal WHERE first_seq = ?'),
  }
}
