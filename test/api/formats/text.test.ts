// CSV and NDJSON: what is written reads back as the same point, to the last bit, however the bytes arrive.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { MetricValue } from '../../../devices/device.ts'
import { CsvReader, csvHeader, csvRow, csvSeries } from '../../../hub/api/formats/csv.ts'
import { ndjsonRow, ndjsonSeries, readNdjson } from '../../../hub/api/formats/ndjson.ts'
import { Records } from '../../../hub/api/formats/records.ts'
import type { Row } from '../../../hub/api/formats/row.ts'
import { isoOf, msOf, msOfTicks } from '../../../hub/api/formats/times.ts'
import { limits } from '../../../hub/limits.ts'
import { rowOf, rowsOf } from './rows.ts'

const toCsv = (rows: readonly Row[], times: 'iso' | 'ms') =>
  csvHeader + rows.map((row) => csvRow(csvSeries(rowsOf(row)), rowsOf(row), 0, times)).join('')
const toNdjson = (rows: readonly Row[]) => rows.map((row) => ndjsonRow(ndjsonSeries(rowsOf(row)), rowsOf(row), 0)).join('')

/** The text as it arrives in pieces of these lengths, again and again. */
function recordsOf(text: string, quoted: boolean, pieceBytes: readonly number[] = [65_536]): { line: number; text: string }[] {
  const bytes = Buffer.from(text)
  const records = new Records(quoted)
  const found: { line: number; text: string }[] = []
  const take = () => {
    for (let one = records.next(); one !== 'none'; one = records.next()) {
      found.push({ line: records.line, text: one === 'too-long' ? one : records.bytes.toString('utf8', records.start, records.end) })
    }
  }
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const length = pieceBytes[turn % pieceBytes.length] as number
    const piece = Buffer.from(bytes.subarray(at, at + length))
    records.add(piece)
    take()
    piece.fill('#') // the socket uses its chunk again
    at += length
  }
  records.finish()
  take()
  return found
}

function fromCsv(text: string, pieceBytes?: readonly number[]): Row[] {
  const reader = new CsvReader()
  return recordsOf(text, true, pieceBytes).flatMap((record) => reader.read(record.text) ?? [])
}

const fromNdjson = (text: string, pieceBytes?: readonly number[]) =>
  recordsOf(text, false, pieceBytes).map((record) => readNdjson(record.text))

const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 })

test('any point survives CSV, with times of either kind, in pieces of any size', () => {
  fc.assert(
    fc.property(fc.array(rowOf, { maxLength: 8 }), fc.constantFrom('iso', 'ms'), pieces, (rows, times, lengths) => {
      assert.deepStrictEqual(fromCsv(toCsv(rows, times), lengths), rows)
    }),
    { numRuns: 1000 },
  )
})

test('any point survives NDJSON, in pieces of any size', () => {
  fc.assert(
    fc.property(fc.array(rowOf, { maxLength: 8 }), pieces, (rows, lengths) => {
      assert.deepStrictEqual(fromNdjson(toNdjson(rows), lengths), rows)
    }),
    { numRuns: 1000 },
  )
})

test('CSV is what a person and a spreadsheet expect, and types are kept where text would lose them', () => {
  const value = (one: MetricValue) => toCsv([{ device: 'd', metric: 'm', atMs: 0, value: one }], 'ms').slice(csvHeader.length, -2)
  const texts: [MetricValue, string][] = [
    [21.5, '21.5'],
    [-0, '-0'],
    [1e21, '1e+21'],
    [true, 'true'],
    [null, 'null'],
    ['warm', 'warm'],
    ['two words', 'two words'],
    ['1', '"""1"""'],
    ['true', '"""true"""'],
    ['', '""""""'],
    ['NaN', '"""NaN"""'],
    ['1e999', '"""1e999"""'],
    ['=1+1', '"""=1+1"""'],
    ['a, b', '"a, b"'],
    ['say "hi"', '"say ""hi"""'],
    ['two\nlines', '"two\nlines"'],
    ['\ud800', '"""\\ud800"""'],
    [{ a: [1] }, '"{""a"":[1]}"'],
  ]
  for (const [one, text] of texts) assert.equal(value(one), `d,m,0,${text}`)
})

