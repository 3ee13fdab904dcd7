// What the page of a device works out by itself: typed commands, leaves of two states, stretches of time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lineOf, offersOf, paramsText, readLine } from '../../dashboard/src/parts/device/command-line.ts'
import { compared, removalOf } from '../../dashboard/src/parts/device/leaves.ts'
import { type PresenceEvent, stretchesOf, uptimeOf } from '../../dashboard/src/parts/device/stretches.ts'

test('a typed command becomes name and params, of the kinds that the type declares', () => {
  const declared = { 'set-serial': { properties: { serial: { type: 'string' } }, required: ['serial'] } }
  assert.deepEqual(readLine('stop', {}), { name: 'stop', params: {} })
  assert.deepEqual(readLine(' set rpm=900 ramp=true by="two words" ', {}), {
    name: 'set',
    params: { rpm: 900, ramp: true, by: 'two words' },
  })
  assert.deepEqual(readLine('set {"a":[1,2]}', {}), { name: 'set', params: { a: [1, 2] } })
  assert.deepEqual(readLine('set-serial serial=0042', declared), { name: 'set-serial', params: { serial: '0042' } })
  assert.deepEqual(readLine('set-serial serial=42', declared), { name: 'set-serial', params: { serial: '42' } })
  assert.equal(readLine('set-serial', declared), 'Missing: serial.')
  assert.match(`${readLine('set fast', {})}`, /name=value, or one JSON object/)
  assert.match(`${readLine('set {"a":', {})}`, /name=value, or one JSON object/)
  for (const params of [{}, { a: 1, b: 'x y', c: '7', d: false }, { deep: { a: 1 } }, [1]])
    assert.deepEqual(readLine(lineOf({ name: 'do', params }), {}), { name: 'do', params })
  assert.deepEqual(offersOf(declared, []), ['set-serial serial='])
  assert.equal(paramsText('set-serial ser', declared), 'serial string')
})

test('leaves of two states are compared, and a removal takes empty objects along', () => {
  const desired = { b: { on: true, list: [1, { x: 1 }] }, a: 1 }
  const rows = compared(desired, { b: { on: false, list: [1, { x: 1 }] }, c: {} })
  assert.deepEqual(
    rows.map(({ path, is }) => `${path.join('.')} ${is}`),
    ['a missing', 'b.list same', 'b.on differs', 'c unasked'],
  )
  assert.deepEqual(removalOf({ a: { b: { c: 1 } }, d: 1 }, ['a', 'b', 'c']), { a: null })
  assert.deepEqual(removalOf({ a: { b: 1, c: 2 } }, ['a', 'b']), { a: { b: null } })
})

test('stretches of time: what was before the first event, and while the hub was gone, is not known', () => {
  const event = (atMs: number, name: 'online' | 'away' | 'offline', reason?: string): PresenceEvent => ({
    at: atMs,
    kind: 'presence',
    name,
    body: { at: name, since: atMs, ...(reason === undefined ? {} : { reason }) },
  })
  const stretches = stretchesOf([event(80, 'online'), event(60, 'offline', 'hub-stopped'), event(20, 'online')], 0, 100)
  assert.deepEqual(
    stretches.map(({ fromMs, toMs, is }) => [fromMs, toMs, is]),
    [
      [0, 20, 'unknown'],
      [20, 60, 'online'],
      [60, 80, 'unknown'],
      [80, 100, 'online'],
    ],
  )
  assert.equal(uptimeOf(stretches), 1)
  const half = stretchesOf([event(50, 'offline', 'kicked'), event(-5, 'online')], 0, 100)
  assert.equal(uptimeOf(half), 0.5)
  assert.equal(uptimeOf(stretchesOf([], 0, 100)), null)
})
