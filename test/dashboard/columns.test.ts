import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Columns, gapsIn, lonelyPoints, usualStep } from '../../dashboard/src/columns.ts'

function columns(...points: readonly (readonly [number, number])[]): Columns {
  const made = new Columns()
  for (const [time, value] of points) made.insert(time, value)
  return made
}

function times(...steps: number[]): Float64Array {
  let at = 0
  return Float64Array.from([0, ...steps], (step) => (at += step))
}

test('a point of the same time replaces the one that is there', () => {
  const history = columns([1_000, 20], [2_000, 21])
  history.insert(2_000, 21.5)
  history.insert(3_000, 22)
  assert.deepEqual([...history.times], [1_000, 2_000, 3_000])
  assert.deepEqual([...history.values], [20, 21.5, 22])
})

test('a point that comes late is put where it belongs', () => {
  const history = columns([1_000, 1], [3_000, 3], [2_000, 2], [500, 0])
  assert.deepEqual([...history.times], [500, 1_000, 2_000, 3_000])
  assert.deepEqual([...history.values], [0, 1, 2, 3])
  assert.equal(history.lastTime, 3_000)
  assert.equal(history.lastValue, 3)
})

test('columns grow and are trimmed to the range, but keep the point from which the line enters it', () => {
  const history = new Columns()
  for (let second = 0; second < 10_000; second++) {
    history.insert(second * 1_000, second)
    history.trim(second * 1_000 - 60_500)
  }
  assert.equal(history.length, 62)
  assert.deepEqual([history.times[0], history.times[1]], [9_938_000, 9_939_000])
  assert.equal(history.lastValue, 9_999)
})

test('the usual step is a median: a pause does not move it', () => {
  assert.equal(usualStep(times(10, 10, 10, 5_000, 10)), 10)
  assert.equal(usualStep(times()), Number.NaN)
})

test('silence of more than five usual steps is a gap', () => {
  assert.deepEqual(gapsIn(times(10, 10, 50, 10, 51, 10, 10)), [4])
  assert.deepEqual(gapsIn(times(10)), [])
  assert.deepEqual(gapsIn(times()), [])
})

test('a thinned history is not full of gaps once the live points are the majority', () => {
  const thinned = new Array<number>(200).fill(54_000)
  const live = new Array<number>(2_000).fill(1_000)
  assert.deepEqual(gapsIn(times(...thinned, ...live)), [])
  assert.deepEqual(gapsIn(times(...thinned, 600_000, ...live, 60_000, 1_000, 1_000, 1_000, 1_000, 1_000)), [200, 2_201])
})

test('of a thinned history only a stretch without points is a gap, however the points lie in their stretches', () => {
  // Stretches of 100, two points in each, at any distance from each other.
  const points = Float64Array.from({ length: 40 }, (_, i) => Math.floor(i / 2) * 100 + (i % 2 === 0 ? (i * 7) % 50 : 50 + ((i * 11) % 50)))
  assert.deepEqual(
    gapsIn(points, () => 100),
    [],
  )
  const silent = points.map((at, i) => at + (i >= 20 ? 300 : 0))
  assert.deepEqual(
    gapsIn(silent, () => 100),
    [19],
  )
  assert.deepEqual(
    gapsIn(silent, (at) => (at < 1_500 ? 1_000 : 100)),
    [],
    'where only coarser data is left, a silence has to be longer',
  )
  assert.deepEqual(
    gapsIn(times(...new Array<number>(30).fill(250)), () => 100),
    [],
    'a device that speaks less often is not silent',
  )
})

test('a point with a gap on both sides needs a dot', () => {
  assert.deepEqual(lonelyPoints(6, [1, 2, 4]), [2, 5])
  assert.deepEqual(lonelyPoints(4, [0]), [0])
  assert.deepEqual(lonelyPoints(1, []), [0])
  assert.deepEqual(lonelyPoints(0, []), [])
})