test('CSV of other programs: columns in any order and more of them, LF or CRLF, a byte order mark, other times', () => {
  const text =
    '\ufeffTime,note,Value,metric,device\n2026-01-02T03:04:05Z,x,1.5,t,d\r\n\n"2026-01-02 03:04:05.25","a ""b"", c",warm,t,d\n1767323045000,,true,t,d'
  const at = Date.UTC(2026, 0, 2, 3, 4, 5)
  assert.deepEqual(
    fromCsv(text).map(({ atMs, value }) => [atMs - at, value]),
    [
      [0, 1.5],
      [250, 'warm'],
      [at - at, true],
    ],
  )
})

test('what is no row of CSV is refused with a sentence, by itself', () => {
  const wrong = ['d,m,0', 'd,m,0,"x', 'd,m,0,"x"y', 'd,m,0,x"y', 'd,m,0,', 'd,m,yesterday,1', 'a/b,m,0,1']
  const reader = new CsvReader()
  reader.read(csvHeader.trimEnd())
  for (const row of wrong) assert.throws(() => reader.read(row), { name: 'Refusal' }, row)
  for (const header of ['device;metric;time;value', 'd,m,0,1', '"device']) {
    assert.throws(() => new CsvReader().read(header), { code: 'request-invalid' }, header)
  }
})

test('lines are counted as an editor counts them, also where quotes span them; one that is too long is named, and the next is read', () => {
  const long = 'x'.repeat(limits.lineBytes + 1)
  const text = `a\n\n"b\nb",c\n${long}\nd\n"${'\n'.repeat(limits.lineBytes)}\ne`
  for (const lengths of [[65_536], [1000], [7, 4096]]) {
    assert.deepEqual(
      recordsOf(text, true, lengths).slice(0, 4),
      [
        { line: 1, text: 'a' },
        { line: 3, text: '"b\nb",c' },
        { line: 5, text: 'too-long' },
        { line: 6, text: 'd' },
      ],
      String(lengths),
    )
    const [tooLong, last] = recordsOf(text, true, lengths).slice(-2)
    assert.deepEqual([tooLong?.text, last], ['too-long', { line: limits.lineBytes + 8, text: 'e' }])
  }
})

test('times keep every digit: of any float64 the text reads back as the same', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 8.64e15, noNaN: true }), (ms) => {
      const one = ms + 0 // not -0
      assert.equal(msOf(isoOf(one)), one)
      assert.equal(msOf(String(one)), one)
    }),
    { numRuns: 2000, examples: [[0], [1e-7], [5e-324], [1700000000000.25], [1700000000000.1], [0.1], [8.64e15]] },
  )
  assert.equal(isoOf(1700000000000.25), '2023-11-14T22:13:20.00025Z')
})

test('times of other programs are read, and what is no date is not', () => {
  const at = Date.UTC(2026, 0, 2, 3, 4, 5)
  const right: [string, number][] = [
    ['2026-01-02T03:04:05Z', at],
    ['2026-01-02 03:04:05', at],
    ['2026-01-02T03:04:05,5Z', at + 500],
    ['2026-01-02T03:04:05.123456Z', at + 123.456],
    ['2026-01-02T05:04:05+02:00', at],
    ['2026-01-01T22:34:05-0430', at],
    ['2026-01-02', Date.UTC(2026, 0, 2)],
    ['2026-01-02T24:00Z', Date.UTC(2026, 0, 3)],
    ['1700000000000', 1_700_000_000_000],
  ]
  for (const [text, ms] of right) assert.equal(msOf(text), ms, text)
  for (const text of ['', 'now', '2026-02-30T00:00:00Z', '2026-13-01', '02.01.2026', '2026-01-02T25:00:00Z', '-5', '0x10']) {
    assert.equal(msOf(text), undefined, text)
  }
})

test('nanoseconds become the float64 next to the exact quotient', () => {
  // From 2004 on a float64 of ms moves in steps of 2^-12 or coarser, so that 4096 times as many are whole numbers.
  fc.assert(
    fc.property(fc.bigInt({ min: 2n ** 40n * 1_000_000n, max: 9_223_372_036_854_775_807n }), (ticks) => {
      const ms = msOfTicks(String(ticks), 6)
      const difference = BigInt(ms * 4096) * 1_000_000n - ticks * 4096n
      const step = 2 ** (Math.floor(Math.log2(ms)) - 52)
      assert.ok(Math.abs(Number(difference)) <= (step / 2) * 4096 * 1_000_000)
    }),
    { numRuns: 1000 },
  )
  assert.equal(msOfTicks('1556813561098000001', 6), 1556813561098)
  assert.equal(msOfTicks('1556813561098250000', 6), 1556813561098.25)
  assert.equal(msOfTicks('1', 6), 1e-6)
})
