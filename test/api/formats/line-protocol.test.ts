// InfluxDB line protocol: the examples of its reference, what is refused, and bytes that nobody meant.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isDeviceId } from '../../../devices/device.ts'
import { readLine } from '../../../hub/api/formats/line-protocol.ts'
import type { Row } from '../../../hub/api/formats/row.ts'
import { Refusal } from '../../../hub/errors.ts'

const nowMs = 1_700_000_000_000
const read = (line: string) => readLine(line, { precision: 'ns', nowMs })
const pairs = (line: string) => read(line).map(({ metric, value }) => [metric, value])

test('a line is one point for each field, with the device, the metric and the time it names', () => {
  assert.deepEqual(read('cpu,host=pump-7 usage=12.5,idle=87.5 1556813561098000000'), [
    { device: 'pump-7', metric: 'cpu.usage', atMs: 1556813561098, value: 12.5 },
    { device: 'pump-7', metric: 'cpu.idle', atMs: 1556813561098, value: 87.5 },
  ] satisfies Row[])
})

test('each type of field', () => {
  const line =
    'm,device=d f=1,g=-1.5e+3,h=.5,i=10i,j=-9223372036854775808i,k=18446744073709551615u,l="text",m=t,n=TRUE,o=False,p=f,q=1.,r="",s=True 1'
  assert.deepEqual(pairs(line), [
    ['m.f', 1],
    ['m.g', -1500],
    ['m.h', 0.5],
    ['m.i', 10],
    ['m.j', -(2 ** 63)],
    ['m.k', 2 ** 64],
    ['m.l', 'text'],
    ['m.m', true],
    ['m.n', true],
    ['m.o', false],
    ['m.p', false],
    ['m.q', 1],
    ['m.r', ''],
    ['m.s', true],
  ])
})

test('escapes, as the reference lists them', () => {
  const cases: [string, string, unknown][] = [
    [String.raw`my\ Measurement,device=d f=1`, 'my Measurement.f', 1],
    [String.raw`a\,b,device=d f=1`, 'a,b.f', 1],
    ['a=b,device=d f=1', 'a=b.f', 1],
    [String.raw`m,device=d f\=\,\ 1=1`, 'm.f=, 1', 1],
    [String.raw`m,device=d f="say \"hi\", C:\\new\tab"`, 'm.f', String.raw`say "hi", C:\new\tab`],
    ['m,device=d f="a, b=c d"', 'm.f', 'a, b=c d'],
    [String.raw`m,device=d,tag\ key=tag\,\=\ value f=1`, String.raw`m.f{tag key=tag\,\= value}`, 1],
    [String.raw`m\n,device=d f\z=1`, String.raw`m\n.f\z`, 1],
    ['"m",device=d "f"=1', '"m"."f"', 1],
    ['läufer,device=d größe🍭=1', 'läufer.größe🍭', 1],
  ]
  for (const [line, metric, value] of cases) assert.deepEqual(pairs(line), [[metric, value]], line)
})

test('tags that are left tell series apart, in one order however they come', () => {
  const metric = 'disk.used{fstype=ext4,path=/}'
  assert.equal(read('disk,host=a,path=/,fstype=ext4 used=1i')[0]?.metric, metric)
  assert.equal(read('disk,fstype=ext4,host=a,path=/ used=1i')[0]?.metric, metric)
  // Where both are there, the device is what the tag `device` says, and the host is one tag more.
  assert.deepEqual(
    read('disk,host=a,device=sda1 used=1i').map(({ device, metric: name }) => [device, name]),
    [['sda1', 'disk.used{host=a}']],
  )
  const ambiguous = [String.raw`m,device=d,a=1\,b\=2 f=1`, 'm,device=d,a=1,b=2 f=1', 'm,device=d,a=1} f=1']
  assert.equal(new Set(ambiguous.map((line) => read(line)[0]?.metric)).size, 3)
})

test('a device id takes what a topic can hold; all else becomes an underscore', () => {
  assert.equal(read(String.raw`m,host=Hall\ 3/pump#7é f=1`)[0]?.device, 'Hall_3_pump_7_')
})

