// `npm run bench -- store`: the judge, the rivals that need no installing, and the table.
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ArgumentError } from '../../simulators/arguments.ts'
import { datasetOf } from '../../simulators/bench/store-data.ts'
import { answerOf, questionRequest, readingsRequest, sizeOf, whyNotStored } from '../../simulators/bench/store-hub-api.ts'
import { type KindName, kinds } from '../../simulators/bench/store-kinds.ts'
import { readStoreOptions } from '../../simulators/bench/store-options.ts'
import { type Answers, Examination, type Question, type QuestionName } from '../../simulators/bench/store-questions.ts'
import type { Rival } from '../../simulators/bench/store-rival.ts'
import { rivalMissing, withRival } from '../../simulators/bench/store-rivals.ts'
import { type Outcome, runRival } from '../../simulators/bench/store-run.ts'
import { storeTableOf } from '../../simulators/bench/store-table.ts'
import { newFolder, startHub } from '../kit/hub.ts'

const endMs = Date.UTC(2026, 10, 22)
const names = Object.keys(kinds) as KindName[]
/** Where npm may have put PostgreSQL; it is no dependency. */
const installed = process.env['MOORING_TEST_POSTGRES'] ?? readStoreOptions([]).postgres

function small(name: KindName, points = 4000) {
  return datasetOf(name, points, endMs, 1, true)
}

describe('the judge', () => {
  /** What each question has to say that only a part of the points was found. */
  const mistakes: { readonly [Q in QuestionName]: (right: Answers[Q]) => readonly Answers[Q][] } = {
    hour: ({ times, values }) => [
      { times: times.slice(1), values: values.slice(1) },
      { times, values: values.with(3, values[3]! + 0.01) },
      { times: times.with(5, times[5]! + 1), values },
    ],
    day: (right) => [
      { ...right, mins: right.mins.with(0, right.mins[0]! - 0.01) },
      { ...right, maxs: right.maxs.with(0, right.maxs[0]! + 0.01) },
      { ...right, avgs: right.avgs.with(0, right.avgs[0]! * 1.000001) },
      { ...right, avgs: right.avgs.with(0, Number.NaN) },
      { starts: [], mins: [], maxs: [], avgs: [] },
    ],
    chart: (right) => [
      { ...right, count: right.count - 1 },
      { ...right, min: right.min + 0.01 },
      { ...right, max: right.max - 0.01 },
      { ...right, drawn: 2001 },
    ],
    latest: (right) => {
      const [[series, { atMs, value }]] = [...right] as [[number, { atMs: number; value: number }]]
      return [
        new Map(),
        new Map([...right, [series, { atMs: atMs - 1, value }]]),
        new Map([...right, [series, { atMs, value: value + 1 }]]),
      ]
    },
  }

  for (const name of ['sensor', 'fleet', 'on-off'] as const) {
    test(`takes the right answers about ${name} and none that is a little wrong`, () => {
      const examination = new Examination(small(name, 40_000))
      const { right } = examination
      const judged = <Q extends QuestionName>(is: Q) => {
        assert.equal(examination.wrong(is, right[is]), undefined)
        for (const mistake of mistakes[is](right[is]))
          assert.ok(examination.wrong(is, mistake), `${is}: ${JSON.stringify(mistake).slice(0, 200)}`)
      }
      for (const { is } of examination.questions) judged(is)
    })
  }

  test('does not mind in which order an average was added up', () => {
    const examination = new Examination(small('noisy'))
    const { day } = examination.right
    assert.equal(examination.wrong('day', { ...day, avgs: day.avgs.map((value) => value * (1 + 1e-13)) }), undefined)
  })

  test('asks for an hour of 3601 s, both ends included, and for whole hours of a day', () => {
    const { questions, right } = new Examination(small('constant', 900_000))
    const [hour, day] = questions as [Extract<Question, { is: 'hour' }>, Extract<Question, { is: 'day' }>]
    assert.equal(right.hour.times.length, 3601)
    assert.equal(right.day.starts.length, 24)
    assert.deepEqual([day.fromMs, day.toMs], [endMs - 24 * 3_600_000, endMs - 1])
    assert.deepEqual([hour.fromMs, hour.toMs], [endMs - 1000 - 3_600_000, endMs - 1000])
  })
})

