// In the keeper thread, once, at the start: what a crash left in the folder of partitions.
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../folders.ts'
import { isCorrupt } from '../integrity/damage.ts'
import { unfinishedSuffix } from '../integrity/mend.ts'
import { Partition } from '../partition.ts'

/**
 * Removes partitions that are not on record: their points are still in the heads, or were to be let go of. A transaction that a crash cut
 * is rolled back, which a reader could not do.
 */
export function sweep(folder: string, onRecord: ReadonlySet<string>): void {
  makeFolder(folder)
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    for (const name of readdirSync(join(folder, entry.name))) {
      const file = join(entry.name, name)
      const database = file.replace(/-journal$/, '')
      if (database.endsWith(unfinishedSuffix)) rmSync(join(folder, file), { force: true })
      if (!database.endsWith('.db')) continue
      if (!onRecord.has(database)) rmSync(join(folder, file), { force: true })
      else if (database !== file) rollBack(join(folder, database))
    }
  }
}

function rollBack(path: string): void {
  try {
    Partition.open(path).close()
  } catch (error) {
    if (!isCorrupt(error)) throw error // damaged besides: who needs it next has it mended
  }
}
