import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Entry, Fleet, newestMetrics } from '../../dashboard/src/fleet.ts'
import { backoffMs } from '../../dashboard/src/live.ts'
import { held, parseSort, sorted } from '../../dashboard/src/order.ts'
import { spanOf } from '../../dashboard/src/parts/window.ts'

function fleetOf(...ids: string[]): Fleet {
  const fleet = new Fleet()
  fleet.onFrame({
    is: 'frame',
    at: 1_000,
    devices: ids.map((id, i) => ({
      id,
      createdAt: 1,
      connected: i % 2 === 0,
      presence: { at: i % 2 === 0 ? 'online' : 'away', since: 1 },
    })),
  })
  return fleet
}

const idsOf = (entries: readonly Entry[]) => entries.map((entry) => entry.id)

test('devices a frame tells of appear in order of id', () => {
  const fleet = fleetOf('pump-2', 'boiler-1', 'pump-1')
  assert.deepEqual(idsOf(fleet.list.value), ['boiler-1', 'pump-1', 'pump-2'])
  assert.equal(fleet.connected.value, 2)
})

test('a change writes the newest value; an older one that comes late does not', () => {
  const fleet = fleetOf('pump-1')
  const change = (time: number, value: number) => ({ devices: ['pump-1'], metrics: ['bar'], times: [time], values: [value] })
  fleet.onFrame({ is: 'frame', at: 2_000, changes: change(1_900, 3) })
  fleet.onFrame({ is: 'frame', at: 3_000, changes: change(1_000, 2) })
  const entry = fleet.find('pump-1')
  assert.deepEqual(entry?.latest.get('bar')?.value, { at: 1_900, value: 3 })
  assert.equal(entry?.lastSeenAt.value, 3_000)
  assert.deepEqual(entry?.shown.value, ['bar'])
})

test('a row keeps its two metrics until one has been silent for a minute', () => {
  const fleet = fleetOf('pump-1')
  const hear = (metric: string, at: number) =>
    fleet.onFrame({ is: 'frame', at, changes: { devices: ['pump-1'], metrics: [metric], times: [at], values: [1] } })
  hear('a', 1_000)
  hear('b', 2_000)
  hear('c', 3_000)
  assert.deepEqual(fleet.find('pump-1')?.shown.value, ['a', 'b'])
  hear('b', 70_000)
  hear('c', 71_000)
  assert.deepEqual(fleet.find('pump-1')?.shown.value, ['c', 'b'])
})

test('the newest metrics are shown first, numbers before texts', () => {
  const at = 5
  assert.deepEqual(newestMetrics({ mode: { at, value: 'idle' }, rpm: { at, value: 3 }, old: { at: 1, value: 1 }, bar: { at, value: 2 } }), [
    'bar',
    'rpm',
  ])
})

test('a device that comes or goes says since when and why', () => {
  const fleet = fleetOf('pump-1')
  const presence = { at: 'offline', since: 2_000, reason: 'keep-alive-timeout' } as const
  fleet.onFrame({ is: 'frame', at: 2_000, devices: [{ id: 'pump-1', connected: false, presence }] })
  assert.deepEqual(fleet.find('pump-1')?.presence.value, presence)
  assert.equal(fleet.connected.value, 0)
})

test('the table can be in order of id, state or time', () => {
  const fleet = fleetOf('a', 'b', 'c')
  const { list } = fleet
  for (const [at, id] of ['a', 'b', 'c'].entries()) {
    fleet.onFrame({ is: 'frame', at: 100 * at, changes: { devices: [id], metrics: ['n'], times: [1], values: [1] } })
  }
  assert.deepEqual(idsOf(sorted(list.value, parseSort(null))), ['a', 'b', 'c'])
  assert.deepEqual(idsOf(sorted(list.value, parseSort('state'))), ['a', 'c', 'b'])
  assert.deepEqual(idsOf(sorted(list.value, parseSort('seen'))), ['c', 'b', 'a'])
  assert.deepEqual(idsOf(sorted(list.value, parseSort('-seen'))), ['a', 'b', 'c'])
})

test('while the order is held no row moves: the new come last', () => {
  const { list } = fleetOf('a', 'b', 'c', 'd')
  const [a, b, c, d] = list.value as [Entry, Entry, Entry, Entry]
  assert.deepEqual(idsOf(held([c, a, b], [a, c, d])), ['c', 'a', 'd'])
  assert.deepEqual(idsOf(held([], [b, d])), ['b', 'd'])
})

test('only rows on screen exist, with a few to spare', () => {
  assert.deepEqual(spanOf(0, 640, 32, 5_000), { from: 0, to: 30 })
  assert.deepEqual(spanOf(3_200, 640, 32, 5_000), { from: 90, to: 130 })
  assert.deepEqual(spanOf(3_200, 640, 32, 4), { from: 4, to: 4 })
  assert.deepEqual(spanOf(-200, 640, 32, 3), { from: 0, to: 3 })
})

test('reconnecting waits half a second at first and eight at most', () => {
  assert.equal(backoffMs(0, 0), 500)
  assert.equal(backoffMs(0, 1), 1_000)
  assert.equal(backoffMs(20, 1), 8_000)
  assert.equal(backoffMs(20, 0), 500)
})

test('a device that is read whole shows its numbers first, whatever their names', () => {
  const fleet = new Fleet()
  const at = 1_000_000
  const latest = { heating: { at, value: true }, target: { at, value: 21 }, temperature: { at, value: 20.4 } }
  const entry = fleet.take({
    id: 'thermostat-1',
    name: 'thermostat-1',
    type: null,
    tags: {},
    gateway: null,
    createdAt: 1,
    lastSeenAt: at,
    presence: { at: 'online', since: 1 },
    connected: true,
    lastRefusal: null,
    latest,
  })
  assert.deepEqual(entry.shown.value, ['target', 'temperature'])
})