describe('a request to the hub', () => {
  test('carries every bit of every value, in lines that the hub takes', () => {
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.integer({ min: 1, max: 3000 }), (name, points) => {
        const dataset = small(name, points)
        for (const slice of dataset.slices()) {
          const { path, body = '' } = readingsRequest(dataset, slice)
          assert.equal(path, `/v1/devices/${dataset.devices[slice.device]}/telemetry`)
          const lines = body.split('\n')
          assert.ok(lines.every((line) => line.length <= 64 * 1024))
          const readings = lines.flatMap((line) => JSON.parse(line) as { ts: number; values: Record<string, number | boolean> }[])
          assert.deepEqual(
            readings.map(({ ts }) => ts),
            [...slice.times],
          )
          for (const [metric, { name, is }] of dataset.kind.metrics.entries()) {
            const sent = readings.map(({ values }) => values[name])
            assert.ok(sent.every((value) => typeof value === is))
            assert.deepEqual(sent.map(Number), [...slice.columns[metric]!])
          }
        }
      }),
      { numRuns: 30 },
    )
  })

  test('stores what it says: a hub has the points afterwards', async (t) => {
    const hub = await startHub(t)
    const dataset = small('fleet', 2000)
    for (const slice of dataset.slices()) {
      const request = readingsRequest(dataset, slice)
      const answer = await hub.post(request.path, request.body!, { 'content-type': 'application/x-ndjson' })
      assert.equal(whyNotStored(request, answer.status, await answer.text()), undefined)
    }
    const [first] = [...dataset.slices()]
    const path = `/v1/devices/${dataset.devices[0]}/telemetry?metric=temperature&from=0&points=10000`
    const { series } = (await hub.get(path)) as { series: { times: number[]; values: number[] }[] }
    assert.deepEqual(series[0]?.times, [...first!.times])
    assert.deepEqual(series[0]?.values, [...first!.columns[0]!])
  })

  test('that was refused in part is not stored', () => {
    const request = { path: '/', body: '[1]\n[2]' }
    assert.equal(whyNotStored(request, 200, '{"stored":2}'), undefined)
    assert.match(whyNotStored(request, 200, '{"stored":1,"refused":[]}')!, /1 of 2 messages/)
    assert.match(whyNotStored(request, 507, '{"code":"store-full"}')!, /0 of 2 messages.*507.*store-full/)
  })

  test('asks by the names of the API, page by page', () => {
    const dataset = small('sensor')
    const range = { fromMs: 1, toMs: 2 }
    const asked = (question: Question, after?: string) => questionRequest(question, dataset, after).path
    const first = 'device=sensor-0000&metric=temperature&from=1&to=2'
    assert.equal(asked({ is: 'hour', ...range }), `/v1/telemetry/points?${first}&limit=10000`)
    assert.equal(asked({ is: 'hour', ...range }, 'c'), `/v1/telemetry/points?${first}&limit=10000&cursor=c`)
    assert.equal(
      asked({ is: 'day', ...range }),
      `/v1/telemetry/buckets?${first}&every=1h&aggregates=min%2Cmax%2Cavg&timezone=Europe%2FBerlin`,
    )
    assert.equal(asked({ is: 'chart', ...range, pointsMax: 2000 }), `/v1/telemetry/chart?${first}&points=2000`)
    assert.equal(asked({ is: 'latest' }, 'sensor-0001'), '/v1/latest?limit=1000&after=sensor-0001')
  })

  test('gives answers that can be compared: booleans as numbers, series by their number', () => {
    const dataset = small('fleet')
    const told = (question: Question, answer: object) => answerOf(question, dataset, JSON.stringify(answer))
    const range = { fromMs: 1, toMs: 2 }
    assert.deepEqual(told({ is: 'hour', ...range }, { points: { times: [1, 2], values: [true, 2.5] }, next: 'c' }), {
      answer: { times: [1, 2], values: [1, 2.5] },
      next: 'c',
    })
    const columns = { min: [false], max: [true], avg: [null] }
    assert.deepEqual(told({ is: 'day', ...range }, { series: [{ starts: [0], columns }] }).answer, {
      ...{ starts: [0], mins: [0], maxs: [1], avgs: [Number.NaN] },
    })
    const series = [{ values: [3, 1, 2], count: 9 }]
    assert.deepEqual(told({ is: 'chart', ...range, pointsMax: 3 }, { series }).answer, { count: 9, min: 1, max: 3, drawn: 3 })
    const devices = [{ device: 'fleet-0002', latest: { pulses: { at: 5, value: 7 }, other: { at: 6, value: 8 } } }]
    assert.deepEqual(told({ is: 'latest' }, { devices, next: null }), { answer: new Map([[9, { atMs: 5, value: 7 }]]), next: undefined })
    const tiers = { raw: { bytes: 5 }, minute: { bytes: 1 } }
    const status = { series: { points: 4, bytesPerPoint: 1.5 }, heads: { bytes: 2 }, tiers, journal: { bytes: 9 }, disk: { bytes: 30 } }
    const parts = { raw: 5, minute: 1, heads: 2, journal: 9, folder: 30 }
    assert.deepEqual(sizeOf(JSON.stringify(status)), { points: 4, bytes: 6, parts })
    assert.equal(sizeOf(JSON.stringify({ ...status, series: { points: 0, bytesPerPoint: null } })).bytes, 0)
  })
})

