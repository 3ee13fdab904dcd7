// Buckets against naive loops over the points.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { MetricValue } from '../../../devices/device.ts'
import { Buckets } from '../../../hub/store/series/buckets.ts'
import { cut } from '../../../hub/store/series/columns.ts'
import { cutRollup, rollUp } from '../../../hub/store/series/roll-up.ts'
import { type Aggregate, aggregates, type Fill, fills } from '../../../hub/store/telemetry.ts'
import { anyValue, areaOf, assertNear, columnsOf, grownBy, numbersAmong, type Point, pointsOf, wholeNumber } from './naive.ts'

const asked: Aggregate[] = [...aggregates, 'p0', 'p50', 'p99.9', 'p100']
const minutes = (count: number) => Float64Array.from({ length: count + 1 }, (_, at) => at * 60_000)
const ever = { untilMs: Number.POSITIVE_INFINITY, pooledMax: 10_000 }
const points = fc.oneof(pointsOf(wholeNumber, 40_000), pointsOf(anyValue, 400_000)).map((all) => {
  const shiftMs = Math.floor(((all[0]?.atMs ?? 0) - 100_000) / 60_000) * 60_000 // some lie before the first edge
  return all.map(({ atMs, value }) => ({ atMs: atMs - shiftMs - 200_000, value }))
})
const edges = fc
  .array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 12 })
  .map((lengths) => Float64Array.from([0, ...lengths.map((_, at) => lengths.slice(0, at + 1).reduce((sum, x) => sum + x) * 20_000)]))

type Row = { [aggregate: string]: MetricValue }

function naive(all: readonly Point[], fromMs: number, endMs: number, untilMs: number): Row {
  const inside = all.filter(({ atMs }) => atMs >= fromMs && atMs < endMs)
  const numbers = numbersAmong(inside)
  const values = numbers.map(({ value }) => value).sort((a, b) => a - b)
  const row: Row = { count: inside.length, first: inside[0]?.value ?? null, last: inside.at(-1)?.value ?? null }
  if (numbers.length === 0) return Object.fromEntries(asked.map((name) => [name, row[name] ?? null]))
  const before = numbersAmong(all.filter(({ atMs }) => atMs < fromMs)).at(-1)
  const steps = before === undefined ? numbers : [before, ...numbers]
  const beginMs = before === undefined ? numbers[0]!.atMs : fromMs
  const holdsMs = Math.max(Math.min(endMs, untilMs), numbers.at(-1)!.atMs)
  const area = areaOf(steps, beginMs, holdsMs)
  const sum = values.reduce((total, value) => total + value, 0)
  const increase = steps.length > 1 ? grownBy(steps) : null
  const percentile = (percent: number) => {
    const rank = ((values.length - 1) * percent) / 100
    const low = values[Math.floor(rank)]!
    return low + (values[Math.ceil(rank)]! - low) * (rank % 1)
  }
  return {
    ...row,
    min: values[0]!,
    max: values.at(-1)!,
    avg: sum / values.length,
    sum,
    twa: holdsMs > beginMs ? area / (holdsMs - beginMs) : numbers.at(-1)!.value,
    increase,
    rate: increase !== null && holdsMs > beginMs ? (increase / (holdsMs - beginMs)) * 1000 : null,
    p0: values[0]!,
    p50: percentile(50),
    'p99.9': percentile(99.9),
    p100: values.at(-1)!,
  }
}

function rowsOf(buckets: Buckets, fill: Fill = 'null', names: readonly Aggregate[] = asked): Row[] {
  const { starts, columns } = buckets.columns(names, fill)
  for (const column of columns) assert.equal(column.length, starts.length)
  return starts.map((_, at) => Object.fromEntries(names.map((name, place) => [name, columns[place]![at]!])))
}

