// Points of every kind, for properties of formats.
import fc from 'fast-check'
import type { MetricValue } from '../../../devices/device.ts'
import type { Row, Rows } from '../../../hub/api/formats/row.ts'

/** Strings that look like something else, and strings with what formats live by. */
const tricky = fc.constantFrom(
  '',
  '1',
  '-0',
  '1e5',
  '1e999',
  'true',
  'null',
  'NaN',
  '-inf',
  '{"a":1}',
  ' 1 ',
  '"',
  '""',
  ',',
  '\r\n',
  ' x',
  '=1',
  '\u{1F600}',
)
const marks = fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', ' ', 'a', '1', '\\', '{', 'é'), maxLength: 8 })
const text = fc.oneof(tricky, marks, fc.string({ unit: 'grapheme', maxLength: 12 }))
const json = fc.oneof(
  fc.dictionary(fc.string({ maxLength: 4 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 }),
  fc.array(fc.jsonValue({ maxDepth: 1 }), { maxLength: 3 }),
)

export const anyValue: fc.Arbitrary<MetricValue> = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.constantFrom(0, -0, Number.MAX_VALUE, Number.MIN_VALUE, 0.1, 1e21, 2 ** 53 + 2),
  fc.boolean(),
  fc.constant(null),
  text,
  // JSON has no -0 where JSON.stringify writes it, so that a value of that kind is what came out of it.
  json.map((value) => JSON.parse(JSON.stringify(value)) as MetricValue),
)

const name = fc
  .string({ unit: fc.constantFrom('a', 'Z', '9', '.', '_', ':', '@', '-'), minLength: 1, maxLength: 12 })
  .filter((id) => id !== '.' && id !== '..')

export const rowOf: fc.Arbitrary<Row> = fc.record(
  {
    device: name,
    metric: fc.oneof(
      fc.constantFrom('t', 'a,b', '"q"', 'cpu.usage{cpu=cpu0}', 'é'),
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }),
    ),
    atMs: fc.oneof(
      fc.integer({ min: 0, max: 8.64e15 }),
      fc.double({ min: 0, max: 8.64e15, noNaN: true }).map((ms) => ms + 0),
      fc.constantFrom(0, 1700000000000.25),
    ),
    value: anyValue,
  },
  { noNullPrototype: true },
)

/** The row as a series of one point. */
export function rowsOf({ device, metric, atMs, value }: Row): Rows {
  return { device, metric, times: Float64Array.of(atMs), values: [value] }
}
