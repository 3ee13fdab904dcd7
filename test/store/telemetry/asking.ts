// Named cases of the contract: what a question may select, how an answer comes in pages and parts, and how it ends early.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Refusal, type RefusalCode } from '../../../hub/errors.ts'
import { limits } from '../../../hub/limits.ts'
import type { Store } from '../../../hub/store/store.ts'
import { aggregates, type BucketsQuery, type PointColumns } from '../../../hub/store/telemetry.ts'
import type { OpenStore } from '../contract.ts'
import { chartOf, newFolder, read, stored } from '../kit.ts'
import { ever, pagesOf, pointsAgree, scanAgrees } from './agreement.ts'
import { Model, type Sent, send } from './model.ts'
import { bucketsAgree } from './naive-buckets.ts'

const startMs = Date.UTC(2026, 0, 14)
const hourMs = 3_600_000

function every(stepMs: number, count: number, change: Partial<Sent> = {}): Sent[] {
  return Array.from({ length: count }, (_, at) => ({ device: 1, metric: 't', atMs: startMs + at * stepMs, value: at, ...change }))
}

const refusedAs = (code: RefusalCode) => (error: unknown) => error instanceof Refusal && error.code === code

export function askingContract(name: string, open: OpenStore): void {
  async function begin(t: TestContext, points: readonly Sent[]): Promise<{ store: Store; model: Model }> {
    const store = await open(t, newFolder(t), 'batched')
    const model = new Model()
    for (const device of [1, 2, 3]) store.journal.appendDevice(`pump-${device}`, device)
    send(store, points)
    model.take(points)
    await stored(store)
    return { store, model }
  }

  test(`${name}: a type and tags select devices, and all conditions hold together`, async (t) => {
    const { store } = await begin(
      t,
      [1, 2, 3].flatMap((device) => [...every(1000, 3, { device }), ...every(1000, 2, { device, metric: 'u' })]),
    )
    await store.describe('pump-1', { type: 'pump', tags: { site: 'north', floor: '1' } })
    await store.describe('pump-2', { type: 'pump', tags: { site: 'south' } })
    await store.describe('pump-3', { tags: { site: 'north' } })
    const north = [{ name: 'site', value: 'north' }]
    for (const [selection, devices] of [
      [{ type: 'pump' }, ['pump-1', 'pump-2']],
      [{ tags: north }, ['pump-1', 'pump-3']],
      [{ type: 'pump', tags: north }, ['pump-1']],
      [{ tags: [...north, { name: 'floor', value: '1' }] }, ['pump-1']],
      [{ tags: [...north, { name: 'floor', value: '2' }] }, []],
      [{ type: 'pump', devices: ['pump-2', 'pump-3'] }, ['pump-2']],
      [{ devices: [] }, []],
      [{ metrics: [] }, []],
      [{}, ['pump-1', 'pump-2', 'pump-3']],
    ] as const) {
      const what = JSON.stringify(selection)
      const charts = await chartOf(store, { ...ever, ...selection, pointsMax: 10_000, method: 'minmax' })
      assert.deepEqual([...new Set(charts.map(({ device }) => device))], devices, what)
      const points = read<PointColumns>((await store.telemetry.points({ ...ever, ...selection, order: 'asc', limit: 100 })).json)
      assert.deepEqual([...new Set(points.devices)].sort(), devices, what)
      const scanned = new Set<string>()
      for await (const { device } of store.telemetry.scan({ ...ever, ...selection })) scanned.add(device)
      assert.deepEqual([...scanned], devices, what)
      assert.equal((await store.telemetry.scanSummary({ ...ever, ...selection })).series, devices.length * 2, what)
    }
    const { json, count } = await store.telemetry.latest({ type: 'pump', metrics: ['u'], limit: 10 })
    assert.equal(count, 2)
    assert.deepEqual(read(json), [
      { device: 'pump-1', latest: { u: { at: startMs + 1000, value: 1 } } },
      { device: 'pump-2', latest: { u: { at: startMs + 1000, value: 1 } } },
    ])
  })

  test(`${name}: buckets of groups are those of all their series, and devices without the type or tag are a group of their own`, async (t) => {
    const { store, model } = await begin(
      t,
      [1, 2, 3].flatMap((device) =>
        every(700_000 + device * 1000, 60, { device, value: device * 100 }).map((point, at) => ({
          ...point,
          value: (at * 7919 * device) % 100,
        })),
      ),
    )
    await store.describe('pump-1', { type: 'pump', tags: { site: 'north' } })
    await store.describe('pump-2', { type: 'pump' })
    const query = {
      fromMs: startMs,
      toMs: startMs + 12 * hourMs,
      every: '1h',
      timeZone: 'UTC',
      aggregates: [...aggregates, 'p50'],
      fill: 'null',
    } as const
    await bucketsAgree(store, model, { ...query, groupBy: 'type' }, ({ device }) => ({ type: device === 'pump-3' ? null : 'pump' }))
    await bucketsAgree(store, model, { ...query, groupBy: 'tag:site' }, ({ device }) => ({
      'tag:site': device === 'pump-1' ? 'north' : null,
    }))
    await store.status({ seal: true })
    await bucketsAgree(store, model, { ...query, groupBy: 'type' }, ({ device }) => ({ type: device === 'pump-3' ? null : 'pump' }))
  })

  test(`${name}: days and months of a time zone begin at its midnight, also where clocks change`, async (t) => {
    const march = Date.UTC(2026, 2, 28)
    const { store, model } = await begin(
      t,
      every(600_000, 600, { atMs: 0 }).map((point, at) => ({ ...point, atMs: march + at * 600_000 })),
    )
    await store.status({ seal: true })
    const query: BucketsQuery = {
      fromMs: march,
      toMs: march + 3 * 24 * hourMs,
      every: '1d',
      timeZone: 'Europe/Berlin',
      aggregates,
      fill: 'none',
    }
    for (const every of ['1h', '6h', '1d', '1mo']) await bucketsAgree(store, model, { ...query, every })
    const { fromMs, json } = await store.telemetry.buckets(query)
    assert.equal(fromMs, march - hourMs, 'midnight in winter')
    const [{ starts }] = read<[{ starts: number[] }]>(json)
    assert.deepEqual(
      starts.slice(1, 3).map((ms, at) => (ms - starts[at]!) / hourMs),
      [24, 23],
    )
  })

  test(`${name}: pages part moments that many series share, and none is told twice or left out`, async (t) => {
    const { store, model } = await begin(
      t,
      [1, 2, 3].flatMap((device) => ['a', 'b', 'c', 'd'].flatMap((metric) => every(1000, 5, { device, metric }))),
    )
    for (const order of ['asc', 'desc'] as const) {
      for (const limit of [1, 5, 12, 59, 60, 61]) await pointsAgree(store, model, { ...ever, order }, [limit])
      const whole = await pagesOf(store, { ...ever, order }, [60])
      assert.deepEqual(await pagesOf(store, { ...ever, order }, [7, 1, 13]), whole, 'the order is the same, however it is cut')
    }
    const { next } = await store.telemetry.points({ ...ever, order: 'asc', limit: 7 })
    assert.ok(next !== undefined)
    send(store, every(1000, 5, { metric: 'a', atMs: startMs - 1 }).slice(0, 1)) // before the cursor: not for this reader
    await stored(store)
    const rest = await store.telemetry.points({ ...ever, order: 'asc', limit: 100, cursor: next })
    assert.equal(rest.count, 53)
  })

  test(`${name}: a question that makes no sense is refused with a sentence, and one that is too large before it is begun`, async (t) => {
    const { store } = await begin(t, every(1000, 10))
    const query: BucketsQuery = {
      ...ever,
      fromMs: startMs,
      toMs: startMs + 1000,
      every: '1s',
      timeZone: 'UTC',
      aggregates: ['count'],
      fill: 'none',
    }
    await assert.rejects(store.telemetry.buckets({ ...query, every: '1 hour' }), refusedAs('request-invalid'))
    await assert.rejects(store.telemetry.buckets({ ...query, timeZone: 'Mars/Olympus' }), refusedAs('request-invalid'))
    await assert.rejects(store.telemetry.points({ ...ever, order: 'asc', limit: 1, cursor: 'x' }), refusedAs('request-invalid'))
    const longest = startMs + (limits.bucketsAnswered - 1) * 1000
    await store.telemetry.buckets({ ...query, toMs: longest })
    await assert.rejects(store.telemetry.buckets({ ...query, toMs: longest + 1000 }), (error: unknown) => {
      assert.match((error as Error).message, /limits\.bucketsAnswered/)
      return refusedAs('query-too-large')(error)
    })
  })

  test(`${name}: an aborted question rejects with the signal's reason, and the next one is answered`, async (t) => {
    const { store, model } = await begin(t, every(1000, 30_000))
    await store.status({ seal: true })
    const why = new Error('the client is gone')
    const telemetry = store.telemetry
    const points = { ...ever, order: 'asc', limit: 10_000 } as const
    const chart = { ...ever, pointsMax: 100, method: 'lttb' } as const
    const buckets: BucketsQuery = { fromMs: startMs, toMs: startMs + hourMs, every: '10s', timeZone: 'UTC', aggregates, fill: 'null' }
    for (const ask of [
      (signal: AbortSignal) => telemetry.points(points, signal),
      (signal: AbortSignal) => telemetry.chart(chart, signal),
      (signal: AbortSignal) => telemetry.buckets(buckets, signal),
      (signal: AbortSignal) => telemetry.latest({ limit: 10 }, signal),
      (signal: AbortSignal) => telemetry.scan(ever, signal).next(),
    ]) {
      const abort = new AbortController()
      const asked = Promise.allSettled(Array.from({ length: 5 }, () => ask(abort.signal)))
      abort.abort(why)
      for (const one of await asked) assert.ok(one.status === 'rejected' && one.reason === why)
      await assert.rejects(ask(AbortSignal.abort(why)), (error) => error === why)
    }
    await scanAgrees(store, model)
    assert.equal((await telemetry.points(points)).count, 10_000)
  })

  test(`${name}: more questions at a time than there is room for are refused, and room comes back`, async (t) => {
    const { store } = await begin(t, every(1000, 10))
    const ask = () => store.telemetry.points({ ...ever, order: 'asc', limit: 1 })
    const asked = Array.from({ length: limits.queries }, ask)
    await assert.rejects(ask(), refusedAs('too-many-queries'))
    assert.ok((await Promise.all(asked)).every(({ count }) => count === 1))
    // Whatever ends a question gives its room back: a refusal, an abort, a consumer of a scan that stops.
    for (let round = 0; round < limits.queries + 10; round += 1) {
      const abort = new AbortController()
      const aborted = store.telemetry.points({ ...ever, order: 'asc', limit: 1 }, abort.signal)
      abort.abort()
      const refused = store.telemetry.points({ ...ever, order: 'asc', limit: 1, cursor: 'x' })
      const left = (async () => {
        for await (const _ of store.telemetry.scan(ever)) break
      })()
      await Promise.allSettled([aborted, refused, left])
    }
    assert.equal((await Promise.all(Array.from({ length: limits.queries }, ask))).length, limits.queries)
  })

  test(`${name}: who asks when the store is closed is told that it stops, and so is who was waiting then`, async (t) => {
    const { store } = await begin(t, every(1000, 20_000))
    const ask = () => store.telemetry.points({ ...ever, order: 'asc', limit: 10_000 })
    const waiting = Array.from({ length: limits.queries }, ask)
    const settled = Promise.allSettled(waiting)
    await store.close()
    for (const one of await settled) if (one.status === 'rejected') assert.ok(refusedAs('shutting-down')(one.reason), String(one.reason))
    await assert.rejects(ask(), refusedAs('shutting-down'))
    await assert.rejects(async () => {
      for await (const _ of store.telemetry.scan(ever)) break
    }, refusedAs('shutting-down'))
  })

  test(`${name}: a scan that finds nothing for long ends when its client leaves`, async (t) => {
    const { store } = await begin(
      t,
      Array.from({ length: 3000 }, (_, at): Sent => ({ device: 1, metric: `m${at}`, atMs: startMs, value: at })),
    )
    const nothing = { fromMs: startMs + hourMs, toMs: startMs + 2 * hourMs }
    for await (const { metric } of store.telemetry.scan(nothing)) assert.fail(metric)
    const abort = new AbortController()
    const why = new Error('enough')
    const scan = (async () => {
      for await (const _ of store.telemetry.scan(nothing, abort.signal)) assert.fail()
    })()
    abort.abort(why)
    await assert.rejects(scan, (error) => error === why)
  })

  test(`${name}: a scan comes in parts as they are asked for, none of them large, and sees what is written meanwhile`, async (t) => {
    const { store } = await begin(t, [...every(100, 120_000), ...every(1000, 10, { device: 2 })])
    await store.status({ seal: true })
    let parts = 0
    for await (const { device, times, values } of store.telemetry.scan(ever)) {
      assert.ok(times.length <= 32_768, `${times.length} points in a part`)
      assert.ok(values instanceof Float64Array)
      parts += 1
      if (parts === 1) {
        // Each series is read when its turn comes.
        send(store, every(1000, 1, { device: 2, atMs: startMs + hourMs }))
        await stored(store)
        await store.device('pump-2')
      }
      if (device === 'pump-2') assert.equal(times.length, 11)
    }
    assert.ok(parts > 120_000 / 32_768)
  })

  test(`${name}: parts stay small where points wait beside those that are sealed, in both directions`, async (t) => {
    const { store, model } = await begin(t, every(100, 60_000))
    await store.status({ seal: true })
    // Before all, between, over and behind what is sealed.
    const late = [-50, 0, 150, 2_000_050, 5_999_900, 6_000_000].map(
      (ms): Sent => ({ device: 1, metric: 't', atMs: startMs + ms, value: -1 }),
    )
    send(store, late)
    model.take(late)
    await stored(store)
    for await (const { times } of store.telemetry.scan(ever)) assert.ok(times.length <= 32_768, `${times.length} points in a part`)
    await scanAgrees(store, model)
    for (const order of ['asc', 'desc'] as const) await pointsAgree(store, model, { ...ever, order }, [9973])
  })

  test(`${name}: pages go on from any time that a point can have`, async (t) => {
    const times = [5e-324, 1e-7, 2e-7, 0.000001234567890123, 3, startMs + 0.1, 8.64e15]
    const { store, model } = await begin(
      t,
      times.map((atMs, at) => ({ device: 1, metric: 't', atMs, value: at })),
    )
    for (const order of ['asc', 'desc'] as const) await pointsAgree(store, model, { ...ever, order }, [1])
  })

  test(`${name}: the number that a bucket begins with is found behind texts, too`, async (t) => {
    const { store, model } = await begin(t, every(1000, 1000))
    await store.status({ seal: true })
    const later = [
      ...every(1000, 1000, { atMs: 0, value: 'text' }).map((point, at) => ({ ...point, atMs: startMs + (1000 + at) * 1000 })),
      ...[2, 2.5].map((hours): Sent => ({ device: 1, metric: 't', atMs: startMs + hours * hourMs, value: 5000 * hours })),
    ]
    send(store, later)
    model.take(later)
    await stored(store)
    await store.status({ seal: true })
    const query = { devices: ['pump-1'], every: '1h', timeZone: 'UTC', aggregates: ['twa', 'increase', 'rate'], fill: 'none' } as const
    for (const before of [0, 1000]) {
      await bucketsAgree(store, model, { ...query, fromMs: startMs + 2 * hourMs - before, toMs: startMs + 4 * hourMs })
    }
  })
}
