// In the writer thread: what the keeper did, put on record. Each is one transaction, so that readers see points in the heads or in the
// partitions, never in neither.
import type { Database } from 'better-sqlite3'
import { catalogueVersionName, type PartitionRow } from './catalogue.ts'
import type { Rolled } from './keeper/roller.ts'
import type { Sealed } from './keeper/sealer.ts'
import { metaOf, setMeta } from './meta.ts'

export class PartitionRecords {
  readonly #db: Database
  readonly #sql

  constructor(db: Database) {
    this.#db = db
    this.#sql = {
      putAside: db.prepare(
        'INSERT INTO damaged_heads (device, at_ms, points, bytes) SELECT device, at_ms, points, bytes FROM heads WHERE id = ?',
      ),
      deleteHeads: db.prepare('DELETE FROM heads WHERE device = ? AND id <= ?'),
      countHeads: db.prepare(`
        UPDATE devices SET (head_rows, head_depth) = (SELECT count(*), coalesce(sum(deepest), 0) FROM heads WHERE device = number)
        WHERE number = ?`),
      upsert: db.prepare<PartitionRow>(`
        INSERT INTO partitions (file, tier, start_ms, end_ms, keep, state, points, bytes)
        VALUES ($file, $tier, $startMs, $endMs, $keep, $state, $points, $bytes)
        ON CONFLICT (file) DO UPDATE SET state = excluded.state, points = excluded.points, bytes = excluded.bytes`),
      whole: db.prepare(`UPDATE partitions SET state = 'whole' WHERE file = ? AND state = 'stale'`),
      gone: db.prepare(`UPDATE partitions SET state = 'gone', points = 0, bytes = 0 WHERE file = ? AND tier = 'raw' AND state <> 'late'`),
      drop: db.prepare('DELETE FROM partitions WHERE file = ?'),
    }
  }

  sealed({ devices, lastHeads, damagedHeads, partitions }: Sealed): void {
    this.#change(() => {
      for (const head of damagedHeads) this.#sql.putAside.run(head)
      for (const [at, device] of devices.entries()) {
        this.#sql.deleteHeads.run(device, lastHeads[at]!)
        this.#sql.countHeads.run(device)
      }
      this.#put(partitions)
    })
  }

  rolled({ file, done, partitions }: Rolled): void {
    this.#change(() => {
      this.#put(partitions)
      if (done) this.#sql.whole.run(file)
    })
  }

  /** The file of this partition was damaged, and what could be read of it is in another in its place. */
  mended(partition: PartitionRow): void {
    this.#change(() => this.#put([partition]))
  }

  dropped(files: readonly string[]): void {
    this.#change(() => {
      for (const file of files) {
        if (this.#sql.gone.run(file).changes === 0) this.#sql.drop.run(file)
      }
    })
  }

  #put(partitions: readonly PartitionRow[]): void {
    for (const partition of partitions) this.#sql.upsert.run(partition)
  }

  #change(change: () => void): void {
    this.#db.transaction(() => {
      change()
      setMeta(this.#db, catalogueVersionName, metaOf(this.#db, catalogueVersionName) + 1)
    })()
  }
}
