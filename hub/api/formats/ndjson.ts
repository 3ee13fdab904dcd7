// NDJSON: `{"device":…,"metric":…,"time":ms,"value":…}`, one point a line.
import type { MetricValue } from '../../../devices/device.ts'
import { checkedDevice, jsonOf, numberText, type Row, type Rows, refuseRow } from './row.ts'
import { msOf } from './times.ts'

/** What all rows of a series begin with. */
export function ndjsonSeries({ device, metric }: Rows): string {
  return `{"device":${JSON.stringify(device)},"metric":${JSON.stringify(metric)},"time":`
}

export function ndjsonRow(series: string, rows: Rows, at: number): string {
  return `${series}${numberText(rows.times[at] as number)},"value":${jsonOf(rows.values[at] as MetricValue)}}\n`
}

/** A time may be ISO 8601 too. Errors: those of a row. */
export function readNdjson(text: string): Row {
  let line: unknown
  try {
    line = JSON.parse(text)
  } catch (error) {
    refuseRow(`it is not JSON: ${(error as Error).message}`)
  }
  if (typeof line !== 'object' || line === null || Array.isArray(line)) refuseRow('a line is one JSON object')
  const { device, metric, time, value } = line as Readonly<Record<string, unknown>>
  if (typeof metric !== 'string') refuseRow('metric is the name of a metric')
  if (value === undefined) refuseRow('it has no value')
  const atMs = typeof time === 'number' ? time : typeof time === 'string' ? msOf(time) : undefined
  if (atMs === undefined) refuseRow('time is Unix ms, or ISO 8601 as a string')
  return { device: checkedDevice(device), metric, atMs, value: value as MetricValue }
}
