// What has happened to devices: written in the transaction of the batch that tells of it, read in the reader thread. Each device has its newest
// ones, numbered without gaps, so that the one that goes is known without counting; and all together have a bound.
import type { Database } from 'better-sqlite3'
import { meaningOf } from '../../../devices/topics.ts'
import { limits } from '../../limits.ts'
import type { DeviceEvent, EventKind, EventQuery } from '../events.ts'
import { type FrameCursor, frameKinds } from './frame.ts'
import type { RecordRows } from './record-rows.ts'

/** How many of the oldest go together when all of them are too many. */
const removedTogether = 1000

export class EventRows implements RecordRows {
  readonly #sql
  #count: number
  #bytes: number

  constructor(db: Database) {
    const { count, bytes } = db
      .prepare<[], { count: number; bytes: number }>('SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes FROM events')
      .get()!
    this.#count = count
    this.#bytes = bytes
    this.#sql = {
      // Not of a device that is deleted by now.
      insert: db
        .prepare<[number, number, string, string, string, number, number], number>(`
          INSERT INTO events (device, number, seq, at_ms, kind, name, body, bytes)
          SELECT devices.number, coalesce((SELECT max(number) FROM events WHERE device = devices.number), 0) + 1, ?, ?, ?, ?, ?, ?
          FROM devices WHERE devices.number = ? RETURNING number`)
        .pluck(),
      removeOfDevice: db.prepare<[number, number], number>('DELETE FROM events WHERE device = ? AND number <= ? RETURNING bytes').pluck(),
      removeOldest: db
        .prepare<[number], number>(
          'DELETE FROM events WHERE (device, number) IN (SELECT device, number FROM events ORDER BY seq LIMIT ?) RETURNING bytes',
        )
        .pluck(),
    }
  }

  /** A message that a device calls an event, or a record whose key is `kind/name`. */
  apply(cursor: FrameCursor): void {
    if (cursor.kind === frameKinds.record) {
      const [kind, name] = cursor.topic().split('/') as [EventKind, string]
      this.add(cursor.device, cursor.seq, cursor.atMs, kind, name, cursor.payload().toString())
      return
    }
    const meaning = meaningOf(cursor.topic())
    if (meaning.is === 'event') this.add(cursor.device, cursor.seq, cursor.atMs, 'event', meaning.name, asJson(cursor.payload().toString()))
  }

  add(device: number, seq: number, atMs: number, kind: EventKind, name: string, body: string): void {
    const bytes = Buffer.byteLength(body) + Buffer.byteLength(name)
    const number = this.#sql.insert.get(seq, atMs, kind, name, body, bytes, device)
    if (number === undefined) return
    this.#count += 1
    this.#bytes += bytes
    if (number > limits.eventsPerDevice) this.#removed(this.#sql.removeOfDevice.all(device, number - limits.eventsPerDevice))
    if (this.#count > limits.events || this.#bytes > limits.eventsBytes) this.#removed(this.#sql.removeOldest.all(removedTogether))
  }

  #removed(bytes: readonly number[]): void {
    this.#count -= bytes.length
    for (const some of bytes) this.#bytes -= some
  }
}

/** A payload that is no JSON is text. */
function asJson(text: string): string {
  try {
    JSON.parse(text)
    return text
  } catch {
    return JSON.stringify(text)
  }
}

export function listEvents(db: Database, { devices, kind, name, from, to, before, limit }: EventQuery): DeviceEvent[] {
  const conditions: [sql: string, value: string | number | undefined][] = [
    [
      'device IN (SELECT number FROM devices WHERE id IN (SELECT value FROM json_each(?)))',
      devices === undefined ? undefined : JSON.stringify(devices),
    ],
    ['kind = ?', kind],
    ['events.name = ?', name],
    ['at_ms >= ?', from],
    ['at_ms <= ?', to],
    ['seq < ?', before],
  ]
  const asked = conditions.filter(([, value]) => value !== undefined)
  const where = asked.map(([sql]) => `AND ${sql}`).join(' ')
  return db
    .prepare<(string | number)[], DeviceEvent>(`
      SELECT seq, devices.id AS device, at_ms AS at, kind, events.name AS name, body
      FROM events JOIN devices ON devices.number = events.device WHERE true ${where} ORDER BY seq DESC LIMIT ?`)
    .all(...asked.map(([, value]) => value!), limit)
}
