// What the writer thread holds in memory of a device: its series with their newest values, and the points not yet in the tables.
import type { DeviceId, MetricValue } from '../../../devices/device.ts'
import type { MetricSchema } from '../../../devices/device-type.ts'
import { isOwnMetric } from '../../../devices/telemetry.ts'
import { telemetryTopic } from '../../../devices/topics.ts'
import { type Columns, inOrder } from '../series/columns.ts'
import type { DeviceFreshness } from './device-freshness.ts'
import { flat, flatKinds } from './flat-reading.ts'

const columnsAtFirst = 16
const columnsKept = 4096

export interface SeriesState {
  readonly id: number
  readonly device: DeviceState
  readonly metric: string
  /** It has a row of its own. */
  stored: boolean
  /** The newest point by time; of points at the same time the one that came last. */
  lastMs: number
  lastValue: MetricValue
  /** It stands in the line of the live view. */
  inLine: boolean
  /** Sequence number of the message that moved it last while its device was watched. */
  movedSeq: number
}

/**
 * The points of all its series lie in three columns per device. A message then touches a few places in memory; with columns per series it
 * were five per point, and with thousands of series every one of them misses the cache: 2.4 µs a message instead of 0.4.
 */
export class DeviceState {
  readonly number: number
  readonly id: DeviceId
  /** By their index in the columns. */
  readonly series: SeriesState[] = []
  readonly #metrics: string[] = []
  readonly #indexes = new Map<string, number>()
  /** Its telemetry up to here is in the tables: a replay passes over it. */
  flushedSeq: number
  watched: boolean
  type: string | null
  /** Of its type; undefined for nearly all, who may send whatever they like. */
  schema: MetricSchema | undefined
  /** There once it was heard of since the hub began. */
  fresh: DeviceFreshness | undefined
  /** To tell the plain telemetry topic from one that names a metric without reading it. */
  readonly telemetryTopicBytes: number

  // ── since the last flush; the columns are longer than `count`, for reuse ──
  count = 0
  #folded = 0
  // Outside of V8's heap, where the garbage collector would copy and scan them.
  #series = new Uint16Array(columnsAtFirst) // indexes; metricsPerDevice is far below 65,536
  #times = new Float64Array(columnsAtFirst)
  #numbers = new Float64Array(columnsAtFirst)
  /** Values that are not numbers, by place, so that the column above stays one of plain float64. */
  readonly #others = new Map<number, MetricValue>()
  /** Oldest and newest message not yet in the tables. */
  firstSeq = 0
  lastSeq = 0
  sinceMs = 0
  bytes = 0
  touchedMs = 0
  /** When telemetry of it came; 0 while it was not heard since it is in memory. */
  lastSeenMs = 0
  refusal: { readonly atMs: number; readonly topic: string; readonly sentence: string } | undefined

  constructor(number: number, id: DeviceId, flushedSeq: number, watched: boolean, type: string | null = null, schema?: MetricSchema) {
    this.number = number
    this.id = id
    this.flushedSeq = flushedSeq
    this.watched = watched
    this.type = type
    this.schema = schema
    this.telemetryTopicBytes = telemetryTopic(id).length
  }

  addSeries(id: number, metric: string, last?: { readonly lastMs: number; readonly lastValue: MetricValue }): number {
    const index = this.series.length
    const { lastMs, lastValue } = last ?? { lastMs: Number.NEGATIVE_INFINITY, lastValue: null }
    this.series.push({ id, device: this, metric, stored: last !== undefined, lastMs, lastValue, inLine: false, movedSeq: 0 })
    this.#metrics.push(metric)
    this.#indexes.set(metric, index)
    return index
  }

  /** Undefined for a metric it never sent. A device sends its metrics in the same order again and again, hence the guess. */
  indexOf(metric: string, guess: number): number | undefined {
    return this.#metrics[guess] === metric ? guess : this.#indexes.get(metric)
  }

