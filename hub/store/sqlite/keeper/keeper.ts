// The keeper thread: the only one that writes partitions. It does what it is asked a piece at a time and says what came of it; the writer
// puts that on record (upkeep.ts joins the two).
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { type Retention, ruleFor, withTypes } from '../../../retention.ts'
import { Catalogue, defaultKeep, type PartitionRow, seriesFolder } from '../catalogue.ts'
import { headTimesIn } from '../heads.ts'
import { naming, PartitionDamaged } from '../integrity/damage.ts'
import { unlessHeld } from '../integrity/hold.ts'
import { mend } from '../integrity/mend.ts'
import { Scrub } from '../integrity/scrub.ts'
import { readTypes } from '../metric-schemas.ts'
import { OpenPartitions, openForWriting } from '../open-partitions.ts'
import { serve } from '../thread.ts'
import { type Rolled, Roller } from './roller.ts'
import { type Sealed, Sealer } from './sealer.ts'
import { type Shed, Shedder, type ShedRules } from './shedder.ts'
import { type KeeperStatus, StatusReader } from './status-reader.ts'
import { sweep } from './sweep.ts'

export interface KeeperFunctions {
  readonly [name: string]: (...args: never[]) => unknown
  open(folder: string, rules: ShedRules): void
  /** Types say how long their points are kept, and are others than before. */
  readTypes(): void
  /** Nothing is sealed while late points can be added to rollups: that has to come first. */
  sealDue(): Sealed | undefined
  sealAfter(device: number): Sealed | undefined
  rollLate(): Rolled | undefined
  rollDue(): Rolled | undefined
  /** What was rolled up last is on record. */
  confirmRolled(): void
  shedDue(): Shed | undefined
  status(): KeeperStatus
  /** Removes the files of partitions that are not on record any more; later, while a backup holds them. */
  remove(files: readonly string[]): void
  /** A partition whose file turned out damaged gets a new one. Undefined when there is none. */
  mendDue(): PartitionRow | undefined
  /** Removes the chunks of these series from some of the partitions behind the file `after`; undefined after the last. */
  forget(series: readonly number[], after: string): Forgotten | undefined
  /** Reads on through what is stored. */
  scrub(): void
  close(): void
}

/** Partitions that chunks were removed from, and the file up to which all were looked at. */
export interface Forgotten {
  readonly partitions: readonly PartitionRow[]
  readonly last: string
}

const partitionsOpen = 16
/** Between two calls others are served. */
const filesAtATime = 8

class Keeper {
  readonly #db: Database.Database
  readonly #dataFolder: string
  /** Of partitions. */
  readonly #folder: string
  readonly #catalogue: Catalogue
  readonly #partitions: OpenPartitions
  readonly #sealer: Sealer
  readonly #roller: Roller
  readonly #shedder: Shedder
  readonly #status: StatusReader
  readonly #scrub: Scrub
  readonly #damaged = new Set<string>()
  readonly #settings: ShedRules
  /** Those of the settings and of the types. */
  readonly #rules: { keep: Retention; readonly budgetBytes: number | undefined }
  #toRemove: string[] = []

