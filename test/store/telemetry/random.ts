// Random lives of a store beside the model: batches of every kind of point, sealing, rolling up, reopening and kills in any order, and after
// each step a question of every kind.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { MetricValue } from '../../../devices/device.ts'
import { aggregates, type BucketsQuery, fills } from '../../../hub/store/telemetry.ts'
import { chartAgrees, ever, latestAgrees, pointsAgree, scanAgrees, sizesAgree } from './agreement.ts'
import { Model, type Sent } from './model.ts'
import { bucketsAgree } from './naive-buckets.ts'

export const dayMs = 86_400_000
/** A day in winter, far enough back to be rolled up. */
export const anchorMs = Date.UTC(2026, 0, 14)

const wholeNumber = fc.integer({ min: -1000, max: 1000 })
const wildNumber = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(-0, 0, 5e-324, -1.7976931348623157e308, 0.1, 21.4, 2 ** 53, -(2 ** 53) - 2, 1e21),
)
const anyValue: fc.Arbitrary<MetricValue> = fc.oneof(
  wholeNumber,
  fc.boolean(),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.constantFrom<MetricValue>(null, '', [], {}, 'on', 'off', { a: [1, null, { b: 'x' }] }, [true, -1.5], '\ud800'),
)

/** Each metric has values of its kind, so that what only numbers have can be asked of those alone. */
const kinds: { readonly [metric: string]: fc.Arbitrary<MetricValue> } = {
  level: wholeNumber,
  wild: wildNumber,
  on: fc.boolean(),
  state: fc.constantFrom('open', 'closed', 'stuck', ''),
  mixed: anyValue,
  '"ä/ €': fc.oneof(wholeNumber, fc.boolean()),
}
const metrics = Object.keys(kinds)

/** The edges of days, of years that have files of their own, and of what a device may send. */
const edgesMs = [
  0,
  0.5,
  1,
  999_999.25,
  Date.UTC(2000, 0) - 0.5,
  Date.UTC(2000, 0),
  Date.UTC(2025, 11, 31, 23, 59, 59, 999),
  Date.UTC(2026, 0),
  anchorMs - 1,
  anchorMs - 0.001,
  anchorMs,
  anchorMs + dayMs,
  anchorMs + 59_999.999,
  Date.UTC(2100, 0) - 1,
  Date.UTC(2100, 0),
  8.64e15,
]

const timeMs = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 4 * dayMs }).map((ms) => anchorMs + ms) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 200 }).map((step) => anchorMs + step * 1000) }, // so that times come again
  { weight: 2, arbitrary: fc.double({ min: 0, max: dayMs, noNaN: true }).map((ms) => anchorMs + ms) },
  { weight: 1, arbitrary: fc.constantFrom(1, 2, 13, 14, 400, 700).map((day) => anchorMs - day * dayMs) },
  { weight: 1, arbitrary: fc.constantFrom(...edgesMs) },
)

const scattered: fc.Arbitrary<Sent[]> = fc.array(
  fc
    .tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom(...metrics), timeMs)
    .chain(([device, metric, atMs]) => kinds[metric]!.map((value) => ({ device, metric, atMs, value }))),
  { minLength: 1, maxLength: 60 },
)

/** A device that sends one metric at its pace, in order or the other way round: enough for several chunks. */
const run: fc.Arbitrary<Sent[]> = fc
  .record({
    device: fc.integer({ min: 1, max: 3 }),
    metric: fc.constantFrom(...metrics),
    startMs: timeMs,
    stepMs: fc.constantFrom(0.25, 1, 1000, 1000, 15_000, 60_000),
    count: fc.constantFrom(30, 400, 1100, 2600),
    backwards: fc.boolean(),
  })
  .chain(({ device, metric, startMs, stepMs, count, backwards }) =>
    fc.array(kinds[metric]!, { minLength: 5, maxLength: 5 }).map((values) => {
      const all = Array.from({ length: count }, (_, at): Sent => {
        const value = metric === 'level' ? ((at * 7919) % 2001) - 1000 : values[(at * 31 + (at >> 3)) % 5]!
        return { device, metric, atMs: Math.min(startMs + at * stepMs, 8.64e15), value }
      })
      return backwards ? all.reverse() : all
    }),
  )

export type Step =
  | { readonly does: 'send'; readonly points: readonly Sent[] }
  | { readonly does: 'seal' | 'roll' | 'reopen' | 'kill' | 'read' }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.oneof(scattered, run).map((points): Step => ({ does: 'send', points })) },
  { weight: 4, arbitrary: fc.constant<Step>({ does: 'seal' }) },
  { weight: 2, arbitrary: fc.constant<Step>({ does: 'roll' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ does: 'reopen' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ does: 'kill' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ does: 'read' }) },
)

