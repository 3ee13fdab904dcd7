// A backup becomes the data folder: copied, compared with what it says of itself, read through, and only then put in place.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import { seriesFolder } from '../catalogue.ts'
import { leaveEpochs } from '../epochs.ts'
import { syncFolder, syncTree } from '../folders.ts'
import { lockFolder } from '../lock.ts'
import { checkFolder } from './check.ts'
import { databaseName } from './check-database.ts'
import { digest, type Manifest, readManifest, writeWhole } from './manifest.ts'

export interface RestoreOptions {
  /** What is in the folder is kept in a folder below it. */
  readonly force: boolean
  onProgress?(bytes: number, ofBytes: number): void
}

export interface RestoreReport extends Manifest {
  /** Where what was there before is now. */
  readonly replaced: string | undefined
}

const partName = 'restore.part'
const databaseFiles = [databaseName, `${databaseName}-wal`, `${databaseName}-shm`]

/**
 * Errors: a sentence, when a hub runs on the folder, when it holds a database and `force` is not set, when the backup is not what was written.
 * Then nothing was changed. One that is cut while things are put in place is begun again.
 */
export function restore(backup: string, folder: string, { force, onProgress = () => {} }: RestoreOptions): RestoreReport {
  const manifest = readManifest(backup)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const lock = lockFolder(folder)
  const part = join(folder, partName)
  try {
    const isUsed = [databaseName, seriesFolder].some((name) => existsSync(join(folder, name)))
    if (isUsed && !force) throw new Error(`${folder} holds a database already; with --force it is put aside.`)
    rmSync(part, { recursive: true, force: true })
    copyIn(backup, part, manifest, onProgress)
    const replaced = isUsed ? putAside(folder, part) : undefined
    // The database last: without it nothing is taken for a data folder of old that lost its partitions.
    for (const name of readdirSync(part).sort((a) => (a === databaseName ? 1 : -1))) renameSync(join(part, name), join(folder, name))
    syncFolder(folder)
    return { ...manifest, replaced }
  } finally {
    rmSync(part, { recursive: true, force: true })
    lock.close()
  }
}

function copyIn(backup: string, part: string, { files, damaged }: Manifest, onProgress: (bytes: number, ofBytes: number) => void): void {
  const size = files.reduce((sum, { bytes }) => sum + bytes, 0)
  let done = 0
  const add = (more: number) => {
    done += more
    onProgress(done, size * 3)
  }
  const wrong: string[] = []
  for (const { file, bytes, sha256 } of files) {
    if (!existsSync(join(backup, file))) {
      wrong.push(`${file} is missing`)
      continue
    }
    mkdirSync(dirname(join(part, file)), { recursive: true, mode: 0o700 })
    writeWhole(join(part, file), (write) => {
      const found = digest(join(backup, file), add, write)
      if (found.bytes !== bytes || found.sha256 !== sha256) wrong.push(`${file} is not what was written`)
    })
  }
  if (wrong.length > 0) {
    const advice = `mooring check --data ${backup} says what of this one can be read, and a hub may be started on it.`
    throw new Error(`The backup ${backup} is damaged: ${wrong.slice(0, 10).join('; ')}. Take another; ${advice}`)
  }
  const report = checkFolder(part, { onProgress: (checked) => onProgress(size + checked, size * 3) })
  if (report.damaged > damaged) throw new Error(`The copy in ${part} has more damage than the backup says; look at the disk.`)
  const db = new Database(join(part, databaseName))
  leaveEpochs(db, Date.now())
  db.close()
  syncTree(part)
}

/** Into a folder below: the data folder itself may be a mount, which cannot be renamed. */
function putAside(folder: string, part: string): string {
  const replaced = join(folder, `replaced-${new Date().toISOString().replaceAll(':', '-').slice(0, 19)}`)
  mkdirSync(replaced, { mode: 0o700 })
  const names = [...databaseFiles, ...readdirSync(part).filter((name) => name !== databaseName)]
  for (const name of names) if (existsSync(join(folder, name))) renameSync(join(folder, name), join(replaced, name))
  syncFolder(replaced)
  return replaced
}
