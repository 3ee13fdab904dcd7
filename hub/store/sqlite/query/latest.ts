// In a query thread: the newest values of many devices as JSON, written by SQLite where the tables have them, and by the writer thread for
// devices with points in memory. Ten thousand devices pass between the threads as numbers and bytes that change hands: copying them as
// strings would take longer than reading them.
import type { Database } from 'better-sqlite3'
import type { DeviceId } from '../../../../devices/device.ts'
import { limits } from '../../../limits.ts'
import type { LatestPage, LatestQuery } from '../../telemetry.ts'
import { handingOver } from '../thread.ts'
import { deviceCondition } from './selections.ts'

/** One page of devices by number, in the order of their ids. */
export interface LatestDevices {
  readonly numbers: Float64Array
  /** Where the next page goes on. */
  readonly next: DeviceId | undefined
}

/** What the writer thread has in memory that is newer than the tables: whole entries of the answer, with commas between them. */
export interface Moved {
  readonly numbers: Float64Array
  /** Where each entry ends; the comma comes there. */
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
    const entries = new EntryWriter(moved.json)
    for (const [at, number] of numbers.entries()) {
      const place = placeOf.get(number)
      if (place === undefined) entries.add(stored.get(number) ?? this.#empty(number))
      else entries.addMoved(place === 0 ? 0 : moved.ends[place - 1]! + 1, moved.ends[place]!)
      const isLast = at === numbers.length - 1
      if (entries.bytes > limits.answerBytes && !isLast) return { json: entries.whole(), count: at + 1, next: this.#idOf(number) }
    }
    return { json: entries.whole(), count: numbers.length, next }
  }

  /** Of a device that never sent a value. */
  #empty(number: number): string {
    return `{"device":"${this.#idOf(number)}","latest":{}}`
  }

  #idOf(number: number): DeviceId | undefined {
    return this.#db.prepare<[number], DeviceId>('SELECT id FROM devices WHERE number = ?').pluck().get(number)
  }

  #stored(numbers: Float64Array, metrics: readonly string[] | undefined): Map<number, string> {
    if (numbers.length === 0) return new Map()
    const first = numbers.reduce((least, number) => Math.min(least, number), Number.POSITIVE_INFINITY)
    const last = numbers.reduce((most, number) => Math.max(most, number), 0)
    // Nearly always all devices there are, or some of very many: to walk along the index takes half the time of looking each up in it.
    const isDense = last - first < numbers.length * 2
    const condition = metrics === undefined ? '' : 'AND metric IN (SELECT value FROM json_each(?))'
    const rows = this.#db
      .prepare<(string | number)[], [number, string]>(`
        SELECT device, '{"device":"' || (SELECT devices.id FROM devices WHERE number = device) || '","latest":{' || group_concat(
          json_quote(metric) || ':{"at":' || iif(last_ms = CAST(last_ms AS INTEGER), CAST(last_ms AS INTEGER), last_ms)
          || ',"value":' || last_value || '}') || '}}'
        FROM series
        WHERE ${isDense ? 'device BETWEEN ? AND ?' : 'device IN (SELECT value FROM json_each(?))'} ${condition}
        GROUP BY device`)
      .raw()
      .all(
        ...(isDense ? [first, last] : [JSON.stringify(Array.from(numbers))]),
        ...(metrics === undefined ? [] : [JSON.stringify(metrics)]),
      )
    return new Map(rows)
  }
}

/** A JSON array of entries that are text, or bytes of the writer's. */
class EntryWriter {
  readonly #moved: Uint8Array
  readonly #parts: Uint8Array[] = []
  /** What follows one another goes in one go: texts are turned into bytes, bytes are copied. */
  #texts: string[] = []
  #run: { start: number; end: number } | undefined
  /** Of texts, characters: this bounds an answer, and need not be exact. */
  bytes = 0

  constructor(moved: Uint8Array) {
    this.#moved = moved
  }

  add(entry: string): void {
    this.#endRun()
    this.#texts.push(entry)
    this.bytes += entry.length
  }

  addMoved(start: number, end: number): void {
    this.#endTexts()
    if (this.#run?.end === start - 1) this.#run.end = end
    else {
      this.#endRun()
      this.#run = { start, end }
    }
    this.bytes += end - start
  }

  whole(): Uint8Array<ArrayBuffer> {
    this.#endTexts()
    this.#endRun()
    return inOnePiece([openBracket, ...this.#parts, closeBracket])
  }

  #endTexts(): void {
    if (this.#texts.length > 0) this.#part(Buffer.from(this.#texts.join(',')))
    this.#texts = []
  }

  #endRun(): void {
    if (this.#run !== undefined) this.#part(this.#moved.subarray(this.#run.start, this.#run.end))
    this.#run = undefined
  }

  #part(bytes: Uint8Array): void {
    if (this.#parts.length > 0) this.#parts.push(comma)
    this.#parts.push(bytes)
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
    const json = inOnePiece([Buffer.from(this.#entries.join(','))])
    const isAscii = json.length === this.#entries.reduce((length, entry) => length + entry.length, Math.max(this.#entries.length - 1, 0))
    const ends = new Uint32Array(this.#entries.length)
    let end = -1
    for (const [at, entry] of this.#entries.entries()) {
      end += 1 + (isAscii ? entry.length : Buffer.byteLength(entry))
      ends[at] = end
    }
    const numbers = Float64Array.from(this.#numbers)
    return handingOver({ numbers, ends, json }, [numbers.buffer, ends.buffer, json.buffer])
  }
}
