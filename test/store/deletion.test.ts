// A device that is deleted: nothing of it is left in the store, others are as they were, and what dies in between is finished at the next start.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { limits } from '../../hub/limits.ts'
import { seriesFolder } from '../../hub/store/sqlite/catalogue.ts'
import { Deletions } from '../../hub/store/sqlite/deletions.ts'
import { checkFolder } from '../../hub/store/sqlite/integrity/check.ts'
import { LatestReader, MovedWriter } from '../../hub/store/sqlite/query/latest.ts'
import { frameFlags, type Store } from '../../hub/store/store.ts'
import { dayMs, firstDayMs } from './filled.ts'
import { killedWhileSaying, newFolder, openIn, pointsOf, publish, read, reading, stored } from './kit.ts'
import { changeIn, chunksIn, copyAsKilled, partitionsOf, pathOf, rolledUp, rowsOf, withDatabase } from './telemetry/inside.ts'

const tiers = ['raw', 'minute', 'hour', 'day']
const days = 4
const pointsADay = 300

/** A secret. Where a chunk has one alone, it stands there as it is: it cannot be made smaller. */
const noise = (device: number, n: number) =>
  `noise-${device}-${((n * 2_654_435_761) % 2 ** 32).toString(36)}-${((n * 40_503) % 65_536).toString(36)}`

/** Pumps with days of numbers and texts, in chunks, rolled up, and a few points in heads and in memory. */
async function fill(store: Store, folder: string, devices: readonly number[]): Promise<void> {
  for (const device of devices) {
    for (let n = 0; n < days * pointsADay; n += 1) {
      const ts = firstDayMs + Math.floor(n / pointsADay) * dayMs + (n % pointsADay) * 60_000
      const once = n % pointsADay === 0 ? { once: noise(device, n) } : {}
      reading(store, device, { ts, values: { level: n, text: noise(device, n), ...once } })
    }
  }
  await stored(store)
  await rolledUp(store, folder)
  for (const device of devices) reading(store, device, { ts: firstDayMs + days * dayMs, values: { level: -1, late: true } })
  await stored(store)
  await store.devices({ limit: 10 }) // what was in memory is in heads
  for (const device of devices) {
    reading(store, device, { ts: firstDayMs + days * dayMs + 1, values: { level: -2 } })
    retain(store, device, `devices/pump-${device}/state`, 'on')
    retain(store, device, `devices/pump-${device}/deep/er`, 'on')
  }
  await stored(store)
}

function retain(store: Store, device: number, topic: string, text: string): void {
  publish(store, topic, text, { device, flags: frameFlags.retain })
}

async function withPumps(t: TestContext): Promise<{ store: Store; folder: string }> {
  const folder = newFolder(t)
  const store = await openIn(t, folder)
  for (const device of [1, 2, 3]) store.journal.appendDevice(`pump-${device}`, device)
  publish(store, 'devices/pump-20/state', 'another', { flags: frameFlags.retain })
  publish(store, 'plain', 'another', { flags: frameFlags.retain })
  await fill(store, folder, [1, 2])
  return { store, folder }
}

/** All series of partitions, those put aside and those that are marked included. */
function seriesInFiles(folder: string): Set<number> {
  const found = new Set<number>()
  for (const { file } of tiers.flatMap((tier) => partitionsOf(folder, tier))) {
    if (!existsSync(pathOf(folder, file))) continue
    for (const { series } of chunksIn(folder, file)) found.add(Math.abs(series))
    if (!file.startsWith('raw')) continue
    const marks = withDatabase(pathOf(folder, file), (db) => db.prepare<[], number>('SELECT key FROM marks WHERE key >= 0').pluck().all())
    for (const key of marks) found.add(key)
  }
  return found
}

function bytesOfFiles(folder: string): string {
  const root = join(folder, seriesFolder)
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.db'))
    .map((name) => readFileSync(join(root, name), 'latin1'))
    .join('')
}

/** A deletion is not through with the files. */
function chunksLeft(folder: string): boolean {
  return rowsOf(folder, "SELECT 1 FROM deletions WHERE series <> '[]'").length > 0
}

/** The tables of mooring.db have nothing of it, and every series in the files is on record. */
function assertGone(folder: string, id: string, number: number): void {
  for (const [table, column] of Object.entries({
    series: 'device',
    heads: 'device',
    damaged_heads: 'device',
    metadata: 'device',
    devices: 'number',
  }))
    assert.deepEqual(rowsOf(folder, `SELECT * FROM ${table} WHERE ${column} = ?`, number), [], table)
  assert.deepEqual(rowsOf(folder, 'SELECT * FROM retained WHERE topic LIKE ?', `devices/${id}/%`), [])
  const onRecord = new Set(rowsOf<{ id: number }>(folder, 'SELECT id FROM series').map(({ id }) => id))
  assert.deepEqual(
    [...seriesInFiles(folder)].filter((series) => !onRecord.has(series)),
    [],
  )
}

