// Thinning against a naive reading of its promise.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { newest } from '../../../hub/store/series/columns.ts'
import { lttb } from '../../../hub/store/series/lttb.ts'
import { rollUp } from '../../../hub/store/series/roll-up.ts'
import { type NumberColumns, pointsOfRollup, thinMinMax, thinRollup } from '../../../hub/store/series/thin.ts'
import { anyValue, columnsOf, numbersAmong, pointsOf } from './naive.ts'

const series = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 1000 }), fc.double({ noNaN: true, noDefaultInfinity: true })), { minLength: 1, maxLength: 400 })
  .map((steps): NumberColumns => {
    let atMs = 0
    const times = steps.map(([gapMs]) => {
      atMs += gapMs
      return atMs
    })
    return { times: Float64Array.from(times), values: Float64Array.from(steps, ([, value]) => value) }
  })

for (const thin of [thinMinMax, lttb]) {
  test(`${thin.name}: a thinned series is part of the series in its order, keeps both ends, and is no longer than asked`, () => {
    fc.assert(
      fc.property(series, fc.integer({ min: 1, max: 100 }), (whole, pointsMax) => {
        const thinned = thin(whole, pointsMax)
        assert.ok(thinned.times.length <= pointsMax)
        assert.equal(thinned.times.length, thinned.values.length)
        assert.equal(thinned.times.at(-1), whole.times.at(-1))
        if (pointsMax > 1) assert.equal(thinned.times[0], whole.times[0])
        let at = -1
        for (const [place, atMs] of thinned.times.entries()) {
          const found = whole.times.indexOf(atMs)
          assert.ok(found > at)
          assert.ok(Object.is(whole.values[found], thinned.values[place]))
          at = found
        }
      }),
    )
  })

  test(`${thin.name}: few points stay as they are`, () => {
    const few = { times: Float64Array.of(1, 2, 3), values: Float64Array.of(3, 1, 2) }
    assert.deepEqual(thin(few, 3), few)
    assert.deepEqual(thin(few, 2), { times: Float64Array.of(1, 3), values: Float64Array.of(3, 2) })
    assert.deepEqual(thin({ times: Float64Array.of(), values: Float64Array.of() }, 2).times.length, 0)
  })
}

describe('thinMinMax', () => {
  test('every stretch of time keeps its lowest and highest value, and two points at most', () => {
    fc.assert(
      fc.property(series, fc.integer({ min: 4, max: 100 }), (whole, pointsMax) => {
        const thinned = thinMinMax(whole, pointsMax)
        if (whole.times.length <= pointsMax) return assert.deepEqual(thinned, whole)
        const stretches = Math.floor((pointsMax - 2) / 2)
        const firstMs = whole.times[0]!
        const spanMs = whole.times.at(-1)! - firstMs
        const stretchOf = (atMs: number) => {
          for (let at = 0; at < stretches - 1; at += 1) if (atMs < firstMs + (spanMs * (at + 1)) / stretches) return at
          return stretches - 1
        }
        const inner = (columns: NumberColumns, stretch: number) => {
          return Array.from(columns.values).filter((_, at) => stretchOf(columns.times[at]!) === stretch)
        }
        for (let stretch = 0; stretch < stretches; stretch += 1) {
          const all = inner(whole, stretch)
          const kept = inner(thinned, stretch)
          assert.deepEqual([Math.min(...kept), Math.max(...kept)], [Math.min(...all), Math.max(...all)])
          const ends = Number(stretch === 0) + Number(stretch === stretches - 1)
          assert.ok(kept.length <= 2 + ends)
        }
      }),
    )
  })
})

