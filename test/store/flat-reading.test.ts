// The short cut for flat readings gives what the general reader gives, or leaves the reading to it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Points, parseTelemetry } from '../../devices/telemetry.ts'
import { limits } from '../../hub/limits.ts'
import { DeviceState } from '../../hub/store/sqlite/device-state.ts'
import { flatKinds, flat as read, readFlatReading } from '../../hub/store/sqlite/flat-reading.ts'

function deviceWith(...metrics: string[]): DeviceState {
  const device = new DeviceState(1, 'd', 0, false)
  for (const [at, metric] of metrics.entries()) device.addSeries(at, metric)
  return device
}

/** The points as the short cut reads them; undefined when it leaves the text to the general reader. */
function flat(text: string, device: DeviceState): Listed | undefined {
  // Other bytes around it: what lies beside a payload in its batch must not be read.
  const bytes = Buffer.from(`,"x":1}${text}"a":1}`)
  if (!readFlatReading(bytes, 7, 7 + Buffer.byteLength(text), device, 5)) return undefined
  const points = new Points()
  for (let at = 0; at < read.count; at += 1) {
    const kind = read.kinds[at]
    const value = kind === flatKinds.number ? read.numbers[at]! : kind === flatKinds.true
    points.add(device.series[read.indexes[at]!]!.metric, read.times[at]!, value)
  }
  return listed(points)
}

function general(text: string): Listed | undefined {
  const points = new Points()
  return parseTelemetry(text, undefined, 5, limits, points) === undefined ? listed(points) : undefined
}

/** Metric, value, and the time where it is not the message's. */
type Listed = [string, unknown, ...number[]][]

function listed({ count, metrics, values, times }: Points): Listed {
  const time = (at: number) => (times[at] === 5 ? [] : [times[at] as number])
  return Array.from({ length: count }, (_, at) => [metrics[at] as string, values[at], ...time(at)])
}

test('a flat reading of known metrics is read, blanks and all', () => {
  const device = deviceWith('t', 'rh', 'on')
  assert.deepEqual(flat('{"t":21.43,"rh":-4,"on":true}', device), [
    ['t', 21.43],
    ['rh', -4],
    ['on', true],
  ])
  assert.deepEqual(flat(' {"t":1}', device), undefined)
  assert.deepEqual(flat('{ "t" : 1.50 ,\n"on" : false }\r\n', device), [
    ['t', 1.5],
    ['on', false],
  ])
  assert.deepEqual(flat('{"rh":0}', device), [['rh', 0]])
})

test('so is one behind a time of its own, and an array of readings', () => {
  const device = deviceWith('t', 'rh', 'ts')
  assert.deepEqual(flat('{"ts":1700000000000,"values":{"t":1,"rh":2}}', device), [
    ['t', 1, 1700000000000],
    ['rh', 2, 1700000000000],
  ])
  assert.deepEqual(flat('{ "ts" : 7.5 , "values" : { "rh":2 } }', device), [['rh', 2, 7.5]])
  assert.deepEqual(flat('[{"ts":1,"values":{"t":1}}, {"t":2} ]', device), [
    ['t', 1, 1],
    ['t', 2],
  ])
  assert.deepEqual(flat('{"ts":4}', device), [['ts', 4]], 'a metric may have that name')
  const many = `[${Array.from({ length: limits.pointsPerMessage + 1 }, () => '{"t":1}').join(',')}]`
  assert.equal(flat(many, device), undefined, 'too many points are for the general reader to refuse')
})

test('what is not exactly that is left to the general reader', () => {
  const device = deviceWith('t', 'rh', 'values', 'Ã©')
  const texts = [
    '{}',
    '{"t":1,}',
    '{"t":01}',
    '{"t":1.}',
    '{"t":.5}',
    '{"t":-}',
    '{"t":1e3}',
    '{"t":"1"}',
    '{"t":null}',
    '{"t":truth}',
    '{"t":1',
    '{"t":1}}',
    '{"t":1} x',
    '{"t":1,"t":2}',
    '{"rh":1,"t":2}',
    '{"new":1}',
    '{"values":1}',
    '{"é":1}',
    '{"t":1234567890123456}',
    '{"t":{"a":1}}',
    '{"ts":5,"values":{}}',
    '{"ts":5,"values":{"t":1},"x":1}',
    '{"ts":-5,"values":{"t":1}}',
    '{"ts":"5","values":{"t":1}}',
    '{"ts":5,"values":{"t":1}',
    '{"values":{"t":1},"ts":5}',
    '[]',
    '[{"t":1},]',
    '[{"t":1}{"t":2}]',
    '[{"t":1}',
    '[[{"t":1}]]',
    '{t:1}',
    '{"t" 1}',
    '{"t":1 "rh":2}',
    '{"t\\u0000":1}',
    '',
  ]
  for (const text of texts) assert.equal(flat(text, device), undefined, text)
})

test('every number it reads is the number that JSON means', () => {
  const device = deviceWith('n')
  const decimal = fc
    .tuple(fc.bigInt({ min: -999_999_999_999_999n, max: 999_999_999_999_999n }), fc.nat({ max: 15 }))
    .map(([mantissa, decimals]) => {
      const digits = `${mantissa < 0n ? -mantissa : mantissa}`.padStart(decimals + 1, '0')
      const text = decimals === 0 ? digits : `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`
      return mantissa < 0n ? `-${text}` : text
    })
  fc.assert(
    fc.property(decimal, (text) => {
      const found = flat(`{"n":${text}}`, device)
      if (found !== undefined) assert.ok(Object.is(found[0]?.[1], JSON.parse(text)), text)
      else assert.ok(text.replace(/\D/g, '').length > 15, `${text} was left to the general reader without need`)
    }),
    { numRuns: 5000 },
  )
  assert.ok(Object.is(flat('{"n":-0}', device)?.[0]?.[1], -0))
})

test('whatever it reads, the general reader reads as well, to the same points', () => {
  const names = ['t', 'rh', 'values', 'ts', 'a b', 'on']
  const device = deviceWith(...names)
  const value = fc.oneof(fc.double(), fc.integer(), fc.boolean(), fc.string(), fc.constant(null), fc.constant('1e5'), fc.constant([1]))
  const member = fc.tuple(fc.constantFrom(...names, 'other'), value).map(([name, one]) => `${JSON.stringify(name)}:${JSON.stringify(one)}`)
  const valid = fc.array(member, { maxLength: 6 }).map((members) => `{${members.join(',')}}`)
  const timed = fc.tuple(fc.oneof(fc.nat(), fc.double()), valid).map(([ts, values]) => `{"ts":${JSON.stringify(ts)},"values":${values}}`)
  const one = fc.oneof(valid, timed)
  const either = fc.oneof(
    one,
    fc.array(one, { maxLength: 4 }).map((readings) => `[${readings.join(',')}]`),
  )
  const mutated = fc.tuple(either, fc.nat(), fc.constantFrom('', ',', '"', '}', '0', ' ', 'e')).map(([text, at, mark]) => {
    const place = at % (text.length + 1)
    return text.slice(0, place) + mark + text.slice(place + (mark === '' ? 1 : 0))
  })
  fc.assert(
    fc.property(fc.oneof(either, mutated), (text) => {
      const found = flat(text, device)
      if (found !== undefined) assert.deepEqual(found, general(text), text)
    }),
    { numRuns: 5000 },
  )
})
