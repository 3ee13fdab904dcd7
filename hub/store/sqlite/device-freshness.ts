// In the writer thread: when each metric of one device came, how often it comes, and whether it should have come again by now.
//
// What is learned is the longest pause of late, not the mean: a device that sends a hundred readings every ten minutes is not late after one.
// A pause that made a metric stale is not learned from; what comes behind it is learned anew.
import type { DeviceId } from '../../../devices/device.ts'
import type { MetricSchema } from '../../../devices/device-type.ts'
import { isOwnMetric } from '../../../devices/telemetry.ts'
import type { Timed, Wheel } from '../../wheel.ts'
import type { FreshnessNews, MetricFreshness } from '../freshness.ts'
import type { DeviceState } from './device-state.ts'

/** A metric is stale after so many times what it should come within: two may be lost on the way. */
const patience = 3
/** … and not before, where that is learned: a metric that comes each second pauses now and then. */
const learnedSecondsMin = 30
/** How long it is listened to at least before its pauses are trusted, and how often it came by then. */
const learningSeconds = 60
const learningArrivals = 8
/** Pauses are the longest of so many arrivals, and of as many before these. */
const windowArrivals = 32

/** Columns of a metric in `#learned`. */
const column = { longest: 0, longestBefore: 1, arrivals: 2, every: 3, staleSecond: 4, trusted: 5 } as const
const columns = 6
const metricsAtFirst = 8

/** What a device asks of those who keep all of them. Seconds are of their clock. */
export interface FreshnessKeeper {
  readonly wheel: Wheel
  /** Readings lie in the journal that are not looked at yet: nobody can say who is silent. */
  readonly isBehind: boolean
  second(): number
  /** Unix ms. */
  timeOf(second: number): number
  tell(news: FreshnessNews): void
  staleChanged(device: DeviceFreshness): void
}

export class DeviceFreshness implements Timed {
  readonly id: DeviceId
  readonly #keeper: FreshnessKeeper
  /** By the index of the series in the memory of the device. */
  #metrics: string[] = []
  /** The second in which it came last; 0 for never. Alone, because it is looked at for every point. */
  #heard = new Uint32Array(metricsAtFirst)
  #learned = new Float64Array(metricsAtFirst * columns)
  staleCount = 0
  dueTick = 0

  constructor(id: DeviceId, keeper: FreshnessKeeper) {
    this.id = id
    this.#keeper = keeper
  }

