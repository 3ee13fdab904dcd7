// Chunks give back to the bit what was put in, in few bytes, and notice damage.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import type { MetricValue } from '../../../devices/device.ts'
import { ChunkDamaged, chunkPointsMax, decodeChunk, encodeChunk, lookAtChunk, verifyChunk } from '../../../hub/store/series/chunk.ts'
import type { Columns } from '../../../hub/store/series/columns.ts'

const startMs = Date.UTC(2026, 10, 22)

const at = (...numbers: number[]) => Float64Array.from(numbers)

/** The same in every run. */
function lcg(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const jittered = (count: number, random = lcg(1)) =>
  Float64Array.from({ length: count }, (_, at) => startMs + at * 1000 + Math.floor(random() * 5))
const every = (count: number, stepMs = 1000) => Float64Array.from({ length: count }, (_, at) => startMs + at * stepMs)

function walk(count: number, random = lcg(2)): Float64Array {
  let hundredths = 2150
  return Float64Array.from({ length: count }, () => {
    hundredths += Math.floor(random() * 9) - 4
    return hundredths / 100
  })
}

/** Both with zstd and without. Object.is tells -0 from 0 and takes NaN for NaN. */
function assertReturns(columns: Columns, start = 0, end = columns.times.length): void {
  for (const compress of [true, false]) {
    const bytes = encodeChunk(columns, start, end, { compress })
    const { times, values } = decodeChunk(bytes)
    assertSame(times, columns.times.slice(start, end))
    if (values instanceof Float64Array) assertSame(values, columns.values.slice(start, end))
    else {
      assert.ok(!(columns.values instanceof Float64Array))
      assert.deepEqual(values, columns.values.slice(start, end))
    }
    assert.deepEqual(lookAtChunk(bytes), { count: end - start, firstMs: times[0], lastMs: times.at(-1) })
    verifyChunk(bytes)
  }
}

function assertSame(found: Float64Array, wanted: Columns['values']): void {
  assert.ok(wanted instanceof Float64Array)
  assert.equal(found.length, wanted.length)
  const place = found.findIndex((value, at) => !Object.is(value, wanted[at]))
  if (place >= 0) assert.fail(`At ${place} stands ${found[place]}, not ${wanted[place]}.`)
}

function bytesPerPoint(columns: Columns): number {
  assertReturns(columns)
  const count = columns.times.length
  return encodeChunk(columns, 0, count).length / count
}

const anyDouble = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(
    0,
    -0,
    5e-324,
    -5e-324,
    2.2250738585072014e-308,
    Number.MAX_VALUE,
    -Number.MAX_VALUE,
    2 ** 51,
    2 ** 53,
    -(2 ** 53),
    0.1 + 0.2,
    1e21,
    1e-22,
    1e22,
  ),
)
const decimal = fc.tuple(fc.integer(), fc.integer({ min: 0, max: 9 })).map(([digits, power]) => digits / 10 ** power)
const whole = fc.maxSafeInteger()
const gapsMs = fc.oneof(
  fc.constant(1000),
  fc.integer({ min: 1, max: 5000 }),
  fc.integer({ min: 1, max: 2 ** 40 }),
  fc.double({ min: 0.001, max: 10_000, noNaN: true }),
)

/** Ascending, from anywhere in the range of dates. */
const someTimes = (count: number) =>
  fc
    .tuple(
      fc.maxSafeInteger().map((ms) => ms % 8.64e15),
      fc.array(gapsMs, { minLength: count, maxLength: count }),
    )
    .map(([first, gaps]) => {
      let atMs = first
      return Float64Array.from(gaps, (gapMs) => {
        const next = atMs + gapMs
        atMs = next > atMs ? next : atMs + 2 ** 10
        return atMs
      })
    })

const withTimes = <Value>(values: readonly Value[]) => someTimes(values.length).map((times) => ({ times, values }))

