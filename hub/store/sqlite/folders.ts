// Folders on disk: what is made, renamed or removed in one is only sure to outlive a power cut once the folder itself is synced.
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync } from 'node:fs'
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
