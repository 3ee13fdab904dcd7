// The requests that the hub is asked with and the answers it gives: whatever its API calls its parameters is said here alone.
import { type Dataset, type Slice, seriesOf } from './store-data.ts'
import type { Answers, Question } from './store-questions.ts'

export interface Request {
  readonly path: string
  /** NDJSON; undefined: a GET. */
  readonly body?: string
}

type Value = number | boolean | null

interface StoreAnswer {
  /** `bytesPerPoint` is null of a store without points. */
  readonly series: { readonly points: number; readonly bytesPerPoint: number | null }
  readonly heads: { readonly bytes: number }
  readonly tiers: Readonly<Record<string, { readonly bytes: number }>>
  readonly journal: { readonly bytes: number }
  readonly disk: { readonly bytes: number }
}

interface PointsAnswer {
  readonly points: { readonly times: readonly number[]; readonly values: readonly Value[] }
  readonly next: string | null
}

interface BucketsAnswer {
  readonly series: readonly {
    readonly starts: readonly number[]
    readonly columns: Readonly<Record<'min' | 'max' | 'avg', readonly Value[]>>
  }[]
}

interface ChartAnswer {
  readonly series: readonly { readonly values: readonly Value[]; readonly count: number }[]
}

interface LatestAnswer {
  readonly devices: readonly {
    readonly device: string
    readonly latest: Readonly<Record<string, { readonly at: number; readonly value: Value }>>
  }[]
  readonly next: string | null
}

/** A device that comes back after a while sends what it has gathered: some readings in each message. */
const readingsPerMessage = 100
/** The API's own bounds: an hour at one reading a second in one page, all devices of a fleet in few. */
const pointsPerPage = 10_000
const devicesPerPage = 1000

export function readingsRequest({ kind, devices }: Dataset, { device, times, columns }: Slice): Request {
  const heads = kind.metrics.map(({ name }, at) => `${at === 0 ? '' : ','}${JSON.stringify(name)}:`)
  const words = kind.metrics.map(({ is }) => (is === 'boolean' ? (value: number) => (value === 1 ? 'true' : 'false') : String))
  const lines: string[] = []
  for (let from = 0; from < times.length; from += readingsPerMessage) {
    const readings: string[] = []
    for (let at = from; at < Math.min(from + readingsPerMessage, times.length); at++) {
      let values = ''
      for (let metric = 0; metric < columns.length; metric++) values += heads[metric]! + words[metric]!(columns[metric]![at]!)
      readings.push(`{"ts":${times[at]},"values":{${values}}}`)
    }
    lines.push(`[${readings.join()}]`)
  }
  return { path: `/v1/devices/${devices[device]}/telemetry`, body: lines.join('\n') }
}

/** Undefined: every message of the request is on disk. */
export function whyNotStored({ body = '' }: Request, status: number, answer: string): string | undefined {
  const messages = body.split('\n').length
  const { stored } = status === 200 ? (JSON.parse(answer) as { stored: number }) : { stored: 0 }
  return stored === messages
    ? undefined
    : `The hub stored ${stored} of ${messages} messages and answered ${status}: ${answer.slice(0, 300)}`
}

/** Seals what is still in heads, so that the figures are those of chunks. */
export const storeRequest: Request = { path: '/v1/store?seal=1' }

export function sizeOf(answer: string): { points: number; bytes: number; parts: Record<string, number> } {
  const { series, heads, tiers, journal, disk } = JSON.parse(answer) as StoreAnswer
  const parts = Object.fromEntries(Object.entries(tiers).map(([tier, { bytes }]) => [tier, bytes]))
  const bytes = (series.bytesPerPoint ?? 0) * series.points
  return { points: series.points, bytes, parts: { ...parts, heads: heads.bytes, journal: journal.bytes, folder: disk.bytes } }
}

/** Of the first series, or of all of this kind; `after` is what the page before said is next. */
export function questionRequest(question: Question, { name, devices, kind }: Dataset, after?: string): Request {
  const page = after === undefined ? {} : { [question.is === 'latest' ? 'after' : 'cursor']: after }
  if (question.is === 'latest') return get('/v1/latest', { limit: devicesPerPage, ...page })
  const { fromMs: from, toMs: to } = question
  const range = { device: devices[0] ?? name, metric: kind.metrics[0]!.name, from, to }
  switch (question.is) {
    case 'hour':
      return get('/v1/telemetry/points', { ...range, limit: pointsPerPage, ...page })
    case 'day':
      return get('/v1/telemetry/buckets', { ...range, every: '1h', aggregates: 'min,max,avg', timezone: 'Europe/Berlin' })
    case 'chart':
      return get('/v1/telemetry/chart', { ...range, points: question.pointsMax })
  }
}

/** What a page says, and what has to be asked for the next one. */
export function answerOf(
  question: Question,
  dataset: Dataset,
  text: string,
): { answer: Answers[Question['is']]; next: string | undefined } {
  const parsed: unknown = JSON.parse(text)
  switch (question.is) {
    case 'hour': {
      const { points, next } = parsed as PointsAnswer
      return { answer: { times: points.times, values: points.values.map(numberOf) }, next: next ?? undefined }
    }
    case 'day': {
      const [series] = (parsed as BucketsAnswer).series
      const column = (name: 'min' | 'max' | 'avg') => series?.columns[name].map(numberOf) ?? []
      return { answer: { starts: series?.starts ?? [], mins: column('min'), maxs: column('max'), avgs: column('avg') }, next: undefined }
    }
    case 'chart': {
      const [series] = (parsed as ChartAnswer).series
      const values = series?.values.map(numberOf) ?? []
      return {
        answer: { count: series?.count ?? 0, min: Math.min(...values), max: Math.max(...values), drawn: values.length },
        next: undefined,
      }
    }
    case 'latest': {
      const { devices, next } = parsed as LatestAnswer
      return { answer: latestOf(devices, dataset), next: next ?? undefined }
    }
  }
}

function latestOf(devices: LatestAnswer['devices'], dataset: Dataset): Answers['latest'] {
  const places = new Map(dataset.devices.map((id, at) => [id, at]))
  return new Map(
    devices.flatMap(({ device, latest }) =>
      dataset.kind.metrics.flatMap(({ name }, metric) => {
        const newest = latest[name]
        if (newest === undefined) return []
        return [[seriesOf(dataset, places.get(device) ?? -1, metric), { atMs: newest.at, value: numberOf(newest.value) }]] as const
      }),
    ),
  )
}

/** No value is no number, so that it is told from 0. */
function numberOf(value: Value): number {
  return value === null ? Number.NaN : Number(value)
}

function get(path: string, parameters: Readonly<Record<string, string | number>>): Request {
  const words = Object.entries(parameters).map(([name, value]) => [name, String(value)])
  return { path: `${path}?${new URLSearchParams(words)}` }
}
