// A data folder, read through from end to end, whether a hub runs on it or not. Nothing in it is changed, but that a write which a crash cut
// is undone where no hub runs: the next start of one would do the same.
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { Catalogue, type PartitionRow, seriesFolder } from '../catalogue.ts'
import { lockFolder, lockName } from '../lock.ts'
import { Partition } from '../partition.ts'
import { checkDatabase, databaseName } from './check-database.ts'
import { checkPartition } from './check-partition.ts'
import { type Finding, Findings, isCorrupt } from './damage.ts'
import { damagedPattern, unfinishedSuffix } from './mend.ts'
import { SeriesNames } from './series-names.ts'

export interface CheckReport {
  /** The first hundred. */
  readonly findings: readonly Finding[]
  /** How many there are. */
  readonly damaged: number
  /** What is no damage and worth knowing. */
  readonly notes: readonly string[]
  readonly files: number
  readonly bytes: number
}

export interface CheckOptions {
  /** What was read so far, and of how much about. */
  onProgress?(bytes: number, ofBytes: number): void
}

const findingsMost = 100

/** Errors: a sentence when there is no database, or one from newer code. */
export function checkFolder(folder: string, { onProgress = () => {} }: CheckOptions = {}): CheckReport {
  const path = join(folder, databaseName)
  if (!existsSync(path)) throw new Error(`There is no ${databaseName} in ${folder}.`)
  const { isRunning, lock } = tryLock(folder)
  const findings = new Findings(findingsMost)
  const notes: string[] = []
  let bytes = 0
  const ofBytes = bytesToRead(folder)
  const read = (pieces: Generator<number>) => {
    for (const more of pieces) {
      bytes += more
      onProgress(bytes, ofBytes)
    }
  }
  let db: Database.Database | undefined
  let files = 1
  try {
    db = new Database(path, { readonly: true, timeout: 10_000 })
    const found = filesOf(folder) // before the catalogue is read: what is made later is not missed in it
    const rows = db.transaction(() => new Catalogue(db!).all())()
    const names = new SeriesNames(db)
    read(checkDatabase(db, names, findings, { whole: true }))
    for (const row of rows) {
      if (row.state === 'gone') continue
      files += 1
      const file = join(seriesFolder, row.file)
      if (!isRunning) undoCut(join(folder, file))
      read(checkPartition({ path: join(folder, file), file, row, names, findings }))
      if (!existsSync(join(folder, file)) && isOnRecord(db, row)) findings.add(file, undefined, 'It is on record, and it is missing.')
    }
    noteFiles(found, rows, findings, isRunning ? undefined : notes)
    if (isRunning) notes.push('A hub runs on the folder; what it wrote after the check began may not have been read.')
  } catch (error) {
    if (!isCorrupt(error)) throw error
    findings.add(databaseName, undefined, `SQLite cannot read it: ${error.message}.`)
    notes.push('Which partitions there are stands in that file, so they were not read.')
  } finally {
    db?.close()
    lock?.close()
  }
  return { findings: findings.first, damaged: findings.total, notes, files, bytes }
}

/** While a folder is checked on which no hub runs, none begins to. A backup has no lock: it may lie where nobody can write. */
function tryLock(folder: string): { readonly isRunning: boolean; readonly lock: Database.Database | undefined } {
  if (!existsSync(join(folder, lockName))) return { isRunning: false, lock: undefined }
  try {
    return { isRunning: false, lock: lockFolder(folder) }
  } catch {
    return { isRunning: true, lock: undefined }
  }
}

function isOnRecord(db: Database.Database, { file }: PartitionRow): boolean {
  return new Catalogue(db).has(file)
}

/** Below the folder of partitions. */
function filesOf(folder: string): string[] {
  const series = join(folder, seriesFolder)
  if (!existsSync(series)) return []
  return readdirSync(series, { recursive: true, encoding: 'utf8' }).filter((file) =>
    statSync(join(series, file), { throwIfNoEntry: false })?.isFile(),
  )
}

function noteFiles(found: readonly string[], rows: readonly PartitionRow[], findings: Findings, notes: string[] | undefined): void {
  const onRecord = new Set(rows.filter(({ state }) => state !== 'gone').map(({ file }) => file))
  for (const file of found) {
    const path = join(seriesFolder, file)
    if (damagedPattern.test(file))
      findings.add(path, undefined, 'It was damaged and put aside; what could be read of it is in the file that took its place.')
    else if ((file.endsWith('.db') || file.endsWith(unfinishedSuffix)) && !onRecord.has(file)) {
      notes?.push(`${path} is not on record; the next start of the hub removes it.`)
    }
  }
}

function undoCut(path: string): void {
  if ((statSync(`${path}-journal`, { throwIfNoEntry: false })?.size ?? 0) === 0) return
  try {
    Partition.open(path).close()
  } catch (error) {
    if (!isCorrupt(error)) throw error
  }
}

/** Everything is read twice: by SQLite, and chunk by chunk. */
function bytesToRead(folder: string): number {
  const sizes = [databaseName, ...filesOf(folder).map((file) => join(seriesFolder, file))].map(
    (file) => statSync(join(folder, file), { throwIfNoEntry: false })?.size ?? 0,
  )
  return sizes.reduce((sum, size) => sum + size, 0) * 2
}