const rangeMs = fc
  .oneof(
    fc.constant([0, 8.64e15]),
    fc.tuple(timeMs, timeMs),
    fc.tuple(timeMs, fc.integer({ min: 0, max: 3 * dayMs })).map(([atMs, ms]) => [atMs, atMs + ms]),
    fc
      .tuple(fc.integer({ min: -40, max: 5 }), fc.integer({ min: 1, max: 9 }))
      .map(([day, days]) => [anchorMs + day * dayMs, anchorMs + (day + days) * dayMs]),
  )
  .map(([a, b]) => ({ fromMs: Math.min(a!, b!), toMs: Math.max(a!, b!) }))

const selection = fc.record(
  {
    devices: fc.subarray(['pump-1', 'pump-2', 'pump-3', 'nobody'], { minLength: 1 }),
    metrics: fc.subarray([...metrics, 'none'], { minLength: 1 }),
  },
  { requiredKeys: [] },
)

/** Bounded, because a bucket of a second in a range of years is refused. */
const buckets: fc.Arbitrary<BucketsQuery> = fc
  .record({
    fromMs: fc.tuple(fc.integer({ min: -3, max: 4 }), fc.integer({ min: 0, max: dayMs })).map(([day, ms]) => anchorMs + day * dayMs + ms),
    spanMs: fc.integer({ min: 1, max: 4 * dayMs }),
    every: fc.constantFrom('10s', '1m', '7m', '1h', '6h', '1d', '2d', '1w', '1mo', '1y'),
    timeZone: fc.constantFrom('UTC', 'UTC', 'Europe/Berlin', 'Asia/Kolkata', 'America/St_Johns'),
    aggregates: fc.subarray([...aggregates, 'p0', 'p50', 'p99.9', 'p100'] as const, { minLength: 1 }),
    fill: fc.constantFrom(...fills),
    groupBy: fc.constantFrom(undefined, undefined, 'device', 'metric', 'type', 'tag:site'),
    selection: fc.oneof(
      fc.constant({ metrics: ['level', 'on', 'state', 'mixed', '"ä/ €'] }),
      fc.constantFrom(...metrics.filter((name) => name !== 'wild')).map((metric) => ({ metrics: [metric] })),
      fc.constant({ devices: ['pump-2'], metrics: ['level', 'on'] }),
    ),
  })
  .map(({ spanMs, selection, groupBy, ...query }) => {
    const longest = query.every === '10s' ? dayMs / 4 : 4 * dayMs
    return { ...query, ...selection, toMs: query.fromMs + Math.min(spanMs, longest), ...(groupBy === undefined ? {} : { groupBy }) }
  })

export interface Questions {
  readonly range: { readonly fromMs: number; readonly toMs: number }
  readonly selection: { readonly devices?: string[]; readonly metrics?: string[] }
  readonly order: 'asc' | 'desc'
  readonly limits: readonly number[]
  readonly pointsMax: number
  readonly method: 'minmax' | 'lttb'
  readonly buckets: BucketsQuery
}

const questions: fc.Arbitrary<Questions> = fc.record({
  range: rangeMs,
  selection,
  order: fc.constantFrom('asc', 'desc'),
  limits: fc.array(fc.oneof(fc.integer({ min: 200, max: 3000 }), fc.constantFrom(10_000, 100_000)), { minLength: 1, maxLength: 4 }),
  pointsMax: fc.constantFrom(1, 2, 3, 10, 50, 100, 700, 5000, 10_000),
  method: fc.constantFrom('minmax', 'lttb'),
  buckets,
})

/** A life: what happens, and what is asked after each step. */
export const life = fc.array(fc.tuple(step, questions), { minLength: 2, maxLength: 9 })

/** What a step does to the store; gives the store that goes on. */
export interface World {
  readonly store: import('../../../hub/store/store.ts').Store
  send(points: readonly Sent[]): Promise<void>
  seal(): Promise<void>
  roll(): Promise<void>
  reopen(): Promise<void>
  kill(): Promise<void>
}

export async function live(world: World, steps: readonly (readonly [Step, Questions])[]): Promise<void> {
  const model = new Model()
  let sealed = true
  for (const [step, questions] of steps) {
    if (step.does === 'send') {
      await world.send(step.points)
      model.take(step.points)
      sealed = false
    } else if (step.does !== 'read') await world[step.does]()
    if (step.does === 'seal') sealed = true
    await answersAgree(world, model, questions, sealed)
  }
  await scanAgrees(world.store, model)
  await world.seal()
  await sizesAgree(world.store, model)
  await pointsAgree(world.store, model, { ...ever, order: 'asc' }, [10_000])
  assert.equal(world.store.figures().damagedFrames, 0)
}

async function answersAgree({ store }: World, model: Model, questions: Questions, sealed: boolean): Promise<void> {
  const { range, selection, order, limits, pointsMax, method, buckets } = questions
  // Together, so that both query threads have work.
  await Promise.all([
    scanAgrees(store, model, range),
    pointsAgree(store, model, { ...range, ...selection, order }, limits),
    latestAgrees(store, model, 1 + (limits[0]! % 3), selection.metrics),
    chartAgrees(store, model, { ...range, ...selection, pointsMax, method }),
    bucketsAgree(store, model, buckets),
    sealed ? sizesAgree(store, model) : undefined,
  ])
}
