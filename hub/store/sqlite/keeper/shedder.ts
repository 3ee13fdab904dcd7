// In the keeper thread: what is let go of, and when. By time, as the rules say; and when the disk budget is met, from the oldest: points make
// room first, then minutes, then hours; days stay. Points never go before the tiers above have what they say.
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { keptMs, type Retention } from '../../../retention.ts'
import { tierMs } from '../../series/rollup.ts'
import type { Catalogue, PartitionRow } from '../catalogue.ts'
import type { OpenPartitions } from '../open-partitions.ts'
import type { Rolled, Roller } from './roller.ts'

export interface ShedRules {
  readonly keep: Retention
  /** Of everything in the data folder; undefined for as much as there is. */
  readonly budgetBytes: number | undefined
}

/** What to do next: put a rollup on record, or let go of files. */
export type Shed = { readonly is: 'rolled'; readonly rolled: Rolled } | { readonly is: 'drop'; readonly files: readonly string[] }

/** Of the newest time everything is kept, however small the budget. */
const spared = { raw: tierMs.day, minute: 7 * tierMs.day, hour: 62 * tierMs.day } as const

export class Shedder {
  readonly #folder: string
  readonly #catalogue: Catalogue
  readonly #partitions: OpenPartitions
  readonly #roller: Roller
  readonly #rules: ShedRules
  /** The raw partition whose minutes are being made, and how far that is. */
  #minutes: { readonly file: string; readonly last: number; readonly done: boolean } | undefined

  /** `folder` is the data folder. */
  constructor(folder: string, catalogue: Catalogue, partitions: OpenPartitions, roller: Roller, rules: ShedRules) {
    this.#folder = folder
    this.#catalogue = catalogue
    this.#partitions = partitions
    this.#roller = roller
    this.#rules = rules
  }

  /** One step; undefined when nothing is due. */
  next(nowMs: number): Shed | undefined {
    const rows = this.#catalogue.all().filter(({ state }) => state !== 'gone')
    const late = rows.find(({ state, file }) => state === 'late' && this.#partitions.get(file)?.marks(1).length === 0)
    if (late !== undefined) return { is: 'drop', files: [late.file] }
    const due = rows.find((row) => row.state === 'whole' && row.endMs + keptMs(this.#rules.keep, row.keep, row.tier) <= nowMs)
    const row = due ?? this.nextForRoom(nowMs)
    return row && this.#letGo(row, nowMs)
  }

  /** What goes next for want of room; undefined as long as there is, or when all that may go is gone. */
  nextForRoom(nowMs: number): PartitionRow | undefined {
    const { budgetBytes } = this.#rules
    return budgetBytes === undefined || this.bytes() <= budgetBytes ? undefined : this.oldest(nowMs)
  }

  /** What goes first when room is wanted. */
  oldest(nowMs: number): PartitionRow | undefined {
    for (const tier of ['raw', 'minute', 'hour'] as const) {
      const row = this.#catalogue.all().find((row) => row.tier === tier && row.state === 'whole' && row.endMs + spared[tier] <= nowMs)
      if (row !== undefined) return row
    }
    return undefined
  }

  /** Everything in the data folder, as far as it grows. */
  bytes(): number {
    let bytes = 0
    for (const name of ['mooring.db', 'mooring.db-wal']) bytes += statSync(join(this.#folder, name), { throwIfNoEntry: false })?.size ?? 0
    for (const row of this.#catalogue.all()) bytes += row.bytes
    return bytes
  }

  #letGo(row: PartitionRow, nowMs: number): Shed {
    const isMinuteKept = row.tier === 'raw' && row.endMs + keptMs(this.#rules.keep, row.keep, 'minute') > nowMs
    if (isMinuteKept && !(this.#minutes?.file === row.file && this.#minutes.done)) {
      const { last, ...rolled } = this.#roller.rollMinutes(row, this.#minutes?.file === row.file ? this.#minutes.last : 0)
      this.#minutes = { file: row.file, last, done: rolled.done }
      return { is: 'rolled', rolled }
    }
    this.#minutes = undefined
    return { is: 'drop', files: [row.file] }
  }
}
