// In a query thread: points of several series in the order of time, a page at a time.
import type { MetricValue } from '../../../../devices/device.ts'
import { Refusal } from '../../../errors.ts'
import { limits } from '../../../limits.ts'
import type { Columns } from '../../series/columns.ts'
import type { PointColumns, PointsPage, PointsQuery } from '../../telemetry.ts'
import type { PartitionRow } from '../catalogue.ts'
import type { Budget } from './budget.ts'
import { Coarse } from './coarse.ts'
import { planOf } from './plan.ts'
import { noPoints, type PointsReader } from './points-reader.ts'
import { byDevice, type SelectedSeries } from './selections.ts'

/** A time, a number and what parts them, as JSON. */
const pointBytes = 40

/** The points of one series in the asked direction, one after the other. */
class Walk {
  readonly selected: SelectedSeries
  readonly #parts: Iterator<Columns>
  readonly #step: 1 | -1
  #part: Columns | undefined
  #at = 0

  constructor(selected: SelectedSeries, parts: Iterator<Columns>, descending: boolean) {
    this.selected = selected
    this.#parts = parts
    this.#step = descending ? -1 : 1
    this.#load()
  }

  get ended(): boolean {
    return this.#part === undefined
  }

  get atMs(): number {
    return this.#part!.times[this.#at]!
  }

  get value(): MetricValue {
    return this.#part!.values[this.#at]!
  }

  next(): void {
    this.#at += this.#step
    if (this.#at < 0 || this.#at >= this.#part!.times.length) this.#load()
  }

  #load(): void {
    const { value, done } = this.#parts.next()
    this.#part = done ? undefined : value
    this.#at = this.#step === 1 ? 0 : (this.#part?.times.length ?? 0) - 1
  }
}

export function pointsPage(
  reader: PointsReader,
  catalogue: readonly PartitionRow[],
  selected: readonly SelectedSeries[],
  query: PointsQuery,
  budget: Budget,
): PointsPage {
  const descending = query.order === 'desc'
  const cursor = cursorOf(query.cursor)
  const fromMs = descending || cursor === undefined ? query.fromMs : Math.max(query.fromMs, cursor.atMs)
  const toMs = !descending || cursor === undefined ? query.toMs : Math.min(query.toMs, cursor.atMs)
  const line = new Line(descending)
  const coarse = new Coarse(reader, 'raw', budget)
  for (const [number, ofDevice] of byDevice(selected)) {
    const heads = reader.headsOf(number, new Set(ofDevice.map(({ series }) => series)), budget)
    for (const one of ofDevice) {
      const walk = new Walk(one, reader.parts(one.series, heads, fromMs, toMs, budget, { descending }), descending)
      // Of the cursor's moment the series up to its own have been told.
      if (!walk.ended && cursor !== undefined && walk.atMs === cursor.atMs && !line.isBehind(one.series, cursor.series)) walk.next()
      line.add(walk)
      for (const piece of planOf(reader, catalogue, one.series, heads.get(one.series) ?? noPoints, query.fromMs, query.toMs + 1, 'raw')) {
        coarse.note(piece, one.series)
      }
    }
  }

  const page = { devices: [] as string[], metrics: [] as string[], times: [] as number[], values: [] as MetricValue[] }
  let last: { atMs: number; series: number } | undefined
  let bytes = 0
  while (page.times.length < query.limit && bytes < limits.answerBytes) {
    const walk = line.first()
    if (walk === undefined) break
    const { device, metric, series } = walk.selected
    page.devices.push(device)
    page.metrics.push(metric)
    page.times.push(walk.atMs)
    page.values.push(walk.value)
    bytes += pointBytes + device.length + metric.length
    if (typeof walk.value === 'object' || typeof walk.value === 'string') bytes += JSON.stringify(walk.value).length
    last = { atMs: walk.atMs, series }
    walk.next()
    line.moved()
  }
  const next = line.first() === undefined || last === undefined ? undefined : `${last.atMs}~${last.series}`
  const json = new TextEncoder().encode(JSON.stringify(page satisfies PointColumns))
  return { json, count: page.times.length, next, coarse: [...coarse.spans(), ...budget.damaged] }
}

/** Walks in the order of their next point, of one moment by the number of their series: a heap. */
class Line {
  readonly #descending: boolean
  readonly #walks: Walk[] = []

  constructor(descending: boolean) {
    this.#descending = descending
  }

  add(walk: Walk): void {
    if (walk.ended) return
    this.#walks.push(walk)
    for (let at = this.#walks.length - 1; at > 0; ) {
      const parent = (at - 1) >> 1
      if (!this.#isBefore(at, parent)) return
      this.#swap(at, parent)
      at = parent
    }
  }

  first(): Walk | undefined {
    return this.#walks[0]
  }

  /** The first one went on to its next point. */
  moved(): void {
    if (this.#walks[0]!.ended) {
      const last = this.#walks.pop()!
      if (this.#walks.length === 0) return
      this.#walks[0] = last
    }
    for (let at = 0; ; ) {
      const left = at * 2 + 1
      if (left >= this.#walks.length) return
      const child = left + 1 < this.#walks.length && this.#isBefore(left + 1, left) ? left + 1 : left
      if (!this.#isBefore(child, at)) return
      this.#swap(child, at)
      at = child
    }
  }

  /** Whether the first series comes after the second one where both have a point of the same moment. */
  isBehind(series: number, other: number): boolean {
    return this.#descending ? series < other : series > other
  }

  #isBefore(place: number, other: number): boolean {
    const [a, b] = [this.#walks[place]!, this.#walks[other]!]
    if (a.atMs !== b.atMs) return this.#descending ? a.atMs > b.atMs : a.atMs < b.atMs
    return this.isBehind(b.selected.series, a.selected.series)
  }

  #swap(place: number, other: number): void {
    const walk = this.#walks[place]!
    this.#walks[place] = this.#walks[other]!
    this.#walks[other] = walk
  }
}

function cursorOf(text: string | undefined): { readonly atMs: number; readonly series: number } | undefined {
  if (text === undefined) return undefined
  const [, atMs, series] = /^(-?\d[\d.e+-]{0,30})~(\d{1,15})$/.exec(text) ?? []
  if (atMs === undefined || Number.isNaN(Number(atMs)))
    throw new Refusal('request-invalid', { detail: 'cursor is not one that an earlier page gave' })
  return { atMs: Number(atMs), series: Number(series) }
}