  take(index: number, atMs: number, value: MetricValue): void {
    const at = this.count
    if (at === this.#series.length) this.#resize(at * 2)
    this.#series[at] = index
    this.#times[at] = atMs
    if (typeof value === 'number') this.#numbers[at] = value
    else {
      this.#numbers[at] = 0
      this.#others.set(at, value)
    }
    this.count = at + 1
  }

  /** The points that were read last by `readFlatReading`, of this device. */
  takeFlat(): void {
    const { indexes, times, numbers, kinds, count } = flat
    const start = this.count
    while (start + count > this.#series.length) this.#resize(this.#series.length * 2)
    const [series, ownTimes, ownNumbers] = [this.#series, this.#times, this.#numbers]
    for (let at = 0; at < count; at += 1) {
      series[start + at] = indexes[at]!
      ownTimes[start + at] = times[at]!
      ownNumbers[start + at] = numbers[at]!
      if (kinds[at] !== flatKinds.number) this.#others.set(start + at, kinds[at] === flatKinds.true)
    }
    this.count = start + count
  }

  /** Brings the newest values up to date and tells which series moved. */
  fold(moved?: (series: SeriesState) => void): void {
    for (; this.#folded < this.count; this.#folded += 1) {
      const series = this.series[this.#series[this.#folded]!]!
      const atMs = this.#times[this.#folded]!
      if (atMs < series.lastMs) continue
      series.lastMs = atMs
      series.lastValue = this.#valueAt(this.#folded)
      moved?.(series)
    }
  }

  /** The newest values by metric, as a JSON object; what the hub itself measures is there for those who name it. */
  latest(metrics: ReadonlySet<string> | undefined): string {
    this.fold() // of a watched device all was told when it came
    const wanted = this.series.filter(({ metric }) => (metrics === undefined ? !isOwnMetric(metric) : metrics.has(metric)))
    return `{${wanted.map(newestOf).join()}}`
  }

  /**
   * The unflushed points by series, each series' in the order of time; newest values are up to date then. 0.03 µs a point, because it counts
   * first and then fills. The columns are good until the next call.
   */
  unflushed(): [SeriesState, Columns][] {
    const { count } = this
    const { times, numbers } = roomFor(count)
    const others: MetricValue[] | undefined = this.#others.size === 0 ? undefined : new Array(count)
    const ends = new Uint32Array(this.series.length)
    for (let at = 0; at < count; at += 1) ends[this.#series[at]!]! += 1
    let start = 0
    for (let index = 0; index < ends.length; index += 1) {
      const length = ends[index]!
      ends[index] = start // where its next point goes
      start += length
    }
    for (let at = 0; at < count; at += 1) {
      const place = ends[this.#series[at]!]!++
      times[place] = this.#times[at]!
      numbers[place] = this.#numbers[at]!
      if (others !== undefined) others[place] = this.#valueAt(at)
    }
    const moved: [SeriesState, Columns][] = []
    let end = 0
    for (const [index, series] of this.series.entries()) {
      const from = end
      end = ends[index]!
      if (end === from) continue
      const values = asNumbers(others?.slice(from, end) ?? numbers.subarray(from, end))
      const points = inOrder({ times: times.subarray(from, end), values })
      moved.push([series, points])
      const last = points.times.length - 1
      if (points.times[last]! < series.lastMs) continue
      series.lastMs = points.times[last]!
      series.lastValue = points.values[last]!
    }
    this.#folded = this.count
    return moved
  }

  /** Forgets what is in the tables now. Short columns stay for the next points. */
  flushed(): void {
    this.count = 0
    if (this.#series.length > columnsKept) this.#resize(columnsAtFirst)
    this.#folded = 0
    this.#others.clear()
    this.flushedSeq = this.lastSeq
    this.refusal = undefined
    this.bytes = 0
  }

  #resize(length: number): void {
    const { count } = this
    const [series, times, numbers] = [this.#series, this.#times, this.#numbers]
    this.#series = new Uint16Array(length)
    this.#times = new Float64Array(length)
    this.#numbers = new Float64Array(length)
    this.#series.set(series.subarray(0, count))
    this.#times.set(times.subarray(0, count))
    this.#numbers.set(numbers.subarray(0, count))
  }

  #valueAt(at: number): MetricValue {
    const other = this.#others.get(at)
    return other === undefined ? this.#numbers[at]! : other
  }
}

/** A member of a JSON object: "metric":{"at":Unix ms,"value":…}. Like all answers it says 0 for -0, which JSON.stringify does not know. */
export function newestOf({ metric, lastMs, lastValue }: SeriesState): string {
  return `${JSON.stringify(metric)}:{"at":${lastMs},"value":${JSON.stringify(lastValue)}}`
}

interface Room {
  readonly times: Float64Array
  readonly numbers: Float64Array
}

/** Points by series on their way into rows: the same room again and again, or each flush would call the garbage collector. */
let room: Room = { times: new Float64Array(4096), numbers: new Float64Array(4096) }
/** More is let go of after use; 4 MiB. */
const roomKept = 262_144

function roomFor(count: number): Room {
  if (count <= room.times.length) return room
  const larger = { times: new Float64Array(count), numbers: new Float64Array(count) }
  if (count <= roomKept) room = larger
  return larger
}

/** A series of numbers beside others that have text is a column of numbers all the same. */
function asNumbers(values: Columns['values']): Columns['values'] {
  return values instanceof Float64Array || !values.every((value) => typeof value === 'number') ? values : Float64Array.from(values)
}