describe('a chunk gives back', () => {
  for (const [name, value] of [
    ['any finite float64', anyDouble],
    ['decimals', decimal],
    ['whole numbers', whole],
    ['decimals among anything', fc.oneof({ weight: 20, arbitrary: decimal }, anyDouble)],
    ['few different numbers', fc.constantFrom(0, -0, 1, 21.5, 1e300)],
  ] as const) {
    test(`${name}, to the bit`, () => {
      const columns = fc.array(value, { minLength: 1, maxLength: 400 }).chain(withTimes)
      fc.assert(
        fc.property(columns, ({ times, values }) => assertReturns({ times, values: Float64Array.from(values) })),
        { numRuns: 300 },
      )
    })
  }

  test('any bit pattern of float64', () => {
    for (let run = 0; run < 50; run += 1) {
      const values = new Float64Array(new Uint8Array(randomBytes(8 * 300)).buffer).map((value) =>
        Number.isNaN(value) ? Number.NaN : value,
      )
      assertReturns({ times: every(300), values })
    }
  })

  test('the part that was asked for', () => {
    const columns = { times: jittered(1000), values: walk(1000) }
    for (const [start, end] of [
      [0, 1],
      [999, 1000],
      [17, 19],
      [100, 800],
    ] as const) {
      assertReturns(columns, start, end)
      assertReturns({ times: columns.times, values: Array.from(columns.values, String) }, start, end)
    }
  })

  test('whole milliseconds up to the ends of the calendar, and fractions of them', () => {
    for (const times of [
      [-8.64e15, 8.64e15],
      [8.64e15 - 3, 8.64e15 - 2, 8.64e15],
      [-8.64e15, -8.64e15 + 1, 0, 8.64e15 - 1, 8.64e15],
      [0.1, 0.30000000000000004, 1 / 3, 2],
      [startMs, startMs + 0.25, startMs + 0.5],
      [startMs, startMs + 1, startMs + 2 ** 50, startMs + 2 ** 50 + 1],
    ]) {
      assertReturns({ times: Float64Array.from(times), values: Float64Array.from(times) })
    }
  })

  test('as many points as a chunk may hold, and says no to more and to none', () => {
    const columns = { times: every(chunkPointsMax + 1), values: walk(chunkPointsMax + 1) }
    assertReturns(columns, 0, chunkPointsMax)
    assertReturns({ times: columns.times, values: Array.from(columns.values, (_, at) => `state ${at % 700}`) }, 0, chunkPointsMax)
    assert.throws(() => encodeChunk(columns, 0, chunkPointsMax + 1), RangeError)
    assert.throws(() => encodeChunk(columns, 5, 5), RangeError)
  })

  test('every kind of value, in its order and of its kind', () => {
    const values: MetricValue[] = [
      0,
      -0,
      1,
      '1',
      true,
      'true',
      null,
      'null',
      '',
      { b: 1, a: [null, { c: '\u{1f321}' }] },
      [],
      1e-7,
      '\ud800',
    ]
    const [zero, minusZero] = decodeChunk(encodeChunk({ times: every(values.length), values }, 0, values.length)).values
    assert.ok(Object.is(zero, 0) && Object.is(minusZero, -0))
    assertReturns({ times: every(values.length), values })
    const repeated = Array.from({ length: 500 }, (_, at) => values[at % values.length]!)
    assertReturns({ times: jittered(500), values: repeated })
  })

  test('any JSON, with the order of its keys', () => {
    const json = fc.oneof(fc.jsonValue(), fc.constantFrom(null, true, false, 'on', 'off', 1, -0)).map((value) => value as MetricValue)
    fc.assert(
      fc.property(fc.array(json, { minLength: 1, maxLength: 60 }).chain(withTimes), ({ times, values }) => {
        const found = decodeChunk(encodeChunk({ times, values }, 0, values.length)).values
        assert.equal(JSON.stringify(found), JSON.stringify(values))
        assert.equal(found.length, values.length)
      }),
    )
  })

  test('keys that objects inherit, as their own', () => {
    const text = '{"__proto__":{"admin":true},"constructor":1,"2":0,"1":0}'
    const values = Array.from({ length: 40 }, () => JSON.parse(text) as MetricValue)
    const found = decodeChunk(encodeChunk({ times: every(40), values }, 0, 40)).values as readonly object[]
    for (const object of found) {
      assert.equal(JSON.stringify(object), JSON.stringify(JSON.parse(text)))
      assert.equal(Object.getPrototypeOf(object), Object.prototype)
    }
    assert.notEqual(found[0], found[1], 'objects of two points are not one')
  })

  test('texts longer than the compressed part may grow', () => {
    const long = 'x'.repeat(17 * 1024 * 1024)
    assertReturns({ times: every(2), values: [long, 1] })
  })
})

