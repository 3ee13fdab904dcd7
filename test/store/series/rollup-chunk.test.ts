// Rollups as bytes: all sixteen columns come back to the bit, and most of them cost little.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import type { MetricValue } from '../../../devices/device.ts'
import { ChunkDamaged, decodeChunk, encodeChunk, lookAtChunk, verifyChunk } from '../../../hub/store/series/chunk.ts'
import { type Rollup, tierMs } from '../../../hub/store/series/rollup.ts'
import { decodeRollup, encodeRollup } from '../../../hub/store/series/rollup-chunk.ts'

const epochMs = Date.UTC(2026, 10, 22)

interface Point {
  readonly atMs: number
  readonly value: MetricValue
}

/** As rollup.ts describes them, one bucket after the other. */
function rolledUp(tier: Rollup['tier'], buckets: readonly (readonly [startMs: number, points: readonly Point[]])[]): Rollup {
  const rows = buckets.map(([startMs, points]) => {
    const numbers = points.flatMap(({ atMs, value }) =>
      typeof value === 'number' || typeof value === 'boolean' ? [{ atMs, number: Number(value) }] : [],
    )
    const pairs = numbers.slice(1).map((next, at) => [numbers[at]!, next] as const)
    const values = numbers.map(({ number }) => number)
    return {
      starts: startMs,
      counts: points.length,
      numbers: numbers.length,
      firstTimes: points[0]!.atMs,
      lastTimes: points.at(-1)!.atMs,
      mins: values.length > 0 ? Math.min(...values) : Number.NaN,
      maxs: values.length > 0 ? Math.max(...values) : Number.NaN,
      sums: values.reduce((sum, value) => sum + value, 0),
      areas: pairs.reduce((sum, [one, next]) => sum + one.number * (next.atMs - one.atMs), 0),
      increases: pairs.reduce((sum, [one, next]) => sum + (next.number < one.number ? next.number : next.number - one.number), 0),
      firstNumbers: values[0] ?? Number.NaN,
      lastNumbers: values.at(-1) ?? Number.NaN,
      firstNumberTimes: numbers[0]?.atMs ?? Number.NaN,
      lastNumberTimes: numbers.at(-1)?.atMs ?? Number.NaN,
    }
  })
  const column = (name: keyof (typeof rows)[number]) => Float64Array.from(rows, (row) => row[name])
  const list = (values: MetricValue[]) => (values.every((value) => typeof value === 'number') ? Float64Array.from(values) : values)
  return {
    tier,
    starts: column('starts'),
    counts: column('counts'),
    numbers: column('numbers'),
    firstTimes: column('firstTimes'),
    lastTimes: column('lastTimes'),
    firsts: list(buckets.map(([, points]) => points[0]!.value)),
    lasts: list(buckets.map(([, points]) => points.at(-1)!.value)),
    mins: column('mins'),
    maxs: column('maxs'),
    sums: column('sums'),
    areas: column('areas'),
    increases: column('increases'),
    firstNumbers: column('firstNumbers'),
    lastNumbers: column('lastNumbers'),
    firstNumberTimes: column('firstNumberTimes'),
    lastNumberTimes: column('lastNumberTimes'),
  }
}

/** A reading every so often, a few ms late. */
function minutes(count: number, everyMs: number, read: (at: number, random: number) => MetricValue): Rollup {
  let state = 1
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  let at = 0
  return rolledUp(
    'minute',
    Array.from({ length: count }, (_, minute) => {
      const startMs = epochMs + minute * tierMs.minute
      const points = Array.from({ length: tierMs.minute / everyMs }, (_, step) => {
        at += 1
        return { atMs: startMs + step * everyMs + Math.floor(random() * 5), value: read(at, random()) }
      })
      return [startMs, points]
    }),
  )
}

function sensor(): (at: number, random: number) => number {
  let hundredths = 2150
  return (_, random) => {
    hundredths += Math.floor(random * 9) - 4
    return hundredths / 100
  }
}

function slice(rollup: Rollup, start: number, end: number): Rollup {
  const columns = Object.entries(rollup).map(([name, column]) => [name, typeof column === 'string' ? column : column.slice(start, end)])
  return Object.fromEntries(columns) as Rollup
}

function assertReturns(rollup: Rollup): Buffer {
  const bytes = encodeRollup(rollup, 0, rollup.starts.length)
  verifyChunk(bytes)
  assert.deepEqual(decodeRollup(bytes), rollup) // tells -0 from 0, and takes NaN for NaN
  return bytes
}

const value = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -5000, max: 5000 }).map((hundredths) => hundredths / 100) },
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constantFrom<MetricValue>('on', 'off', null, { x: 1 }),
)

const kinds: readonly fc.Arbitrary<MetricValue>[] = [value, fc.integer(), fc.boolean(), fc.constantFrom('idle', 'busy')]

const someRollups = fc.tuple(fc.constantFrom('minute', 'hour', 'day'), fc.constantFrom(...kinds)).chain(([tier, kind]) =>
  fc
    .array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.array(kind, { minLength: 1, maxLength: 5 })), { minLength: 1, maxLength: 60 })
    .map((buckets) => {
      let startMs = epochMs
      return rolledUp(
        tier,
        buckets.map(([gap, values]) => {
          startMs += gap * tierMs[tier]
          return [startMs, values.map((each, at) => ({ atMs: startMs + at * 777.5, value: each }))]
        }),
      )
    }),
)

