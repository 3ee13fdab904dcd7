import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Histogram } from '../../simulators/histogram.ts'
import { Report } from '../../simulators/report.ts'

test('percentiles are right to three per cent, from microseconds to minutes', () => {
  for (const scale of [1, 1000, 1_000_000]) {
    const histogram = new Histogram()
    for (let value = 1; value <= 1000; value++) histogram.record(value * scale)
    for (const share of [0.5, 0.95, 0.99]) {
      const expectedMs = (share * 1000 * scale) / 1000
      const off = Math.abs(histogram.percentileMs(share) - expectedMs) / expectedMs
      assert.ok(off < 0.03, `${share} at ${scale}: ${histogram.percentileMs(share)} instead of ${expectedMs}`)
    }
    assert.equal(histogram.maxMs, scale)
  }
})

test('a histogram takes anything: nothing, zero, an hour and more', () => {
  const histogram = new Histogram()
  assert.equal(histogram.percentileMs(0.99), 0)
  for (const value of [0, 0.4, 31, 32, 63, 64, 5e9]) histogram.record(value)
  assert.equal(histogram.count, 7)
  assert.equal(histogram.maxMs, 5_000_000)
  assert.ok(histogram.percentileMs(1) > 4_000_000)
})

test('a percentile is never above the maximum', () => {
  const histogram = new Histogram()
  histogram.record(1_000_001)
  assert.equal(histogram.percentileMs(0.5), histogram.maxMs)
})

test('histograms of several runs add up', () => {
  const [one, other] = [new Histogram(), new Histogram()]
  one.record(10)
  other.record(5000)
  one.add(other)
  assert.equal(one.count, 2)
  assert.equal(one.maxMs, 5)
})

test('the report names every count and the reasons of trouble', () => {
  const report = new Report()
  report.sent = 1234
  report.acknowledge(1.5)
  report.trouble('The cable was pulled.')
  report.trouble('The cable was pulled.')
  const text = report.toString()
  for (const word of ['sent', '1,234', 'acknowledged', 'refused', 'lost', 'reconnects', 'p50', 'p95', 'p99', 'max'])
    assert.ok(text.includes(word), word)
  assert.match(text, /2 × The cable was pulled/)
})
