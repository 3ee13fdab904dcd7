// A data folder with something of everything: journal, heads, chunks of two days, rollups of all tiers, a message that a session is owed.
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import Database from 'better-sqlite3'
import type { MetricValue } from '../../devices/device.ts'
import { FrameCursor } from '../../hub/store/sqlite/frame.ts'
import type { Store } from '../../hub/store/store.ts'
import { newFolder, openIn, pointsOf, reading, stored } from './kit.ts'
import { rollAll } from './telemetry/inside.ts'

export const devices = ['pump-1', 'pump-2', 'pump-3']
const metrics = ['level', 'state', 'spin']
export const firstDayMs = Date.UTC(2026, 2, 1)
export const dayMs = 86_400_000
/** Per device: two days of points that become chunks, and some of the third day that stay in heads. */
const sealedReadings = 2880
const headReadings = 20
/** Of the first device, one a second: quick enough to have minutes. */
const spins = 10_000
const everyMs = 60_000

export type AllPoints = ReadonlyMap<string, readonly [number, MetricValue][]>

export async function filledFolder(t: TestContext): Promise<string> {
  const folder = newFolder(t)
  const store = await openIn(t, folder)
  for (const [at, id] of devices.entries()) store.journal.appendDevice(id, at + 1)
  append(store, 0, sealedReadings)
  for (let n = 0; n < spins; n += 1)
    reading(store, 1, { ts: firstDayMs + n * 1000, values: { spin: (Math.imul(n, 0x9e3779b1) >>> 8) % 1009 } })
  await stored(store)
  await store.status({ seal: true })
  await store.close()
  rollAll(folder)
  const again = await openIn(t, folder)
  append(again, sealedReadings, sealedReadings + headReadings)
  await stored(again)
  await again.close()
  owe(folder)
  return folder
}

function append(store: Store, from: number, to: number): void {
  for (let n = from; n < to; n += 1) {
    for (const at of devices.keys()) {
      const values = { level: Math.round(Math.sin(n / 50 + at) * 1000) / 10, state: n % 7 === 0 ? 'idle' : 'on' }
      reading(store, at + 1, { ts: firstDayMs + n * everyMs, values })
    }
  }
}

/** A session that has not come back for the first message of the journal. */
function owe(folder: string): void {
  const db = new Database(join(folder, 'mooring.db'))
  const cursor = new FrameCursor(db.prepare<[], Buffer>('SELECT bytes FROM journal ORDER BY first_seq LIMIT 1').pluck().get()!)
  do cursor.next()
  while (cursor.kind !== 1)
  const frame = cursor.bytes.subarray(cursor.start, cursor.end)
  db.prepare(`INSERT INTO sessions (number, client_id, expiry_s, away_ms, flushed_seq) VALUES (1, 'panel-7', 3600, 0, 0)`).run()
  db.prepare('INSERT INTO owed_messages (seq, refs, frame) VALUES (?, 1, ?)').run(cursor.seq, frame)
  db.prepare('INSERT INTO owed (session, place, message, bytes, packet_id, released, qos, retain) VALUES (1, 1, ?, 100, 0, 0, 1, 0)').run(
    cursor.seq,
  )
  db.close()
}

/** By device and metric. */
export async function allPoints(store: Store): Promise<AllPoints> {
  const all = new Map<string, [number, MetricValue][]>()
  for (const device of devices) {
    for (const metric of metrics) all.set(`${device}/${metric}`, await pointsOf(store, device, metric))
  }
  return all
}
