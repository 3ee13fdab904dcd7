// Which partitions there are: read anywhere, written in the writer thread, in the transaction of what depends on it.
import { join } from 'node:path'
import type { Database } from 'better-sqlite3'
import type { Tier } from '../series/rollup.ts'
import type { Stretch } from './stretches.ts'

/**
 * Of raw ones:
 *
 * - `stale`: the tiers above do not have all of it.
 * - `whole`: they have, as partitions of tiers themselves always do.
 * - `gone`: its file was let go of, and the tiers have what is left of it.
 * - `late`: points that came for a stretch that is gone. They are added to the tiers, and then let go of as well.
 */
export type PartitionState = 'stale' | 'whole' | 'gone' | 'late'

export interface PartitionRow {
  /** Below the folder of partitions. */
  readonly file: string
  readonly tier: Tier
  readonly startMs: number
  /** Not included. */
  readonly endMs: number
  /** The name of the retention rule whose series it holds. */
  readonly keep: string
  readonly state: PartitionState
  /** Of raw ones points, of others buckets. */
  readonly points: number
  readonly bytes: number
}

/** The folder of partitions, in the data folder. */
export const seriesFolder = 'series'

/** The rule that holds where no other does; its partitions are called by their time alone. */
export const defaultKeep = 'default'

export const catalogueVersionName = 'catalogue_version'

/** What the file of a stretch is called. */
export function fileOf({ tier, label }: Stretch, keep: string, state?: 'late'): string {
  return join(tier, [label, ...(keep === defaultKeep ? [] : [keep]), ...(state === undefined ? [] : [state]), 'db'].join('.'))
}

export class Catalogue {
  readonly #versionNow
  readonly #rows
  #version = -1
  #partitions: readonly PartitionRow[] = []
  #byFile: ReadonlyMap<string, PartitionRow> = new Map()

  constructor(db: Database) {
    this.#versionNow = db.prepare<[], number>(`SELECT value FROM meta WHERE name = '${catalogueVersionName}'`).pluck()
    this.#rows = db.prepare<[], PartitionRow>(
      'SELECT file, tier, start_ms AS startMs, end_ms AS endMs, keep, state, points, bytes FROM partitions ORDER BY start_ms, keep',
    )
  }

  /** In the order of time, of one stretch the default rule's first. Read anew when it has changed; within a transaction all calls agree. */
  all(): readonly PartitionRow[] {
    const version = this.#versionNow.get() ?? 0
    if (version !== this.#version) {
      this.#partitions = this.#rows.all()
      this.#byFile = new Map(this.#partitions.map((row) => [row.file, row]))
      this.#version = version
    }
    return this.#partitions
  }

  /** Such a file is on record, and it is there. */
  has(file: string): boolean {
    this.all()
    return (this.#byFile.get(file)?.state ?? 'gone') !== 'gone'
  }
}