  /** The device is in memory, perhaps once more, and its series in another order. */
  attach({ series, schema }: DeviceState): void {
    const [metrics, heard, learned] = [this.#metrics, this.#heard, this.#learned]
    this.#metrics = []
    this.#heard = new Uint32Array(Math.max(series.length, metricsAtFirst))
    this.#learned = new Float64Array(this.#heard.length * columns)
    for (const [index, { metric }] of series.entries()) {
      const from = metrics.indexOf(metric)
      if (from === -1) continue
      this.#metrics[index] = metric
      this.#heard[index] = heard[from]!
      this.#learned.set(learned.subarray(from * columns, (from + 1) * columns), index * columns)
    }
    this.retype(schema)
  }

  /** Its type says something else. */
  retype(schema: MetricSchema | undefined): void {
    for (const [index, metric] of this.#metrics.entries()) {
      if (metric === undefined) continue
      this.#learned[index * columns + column.every] = schema?.rules.get(metric)?.every ?? 0
    }
    if (this.dueTick !== 0) this.#armIn(1)
  }

  /** A point of the series at this index came. Costs a nanosecond or two but in the first of a second. */
  heard(index: number, second: number, device: DeviceState): void {
    if (this.#heard[index] !== second) this.#heardAnew(index, second, device)
  }

  #heardAnew(index: number, second: number, device: DeviceState): void {
    if (index >= this.#heard.length) this.#grow(index + 1)
    const at = index * columns
    const learned = this.#learned
    const beforeSecond = this.#heard[index]!
    this.#heard[index] = second
    if (this.#metrics[index] === undefined) {
      const { metric } = device.series[index]!
      this.#metrics[index] = metric
      learned[at + column.every] = device.schema?.rules.get(metric)?.every ?? 0
    }
    if (learned[at + column.staleSecond]! > 0) this.#isFresh(index, second)
    else if (beforeSecond > 0) learned[at + column.longest] = Math.max(learned[at + column.longest]!, second - beforeSecond)
    learned[at + column.arrivals]! += 1
    const every = learned[at + column.every]!
    if (every > 0 || this.dueTick === 0) this.#armIn(every > 0 ? every * patience : learningSeconds)
  }

  #isFresh(index: number, second: number): void {
    const every = this.#everyOf(index)
    this.#learned.fill(0, index * columns, index * columns + column.every)
    this.#learned[index * columns + column.staleSecond] = 0
    this.#learned[index * columns + column.trusted] = 0
    this.staleCount -= 1
    this.#keeper.staleChanged(this)
    const metric = { lastAt: this.#keeper.timeOf(second), every }
    this.#keeper.tell({ device: this.id, is: 'fresh', metrics: { [this.#metrics[index]!]: metric } })
  }

  /** Moves its deadline there, unless one comes before. */
  #armIn(seconds: number): void {
    const { wheel } = this.#keeper
    if (this.dueTick === 0 || this.dueTick > wheel.tick + seconds + 1) wheel.arm(this, seconds)
  }

  /** Points only note when they came, so the deadlines move here. What falls silent together is told together. */
  onDue(): void {
    const { isBehind } = this.#keeper
    const second = this.#keeper.second()
    const silent: Record<string, Pick<MetricFreshness, 'lastAt' | 'every'>> = {}
    let nextSeconds = isBehind ? learnedSecondsMin : Number.POSITIVE_INFINITY
    for (const [index, metric] of this.#metrics.entries()) {
      if (isBehind || metric === undefined || this.#heard[index] === 0 || isOwnMetric(metric)) continue
      if (this.#learned[index * columns + column.staleSecond]! > 0) continue
      const leftSeconds = this.#leftOf(index, second)
      if (leftSeconds > 0) nextSeconds = Math.min(nextSeconds, leftSeconds)
      else {
        silent[metric] = { lastAt: this.#keeper.timeOf(this.#heard[index]!), every: this.#everyOf(index) }
        this.#learned[index * columns + column.staleSecond] = second
        this.staleCount += 1
      }
    }
    if (Number.isFinite(nextSeconds)) this.#armIn(nextSeconds)
    if (Object.keys(silent).length === 0) return
    this.#keeper.staleChanged(this)
    this.#keeper.tell({ device: this.id, is: 'stale', metrics: silent })
  }

  /** Seconds until it has to be looked at again; 0 or less when it is stale. */
  #leftOf(index: number, second: number): number {
    const at = index * columns
    const learned = this.#learned
    const silentSeconds = second - this.#heard[index]!
    const every = learned[at + column.every]!
    if (every > 0) return Math.ceil(every * patience) - silentSeconds
    const pause = Math.max(learned[at + column.longest]!, learned[at + column.longestBefore]!)
    const allowedSeconds = Math.max(learnedSecondsMin, pause * patience)
    if (learned[at + column.trusted] === 0) {
      if (silentSeconds >= allowedSeconds)
        learned.fill(0, at, at + column.every) // it was a burst
      else if (learned[at + column.arrivals]! >= learningArrivals) learned[at + column.trusted] = 1
      else return learningSeconds
      return learned[at + column.trusted] === 0 ? learningSeconds : allowedSeconds - silentSeconds
    }
    if (learned[at + column.arrivals]! >= windowArrivals) {
      learned[at + column.longestBefore] = learned[at + column.longest]!
      learned[at + column.longest] = 0
      learned[at + column.arrivals] = 0
    }
    return allowedSeconds - silentSeconds
  }

  #everyOf(index: number): number | null {
    const at = index * columns
    const every = this.#learned[at + column.every]!
    if (every > 0) return every
    if (this.#learned[at + column.trusted] === 0) return null
    return Math.max(this.#learned[at + column.longest]!, this.#learned[at + column.longestBefore]!)
  }

  figures(): { [metric: string]: MetricFreshness } {
    const { timeOf } = this.#keeper
    const figures: { [metric: string]: MetricFreshness } = {}
    for (const [index, metric] of this.#metrics.entries()) {
      if (metric === undefined || this.#heard[index] === 0 || isOwnMetric(metric)) continue
      const staleSecond = this.#learned[index * columns + column.staleSecond]!
      figures[metric] = {
        lastAt: timeOf(this.#heard[index]!),
        every: this.#everyOf(index),
        staleAt: staleSecond === 0 ? null : timeOf(staleSecond),
        isStale: staleSecond > 0,
      }
    }
    return figures
  }

  #grow(count: number): void {
    const heard = new Uint32Array(count * 2)
    const learned = new Float64Array(count * 2 * columns)
    heard.set(this.#heard)
    learned.set(this.#learned)
    this.#heard = heard
    this.#learned = learned
  }
}
