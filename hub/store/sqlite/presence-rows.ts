// How each device is connected: the row changes, and the event is written, in the transaction of the batch that tells of it.
import type { Database } from 'better-sqlite3'
import type { DeviceId } from '../../../devices/device.ts'
import type { Presence } from '../../../devices/presence.ts'
import { presenceGoesOn, type StoredPresence } from '../events.ts'
import type { EventRows } from './event-rows.ts'
import type { FrameCursor } from './frame.ts'
import type { RecordRows } from './record-rows.ts'

export class PresenceRows implements RecordRows {
  readonly #events: EventRows
  readonly #upsert

  constructor(db: Database, events: EventRows) {
    this.#events = events
    this.#upsert = db.prepare<[string, string, number]>(`
      INSERT INTO presences (device, at, body) SELECT number, ?, ? FROM devices WHERE number = ?
      ON CONFLICT (device) DO UPDATE SET at = excluded.at, body = excluded.body`)
  }

  apply(cursor: FrameCursor): void {
    if (cursor.topic() === presenceGoesOn) return
    const body = cursor.payload().toString()
    const { at, since } = presenceIn(cursor)
    this.#upsert.run(at, body, cursor.device)
    this.#events.add(cursor.device, cursor.seq, since ?? cursor.atMs, 'presence', at, body)
  }
}

/** Of the record that the cursor stands on. */
export function presenceIn(cursor: FrameCursor): Presence {
  return JSON.parse(cursor.payload().toString()) as Presence
}

/** Those that are not offline. */
export function readPresences(db: Database): StoredPresence[] {
  return db
    .prepare<[], { id: DeviceId; body: string }>(
      `SELECT id, body FROM presences JOIN devices ON devices.number = presences.device WHERE at <> 'offline'`,
    )
    .all()
    .map(({ id, body }) => ({ id, presence: JSON.parse(body) as Presence }))
}
