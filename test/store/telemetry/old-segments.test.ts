// Databases of versions up to 3 kept points as rows of a table: they are opened, and every point is where it was.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { MetricValue } from '../../../devices/device.ts'
import { beforeVersion10, newFolder, openIn, stored } from '../kit.ts'
import { latestAgrees, pointsAgree, scanAgrees, sizesAgree } from './agreement.ts'
import { changeIn, rowsOf, withDatabase } from './inside.ts'
import { Model, type Sent, send } from './model.ts'

const startMs = Date.UTC(2025, 5, 1)
const numbersKind = 1
const othersKind = 0

/** As a segment was written: times, then values, float64 each; or times, then a JSON array. */
function segmentOf(points: readonly Sent[]): { readonly kind: number; readonly bytes: Buffer } {
  const times = Buffer.from(Float64Array.from(points, ({ atMs }) => atMs).buffer)
  const values = points.map(({ value }): MetricValue => value)
  return values.every((value) => typeof value === 'number')
    ? { kind: numbersKind, bytes: Buffer.concat([times, Buffer.from(Float64Array.from(values as number[]).buffer)]) }
    : { kind: othersKind, bytes: Buffer.concat([times, Buffer.from(JSON.stringify(values))]) }
}

/** Takes away what the steps of the schema since then added. */
const backToVersion3 = `
  ${beforeVersion10}
  DROP TABLE heads; DROP TABLE partitions; DROP TABLE damaged_heads; DROP INDEX devices_due;
  DROP TABLE metadata; DROP TABLE access; DROP TABLE audit; DROP TABLE deletions;
  ALTER TABLE devices DROP COLUMN head_rows; ALTER TABLE devices DROP COLUMN head_depth;
  ALTER TABLE series RENAME COLUMN newest TO last_value;
  ALTER TABLE sessions DROP COLUMN owner;
  ALTER TABLE devices DROP COLUMN type; ALTER TABLE devices DROP COLUMN tags;
  CREATE TABLE segments (
    id INTEGER PRIMARY KEY, series INTEGER NOT NULL, first_ms REAL NOT NULL, last_ms REAL NOT NULL,
    count INTEGER NOT NULL, kind INTEGER NOT NULL, bytes BLOB NOT NULL
  ) STRICT;
  CREATE INDEX segments_by_time ON segments (series, last_ms, first_ms);
  PRAGMA user_version = 3;
`

test('a database of version 3 is opened with all its points, in their kinds, the later written winning', async (t) => {
  const folder = newFolder(t)
  const model = new Model()
  const run = (device: number, metric: string, from: number, count: number, value?: MetricValue): Sent[] =>
    Array.from({ length: count }, (_, at) => ({ device, metric, atMs: startMs + (from + at) * 1000, value: value ?? (at % 7) / 10 }))
  const segments: Sent[][] = [
    run(1, 't', 0, 5000),
    run(1, 't', 4000, 3000), // written over the end of the first
    run(1, 't', 100_000, 10),
    run(1, 't', 2000, 5, -1), // late
    run(1, 'state', 0, 50, 'on'),
    run(1, 'state', 50, 50, 1),
    run(2, 't', 0, 1, { deep: [1, null] }),
    run(2, 't', 1, 1, -0),
  ]
  const first = await openIn(t, folder, 'batched')
  for (const device of [1, 2]) first.journal.appendDevice(`pump-${device}`, device)
  await stored(first)
  await first.close()

  withDatabase(join(folder, 'mooring.db'), (db) => {
    db.exec(backToVersion3)
    const insertSeries = db.prepare('INSERT INTO series (id, device, metric, last_ms, last_value) VALUES (?, ?, ?, ?, ?)')
    const insert = db.prepare('INSERT INTO segments (series, first_ms, last_ms, count, kind, bytes) VALUES (?, ?, ?, ?, ?, ?)')
    for (const points of segments) model.take(points)
    for (const [at, { device, metric }] of model.series.entries()) {
      const newest = model.points({ device, metric }).at(-1)!
      insertSeries.run(at + 1, Number(device.slice('pump-'.length)), metric, newest.atMs, JSON.stringify(newest.value))
    }
    for (const points of segments) {
      const { device, metric } = points[0]!
      const series = model.series.findIndex((name) => name.device === `pump-${device}` && name.metric === metric) + 1
      const { kind, bytes } = segmentOf(points)
      insert.run(series, points[0]!.atMs, points.at(-1)!.atMs, points.length, kind, bytes)
    }
  })

  const store = await openIn(t, folder, 'batched')
  assert.deepEqual(rowsOf(folder, "SELECT 1 FROM sqlite_schema WHERE name = 'segments'"), [])
  await scanAgrees(store, model)
  await latestAgrees(store, model, 10)
  const newer = run(1, 't', 5500, 10, 99)
  send(store, newer)
  model.take(newer)
  await stored(store)
  await scanAgrees(store, model)
  await store.status({ seal: true })
  await sizesAgree(store, model)
  await pointsAgree(store, model, { fromMs: startMs, toMs: startMs + 1e9, order: 'desc' }, [999])
})

test('a start that was cut while it moved points goes on where it was', async (t) => {
  const folder = newFolder(t)
  const model = new Model()
  const store = await openIn(t, folder, 'batched')
  store.journal.appendDevice('pump-1', 1)
  const points = ['a', 'b'].flatMap((metric) =>
    Array.from({ length: 100 }, (_, at): Sent => ({ device: 1, metric, atMs: startMs + at, value: at })),
  )
  send(store, points)
  model.take(points)
  await stored(store)
  await store.close()
  // The new tables are there, 'a' has been moved, 'b' has not.
  withDatabase(join(folder, 'mooring.db'), (db) => {
    db.exec(`CREATE TABLE segments (id INTEGER PRIMARY KEY, series INTEGER NOT NULL, first_ms REAL NOT NULL, last_ms REAL NOT NULL,
      count INTEGER NOT NULL, kind INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT`)
    const series = db.prepare<[], number>("SELECT id FROM series WHERE metric = 'b'").pluck().get()!
    const later = Array.from({ length: 50 }, (_, at): Sent => ({ device: 1, metric: 'b', atMs: startMs + 1000 + at, value: -at }))
    const { kind, bytes } = segmentOf(later)
    db.prepare('INSERT INTO segments VALUES (1, ?, ?, ?, ?, ?, ?)').run(series, startMs + 1000, startMs + 1049, 50, kind, bytes)
    model.take(later)
  })
  changeIn(folder, `UPDATE series SET last_ms = ${startMs + 1049}, newest = '"b":{"at":${startMs + 1049},"value":-49}' WHERE metric = 'b'`)
  const again = await openIn(t, folder, 'batched')
  await scanAgrees(again, model)
  await latestAgrees(again, model, 10)
})
