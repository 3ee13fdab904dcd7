// In the writer thread, once: databases of versions up to 3 kept points as rows of `segments`. They become heads, which the keeper makes
// chunks of; the points of one series are moved in one transaction, so a start that is cut goes on where it was.
import type { Database } from 'better-sqlite3'
import type { MetricValue } from '../../../devices/device.ts'
import { type Columns, inOrder, joined } from '../series/columns.ts'
import { headsOf } from './heads.ts'

interface SegmentRow {
  readonly count: number
  readonly kind: number
  readonly bytes: Buffer
}

/** Times and values as float64 each, in the machine's (little-endian) order; in the other kind the values are one JSON array. */
const numbersKind = 1

export function convertSegments(db: Database): void {
  if (db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'segments'`).get() === undefined) return
  const next = db.prepare<[], { series: number; device: number; atMs: number }>(`
    SELECT series.id AS series, device, last_ms AS atMs FROM series JOIN (SELECT series FROM segments LIMIT 1) AS found ON found.series = series.id`)
  const segments = db.prepare<[number], SegmentRow>('SELECT count, kind, bytes FROM segments WHERE series = ? ORDER BY id')
  const insert = db.prepare('INSERT INTO heads (device, at_ms, points, deepest, bytes) VALUES (?, ?, ?, ?, ?)')
  const grow = db.prepare('UPDATE devices SET head_rows = head_rows + 1, head_depth = head_depth + ? WHERE number = ?')
  const remove = db.prepare('DELETE FROM segments WHERE series = ?')
  for (let row = next.get(); row !== undefined; row = next.get()) {
    const { series, device, atMs } = row
    db.transaction(() => {
      const points = inOrder(joined(segments.all(series).map(pointsOf)))
      for (const head of headsOf([[series, points]])) {
        insert.run(device, atMs, head.points, head.deepest, head.bytes)
        grow.run(head.deepest, device)
      }
      remove.run(series)
    })()
  }
  db.exec('DROP TABLE segments')
}

function pointsOf({ count, kind, bytes }: SegmentRow): Columns {
  // A copy, because float64 columns must begin at a multiple of eight.
  const columns = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + count * (kind === numbersKind ? 16 : 8)))
  const times = columns.subarray(0, count)
  if (kind === numbersKind) return { times, values: columns.subarray(count) }
  const values = JSON.parse(bytes.toString('utf8', count * 8)) as MetricValue[]
  return { times, values }
}