test('a device that is deleted is nowhere any more, and the others have all they had', async (t) => {
  const { store, folder } = await withPumps(t)
  const before = await pointsOf(store, 'pump-2', 'text')
  assert.equal(before.length, days * pointsADay)
  const [raw] = partitionsOf(folder)
  withDatabase(pathOf(folder, raw!.file), (db) =>
    db.exec(`
      UPDATE marks SET value = value - (SELECT count FROM chunks ORDER BY id LIMIT 1) WHERE key = -1;
      UPDATE chunks SET series = -series WHERE id = (SELECT min(id) FROM chunks)`),
  ) // put aside
  const secrets = ['serial-4711', 'serial-4712']
  const around = 'x'.repeat(4_000)
  await store.describe('pump-1', { metadata: { before: around, serial: secrets[0], behind: around } })
  await store.describe('pump-1', { metadata: { before: null, serial: secrets[1], behind: null } })
  await store.describe('pump-2', { metadata: { serial: 'of another' } })
  const probes = [1, 2].map((device) => Array.from({ length: days * pointsADay }, (_, n) => noise(device, n).slice(0, 12)))
  const found = bytesOfFiles(folder)
  assert.ok(
    probes[0]!.some((probe) => found.includes(probe)),
    'what is looked for stands in the files as it is',
  )

  assert.equal(await store.deleteDevice('pump-1'), true)
  assert.equal(await store.deleteDevice('pump-1'), false)
  assert.equal(await store.device('pump-1'), undefined)
  assert.deepEqual(
    (await store.devices({ limit: 10 })).devices.map(({ id }) => id),
    ['pump-2', 'pump-3'],
  )
  assert.deepEqual(await pointsOf(store, 'pump-1', 'level'), [])
  assert.deepEqual(await store.telemetry.seriesOf('pump-1'), [])
  const latest = read<{ device: string }[]>((await store.telemetry.latest({ limit: 10 })).json)
  assert.deepEqual(
    latest.map(({ device }) => device),
    ['pump-2', 'pump-3'],
  )
  assertGone(folder, 'pump-1', 1)
  const left = bytesOfFiles(folder)
  assert.deepEqual(
    probes[0]!.filter((probe) => left.includes(probe)),
    [],
  )
  assert.deepEqual(await pointsOf(store, 'pump-2', 'text'), before)
  assert.deepEqual(
    rowsOf(folder, 'SELECT topic FROM retained ORDER BY topic').map((row) => (row as { topic: string }).topic),
    ['devices/pump-2/deep/er', 'devices/pump-2/state', 'devices/pump-20/state', 'plain'],
  )
  assert.deepEqual((await store.device('pump-2'))?.metadata, { serial: 'of another' })
  await store.close()
  const database = readFileSync(join(folder, 'mooring.db'), 'latin1')
  assert.deepEqual(
    secrets.filter((secret) => database.includes(secret)),
    [],
  )
  assert.deepEqual(checkFolder(folder).findings, [])
})

test('a device that comes again is a new one: another number, other series, none of its past, after a restart as well', async (t) => {
  const { store, folder } = await withPumps(t)
  const series = Math.max(...rowsOf<{ id: number }>(folder, 'SELECT id FROM series').map(({ id }) => id))
  assert.equal(await store.deleteDevice('pump-3'), true)
  assert.equal(await store.deleteDevice('pump-2'), true)
  await store.close()

  const again = await openIn(t, folder)
  assert.deepEqual([...again.devicesAtStart], [['pump-1', 1]])
  assert.equal(again.lastDeviceAtStart, 3, 'the number of the newest is not given again')
  again.journal.appendDevice('pump-2', 4)
  publish(again, 'devices/pump-2/telemetry', '{"ts":5,"values":{"level":5}}', { device: 4 })
  retain(again, 4, 'devices/pump-2/state', 'new')
  await stored(again)
  assert.deepEqual(await pointsOf(again, 'pump-2', 'level'), [[5, 5]])
  assert.deepEqual(Object.keys((await again.device('pump-2'))!.latest), ['level'])
  assert.ok(rowsOf<{ id: number }>(folder, 'SELECT id FROM series WHERE device = 4').every(({ id }) => id > series))
  await again.close()
  assert.deepEqual(
    (await openIn(t, folder)).retainedAtStart.map(({ topic, payload }) => `${topic} ${Buffer.from(payload)}`),
    ['devices/pump-1/deep/er on', 'devices/pump-1/state on', 'devices/pump-2/state new', 'devices/pump-20/state another', 'plain another'],
  )
})

