// What the store makes of device types: which telemetry it takes, also when it is read back after a crash, and how long it keeps points.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../../hub/clock.ts'
import { retention } from '../../hub/retention.ts'
import { openSqliteStore } from '../../hub/store/sqlite/open.ts'
import { frameFlags, type Store } from '../../hub/store/store.ts'
import { atEnd } from '../kit/at-end.ts'
import { newFolder, openIn, pointsOf, reading, stored } from './kit.ts'
import { copyAsKilled, partitionsOf, withDatabase } from './telemetry/inside.ts'

const dayMs = 86_400_000

function put(store: Store, name: string, type: object | null): Promise<void> {
  return store.access.write([{ kind: 'type', id: name, body: type === null ? null : JSON.stringify(type) }], [])
}

const sentenceOf = async (store: Store, id: string) => (await store.device(id))?.lastRefusal?.sentence
const newest = async (store: Store, id: string) => (await store.device(id))?.latest['t']?.value

test('a type holds from the commit of its document, a device has the one that was said last, and a start knows both', async (t) => {
  const folder = newFolder(t)
  const store = await openIn(t, folder)
  for (const at of [1, 2]) store.journal.appendDevice(`pump-${at}`, at)
  await stored(store)
  await store.describe('pump-1', { type: 'pump' })
  reading(store, 1, { t: 200 })
  await stored(store)
  await put(store, 'pump', { metrics: { t: { type: 'number', max: 100 } } })
  reading(store, 1, { t: 150 })
  reading(store, 2, { t: 150 })
  await stored(store)
  assert.deepEqual([await newest(store, 'pump-1'), await newest(store, 'pump-2')], [200, 150])
  assert.match((await sentenceOf(store, 'pump-1')) ?? '', /the metric t of the type pump is at most 100, not 150/)
  await store.describe('pump-2', { type: 'pump' })
  await store.describe('pump-1', { type: null })
  for (const at of [1, 2]) reading(store, at, { t: 160 })
  await stored(store)
  assert.deepEqual([await newest(store, 'pump-1'), await newest(store, 'pump-2')], [160, 150])
  await store.close()

  const again = await openIn(t, folder)
  assert.deepEqual([...again.typesAtStart], [['pump-2', 'pump']])
  for (const at of [1, 2]) reading(again, at, { t: 170 })
  await stored(again)
  assert.deepEqual([await newest(again, 'pump-1'), await newest(again, 'pump-2')], [170, 150])
  await put(again, 'pump', null)
  reading(again, 2, { t: 180 })
  await stored(again)
  assert.equal(await newest(again, 'pump-2'), 180)
})

test('what was taken before a type changed is there after a crash, and what was refused is not', async (t) => {
  const folder = newFolder(t)
  const store = await openIn(t, folder)
  for (const at of [1, 2, 3]) {
    store.journal.appendDevice(`pump-${at}`, at)
    await stored(store)
    await store.describe(`pump-${at}`, { type: 'pump' })
  }
  reading(store, 1, { t: 200 })
  reading(store, 2, { t: 200 }, frameFlags.checked)
  await stored(store)
  await put(store, 'pump', { metrics: { t: { type: 'number', max: 100 } } })
  reading(store, 3, { t: 300 })
  await stored(store)
  await put(store, 'pump', { metrics: { t: { type: 'number', max: 1000 } } })
  reading(store, 2, { t: 250 }, frameFlags.checked)
  await stored(store)
  await put(store, 'pump', { metrics: { t: { type: 'boolean' } } })

  const killed = newFolder(t)
  copyAsKilled(folder, killed)
  const again = await openIn(t, killed)
  assert.deepEqual([await newest(again, 'pump-1'), await newest(again, 'pump-2'), await newest(again, 'pump-3')], [200, 250, undefined])
})

test('what a device was told is stored is not judged again by a type that came behind it', async (t) => {
  const folder = newFolder(t)
  const store = await openIn(t, folder)
  for (const at of [1, 2]) {
    store.journal.appendDevice(`pump-${at}`, at)
    await stored(store)
    await store.describe(`pump-${at}`, { type: 'pump' })
  }
  reading(store, 1, { t: 200 }, frameFlags.checked)
  reading(store, 2, { t: 200 })
  await stored(store)
  const killed = newFolder(t)
  copyAsKilled(folder, killed)
  const body = JSON.stringify({ metrics: { t: { type: 'boolean' } } })
  withDatabase(join(killed, 'mooring.db'), (db) => db.prepare("INSERT INTO access VALUES ('type', 'pump', ?)").run(body))
  const again = await openIn(t, killed)
  assert.deepEqual([await newest(again, 'pump-1'), await newest(again, 'pump-2')], [200, undefined])
})

test('points are kept as the type of their device says, before the rules of the setting, from its commit on', {
  timeout: 60_000,
}, async (t) => {
  const folder = newFolder(t)
  const keep = retention.read('raw forever; pumps type=pump: raw 90d')
  const store = await openSqliteStore({ folder, durability: 'batched', clock: systemClock, keep })
  atEnd(t, () => store.close())
  for (const [at, type] of [
    [1, 'pump'],
    [2, 'Valve.2'],
    [3, null],
  ] as const) {
    store.journal.appendDevice(`d-${at}`, at)
    await stored(store)
    await store.describe(`d-${at}`, { type })
  }
  await put(store, 'pump', { keep: 'raw 1y' })
  await put(store, 'Valve.2', { keep: 'raw 200d' })
  const oldMs = Math.floor(Date.now() / dayMs) * dayMs - 100 * dayMs
  for (const at of [1, 2, 3]) reading(store, at, { ts: oldMs, values: { t: at } })
  await stored(store)
  await store.status({ seal: true })
  const rulesOf = () =>
    partitionsOf(folder, 'raw')
      .map(({ keep }) => keep)
      .toSorted()
  assert.deepEqual(rulesOf(), ['default', 'type__56alve_2e2', 'type_pump'])
  const at = async (id: string) => (await pointsOf(store, id, 't')).length
  assert.deepEqual([await at('d-1'), await at('d-2'), await at('d-3')], [1, 1, 1])

  await put(store, 'Valve.2', { keep: 'raw 30d, minute 30d, hour 30d, day 30d' })
  for (const deadline = performance.now() + 20_000; (await at('d-2')) > 0 && performance.now() < deadline; ) await pause(100)
  assert.deepEqual([await at('d-1'), await at('d-2'), await at('d-3')], [1, 0, 1])
})
