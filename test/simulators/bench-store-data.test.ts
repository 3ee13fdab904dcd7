// The points that `npm run bench -- store` writes: the same for every store, and of the shape that their kind promises.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type Dataset, datasetOf, flatBatches, seriesCountOf, seriesOf } from '../../simulators/bench/store-data.ts'
import { type KindName, kinds } from '../../simulators/bench/store-kinds.ts'

const names = Object.keys(kinds) as KindName[]
const endMs = Date.UTC(2026, 10, 22)

/** Few enough for a test, also of kinds that say themselves how many they have. */
function small(name: KindName, points = 20_000, seed = 1): Dataset {
  return datasetOf(name, points, endMs, seed, true)
}

interface Series {
  readonly times: number[]
  readonly values: number[]
}

function seriesIn(dataset: Dataset): Series[] {
  const all = Array.from({ length: seriesCountOf(dataset) }, (): Series => ({ times: [], values: [] }))
  for (const { device, times, columns } of dataset.slices()) {
    for (const [metric, column] of columns.entries()) {
      const series = all[seriesOf(dataset, device, metric)]!
      series.times.push(...times)
      series.values.push(...column)
    }
  }
  return all
}

function gapsOf({ times }: Series): number[] {
  return times.slice(1).map((time, at) => time - times[at]!)
}

/** Points that are not what `holds` says of them. */
function exceptions(dataset: Dataset, holds: (value: number) => boolean): number[] {
  return seriesIn(dataset).flatMap(({ values }) => values.filter((value) => !holds(value)))
}

for (const name of names) {
  describe(`points of ${name}`, () => {
    test('are the same for the same seed and others for another one', () => {
      const points = (seed: number) => JSON.stringify(seriesIn(small(name, 5000, seed)))
      assert.equal(points(7), points(7))
      assert.notEqual(points(7), points(8))
    })

    test('are as many as they are said to be, as many in each series', () => {
      const dataset = small(name)
      const all = seriesIn(dataset)
      assert.equal(
        all.reduce((sum, { times }) => sum + times.length, 0),
        dataset.points,
      )
      assert.ok(all.every(({ times, values }) => times.length === dataset.readingsPerDevice && values.length === times.length))
      assert.ok(Math.abs(dataset.points - 20_000) <= seriesCountOf(dataset), `${dataset.points} points`)
    })

    test('lie at whole ms that ascend, none before the start or after the end', () => {
      const dataset = small(name)
      for (const series of seriesIn(dataset)) {
        assert.ok(series.times.every(Number.isInteger))
        assert.ok(gapsOf(series).every((gap) => gap > 0))
        assert.ok(series.times[0]! >= dataset.startMs && series.times.at(-1)! < endMs, `${series.times[0]} … ${series.times.at(-1)}`)
      }
    })

    test('come as far apart as the kind says', () => {
      const { gapMs, jitterMs } = kinds[name]
      const gaps = seriesIn(small(name)).flatMap(gapsOf)
      const [least, most] = [Math.min(...gaps), Math.max(...gaps)]
      assert.ok(least >= gapMs[0] - jitterMs && most <= gapMs[1] + jitterMs, `${least} … ${most} ms`)
      if (jitterMs > 0 || gapMs[0] < gapMs[1]) assert.ok(least < most, 'the gaps vary')
    })

    test('of no two series are alike', () => {
      const all = seriesIn(small(name)).map(({ values }) => JSON.stringify(values))
      assert.equal(new Set(all).size, all.length)
    })
  })
}

describe('a kind', () => {
  test('constant never changes', () => {
    for (const { values } of seriesIn(small('constant'))) assert.equal(new Set(values).size, 1)
  })

  test('counter grows in whole numbers and starts over', () => {
    const steps = seriesIn(small('counter', 400_000)).flatMap(({ values }) =>
      values.slice(1).map((value, at) => [values[at]!, value] as const),
    )
    assert.ok(steps.every(([before, after]) => (after >= before && after - before <= 9) || after === 0))
    const resets = steps.filter(([before, after]) => after < before).length
    assert.ok(resets >= 1 && resets < 20, `${resets} resets in 400,000 s`)
    assert.deepEqual(exceptions(small('counter'), Number.isInteger), [])
  })

  test('on-off is 1 or 0, for a while each', () => {
    assert.deepEqual(
      exceptions(small('on-off'), (value) => value === 0 || value === 1),
      [],
    )
    const changes = seriesIn(small('on-off')).flatMap(({ values }) =>
      values.filter((value, at) => at > 0 && value !== values[at - 1]),
    ).length
    assert.ok(changes > 10 && changes < 400, `${changes} changes in 20,000 s`)
  })

  test('sensor walks in two decimals between its bounds', () => {
    assert.deepEqual(
      exceptions(small('sensor'), (value) => Number(value.toFixed(2)) === value && value >= 0 && value <= 40),
      [],
    )
    const steps = seriesIn(small('sensor')).flatMap(({ values }) => values.slice(1).map((value, at) => Math.abs(value - values[at]!)))
    assert.ok(Math.max(...steps) < 0.2 && steps.some((step) => step > 0.05), 'it neither jumps nor stands still')
  })

  test('noisy uses the whole fraction of a float64', () => {
    const view = new DataView(new ArrayBuffer(8))
    const values = seriesIn(small('noisy')).flatMap((series) => series.values)
    let [ones, common] = [0n, 0xfffffffffffffn]
    for (const value of values) {
      view.setFloat64(0, value)
      const fraction = view.getBigUint64(0) & 0xfffffffffffffn
      ones |= fraction
      common &= fraction
    }
    assert.equal(ones, 0xfffffffffffffn, 'each bit is 1 in some value')
    assert.equal(common, 0n, '… and 0 in another')
    assert.ok(new Set(values).size > values.length * 0.999)
  })

  test('fleet is a day, month thirty, whatever number of points is asked for', () => {
    const [fleet, month] = [datasetOf('fleet', 5000, endMs, 1, false), datasetOf('month', 5000, endMs, 1, false)]
    assert.deepEqual([fleet.points, endMs - fleet.startMs], [345_600, 24 * 3_600_000])
    assert.deepEqual([month.points, endMs - month.startMs], [2_592_000, 30 * 24 * 3_600_000])
  })
})

test('batches of any size hold every point once, in the order in which it was read', () => {
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.integer({ min: 1, max: 4000 }), fc.integer({ min: 1, max: 5000 }), (name, points, size) => {
      const dataset = small(name, points)
      const batches = [...flatBatches(dataset, size)]
      assert.ok(batches.slice(0, -1).every(({ times }) => times.length === size))
      const flat = batches.flatMap(({ series, times, values }) => [...times].map((time, at) => `${series[at]} ${time} ${values[at]}`))
      const read = [...dataset.slices()].flatMap(({ device, times, columns }) =>
        [...times].flatMap((time, at) => columns.map((column, metric) => `${seriesOf(dataset, device, metric)} ${time} ${column[at]}`)),
      )
      assert.deepEqual(flat, read)
    }),
    { numRuns: 30 },
  )
})
