// One hub per folder: two writers of one sequence would give the same number to different messages.
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import Database, { SqliteError } from 'better-sqlite3'

export const lockName = 'mooring.lock'

/**
 * Holds the folder until `close`, or until the process ends in whatever way: the lock is SQLite's own on a file beside the database, and
 * the kernel drops it with the process, so a crash leaves nothing to clean up. Errors: a sentence, when someone else holds it.
 */
export function lockFolder(folder: string): Database.Database {
  const path = join(folder, lockName)
  closeSync(openSync(path, 'a', 0o600))
  const lock = new Database(path, { timeout: 0 })
  try {
    lock.pragma('journal_mode = MEMORY') // nothing is ever written to it
    lock.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    lock.close()
    if (!(error instanceof SqliteError) || !error.code.startsWith('SQLITE_BUSY')) throw error
    throw new Error(`Another Mooring uses the folder ${folder}. Stop it first, or choose another folder with --data.`)
  }
  return lock
}
