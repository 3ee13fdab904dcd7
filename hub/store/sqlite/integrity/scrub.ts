// In the keeper thread: reads through everything that is stored, slowly, so that damage is known while there is a backup that is older than it.
//
// How far it is stands in a file beside the partitions: a hub that is often started anew gets through as well, a file at a time.
import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Database } from 'better-sqlite3'
import type { Integrity } from '../../status.ts'
import { type Catalogue, type PartitionRow, seriesFolder } from '../catalogue.ts'
import { checkDatabase, databaseName } from './check-database.ts'
import { checkPartition } from './check-partition.ts'
import { Findings, textOf } from './damage.ts'
import { damagedPattern } from './mend.ts'
import { SeriesNames } from './series-names.ts'

const day = 24 * 3_600_000
/** A pass begins so long after the one before, and its pace is such that it takes as long: so everything is read within a week. */
const everyMs = 3.5 * day
const bytesAtOnceMin = 256 * 1024
/** How often it is asked to go on. */
const roundMs = 1000
const damagedMost = 100
const stateName = 'scrub.json'

interface State {
  /** When this pass began. */
  readonly startedMs: number
  /** It has read everything. */
  readonly ended: boolean
  /** Files of this pass that were read, the newest last in the order of `units`. */
  readonly last: string
  readonly found: readonly string[]
  /** Of the pass before. */
  readonly before: readonly string[]
  readonly scrubbedAt: number | null
}

/** A file of which a part was read. */
interface Unit {
  readonly name: string
  readonly findings: Findings
  readonly pieces: Generator<number>
}

const fresh: State = { startedMs: 0, ended: true, last: '', found: [], before: [], scrubbedAt: null }

export class Scrub {
  readonly #folder: string
  readonly #db: Database
  readonly #catalogue: Catalogue
  readonly #names: SeriesNames
  #state: State
  /** The file that is being read. */
  #unit: Unit | undefined

  /** `folder` is the data folder. */
  constructor(folder: string, db: Database, catalogue: Catalogue) {
    this.#folder = folder
    this.#db = db
    this.#catalogue = catalogue
    this.#names = new SeriesNames(db)
    this.#state = readState(join(folder, seriesFolder, stateName))
  }

  /** One piece, if it is time for one. */
  step(nowMs: number): void {
    if (this.#state.ended) {
      if (nowMs < this.#state.startedMs + everyMs) return
      this.#state = { ...this.#state, startedMs: nowMs, ended: false, last: '', found: [], before: this.integrity().damaged.slice() }
    }
    let left = Math.max(bytesAtOnceMin, this.#bytes() * 2 * (roundMs / everyMs))
    while (left > 0) {
      this.#unit ??= this.#next()
      if (this.#unit === undefined) {
        this.#save({ ...this.#state, ended: true, before: [], scrubbedAt: nowMs })
        return
      }
      const { value, done } = this.#unit.pieces.next()
      if (done === true) this.#endUnit(this.#unit.name, this.#unit.findings)
      else left -= value
    }
  }

  /** Of the newest look at each file. */
  integrity(): Integrity {
    const { found, before, scrubbedAt } = this.#state
    const current = this.#unit?.findings.first.map(textOf) ?? []
    const damaged = [...new Set([...this.#putAside(), ...found, ...current, ...before])].slice(0, damagedMost)
    return { damaged, scrubbedAt }
  }

  /** The file is removed or replaced: what it had is not said any more. */
  forget(file: string): void {
    const name = join(seriesFolder, file)
    if (this.#unit?.name === name) {
      this.#unit.pieces.return(undefined)
      this.#unit = undefined
    }
    const others = (texts: readonly string[]) => texts.filter((text) => !isOf(name, text))
    this.#save({ ...this.#state, found: others(this.#state.found), before: others(this.#state.before) })
  }

  close(): void {
    this.#unit?.pieces.return(undefined)
    this.#unit = undefined
  }

  /** The database first, then the partitions by name. */
  #next(): Unit | undefined {
    const { last } = this.#state
    const findings = new Findings(damagedMost)
    if (last === '') {
      return { name: databaseName, findings, pieces: checkDatabase(this.#db, this.#names, findings, { whole: false }) }
    }
    const row = this.#rows().find(({ file }) => last === databaseName || join(seriesFolder, file) > last)
    if (row === undefined) return undefined
    const name = join(seriesFolder, row.file)
    const path = join(this.#folder, name)
    if (statSync(path, { throwIfNoEntry: false }) === undefined) findings.add(name, undefined, 'It is on record, and it is missing.')
    return { name, findings, pieces: checkPartition({ path, file: name, row, names: this.#names, findings }) }
  }

  #rows(): PartitionRow[] {
    return this.#catalogue
      .all()
      .filter(({ state }) => state !== 'gone')
      .sort((a, b) => (a.file < b.file ? -1 : 1))
  }

  #endUnit(name: string, findings: Findings): void {
    this.#unit = undefined
    const { found, before } = this.#state
    this.#save({
      ...this.#state,
      last: name,
      found: [...found, ...findings.first.map(textOf)].slice(0, damagedMost),
      before: before.filter((text) => !isOf(name, text)),
    })
  }

  #bytes(): number {
    const database = statSync(join(this.#folder, databaseName), { throwIfNoEntry: false })?.size ?? 0
    return this.#catalogue.all().reduce((sum, { bytes }) => sum + bytes, database)
  }

  /** Files that were mended: what was lost of them is in nobody's answers. */
  #putAside(): string[] {
    const files = readdirSync(join(this.#folder, seriesFolder), { recursive: true, encoding: 'utf8' })
    return files.filter((file) => damagedPattern.test(file)).map((file) => `${join(seriesFolder, file)}: It was damaged and put aside.`)
  }

  /** Not fsynced: who loses it reads something twice. */
  #save(state: State): void {
    this.#state = state
    const path = join(this.#folder, seriesFolder, stateName)
    writeFileSync(`${path}.new`, JSON.stringify(state), { mode: 0o600 })
    renameSync(`${path}.new`, path)
  }
}

function isOf(name: string, text: string): boolean {
  return text.startsWith(`${name},`) || text.startsWith(`${name}:`)
}

function readState(path: string): State {
  try {
    return { ...fresh, ...(JSON.parse(readFileSync(path, 'utf8')) as Partial<State>) }
  } catch {
    return fresh // there is none yet, or a power cut took it
  }
}
