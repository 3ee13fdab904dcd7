// What a store has to answer, computed the slow way: a map from time to value for each series, in which the last written wins.
import type { MetricValue } from '../../../devices/device.ts'
import type { Store } from '../../../hub/store/store.ts'
import { reading } from '../kit.ts'

export interface Point {
  readonly atMs: number
  readonly value: MetricValue
}

/** One point, as a device sends it. */
export interface Sent extends Point {
  /** Its number; its id is `pump-` and the number. */
  readonly device: number
  readonly metric: string
}

export interface SeriesName {
  readonly device: string
  readonly metric: string
}

const readingsPerMessage = 1000

export class Model {
  readonly #series = new Map<string, Map<number, MetricValue>>()

  /** By device id, then metric. */
  get series(): SeriesName[] {
    return Array.from(this.#series.keys())
      .sort()
      .map((key) => {
        const [device, metric] = key.split('\n') as [string, string]
        return { device, metric }
      })
  }

  take(all: readonly Sent[]): void {
    for (const { device, metric, atMs, value } of all) {
      const key = `pump-${device}\n${metric}`
      const series = this.#series.get(key) ?? new Map<number, MetricValue>()
      this.#series.set(key, series.set(atMs, value))
    }
  }

  /** In the order of time, both ends included. */
  points({ device, metric }: SeriesName, fromMs = 0, toMs = Number.MAX_SAFE_INTEGER): Point[] {
    return Array.from(this.#series.get(`${device}\n${metric}`) ?? [], ([atMs, value]) => ({ atMs, value }))
      .filter(({ atMs }) => atMs >= fromMs && atMs <= toMs)
      .sort((a, b) => a.atMs - b.atMs)
  }
}

/** Hands points to the store as messages of their devices, in their order. */
export function send(store: Store, all: readonly Sent[]): void {
  for (let start = 0; start < all.length; ) {
    const { device } = all[start]!
    let end = start + 1
    while (end < all.length && end - start < readingsPerMessage && all[end]!.device === device) end += 1
    const readings = all.slice(start, end).map(({ metric, atMs, value }) => {
      return `{"ts":${atMs},"values":{${JSON.stringify(metric)}:${jsonOf(value)}}}`
    })
    reading(store, device, `[${readings.join(',')}]`)
    start = end
  }
}

/** As JSON.stringify, which writes 0 for -0. */
function jsonOf(value: MetricValue): string {
  return Object.is(value, -0) ? '-0' : JSON.stringify(value)
}

/** What is left of a value that went out as JSON. */
export function throughJson(value: MetricValue): MetricValue {
  return JSON.parse(JSON.stringify(value)) as MetricValue
}
