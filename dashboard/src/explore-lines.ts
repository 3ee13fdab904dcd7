// The lines of the Explore page: read from the hub as points or as buckets, with those of an earlier window moved onto the same axis.
//
// Points that arrive live while the hub is asked are kept aside and join the answer. What is shown stays until the next answer is here.
import { signal } from '@preact/signals'
import type { MetricValue } from '../../devices/device.ts'
import { type BucketSeries, type Buckets, type ChartSeries, isDrawn, loadBuckets, loadPoints } from './api/explore.ts'
import type { Telemetry } from './api.ts'
import { type Choice, lengthMs, linesMax } from './explore.ts'
import { type Series, toNumber, toSeries } from './history.ts'
import type { Span } from './range.ts'

export interface Line {
  /** The device, or the value the line is of; empty for devices that have none. */
  readonly key: string
  /** Whether the key is a device. */
  readonly isDevice: boolean
  /** Which colour and dash; the same in every picture. */
  readonly place: number
  /** Of the window before. */
  readonly earlier: boolean
  /** How much later it is drawn than it was. */
  readonly shiftMs: number
  readonly series: Series
  readonly boolean: boolean
  /** How long its buckets are; 0: points. */
  readonly everyMs: number
  /** Points at the hub that it was made from; live ones are added. */
  count: number
  /** Of all its points, where the drawn ones would mislead; otherwise null. */
  readonly mean: number | null
}

export interface Picture {
  readonly metric: string
  readonly lines: readonly Line[]
  /** Lines there would be besides. */
  readonly rest: number
}

export interface LinesAsk extends Span {
  readonly choice: Choice
  /** The devices that are drawn, at most as many as there are lines. */
  readonly devices: readonly string[]
  /** How many devices are not. */
  readonly rest: number
  /** Buckets, when the choice sums up. */
  readonly every: string
  readonly live: boolean
  readonly points: number
}

type Reading = { readonly key: string; readonly answer: Telemetry['series'][number]; readonly mean: number | null }
type Change = readonly [device: string, metric: string, time: number, value: MetricValue]

const meanBuckets = 100

export class Lines {
  /** In the order of the metrics; a new value when a reading is done. */
  readonly pictures = signal<readonly Picture[] | null>(null)
  #aside: Change[] | null = null

  /** Have the devices watched before calling this. Errors: `Problem`. */
  async load(ask: LinesAsk, abort: AbortSignal): Promise<void> {
    const aside: Change[] = []
    this.#aside = aside
    try {
      const beforeMs = lengthMs(ask.choice.before)
      const then = { ...ask, fromMs: ask.fromMs - beforeMs, toMs: ask.toMs - beforeMs, live: false }
      const [now, earlier] = await Promise.all([readings(ask, abort), beforeMs === 0 ? [] : readings(then, abort)])
      this.pictures.value = ask.choice.metrics.map((metric, at) => pictureOf(metric, ask, now[at] ?? [], earlier[at] ?? [], beforeMs))
      for (const change of aside) this.#insert(change)
    } finally {
      if (this.#aside === aside) this.#aside = null // unless a newer reading has begun
    }
  }

  /** A live value. Returns whether a line changed. */
  onChange(...change: Change): boolean {
    this.#aside?.push(change)
    return this.#insert(change)
  }

  #insert([device, metric, time, value]: Change): boolean {
    const lines = this.pictures.peek()?.find((one) => one.metric === metric)?.lines
    const line = lines?.find(({ key, earlier, everyMs }) => key === device && !earlier && everyMs === 0)
    const drawn = toNumber(value)
    if (line === undefined || line.series.liveMs === null || drawn === null) return false
    const before = line.series.columns.length
    line.series.columns.insert(time, drawn)
    line.count += line.series.columns.length - before
    return true
  }
}

/** Of each metric, in the order of the choice. */
async function readings(ask: LinesAsk, abort: AbortSignal): Promise<Reading[][]> {
  const { choice, devices } = ask
  if (choice.metrics.length === 0 || (choice.by === '' && devices.length === 0)) return []
  if (choice.aggregate !== '') return bucketReadings(ask, abort)
  const answered = await loadPoints({ ...ask, metrics: choice.metrics }, abort)
  const means = answered.some(isThinned) ? await meansOf(ask, abort) : new Map<string, number>()
  return choice.metrics.map((metric) =>
    answered
      .filter((one) => one.metric === metric)
      .map((answer) => ({ key: answer.device, answer, mean: isThinned(answer) ? (means.get(seriesKey(answer)) ?? null) : null })),
  )
}

function isThinned({ thinned, tiers }: ChartSeries): boolean {
  return thinned || tiers.some((tier) => tier !== 'raw')
}

