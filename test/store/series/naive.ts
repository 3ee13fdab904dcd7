// Points as a naive reader sees them: what the fast code is measured against.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { MetricValue } from '../../../devices/device.ts'
import type { Columns } from '../../../hub/store/series/columns.ts'

export interface Point {
  readonly atMs: number
  readonly value: MetricValue
}

/** Whole numbers, so that sums are exact in every order. */
export const wholeNumber = fc.integer({ min: -1000, max: 1000 })
export const anyValue = fc.oneof(wholeNumber, fc.boolean(), fc.constantFrom('on', null), fc.constant({ a: 1 }))

/** In the order of time, before and after 1970; gaps of half a second to `gapMaxMs`. */
export function pointsOf(value: fc.Arbitrary<MetricValue>, gapMaxMs: number, maxLength = 120): fc.Arbitrary<Point[]> {
  const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: Math.floor(gapMaxMs / 500) }), value), { maxLength })
  return fc.tuple(fc.integer({ min: -4 * 86_400_000, max: 4 * 86_400_000 }), steps).map(([firstMs, all]) => {
    let atMs = firstMs
    return all.map(([step, what]) => {
      atMs += step * 500
      return { atMs, value: what }
    })
  })
}

export function columnsOf(points: readonly Point[]): Columns {
  const values = points.map(({ value }) => value)
  const numeric = values.every((value) => typeof value === 'number')
  return { times: Float64Array.from(points, ({ atMs }) => atMs), values: numeric ? Float64Array.from(values as number[]) : values }
}

export interface NumberPoint {
  readonly atMs: number
  readonly value: number
}

/** Those that are numbers. */
export function numbersAmong(points: readonly Point[]): NumberPoint[] {
  return points.flatMap(({ atMs, value }) => {
    if (typeof value === 'number') return [{ atMs, value }]
    return typeof value === 'boolean' ? [{ atMs, value: value ? 1 : 0 }] : []
  })
}

export function grownBy(points: readonly NumberPoint[]): number {
  let sum = 0
  for (const [at, { value }] of points.entries()) {
    if (at === 0) continue
    const before = points[at - 1]!.value
    sum += value >= before ? value - before : Math.max(0, value)
  }
  return sum
}

/** Value · ms from `fromMs` to `toMs`, each number holding until the next; the first holds before itself as well. */
export function areaOf(points: readonly NumberPoint[], fromMs: number, toMs: number): number {
  let area = 0
  for (const [at, { atMs, value }] of points.entries()) {
    const untilMs = Math.min(points[at + 1]?.atMs ?? toMs, toMs)
    area += value * Math.max(0, untilMs - Math.max(at === 0 ? fromMs : atMs, fromMs))
  }
  return area
}

export function assertNear(actual: MetricValue | undefined, expected: MetricValue | undefined, what: string): void {
  if (typeof actual !== 'number' || typeof expected !== 'number') assert.deepEqual(actual, expected, what)
  else assert.ok(Math.abs(actual - expected) <= 1e-9 * Math.max(1, Math.abs(expected)), `${what}: ${actual} is not ${expected}`)
}
