// In the writer thread: the statements behind series.ts. One call of `write` is one transaction.
import type { Database } from 'better-sqlite3'
import type { DeviceId, MetricValue } from '../../../devices/device.ts'
import { limits } from '../../limits.ts'
import type { DeviceState, SeriesState } from './device-state.ts'
import { headsOf } from './heads.ts'
import type { RetainedChange } from './series.ts'

const trimRows = 64 // more than come per flush when the disk is slow; when it is fast, twice as many as came

export class SeriesTables {
  readonly #db: Database
  readonly #sql: ReturnType<typeof statements>
  #lastSeriesId: number
  #journalBytes: number
  #journalCountedSeq: number
  #journalRowsNew = 0

  constructor(db: Database) {
    this.#db = db
    this.#sql = statements(db)
    this.#lastSeriesId = db.prepare<[], number>('SELECT coalesce(max(id), 0) FROM series').pluck().get()!
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
    const written: SeriesState[] = []
    let journalBytes = 0
    this.#db.transaction(() => {
      for (const device of devices) written.push(...this.#writeDevice(device))
      for (const change of retained) this.#writeRetained(change)
      journalBytes = this.#journalBytes - this.#trimJournal(projectedSeq)
      this.#sql.setMeta.run('projected_seq', projectedSeq)
      this.#sql.setMeta.run('journal_bytes', journalBytes)
      this.#sql.setMeta.run('journal_counted_seq', this.#journalCountedSeq)
    })()
    for (const series of written) series.stored = true
    this.#journalBytes = journalBytes
    this.#journalRowsNew = 0
  }

  /** Returns the series that moved. */
  #writeDevice(device: DeviceState): SeriesState[] {
    const gathered = device.unflushed()
    let rows = 0
    let depth = 0
    for (const { points, deepest, bytes } of headsOf(gathered.map(([series, points]) => [series.id, points]))) {
      this.#sql.insertHead.run(device.number, device.lastSeenMs, points, deepest, bytes)
      rows += 1
      depth += deepest
    }
    for (const [series] of gathered) {
      const lastValue = JSON.stringify(series.lastValue)
      if (series.stored) this.#sql.updateSeries.run(series.lastMs, lastValue, series.id)
      else this.#sql.insertSeries.run(series.id, device.number, series.metric, series.lastMs, lastValue)
    }
    this.#sql.seen.run(device.lastSeenMs, device.lastSeq, rows, depth, device.number)
    const { refusal } = device
    if (refusal !== undefined) this.#sql.refusal.run(refusal.atMs, refusal.topic, refusal.sentence, device.number)
    return gathered.map(([series]) => series)
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

function statements(db: Database) {
  return {
    device: db.prepare<[number], { id: DeviceId; flushedSeq: number }>(
      'SELECT id, flushed_seq AS flushedSeq FROM devices WHERE number = ?',
    ),
    seriesOf: db.prepare<[number], SeriesRow>('SELECT id, metric, last_ms AS lastMs, last_value AS lastValue FROM series WHERE device = ?'),
    insertSeries: db.prepare('INSERT INTO series (id, device, metric, last_ms, last_value) VALUES (?, ?, ?, ?, ?)'),
    updateSeries: db.prepare('UPDATE series SET last_ms = ?, last_value = ? WHERE id = ?'),
    insertHead: db.prepare('INSERT INTO heads (device, at_ms, points, deepest, bytes) VALUES (?, ?, ?, ?, ?)'),
    seen: db.prepare(
      `UPDATE devices SET last_seen_ms = ?, flushed_seq = ?, head_rows = head_rows + ?, head_depth = head_depth + ? WHERE number = ?`,
    ),
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