/** The lowest and the highest of each stretch say nothing of the mean of all points. */
async function meansOf(ask: LinesAsk, abort: AbortSignal): Promise<Map<string, number>> {
  const every = `${Math.max(1, Math.ceil((ask.toMs - ask.fromMs) / meanBuckets / 1_000))}s`
  const { metrics } = ask.choice
  const { series } = await loadBuckets({ ...ask, metrics, every, aggregates: ['sum', 'count'], by: '' }, abort)
  return new Map(
    series.map(({ labels, columns }) => [
      seriesKey({ device: labels['device'] ?? '', metric: labels['metric'] ?? '' }),
      total(columns['sum']) / total(columns['count']),
    ]),
  )
}

async function bucketReadings(ask: LinesAsk, abort: AbortSignal): Promise<Reading[][]> {
  const { choice, every } = ask
  const { by, aggregate } = choice
  const wanted = { ...ask, every, aggregates: [aggregate, 'count'], by }
  if (by === '') {
    const answer = await loadBuckets({ ...wanted, metrics: choice.metrics }, abort)
    return choice.metrics.map((metric) =>
      answer.series
        .filter(({ labels }) => labels['metric'] === metric)
        .map((one) => readingOf(one, one.labels['device'] ?? '', metric, aggregate, answer)),
    )
  }
  const devices = choice.devices.length > 0 ? choice.devices : null
  // Grouped, metrics would be one line: each is asked for alone.
  const answers = await Promise.all(choice.metrics.map((metric) => loadBuckets({ ...wanted, devices, metrics: [metric] }, abort)))
  return answers.map((answer, at) =>
    answer.series.map((one) => readingOf(one, Object.values(one.labels)[0] ?? '', choice.metrics[at]!, aggregate, answer)),
  )
}

function readingOf(series: BucketSeries, key: string, metric: string, aggregate: string, { coarse }: Buckets): Reading {
  const values = series.columns[aggregate] ?? []
  const counts = series.columns['count'] ?? []
  const held = values.flatMap((value, at) => (value === null ? [] : [at]))
  const count = total(counts)
  // The mean of means is that of the points only when each bucket counts for what is in it.
  const weighed = held.reduce((sum, at) => sum + values[at]! * (counts[at] ?? 0), 0) / count
  const times = held.map((at) => series.starts[at]!)
  const answer = { metric, times, values: held.map((at) => values[at]!), count, thinned: false, tiers: [], coarse }
  return { key, answer, mean: aggregate === 'avg' && count > 0 ? weighed : null }
}

function pictureOf(metric: string, ask: LinesAsk, now: readonly Reading[], earlier: readonly Reading[], beforeMs: number): Picture {
  const { choice } = ask
  const known = [...new Set([...now, ...earlier].map(({ key }) => key))].sort()
  const keys = choice.by === '' ? ask.devices : known.slice(0, linesMax)
  const everyMs = choice.aggregate === '' ? 0 : lengthMs(ask.every)
  const lineOf = (key: string, place: number, readings: readonly Reading[], shiftMs: number): Line => {
    const { answer, mean } = readings.find((one) => one.key === key) ?? nothing(key, metric)
    const moved = {
      ...answer,
      times: answer.times.map((at) => at + shiftMs),
      coarse: answer.coarse.map((span) => ({ ...span, from: span.from + shiftMs, to: span.to + shiftMs })),
    }
    const isLive = ask.live && shiftMs === 0 && everyMs === 0
    const asked = { metrics: [metric], fromMs: ask.fromMs, toMs: ask.toMs, live: isLive, points: ask.points }
    const drawn = answer.values.filter(isDrawn)
    const boolean = everyMs === 0 && drawn.length > 0 && drawn.every((value) => typeof value === 'boolean')
    const series = toSeries(moved, asked)
    return { key, isDevice: choice.by === '', place, earlier: shiftMs > 0, shiftMs, series, boolean, everyMs, count: answer.count, mean }
  }
  const lines = keys.flatMap((key, place) => {
    const line = lineOf(key, place, now, 0)
    return beforeMs === 0 ? [line] : [line, lineOf(key, place, earlier, beforeMs)]
  })
  return { metric, lines, rest: choice.by === '' ? ask.rest : known.length - keys.length }
}

function nothing(key: string, metric: string): Reading {
  return { key, answer: { metric, times: [], values: [], count: 0, thinned: false, tiers: [], coarse: [] }, mean: null }
}

function seriesKey({ device, metric }: { device: string; metric: string }): string {
  return `${device} ${metric}`
}

function total(values: readonly (number | null)[] | undefined): number {
  return (values ?? []).reduce<number>((sum, value) => sum + (value ?? 0), 0)
}
