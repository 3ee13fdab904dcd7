// Folders on disk: what is made, renamed or removed in one is only sure to outlive a power cut once the folder itself is synced.
import { closeSync, fsyncSync, openSync } from 'node:fs'

export function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
