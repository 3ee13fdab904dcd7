// What can be asked of stored telemetry, in domain words. Times are Unix ms.
//
// Large answers come as JSON that the query threads have written: of 10,000 points, reading them out of the thread and writing them in the
// loop would hold it for 7 ms; bytes that change hands cost nothing. `json` is one JSON value in a buffer of its own.
import type { DeviceId, Latest, MetricValue } from '../../devices/device.ts'
import type { DeviceCondition } from '../../devices/device-group.ts'
import type { Tier } from './series/rollup.ts'

/** Which series: all that meet every condition that is given. */
export interface Selection {
  /** Any of these. */
  readonly devices?: readonly DeviceId[]
  readonly type?: string
  /** All of these. */
  readonly tags?: readonly Tag[]
  /** All of these. */
  readonly where?: readonly DeviceCondition[]
  /** Any of these. */
  readonly metrics?: readonly string[]
}

export interface Tag {
  readonly name: string
  readonly value: string
}

/** A stretch of time of which only a coarser tier is left than was asked for. As it goes out: it is part of answers in JSON, too. */
export interface CoarseSpan {
  readonly from: number
  readonly to: number
  /** What the answer was made from there; null where nothing of use is left. */
  readonly tier: Tier | null
}

export interface LatestQuery extends Selection {
  /** Devices after this one, in ascending order. */
  readonly after?: DeviceId
  readonly limit: number
}

export interface LatestOfDevice {
  readonly device: DeviceId
  readonly latest: { readonly [metric: string]: Latest }
}

export interface LatestPage {
  /** An array of `LatestOfDevice`. */
  readonly json: Uint8Array
  readonly count: number
  /** Where the next page goes on; undefined after the last. */
  readonly next: DeviceId | undefined
}

export interface PointsQuery extends Selection {
  /** Both included. */
  readonly fromMs: number
  readonly toMs: number
  readonly order: 'asc' | 'desc'
  readonly limit: number
  /** As `PointsPage.next` gave it, with the same query. Errors: `Refusal('request-invalid')` when it is no such thing; its sentence says cursor. */
  readonly cursor?: string
}

/** Points in the order of time (of one moment: in the order of series), in columns of equal length. */
export interface PointColumns {
  readonly devices: readonly DeviceId[]
  readonly metrics: readonly string[]
  readonly times: readonly number[]
  readonly values: readonly MetricValue[]
}

export interface PointsPage {
  /** `PointColumns`. */
  readonly json: Uint8Array
  readonly count: number
  /** Undefined after the last page. */
  readonly next: string | undefined
  readonly coarse: readonly CoarseSpan[]
}

export const aggregates = ['count', 'min', 'max', 'avg', 'sum', 'first', 'last', 'twa', 'increase', 'rate'] as const

/** Or a percentile: `p50`, `p99.9`. */
export type Aggregate = (typeof aggregates)[number] | `p${number}`

export const fills = ['none', 'null', 'previous', 'linear'] as const

export type Fill = (typeof fills)[number]

export interface BucketsQuery extends Selection {
  /** Widened to whole buckets. */
  readonly fromMs: number
  readonly toMs: number
  /** `15s`, `5m`, `1h`, `1d`, `1w`, `1mo`, `1y`. */
  readonly every: string
  /** IANA name; hours and longer follow its calendar. */
  readonly timeZone: string
  readonly aggregates: readonly Aggregate[]
  /** What stands for a bucket without points: no row, null, the value before, or a line between the neighbours. */
  readonly fill: Fill
  /** One answer per value of this instead of one per series: `device`, `type`, `metric` or `tag:NAME`. */
  readonly groupBy?: string
}

export interface BucketSeries {
  /** What they have in common: `device` and `metric`, or the group's value under the name it was asked by. */
  readonly labels: { readonly [name: string]: string | null }
  readonly starts: readonly number[]
  /** One column per aggregate, under its name, in the order they were asked for. */
  readonly columns: { readonly [aggregate: string]: readonly MetricValue[] }
}

export interface BucketsAnswer {
  /** The whole buckets that were looked at. */
  readonly fromMs: number
  readonly toMs: number
  /** An array of `BucketSeries`. */
  readonly json: Uint8Array
  readonly coarse: readonly CoarseSpan[]
}

export interface ChartQuery extends Selection {
  readonly fromMs: number
  readonly toMs: number
  /** Most points per series; two for each pixel draw like all of them. */
  readonly pointsMax: number
  readonly method: 'minmax' | 'lttb'
}

export interface ChartSeries {
  readonly device: DeviceId
  readonly metric: string
  readonly times: readonly number[]
  readonly values: readonly MetricValue[]
  /** Points in the range before thinning. */
  readonly count: number
  readonly thinned: boolean
  /** The finest and the coarsest tier it was made from; a lowest and highest value of a tier stands within one of its buckets. */
  readonly tiers: readonly Tier[]
  readonly coarse: readonly CoarseSpan[]
}

export interface ChartAnswer {
  /** An array of `ChartSeries`, by device id, then metric. */
  readonly json: Uint8Array
}

/** What one series costs. */
export interface SeriesSize {
  readonly metric: string
  /** On disk, those that wait in heads included. */
  readonly points: number
  readonly bytes: number
  /** Of the oldest and the newest point; null when it has none left. */
  readonly fromMs: number | null
  readonly toMs: number | null
}

export interface ScanQuery extends Selection {
  readonly fromMs: number
  readonly toMs: number
}

/** Points of one series; the parts of a series follow one another in the order of time, each behind the one before. */
export interface ScanPart {
  readonly device: DeviceId
  readonly metric: string
  readonly times: Float64Array
  readonly values: Float64Array | readonly MetricValue[]
}

export interface ScanSummary {
  readonly series: number
  /** About: whole chunks are counted, and a point that is written again in another place twice. */
  readonly points: number
}

/** Reads beside everything else, in threads of their own. An aborted signal ends the work soon; the promise then rejects with its reason. */
export interface Telemetry {
  latest(query: LatestQuery, signal?: AbortSignal): Promise<LatestPage>
  /** Errors: `Refusal('query-too-large')` past `limits.queryPoints`, `Refusal('query-too-long')` past `limits.queryMs`. So do the next two. */
  points(query: PointsQuery, signal?: AbortSignal): Promise<PointsPage>
  buckets(query: BucketsQuery, signal?: AbortSignal): Promise<BucketsAnswer>
  chart(query: ChartQuery, signal?: AbortSignal): Promise<ChartAnswer>
  /** The series of one device, by metric. Empty for a device that is not on record. */
  seriesOf(device: DeviceId): Promise<readonly SeriesSize[]>
  /** Every point, series by series (by device id, then metric), a bounded part at a time as the caller asks for the next. */
  scan(query: ScanQuery, signal?: AbortSignal): AsyncIterableIterator<ScanPart>
  /** How much a scan will bring, for a progress bar. */
  scanSummary(query: ScanQuery): Promise<ScanSummary>
}
