import assert from 'node:assert/strict'
import { test } from 'node:test'
import { narrower, queryOf, type rangesMs, shifted, spanOf, still, type View, viewOf, wider } from '../../dashboard/src/range.ts'

const hourMs = 3_600_000
const now = Date.UTC(2026, 10, 23, 12)
const view = (text: string) => viewOf(new URLSearchParams(text))
const live = (name: keyof typeof rangesMs): View => ({ is: 'live', name })

test('the address says what is shown, and what is shown becomes the address', () => {
  assert.deepEqual(view(''), live('5m'))
  assert.deepEqual(view('range=1y'), live('1y'))
  assert.deepEqual(view('range=forever'), live('5m'))
  assert.deepEqual(view('from=1000000&to=5000000'), still(1_000_000, 5_000_000))
  assert.deepEqual(
    view('from=2026-11-22T10:00:00Z&to=2026-11-22T09:00:00Z'),
    still(now - 27 * hourMs, now - 26 * hourMs),
    'in either order',
  )
  assert.deepEqual(view('from=1000000'), live('5m'), 'half a range is none')
  assert.deepEqual(view('from=yesterday&to=5000000'), live('5m'))
  for (const one of [live('5m'), live('30d'), still(1_000_000, 5_000_000)])
    assert.deepEqual(viewOf(new URLSearchParams(Object.entries(queryOf(one)))), one)
})

test('a range is never shorter than a second', () => {
  assert.deepEqual(spanOf(still(5_000, 5_000.4), now), { is: 'still', fromMs: 5_000, toMs: 6_000 })
})

test('moving earlier stands still, and moving back to now goes on live', () => {
  const earlier = shifted(live('24h'), -1, now)
  assert.deepEqual(earlier, still(now - 36 * hourMs, now - 12 * hourMs))
  assert.deepEqual(shifted(earlier, 1, now), live('24h'))
  assert.deepEqual(shifted(earlier, 1, now + 10_000), live('24h'), 'although time went on meanwhile')
  assert.deepEqual(shifted(live('24h'), 1, now), live('24h'), 'there is nothing after now')
  assert.deepEqual(shifted(still(now - 4 * hourMs, now - hourMs), 1, now), still(now - 3 * hourMs, now), 'of no range with a name')
})

test('wider is the next range or twice the time, narrower the half in the middle', () => {
  assert.deepEqual(wider(live('24h'), now), live('7d'))
  assert.deepEqual(wider(live('1y'), now), live('1y'))
  assert.deepEqual(wider(still(now - 8 * hourMs, now - 4 * hourMs), now), still(now - 10 * hourMs, now - 2 * hourMs))
  assert.deepEqual(narrower(still(now - 8 * hourMs, now - 4 * hourMs), now), still(now - 7 * hourMs, now - 5 * hourMs))
  assert.deepEqual(narrower(live('24h'), now), still(now - 18 * hourMs, now - 6 * hourMs))
})
