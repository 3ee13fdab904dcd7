// Stretches of time: one file of chunks each. A point belongs to exactly one stretch of each tier, whatever the clock says.
import type { Tier } from '../series/rollup.ts'

export interface Stretch {
  readonly tier: Tier
  readonly startMs: number
  /** Not included. */
  readonly endMs: number
  /** What its file is called by. */
  readonly label: string
}

/** Devices without a clock send times of 1970, and those that mix up their units times of the year 50,000: each has one stretch, not thousands. */
const firstYear = 2000
const lastYear = 2100
const firstMs = Date.UTC(firstYear, 0)
const lastMs = Date.UTC(lastYear, 0)

/** The stretch that this moment belongs to, Unix ms. */
export function stretchOf(tier: Tier, ms: number): Stretch {
  if (ms < firstMs) return { tier, startMs: 0, endMs: firstMs, label: `before-${firstYear}` }
  if (ms >= lastMs) return { tier, startMs: lastMs, endMs: Number.MAX_SAFE_INTEGER, label: `from-${lastYear}` }
  const date = new Date(ms)
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
  const iso = new Date(Date.UTC(year, month, day)).toISOString()
  if (tier === 'day') return { tier, startMs: Date.UTC(year, 0), endMs: Date.UTC(year + 1, 0), label: iso.slice(0, 4) }
  if (tier === 'hour') return { tier, startMs: Date.UTC(year, month), endMs: Date.UTC(year, month + 1), label: iso.slice(0, 7) }
  return { tier, startMs: Date.UTC(year, month, day), endMs: Date.UTC(year, month, day + 1), label: iso.slice(0, 10) }
}
