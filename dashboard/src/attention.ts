// What needs somebody's attention, from what the page knows: devices that are lost or silent, refusals that grow, commands that failed. Pure.
import type { FailedCommand, FleetEvent } from './api/overview.ts'
import type { Hub } from './api.ts'
import type { Entry } from './fleet.ts'

export type Concern =
  | { readonly is: 'lost'; readonly at: number; readonly device: string; readonly reason: string }
  /** `metrics` is empty when it is too long ago to be known. */
  | { readonly is: 'stale'; readonly at: number; readonly device: string; readonly metrics: readonly string[] }
  | { readonly is: 'refused' | 'dropped'; readonly at: number; readonly code: string; readonly times: number }
  | { readonly is: 'failed'; readonly at: number; readonly device: string; readonly command: string; readonly reason: string | null }

export interface Facts {
  readonly fleet: readonly Entry[]
  /** Ids of devices that have a metric that fell silent. */
  readonly stale: ReadonlySet<string>
  /** What fell silent and spoke again, the newest first. */
  readonly freshness: readonly FleetEvent[]
  readonly failed: readonly FailedCommand[]
  readonly growth: readonly Growth[]
  readonly nowMs: number
}

/** A count of the hub that went up while the page looked. */
export interface Growth {
  readonly is: 'refused' | 'dropped'
  readonly code: string
  readonly times: number
  readonly at: number
}

/** Why a device may be gone without anything being wrong. Any other reason is a loss. */
const calm = new Set<string | undefined>([undefined, 'closed-by-device', 'kicked', 'device-disabled', 'taken-over'])
const failedMs = 3_600_000
/** Of refusals and drops: so long after the last one it is over. */
export const growthMs = 300_000

/** The newest first. A device that is lost is one concern, however many of its metrics are silent for it. */
export function concernsOf({ fleet, stale, freshness, failed, growth, nowMs }: Facts): Concern[] {
  const concerns: Concern[] = []
  const lost = new Set<string>()
  for (const entry of fleet) {
    const { at, since, reason } = entry.presence.peek()
    if (at === 'online' || since === null || calm.has(reason)) continue
    lost.add(entry.id)
    concerns.push({ is: 'lost', at: since, device: entry.id, reason: reason! })
  }
  const silent = silentMetrics(freshness)
  for (const device of stale) {
    if (lost.has(device)) continue
    const found = silent.get(device)
    concerns.push({ is: 'stale', at: found?.at ?? 0, device, metrics: found?.metrics ?? [] })
  }
  for (const { device, name, reason, trail } of failed) {
    const at = trail.at(-1)?.at ?? 0
    if (at > nowMs - failedMs) concerns.push({ is: 'failed', at, device, command: name, reason })
  }
  for (const { is, code, times, at } of growth) if (at > nowMs - growthMs) concerns.push({ is, at, code, times })
  return concerns.sort((a, b) => b.at - a.at)
}

/** Which metrics of each device are silent, by what was last said of each. */
function silentMetrics(events: readonly FleetEvent[]): Map<string, { at: number; metrics: string[] }> {
  const silent = new Map<string, { at: number; metrics: string[] }>()
  const said = new Set<string>()
  for (const { device, at, name, body } of events) {
    const { metrics = {} } = (typeof body === 'object' && body !== null ? body : {}) as { metrics?: object }
    for (const metric of Object.keys(metrics)) {
      const key = `${device}/${metric}`
      if (said.has(key)) continue
      said.add(key)
      if (name !== 'stale') continue
      const known = silent.get(device)
      if (known === undefined) silent.set(device, { at, metrics: [metric] })
      else known.metrics.push(metric)
    }
  }
  return silent
}

/** Remembers the counts of the hub from one reading to the next, and says which of them grew. */
export class GrowthWatch {
  readonly #grown = new Map<string, Growth>()
  #counts: ReadonlyMap<string, number> | null = null

  onReading({ refusals, drops }: Pick<Hub, 'refusals' | 'drops'>, nowMs: number): readonly Growth[] {
    const before = this.#counts
    const counts = new Map<string, number>()
    const compare = (is: Growth['is'], code: string, count: number) => {
      const key = `${is} ${code}`
      counts.set(key, count)
      const more = count - (before?.get(key) ?? 0)
      if (before === null || more <= 0) return // the first reading tells what was, not what grows
      const known = this.#grown.get(key)
      const isOver = known === undefined || known.at < nowMs - growthMs
      this.#grown.set(key, { is, code, at: nowMs, times: more + (isOver ? 0 : known.times) })
    }
    for (const { code, count } of refusals) compare('refused', code, count)
    for (const { reason, count } of drops) compare('dropped', reason, count)
    this.#counts = counts
    return [...this.#grown.values()]
  }
}