test('messages of it that are on their way are passed over; what comes after it is of the new device', async (t) => {
  const { store, folder } = await withPumps(t)
  for (let n = 0; n < 2000; n += 1) {
    reading(store, 1, { ts: n, values: { level: n } }, n % 2 === 0 ? frameFlags.checked : 0)
    if (n % 10 === 0) retain(store, 1, `devices/pump-1/on-its-way/${n}`, 'old')
  }
  const deleted = store.deleteDevice('pump-1')
  store.journal.appendDevice('pump-1', 4)
  publish(store, 'devices/pump-1/telemetry', '{"ts":7,"values":{"level":7}}', { device: 4 })
  retain(store, 4, 'devices/pump-1/on-its-way/10', 'new')
  await stored(store)
  assert.equal(await deleted, true)
  assert.deepEqual(await pointsOf(store, 'pump-1', 'level'), [[7, 7]])
  assertGone(folder, 'nobody', 1)
  await store.close()
  const again = await openIn(t, folder)
  const topics = again.retainedAtStart.map(({ topic }) => topic)
  assert.deepEqual(
    topics.filter((topic) => topic.startsWith('devices/pump-1/')),
    ['devices/pump-1/on-its-way/10'],
  )
  assert.deepEqual(await pointsOf(again, 'pump-1', 'level'), [[7, 7]])
})

test('a deletion that was cut when the device was gone is finished after the next start, and a check finds no damage meanwhile', {
  timeout: 60_000,
}, async (t) => {
  const { store, folder } = await withPumps(t)
  await store.close()
  withDatabase(join(folder, 'mooring.db'), (db) => assert.equal(new Deletions(db).begin('pump-1', 1_000_000)?.device, 1))
  assert.ok(seriesInFiles(folder).size > rowsOf(folder, 'SELECT id FROM series').length, 'its chunks are there')
  assert.deepEqual(checkFolder(folder).findings, [])

  const again = await openIn(t, folder)
  assert.deepEqual([...again.devicesAtStart.keys()].sort(), ['pump-2', 'pump-3'])
  again.journal.appendDevice('pump-1', 4)
  retain(again, 4, 'devices/pump-1/state', 'new')
  await stored(again)
  while (chunksLeft(folder)) await again.status({ seal: true })
  assertGone(folder, 'nobody', 1)
  await again.close()
  const topics = (await openIn(t, folder)).retainedAtStart.map(({ topic }) => topic)
  assert.ok(topics.includes('devices/pump-1/state'), 'its number is below that of what was deleted, and it is not of that past')
})

test('killed at any moment a device is there with all that it had, or gone', { timeout: 120_000 }, async (t) => {
  const { store, folder } = await withPumps(t)
  await store.close()
  let cut = 0
  for (const aliveMs of [0, 2, 5, 10, 20]) {
    const copy = newFolder(t)
    copyAsKilled(folder, copy)
    const said = await killedWhileSaying('deletion-load.ts', copy, aliveMs)
    if (chunksLeft(copy)) cut += 1

    const again = await openIn(t, copy)
    for (const [at, id] of ['pump-1', 'pump-2'].entries()) {
      const isThere = again.devicesAtStart.has(id)
      if (said.includes(`gone ${id}`)) assert.ok(!isThere, id)
      const points = await pointsOf(again, id, 'level')
      const retained = again.retainedAtStart.filter(({ topic }) => topic.startsWith(`devices/${id}/`))
      assert.deepEqual([points.length, retained.length], isThere ? [days * pointsADay + 2, 2] : [0, 0], id)
      while (chunksLeft(copy)) await again.status({ seal: true })
      if (!isThere) assertGone(copy, id, at + 1)
    }
    await again.close()
    assert.deepEqual(checkFolder(copy).findings, [])
  }
  t.diagnostic(`${cut} deletions were cut`)
})

test('a device that is deleted between two steps of a page of newest values is not on it, and the rest is', async (t) => {
  const folder = newFolder(t)
  const store = await openIn(t, folder)
  for (const device of [1, 2, 3]) {
    store.journal.appendDevice(`pump-${device}`, device)
    reading(store, device, { ts: 1, values: { level: device } })
  }
  await stored(store)
  await store.close()
  withDatabase(join(folder, 'mooring.db'), (db) => {
    const reader = new LatestReader(db)
    const devices = reader.devices({ limit: limits.latestDevices })
    const moved = new MovedWriter()
    moved.add(3, 'pump-3', '{"level":{"at":2,"value":0}}')
    new Deletions(db).begin('pump-2', 0)
    const page = read<{ device: string }[]>(reader.page(devices, moved.moved(), undefined).json)
    assert.deepEqual(
      page.map(({ device }) => device),
      ['pump-1', 'pump-3'],
    )
  })
})

test('a folder from before there were deletions is checked as it is', async (t) => {
  const folder = newFolder(t)
  await (await openIn(t, folder)).close()
  changeIn(folder, 'DROP TABLE metadata; DROP TABLE deletions; DROP TABLE access; DROP TABLE audit; PRAGMA user_version = 6')
  assert.deepEqual(checkFolder(folder).findings, [])
})
