// In the keeper thread: what the store holds and what that costs.
import { statfsSync } from 'node:fs'
import type { Database } from 'better-sqlite3'
import { type Tier, tierMs } from '../../series/rollup.ts'
import type { StoreStatus, TierStatus } from '../../status.ts'
import type { Catalogue, PartitionRow } from '../catalogue.ts'
import type { Scrub } from '../integrity/scrub.ts'
import type { Shedder, ShedRules } from './shedder.ts'

/** What the keeper knows of it; the rest is added on the loop. */
export type KeeperStatus = Pick<StoreStatus, 'series' | 'heads' | 'tiers' | 'disk' | 'integrity'>

/** Growth is the mean over the newest of these days that are over. */
const growthDays = 7

export class StatusReader {
  readonly #folder: string
  readonly #catalogue: Catalogue
  readonly #shedder: Shedder
  readonly #scrub: Scrub
  readonly #rules: ShedRules
  readonly #sql

  constructor(folder: string, db: Database, catalogue: Catalogue, shedder: Shedder, scrub: Scrub, rules: ShedRules) {
    this.#folder = folder
    this.#catalogue = catalogue
    this.#shedder = shedder
    this.#scrub = scrub
    this.#rules = rules
    this.#sql = {
      series: db.prepare<[], number>('SELECT count(*) FROM series').pluck(),
      heads: db.prepare<[], { points: number; bytes: number }>(
        'SELECT coalesce(sum(points), 0) AS points, coalesce(sum(length(bytes)), 0) AS bytes FROM heads',
      ),
    }
  }

  read(nowMs: number): KeeperStatus {
    const heads = this.#sql.heads.get()!
    const tier = (of: Tier) => this.#tier(this.#catalogue.all().filter((row) => row.tier === of && row.state !== 'gone'))
    const tiers = { raw: tier('raw'), minute: tier('minute'), hour: tier('hour'), day: tier('day') }
    const points = tiers.raw.count + heads.points
    const bytes = tiers.raw.bytes + heads.bytes
    return {
      series: { count: this.#sql.series.get()!, points, bytes, bytesPerPoint: points === 0 ? null : bytes / points },
      heads,
      tiers,
      disk: this.#disk(nowMs),
      integrity: this.#scrub.integrity(),
    }
  }

  #tier(rows: readonly PartitionRow[]): TierStatus {
    const sum = (of: 'bytes' | 'points') => rows.reduce((total, row) => total + row[of], 0)
    const endMs = rows.reduce((last, row) => Math.max(last, row.endMs), 0)
    return {
      bytes: sum('bytes'),
      files: rows.length,
      count: sum('points'),
      fromMs: rows[0]?.startMs ?? null,
      toMs: rows.length === 0 ? null : endMs,
    }
  }

  #disk(nowMs: number): StoreStatus['disk'] {
    const { bavail, bsize } = statfsSync(this.#folder)
    const freeBytes = bavail * bsize
    const bytes = this.#shedder.bytes()
    const budgetBytes = this.#rules.budgetBytes ?? null
    const bytesPerDay = this.#growth(nowMs)
    const room = budgetBytes === null ? freeBytes : Math.min(Math.max(budgetBytes - bytes, 0), freeBytes)
    const oldest = budgetBytes === null ? undefined : this.#shedder.oldest(nowMs)
    return {
      bytes,
      freeBytes,
      budgetBytes,
      bytesPerDay,
      daysLeft: bytesPerDay === null || bytesPerDay === 0 ? null : room / bytesPerDay,
      next: oldest === undefined ? null : `${words[oldest.tier]} of ${new Date(oldest.startMs).toISOString().slice(0, 10)}`,
    }
  }

  /** What a day came to in all tiers, of the days that are over. */
  #growth(nowMs: number): number | null {
    const rows = this.#catalogue
      .all()
      .filter(({ state, endMs, startMs }) => state !== 'gone' && endMs <= nowMs && endMs - startMs === tierMs.day)
    const starts = [...new Set(rows.map(({ startMs }) => startMs))].slice(-growthDays)
    if (starts.length === 0) return null
    return rows.filter(({ startMs }) => starts.includes(startMs)).reduce((sum, { bytes }) => sum + bytes, 0) / starts.length
  }
}

const words: Readonly<Record<Tier, string>> = { raw: 'the points', minute: 'the minutes', hour: 'the hours', day: 'the days' }