function assertRows(actual: Row[], expected: Row[], names: readonly string[] = asked): void {
  assert.equal(actual.length, expected.length)
  for (const [at, row] of actual.entries()) for (const name of names) assertNear(row[name], expected[at]![name], `${name} of bucket ${at}`)
}

function fed(edges: Float64Array, all: readonly Point[], options = ever): Buckets {
  const buckets = new Buckets(edges, options)
  buckets.addPoints(columnsOf(all))
  return buckets
}

const naiveRows = (edges: Float64Array, all: readonly Point[], untilMs: number) =>
  Array.from(edges.subarray(1), (endMs, at) => naive(all, edges[at]!, endMs, untilMs))

describe('buckets of one series', () => {
  test('say what their points say, in however many parts they come', () => {
    fc.assert(
      fc.property(points, edges, fc.nat(4_000_000), fc.array(fc.nat(120), { maxLength: 3 }), (all, edges, untilMs, cuts) => {
        const places = [0, ...cuts.map((at) => Math.min(at, all.length)).sort((a, b) => a - b), all.length]
        const buckets = new Buckets(edges, { untilMs, pooledMax: 1000 })
        for (const [at, to] of places.slice(1).entries()) buckets.addPoints(columnsOf(all.slice(places[at], to)))
        assertRows(rowsOf(buckets), naiveRows(edges, all, untilMs))
        assert.equal(buckets.percentilesMissing, false)
        assert.equal(buckets.tooManyNumbers, false)
      }),
    )
  })

  test('come to the same from minutes as from points where the edges lie on minutes, percentiles apart', () => {
    const known = aggregates.filter((name) => name !== 'count')
    fc.assert(
      fc.property(points, edges, fc.integer({ min: -3, max: 60 }), (all, edges, switchAt) => {
        const aligned = edges.map((edgeMs) => edgeMs * 3)
        const columns = columnsOf(all)
        const buckets = new Buckets(aligned, ever)
        buckets.addRollup(cutRollup(rollUp(columns, 'minute'), Number.NEGATIVE_INFINITY, switchAt * 60_000))
        buckets.addPoints(cut(columns, switchAt * 60_000, Number.POSITIVE_INFINITY))
        const rows = rowsOf(buckets)
        const expected = naiveRows(aligned, all, ever.untilMs)
        assertRows(rows, expected, ['count', ...known])
        const fromMinutes = (at: number) =>
          all.some(({ atMs }) => atMs >= aligned[at]! && atMs < Math.min(aligned[at + 1]!, switchAt * 60_000))
        for (const [at, row] of rows.entries()) assertNear(row['p50'], fromMinutes(at) ? null : expected[at]!['p50'], 'p50')
        assert.equal(
          buckets.percentilesMissing,
          rows.some((_, at) => fromMinutes(at)),
        )
      }),
    )
  })

  test('count a bucket of a rollup wholly where it begins, and nothing twice', () => {
    const buckets = new Buckets(Float64Array.of(0, 80_000, 180_000), { untilMs: 180_000, pooledMax: 0 })
    const every30s = [0, 30, 60, 90, 120, 150].map((second, at) => ({ atMs: second * 1000, value: at }))
    buckets.addRollup(rollUp(columnsOf(every30s), 'minute'))
    assertRows(rowsOf(buckets), [
      { ...naive([], 0, 1, 1), count: 4, first: 0, last: 3, min: 0, max: 3, avg: 1.5, sum: 6, twa: 1, increase: 3, rate: 3 / 90 },
      { ...naive([], 0, 1, 1), count: 2, first: 4, last: 5, min: 4, max: 5, avg: 4.5, sum: 9, twa: 4, increase: 2, rate: 2 / 90 },
    ])
  })

  test('know a counter across resets and across edges', () => {
    const counter = [5, 8, 2, 4, 10, 0, 1].map((value, at) => ({ atMs: at * 20_000, value }))
    const [first, second, third] = rowsOf(fed(minutes(3), counter, { untilMs: 120_000, pooledMax: 0 }))
    assert.deepEqual([first!['increase'], first!['rate']], [3 + 2, 5 / 60])
    assert.deepEqual([second!['increase'], second!['rate']], [2 + 6 + 0, 8 / 60])
    assert.deepEqual([third!['increase'], third!['rate']], [1, null], 'no second of the third bucket has passed')
  })

  test('have nothing to compare a single number with', () => {
    const [row] = rowsOf(fed(minutes(1), [{ atMs: 30_000, value: 7 }]))
    assert.deepEqual([row!['increase'], row!['rate'], row!['twa']], [null, null, 7])
  })

  test('weigh a value that was there before from where the bucket begins, and the last one until now', () => {
    const all = [
      { atMs: -600_000, value: 10 },
      { atMs: 15_000, value: 20 },
      { atMs: 75_000, value: 40 },
    ]
    const [first, second] = rowsOf(fed(minutes(2), all, { untilMs: 90_000, pooledMax: 0 }))
    assert.equal(first!['twa'], (10 * 15 + 20 * 45) / 60)
    assert.equal(second!['twa'], (20 * 15 + 40 * 15) / 30)
  })

  test('have no answer that JSON has no word for', () => {
    const [row] = rowsOf(
      fed(
        minutes(1),
        [1e308, 1e308].map((value, at) => ({ atMs: at, value })),
      ),
    )
    assert.deepEqual([row!['sum'], row!['avg'], row!['max']], [null, null, 1e308])
  })

  test('need no points, and no edges', () => {
    assert.deepEqual(rowsOf(fed(minutes(2), []), 'none'), [])
    assert.deepEqual(new Buckets(Float64Array.of(), ever).columns(['count', 'p50'], 'null'), { starts: [], columns: [[], []] })
    assert.deepEqual(rowsOf(fed(Float64Array.of(), [{ atMs: 0, value: 1 }])), [])
  })
})