// Bounds a little above what was measured: a change that costs bytes is noticed here.
describe('a chunk of 1,000 points takes', () => {
  const sizes: readonly (readonly [name: string, mostBytes: number, columns: Columns])[] = [
    ['1.2 bytes for a sensor of two decimals at 1 s with jitter', 1.2, { times: jittered(1000), values: walk(1000) }],
    ['0.8 bytes for one at regular times', 0.8, { times: every(1000), values: walk(1000) }],
    [
      '6.7 bytes for full mantissas',
      6.7,
      { times: jittered(1000), values: Float64Array.from({ length: 1000 }, lcg(3)).map((x, at) => x + Math.PI * at) },
    ],
    ['0.1 bytes for a constant', 0.1, { times: every(1000), values: new Float64Array(1000).fill(21.5) }],
    ['0.1 bytes for a counter', 0.1, { times: every(1000), values: every(1000, 3) }],
    ['0.25 bytes for on and off', 0.25, { times: every(1000), values: Array.from({ length: 1000 }, (_, at) => at % 90 < 40) }],
    [
      '0.6 bytes for five states at random',
      0.6,
      { times: every(1000), values: Array.from(walk(1000), (value) => `state ${Math.round(value * 100) % 5}`) },
    ],
  ]
  for (const [name, mostBytes, columns] of sizes) {
    test(name, () => {
      const bytes = bytesPerPoint(columns)
      assert.ok(bytes <= mostBytes, `${bytes} bytes a point`)
    })
  }
})

// Version 1 is for ever: what was written once must be read the same by every later hub.
describe('the format, byte for byte:', () => {
  const vectors: readonly (readonly [name: string, hex: string, columns: Columns])[] = [
    [
      'constants and regular times',
      '0100030000000000408f40000000000070a740010001d00f00d00f00000000000080354038b1b940',
      { times: at(1000, 2000, 3000), values: at(21.5, 21.5, 21.5) },
    ],
    [
      'decimals in packed bits',
      '0100040000807e69ab794200c03b7f69ab794201000180a0bfe9d66603cc0f45010102000c0167a886660800e2c52b20',
      { times: at(1764000000000, 1764000001003, 1764000002001, 1764000003004), values: at(21.5, 21.53, 21.49, -0.01) },
    ],
    [
      'a trend, and numbers of many bits',
      '010007000000000000f03f0000000000003640010002020400020100002b00000000000000000000010000000000020000030000000001000000800000000040000000000081a51062',
      { times: at(1, 2, 4, 7, 11, 16, 22), values: at(2 ** 40, 0, 2 ** 41, 1, 2 ** 42, 2, 3) },
    ],
    [
      'planes of floats',
      '010002000000000000e03f000000000000e83f01020164003203555518002d0044005400fb0021000900408097aef21b',
      { times: at(0.5, 0.75), values: at(Math.PI, -0) },
    ],
    [
      'numbers beside decimals',
      '010003000000000000f03f000000000000084001000002022404010003064001020106cd0c4490',
      { times: at(1, 2, 3), values: at(0.1 + 0.2, 0.3, 0.7 + 0.1) },
    ],
    [
      'a dictionary',
      '010004000000000000f03f00000000000010400100000202e41002000c5b226f6e222c226f6666225d0100062b9853a0',
      { times: at(1, 2, 3, 4), values: ['on', 'off', 'off', 'on'] },
    ],
    [
      'JSON',
      '010004000000000000f03f00000000000010400100000202e41100215b6e756c6c2c2d302c7b2262223a312c2261223a22c3a9227d2c5b747275655d5d7d757ed8',
      { times: at(1, 2, 3, 4), values: [null, -0, { b: 1, a: 'é' }, [true]] },
    ],
  ]
  for (const [name, hex, columns] of vectors) {
    test(name, () => {
      assert.equal(encodeChunk(columns, 0, columns.times.length, { compress: false }).toString('hex'), hex)
      assert.deepEqual(decodeChunk(Buffer.from(hex, 'hex')), columns)
    })
  }

  // What zstd writes may differ from one release of it to the next; what it reads may not.
  const compressed: readonly (readonly [name: string, hex: string, columns: Columns])[] = [
    [
      'planes of whole numbers with zstd',
      [
        '0101d804000000000000f03f000000000066b740880e3328b52ffd6008064d0100c0800280028002800284008400840084001e001e001e001e000c54',
        '02002b914824128944229148241201000302140101010000000000000000000000100000000101000000000000000000010000000000000101000000',
        '000010000000000000000000000101000001000000000000000000000010000001020000032a0031e4d61e',
      ].join(''),
      {
        times: Float64Array.from({ length: 600 }, (_, point) => point * 10 + (point % 100 > 0 ? 0 : 1)),
        values: Float64Array.from({ length: 600 }, (_, point) => (point % 150 > 0 ? 1 : 1e6)),
      },
    ],
    [
      'planes of floats with zstd',
      '01016400000000000000000000000000c05840a0061b28b52ffd6020028d0000305500d5d03f3f0340020fa607d3942a1701000100000203aaaace20a8eb',
      {
        times: Float64Array.from({ length: 100 }, (_, point) => point),
        values: Float64Array.from({ length: 100 }, (_, point) => 1 / (3 + (point % 2))),
      },
    ],
  ]
  for (const [name, hex, columns] of compressed) {
    test(name, () => {
      assert.deepEqual(decodeChunk(Buffer.from(hex, 'hex')), columns)
      assert.deepEqual(decodeChunk(encodeChunk(columns, 0, columns.times.length)), columns)
    })
  }
})

