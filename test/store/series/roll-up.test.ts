// Rollups against naive loops over the points.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Columns } from '../../../hub/store/series/columns.ts'
import { combined, cutRollup, joinedRollups, rollUp, rollUpFurther } from '../../../hub/store/series/roll-up.ts'
import { type Rollup, tierMs } from '../../../hub/store/series/rollup.ts'
import { anyValue, areaOf, columnsOf, grownBy, numbersAmong, type Point, pointsOf, wholeNumber } from './naive.ts'

const tiers = ['minute', 'hour', 'day'] as const
const tier = fc.constantFrom(...tiers)
/** Some within seconds, some hours apart. */
const points = fc.oneof(pointsOf(wholeNumber, 40_000), pointsOf(anyValue, 40_000), pointsOf(anyValue, 4 * 3_600_000))

function rowsOf({ tier, ...columns }: Rollup): object[] {
  const entries = Object.entries(columns).map(([name, column]) => [name, Array.from<unknown>(column)] as const)
  for (const [, column] of entries) assert.equal(column.length, columns.starts.length)
  return Array.from(columns.starts, (_, at) => ({ tier, ...Object.fromEntries(entries.map(([name, column]) => [name, column[at]])) }))
}

function naive(all: readonly Point[], tier: Rollup['tier']): object[] {
  const startOf = ({ atMs }: Point) => Math.floor(atMs / tierMs[tier]) * tierMs[tier]
  return [...new Set(all.map(startOf))].map((start) => {
    const group = all.filter((point) => startOf(point) === start)
    const numbers = numbersAmong(group)
    const values = numbers.map(({ value }) => value)
    const [first, last] = [numbers[0], numbers.at(-1)]
    return {
      tier,
      starts: start,
      counts: group.length,
      numbers: numbers.length,
      firstTimes: group[0]!.atMs,
      lastTimes: group.at(-1)!.atMs,
      firsts: group[0]!.value,
      lasts: group.at(-1)!.value,
      mins: values.length > 0 ? Math.min(...values) : Number.NaN,
      maxs: values.length > 0 ? Math.max(...values) : Number.NaN,
      sums: values.reduce((sum, value) => sum + value, 0),
      areas: first === undefined ? 0 : areaOf(numbers, first.atMs, last!.atMs),
      increases: grownBy(numbers),
      firstNumbers: first?.value ?? Number.NaN,
      lastNumbers: last?.value ?? Number.NaN,
      firstNumberTimes: first?.atMs ?? Number.NaN,
      lastNumberTimes: last?.atMs ?? Number.NaN,
    }
  })
}

/** As `deepEqual`, but 0 and -0 are one. */
function assertRows(actual: Rollup, expected: object[]): void {
  const plain = (rows: object[]) => rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, x]) => [name, x === 0 ? 0 : x])))
  assert.deepEqual(plain(rowsOf(actual)), plain(expected))
}

const part = ({ times, values }: Columns, from: number, to: number) => ({ times: times.slice(from, to), values: values.slice(from, to) })

test('a rollup says of each bucket what its points say', () => {
  fc.assert(fc.property(points, tier, (all, tier) => assertRows(rollUp(columnsOf(all), tier), naive(all, tier))))
})

test('minutes rolled up to hours and days are what the points come to', () => {
  fc.assert(
    fc.property(points, (all) => {
      const minutes = rollUp(columnsOf(all), 'minute')
      assertRows(rollUpFurther(minutes, 'hour'), naive(all, 'hour'))
      assertRows(rollUpFurther(minutes, 'day'), naive(all, 'day'))
      assertRows(rollUpFurther(rollUpFurther(minutes, 'hour'), 'day'), naive(all, 'day'))
    }),
  )
})

test('numbers stay in a column of their own', () => {
  const minutes = rollUp(columnsOf([{ atMs: 1, value: 2.5 }]), 'minute')
  for (const rollup of [minutes, rollUpFurther(minutes, 'hour'), combined(minutes, minutes), joinedRollups([minutes])]) {
    assert.ok(rollup.firsts instanceof Float64Array)
    assert.ok(rollup.lasts instanceof Float64Array)
  }
  const mixed = joinedRollups([minutes, rollUp(columnsOf([{ atMs: 60_000, value: 'on' }]), 'minute')])
  assert.deepEqual(mixed.lasts, [2.5, 'on'])
})

test('points in parts, one after the other, come to the same as at once, combined forwards or backwards', () => {
  fc.assert(
    fc.property(points, tier, fc.array(fc.nat(120), { maxLength: 4 }), fc.boolean(), (all, tier, cuts, backwards) => {
      const places = [0, ...cuts.map((at) => Math.min(at, all.length)).sort((a, b) => a - b), all.length]
      const columns = columnsOf(all)
      const parts = places.slice(1).map((to, at) => rollUp(part(columns, places[at]!, to), tier))
      assertRows(joinedRollups(parts), naive(all, tier))
      assertRows((backwards ? parts.toReversed() : parts).reduce(combined), naive(all, tier))
    }),
  )
})

test('of points that interleave counts, sums, extremes and ends stay exact; the rest is near', () => {
  fc.assert(
    fc.property(pointsOf(fc.nat(1000), 40_000), tier, fc.infiniteStream(fc.boolean()), (all, tier, late) => {
      const isLate = all.map(() => late.next().value)
      const [inTime, after] = [false, true].map((which) => rollUp(columnsOf(all.filter((_, at) => isLate[at] === which)), tier))
      const both = combined(inTime!, after!)
      const exact = rollUp(columnsOf(all), tier)
      const vague = { areas: exact.areas, increases: exact.increases }
      assertRows({ ...both, ...vague }, rowsOf(exact))
      for (const [at, increase] of exact.increases.entries()) {
        assert.ok(both.increases[at]! <= increase, 'the increase is the least it can have been')
        const spanMs = exact.lastNumberTimes[at]! - exact.firstNumberTimes[at]!
        assert.ok(both.areas[at]! >= exact.mins[at]! * spanMs - 1e-3 && both.areas[at]! <= exact.maxs[at]! * spanMs + 1e-3)
      }
    }),
  )
})

test('a counter without a reset keeps its exact increase however its points are combined', () => {
  const counter = Array.from({ length: 50 }, (_, at) => ({ atMs: at * 1000, value: at * 3 }))
  const [even, odd] = [0, 1].map((rest) => rollUp(columnsOf(counter.filter((_, at) => at % 2 === rest)), 'minute'))
  assert.deepEqual(combined(even!, odd!).increases, Float64Array.of(147))
})

test('a cut has the buckets that begin in the range', () => {
  fc.assert(
    fc.property(points, tier, fc.integer({ min: -5, max: 5 }), fc.integer({ min: 0, max: 5 }), (all, tier, from, length) => {
      const rollup = rollUp(columnsOf(all), tier)
      const [fromMs, toMs] = [from * tierMs[tier] + 1, (from + length) * tierMs[tier]]
      const inside = naive(all, tier).filter(
        (row) => (row as { starts: number }).starts >= fromMs && (row as { starts: number }).starts < toMs,
      )
      assertRows(cutRollup(rollup, fromMs, toMs), inside)
    }),
  )
})
