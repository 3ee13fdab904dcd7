// Telemetry payloads: text on the left, points or the reason against them on the right.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Points, parseTelemetry } from '../../devices/telemetry.ts'

const limits = { metricsPerMessage: 4, pointsPerMessage: 6, metricNameBytes: 9, valueBytes: 20 }

function read(text: string, metric?: string): unknown[][] | string {
  const points = new Points()
  const why = parseTelemetry(text, metric, 5, limits, points)
  if (why !== undefined) {
    assert.equal(points.count, 0, 'a refused message leaves nothing behind')
    return why
  }
  return Array.from({ length: points.count }, (_, at) => [points.metrics[at], points.times[at], points.values[at]])
}

const deep = '['.repeat(33) + ']'.repeat(33)

const readings: [text: string, points: unknown[][]][] = [
  ['{}', []],
  ['[]', []],
  [
    '{"t":21.4,"rh":40}',
    [
      ['t', 5, 21.4],
      ['rh', 5, 40],
    ],
  ],
  [
    ' {"on":true,"s":"x","n":null,"j":{"a":[1]}} ',
    [
      ['on', 5, true],
      ['s', 5, 'x'],
      ['n', 5, null],
      ['j', 5, { a: [1] }],
    ],
  ],
  ['{"ts":7,"values":{"t":1}}', [['t', 7, 1]]],
  ['{"values":{"t":1}}', [['t', 5, 1]]],
  ['{"ts":0.5,"values":{}}', []],
  [
    '[{"t":1},{"ts":7,"values":{"t":2}}]',
    [
      ['t', 5, 1],
      ['t', 7, 2],
    ],
  ],
  [
    '{"ts":7,"t":1}',
    [
      ['ts', 5, 7],
      ['t', 5, 1],
    ],
  ],
  [
    '{"t":1,"values":{"a":1}}',
    [
      ['t', 5, 1],
      ['values', 5, { a: 1 }],
    ],
  ],
  [
    '{"__proto__":1,"toString":2}',
    [
      ['__proto__', 5, 1],
      ['toString', 5, 2],
    ],
  ],
  [
    '{"12345678":1,"ääää":2}',
    [
      ['12345678', 5, 1],
      ['ääää', 5, 2],
    ],
  ],
]

test('a payload without a metric in its topic is a reading, a reading with its time, or a list of either', () => {
  for (const [text, points] of readings) assert.deepEqual(read(text), points, text)
})

const values: [text: string, value: unknown][] = [
  ['21.4', 21.4],
  ['-1e3', -1000],
  ['true', true],
  ['null', null],
  ['"on"', 'on'],
  ['on', 'on'],
  ['open door', 'open door'],
  ['{"a":1}', { a: 1 }],
  ['[1,2]', [1, 2]],
  ['{not json', '{not json'],
  [' ', ' '],
]

test('a payload whose topic names the metric is one value: JSON, or else plain text', () => {
  for (const [text, value] of values) assert.deepEqual(read(text, 'm'), [['m', 5, value]], text)
})

const refused: [text: string, why: RegExp, metric?: string][] = [
  ['', /^it is not JSON: /],
  ['{"t":NaN}', /^it is not JSON: Unexpected token/],
  ['21', /^a reading is an object of metrics, not a number$/],
  ['"x"', /not a string$/],
  ['null', /not null$/],
  ['[1]', /^a reading is an object of metrics, not a number$/],
  ['[[{"t":1}]]', /not an array$/],
  ['[{"t":1},5]', /not a number$/],
  ['{"":1}', /^metric names have 1 to 9 bytes$/],
  ['{"1234567890":1}', /^metric names have 1 to 9 bytes$/],
  ['{"äääää":1}', /^metric names have 1 to 9 bytes$/],
  ['{"a\\nb":1}', /^metric names hold no control characters$/],
  ['{"a\\u0085":1}', /^metric names hold no control characters$/],
  ['{"\\ud800":1}', /^metric names are Unicode text$/],
  ['{"t":1e999}', /^a number must be finite$/],
  ['{"t":{"a":-1e999}}', /^a number must be finite$/],
  ['{"t":"123456789012345678901"}', /^a value has at most 20 bytes$/],
  ['{"t":"ääääääääääää"}', /^a value has at most 20 bytes$/],
  ['{"t":[1,2,3,4,5,6,7,8,9,0,1]}', /^a value has at most 20 bytes$/],
  [`{"t":${deep}}`, /^a JSON value has at most 32 levels$/],
  ['{"a":1,"b":1,"c":1,"d":1,"e":1}', /^a reading holds at most 4 metrics$/],
  ['[{"a":1,"b":1,"c":1},{"a":1,"b":1,"c":1},{"a":1}]', /^a message holds at most 6 points$/],
  ['{"ts":"7","values":{"t":1}}', /^ts must be Unix milliseconds$/],
  ['{"ts":-1,"values":{"t":1}}', /^ts must be Unix milliseconds$/],
  ['{"ts":8.65e15,"values":{"t":1}}', /^ts must be Unix milliseconds$/],
  ['{"ts":null,"values":{"t":1}}', /^ts must be Unix milliseconds$/],
  ['{"ts":7,"values":5}', /^values is an object of metrics, not a number$/],
  ['{"ts":7,"values":{},"x":1}', /^a reading with ts and values holds nothing else$/],
  ['', /^it is empty$/, 'm'],
  ['nan', /^a number must be finite$/, 'm'],
  ['-Infinity', /^a number must be finite$/, 'm'],
  ['1e999', /^a number must be finite$/, 'm'],
  ['1', /^metric names have 1 to 9 bytes$/, ''],
  ['1', /^metric names have 1 to 9 bytes$/, '1234567890'],
  ['a text that is too long', /^a value has at most 20 bytes$/, 'm'],
  ['['.repeat(100_000), /^a value has at most 20 bytes$/, 'm'],
]

test('what cannot be read is refused whole, with the reason', () => {
  for (const [text, why, metric] of refused) {
    const answer = read(text, metric)
    assert.ok(typeof answer === 'string', `${text} should be refused`)
    assert.match(answer, why, text)
  }
})

test('a refused message leaves the points that were there before', () => {
  const points = new Points()
  assert.equal(parseTelemetry('{"t":1}', undefined, 5, limits, points), undefined)
  assert.notEqual(parseTelemetry('[{"t":2},3]', undefined, 5, limits, points), undefined)
  assert.equal(points.count, 1)
  assert.equal(points.values[0], 1)
})

test('no text makes it throw, and what it takes is within the limits', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc.json().map((json) => `[${json},{"ts":1,"values":${json}}]`),
  )
  fc.assert(
    fc.property(text, fc.option(fc.string(), { nil: undefined }), (payload, metric) => {
      const answer = read(payload, metric)
      if (typeof answer === 'string') return
      assert.ok(answer.length <= limits.pointsPerMessage)
      for (const [name, atMs, value] of answer) {
        assert.ok(typeof name === 'string' && Buffer.byteLength(name) <= limits.metricNameBytes)
        assert.ok(Number.isFinite(atMs))
        assert.ok(typeof value !== 'number' || Number.isFinite(value))
      }
    }),
  )
})