describe('percentiles', () => {
  test('are as numpy gives them', () => {
    const [row] = rowsOf(
      fed(
        minutes(1),
        [15, 20, 35, 40, 50].map((value, at) => ({ atMs: at, value })),
      ),
      'null',
      ['p0', 'p40', 'p75', 'p100'],
    )
    assert.deepEqual(row, { p0: 15, p40: 29, p75: 40, p100: 50 })
  })

  test('are given up, and say so, when more numbers come than may be held', () => {
    const three = [1, 2, 3].map((value, at) => ({ atMs: at, value }))
    const enough = fed(minutes(1), three, { ...ever, pooledMax: 3 })
    assert.deepEqual([enough.pooled, enough.tooManyNumbers, rowsOf(enough)[0]!['p50']], [3, false, 2])
    const few = fed(minutes(1), three, { ...ever, pooledMax: 2 })
    assert.deepEqual([few.tooManyNumbers, rowsOf(few)[0]!['p50'], rowsOf(few)[0]!['max']], [true, null, 3])
    const unasked = fed(minutes(1), three, { ...ever, pooledMax: 0 })
    assert.deepEqual([unasked.tooManyNumbers, unasked.pooled], [false, 0])

    const two = fed(minutes(1), three.slice(0, 2), { ...ever, pooledMax: 3 })
    two.merge(fed(minutes(1), three.slice(0, 2), { ...ever, pooledMax: 3 }))
    assert.equal(two.tooManyNumbers, true)
  })
})

