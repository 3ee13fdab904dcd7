// In the keeper thread: a partition that SQLite cannot read any more gets a new file, with all that can still be read of the old one, so that
// points of that stretch have a place to go. The old one stays beside it, `….db.damaged`, for whoever wants to try more.
import { existsSync, linkSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import type { PartitionRow } from '../catalogue.ts'
import { syncFolder } from '../folders.ts'
import { type ChunkRow, Partition } from '../partition.ts'
import { isCorrupt } from './damage.ts'

export const unfinishedSuffix = '.db.part'
export const damagedPattern = /\.db\.damaged(-\d)?$/

/** A file that is damaged again and again lies on a disk that is: nothing is gained by more. */
const damagedMost = 9
const idMost = 2 ** 40

/** `folder` is that of all partitions. Nobody in this thread has the file open. Returns what the partition is now. */
export function mend(folder: string, row: PartitionRow): PartitionRow {
  const path = join(folder, row.file)
  const fresh = path.replace(/\.db$/, unfinishedSuffix)
  const aside = freeName(path)
  rmSync(fresh, { force: true })
  const partition = Partition.open(fresh)
  try {
    partition.write(() => salvage(path, partition, row))
    const totals = partition.totals()
    partition.close()
    // Linked, then replaced: there is a file of this name at every moment.
    link(path, aside)
    rmSync(`${path}-journal`, { force: true }) // it would be rolled back into the new one
    renameSync(fresh, path)
    syncFolder(dirname(path))
    return { ...row, ...totals }
  } catch (error) {
    partition.close()
    rmSync(fresh, { force: true })
    throw error
  }
}

function freeName(path: string): string {
  for (let count = 1; count <= damagedMost; count += 1) {
    const name = `${path}.damaged${count === 1 ? '' : `-${count}`}`
    if (!existsSync(name)) return name
  }
  throw new Error(
    `${path} was damaged ${damagedMost} times; look at the disk, and remove the files ${path}.damaged… to have it mended again.`,
  )
}

/** Some file systems know no links. */
function link(path: string, aside: string): void {
  try {
    linkSync(path, aside)
  } catch {
    renameSync(path, aside)
  }
}

/** Chunks are taken over as they are: those whose own bytes are damaged stay for queries and checks to name. */
function salvage(path: string, into: Partition, { state }: PartitionRow): void {
  const db = new Database(path, { readonly: true })
  try {
    const marked = new Set<number>()
    for (const chunk of readableChunks(db)) {
      into.insert(chunk)
      // The marks of the old file may be what is lost.
      if (chunk.series > 0 && (state === 'stale' || state === 'late')) marked.add(chunk.series)
    }
    for (const series of marked) into.mark(series)
    if (state === 'whole') for (const { key, value } of readableMarks(db)) into.mark(key, value)
  } catch (error) {
    if (!isCorrupt(error)) throw error
  } finally {
    db.close()
  }
}

function readableMarks(db: Database.Database): { key: number; value: number }[] {
  try {
    return db.prepare<[], { key: number; value: number }>('SELECT key, value FROM marks WHERE key >= 0').all()
  } catch (error) {
    if (isCorrupt(error)) return []
    throw error
  }
}

/** In the order of ids. Over a page that cannot be read it leaps, ever further, and comes back for single ones. */
function* readableChunks(db: Database.Database): Generator<ChunkRow> {
  const columns = 'id, series, start_ms AS startMs, end_ms AS endMs, count, bytes'
  const after = db.prepare<[number], ChunkRow>(`SELECT ${columns} FROM chunks WHERE id > ? ORDER BY id LIMIT 1`)
  const single = db.prepare<[number], ChunkRow>(`SELECT ${columns} FROM chunks WHERE id = ?`)
  let last = 0
  while (last < idMost) {
    const next = tryRead(() => after.get(last))
    if (next !== 'damaged') {
      if (next === undefined) return
      yield next
      last = next.id
      continue
    }
    let leap = 1
    while (last + leap < idMost && tryRead(() => after.get(last + leap)) === 'damaged') leap *= 2
    for (let id = last + 1; id <= last + Math.min(leap, 1_000_000); id += 1) {
      const row = tryRead(() => single.get(id))
      if (row !== 'damaged' && row !== undefined) yield row
    }
    last += leap
  }
}

function tryRead<Row>(read: () => Row): Row | 'damaged' {
  try {
    return read()
  } catch (error) {
    if (isCorrupt(error)) return 'damaged'
    throw error
  }
}
