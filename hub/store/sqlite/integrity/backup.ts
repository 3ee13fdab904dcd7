// A backup: a data folder like the original, of one moment, made by a process of its own while the hub goes on.
//
// The database first, in one read transaction, then the files of chunks in its catalogue. What is sealed after that moment is in the heads
// of the copy and in its chunks, which changes nothing. Points come before rollups: late points are then in one of the two at least.
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import Database from 'better-sqlite3'
import { version } from '../../../version.ts'
import { Catalogue, type PartitionRow, seriesFolder } from '../catalogue.ts'
import { leaveEpochs } from '../epochs.ts'
import { syncFolder, syncTree } from '../folders.ts'
import { metaOf } from '../meta.ts'
import { Partition } from '../partition.ts'
import { checkFolder } from './check.ts'
import { databaseName } from './check-database.ts'
import { textOf } from './damage.ts'
import { holdFiles } from './hold.ts'
import { entriesOf, type Manifest, writeManifest } from './manifest.ts'

export interface BackupOptions {
  /** What was copied and read so far, and of how much about. */
  onProgress?(bytes: number, ofBytes: number): void
}

export interface BackupReport extends Manifest {
  readonly folder: string
  readonly bytes: number
}

/** Between two steps the thread looks up; 4 MB at the page size of the database. */
const pagesAtOnce = 256
/** Certificates that the hub made: devices that trust them know it by them. */
const otherFolders = ['tls']

/**
 * Copies the data folder to `to`, which must not exist, and reads the copy through before it has that name. Errors: a sentence.
 */
export async function backUp(folder: string, to: string, { onProgress = () => {} }: BackupOptions = {}): Promise<BackupReport> {
  const target = resolve(to)
  if (existsSync(target)) throw new Error(`${target} exists; a backup goes to a folder that does not.`)
  if (!existsSync(join(folder, databaseName))) throw new Error(`There is no ${databaseName} in ${folder}.`)
  const part = `${target}.part`
  rmSync(part, { recursive: true, force: true }) // of one that was cut
  mkdirSync(part, { recursive: true, mode: 0o700 })
  const ofBytes = bytesOf(folder) * 4 // copied, its checksum made, read by SQLite, read chunk by chunk
  let bytes = 0
  const add = (more: number) => {
    bytes += more
    onProgress(bytes, ofBytes)
  }
  try {
    const { atMs, lastSeq } = await copyAll(folder, part, add)
    const entries = entriesOf(part, add)
    const before = bytes
    const { findings, damaged } = checkFolder(part, { onProgress: (checked) => onProgress(before + checked, ofBytes) })
    const named = findings.map(textOf)
    const manifest = { mooring: version, at: new Date(atMs).toISOString(), lastSeq, files: entries, damaged, findings: named }
    writeManifest(part, manifest)
    syncTree(part)
    renameSync(part, target)
    syncFolder(dirname(target))
    return { ...manifest, folder: target, bytes: entries.reduce((sum, one) => sum + one.bytes, 0) }
  } catch (error) {
    rmSync(part, { recursive: true, force: true })
    throw error
  }
}

/** Returns what moment it is of. */
async function copyAll(folder: string, part: string, add: (bytes: number) => void): Promise<{ atMs: number; lastSeq: number }> {
  const hold = holdFiles(folder) // before the moment: a file of its catalogue stays until it is copied
  try {
    const atMs = await copyDatabase(join(folder, databaseName), join(part, databaseName), add)
    const { rows, lastSeq } = settleCopy(join(part, databaseName), atMs)
    for (const row of rows) {
      const [from, copy] = [folder, part].map((root) => join(root, seriesFolder, row.file)) as [string, string]
      mkdirSync(dirname(copy), { recursive: true, mode: 0o700 })
      await copyDatabase(from, copy, add)
      if (row.state === 'stale') markAll(copy)
    }
    for (const name of otherFolders) copyFolder(join(folder, name), join(part, name))
    return { atMs, lastSeq }
  } finally {
    hold.close()
  }
}

/** As it is at one moment: in a read transaction, or every write of the hub would make SQLite begin again. Returns that moment. */
async function copyDatabase(from: string, to: string, add: (bytes: number) => void): Promise<number> {
  const db = new Database(from, { readonly: true, fileMustExist: true, timeout: 10_000 })
  try {
    const pageBytes = Number(db.pragma('page_size', { simple: true }))
    db.exec('BEGIN')
    db.prepare('SELECT count(*) FROM sqlite_schema').get()
    const atMs = Date.now()
    let left: number | undefined
    await db.backup(to, {
      progress({ totalPages, remainingPages }) {
        add(((left ?? totalPages) - remainingPages) * pageBytes)
        left = remainingPages
        return pagesAtOnce
      },
    })
    db.exec('COMMIT')
    return atMs
  } finally {
    db.close()
  }
}

/** What of the copy is not as in the original; then its catalogue, points first. */
function settleCopy(path: string, atMs: number): { rows: PartitionRow[]; lastSeq: number } {
  const db = new Database(path)
  try {
    db.pragma('journal_mode = DELETE') // one file, which can be read where nobody can write
    leaveEpochs(db, atMs)
    const journalSeq = db.prepare<[], number>('SELECT max(last_seq) FROM journal').pluck().get() ?? 0
    const rows = new Catalogue(db).all().filter(({ state }) => state !== 'gone')
    const order = (row: PartitionRow) => (row.tier === 'raw' ? 0 : 1)
    return { rows: [...rows].sort((a, b) => order(a) - order(b)), lastSeq: Math.max(metaOf(db, 'projected_seq'), journalSeq) }
  } finally {
    db.close()
  }
}

/** Rollups made after the moment may lie in files that the copy's catalogue does not know; so it makes its own. */
function markAll(path: string): void {
  const partition = Partition.open(path)
  try {
    partition.write(() => {
      for (const series of partition.seriesAfter(0, Number.MAX_SAFE_INTEGER)) partition.mark(series)
    })
  } finally {
    partition.close()
  }
}

function copyFolder(from: string, to: string): void {
  if (!existsSync(from)) return
  mkdirSync(to, { mode: 0o700 })
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    if (entry.isFile()) copyFileSync(join(from, entry.name), join(to, entry.name))
  }
}

function bytesOf(folder: string): number {
  const series = join(folder, seriesFolder)
  const files = existsSync(series) ? readdirSync(series, { recursive: true, encoding: 'utf8' }).map((file) => join(series, file)) : []
  return [join(folder, databaseName), ...files].reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0)
}