describe('a run', () => {
  const postgresMissing = rivalMissing('postgres', installed)
  for (const rival of ['hub', 'rows', 'rows-indexed', 'postgres'] as const) {
    const skip = rival === 'postgres' && postgresMissing !== undefined ? `${postgresMissing}; or set MOORING_TEST_POSTGRES` : false
    test(`of ${rival} is clean and leaves nothing behind`, { skip }, async (t) => {
      const folder = newFolder(t)
      const standard = process.env['TMPDIR']
      process.env['TMPDIR'] = folder
      t.after(() => {
        if (standard === undefined) delete process.env['TMPDIR']
        else process.env['TMPDIR'] = standard
      })
      const dataset = small('fleet', 20_000)
      const outcome = await runRival((use) => withRival(rival, installed, use), dataset, new Examination(dataset))
      assert.deepEqual(outcome.troubles, [])
      assert.equal(outcome.clean, true)
      assert.equal(outcome.pointsHeld, dataset.points)
      assert.ok(outcome.bytesPerPoint! > (rival === 'hub' ? 0.1 : 10) && outcome.bytesPerPoint! < 300, `${outcome.bytesPerPoint} bytes`)
      assert.deepEqual(Object.keys(outcome.queryMs!), ['hour', 'day', 'chart', 'latest'])
      assert.ok(Object.values(outcome.queryMs!).every((ms) => ms > 0 && ms < 5000))
      if (existsSync('/proc/self/task'))
        assert.ok(outcome.cpuMicroseconds! > 0 && outcome.cpuMicroseconds! < 1000, `${outcome.cpuMicroseconds} µs`)
      assert.deepEqual(readdirSync(folder), [])
    })
  }

  test('of a store that loses a point is not clean, and says what is missing', async () => {
    const dataset = small('sensor', 4400)
    const whole = dataset.slices
    const short = {
      ...dataset,
      *slices() {
        for (const slice of whole()) {
          const isLast = slice.device === 0 && slice.times.length < 500
          yield isLast ? { ...slice, times: slice.times.slice(0, -1), columns: slice.columns.map((column) => column.slice(0, -1)) } : slice
        }
      },
    }
    const losing = (rival: Rival): Rival => ({
      version: rival.version,
      readCpu: () => rival.readCpu(),
      write: () => rival.write(short),
      finish: () => rival.finish(),
      size: () => rival.size(),
      ask: (question) => rival.ask(question, dataset),
      stop: () => rival.stop(),
    })
    const { clean, troubles = [] } = await runRival(
      (use) => withRival('rows', installed, (rival) => use(losing(rival))),
      dataset,
      new Examination({ ...dataset }),
    )
    assert.equal(clean, false)
    assert.match(
      troubles.join('\n'),
      /^it holds 4399 points, 4400 were written\nhour: 439 × time .*\nday: .*\nchart: count 0 is 439 .*\nlatest: newest time 0 /,
    )
  })

  test('of a store that does not start is not clean', async () => {
    const { clean, troubles } = await runRival(
      async () => {
        throw new Error('there is no such thing')
      },
      small('sensor'),
      new Examination(small('sensor')),
    )
    assert.equal(clean, false)
    assert.deepEqual(troubles, ['there is no such thing'])
  })
})

