// Times as people write them into a query.
import assert from 'node:assert/strict'
import test from 'node:test'
import { everyOf, rangeOf, zoneOf } from '../../hub/api/times.ts'
import { Refusal } from '../../hub/errors.ts'

const now = Date.parse('2026-03-30T12:00:00Z')

function fromOf(from: string, zone: string): string {
  return new Date(rangeOf({ from }, 8.64e15, zoneOf(zone)).fromMs).toISOString()
}

test('a time is Unix ms, ISO 8601 or a stretch before now', () => {
  const cases: [said: string, meant: string][] = [
    ['1767268800000', '2026-01-01T12:00:00.000Z'],
    ['-1', '1969-12-31T23:59:59.999Z'],
    ['1.5', '1970-01-01T00:00:00.001Z'],
    ['2026-01-01', '2026-01-01T00:00:00.000Z'],
    ['2026-01-01T12:00', '2026-01-01T12:00:00.000Z'],
    ['2026-01-01 12:00:00.25', '2026-01-01T12:00:00.250Z'],
    ['2026-01-01T12:00:00Z', '2026-01-01T12:00:00.000Z'],
    ['2026-01-01t12:00:00z', '2026-01-01T12:00:00.000Z'],
    ['2026-01-01T12:00:00+01:00', '2026-01-01T11:00:00.000Z'],
    ['2026-01-01T12:00:00 01:00', '2026-01-01T11:00:00.000Z'],
    ['2026-01-01T12:00:00+0130', '2026-01-01T10:30:00.000Z'],
    ['2026-01-01T12:00:00-05', '2026-01-01T17:00:00.000Z'],
  ]
  for (const [said, meant] of cases) {
    const { fromMs } = rangeOf({ from: said, to: '2027-01-01' }, now)
    assert.equal(new Date(fromMs).toISOString(), meant, said)
  }
  const second = 1000
  for (const [said, ms] of [
    ['now', 0],
    ['-90s', 90 * second],
    ['-15m', 15 * 60 * second],
    ['-24h', 86_400 * second],
    ['-7d', 7 * 86_400 * second],
    ['-2w', 14 * 86_400 * second],
  ] as const)
    assert.deepEqual(rangeOf({ from: said }, now), { fromMs: now - ms, toMs: now }, said)
})

test('without a time a range is the last hour, and an hour before its end', () => {
  assert.deepEqual(rangeOf({}, now), { fromMs: now - 3_600_000, toMs: now })
  assert.deepEqual(rangeOf({ to: '-1d' }, now), { fromMs: now - 25 * 3_600_000, toMs: now - 24 * 3_600_000 })
})

// Europe/Berlin went from +01:00 to +02:00 on 2026-03-29 at 01:00 UTC, and goes back on 2026-10-25 at 01:00 UTC.
test('a time without an offset is meant in the time zone of the query, and daylight saving counts', () => {
  const cases: [said: string, zone: string, meant: string][] = [
    ['2026-01-01', 'Europe/Berlin', '2025-12-31T23:00:00.000Z'],
    ['2026-03-29', 'Europe/Berlin', '2026-03-28T23:00:00.000Z'],
    ['2026-03-29T01:59', 'Europe/Berlin', '2026-03-29T00:59:00.000Z'],
    ['2026-03-29T02:30', 'Europe/Berlin', '2026-03-29T01:00:00.000Z'], // clocks never show it
    ['2026-03-29T03:00', 'Europe/Berlin', '2026-03-29T01:00:00.000Z'],
    ['2026-10-25T02:30', 'Europe/Berlin', '2026-10-25T00:30:00.000Z'], // the first of two
    ['2026-03-30', 'Europe/Berlin', '2026-03-29T22:00:00.000Z'],
    ['2026-10-25T04:00', 'Europe/Berlin', '2026-10-25T03:00:00.000Z'],
    ['2026-07-01', 'America/New_York', '2026-07-01T04:00:00.000Z'],
    ['2026-07-01', 'Asia/Kathmandu', '2026-06-30T18:15:00.000Z'],
    ['2026-07-01T00:00Z', 'Asia/Kathmandu', '2026-07-01T00:00:00.000Z'],
  ]
  for (const [said, zone, meant] of cases) assert.equal(fromOf(said, zone), meant, `${said} in ${zone}`)
})

test('what is no time, no zone and no length is refused by the name of its parameter', () => {
  const refused = (ask: () => unknown, says: RegExp) =>
    assert.throws(ask, (error) => error instanceof Refusal && error.code === 'request-invalid' && says.test(error.message))
  for (const text of [
    'yesterday',
    '',
    '-',
    '-5x',
    '24h',
    'foo 1',
    '2026-13-01',
    '2026-01-01T25:00',
    '2026-01-01T12:00+99:00',
    '1e99',
    '9e15',
    '99999999999999999',
  ])
    refused(() => rangeOf({ from: text, to: '2999-01-01' }, now), /: from is Unix ms, ISO 8601/)
  refused(() => rangeOf({ to: 'tomorrow' }, now), /: to is Unix ms.*not "tomorrow"/)
  refused(() => rangeOf({ from: '5', to: '4' }, now), /from lies after to/)
  for (const text of ['Mars/Olympus', '', 'Berlin']) refused(() => zoneOf(text), /timezone is a name such as Europe\/Berlin/)
  for (const text of ['', '0s', '15', 'h', '1.5h', '-1h', '1q', '1 h'])
    refused(() => everyOf(text), /every is a number and one of ms, s, m/)
  for (const text of ['250ms', '15s', '5m', '1h', '1d', '1w', '1mo', '1y']) assert.equal(everyOf(text), text)
})
