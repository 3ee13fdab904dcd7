// Which metrics of a device have fallen silent: they come more rarely than they should by the type of the device, or than they did before.
import type { DeviceId } from '../../devices/device.ts'

export interface MetricFreshness {
  /** When the hub heard of it last, Unix ms, to the second. */
  readonly lastAt: number
  /** Seconds within which it should come again: said by the type, or learned; null while it is being learned. */
  readonly every: number | null
  /** Since when it is silent for too long, Unix ms; null when it is not. */
  readonly staleAt: number | null
  readonly isStale: boolean
}

/** Metrics of one device that fell silent together, or speak again. */
export interface FreshnessNews {
  readonly device: DeviceId
  readonly is: 'stale' | 'fresh'
  readonly metrics: { readonly [metric: string]: Pick<MetricFreshness, 'lastAt' | 'every'> }
}

/** Of what came since the hub began: each start learns anew. */
export interface Freshness {
  /** By metric; those that were not heard of since then are left out. */
  of(id: DeviceId): Promise<{ readonly [metric: string]: MetricFreshness }>
  /** Devices that have a stale metric. */
  stale(): Promise<readonly DeviceId[]>
  /** One listener. */
  onNews(listener: (news: readonly FreshnessNews[]) => void): void
}
