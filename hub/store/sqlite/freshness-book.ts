// In the writer thread: the freshness of all devices that were heard of since the hub began. It outlives what is held of their points, because
// the silent ones are let go of first there.
import type { DeviceId } from '../../../devices/device.ts'
import type { Clock } from '../../clock.ts'
import { limits } from '../../limits.ts'
import { Wheel } from '../../wheel.ts'
import type { FreshnessNews, MetricFreshness } from '../freshness.ts'
import { DeviceFreshness, type FreshnessKeeper } from './device-freshness.ts'
import type { DeviceState } from './device-state.ts'

export class FreshnessBook implements FreshnessKeeper {
  readonly wheel: Wheel
  /** Unix ms, when the wheel began to turn. */
  readonly #startMs: number
  readonly #isBehind: () => boolean
  readonly #tell: (news: readonly FreshnessNews[]) => void
  readonly #devices = new Map<DeviceId, DeviceFreshness>()
  readonly #stale = new Set<DeviceFreshness>()
  #news: FreshnessNews[] = []
  #telling: NodeJS.Immediate | undefined

  constructor(clock: Clock, isBehind: () => boolean, tell: (news: readonly FreshnessNews[]) => void) {
    this.#startMs = Math.round(clock.steady())
    this.#isBehind = isBehind
    this.#tell = tell
    this.wheel = new Wheel(clock)
  }

  get isBehind(): boolean {
    return this.#isBehind()
  }

  /** Never 0, which means never. */
  second(): number {
    return this.wheel.tick
  }

  readonly timeOf = (second: number): number => this.#startMs + (second - 1) * 1000

  /** Undefined when as many are held as may be. */
  attach(device: DeviceState): DeviceFreshness | undefined {
    let fresh = this.#devices.get(device.id)
    if (fresh === undefined) {
      if (this.#devices.size >= limits.freshDevices) return undefined
      fresh = new DeviceFreshness(device.id, this)
      this.#devices.set(device.id, fresh)
    }
    fresh.attach(device)
    return fresh
  }

  /** It is deleted. */
  forget(id: DeviceId): void {
    const fresh = this.#devices.get(id)
    if (fresh === undefined) return
    this.wheel.disarm(fresh)
    this.#devices.delete(id)
    this.#stale.delete(fresh)
  }

  of(id: DeviceId): { readonly [metric: string]: MetricFreshness } {
    return this.#devices.get(id)?.figures() ?? {}
  }

  stale(): DeviceId[] {
    return Array.from(this.#stale, ({ id }) => id)
  }

  staleChanged(device: DeviceFreshness): void {
    if (device.staleCount > 0) this.#stale.add(device)
    else this.#stale.delete(device)
  }

  tell(news: FreshnessNews): void {
    this.#news.push(news)
    this.#telling ??= setImmediate(() => {
      this.#telling = undefined
      this.#tell(this.#news.splice(0))
    })
  }

  stop(): void {
    this.wheel.stop()
    clearImmediate(this.#telling)
  }
}
