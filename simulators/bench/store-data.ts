// What is written into every store of a run: the same points in the same order, made anew for each from the seed.
import { Random } from '../random.ts'
import { type Kind, type KindName, kinds, type Signal } from './store-kinds.ts'

/** Readings of one device, one after the other in time: what one request or a part of one batch carries. */
export interface Slice {
  /** Index into `Dataset.devices`. */
  readonly device: number
  /** Unix ms, ascending, whole. */
  readonly times: Float64Array
  /** One column per metric, as long as `times`. */
  readonly columns: readonly Float64Array[]
}

export interface Dataset {
  readonly name: KindName
  readonly kind: Kind
  readonly devices: readonly string[]
  readonly points: number
  readonly readingsPerDevice: number
  /** No point is older. */
  readonly startMs: number
  slices(): Generator<Slice>
}

/** Flat points, in the order in which a table without devices gets them. */
export interface FlatBatch {
  /** `device * metrics + metric`, see `seriesOf`. */
  readonly series: Int32Array
  readonly times: Float64Array
  readonly values: Float64Array
}

const readingsPerSlice = 500

/**
 * `points` are rounded to whole readings of all devices; a kind that says itself how many it has gets those, or with `isQuick` the fewer of
 * both. Points end shortly before `endMs`; where the gaps are random they are laid out
 * as if each were the longest, so that none lies in the future.
 */
export function datasetOf(name: KindName, points: number, endMs: number, seed: number, isQuick: boolean): Dataset {
  const kind: Kind = kinds[name]
  const seriesCount = kind.devices * kind.metrics.length
  const wanted = isQuick ? Math.min(points, kind.points ?? points) : (kind.points ?? points)
  const readingsPerDevice = Math.max(1, Math.round(wanted / seriesCount))
  const startMs = endMs - readingsPerDevice * kind.gapMs[1]
  const devices = Array.from({ length: kind.devices }, (_, at) => `${name}-${String(at).padStart(4, '0')}`)
  return {
    ...{ name, kind, devices, readingsPerDevice, startMs, points: readingsPerDevice * seriesCount },
    slices: () => slicesOf(kind, devices, readingsPerDevice, startMs, seed),
  }
}

export function seriesOf({ kind }: Dataset, device: number, metric: number): number {
  return device * kind.metrics.length + metric
}

export function seriesCountOf({ kind }: Dataset): number {
  return kind.devices * kind.metrics.length
}

/** The slices as batches of at most `size` points, in the order in which they were read: all metrics of a reading together. */
export function* flatBatches(dataset: Dataset, size: number): Generator<FlatBatch> {
  let batch = emptyBatch(size)
  let count = 0
  for (const { device, times, columns } of dataset.slices()) {
    for (let at = 0; at < times.length; at++) {
      for (let metric = 0; metric < columns.length; metric++) {
        batch.series[count] = seriesOf(dataset, device, metric)
        batch.times[count] = times[at]!
        batch.values[count] = columns[metric]![at]!
        count++
        if (count < size) continue
        yield batch
        batch = emptyBatch(size)
        count = 0
      }
    }
  }
  if (count > 0) {
    yield { series: batch.series.slice(0, count), times: batch.times.slice(0, count), values: batch.values.slice(0, count) }
  }
}

function emptyBatch(size: number): FlatBatch {
  return { series: new Int32Array(size), times: new Float64Array(size), values: new Float64Array(size) }
}

/** All devices take turns, a slice each, as the readings of a fleet come in. */
function* slicesOf(kind: Kind, devices: readonly string[], readings: number, startMs: number, seed: number): Generator<Slice> {
  const lives = devices.map((id) => new Life(kind, startMs, seed, id))
  for (let done = 0; done < readings; done += readingsPerSlice) {
    const count = Math.min(readingsPerSlice, readings - done)
    for (const [device, life] of lives.entries()) yield { device, ...life.next(count) }
  }
}

/** One device on its way through time. */
class Life {
  readonly #kind: Kind
  readonly #random: Random
  readonly #signals: readonly Signal[]
  /** When the next reading is due, jitter aside. */
  #dueMs: number

  constructor(kind: Kind, startMs: number, seed: number, id: string) {
    this.#kind = kind
    this.#dueMs = startMs
    const random = Random.of(seed, id)
    this.#random = random
    this.#signals = kind.metrics.map(({ start }) => start(random))
  }

  next(count: number): { times: Float64Array; columns: Float64Array[] } {
    const { jitterMs, gapMs } = this.#kind
    const [least, most] = gapMs
    const times = new Float64Array(count)
    const columns = this.#signals.map(() => new Float64Array(count))
    for (let at = 0; at < count; at++) {
      times[at] = this.#dueMs + Math.floor(this.#random.next() * (jitterMs + 1))
      const gap = least === most ? least : Math.round(this.#random.between(least, most))
      for (let metric = 0; metric < columns.length; metric++) columns[metric]![at] = this.#signals[metric]!(this.#random, gap / 1000)
      this.#dueMs += gap
    }
    return { times, columns }
  }
}
