// What people type and tables hold: CSV read as it is written, times and stretches.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { recordsIn } from '../../hub/cli/csv.ts'
import { csvLineOf } from '../../hub/cli/table.ts'
import { sinceIn, stretchOf, timeOf, untilIn } from '../../hub/cli/times.ts'

test('CSV that was written is read as what it was, and each record knows its line', () => {
  const cell = fc.string({ unit: fc.constantFrom('a', 'ü', ' ', ',', '"', '\n', '\r\n') })
  fc.assert(
    fc.property(fc.array(fc.array(cell, { minLength: 1, maxLength: 4 }), { maxLength: 6 }), (rows) => {
      const texts = rows.map(csvLineOf)
      const lineOf = (at: number) => texts.slice(0, at).join('').split('\n').length
      const expected = rows.map((fields, at) => ({ line: lineOf(at), fields })).filter(({ fields }) => fields.some((field) => field !== ''))
      assert.deepEqual(recordsIn(texts.join('')), expected)
    }),
  )
})

test('CSV by other hands: any end of line, no end at the last, blanks in between, quotes in the middle', () => {
  const fieldsOf = (text: string) => recordsIn(text).map(({ line, fields }) => [line, ...fields])
  assert.deepEqual(fieldsOf('a,b\rc,d\n\n"e""f",\r\n,\r\ng'), [
    [1, 'a', 'b'],
    [2, 'c', 'd'],
    [4, 'e"f', ''],
    [6, 'g'],
  ])
  assert.deepEqual(fieldsOf('a 5" pipe,"open'), [[1, 'a 5" pipe', 'open']])
  assert.deepEqual(fieldsOf('"a"b,c'), [[1, 'ab', 'c']])
  assert.deepEqual(fieldsOf(''), [])
})

test('moments are stretches from now, times of ISO 8601 in UTC, or Unix ms', () => {
  const day = 86_400_000
  const isAbout = (found: number, expected: number) => assert.ok(Math.abs(found - expected) < 5000, `${found} ${expected}`)
  isAbout(untilIn('until', '90d'), Date.now() + 90 * day)
  isAbout(untilIn('until', '+2w'), Date.now() + 14 * day)
  isAbout(sinceIn('since', '1d'), Date.now() - day)
  isAbout(sinceIn('since', '-30m'), Date.now() - 30 * 60_000)
  assert.equal(untilIn('until', '2027-01-02'), Date.UTC(2027, 0, 2))
  assert.equal(untilIn('until', '2027-01-02T03:04'), Date.UTC(2027, 0, 2, 3, 4))
  assert.equal(untilIn('until', '2027-01-02T03:04:05.5+02:00'), Date.UTC(2027, 0, 2, 1, 4, 5, 500))
  assert.equal(untilIn('until', '1800000000000'), 1_800_000_000_000)
  for (const text of ['90', 'd', '1y', 'monday', '2027-13-01', '', '1.5h']) {
    assert.throws(() => untilIn('until', text), /--until takes a stretch/, text)
  }
  assert.equal(timeOf(Date.UTC(2027, 0, 2, 3, 4, 5, 678)), '2027-01-02T03:04:05Z')
  assert.equal(timeOf(null), null)
  assert.deepEqual([4999, 125_000, 3 * 3_600_000, 2 * day].map(stretchOf), ['4 s', '2 min 5 s', '3 h 0 min', '2 d 0 h'])
})