test('time: each precision, digits behind the millisecond, and the time of arrival without one', () => {
  const at = (line: string, precision: 'ns' | 'us' | 'ms' | 's') => readLine(line, { precision, nowMs })[0]?.atMs
  assert.equal(at('m,device=d f=1 1556813561098250000', 'ns'), 1556813561098.25)
  assert.equal(at('m,device=d f=1 1556813561098250', 'us'), 1556813561098.25)
  assert.equal(at('m,device=d f=1 1556813561098', 'ms'), 1556813561098)
  assert.equal(at('m,device=d f=1 1556813561', 's'), 1556813561000)
  assert.equal(at('m,device=d f=1', 'ns'), nowMs)
  assert.equal(at('m,device=d f=1   ', 'ns'), nowMs)
  assert.equal(at('m,device=d   f=1   5   \r', 'ms'), 5)
})

test('a comment holds no point', () => {
  assert.deepEqual(read('# m,device=d f=1'), [])
  assert.deepEqual(read('  #'), [])
})

test('what is no line is refused with the reason', () => {
  const cases: [string, RegExp][] = [
    ['', /no measurement/],
    [',device=d f=1', /no measurement/],
    ['m', /fields/],
    ['m,device=d', /fields/],
    ['m,device=d ', /fields/],
    ['m,device=d f', /fields/],
    ['m,device=d f=', /the field f is no/],
    ['m,device=d f=1,', /fields/],
    ['m,device=d =1', /fields/],
    ['m,device=d f=abc', /the field f is no/],
    ['m,device=d f=1e999', /the field f is no/],
    ['m,device=d f=NaN', /the field f is no/],
    ['m,device=d f=9223372036854775808i', /the field f is no/],
    ['m,device=d f=18446744073709551616u', /the field f is no/],
    ['m,device=d f=-1u', /the field f is no/],
    ['m,device=d f="a', /not closed/],
    ['m,device=d f="a"b', /behind a field/],
    ['m,device f=1', /key=value/],
    ['m,device= f=1', /has no value/],
    ['m,device=d,=x f=1', /key=value/],
    ['m,device=d=e f=1', /escaped/],
    ['m,device=d,a=1,a=2 f=1', /given twice/],
    ['m,device=d f=1 now', /timestamp/],
    ['m,device=d f=1 -1', /timestamp/],
    ['m,device=d f=1 1.5', /timestamp/],
    ['m,device=d f=1 1 2', /timestamp/],
    ['m,device=d f=1 12345678901234567890', /timestamp/],
    ['m f=1', /no device/],
    ['m,tag=d f=1', /no device/],
    [`m,host=${'d'.repeat(129)} f=1`, /device id/],
    ['m,host=.. f=1', /device id/],
  ]
  for (const [line, why] of cases) {
    assert.throws(
      () => read(line),
      (error) => error instanceof Refusal && error.code === 'telemetry-invalid' && why.test(error.message),
      line,
    )
  }
})

test('whatever comes, it is points or a refusal', () => {
  const piece = fc.constantFrom(
    'm',
    ',',
    '=',
    ' ',
    '"',
    '\\',
    'device',
    'host',
    'f',
    '1',
    '1i',
    't',
    '#',
    '\r',
    '\t',
    '1556813561098000000',
    'é',
    '\ufffd',
    '-',
    'e5',
  )
  const line = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.array(piece, { maxLength: 30 }).map((all) => all.join('')),
    fc.array(piece, { maxLength: 8 }).map((all) => `m,device=d f=1${all.join('')}`),
  )
  let understood = 0
  fc.assert(
    fc.property(line, (text) => {
      try {
        for (const { device, metric, atMs, value } of read(text)) {
          understood += 1
          assert.ok(isDeviceId(device) && metric.length > 2 && Number.isFinite(atMs))
          assert.ok(typeof value !== 'number' || Number.isFinite(value))
        }
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
      }
    }),
    { numRuns: 8000 },
  )
  assert.ok(understood > 100, `${understood}`)
})

test('names and strings of any text come back as they were written', () => {
  const text = fc.string({ unit: fc.constantFrom('a', ',', '=', ' ', '"', 'é'), minLength: 1, maxLength: 10 })
  const name = (of: string) => of.replace(/[,= ]/g, '\\$&')
  fc.assert(
    fc.property(text, text, fc.string({ unit: fc.constantFrom('a', '"', '\\', ',', ' '), maxLength: 10 }), (measurement, key, value) => {
      const line = `${measurement.replace(/[, ]/g, '\\$&')},device=d ${name(key)}="${value.replace(/["\\]/g, '\\$&')}"`
      assert.deepEqual(pairs(line), [[`${measurement}.${key}`, value]])
    }),
  )
})
