// Folders on disk: what is made, renamed or removed in one is only sure to outlive a power cut once the folder itself is synced.
import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/** Makes a folder, and those above it that are missing, for their owner only. SQLite syncs the folder a file of its own lies in, none above. */
export function makeFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  const top = dirname(resolve(first))
  for (let above = resolve(folder); above !== top; ) {
    above = dirname(above)
    syncFolder(above)
  }
}

export function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

/** All folders below as well. */
export function syncTree(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) if (entry.isDirectory()) syncTree(join(path, entry.name))
  syncFolder(path)
}

/** The data folder and its database for their owner only. SQLite gives its side files the mode of the database. Errors: a sentence. */
export function makePrivate(folder: string): void {
  try {
    makeFolder(folder)
    restrict(folder, 0o700)
    const path = join(folder, 'mooring.db')
    closeSync(openSync(path, 'a', 0o600))
    restrict(path, 0o600)
  } catch (error) {
    throw new Error(`The data folder ${folder} cannot be used (${(error as Error).message}); choose another with --data.`, { cause: error })
  }
}

/** A folder that belongs to someone else, such as a mounted volume, keeps the mode its owner gave it. */
function restrict(path: string, mode: number): void {
  if ((statSync(path).mode & 0o777) === mode) return
  try {
    chmodSync(path, mode)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error
  }
}
