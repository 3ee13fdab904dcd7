// The charts of one device: history first, then live, with no gap and no jump between them.
//
// Live changes are kept aside from before the question is asked until its answer is here; then both become one column, in
// which points of the same time are the same point. A little later the newest seconds are read once more: the hub writes its
// series after the commit, so the first answer may lack points that had gone by live before the watch began.
import { signal } from '@preact/signals'
import type { MetricValue } from '../../devices/device.ts'
import { loadTelemetry, type Problem, type Telemetry } from './api.ts'
import { Columns } from './columns.ts'

export interface Series {
  readonly metric: string
  readonly columns: Columns
  /** Points the range holds at the hub, when it sent fewer; otherwise null. */
  readonly thinnedFrom: number | null
}

interface Change {
  readonly metric: string
  readonly time: number
  readonly value: MetricValue
}

const readAgainAfterMs = 1_500
const readAgainFromMs = 10_000
/** Live points come faster than a chart has pixels: past this many the history is read again, thinned. */
const pointsMax = 8_000
const overflowEveryMs = 30_000

export class History {
  /** In the order asked for; a new value when a reading of the history is done. */
  readonly series = signal<readonly Series[] | null>(null)
  readonly problem = signal<Problem | null>(null)
  readonly #deviceId: string
  readonly #onOverflow: () => void
  #byMetric = new Map<string, Series>()
  #aside: Change[] | null = null
  #overflowMs = 0

  constructor(deviceId: string, onOverflow: () => void) {
    this.#deviceId = deviceId
    this.#onOverflow = onOverflow
  }

  /** Have the device watched before calling this. */
  async load(ask: { metrics: readonly string[]; fromMs: number; points: number }, abort: AbortSignal): Promise<void> {
    if (ask.metrics.length === 0) {
      this.#replace([], [])
      return
    }
    const aside: Change[] = []
    this.#aside = aside
    try {
      const { series } = await loadTelemetry(this.#deviceId, ask, abort)
      this.#replace(ask.metrics, series)
    } finally {
      if (this.#aside === aside) this.#aside = null // unless a newer reading has begun
    }
  }

  /** Call once `load` is done: fills what the first answer could not have yet. */
  async readAgain(ask: { metrics: readonly string[]; points: number }, abort: AbortSignal): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, readAgainAfterMs))
    abort.throwIfAborted()
    const newest = Math.max(...[...this.#byMetric.values()].map(({ columns }) => columns.lastTime))
    if (!Number.isFinite(newest)) return
    const answer = await loadTelemetry(this.#deviceId, { ...ask, fromMs: newest - readAgainFromMs }, abort)
    for (const { metric, times, values } of answer.series) {
      for (const [i, time] of times.entries()) this.#insert(metric, time, values[i]!)
    }
  }

  /** A live value of this device. Returns whether a chart changed. */
  onChange(metric: string, time: number, value: MetricValue): boolean {
    this.#aside?.push({ metric, time, value })
    return this.#insert(metric, time, value)
  }

  #replace(metrics: readonly string[], answered: Telemetry['series']): void {
    const aside = this.#aside ?? []
    this.#aside = null
    // A metric that was silent in this range has its chart too: its next point comes live.
    const series = metrics.map((metric) => toSeries(answered.find((one) => one.metric === metric) ?? nothing(metric)))
    this.#byMetric = new Map(series.map((one) => [one.metric, one]))
    for (const { metric, time, value } of aside) this.#insert(metric, time, value)
    this.series.value = series
    this.problem.value = null
  }

  #insert(metric: string, time: number, value: MetricValue): boolean {
    const columns = this.#byMetric.get(metric)?.columns
    const drawn = toNumber(value)
    if (columns === undefined || drawn === null) return false
    columns.insert(time, drawn)
    if (columns.length > pointsMax) this.#overflow()
    return true
  }

  #overflow(): void {
    if (this.#aside !== null || Date.now() - this.#overflowMs < overflowEveryMs) return
    this.#overflowMs = Date.now()
    this.#onOverflow()
  }
}

/** Texts and structures have no place on an axis. */
export function toNumber(value: MetricValue): number | null {
  if (typeof value === 'boolean') return value ? 1 : 0
  return typeof value === 'number' ? value : null
}

function toSeries({ metric, times, values, count, thinned }: Telemetry['series'][number]): Series {
  const columns = new Columns()
  for (const [i, time] of times.entries()) {
    const drawn = toNumber(values[i]!)
    if (drawn !== null) columns.insert(time, drawn)
  }
  return { metric, columns, thinnedFrom: thinned ? count : null }
}

function nothing(metric: string): Telemetry['series'][number] {
  return { metric, times: [], values: [], count: 0, thinned: false }
}
