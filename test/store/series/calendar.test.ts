// Buckets by the calendar: facts that are known, and what clocks show at thousands of moments in many zones.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { bucketsAbout, type Every, edgesOf, parseEvery, tierFor } from '../../../hub/store/series/calendar.ts'
import { Zone } from '../../../hub/store/series/zone.ts'

function every(text: string): Every {
  const parsed = parseEvery(text)
  assert.ok(typeof parsed !== 'string', String(parsed))
  return parsed
}

function edges(text: string, zone: string, from: string, to: string): string[] {
  const made = edgesOf(every(text), Zone.named(zone)!, Date.parse(from), Date.parse(to))
  return Array.from(made, (edgeMs) => new Date(edgeMs).toISOString().replace(/(:00)?\.000Z$/, ''))
}

describe('the length of a bucket', () => {
  test('is a number and a unit', () => {
    assert.deepEqual(every('500ms'), { count: 500, unit: 'ms' })
    assert.deepEqual(every('15s'), { count: 15, unit: 's' })
    assert.deepEqual(every('5m'), { count: 5, unit: 'm' })
    assert.deepEqual(every('24h'), { count: 24, unit: 'h' })
    assert.deepEqual(every('1mo'), { count: 1, unit: 'mo' })
    for (const unit of ['d', 'w', 'y'] as const) assert.deepEqual(every(`2${unit}`), { count: 2, unit })
  })

  test('is explained when it is something else', () => {
    for (const wrong of ['', '0s', '-1m', '1.5h', '1 h', 'h', '5', '5M', '1month', '1000000000000s', '01s']) {
      assert.match(String(parseEvery(wrong)), /is no length of time/, wrong)
    }
    assert.match(String(parseEvery('25h')), /ask for days/)
  })

  test('says about how many buckets there will be', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('90s', '7m', '1h', '5h', '6h', '1d', '3d', '1w', '1mo', '1y'),
        fc.integer({ min: 0, max: 900 }),
        (text, days) => {
          const [fromMs, toMs] = [Date.UTC(2020, 0, 5, 7), Date.UTC(2020, 0, 5 + (text === '90s' ? days % 9 : days), 9)]
          const made = edgesOf(every(text), Zone.named('Europe/Berlin')!, fromMs, toMs).length - 1
          const about = bucketsAbout(every(text), fromMs, toMs)
          assert.ok(Math.abs(about - made) <= 7, `${about} for ${made}`)
        },
      ),
    )
  })
})

