// In the reader thread: points of a device in a range of time, found by index, merged where segments overlap, thinned for drawing.
import type { Database } from 'better-sqlite3'
import { Refusal } from '../../errors.ts'
import { limits } from '../../limits.ts'
import { cut, inOrder, joined } from '../series/columns.ts'
import { thin } from '../series/thin.ts'
import type { HistoryQuery, Series } from '../store.ts'
import { decodeSegment } from './segment.ts'

interface SeriesRow {
  readonly id: number
  readonly metric: string
}

interface SegmentSpan {
  readonly id: number
  readonly firstMs: number
  readonly lastMs: number
  readonly count: number
  readonly kind: number
}

export class History {
  readonly #seriesOf
  readonly #spans
  readonly #bytes

  constructor(db: Database) {
    this.#seriesOf = db.prepare<{ deviceId: string; metric: string | null }, SeriesRow>(`
      SELECT series.id, series.metric FROM series JOIN devices ON devices.number = series.device
      WHERE devices.id = $deviceId AND ($metric IS NULL OR series.metric = $metric) ORDER BY series.metric`)
    this.#spans = db.prepare<[number, number, number], SegmentSpan>(`
      SELECT id, first_ms AS firstMs, last_ms AS lastMs, count, kind FROM segments
      WHERE series = ? AND last_ms >= ? AND first_ms <= ?`)
    this.#bytes = db.prepare<[number], Buffer>('SELECT bytes FROM segments WHERE id = ?').pluck()
  }

  /** Series that have points in the range. */
  read(query: HistoryQuery): Series[] {
    const { deviceId, metric = null, fromMs, toMs } = query
    let pointsRead = 0
    const found = this.#seriesOf.all({ deviceId, metric }).map((series) => {
      const spans = this.#spans.all(series.id, fromMs, toMs)
      for (const { count } of spans) pointsRead += count
      return { metric: series.metric, spans }
    })
    if (pointsRead > limits.queryPoints) throw new Refusal('range-too-long', { limit: limits.queryPoints })
    return found.map(({ metric, spans }) => this.#readSeries(metric, spans, query)).filter(({ count }) => count > 0)
  }

  #readSeries(metric: string, spans: SegmentSpan[], { fromMs, toMs, pointsMax }: HistoryQuery): Series {
    const parts = overlapping(spans).map((together) => {
      const segments = together.map((span) => decodeSegment({ ...span, bytes: this.#bytes.get(span.id)! }))
      return cut(inOrder(joined(segments)), fromMs, toMs)
    })
    const { times, values } = joined(parts)
    const count = times.length
    const thinned = count > pointsMax
    if (values instanceof Float64Array) return { metric, ...thin({ times, values }, pointsMax), count, thinned }
    const newest = thinned ? count - Math.max(pointsMax, 0) : 0
    return { metric, times: Array.from(times.subarray(newest)), values: values.slice(newest), count, thinned }
  }
}

/** Groups of segments that share a stretch of time, in the order of time; in a group, in the order they were written. */
function overlapping(spans: SegmentSpan[]): SegmentSpan[][] {
  const groups: SegmentSpan[][] = []
  let lastMs = Number.NEGATIVE_INFINITY
  for (const span of spans.sort((a, b) => a.firstMs - b.firstMs)) {
    if (span.firstMs <= lastMs) groups.at(-1)!.push(span)
    else groups.push([span])
    lastMs = Math.max(lastMs, span.lastMs)
  }
  for (const group of groups) group.sort((a, b) => a.id - b.id)
  return groups
}
