// In a query thread: the newest values of many devices as JSON, written by SQLite where the tables have them, and by the writer thread for
// devices with points in memory. Ten thousand devices pass between the threads as numbers and bytes that change hands: copying them as
// strings would take longer than reading them.
import type { Database } from 'better-sqlite3'
import type { DeviceId } from '../../../devices/device.ts'
import { limits } from '../../limits.ts'
import type { LatestPage, LatestQuery } from '../telemetry.ts'
import { deviceCondition } from './selections.ts'
import { handingOver } from './thread.ts'

/** One page of devices by number, in the order of their ids. */
export interface LatestDevices {
  readonly numbers: Float64Array
  /** Where the next page goes on. */
  readonly next: DeviceId | undefined
}

/** What the writer thread has in memory that is newer than the tables: whole entries of the answer, one after the other. */
export interface Moved {
  readonly numbers: Float64Array
  readonly ends: Uint32Array
  readonly json: Uint8Array
}

export class LatestReader {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  devices({ after = '', limit, ...selection }: LatestQuery): LatestDevices {
    const { sql, values } = deviceCondition(selection)
    const numbers = this.#db
      .prepare<(string | number)[], number>(`SELECT number FROM devices WHERE id > ? AND ${sql} ORDER BY id LIMIT ?`)
      .pluck()
      .all(after, ...values, limit + 1)
    const page = Float64Array.from(numbers.slice(0, limit))
    const next = numbers.length > limit ? this.#idOf(page.at(-1)!) : undefined
    return { numbers: page, next }
  }

  /** `next` as `devices` gave it; the page ends earlier when it would be too long. */
  page({ numbers, next }: LatestDevices, moved: Moved, metrics: readonly string[] | undefined): LatestPage {
    const placeOf = new Map<number, number>()
    for (const [place, number] of moved.numbers.entries()) placeOf.set(number, place)
    const stored = this.#stored(
      numbers.filter((number) => !placeOf.has(number)),
      metrics,
    )
    const parts: Uint8Array[] = []
    let bytes = 0
    for (const [at, number] of numbers.entries()) {
      const place = placeOf.get(number)
      const entry =
        place === undefined ? Buffer.from(stored.get(number) ?? '') : moved.json.subarray(moved.ends[place - 1] ?? 0, moved.ends[place])
      bytes += entry.length
      if (at > 0 && bytes > limits.answerBytes) {
        return { json: inOnePiece([openBracket, ...parts, closeBracket]), count: at, next: this.#idOf(numbers[at - 1]!) }
      }
      if (at > 0) parts.push(comma)
      parts.push(entry)
    }
    return { json: inOnePiece([openBracket, ...parts, closeBracket]), count: numbers.length, next }
  }

  #idOf(number: number): DeviceId | undefined {
    return this.#db.prepare<[number], DeviceId>('SELECT id FROM devices WHERE number = ?').pluck().get(number)
  }

  #stored(numbers: Float64Array, metrics: readonly string[] | undefined): Map<number, string> {
    if (numbers.length === 0) return new Map()
    const condition = metrics === undefined ? '' : 'AND metric IN (SELECT value FROM json_each(?))'
    const rows = this.#db
      .prepare<string[], [number, string]>(`
        SELECT devices.number, '{"device":' || json_quote(devices.id) || ',"latest":{' || coalesce(group_concat(
          json_quote(metric) || ':{"at":' || iif(last_ms = CAST(last_ms AS INTEGER), CAST(last_ms AS INTEGER), last_ms)
          || ',"value":' || last_value || '}'), '') || '}}'
        FROM json_each(?) AS asked
        JOIN devices ON devices.number = asked.value
        LEFT JOIN series ON series.device = devices.number ${condition}
        GROUP BY devices.number`)
      .raw()
      .all(JSON.stringify(Array.from(numbers)), ...(metrics === undefined ? [] : [JSON.stringify(metrics)]))
    return new Map(rows)
  }
}

/** In memory of its own, which can change hands. */
function inOnePiece(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

const comma = Buffer.from(',')
const openBracket = Buffer.from('[')
const closeBracket = Buffer.from(']')

/** Entries of devices as they come, in one piece of memory. */
export class MovedWriter {
  readonly #numbers: number[] = []
  readonly #entries: string[] = []

  add(number: number, id: DeviceId, latest: string): void {
    this.#numbers.push(number)
    this.#entries.push(`{"device":"${id}","latest":${latest}}`) // an id needs no escaping
  }

  moved(): Moved {
    const ends = new Uint32Array(this.#entries.length)
    const parts = this.#entries.map((entry) => Buffer.from(entry))
    let end = 0
    for (const [at, part] of parts.entries()) {
      end += part.length
      ends[at] = end
    }
    const json = inOnePiece(parts)
    const numbers = Float64Array.from(this.#numbers)
    return handingOver({ numbers, ends, json }, [numbers.buffer, ends.buffer, json.buffer])
  }
}