describe('edges', () => {
  test('of minutes and shorter lie at multiples since the epoch, whatever the zone', () => {
    assert.deepEqual(edges('7m', 'Asia/Kathmandu', '1970-01-01T00:10Z', '1970-01-01T00:21Z'), [
      '1970-01-01T00:07',
      '1970-01-01T00:14',
      '1970-01-01T00:21',
    ])
    assert.deepEqual(edges('500ms', 'UTC', '1969-12-31T23:59:59.700Z', '1970-01-01T00:00Z'), [
      '1969-12-31T23:59:59.500Z',
      '1970-01-01T00:00',
    ])
    assert.deepEqual(edges('1m', 'UTC', '2026-01-01T00:00Z', '2026-01-01T00:00Z'), ['2026-01-01T00:00', '2026-01-01T00:01'])
  })

  test('are one bucket at least, also when the range is a single moment on an edge', () => {
    for (const text of ['1h', '1d', '1mo']) assert.equal(edges(text, 'UTC', '2026-01-01T00:00Z', '2026-01-01T00:00Z').length, 2, text)
  })

  const facts: [what: string, text: string, zone: string, from: string, to: string, edges: string[]][] = [
    [
      'a day of 23 hours',
      '1d',
      'Europe/Berlin',
      '2026-03-28T12:00Z',
      '2026-03-30T12:00Z',
      ['2026-03-27T23:00', '2026-03-28T23:00', '2026-03-29T22:00', '2026-03-30T22:00'],
    ],
    ['a day of 25 hours', '1d', 'America/New_York', '2026-11-01T12:00Z', '2026-11-01T13:00Z', ['2026-11-01T04:00', '2026-11-02T05:00']],
    [
      'six hours that are seven',
      '6h',
      'Europe/Berlin',
      '2026-10-25T00:00Z',
      '2026-10-25T12:00Z',
      ['2026-10-24T22:00', '2026-10-25T05:00', '2026-10-25T11:00', '2026-10-25T17:00'],
    ],
    ['six hours that are five', '6h', 'Europe/Berlin', '2026-03-29T00:00Z', '2026-03-29T04:00Z', ['2026-03-28T23:00', '2026-03-29T04:00']],
    [
      'five hours, anew every day',
      '5h',
      'UTC',
      '2026-01-01T19:00Z',
      '2026-01-02T01:00Z',
      ['2026-01-01T15:00', '2026-01-01T20:00', '2026-01-02T00:00', '2026-01-02T05:00'],
    ],
    ['24 hours', '24h', 'Europe/Berlin', '2026-03-29T00:00Z', '2026-03-29T22:00Z', ['2026-03-28T23:00', '2026-03-29T22:00']],
    [
      'the hour that comes twice',
      '1h',
      'Europe/Berlin',
      '2026-10-25T00:00Z',
      '2026-10-25T02:00Z',
      ['2026-10-25T00:00', '2026-10-25T01:00', '2026-10-25T02:00'],
    ],
    [
      'the hour that does not come',
      '2h',
      'Europe/Berlin',
      '2026-03-29T00:00Z',
      '2026-03-29T03:00Z',
      ['2026-03-28T23:00', '2026-03-29T01:00', '2026-03-29T02:00', '2026-03-29T04:00'],
    ],
    [
      'nothing behind a jump over midnight',
      '6h',
      'America/Asuncion',
      '1982-09-30T22:00Z',
      '1982-09-30T22:00Z',
      ['1982-09-30T22:00', '1982-10-01T04:00'],
    ],
    [
      'half an hour back',
      '1h',
      'Australia/Lord_Howe',
      '2026-04-04T14:00Z',
      '2026-04-04T16:00Z',
      ['2026-04-04T14:00', '2026-04-04T15:30', '2026-04-04T16:30'],
    ],
    [
      'half an hour ahead',
      '1h',
      'Australia/Lord_Howe',
      '2026-10-03T14:30Z',
      '2026-10-03T16:30Z',
      ['2026-10-03T14:30', '2026-10-03T15:30', '2026-10-03T16:00', '2026-10-03T17:00'],
    ],
    [
      '+05:30',
      '1h',
      'Asia/Kolkata',
      '2026-01-01T00:00Z',
      '2026-01-01T00:40Z',
      ['2025-12-31T23:30', '2026-01-01T00:30', '2026-01-01T01:30'],
    ],
    ['+05:45', '1d', 'Asia/Kathmandu', '2026-01-01T00:00Z', '2026-01-01T18:15Z', ['2025-12-31T18:15', '2026-01-01T18:15']],
    ['an offset for a name', '12h', '-03:30', '2026-01-01T00:00Z', '2026-01-01T03:30Z', ['2025-12-31T15:30', '2026-01-01T03:30']],
    [
      'a day that Samoa left out',
      '1d',
      'Pacific/Apia',
      '2011-12-29T12:00Z',
      '2011-12-31T10:00Z',
      ['2011-12-29T10:00', '2011-12-30T10:00', '2011-12-31T10:00'],
    ],
    [
      'a day without midnight',
      '1d',
      'America/Sao_Paulo',
      '2018-11-04T12:00Z',
      '2018-11-05T02:00Z',
      ['2018-11-04T03:00', '2018-11-05T02:00'],
    ],
    [
      'a day with two midnights',
      '1d',
      'America/St_Johns',
      '2010-11-07T02:29Z',
      '2010-11-07T03:00Z',
      ['2010-11-06T02:30', '2010-11-07T02:30', '2010-11-08T03:30'],
    ],
    [
      'the hour before the second midnight',
      '1d',
      'America/St_Johns',
      '2010-11-07T03:00Z',
      '2010-11-07T03:00Z',
      ['2010-11-07T02:30', '2010-11-08T03:30'],
    ],
    [
      'weeks that begin on Monday',
      '1w',
      'America/New_York',
      '2026-03-05T00:00Z',
      '2026-03-09T05:00Z',
      ['2026-03-02T05:00', '2026-03-09T04:00', '2026-03-16T04:00'],
    ],
    [
      'three days since the epoch',
      '3d',
      'UTC',
      '1970-01-02T00:00Z',
      '1970-01-05T00:00Z',
      ['1970-01-01T00:00', '1970-01-04T00:00', '1970-01-07T00:00'],
    ],
    [
      'months of a leap year',
      '1mo',
      'Asia/Tokyo',
      '2024-02-10T00:00Z',
      '2024-03-10T00:00Z',
      ['2024-01-31T15:00', '2024-02-29T15:00', '2024-03-31T15:00'],
    ],
    ['quarters', '3mo', 'UTC', '2026-11-23T00:00Z', '2026-11-24T00:00Z', ['2026-10-01T00:00', '2027-01-01T00:00']],
    ['decades', '10y', 'UTC', '1969-11-23T00:00Z', '1970-01-02T00:00Z', ['1960-01-01T00:00', '1970-01-01T00:00', '1980-01-01T00:00']],
    [
      'years before there were zones',
      '1y',
      'America/New_York',
      '1883-06-01T00:00Z',
      '1884-06-01T00:00Z',
      ['1883-01-01T04:56:02', '1884-01-01T05:00', '1885-01-01T05:00'],
    ],
  ]
  for (const [what, text, zone, from, to, expected] of facts) {
    test(`${what}: ${text} in ${zone}`, () => assert.deepEqual(edges(text, zone, from, to), expected))
  }

  test('of ten years of days are made at once', () => {
    assert.equal(edges('1d', 'Australia/Sydney', '2016-01-01T00:00+11:00', '2026-01-01T00:00+11:00').length, 3654)
  })
})

