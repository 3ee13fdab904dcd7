// What every store of a run is asked, what has to come out, and whether it did.
import { type Dataset, seriesOf } from './store-data.ts'

/** Each is asked of the first series, but `latest`, which is of all. Both times are included, Unix ms. */
export type Question =
  | { readonly is: 'hour'; readonly fromMs: number; readonly toMs: number }
  | { readonly is: 'day'; readonly fromMs: number; readonly toMs: number }
  | { readonly is: 'chart'; readonly fromMs: number; readonly toMs: number; readonly pointsMax: number }
  | { readonly is: 'latest' }

export type QuestionName = Question['is']

/** Booleans as 1 and 0 in all of them, because a table of numbers knows no others. */
export interface Answers {
  /** Every point of the last hour. */
  readonly hour: { readonly times: readonly number[]; readonly values: readonly number[] }
  /** Hours of the last day that have points. */
  readonly day: {
    readonly starts: readonly number[]
    readonly mins: readonly number[]
    readonly maxs: readonly number[]
    readonly avgs: readonly number[]
  }
  /** The whole series, thinned; stores thin in their own ways, so what all of them must agree on is compared. */
  readonly chart: { readonly count: number; readonly min: number; readonly max: number; readonly drawn: number }
  /** The newest point of each series, by `seriesOf`. */
  readonly latest: ReadonlyMap<number, { readonly atMs: number; readonly value: number }>
}

const hourMs = 3_600_000
/** Two for each of a thousand pixels. */
const chartPointsMax = 2000

/** Questions with the answers that the generated points give. */
export class Examination {
  readonly questions: readonly Question[]
  readonly right: Answers

  /** Makes all points once, and keeps those of the first series. */
  constructor(dataset: Dataset) {
    const times = new Float64Array(dataset.readingsPerDevice)
    const values = new Float64Array(dataset.readingsPerDevice)
    const latest = new Map<number, { atMs: number; value: number }>()
    let count = 0
    for (const slice of dataset.slices()) {
      for (const [metric, column] of slice.columns.entries()) {
        latest.set(seriesOf(dataset, slice.device, metric), { atMs: slice.times.at(-1)!, value: column.at(-1)! })
      }
      if (slice.device !== 0) continue
      times.set(slice.times, count)
      values.set(slice.columns[0]!, count)
      count += slice.times.length
    }
    const [firstMs, lastMs] = [times[0]!, times.at(-1)!]
    const dayEndMs = hourOf(lastMs) + hourMs - 1
    const hour = { is: 'hour', fromMs: lastMs - hourMs, toMs: lastMs } as const
    const day = { is: 'day', fromMs: dayEndMs + 1 - 24 * hourMs, toMs: dayEndMs } as const
    this.questions = [hour, day, { is: 'chart', fromMs: firstMs, toMs: lastMs, pointsMax: chartPointsMax }, { is: 'latest' }]
    this.right = {
      hour: pointsBetween(times, values, hour.fromMs, hour.toMs),
      day: hoursOf(pointsBetween(times, values, day.fromMs, day.toMs)),
      chart: { count, min: lowestOf(values), max: highestOf(values), drawn: Math.min(count, chartPointsMax) },
      latest,
    }
  }

  /** What is wrong with an answer; undefined when it is right. */
  wrong<Q extends QuestionName>(is: Q, answer: Answers[Q]): string | undefined {
    // The compiler does not see that a name and its answer belong together.
    const { hour, day, chart, latest } = { ...this.right, ...({ [is]: answer } as Partial<Answers>) }
    switch (is as QuestionName) {
      case 'hour':
        return differing('time', hour.times, this.right.hour.times) ?? differing('value', hour.values, this.right.hour.values)
      case 'day':
        return (
          differing('hour', day.starts, this.right.day.starts) ??
          differing('lowest', day.mins, this.right.day.mins) ??
          differing('highest', day.maxs, this.right.day.maxs) ??
          differing('average', day.avgs, this.right.day.avgs, averagesDiffer)
        )
      case 'chart':
        return (
          differing('count', [chart.count], [this.right.chart.count]) ??
          differing('lowest', [chart.min], [this.right.chart.min]) ??
          differing('highest', [chart.max], [this.right.chart.max]) ??
          (chart.drawn > chartPointsMax ? `a chart of ${chart.drawn} points, ${chartPointsMax} were asked for` : undefined)
        )
      case 'latest': {
        const [got, right] = [columnsOf(latest), columnsOf(this.right.latest)]
        return (
          differing('series', got.series, right.series) ??
          differing('newest time', got.times, right.times) ??
          differing('newest value', got.values, right.values)
        )
      }
    }
  }
}

function pointsBetween(times: Float64Array, values: Float64Array, fromMs: number, toMs: number): Answers['hour'] {
  const from = times.findIndex((time) => time >= fromMs)
  const to = times.findLastIndex((time) => time <= toMs) + 1
  return { times: [...times.subarray(from, to)], values: [...values.subarray(from, to)] }
}

function hoursOf({ times, values }: Answers['hour']): Answers['day'] {
  const hours = new Map<number, number[]>()
  for (const [at, value] of values.entries()) {
    const start = hourOf(times[at]!)
    const ofHour = hours.get(start)
    if (ofHour === undefined) hours.set(start, [value])
    else ofHour.push(value)
  }
  const each = [...hours.values()]
  return {
    starts: [...hours.keys()],
    mins: each.map((ofHour) => Math.min(...ofHour)),
    maxs: each.map((ofHour) => Math.max(...ofHour)),
    avgs: each.map((ofHour) => ofHour.reduce((sum, value) => sum + value, 0) / ofHour.length),
  }
}

function hourOf(atMs: number): number {
  return Math.floor(atMs / hourMs) * hourMs
}

function lowestOf(values: Float64Array): number {
  return values.reduce((lowest, value) => Math.min(lowest, value), Number.POSITIVE_INFINITY)
}

function highestOf(values: Float64Array): number {
  return values.reduce((highest, value) => Math.max(highest, value), Number.NEGATIVE_INFINITY)
}

function columnsOf(latest: Answers['latest']): { series: number[]; times: number[]; values: number[] } {
  const newest = [...latest].sort(([a], [b]) => a - b)
  return {
    series: newest.map(([series]) => series),
    times: newest.map(([, { atMs }]) => atMs),
    values: newest.map(([, { value }]) => value),
  }
}

function differing(
  what: string,
  got: readonly number[],
  right: readonly number[],
  differ = (a: number, b: number): boolean => a !== b,
): string | undefined {
  if (got.length !== right.length) return `${got.length} × ${what} instead of ${right.length}`
  const at = right.findIndex((value, place) => differ(value, got[place]!))
  return at === -1 ? undefined : `${what} ${at} is ${got[at]} instead of ${right[at]}`
}

/** Sums of many numbers differ in their last bits by the order in which they were added. */
function averagesDiffer(a: number, b: number): boolean {
  return !(Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b)))
}
