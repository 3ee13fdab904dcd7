// Rows of points on their way into chunks: what is written is read, and damage takes one series' part of one row.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Columns } from '../../hub/store/series/columns.ts'
import { gatherHeads, type HeadDamage, headsOf, pointsOfHead, type SeriesPoints } from '../../hub/store/sqlite/heads.ts'

const series = fc.record({
  count: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 250, max: 260 }), fc.integer({ min: 4090, max: 9000 })),
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  texts: fc.boolean(),
})

function pointsOf({ count, seed, texts }: { count: number; seed: number; texts: boolean }): Columns {
  const times = Float64Array.from({ length: count }, (_, at) => 1.8e12 + seed + at * 1000.5)
  const numbers = Float64Array.from({ length: count }, (_, at) => ((at * seed) % 997) / (1 + (seed % 7)))
  return { times, values: texts ? Array.from(numbers, (value, at) => (at % 3 === 0 ? `state ${at % 5}` : value)) : numbers }
}

const noDamage = (damage: HeadDamage) => assert.fail(damage.what)

test('rows bring back every point of every series, few or many, numbers to the bit', () => {
  fc.assert(
    fc.property(fc.array(series, { minLength: 1, maxLength: 6 }), (all) => {
      const written: SeriesPoints[] = all.map((one, at) => [at + 1, pointsOf(one)])
      const rows = Array.from(headsOf(written), (row) => ({ ...row, bytes: Buffer.from(row.bytes) }))
      assert.equal(
        rows.reduce((sum, { points }) => sum + points, 0),
        all.reduce((sum, { count }) => sum + count, 0),
      )
      const found = gatherHeads(
        rows.map(({ bytes }) => bytes),
        undefined,
        noDamage,
      )
      for (const [number, { times, values }] of written) {
        assert.deepEqual(found.get(number)?.times, times)
        assert.deepEqual([...found.get(number)!.values], [...values])
      }
    }),
    { numRuns: 40 },
  )
})

test('any bit that flips is found, and costs the points of one series at most, but for those of the directory', () => {
  const written: SeriesPoints[] = [
    [1, pointsOf({ count: 300, seed: 17, texts: false })],
    [2, pointsOf({ count: 20, seed: 5, texts: true })],
    [3, pointsOf({ count: 256, seed: 7, texts: false })],
  ]
  const [{ bytes } = assert.fail()] = headsOf(written)
  const directory = 5 + 3 * 8 + 4
  for (let at = 0; at < bytes.length; at += at < 400 ? 1 : 7) {
    const spoilt = Buffer.from(bytes)
    spoilt[at]! ^= 1 << (at % 8)
    const damages: HeadDamage[] = []
    const found = new Map(pointsOfHead(spoilt, undefined, (damage) => damages.push(damage)))
    assert.ok(damages.length > 0, `bit of byte ${at}`)
    if (at >= directory) {
      assert.equal(damages.length, 1)
      assert.deepEqual([...found.keys(), damages[0]!.series].sort(), [1, 2, 3])
    }
    for (const [number, { times, values }] of found) {
      assert.deepEqual([...times], [...written[number - 1]![1].times])
      assert.deepEqual([...values], [...written[number - 1]![1].values])
    }
  }
})