describe('a zone', () => {
  test('has every change of its clocks, even the summer time of a week in Recife', () => {
    const zone = Zone.named('America/Recife')!
    for (let day = 20; day < 40; day += 1) {
      const stretches = zone.stretches(Date.UTC(2000, 8, day, 2, 30), Date.UTC(2000, 9, 20))
      const changes = stretches.slice(1).map(({ fromMs, offsetMs }) => [new Date(fromMs).toISOString(), offsetMs / 3_600_000])
      const inOctober = [
        ['2000-10-08T03:00:00.000Z', -2],
        ['2000-10-15T02:00:00.000Z', -3],
      ]
      assert.deepEqual(changes, inOctober.slice(new Date(stretches[0]!.fromMs) < new Date('2000-10-08T03:00:00Z') ? 0 : 1))
    }
  })

  test('has a name that is known, or is none', () => {
    for (const name of ['Mars/Olympus', '', 'Europe/Berlin ', '../etc']) assert.equal(Zone.named(name), undefined, name)
    assert.equal(Zone.named('UTC')!.offsetAt(0), 0)
  })

  test('runs behind UTC by seconds too', () => {
    assert.equal(Zone.named('Africa/Monrovia')!.offsetAt(0), -(44 * 60 + 30) * 1000)
  })
})

