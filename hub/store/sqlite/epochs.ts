// In the writer thread, once: the runs of the hub over this database, so that a cursor of an earlier one can be told from a stranger's.
import type { Database } from 'better-sqlite3'
import type { Epoch } from '../cursors.ts'
import { metaOf, setMeta } from './meta.ts'

/** Older ones are forgotten: a hub that starts every minute has as many in a week. */
const epochsKept = 10_000

/**
 * Puts this run on record. A new database begins with the time in seconds, so that the cursors of one that was thrown away before are not
 * taken for its own. Returns all runs, the newest last.
 */
export function beginEpoch(db: Database, firstSeq: number): Epoch[] {
  db.transaction(() => {
    const before = metaOf(db, 'epoch')
    const epoch = before === 0 ? Math.floor(Date.now() / 1000) : before + 1
    setMeta(db, 'epoch', epoch)
    db.prepare('INSERT INTO epochs (epoch, first_seq) VALUES (?, ?)').run(epoch, firstSeq)
    db.prepare('DELETE FROM epochs WHERE epoch <= ?').run(epoch - epochsKept)
  })()
  return db.prepare<[], Epoch>('SELECT epoch, first_seq AS firstSeq FROM epochs ORDER BY epoch').all()
}

/**
 * For a copy of a database that will live on beside the original, or in its place: its next run begins with the time in seconds, so that the
 * cursors of runs that the copy knows nothing of are not taken for its own.
 */
export function leaveEpochs(db: Database, nowMs: number): void {
  setMeta(db, 'epoch', Math.max(metaOf(db, 'epoch'), Math.floor(nowMs / 1000)))
}
