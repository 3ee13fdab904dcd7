// In the writer thread: gathers points per series in memory and writes them to the tables in slices, each a transaction of its own.
//
// Exactly once: a slice writes a device's points, its newest values and its `flushed_seq` together. A crash between slices leaves devices
// at different places in the sequence, and a replay from the oldest of them (`projected_seq`) passes over what each one has.
import type { Database } from 'better-sqlite3'
import type { DeviceId, MetricValue } from '../../../devices/device.ts'
import type { Points } from '../../../devices/telemetry.ts'
import { isOwnMetric } from '../../../devices/telemetry.ts'
import { limits, MiB } from '../../limits.ts'
import type { ChangeFeed } from './changes.ts'
import { type Deletion, prefixOf } from './deletions.ts'
import type { DeviceFreshness } from './device-freshness.ts'
import { DeviceState } from './device-state.ts'
import { flat } from './flat-reading.ts'
import type { FreshnessBook } from './freshness-book.ts'
import { MetricSchemas } from './metric-schemas.ts'
import { SeriesTables } from './series-tables.ts'
import type { JournalTrimmer } from './trimmer.ts'

/**
 * Oldest points in memory before they are written. Reads ask for their device's at once; the journal has them all the while. What a start
 * after a crash has to read again is bounded by the next line.
 */
const flushAfterMs = 60_000
/** Points in memory in all, with what their messages took: longer segments for more memory. */
const gatheredBytesMax = 64 * MiB
const pointBytes = 24
const seriesPerSlice = 500 // with the next line some 10 ms: what a commit may have to wait
const pointsPerSlice = 50_000
const seriesHeldMax = 300_000

export interface RetainedChange {
  readonly topic: string
  readonly seq: number
  readonly atMs: number
  readonly qos: number
  readonly properties: Uint8Array | undefined
  /** Empty: the retained message is deleted. */
  readonly payload: Uint8Array
}

export class SeriesBook {
  readonly #tables: SeriesTables
  readonly #changes: ChangeFeed
  readonly #devices = new Map<number, DeviceState>()
  readonly #byId = new Map<DeviceId, DeviceState>()
  /** Devices with something unflushed; the oldest first, because a flushed one that comes again goes to the end. */
  readonly #dirty = new Set<DeviceState>()
  readonly #retained = new Map<string, RetainedChange>()
  /** Since when something waits to be written, be it only the news of how far the projection is. */
  #sinceMs: number | undefined
  #gatheredBytes = 0
  #seriesHeld = 0
  #gatheredSeq: number
  readonly #settledElsewhere: () => number
  readonly #schemas: MetricSchemas
  /** Undefined while an earlier run's readings are read back. */
  freshness: FreshnessBook | undefined

  /** `settledElsewhere`: up to where the journal is not needed any more by others who gather from it. */
  constructor(
    db: Database,
    trimmer: JournalTrimmer,
    changes: ChangeFeed,
    gatheredSeq: number,
    settledElsewhere: () => number,
    schemas = new MetricSchemas([]),
  ) {
    this.#tables = new SeriesTables(db, trimmer)
    this.#changes = changes
    this.#gatheredSeq = gatheredSeq
    this.#settledElsewhere = settledElsewhere
    this.#schemas = schemas
  }

  get gatheredSeq(): number {
    return this.#gatheredSeq
  }

  /** Everything up to here was gathered. */
  gathered(seq: number): void {
    this.#gatheredSeq = seq
    this.#sinceMs ??= performance.now()
  }

  /** Memory is full and could not be written: gathering more has to wait. */
  get overfull(): boolean {
    return this.#gatheredBytes > gatheredBytesMax * 2
  }

  /** Undefined for a device that is not in memory. */
  deviceHeld(number: number): DeviceState | undefined {
    return this.#devices.get(number)
  }

  /** The same of one whose telemetry is to be checked: where types have schemas, it is brought into memory. */
  deviceToCheck(number: number): DeviceState | undefined {
    return this.#schemas.isEmpty ? this.#devices.get(number) : this.device(number)
  }

  /** The device has another type now. */
  retype(id: DeviceId, type: string | null): void {
    const device = this.#byId.get(id)
    if (device === undefined) return
    device.type = type
    device.schema = this.#schemas.of(type)
    device.fresh?.retype(device.schema)
  }

