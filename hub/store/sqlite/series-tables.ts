// In the writer thread: the statements behind series.ts. One call of `write` is one transaction.
import type { Database } from 'better-sqlite3'
import type { DeviceId, Latest } from '../../../devices/device.ts'
import { lastSeriesName } from './deletions.ts'
import { type DeviceState, newestOf, type SeriesState } from './device-state.ts'
import { headsOf } from './heads.ts'
import { metaOf, setMeta } from './meta.ts'
import type { RetainedChange } from './series.ts'
import type { JournalTrimmer } from './trimmer.ts'

export class SeriesTables {
  readonly #db: Database
  readonly #trimmer: JournalTrimmer
  readonly #sql: ReturnType<typeof statements>
  #lastSeriesId: number

  constructor(db: Database, trimmer: JournalTrimmer) {
    this.#db = db
    this.#trimmer = trimmer
    this.#sql = statements(db)
    const lastOnRecord = db.prepare<[], number>('SELECT coalesce(max(id), 0) FROM series').pluck().get()!
    this.#lastSeriesId = Math.max(lastOnRecord, metaOf(db, lastSeriesName))
  }

  newSeriesId(): number {
    this.#lastSeriesId += 1
    return this.#lastSeriesId
  }

  loadDevice(number: number, create: (row: DeviceRow) => DeviceState): DeviceState | undefined {
    const row = this.#sql.device.get(number)
    if (row === undefined) return undefined
    const device = create(row)
    for (const { id, metric, lastMs, newest } of this.#sql.seriesOf.all(number)) {
      const { value } = (JSON.parse(`{${newest}}`) as Record<string, Latest>)[metric]!
      device.addSeries(id, metric, { lastMs, lastValue: value })
    }
    return device
  }

  write(devices: readonly DeviceState[], retained: Iterable<RetainedChange>, projectedSeq: number): void {
    const written: SeriesState[] = []
    let journalLeft = 0
    this.#db.transaction(() => {
      for (const device of devices) written.push(...this.#writeDevice(device))
      for (const change of retained) this.#writeRetained(change)
      setMeta(this.#db, 'projected_seq', projectedSeq)
      journalLeft = this.#trimmer.trim(projectedSeq, Date.now())
    })()
    for (const series of written) series.stored = true
    this.#trimmer.trimmed(journalLeft)
  }

  /** Returns the series that moved. */
  #writeDevice(device: DeviceState): SeriesState[] {
    const gathered = device.unflushed()
    let rows = 0
    let depth = 0
    for (const { points, deepest, bytes } of headsOf(gathered.map(([series, points]) => [series.id, points]))) {
      this.#sql.insertHead.run(device.number, device.touchedMs, points, deepest, bytes)
      rows += 1
      depth += deepest
    }
    for (const [series] of gathered) {
      if (series.stored) this.#sql.updateSeries.run(series.lastMs, newestOf(series), series.id)
      else this.#sql.insertSeries.run(series.id, device.number, series.metric, series.lastMs, newestOf(series))
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
}

export interface DeviceRow {
  readonly id: DeviceId
  readonly flushedSeq: number
  readonly type: string | null
}

interface SeriesRow {
  readonly id: number
  readonly metric: string
  readonly lastMs: number
  readonly newest: string
}

function statements(db: Database) {
  return {
    device: db.prepare<[number], DeviceRow>('SELECT id, flushed_seq AS flushedSeq, type FROM devices WHERE number = ?'),
    seriesOf: db.prepare<[number], SeriesRow>('SELECT id, metric, last_ms AS lastMs, newest FROM series WHERE device = ?'),
    insertSeries: db.prepare('INSERT INTO series (id, device, metric, last_ms, newest) VALUES (?, ?, ?, ?, ?)'),
    updateSeries: db.prepare('UPDATE series SET last_ms = ?, newest = ? WHERE id = ?'),
    insertHead: db.prepare('INSERT INTO heads (device, at_ms, points, deepest, bytes) VALUES (?, ?, ?, ?, ?)'),
    seen: db.prepare(
      `UPDATE devices SET last_seen_ms = coalesce(nullif(?, 0), last_seen_ms), flushed_seq = ?, head_rows = head_rows + ?, head_depth = head_depth + ? WHERE number = ?`,
    ),
    refusal: db.prepare('UPDATE devices SET refusal_at_ms = ?, refusal_topic = ?, refusal_sentence = ? WHERE number = ?'),
    // A replay meets older states of a topic again; they must not undo newer ones.
    upsertRetained: db.prepare(`
      INSERT INTO retained (topic, seq, at_ms, qos, properties, payload) VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (topic) DO UPDATE SET seq = excluded.seq, at_ms = excluded.at_ms, qos = excluded.qos,
        properties = excluded.properties, payload = excluded.payload WHERE excluded.seq >= seq`),
    deleteRetained: db.prepare('DELETE FROM retained WHERE topic = ? AND seq <= ?'),
  }
}
