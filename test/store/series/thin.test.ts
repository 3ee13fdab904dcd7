// Thinning against a naive reading of its promise.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { thin } from '../../../hub/store/series/thin.ts'

const series = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 1000 }), fc.double({ noNaN: true, noDefaultInfinity: true })), { minLength: 1, maxLength: 400 })
  .map((steps) => {
    let atMs = 0
    return { times: steps.map(([gapMs]) => (atMs += gapMs)), values: steps.map(([, value]) => value) }
  })

test('a thinned series is part of the series in its order, keeps both ends, and is no longer than asked', () => {
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

test('every stretch of time keeps its first, last, lowest and highest value', () => {
  fc.assert(
    fc.property(series, fc.integer({ min: 4, max: 100 }), (whole, pointsMax) => {
      const thinned = thin(whole, pointsMax)
      if (whole.times.length <= pointsMax) return assert.deepEqual(thinned, whole)
      const buckets = Math.floor(pointsMax / 4)
      const firstMs = whole.times[0]!
      const spanMs = whole.times.at(-1)! - firstMs
      const bucketOf = (atMs: number) => {
        for (let bucket = 0; bucket < buckets - 1; bucket += 1) if (atMs < firstMs + (spanMs * (bucket + 1)) / buckets) return bucket
        return buckets - 1
      }
      for (let bucket = 0; bucket < buckets; bucket += 1) {
        const all = whole.values.filter((_, at) => bucketOf(whole.times[at]!) === bucket)
        const kept = thinned.values.filter((_, at) => bucketOf(thinned.times[at]!) === bucket)
        assert.deepEqual([kept[0], kept.at(-1)], [all[0], all.at(-1)])
        if (all.length > 0) assert.deepEqual([Math.min(...kept), Math.max(...kept)], [Math.min(...all), Math.max(...all)])
      }
    }),
  )
})