  /** Types are others than before. */
  retypeAll(): void {
    for (const device of this.#devices.values()) {
      device.schema = this.#schemas.of(device.type)
      device.fresh?.retype(device.schema)
    }
  }

  /** Undefined for a number that is not on record. */
  device(number: number): DeviceState | undefined {
    return this.#devices.get(number) ?? this.#load(number)
  }

  /** Gathers one message's points; false when some were refused because the device has all the metrics it may have. */
  take(device: DeviceState, seq: number, atMs: number, payloadBytes: number, points: Points, start: number, end: number): boolean {
    const countBefore = device.count
    let complete = true
    let numeric = true
    const fresh = this.#freshOf(device)
    const second = this.freshness?.second() ?? 0
    let index: number | undefined
    for (let at = start; at < end; at += 1) {
      const metric = points.metrics[at]!
      const value = points.values[at]!
      index = device.indexOf(metric, index === undefined ? 0 : index + 1) ?? this.#create(device, metric)
      if (index === undefined) {
        complete = false
        continue
      }
      if (typeof value !== 'number') numeric = false
      device.take(index, points.times[at]!, value)
      fresh?.heard(index, second, device)
    }
    // Numbers are copied into the columns; other values are held as the payload brought them.
    this.#touch(device, seq, atMs, (device.count - countBefore) * pointBytes + (numeric ? 0 : payloadBytes))
    if (device.watched) device.fold((series) => this.#changes.moved(series, seq))
    return complete
  }

  /** As `take`, of the points that `readFlatReading` has read. */
  takeFlat(device: DeviceState, seq: number, atMs: number): void {
    const countBefore = device.count
    device.takeFlat()
    const fresh = this.#freshOf(device)
    if (fresh !== undefined) {
      const second = this.freshness!.second()
      for (let at = 0; at < flat.count; at += 1) fresh.heard(flat.indexes[at]!, second, device)
    }
    this.#touch(device, seq, atMs, (device.count - countBefore) * pointBytes)
    if (device.watched) device.fold((series) => this.#changes.moved(series, seq))
  }

  /** A point that the hub makes of the device: it does not count as heard. */
  takeOwn(device: DeviceState, seq: number, atMs: number, metric: string, timeMs: number, value: MetricValue): void {
    const index = device.indexOf(metric, 0) ?? this.#addSeries(device, metric) // beside all that it may send
    device.take(index, timeMs, value)
    const { lastSeenMs } = device
    this.#touch(device, seq, atMs, pointBytes)
    device.lastSeenMs = lastSeenMs
  }

  /** Notes telemetry that could not be read, for the device's page. */
  refuse(device: DeviceState, seq: number, atMs: number, topic: string, sentence: string): void {
    this.#touch(device, seq, atMs, topic.length + sentence.length)
    device.refusal = { atMs, topic, sentence }
  }

  retain(change: RetainedChange): void {
    const before = this.#retained.get(change.topic)
    this.#gatheredBytes += bytesOf(change) - (before === undefined ? 0 : bytesOf(before))
    this.#retained.set(change.topic, change)
  }

  /** The device is deleted: nothing that waits of it is written. */
  forget({ device: number, id, lastSeq }: Deletion): void {
    const device = this.#devices.get(number)
    if (device !== undefined) {
      this.#devices.delete(number)
      this.#byId.delete(id)
      this.#seriesHeld -= device.series.length + 1
      if (this.#dirty.delete(device)) this.#gatheredBytes -= device.bytes
      this.#changes.forget(device)
    }
    this.freshness?.forget(id)
    const prefix = prefixOf(id)
    for (const change of this.#retained.values()) {
      if (change.seq > lastSeq || !change.topic.startsWith(prefix)) continue
      this.#retained.delete(change.topic)
      this.#gatheredBytes -= bytesOf(change)
    }
  }

  /** Recomputes who is watched after `ChangeFeed.watch`. */
  rewatch(): void {
    for (const device of this.#devices.values()) {
      device.watched = this.#changes.watches(device.id)
      if (device.watched) device.fold()
    }
  }

  /** How long until something is due to be written; undefined when nothing waits. */
  get dueInMs(): number | undefined {
    if (this.#sinceMs === undefined) return undefined
    return this.#gatheredBytes > gatheredBytesMax ? 0 : Math.max(0, this.#sinceMs + flushAfterMs - performance.now())
  }

  /** Writes the next slice of what was gathered, the oldest devices first. */
  flushSlice(): void {
    const slice: DeviceState[] = []
    let series = 0
    let points = 0
    for (const device of this.#dirty) {
      slice.push(device)
      series += Math.min(device.count, device.series.length)
      points += device.count
      if (series >= seriesPerSlice || points >= pointsPerSlice) break
    }
    this.#flush(slice)
  }

  flushDevices(ids: readonly DeviceId[]): void {
    const slice: DeviceState[] = []
    for (const id of ids) {
      const device = this.#byId.get(id)
      if (device !== undefined && this.#dirty.has(device)) slice.push(device)
    }
    if (slice.length > 0) this.#flush(slice)
  }

  /** Something that came up to here is not in the tables yet. */
  hasUnflushed(seq: number): boolean {
    const [oldest] = this.#dirty
    return oldest !== undefined && oldest.firstSeq <= seq
  }

  /** A device with something in memory that the tables do not have. */
  deviceAhead(number: number): DeviceState | undefined {
    const device = this.#devices.get(number)
    return device !== undefined && this.#dirty.has(device) ? device : undefined
  }

  flushAll(): void {
    do this.flushSlice()
    while (this.#dirty.size > 0)
  }

  /** Has something to write, be it only how far the journal may be trimmed. */
  flushNothing(): void {
    this.#flush([])
  }

  /** In memory nothing is forgotten before the transaction is through. */
  #flush(slice: readonly DeviceState[]): void {
    const flushed = new Set(slice)
    let projectedSeq = Math.min(this.#gatheredSeq, this.#settledElsewhere())
    for (const device of this.#dirty) {
      if (flushed.has(device)) continue
      projectedSeq = Math.min(projectedSeq, device.firstSeq - 1)
      break
    }
    this.#tables.write(slice, this.#retained.values(), projectedSeq)
    for (const device of slice) {
      this.#gatheredBytes -= device.bytes
      device.flushed()
      this.#dirty.delete(device)
    }
    for (const change of this.#retained.values()) this.#gatheredBytes -= bytesOf(change)
    this.#retained.clear()
    const [oldest] = this.#dirty
    this.#sinceMs = oldest?.sinceMs
    if (this.#seriesHeld > seriesHeldMax) this.#forgetClean()
  }

  #freshOf(device: DeviceState): DeviceFreshness | undefined {
    if (device.fresh === undefined) device.fresh = this.freshness?.attach(device)
    return device.fresh
  }

  #touch(device: DeviceState, seq: number, atMs: number, bytes: number): void {
    if (!this.#dirty.has(device)) {
      this.#dirty.add(device)
      device.firstSeq = seq
      device.sinceMs = performance.now()
    }
    device.lastSeq = seq
    device.touchedMs = atMs
    device.lastSeenMs = atMs
    device.bytes += bytes
    this.#gatheredBytes += bytes
  }

  #load(number: number): DeviceState | undefined {
    const device = this.#tables.loadDevice(
      number,
      ({ id, flushedSeq, type }) => new DeviceState(number, id, flushedSeq, this.#changes.watches(id), type, this.#schemas.of(type)),
    )
    if (device === undefined) return undefined
    this.#devices.set(number, device)
    this.#byId.set(device.id, device)
    this.#seriesHeld += device.series.length + 1
    return device
  }

  #create(device: DeviceState, metric: string): number | undefined {
    return hasRoom(device) ? this.#addSeries(device, metric) : undefined
  }

  #addSeries(device: DeviceState, metric: string): number {
    this.#seriesHeld += 1
    return device.addSeries(this.#tables.newSeriesId(), metric)
  }

  /** Most of a large fleet may be silent for long; whoever speaks again is loaded again. */
  #forgetClean(): void {
    for (const device of this.#devices.values()) {
      if (this.#dirty.has(device)) continue
      this.#devices.delete(device.number)
      this.#byId.delete(device.id)
      this.#seriesHeld -= device.series.length + 1
    }
  }
}

function bytesOf({ topic, payload }: RetainedChange): number {
  return topic.length + payload.length
}

/** What the hub itself measures of the device is not counted. */
function hasRoom({ series }: DeviceState): boolean {
  if (series.length < limits.metricsPerDevice) return true
  return series.filter(({ metric }) => !isOwnMetric(metric)).length < limits.metricsPerDevice
}