/** With a checksum that fits: only what stands behind it can tell. */
function resealed(bytes: Uint8Array): Buffer {
  const sealed = Buffer.from(bytes)
  sealed.writeUInt32LE(crc32(sealed.subarray(0, -4)), sealed.length - 4)
  return sealed
}

const samples: readonly Columns[] = [
  { times: jittered(100), values: walk(100) },
  { times: every(60), values: Float64Array.from({ length: 60 }, lcg(5)).map((value) => value / 3) },
  { times: jittered(300), values: Array.from({ length: 300 }, (_, at) => `a state with a name ${at % 3}`) },
  { times: jittered(40), values: Array.from({ length: 40 }, (_, at) => ({ x: at, text: 'some text' })) },
  { times: every(300, 777), values: Float64Array.from({ length: 300 }, (_, at) => (at % 50 === 0 ? 1e9 : at % 7)) },
  { times: every(3), values: [true, null, 2] },
]

function assertDamagedOrColumns(bytes: Uint8Array): 'damaged' | 'columns' {
  try {
    const { times, values } = decodeChunk(bytes)
    assert.equal(times.length, values.length)
    assert.ok(times.length <= chunkPointsMax)
    return 'columns'
  } catch (error) {
    if (!(error instanceof ChunkDamaged)) throw error
    assert.match(error.message, /^[A-Z].*\.$/)
    return 'damaged'
  }
}

