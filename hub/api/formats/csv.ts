// CSV (RFC 4180): `device,metric,time,value`, one point a row.
//
// Values keep their type: numbers, true, false, null and JSON stand as JSON writes them, a string as it is. Only a string that would read as
// something else (`1`, `true`, nothing at all), or that a spreadsheet would run as a formula, stands in JSON's quotes, inside those of CSV.
import { Refusal } from '../../errors.ts'
import { checkedDevice, type Row, type Rows, readValue, refuseRow, textOf } from './row.ts'
import { isoOf, msOf } from './times.ts'

export const csvHeader = 'device,metric,time,value\r\n'

/** Rows of one series as text: `csvRow(csvSeries(rows), at, …)`. */
export function csvSeries({ device, metric }: Rows): string {
  return `${field(device)},${field(metric)},`
}

export function csvRow(series: string, rows: Rows, at: number, times: 'iso' | 'ms'): string {
  const ms = rows.times[at] as number
  const value = rows.values[at] as Row['value']
  const text = typeof value === 'number' ? textOf(value) : field(textOf(value))
  return `${series}${times === 'iso' ? isoOf(ms) : ms},${text}\r\n`
}

/** A text in a column of its own; one that a spreadsheet would run as a formula stands in JSON's quotes. */
export function csvText(text: string): string {
  return field(textOf(text))
}

const needsQuotes = /[",\r\n]|^\s|\s$/

function field(text: string): string {
  return needsQuotes.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const wanted = ['device', 'metric', 'time', 'value'] as const

/** Reads records; the first is the header, which names the columns in any order. Columns of other names are passed over. */
export class CsvReader {
  #places: readonly number[] | undefined = undefined

  /** Undefined for the header. Errors: `request-invalid` when there is no header, and those of a row. */
  read(text: string): Row | undefined {
    if (this.#places === undefined) {
      this.#places = placesOf(text.startsWith('\ufeff') ? text.slice(1) : text)
      return undefined
    }
    const fields = fieldsOf(text)
    const [device, metric, time, value] = this.#places.map((place) => fields[place]) as [string?, string?, string?, string?]
    if (device === undefined || metric === undefined || time === undefined || value === undefined) {
      refuseRow(`the row has ${fields.length} fields, and fewer than its header`)
    }
    const atMs = msOf(time)
    if (atMs === undefined) refuseRow(`the time is ISO 8601 or Unix ms, not "${time.slice(0, 64)}"`)
    if (value === '') refuseRow('it has no value; write null or "" in quotes of JSON')
    return { device: checkedDevice(device), metric, atMs, value: readValue(value) }
  }
}

function placesOf(header: string): number[] {
  let names: string[]
  try {
    names = fieldsOf(header).map((name) => name.trim().toLowerCase())
  } catch {
    names = []
  }
  const places = wanted.map((name) => names.indexOf(name))
  if (places.every((place) => place !== -1)) return places
  throw new Refusal('request-invalid', {
    detail: 'the first line of CSV is a header with device, metric, time and value, parted by commas',
  })
}

/** Errors: `telemetry-invalid` when quotes stand where they may not. */
function fieldsOf(record: string): string[] {
  const text = record.endsWith('\r') ? record.slice(0, -1) : record
  if (!text.includes('"')) return text.split(',')
  const fields: string[] = []
  let at = 0
  for (;;) {
    let one: string
    if (text[at] === '"') {
      const end = closingQuote(text, at + 1)
      one = text.slice(at + 1, end).replaceAll('""', '"')
      at = end + 1
      if (at < text.length && text[at] !== ',') refuseRow('behind a closing quote comes a comma')
    } else {
      const comma = text.indexOf(',', at)
      const end = comma === -1 ? text.length : comma
      one = text.slice(at, end)
      if (one.includes('"')) refuseRow('a field with quotes in it begins and ends with quotes, and those in it are doubled')
      at = end
    }
    fields.push(one)
    if (at >= text.length) return fields
    at += 1
  }
}

function closingQuote(text: string, start: number): number {
  for (let at = text.indexOf('"', start); at !== -1; at = text.indexOf('"', at + 2)) if (text[at + 1] !== '"') return at
  return refuseRow('a quote is not closed')
}