describe('a rollup', () => {
  test('comes back with all its columns, whatever the values are', () => {
    fc.assert(
      fc.property(someRollups, (rollup) => {
        assertReturns(rollup)
      }),
      { numRuns: 300 },
    )
  })

  test('of which a part was asked for comes back as that part', () => {
    const rollup = minutes(50, 10_000, sensor())
    assert.deepEqual(decodeRollup(encodeRollup(rollup, 7, 40)), slice(rollup, 7, 40))
    const states = minutes(50, 10_000, (at) => `state ${at % 3}`)
    assert.deepEqual(decodeRollup(encodeRollup(states, 49, 50)), slice(states, 49, 50))
  })

  test('keeps times to the bit that no difference to the bucket could give back', () => {
    assertReturns(
      rolledUp('minute', [
        [
          -60_000,
          [
            { atMs: -60_000 + 1 / 3, value: 1 },
            { atMs: -1e-300, value: 2 },
          ],
        ],
      ]),
    )
  })

  test('has columns that can be changed one by one', () => {
    const found = decodeRollup(assertReturns(minutes(10, 60_000, sensor())))
    found.mins[0] = -1
    assert.notEqual(found.maxs[0], -1)
  })

  // Bounds a little above what was measured: a change that costs bytes is noticed here.
  for (const [name, mostBytes, rollup] of [
    ['13 bytes a bucket of a sensor of two decimals, once a second', 13, minutes(1000, 1000, sensor())],
    ['1.5 bytes when each bucket has one point', 1.5, minutes(1000, 60_000, sensor())],
    ['3 bytes of a constant', 3, minutes(1000, 1000, () => 21.5)],
    ['8 bytes of a counter', 8, minutes(1000, 1000, (at) => at * 3)],
    ['3 bytes of a text', 3, minutes(1000, 1000, () => 'idle')],
  ] as const) {
    test(`takes at most ${name}`, () => {
      const bytes = assertReturns(rollup).length / rollup.starts.length
      assert.ok(bytes <= mostBytes, `${bytes} bytes a bucket`)
    })
  }

  // Version 1 is for ever.
  test('is written byte for byte as before', () => {
    const hex = [
      '0102020000000040774b410000000040775b41010001000180bab7030080bab703000100000102010001000002000202010000010202020100000904',
      'f3010000100200095b312e352c2278225d01000200100200075b322c2278225d01000200030050f8f83f7f0003005000f8407f000101014600450001',
      '00000a00ee0200000101000300050107010802030050f0f83f7f0203005450007ff8407f0184152b',
    ].join('')
    const rollup = rolledUp('hour', [
      [
        3_600_000,
        [
          { atMs: 3_600_001, value: 1.5 },
          { atMs: 3_600_501, value: 2 },
        ],
      ],
      [7_200_000, [{ atMs: 7_200_002, value: 'x' }]],
    ])
    assert.equal(encodeRollup(rollup, 0, 2).toString('hex'), hex)
    assert.deepEqual(decodeRollup(Buffer.from(hex, 'hex')), rollup)
  })

  test('says when it was damaged', () => {
    const bytes = assertReturns(minutes(30, 10_000, sensor()))
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      assert.throws(() => decodeRollup(bytes), ChunkDamaged)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
    }
    for (let length = 0; length < bytes.length; length += 1) assert.throws(() => decodeRollup(bytes.subarray(0, length)), ChunkDamaged)
  })

  test('whose checksum fits what is wrong is read as a rollup or refused', () => {
    const mixed = minutes(40, 20_000, (at, random) => [random, 'text', null, at > 60][at % 4]!)
    const whole = [encodeRollup(minutes(40, 10_000, sensor()), 0, 40), encodeRollup(mixed, 0, 40)]
    const place = fc.nat().map((nat) => nat % 200)
    const changes = fc.array(fc.tuple(place, fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 3 })
    let refused = 0
    fc.assert(
      fc.property(fc.constantFrom(...whole), changes, (original, changed) => {
        const bytes = Buffer.from(original)
        for (const [at, byte] of changed) bytes[at % (bytes.length - 4)] = byte
        bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4)
        try {
          const { starts, firsts } = decodeRollup(bytes)
          assert.equal(firsts.length, starts.length)
        } catch (error) {
          if (!(error instanceof ChunkDamaged)) throw error
          refused += 1
        }
      }),
      { numRuns: 5000 },
    )
    assert.ok(refused > 500, `${refused} were refused`)
  })

  test('is not taken for points, nor points for a rollup', () => {
    const rollup = assertReturns(minutes(3, 10_000, sensor()))
    const points = encodeChunk({ times: Float64Array.of(1, 2), values: Float64Array.of(1, 2) }, 0, 2)
    assert.throws(() => decodeChunk(rollup), /another kind/)
    assert.throws(() => lookAtChunk(rollup), /another kind/)
    assert.throws(() => decodeRollup(points), /another kind/)
  })
})
