// Types and groups as they are written: what is read, what is refused and in which clause.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readQuery } from '../../devices/device-group.ts'
import { type DeviceType, readDeviceType, schemaOf, whyNotOfType } from '../../devices/device-type.ts'
import { limits } from '../../hub/limits.ts'

const number = { type: 'number' }

test('a type is refused with a clause that says what it can be', () => {
  const cases: [unknown, RegExp][] = [
    [[], /^a type is a JSON object$/],
    [{ colour: 'red' }, /^a type has no member "colour"$/],
    [{ name: 'valve' }, /^it is called pump, and says another name$/],
    [{ role: '' }, /^its role is the name of a role$/],
    [{ limits: { messages: 1 } }, /^limits are messagesPerSecond, .*not "messages"$/],
    [{ limits: { messagesPerSecond: 0 } }, /^messagesPerSecond is a number above 0$/],
    [{ limits: { subscriptions: 1001 } }, /^subscriptions is a number from 0 to 1000 \(limits\.subscriptionsPerSession\)$/],
    [{ metrics: {} }, /^metrics is an object with a member for each metric$/],
    [{ others: 'refuse' }, /^others can be refused where metrics are named$/],
    [{ metrics: { t: number }, others: 'drop' }, /^others is take or refuse$/],
    [{ metrics: { t: { type: 'float' } } }, /^the metric t has one of the types number, integer, boolean, string, json$/],
    [{ metrics: { t: { ...number, uint: 'K' } } }, /^the metric t has type, unit, .*not "uint"$/],
    [{ metrics: { t: { ...number, min: 2, max: 1 } } }, /^the metric t has a min above its max$/],
    [{ metrics: { on: { type: 'boolean', max: 1 } } }, /^the metric on has min and max, which are for numbers and integers$/],
    [{ metrics: { '': number } }, /^a metric is called by 1 to 128 bytes of text$/],
    [{ metrics: Object.fromEntries(Array.from({ length: 1001 }, (_, at) => [`m${at}`, number])) }, /\(limits\.metricsPerDevice\)$/],
    [{ commands: [] }, /^commands is an object with a JSON schema for each command$/],
    [{ commands: { '': {} } }, /^a command is called by 1 to \d+ bytes of text$/],
    [{ commands: { stop: true } }, /^the command stop has a JSON schema of its params, an object$/],
    [{ description: 'x'.repeat(257) }, /\(limits\.descriptionBytes\)$/],
    [{ metrics: Object.fromEntries(Array.from({ length: 900 }, (_, at) => [`${'m'.repeat(99)}${at}`, number])) }, /DocumentBytes\)$/],
  ]
  for (const [value, why] of cases) assert.match(`${readDeviceType('pump', value, limits)}`, why)
  assert.match(`${readDeviceType('two words', {}, limits)}`, /^its name is 1 to 64 letters/)
  assert.deepEqual(readDeviceType('pump', { name: 'pump', keep: 'raw 30d' }, limits), { name: 'pump', keep: 'raw 30d' })
})

test('a point is as its type says, or a clause names the metric', () => {
  const metrics = {
    t: { type: 'number', min: -40, max: 125 },
    n: { type: 'integer' },
    on: { type: 'boolean' },
    s: { type: 'string' },
    any: { type: 'json' },
    ['__proto__']: { type: 'string' },
  } as const
  const whyNot = (type: DeviceType) => {
    const schema = schemaOf(type)
    assert.ok(schema !== undefined)
    return (metric: string, value: Parameters<typeof whyNotOfType>[2]) => whyNotOfType(schema, metric, value)
  }
  const strict = whyNot({ name: 'pump', metrics, others: 'refuse' })
  for (const [metric, value] of [
    ['t', -40],
    ['t', 125],
    ['n', -3],
    ['n', 1e300],
    ['on', false],
    ['s', ''],
    ['any', null],
    ['any', [1]],
  ] as const)
    assert.equal(strict(metric, value), undefined, metric)
  assert.equal(strict('t', 125.5), 'the metric t of the type pump is at most 125, not 125.5')
  assert.equal(strict('t', -41), 'the metric t of the type pump is at least -40, not -41')
  assert.equal(strict('t', '21'), 'the metric t of the type pump is a number, not a string')
  assert.equal(strict('t', null), 'the metric t of the type pump is a number, not null')
  assert.equal(strict('n', 1.5), 'the metric n of the type pump is an integer, not 1.5')
  assert.equal(strict('on', 1), 'the metric on of the type pump is true or false, not 1')
  assert.equal(strict('s', { a: 1 }), 'the metric s of the type pump is a string, not JSON')
  assert.equal(strict('x'.repeat(65), 1), `the type pump has no metric ${'x'.repeat(64)}…`)
  assert.equal(strict('constructor', 1), 'the type pump has no metric constructor')
  assert.equal(whyNot({ name: 'pump', metrics })('other', 'x'), undefined)
  assert.equal(schemaOf({ name: 'pump', role: 'pumps' }), undefined)
})

test('a query of a group is words, and what is none is shown', () => {
  const one = (text: string) => readQuery(text, limits)
  assert.deepEqual(one(' site=north  type=pump floor!=2 owner !spare note="two \\"words\\"" empty= url=a=b '), [
    { tag: 'site', value: 'north', isSo: true },
    { tag: undefined, value: 'pump', isSo: true },
    { tag: 'floor', value: '2', isSo: false },
    { tag: 'owner', value: undefined, isSo: true },
    { tag: 'spare', value: undefined, isSo: false },
    { tag: 'note', value: 'two "words"', isSo: true },
    { tag: 'empty', value: '', isSo: true },
    { tag: 'url', value: 'a=b', isSo: true },
  ])
  assert.deepEqual(one('!type'), [{ tag: undefined, value: undefined, isSo: false }])
  assert.match(`${one('site=north or floor>2')}`, /and not "floor>2"$/)
  assert.match(`${one('!site=north')}`, /and not "!site=north"$/)
  assert.match(`${one('note="open')}`, /and not "note=\\"open"$/)
  assert.match(`${one('type=a/b')}`, /^type is no word for a type of devices: a\/b$/)
  assert.match(`${one('  ')}`, /^its query has 1 to 1024 bytes of words as in/)
  assert.match(`${one('a '.repeat(33))}`, /at most 32 words \(limits\.groupConditions\)$/)
})
