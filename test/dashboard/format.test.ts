import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ago,
  axisTime,
  bytes,
  count,
  duration,
  fieldTime,
  momentIn,
  number,
  rate,
  shortNumber,
  valueText,
} from '../../dashboard/src/format.ts'

/** Thin spaces are hard to tell in a test. */
const plain = (text: string) => text.replaceAll('\u202f', ' ')

test('numbers have thin spaces in thousands and no digits of floating point dust', () => {
  assert.equal(plain(count(1_250_300)), '1 250 300')
  assert.equal(number(0.1 + 0.2), '0.3')
  assert.equal(plain(number(1234.5)), '1 234.5')
  assert.equal(plain(number(12_345_678)), '12 345 678')
  assert.equal(plain(number(1_234_567.891)), '1 234 567.89')
  assert.equal(number(0.00001234), '1.234e-5')
  assert.equal(number(0), '0')
  assert.equal(number(-61.25), '-61.25')
})

test('rates have three digits', () => {
  assert.equal(rate(0.01234), '0.0123')
  assert.equal(rate(12.345), '12.3')
  assert.equal(plain(rate(1204.4)), '1 204')
})

test('short numbers fit at the end of a line', () => {
  assert.equal(shortNumber(61.23456), '61.235')
  assert.equal(shortNumber(18_402_113), '18.4M')
})

test('bytes are told in the unit that leaves few digits', () => {
  assert.equal(bytes(0), '0 B')
  assert.equal(bytes(1_023), plain('1,023 B').replace(',', '\u202f'))
  assert.equal(bytes(256 * 1024), '256 KiB')
  assert.equal(bytes(1024 ** 3 * 1.5), '1.5 GiB')
})

test('times are relative under a day and never in the future', () => {
  const now = Date.UTC(2026, 10, 22, 14, 3)
  assert.equal(ago(null, now), 'never')
  assert.equal(ago(now + 5_000, now), 'now')
  assert.equal(ago(now - 14_300, now), '14 s ago')
  assert.equal(ago(now - 3 * 60_000, now), '3 min ago')
  assert.equal(ago(now - 5 * 3_600_000, now), '5 h ago')
  assert.match(ago(now - 30 * 3_600_000, now), /^21 Nov/)
})

test('durations have two units at most', () => {
  assert.equal(duration(44_000), '44 s')
  assert.equal(duration(3 * 3_600_000 + 12 * 60_000), '3 h 12 min')
  assert.equal(duration(2 * 86_400_000), '2 d')
})

test('labels of the time axis are as fine as their distance', () => {
  const dayMs = 86_400_000
  const at = (month: number, day: number, hour = 0, minute = 0) => new Date(2026, month, day, hour, minute).getTime()
  assert.equal(axisTime(at(2, 1), 31 * dayMs), 'Mar')
  assert.equal(axisTime(at(0, 1), 31 * dayMs), '2026')
  assert.equal(axisTime(at(2, 3), 7 * dayMs), '3 Mar')
  assert.equal(axisTime(at(2, 3), dayMs), 'Tue 3')
  assert.equal(axisTime(at(2, 3, 6), 6 * 3_600_000), '06:00')
  assert.equal(axisTime(at(2, 3), 6 * 3_600_000), 'Tue 3', 'where a day begins')
  assert.equal(axisTime(at(2, 3, 6, 1), 1_000), '06:01:00')
})

test('a moment is told as exactly as its picture can show it', () => {
  const at = new Date(2026, 2, 3, 14, 5, 9).getTime()
  assert.equal(momentIn(at, 3_600_000), '14:05:09')
  assert.match(momentIn(at, 86_400_000), /^3 Mar, 14:05:09$/)
  assert.match(momentIn(at, 7 * 86_400_000), /^3 Mar, 14:05$/)
  assert.match(momentIn(at, 365 * 86_400_000), /^3 Mar 2026, 14:05$/)
})

test('the field of a date and time holds local time', () => {
  const at = new Date(2026, 6, 3, 14, 5, 9).getTime()
  assert.equal(fieldTime(at), '2026-07-03T14:05:09')
  assert.equal(Date.parse(fieldTime(at)), at)
})

test('any metric value is one line', () => {
  assert.equal(valueText(true), 'true')
  assert.equal(valueText(null), 'null')
  assert.equal(valueText('idle'), 'idle')
  assert.equal(valueText({ code: 3 }), '{"code":3}')
  assert.equal(valueText('x'.repeat(500), 10), `${'x'.repeat(10)}…`)
})
