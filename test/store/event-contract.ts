// What every database has to remember of what has happened to devices, and of how they were connected.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { limits } from '../../hub/limits.ts'
import { presenceGoesOn } from '../../hub/store/events.ts'
import { frameFlags, recordKinds, type Store } from '../../hub/store/store.ts'
import type { OpenStore } from './contract.ts'
import { newFolder, publish, stored } from './kit.ts'

export function eventContract(name: string, open: OpenStore, copyAsKilled: (folder: string, to: string) => void): void {
  async function withPumps(t: TestContext, folder = newFolder(t)): Promise<Store> {
    const store = await open(t, folder)
    for (const number of [1, 2]) store.journal.appendDevice(`pump-${number}`, number)
    return store
  }
  const tell = (store: Store, device: number, called: string, text: string) =>
    publish(store, `devices/pump-${device}/events/${called}`, text, { device, flags: frameFlags.event })
  const isAt = (store: Store, device: number, at: 'online' | 'offline', since: number, key = '') =>
    store.journal.appendRecord(recordKinds.presence, device, key, JSON.stringify({ at, since }), true)
  const namesOf = async (store: Store, query: Parameters<Store['events']['list']>[0]) =>
    (await store.events.list(query)).map(({ device, name: called }) => `${device} ${called}`)

  test(`${name}: events are there with the commit of their message, newest first, by device, kind, name, time and place`, async (t) => {
    const store = await withPumps(t)
    tell(store, 1, 'started', '{"why":"power"}')
    tell(store, 2, 'door', 'open')
    isAt(store, 1, 'online', 5000)
    store.journal.appendRecord(recordKinds.event, 1, 'freshness/stale', '{"metrics":{}}', true)
    await stored(store)
    const all = await store.events.list({ limit: 10 })
    assert.deepEqual(
      all.map(({ device, kind, name: called, body }) => [device, kind, called, body]),
      [
        ['pump-1', 'freshness', 'stale', '{"metrics":{}}'],
        ['pump-1', 'presence', 'online', '{"at":"online","since":5000}'],
        ['pump-2', 'event', 'door', '"open"'],
        ['pump-1', 'event', 'started', '{"why":"power"}'],
      ],
    )
    assert.equal(all[1]?.at, 5000, 'when it happened, not when it was told')
    assert.deepEqual(await namesOf(store, { limit: 1 }), ['pump-1 stale'])
    assert.deepEqual(await namesOf(store, { limit: 10, before: all[1]!.seq }), ['pump-2 door', 'pump-1 started'])
    assert.deepEqual(await namesOf(store, { limit: 10, devices: ['pump-2', 'ghost'] }), ['pump-2 door'])
    assert.deepEqual(await namesOf(store, { limit: 10, kind: 'event', name: 'started' }), ['pump-1 started'])
    assert.deepEqual(await namesOf(store, { limit: 10, to: 5000 }), ['pump-1 online'])
    assert.deepEqual(await namesOf(store, { limit: 10, from: 5000.5, kind: 'presence' }), [])
  })

  test(`${name}: a device has its newest events, and the oldest go`, async (t) => {
    const store = await withPumps(t)
    tell(store, 2, 'first', '')
    for (let count = 0; count < limits.eventsPerDevice + 5; count++) tell(store, 1, `e${count}`, '1')
    await stored(store)
    const kept = await namesOf(store, { limit: limits.eventsPerDevice * 2, devices: ['pump-1'] })
    assert.deepEqual([kept.length, kept[0], kept.at(-1)], [limits.eventsPerDevice, `pump-1 e${limits.eventsPerDevice + 4}`, 'pump-1 e5'])
    assert.deepEqual(await namesOf(store, { limit: 10, devices: ['pump-2'] }), ['pump-2 first'])
  })

  test(`${name}: presence, its event and its series outlive a kill at once; who was not offline is known at the start`, async (t) => {
    const folder = newFolder(t)
    const store = await withPumps(t, folder)
    isAt(store, 1, 'online', 5000)
    isAt(store, 2, 'online', 6000)
    isAt(store, 2, 'offline', 7000)
    isAt(store, 1, 'online', 5000, presenceGoesOn)
    await stored(store)
    const copy = newFolder(t)
    copyAsKilled(folder, copy)
    const again = await open(t, copy)
    assert.deepEqual(again.presencesAtStart, [{ id: 'pump-1', presence: { at: 'online', since: 5000 } }])
    assert.ok(again.aliveAtStartMs > 0)
    assert.deepEqual(await namesOf(again, { limit: 10 }), ['pump-2 offline', 'pump-2 online', 'pump-1 online'])
    const pump = await again.device('pump-2')
    assert.deepEqual([pump?.presence, pump?.lastSeenAt, pump?.latest], [{ at: 'offline', since: 7000 }, null, {}])
    const { json } = await again.telemetry.latest({ metrics: ['$connected'], limit: 10 })
    const entries = JSON.parse(new TextDecoder().decode(json)) as {
      device: string
      latest: { $connected: { at: number; value: boolean } }
    }[]
    assert.deepEqual(
      entries.map(({ device, latest }) => [device, latest.$connected.value]),
      [
        ['pump-1', true],
        ['pump-2', false],
      ],
    )
    assert.ok(Number(entries[0]?.latest.$connected.at) > 7000, 'said again, at the time of that')
  })

  test(`${name}: a device that is deleted takes its events and its presence along, and those of it that come too late go nowhere`, async (t) => {
    const store = await withPumps(t)
    isAt(store, 1, 'online', 5000)
    tell(store, 1, 'started', '1')
    await stored(store)
    assert.equal(await store.deleteDevice('pump-1'), true)
    isAt(store, 1, 'offline', 6000)
    tell(store, 1, 'late', '1')
    await stored(store)
    assert.deepEqual(await namesOf(store, { limit: 10 }), [])
    store.journal.appendDevice('pump-1', 3)
    await stored(store)
    assert.deepEqual((await store.device('pump-1'))?.presence, { at: 'offline', since: null })
  })
}
