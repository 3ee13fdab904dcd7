// What moved, for the live view: the newest value of each watched series since the last time, told at a bounded pace.
import type { DeviceId } from '../../../devices/device.ts'
import { isOwnMetric } from '../../../devices/telemetry.ts'
import { limits } from '../../limits.ts'
import type { Changes, Watch } from '../store.ts'
import type { DeviceState, SeriesState } from './device-state.ts'

const everyMs = 50

/** A series stands in the line once, however often it moves; its newest value is read when it is told. */
export class ChangeFeed {
  readonly #tell: (changes: Changes) => void
  #all = false
  #devices: ReadonlySet<DeviceId> = new Set()
  #line: SeriesState[] = []
  #toldMs = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  constructor(tell: (changes: Changes) => void) {
    this.#tell = tell
  }

  watch(watch: Watch): void {
    this.#all = 'all' in watch
    this.#devices = new Set('all' in watch ? [] : watch.devices)
    const watched = this.#line.filter((series) => this.watches(series.device.id))
    for (const series of this.#line) series.inLine = false
    for (const series of watched) series.inLine = true
    this.#line = watched
  }

  watches(id: DeviceId): boolean {
    return this.#all || this.#devices.has(id)
  }

  /** Called for series of watched devices only. `seq`: of the message that moved it. */
  moved(series: SeriesState, seq: number): void {
    series.movedSeq = seq
    if (series.inLine || isOwnMetric(series.metric)) return
    series.inLine = true
    this.#line.push(series)
  }

  /** It is deleted. */
  forget(device: DeviceState): void {
    this.#line = this.#line.filter((series) => series.device !== device)
  }

  /** Tells what waits: now, when it was quiet for long enough, else as soon as that is so. */
  offer(): void {
    if (this.#line.length === 0 || this.#timer !== undefined) return
    const waitMs = this.#toldMs + everyMs - performance.now()
    if (waitMs <= 0) this.#tellNow()
    else {
      this.#timer = setTimeout(() => {
        this.#timer = undefined
        this.#tellNow()
      }, waitMs)
    }
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #tellNow(): void {
    if (this.#line.length === 0) return
    this.#toldMs = performance.now()
    const told = this.#line.splice(0, limits.frameChanges)
    for (const series of told) series.inLine = false
    this.#tell({
      devices: told.map((series) => series.device.id),
      metrics: told.map((series) => series.metric),
      times: told.map((series) => series.lastMs),
      values: told.map((series) => series.lastValue),
      seqs: told.map((series) => series.movedSeq),
    })
    this.offer()
  }
}