describe('damage', () => {
  test('of any single bit is noticed', () => {
    for (const columns of samples) {
      const bytes = encodeChunk(columns, 0, columns.times.length)
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        bytes[bit >> 3]! ^= 1 << (bit & 7)
        assert.throws(() => decodeChunk(bytes), ChunkDamaged)
        assert.throws(() => verifyChunk(bytes), ChunkDamaged)
        bytes[bit >> 3]! ^= 1 << (bit & 7)
      }
      verifyChunk(bytes)
    }
  })

  test('by a cut, or by bytes more, is noticed', () => {
    for (const columns of samples) {
      const bytes = encodeChunk(columns, 0, columns.times.length)
      for (let length = 0; length < bytes.length; length += 1) assert.throws(() => decodeChunk(bytes.subarray(0, length)), ChunkDamaged)
      assert.throws(() => decodeChunk(Buffer.concat([bytes, Buffer.alloc(1)])), ChunkDamaged)
      assert.throws(() => decodeChunk(resealed(Buffer.concat([bytes, Buffer.alloc(1)]))), ChunkDamaged)
    }
  })

  test('behind a fitting checksum is either read as points or refused', () => {
    const random = lcg(7)
    const outcomes = { damaged: 0, columns: 0 }
    for (let run = 0; run < 6000; run += 1) {
      const columns = samples[run % samples.length]!
      const bytes = encodeChunk(columns, 0, columns.times.length, { compress: run % 3 > 0 })
      for (let changes = Math.ceil(random() * 3); changes > 0; changes -= 1) {
        // Mostly among the first bytes, where counts and encodings stand.
        const reach = random() < 0.7 ? Math.min(60, bytes.length - 4) : bytes.length - 4
        bytes[Math.floor(random() * reach)] = Math.floor(random() * 256)
      }
      outcomes[assertDamagedOrColumns(resealed(bytes))] += 1
    }
    assert.ok(outcomes.damaged > 1000 && outcomes.columns > 300, JSON.stringify(outcomes))
  })

  test('any bytes at all are either read as points or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (tail) => {
        assertDamagedOrColumns(tail)
        const head = encodeChunk(samples[0]!, 0, 100).subarray(0, 19)
        assertDamagedOrColumns(resealed(Buffer.concat([head, tail, Buffer.alloc(4)])))
        lookAtChunk(Buffer.concat([head, tail, Buffer.alloc(4)]))
      }),
      { numRuns: 2000 },
    )
  })

  test('that claims billions of points or bytes costs no memory', () => {
    const bytes = encodeChunk(samples[2]!, 0, 300)
    assert.equal(bytes[1]! & 1, 1, 'this sample has a compressed part')
    const huge = [0xff, 0xff, 0xff, 0xff, 0x0f]
    const claims = [
      Buffer.concat([bytes.subarray(0, 2), Buffer.from(huge), bytes.subarray(4)]), // points
      Buffer.concat([bytes.subarray(0, 20), Buffer.from(huge), bytes.subarray(21)]), // bytes of the compressed part
    ]
    const before = process.memoryUsage().arrayBuffers
    for (const claim of claims) assert.throws(() => decodeChunk(resealed(claim)), ChunkDamaged)
    assert.ok(process.memoryUsage().arrayBuffers - before < 1e6)
  })

  test('by lists in lists in lists is refused', () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000)
    const text = Buffer.from(`["${'x'.repeat(deep.length - 2)}",1]`)
    const bytes = encodeChunk({ times: every(2), values: ['x'.repeat(deep.length - 2), 1] }, 0, 2, { compress: false })
    bytes.write(deep, bytes.indexOf(text) + 1)
    assert.throws(() => decodeChunk(resealed(bytes)), ChunkDamaged)
  })

  test('says what is wrong', () => {
    const bytes = encodeChunk(samples[0]!, 0, 100)
    const changed = (at: number, byte: number) => {
      const copy = Buffer.from(bytes)
      copy[at] = byte
      return resealed(copy)
    }
    assert.throws(() => decodeChunk(Buffer.alloc(0)), /too short/)
    assert.throws(() => decodeChunk(bytes.subarray(0, 40)), /checksum/)
    assert.throws(() => decodeChunk(changed(0, 2)), /version 2/)
    assert.throws(() => decodeChunk(changed(1, 2)), /another kind/)
    assert.throws(() => decodeChunk(changed(2, 0)), /claims 0 points/)
    assert.throws(() => decodeChunk(changed(3, 1)), /not those that it announces/)
    assert.throws(() => decodeChunk(changed(19, 9)), /unknown encoding 9/)
    assert.throws(() => decodeChunk(changed(20, 23)), /unknown power/)
    const regular = encodeChunk({ times: at(1000, 2000, 3000), values: at(1, 1, 1) }, 0, 3)
    assert.equal(regular[24], 0, 'the width of its only block')
    regular[24] = 54
    assert.throws(() => decodeChunk(resealed(regular)), /too wide/)
  })
})