describe('against what the clocks show', () => {
  const zones = fc.constantFrom(...Intl.supportedValuesOf('timeZone'))
  const moment = fc.integer({ min: Date.UTC(1900, 0), max: Date.UTC(2040, 0) })
  const clocks = new Map<string, Intl.DateTimeFormat>()

  /** The local time as the fields of a clock. */
  function clockAt(zone: string, atMs: number): Date {
    const numeric = 'numeric'
    const fields = { year: numeric, month: numeric, day: numeric, hour: numeric, minute: numeric, second: numeric } as const
    if (!clocks.has(zone)) clocks.set(zone, new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', ...fields }))
    const parts = clocks.get(zone)!.formatToParts(atMs)
    const field = (type: string) => Number(parts.find((part) => part.type === type)!.value)
    return new Date(Date.UTC(field('year'), field('month') - 1, field('day'), field('hour'), field('minute'), field('second')))
  }

  const dateOf: { [text: string]: (clock: Date) => string } = {
    '1d': (clock) => clock.toISOString().slice(0, 10),
    '1w': (clock) => new Date(clock.getTime() - ((clock.getUTCDay() + 6) % 7) * 86_400_000).toISOString().slice(0, 10),
    '1mo': (clock) => clock.toISOString().slice(0, 7),
    '3mo': (clock) => `${clock.getUTCFullYear()} ${Math.floor(clock.getUTCMonth() / 3)}`,
    '1y': (clock) => clock.toISOString().slice(0, 4),
    '1h': (clock) => clock.toISOString().slice(0, 13),
    '6h': (clock) => `${clock.toISOString().slice(0, 10)} ${Math.floor(clock.getUTCHours() / 6)}`,
    '7h': (clock) => `${clock.toISOString().slice(0, 10)} ${Math.floor(clock.getUTCHours() / 7)}`,
  }
  const days: { [text: string]: number } = { '1w': 40, '1mo': 200, '3mo': 500, '1y': 900, '1d': 20 }

  test('the offset is how far the clock is ahead', () => {
    fc.assert(
      fc.property(zones, moment, (zone, atMs) => {
        const second = Math.floor(atMs / 1000) * 1000
        assert.equal(Zone.named(zone)!.offsetAt(atMs), clockAt(zone, second).getTime() - second)
      }),
      { numRuns: 3000 },
    )
  })

  test('a bucket is what has one date, from its very first moment', () => {
    fc.assert(
      fc.property(
        zones,
        moment,
        fc.constantFrom(...Object.keys(dateOf)),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (zone, fromMs, text, place) => {
          const toMs = fromMs + (days[text] ?? 3) * 86_400_000 * place
          const made = edgesOf(every(text), Zone.named(zone)!, fromMs, toMs)
          assert.ok(
            made[0]! <= fromMs && made[1]! > fromMs && made.at(-1)! >= toMs,
            'they cover the range, and no bucket too much at its begin',
          )
          assert.ok(made.length === 2 || made.at(-2)! < toMs, 'nor at its end')
          const dateAt = (atMs: number) => dateOf[text]!(clockAt(zone, atMs))
          const offsetAt = (atMs: number) => clockAt(zone, Math.floor(atMs / 1000) * 1000).getTime() - Math.floor(atMs / 1000) * 1000
          for (const [at, startMs] of made.subarray(0, -1).entries()) {
            const endMs = made[at + 1]!
            assert.ok(endMs > startMs)
            const putBack = offsetAt(endMs) < offsetAt(startMs - 1000) // a bucket may then begin with the date it had before
            if (!putBack) assert.notEqual(dateAt(startMs - 1), dateAt(startMs), `a new date at ${new Date(startMs).toISOString()}`)
            for (const insideMs of [startMs + 1, startMs + Math.floor((endMs - startMs) * place), endMs - 1]) {
              if (!putBack)
                assert.equal(dateAt(Math.min(insideMs, endMs - 1)), dateAt(startMs), `one date until ${new Date(endMs).toISOString()}`)
            }
          }
        },
      ),
      { numRuns: 3000 },
    )
  })
})

test('the tier for edges is the coarsest whose buckets fit between them', () => {
  const tier = (text: string, zone: string, to = '2026-03-02T00:00Z') => {
    return tierFor(edgesOf(every(text), Zone.named(zone)!, Date.parse('1969-03-01T12:00Z'), Date.parse(to)))
  }
  assert.equal(tier('1d', 'UTC'), 'day')
  assert.equal(tier('1mo', 'UTC'), 'day')
  assert.equal(tier('1d', 'Asia/Tokyo'), 'hour')
  assert.equal(tier('1d', 'Asia/Kathmandu'), 'minute')
  assert.equal(tier('6h', 'UTC', '1969-03-02T00:00Z'), 'hour')
  assert.equal(tier('15m', 'UTC', '1969-03-02T00:00Z'), 'minute')
  assert.equal(tier('15s', 'UTC', '1969-03-01T12:10Z'), 'raw')
  assert.equal(tier('1d', 'Africa/Monrovia', '1969-03-02T00:00Z'), 'raw')
})
