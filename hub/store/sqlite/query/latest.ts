// In a query thread: the newest values of many devices as JSON, written by SQLite where the tables have them, and by the writer thread for
// devices with points in memory. Ten thousand devices pass between the threads as numbers and bytes that change hands: copying them as
// strings would take longer than reading them.
import type { Database } from 'better-sqlite3'
import type { DeviceId } from '../../../../devices/device.ts'
import { limits } from '../../../limits.ts'
import type { LatestPage, LatestQuery } from '../../telemetry.ts'
import { deletionsName } from '../deletions.ts'
import { metaOf } from '../meta.ts'
import { handingOver } from '../thread.ts'
import { deviceCondition, notOwn } from './selections.ts'

/** One page of devices by number, in the order of their ids. */
export interface LatestDevices {
  readonly numbers: Float64Array
  /** How many devices were deleted by then. */
  readonly deletions: number
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

/** Devices whose entries are one text: many enough that a statement costs nothing, few enough that a long answer ends in time. */
const runDevices = 1000

/** Stands between entries that are taken apart again: JSON has no such character outside its strings, nor in them. */
const recordSeparator = '\u001e'

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
    return { numbers: page, deletions: metaOf(this.#db, deletionsName), next }
  }

  /** `next` as `devices` gave it; the page ends earlier when it would be too long. */
  page(devices: LatestDevices, moved: Moved, metrics: readonly string[] | undefined): LatestPage {
    const { next } = devices
    const numbers = devices.deletions === metaOf(this.#db, deletionsName) ? devices.numbers : this.#onRecord(devices.numbers)
    const placeOf = new Map<number, number>()
    for (const [place, number] of moved.numbers.entries()) placeOf.set(number, place)
    const stored = this.#entries(metrics)
    const entries = new EntryWriter(moved.json)
    for (let start = 0; start < numbers.length; start += runDevices) {
      const run = numbers.subarray(start, start + runDevices)
      const unmoved = run.filter((number) => !placeOf.has(number))
      if (unmoved.length === run.length) {
        const text = stored(run, ',')
        if (entries.bytes + text.length <= limits.answerBytes) {
          entries.add(text)
          continue
        }
      }
      let storedAt = 0
      const storedEntries = stored(unmoved, recordSeparator).split(recordSeparator)
      for (const [at, number] of run.entries()) {
        const place = placeOf.get(number)
        if (place === undefined) entries.add(storedEntries[storedAt++]!)
        else entries.addMoved(place === 0 ? 0 : moved.ends[place - 1]! + 1, moved.ends[place]!)
        const count = start + at + 1
        if (entries.bytes > limits.answerBytes && count < numbers.length) return { json: entries.whole(), count, next: this.#idOf(number) }
      }
    }
    return { json: entries.whole(), count: numbers.length, next }
  }

  #idOf(number: number): DeviceId | undefined {
    return this.#db.prepare<[number], DeviceId>('SELECT id FROM devices WHERE number = ?').pluck().get(number)
  }

  #onRecord(numbers: Float64Array): Float64Array {
    const statement = this.#db
      .prepare<[string], number>('SELECT number FROM json_each(?) AS page CROSS JOIN devices ON devices.number = page.value')
      .pluck()
    return Float64Array.from(statement.all(`[${numbers.join()}]`))
  }

  /** The entries of the devices in this order, put together by SQLite: as rows, ten thousand of them would be most of the work. */
  #entries(metrics: readonly string[] | undefined): (numbers: Float64Array, separator: string) => string {
    const condition = metrics === undefined ? `AND ${notOwn}` : `AND metric IN (${metrics.map(() => '?').join()})`
    const statement = this.#db
      .prepare<string[], string | null>(`
        SELECT '{"device":"' || group_concat(entry, '}}' || ? || '{"device":"') || '}}' FROM (
          SELECT devices.id || '","latest":{' || coalesce(
            (SELECT group_concat(newest) FROM series WHERE device = devices.number ${condition}), '') AS entry
          FROM json_each(?) AS page CROSS JOIN devices ON devices.number = page.value
        )`)
      .pluck()
    return (numbers, separator) => statement.get(separator, ...(metrics ?? []), `[${numbers.join()}]`) ?? ''
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
