// The tables that people see: views over the tables of the file, and over points that are decoded while a statement runs.
//
// Points come to SQLite as one JSON object per thousand, {"time":value,…}, which json_each takes apart in C: 0.7 µs a point, where a row of a
// virtual table, called back for from C, costs 1.5. Both give the same float64 back; a whole number is written with .0, so that it is REAL.
import type { Database } from 'better-sqlite3'
import type { MetricValue } from '../../../../devices/device.ts'
import { limits } from '../../../limits.ts'
import type { Columns } from '../../series/columns.ts'
import type { DamagedSpan } from '../../sql.ts'
import type { Bounds } from './bounds.ts'
import type { SqlPoints } from './points.ts'

export const pointsTable = 'telemetry_points'

const pointsPerObject = 1000
const pointBytes = 16

/** What is decoded, as long as one statement runs. */
export interface Scan {
  bounds: Bounds
  points: number
  bytes: number
  damaged: DamagedSpan[]
  /** Points could not be read: nothing is wrong with the statement. */
  failure: unknown
}

/** Columns are in the order in which `SELECT *` shows them. Errors of the views are SQLite's. */
export function addTables(db: Database, reader: SqlPoints, scan: Scan): void {
  db.table(pointsTable, {
    parameters: ['series'],
    columns: ['points'],
    *rows(series: unknown) {
      if (typeof series !== 'number') return
      try {
        for (const part of reader.parts(series, scan.bounds.fromMs, scan.bounds.toMs, (span) => note(scan.damaged, span))) {
          scan.points += part.times.length
          scan.bytes += part.times.length * pointBytes
          for (let at = 0; at < part.times.length; at += pointsPerObject) yield [textOf(part, at)]
        }
      } catch (error) {
        scan.failure = error
        throw error
      }
    },
  })
  const number = (json: string) => `CASE json_type(${json}) WHEN 'integer' THEN CAST(${json} AS REAL) ELSE ${json} ->> '$' END`
  db.exec(`
    CREATE TEMP VIEW telemetry (device, metric, time, value) AS
      SELECT devices.id, series.metric, CAST(point.key AS NUMERIC), point.value
      FROM main.devices JOIN main.series ON series.device = devices.number
      JOIN ${pointsTable} AS part ON part.series = series.id JOIN json_each(part.points) AS point;
    CREATE TEMP VIEW devices (id, name, type, tags, created_at, last_seen_at) AS
      SELECT id, name, type, tags, created_ms, last_seen_ms FROM main.devices;
    CREATE TEMP VIEW series (device, metric, last_time, last_value) AS
      SELECT devices.id, series.metric, series.last_ms, ${number("(newest.value -> '$.value')")}
      FROM main.devices JOIN main.series ON series.device = devices.number JOIN json_each('{' || series.newest || '}') AS newest;
  `)
}

/** A statement may read the same points many times. */
function note(spans: DamagedSpan[], { from, to }: DamagedSpan): void {
  if (spans.length >= limits.sqlDamagedSpans || spans.some((span) => span.from === from && span.to === to)) return
  spans.push({ from, to })
}

function textOf({ times, values }: Columns, start: number): string {
  const end = Math.min(start + pointsPerObject, times.length)
  let text = '{'
  for (let at = start; at < end; at += 1) text += `${at === start ? '"' : ',"'}${times[at]!}":${valueText(values[at]!)}`
  return `${text}}`
}

function valueText(value: MetricValue): string {
  if (typeof value !== 'number') return JSON.stringify(value)
  const text = Object.is(value, -0) ? '-0' : `${value}`
  return Number.isInteger(value) && !text.includes('e') ? `${text}.0` : text
}