describe('the table', () => {
  const outcome: Outcome = {
    ...{ clean: true, troubles: [], version: 'Mooring 1', pointsHeld: 4000, bytesPerPoint: 1.384, parts: {}, settled: true, otherCores: 0 },
    ...{
      cpuMicroseconds: 0.6,
      threads: { MainThread: 0.4, 'mooring writer': 0.2 },
      pointsPerSecond: 512_345.6,
      queryMs: { hour: 1.234, day: 12.34, chart: 123.4, latest: 0.5 },
    },
  }

  test('is Markdown with a row per store', () => {
    const table = storeTableOf(small('sensor'), [
      { rival: 'hub', outcome },
      { rival: 'rows', outcome: { ...outcome, bytesPerPoint: 24.9, otherCores: 1.24, threads: { MainThread: 3, V8Worker: 0.02 } } },
    ])
    const cells = table.split('\n').map((line) => line.split('|').map((cell) => cell.trim()))
    assert.deepEqual(cells[0], [`### sensor: ${kinds.sensor.says}`])
    assert.deepEqual(cells[2], ['4,000 points in 10 series.'])
    assert.deepEqual(cells[4]?.slice(1, -1), [
      'store',
      'bytes/point',
      'CPU-µs/point',
      'points/s',
      'hour ms',
      'day ms',
      'chart ms',
      'latest ms',
      '',
    ])
    assert.match(cells[5]!.join('|'), /^\|-+\|(-+:\|){7}-+\|$/)
    assert.deepEqual(cells[6]?.slice(1, -1), ['hub', '1.38', '0.60', '512,346', '1.23', '12.3', '123', '0.50', ''])
    assert.deepEqual([cells[7]?.[1], cells[7]?.[2], cells[7]?.[9]], ['rows', '24.9', 'busy machine (1.2 cores)'])
    assert.deepEqual(cells.slice(8), [[''], ['- CPU-µs of hub: MainThread 0.40, mooring writer 0.20']])
  })

  test('marks a run that is not clean and says why below', () => {
    const broken = { clean: false, troubles: ['it holds 3 points, 4 were written', 'hour: 1 × time instead of 2'] }
    const table = storeTableOf(small('sensor'), [{ rival: 'rows', outcome: broken }])
    assert.match(
      table,
      /\| rows .*\| NOT CLEAN +\|\n\n- rows is not clean: it holds 3 points, 4 were written\n- rows is not clean: hour: 1/,
    )
  })
})

describe('the options', () => {
  test('have standards, and take words with blanks or =', () => {
    const options = readStoreOptions(['--points=2000', '--only', 'sensor,month', '--rivals=hub', '--postgres', '/srv/pg', '--seed', '9'])
    assert.deepEqual(
      [options.points, options.only, options.rivals, options.postgres, options.seed, options.quick],
      [2000, ['sensor', 'month'], ['hub'], '/srv/pg', 9, false],
    )
    assert.deepEqual(readStoreOptions([]).only, names)
    assert.ok(readStoreOptions(['--quick']).points < readStoreOptions([]).points)
  })

  for (const words of [
    ['--points', '10'],
    ['--points', '1e12'],
    ['--points', ''],
    ['--only', 'sensors'],
    ['--rivals', 'oracle'],
    ['--seed'],
    ['x'],
  ]) {
    test(`refuse ${words.join(' ')}`, () => assert.throws(() => readStoreOptions(words), ArgumentError))
  }
})
