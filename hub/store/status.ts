// What the store holds and what that costs, as operators ask for it. Times are Unix ms.
import type { Tier } from './series/rollup.ts'

export interface StoreStatus {
  readonly series: {
    readonly count: number
    /** Points as they were stored, those in heads included; each once, also where a late one stands in two places for a while. */
    readonly points: number
    /** Of chunks and heads, with what their files need around them; rollups are not among them. */
    readonly bytes: number
    /** Null as long as there is no point. */
    readonly bytesPerPoint: number | null
  }
  /** Points on their way into chunks. */
  readonly heads: { readonly points: number; readonly bytes: number }
  readonly tiers: { readonly [T in Tier]: TierStatus }
  readonly journal: {
    readonly bytes: number
    /** Of its oldest message; null when it is empty. */
    readonly fromMs: number | null
    readonly bytesMax: number
    /** Null when only bytes bound it. */
    readonly secondsMax: number | null
  }
  /** Journalled and not yet in the series. */
  readonly projection: { readonly lagMessages: number; readonly lagBytes: number }
  readonly disk: {
    /** All files of the data folder. */
    readonly bytes: number
    /** What the file system has left. */
    readonly freeBytes: number
    /** Null when nobody set one: then the file system is the bound. */
    readonly budgetBytes: number | null
    /** What a day adds, of the days past; null as long as less than an hour is known. */
    readonly bytesPerDay: number | null
    /** Until the budget is met, at that pace; null when it is not known or nothing grows. */
    readonly daysLeft: number | null
    /** What is demoted next to make room, as a sentence; null when nothing is. */
    readonly next: string | null
  }
  readonly integrity: Integrity
  /** What the upkeep of the series came to a halt at, such as a full disk: it is tried again each second. Null when all is well. */
  readonly problem: string | null
}

/** What is damaged on the disk, as far as it was read: a sentence each, the first hundred. Everything is read through twice a week. */
export interface Integrity {
  readonly damaged: readonly string[]
  /** When everything was last read through; Unix ms, null before the first time. */
  readonly scrubbedAt: number | null
}

export interface TierStatus {
  readonly bytes: number
  readonly files: number
  /** Of `raw` points, of the others buckets. */
  readonly count: number
  /** Null when it is empty. */
  readonly fromMs: number | null
  readonly toMs: number | null
}
