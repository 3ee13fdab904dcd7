import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concernsOf, GrowthWatch } from '../../dashboard/src/attention.ts'
import { completionAt, facetsOf, matches, noFacets, parseFilter } from '../../dashboard/src/filter.ts'
import { type Entry, Fleet } from '../../dashboard/src/fleet.ts'
import { parseSort, sorted, sortText } from '../../dashboard/src/order.ts'
import type { Presence } from '../../devices/presence.ts'

const none: ReadonlySet<string> = new Set()

const never: Presence = { at: 'offline', since: null }

interface Said {
  readonly name?: string
  readonly type?: string
  readonly tags?: Readonly<Record<string, string>>
  readonly presence?: Presence
  readonly value?: number
}

function fleetOf(devices: Readonly<Record<string, Said>>): readonly Entry[] {
  const fleet = new Fleet()
  for (const [id, { name = id, type = null, tags = {}, presence = never, value }] of Object.entries(devices)) {
    fleet.take({
      ...{ id, name, type, tags, presence, gateway: null, createdAt: 1, lastSeenAt: null, lastRefusal: null },
      connected: presence.at === 'online',
      latest: value === undefined ? {} : { n: { at: 1, value } },
    })
  }
  return fleet.list.value
}

const online: Presence = { at: 'online', since: 1, wire: 'mqtt-tcp', address: '10.0.0.1' }
const devices = fleetOf({
  'Boiler-1': { type: 'boiler', tags: { site: 'North Hall', room: '12' }, presence: online },
  'pump-1': { name: 'Feed pump', type: 'pump', tags: { site: 'south' }, presence: { at: 'away', since: 1, wire: 'sse', address: '' } },
  'pump-2': { type: 'pump-large' },
})

const idsFor = (text: string, stale = none) =>
  devices.filter((entry) => matches(entry, parseFilter(text), facetsOf(devices), stale)).map(({ id }) => id)

for (const [text, ids] of [
  ['', ['Boiler-1', 'pump-1', 'pump-2']],
  ['  BOIL 1 ', ['Boiler-1']],
  ['feed', ['pump-1']],
  ['boil pump', []],
  ['status:online', ['Boiler-1']],
  ['status:off', ['pump-2']],
  ['status: pump', ['pump-1', 'pump-2']],
  ['type:pump', ['pump-1']],
  ['type:pum', ['pump-1', 'pump-2']],
  ['tag:south', ['pump-1']],
  ['tag:site', ['Boiler-1', 'pump-1']],
  ['tag:"site:north hall"', ['Boiler-1']],
  ['tag:room:12 status:online', ['Boiler-1']],
  ['transport:mqtt', ['Boiler-1']],
  ['status:purple', []],
] as const) {
  test(`the filter “${text}” shows ${ids.join(', ') || 'nobody'}`, () => assert.deepEqual(idsFor(text), ids))
}

test('a filter asks for what fell silent, and for what did not', () => {
  const stale = new Set(['pump-1'])
  assert.deepEqual(idsFor('stale:yes', stale), ['pump-1'])
  assert.deepEqual(idsFor('stale:no pump', stale), ['pump-2'])
})

test('a key that is none is searched, and said', () => {
  const { words, strangers, impossible } = parseFilter('colour:red urn:dev status:purple')
  assert.deepEqual(words, ['colour:red', 'urn:dev'])
  assert.deepEqual(strangers, ['colour:red', 'urn:dev'])
  assert.deepEqual(impossible, [{ key: 'status', value: 'purple' }])
})

test('keys and the values of the fleet are completed where the cursor stands', () => {
  const facets = facetsOf(devices)
  assert.deepEqual(completionAt('', 0, noFacets).options, ['status:', 'type:', 'tag:', 'transport:', 'stale:'])
  assert.deepEqual(completionAt('pump sta', 8, facets), { from: 5, to: 8, options: ['status:', 'stale:'] })
  assert.deepEqual(completionAt('type:p', 6, facets).options, ['type:pump', 'type:pump-large'])
  assert.deepEqual(completionAt('tag:site:n', 10, facets).options, ['tag:"site:north hall"'])
  assert.deepEqual(completionAt('boiler', 6, facets).options, [])
})

test('each column sorts both ways, and who has nothing there comes last', () => {
  const some = fleetOf({ a: { value: 2 }, b: {}, c: { value: 1 } })
  const order = (text: string) => sorted(some, parseSort(text), ['n']).map(({ id }) => id)
  assert.deepEqual(order('m1'), ['c', 'a', 'b'])
  assert.deepEqual(order('-m1'), ['a', 'c', 'b'])
  assert.deepEqual(order('-id'), ['c', 'b', 'a'])
  assert.equal(sortText(parseSort('m1'), 'm1'), '-m1')
  assert.equal(sortText(parseSort('-id'), 'id'), '')
})

test('what needs attention: who is lost, who is silent, what failed; a goodbye is calm', () => {
  const fleet = fleetOf({
    gone: { presence: { at: 'away', since: 50, reason: 'connection-lost' } },
    polite: { presence: { at: 'offline', since: 60, reason: 'closed-by-device' } },
    silent: { presence: online },
  })
  const event = (name: string, at: number, metric: string) => ({
    ...{ device: 'silent', at, kind: 'freshness' as const, name },
    body: { metrics: { [metric]: at } },
  })
  const concerns = concernsOf({
    fleet,
    stale: new Set(['silent', 'gone']),
    freshness: [event('fresh', 45, 'pressure'), event('stale', 40, 'flow'), event('stale', 30, 'pressure')],
    failed: [{ id: '1', device: 'silent', name: 'stop', reason: 'jammed', trail: [{ at: 70 }] }],
    growth: [{ is: 'refused', code: 'packet-too-large', times: 3, at: 80 }],
    nowMs: 100,
  })
  assert.deepEqual(concerns, [
    { is: 'refused', at: 80, code: 'packet-too-large', times: 3 },
    { is: 'failed', at: 70, device: 'silent', command: 'stop', reason: 'jammed' },
    { is: 'lost', at: 50, device: 'gone', reason: 'connection-lost' },
    { is: 'stale', at: 40, device: 'silent', metrics: ['flow'] },
  ])
})

test('only what grows while the page looks is told, and added up', () => {
  const watch = new GrowthWatch()
  const reading = (count: number) => ({ refusals: [{ code: 'full', sentence: '', count }], drops: [] })
  assert.deepEqual(watch.onReading(reading(5), 1), [])
  assert.deepEqual(watch.onReading(reading(7), 2), [{ is: 'refused', code: 'full', at: 2, times: 2 }])
  assert.deepEqual(watch.onReading(reading(8), 3), [{ is: 'refused', code: 'full', at: 3, times: 3 }])
})