  constructor(folder: string, settings: ShedRules) {
    const rules = { ...settings }
    this.#settings = settings
    this.#rules = rules
    this.#db = new Database(join(folder, 'mooring.db'), { readonly: true })
    this.#db.pragma('busy_timeout = 2000')
    this.#dataFolder = folder
    this.#folder = join(folder, seriesFolder)
    this.readTypes()
    this.#catalogue = new Catalogue(this.#db)
    // Of those that were let go of the record stays; a crash may have left the file.
    const onRecord = this.#catalogue.all().filter(({ state }) => state !== 'gone' || this.#isHeld())
    sweep(this.#folder, new Set(onRecord.map(({ file }) => file)))
    this.#partitions = new OpenPartitions(this.#folder, openForWriting, partitionsOpen)
    this.#sealer = new Sealer(this.#db, this.#catalogue, this.#partitions, this.#ruleOf())
    this.#roller = new Roller(this.#catalogue, this.#partitions, headTimesIn(this.#db))
    this.#shedder = new Shedder(folder, this.#catalogue, this.#partitions, this.#roller, rules)
    this.#scrub = new Scrub(folder, this.#db, this.#catalogue)
    this.#status = new StatusReader(folder, this.#db, this.#catalogue, this.#shedder, this.#scrub, rules)
  }

  readTypes(): void {
    this.#rules.keep = withTypes(this.#settings.keep, readTypes(this.#db))
  }

  sealDue(): Sealed | undefined {
    return this.#noting(() => (this.#roller.hasLate() ? undefined : this.#sealer.sealDue(Date.now())))
  }

  sealAfter(device: number): Sealed | undefined {
    return this.#noting(() => (this.#roller.hasLate() ? undefined : this.#sealer.sealAfter(device)))
  }

  rollLate(): Rolled | undefined {
    return this.#noting(() => this.#roller.rollLate(this.#isHeld()))
  }

  rollDue(): Rolled | undefined {
    return this.#noting(() => this.#roller.rollDue(Date.now(), this.#isHeld()))
  }

  confirmRolled(): void {
    this.#roller.confirm()
  }

  shedDue(): Shed | undefined {
    return this.#noting(() => this.#shedder.next(Date.now()))
  }

  status(): KeeperStatus {
    return this.#db.transaction(() => this.#status.read(Date.now()))()
  }

  remove(files: readonly string[]): void {
    for (const file of files) this.#partitions.close(file)
    this.#toRemove.push(...files)
    this.#removeUnlessHeld()
  }

  mendDue(): PartitionRow | undefined {
    for (const file of this.#damaged) {
      this.#damaged.delete(file)
      this.#partitions.close(file)
      const row = this.#catalogue.all().find((one) => one.file === file && one.state !== 'gone')
      if (row === undefined)
        rmSync(join(this.#folder, file), { force: true }) // not on record: nothing depends on it
      else {
        const mended = mend(this.#folder, row)
        this.#scrub.forget(file)
        return mended
      }
    }
    return undefined
  }

  forget(series: readonly number[], after: string): Forgotten | undefined {
    return this.#noting(() => {
      const behind = this.#catalogue.all().filter(({ file, state }) => state !== 'gone' && file > after)
      const rows = behind.sort((a, b) => (a.file < b.file ? -1 : 1)).slice(0, filesAtATime)
      if (rows.length === 0) return undefined
      const partitions = rows.flatMap((row) => naming(row.file, () => this.#forgetIn(row, series)))
      return { partitions, last: rows.at(-1)!.file }
    })
  }

  #forgetIn(row: PartitionRow, series: readonly number[]): PartitionRow[] {
    if (!existsSync(join(this.#folder, row.file))) return []
    const partition = this.#partitions.get(row.file)!
    // The marks of rollups are checksums of what was added last, and say nothing of it.
    const marks = row.tier === 'raw' ? series : []
    return partition.forget(series, marks) ? [{ ...row, ...partition.totals() }] : []
  }

  scrub(): void {
    this.#removeUnlessHeld()
    this.#scrub.step(Date.now())
  }

  close(): void {
    this.#scrub.close()
    this.#partitions.closeAll()
    this.#db.close()
  }

  /** The retention rule of a series. */
  #ruleOf(): (series: number) => string {
    const named = this.#db.prepare<[number], { metric: string; type: string | null }>(
      'SELECT metric, type FROM series JOIN devices ON devices.number = series.device WHERE series.id = ?',
    )
    return (series) => {
      const { keep } = this.#rules
      if (keep.length === 1) return keep[0]!.name
      const one = named.get(series)
      return one === undefined ? defaultKeep : ruleFor(keep, one.metric, one.type) // of a device that was deleted meanwhile
    }
  }

  #isHeld(): boolean {
    return !unlessHeld(this.#dataFolder, () => {})
  }

  #removeUnlessHeld(): void {
    if (this.#toRemove.length === 0) return
    unlessHeld(this.#dataFolder, () => {
      for (const file of this.#toRemove) {
        if (this.#catalogue.has(file)) continue // made again meanwhile
        this.#scrub.forget(file)
        rmSync(join(this.#folder, file), { force: true })
      }
      this.#toRemove = []
    })
  }

  /** A partition that turns out damaged is the next to be mended. */
  #noting<Done>(work: () => Done): Done {
    try {
      return work()
    } catch (error) {
      if (error instanceof PartitionDamaged) this.#damaged.add(error.file)
      throw error
    }
  }
}

let keeper: Keeper | undefined

function opened(): Keeper {
  if (keeper === undefined) throw new Error('The keeper is not open.')
  return keeper
}

serve({
  open(folder, rules) {
    keeper = new Keeper(folder, rules)
  },
  readTypes: () => opened().readTypes(),
  sealDue: () => opened().sealDue(),
  sealAfter: (device) => opened().sealAfter(device),
  rollLate: () => opened().rollLate(),
  rollDue: () => opened().rollDue(),
  confirmRolled: () => opened().confirmRolled(),
  shedDue: () => opened().shedDue(),
  status: () => opened().status(),
  remove: (files) => opened().remove(files),
  mendDue: () => opened().mendDue(),
  forget: (series, after) => opened().forget(series, after),
  scrub: () => opened().scrub(),
  close: () => opened().close(),
} satisfies KeeperFunctions)