describe('lttb', () => {
  test('chooses the corners of a line', () => {
    const times = Float64Array.from({ length: 101 }, (_, at) => 1.7e12 + at * 1000)
    const values = Float64Array.from({ length: 101 }, (_, at) => (at < 40 ? 0 : at < 60 ? 100 : 0))
    const { times: kept } = lttb({ times, values }, 12)
    for (const corner of [40, 59]) assert.ok(kept.includes(times[corner]!), `point ${corner} is kept`)
  })

  test('takes from each run the point of the largest triangle, as loops over all of them find it', () => {
    fc.assert(
      fc.property(series, fc.integer({ min: 3, max: 40 }), ({ times, values: huge }, pointsMax) => {
        const values = huge.map((value) => Math.round(Math.atan(value) * 1000)) // small enough for exact products
        const count = times.length
        if (count <= pointsMax) return
        const startOf = (run: number) => (run === pointsMax - 1 ? count : 1 + Math.floor((run * (count - 2)) / (pointsMax - 2)))
        const thinned = lttb({ times, values }, pointsMax)
        const mean = (of: Float64Array) => of.reduce((sum, x) => sum + x, 0) / of.length
        for (let run = 0; run < pointsMax - 2; run += 1) {
          const [start, end] = [startOf(run), startOf(run + 1)]
          const after = [times, values].map((column) =>
            mean(run === pointsMax - 3 ? column.slice(-1) : column.slice(end, startOf(run + 2))),
          )
          const area = (atMs: number, value: number) => {
            const [beforeMs, before] = [thinned.times[run]!, thinned.values[run]!]
            return Math.abs((after[0]! - beforeMs) * (value - before) - (atMs - beforeMs) * (after[1]! - before))
          }
          const largest = Math.max(...Array.from(times.slice(start, end), (atMs, at) => area(atMs, values[start + at]!)))
          const kept = area(thinned.times[run + 1]!, thinned.values[run + 1]!)
          assert.ok(kept >= largest * (1 - 1e-9) - 1e-6, `${kept} of ${largest}`)
        }
      }),
    )
  })
})

describe('points of a rollup', () => {
  const points = fc.oneof(pointsOf(fc.integer(), 40_000), pointsOf(anyValue, 200_000))

  test('have the lowest and highest number of each bucket inside of it, and the very first and last', () => {
    fc.assert(
      fc.property(points, (all) => {
        const rollup = rollUp(columnsOf(all), 'minute')
        const { times, values } = pointsOfRollup(rollup)
        const numbers = numbersAmong(all)
        assert.deepEqual([times[0], values[0]], [numbers[0]?.atMs, numbers[0]?.value])
        assert.deepEqual([times.at(-1), values.at(-1)], [numbers.at(-1)?.atMs, numbers.at(-1)?.value])
        assert.ok(times.every((atMs, at) => at === 0 || atMs > times[at - 1]!))
        for (const [at, startMs] of rollup.starts.entries()) {
          const inside = Array.from(values).filter((_, place) => times[place]! >= startMs && times[place]! < startMs + 60_000)
          if (rollup.numbers[at] === 0) assert.deepEqual(inside, [])
          else assert.deepEqual([Math.min(...inside), Math.max(...inside)], [rollup.mins[at], rollup.maxs[at]])
        }
      }),
    )
  })

  test('rise where the bucket rose and fall where it fell', () => {
    const minute = (values: number[]) =>
      pointsOfRollup(rollUp(columnsOf(values.map((value, at) => ({ atMs: at * 10_000, value }))), 'minute'))
    assert.deepEqual(Array.from(minute([1, 0, 5, 9, 8]).values), [1, 0, 9, 8])
    assert.deepEqual(Array.from(minute([8, 9, 5, 0, 1]).values), [8, 9, 0, 1])
    assert.deepEqual(minute([3, 7]), { times: Float64Array.of(0, 10_000), values: Float64Array.of(3, 7) })
    assert.deepEqual(minute([4]), { times: Float64Array.of(0), values: Float64Array.of(4) })
  })

  test('are thinned like points', () => {
    const rollup = rollUp(columnsOf(Array.from({ length: 500 }, (_, at) => ({ atMs: at * 10_000, value: (at * 37) % 101 }))), 'minute')
    const { times, values } = thinRollup(rollup, 20)
    assert.ok(times.length <= 20 && times.length > 15)
    assert.deepEqual([Math.min(...values), Math.max(...values)], [0, 100])
  })
})

test('of values that are no numbers the newest stay', () => {
  const columns = { times: Float64Array.of(1, 2, 3), values: ['a', null, true] }
  assert.deepEqual(newest(columns, 2), { times: Float64Array.of(2, 3), values: [null, true] })
  assert.deepEqual(newest(columns, 3), columns)
  assert.deepEqual(newest(columns, 0), { times: Float64Array.of(), values: [] })
})