describe('buckets of a group', () => {
  test('pool what can be pooled, and add or average the rest over the series', () => {
    fc.assert(
      fc.property(fc.array(points, { minLength: 1, maxLength: 4 }), edges, fc.nat(4_000_000), (all, edges, untilMs) => {
        const series = all.map((one) => fed(edges, one, { untilMs, pooledMax: 1000 }))
        const group = series[0]!
        for (const one of series.slice(1)) group.merge(one)
        const alone = all.map((one) => naiveRows(edges, one, untilMs))
        const expected = Array.from(edges.subarray(1), (endMs, at): Row => {
          const known = (name: string) => alone.map((rows) => rows[at]![name]).filter((value) => typeof value === 'number')
          const total = (name: string) => (known(name).length > 0 ? known(name).reduce((sum, value) => sum + value, 0) : null)
          // By time, and of one moment by the order of merging.
          const pooled = all.flatMap((one, place) => one.map((point) => ({ ...point, place })))
          const inside = pooled
            .filter(({ atMs }) => atMs >= edges[at]! && atMs < endMs)
            .sort((a, b) => a.atMs - b.atMs || a.place - b.place)
          const firstMs = inside[0]?.atMs
          return {
            ...naive(inside, edges[at]!, endMs, untilMs),
            first: inside.findLast(({ atMs }) => atMs === firstMs)?.value ?? null,
            twa: known('twa').length > 0 ? total('twa')! / known('twa').length : null,
            increase: total('increase'),
            rate: total('rate'),
          }
        })
        assertRows(rowsOf(group), expected)
      }),
    )
  })

  test('have no percentile where one of the series has none', () => {
    const one = [{ atMs: 0, value: 1 }]
    const group = fed(minutes(2), [...one, { atMs: 60_000, value: 5 }])
    const other = new Buckets(minutes(2), ever)
    other.addRollup(rollUp(columnsOf(one), 'minute'))
    group.merge(other)
    assert.deepEqual(group.columns(['count', 'p50'], 'null').columns, [
      [2, 1],
      [null, 5],
    ])
    assert.equal(group.percentilesMissing, true)
  })
})

describe('a bucket without points', () => {
  const all = [
    { atMs: 60_000, value: 10 },
    { atMs: 61_000, value: 20 },
    { atMs: 240_000, value: 60 },
    { atMs: 300_000, value: 'off' },
  ]
  const columns = (fill: Fill) => fed(minutes(7), all).columns(['count', 'max', 'last'], fill)

  test('is left out, null, the value before, or on a line between its neighbours', () => {
    assert.deepEqual(columns('none'), {
      starts: [60_000, 240_000, 300_000],
      columns: [
        [2, 1, 1],
        [20, 60, null],
        [20, 60, 'off'],
      ],
    })
    const counts = [0, 2, 0, 0, 1, 1, 0]
    const starts = Array.from(minutes(6))
    assert.deepEqual(columns('null'), {
      starts,
      columns: [counts, [null, 20, null, null, 60, null, null], [null, 20, null, null, 60, 'off', null]],
    })
    assert.deepEqual(columns('previous'), {
      starts,
      columns: [counts, [null, 20, 20, 20, 60, 60, 60], [null, 20, 20, 20, 60, 'off', 'off']],
    })
    const line = [20 + 40 / 3, 20 + 80 / 3]
    assert.deepEqual(columns('linear'), {
      starts,
      columns: [counts, [null, 20, ...line, 60, null, null], [null, 20, ...line, 60, 'off', null]],
    })
  })

  test('is not mistaken for one of which a value is not known', () => {
    const buckets = new Buckets(minutes(4), ever)
    buckets.addPoints(columnsOf([{ atMs: 0, value: 1 }]))
    buckets.addRollup(rollUp(columnsOf([{ atMs: 60_000, value: 2 }]), 'minute'))
    buckets.addPoints(columnsOf([{ atMs: 180_000, value: 4 }]))
    assert.deepEqual(buckets.columns(['p50'], 'linear').columns, [[1, null, 1 + (3 * 2) / 3, 4]])
    assert.deepEqual(buckets.columns(['p50'], 'previous').columns, [[1, null, 1, 4]])
  })

  test('is only ever filled, or left out, by one of the four words', () => {
    for (const fill of fills) assert.equal(rowsOf(fed(minutes(7), all), fill).length, fill === 'none' ? 3 : 7)
  })
})
