// While a backup is made, the files of partitions that were let go of stay. The backup is another process, which may die at any moment: so
// it is SQLite's lock on a file that says so, as in lock.ts.
import { closeSync, existsSync, openSync } from 'node:fs'
import { join } from 'node:path'
import Database, { SqliteError } from 'better-sqlite3'

const name = 'mooring.hold'

/** Keeps files of partitions from being removed until `close`, or the end of the process. Any number of processes may. */
export function holdFiles(folder: string): Database.Database {
  const path = join(folder, name)
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600))
  const hold = new Database(path, { timeout: 1000 })
  hold.exec('BEGIN')
  hold.prepare('SELECT count(*) FROM sqlite_schema').get() // takes the shared lock
  return hold
}

/** Does this, which removes files, unless somebody holds them: then false. */
export function unlessHeld(folder: string, remove: () => void): boolean {
  const path = join(folder, name)
  if (!existsSync(path)) {
    remove()
    return true
  }
  const hold = new Database(path, { timeout: 0 })
  try {
    hold.pragma('journal_mode = MEMORY') // nothing is ever written to it
    hold.exec('BEGIN EXCLUSIVE')
    remove()
    return true
  } catch (error) {
    if (error instanceof SqliteError && error.code.startsWith('SQLITE_BUSY')) return false
    throw error
  } finally {
    hold.close()
  }
}
