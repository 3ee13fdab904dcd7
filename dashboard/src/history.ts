// The charts of one device: history first, then live, with no gap and no jump between them.
//
// Live changes are kept aside from before the question is asked until its answer is here; then both become one column, in
// which points of the same time are the same point. A little later the newest seconds are read once more: the hub writes its
// series after the commit, so the first answer may lack points that had gone by live before the watch began.
//
// What is shown stays until the next answer is here. A range that does not end now takes no live values.
import { signal } from '@preact/signals'
import type { MetricValue } from '../../devices/device.ts'
import { type CoarseSpan, loadTelemetry, type Problem, type Telemetry, type Tier } from './api.ts'
import { Columns } from './columns.ts'

export interface Series {
  readonly metric: string
  readonly columns: Columns
  /** Points the range holds at the hub, when it sent fewer; otherwise null. */
  readonly thinnedFrom: number | null
  /** The finest and the coarsest the hub made it from. */
  readonly tiers: readonly Tier[]
  /** Where only coarser data is left than the pixels could show; neighbours are one. */
  readonly coarse: readonly CoarseSpan[]
  /** How long the stretches around a moment are of which the hub sent the lowest and the highest; 0: it sent all points. */
  readonly columnMs: (atMs: number) => number
  /** Live values join, and what is older than this leaves; null for a range that stands still. */
  readonly liveMs: number | null
}

export interface Ask {
  readonly metrics: readonly string[]
  readonly fromMs: number
  readonly toMs: number
  /** Whether the range ends now. */
  readonly live: boolean
  readonly points: number
}

interface Change {
  readonly metric: string
  readonly time: number
  readonly value: MetricValue
}

const tierMs = { raw: 0, minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const
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
  async load(ask: Ask, abort: AbortSignal): Promise<void> {
    if (ask.metrics.length === 0) {
      this.#replace(ask, [])
      return
    }
    const aside: Change[] = []
    this.#aside = aside
    try {
      const { series } = await loadTelemetry(this.#deviceId, ask, abort)
      this.#replace(ask, series)
    } finally {
      if (this.#aside === aside) this.#aside = null // unless a newer reading has begun
    }
  }

  /** Call once `load` of a live range is done: fills what the first answer could not have yet. */
  async readAgain(ask: Ask, abort: AbortSignal): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, readAgainAfterMs))
    abort.throwIfAborted()
    const newest = Math.max(...[...this.#byMetric.values()].map(({ columns }) => columns.lastTime))
    if (!Number.isFinite(newest)) return
    const fromMs = Math.max(newest - readAgainFromMs, ask.fromMs)
    const answer = await loadTelemetry(this.#deviceId, { ...ask, fromMs }, abort)
    for (const { metric, times, values } of answer.series) {
      for (const [i, time] of times.entries()) this.#insert(metric, time, values[i]!)
    }
  }

  /** A live value of this device. Returns whether a chart changed. */
  onChange(metric: string, time: number, value: MetricValue): boolean {
    this.#aside?.push({ metric, time, value })
    return this.#insert(metric, time, value)
  }

  #replace(ask: Ask, answered: Telemetry['series']): void {
    const aside = this.#aside ?? []
    this.#aside = null
    // A metric that was silent in this range has its chart too: its next point comes live.
    const series = ask.metrics.map((metric) => toSeries(answered.find((one) => one.metric === metric) ?? nothing(metric), ask))
    this.#byMetric = new Map(series.map((one) => [one.metric, one]))
    for (const { metric, time, value } of aside) this.#insert(metric, time, value)
    this.series.value = series
    this.problem.value = null
  }

  #insert(metric: string, time: number, value: MetricValue): boolean {
    const series = this.#byMetric.get(metric)
    const drawn = toNumber(value)
    if (series === undefined || series.liveMs === null || drawn === null) return false
    series.columns.insert(time, drawn)
    if (series.columns.length > pointsMax) this.#overflow()
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

export function toSeries({ metric, times, values, count, thinned, tiers, coarse }: Telemetry['series'][number], ask: Ask): Series {
  const columns = new Columns()
  for (const [i, time] of times.entries()) {
    const drawn = toNumber(values[i]!)
    if (drawn !== null) columns.insert(time, drawn)
  }
  const spans = neighboursJoined(coarse)
  // The hub divides what lies between the first and the last point into equal stretches, two points for each.
  const stretchMs = thinned && times.length > 2 ? (times.at(-1)! - times[0]!) / Math.max(1, Math.floor((ask.points - 2) / 2)) : 0
  const leastMs = Math.max(stretchMs, tierMs[tiers.find((tier) => tier !== 'raw') ?? 'raw'])
  const columnMs = (atMs: number) => {
    const span = spans.find(({ from, to }) => atMs >= from && atMs < to)
    return Math.max(leastMs, tierMs[span?.tier ?? 'raw'])
  }
  return {
    metric,
    columns,
    thinnedFrom: thinned ? count : null,
    tiers,
    coarse: spans,
    columnMs,
    liveMs: ask.live ? ask.toMs - ask.fromMs : null,
  }
}

/** The hub tells each of its partitions. */
function neighboursJoined(spans: readonly CoarseSpan[]): CoarseSpan[] {
  const joined: CoarseSpan[] = []
  for (const span of [...spans].sort((a, b) => a.from - b.from)) {
    const last = joined.at(-1)
    if (last !== undefined && last.tier === span.tier && span.from <= last.to) joined[joined.length - 1] = { ...last, to: span.to }
    else joined.push(span)
  }
  return joined
}

function nothing(metric: string): Telemetry['series'][number] {
  return { metric, times: [], values: [], count: 0, thinned: false, tiers: [], coarse: [] }
}
