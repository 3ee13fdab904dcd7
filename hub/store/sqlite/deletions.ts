// In the writer thread: devices that are deleted with all that is stored of them. What mooring.db has of one goes in one transaction, so it is
// there or it is gone. Its chunks lie in other files, which the keeper goes through; the deletion is on record until that is done.
import type { Database } from 'better-sqlite3'
import type { DeviceId } from '../../../devices/device.ts'
import { metaOf, setMeta } from './meta.ts'
import { withoutTraces } from './traces.ts'

export interface Deletion {
  /** The number it had. */
  readonly device: number
  readonly id: DeviceId
  /** What was journalled of it up to here is of its past; what comes later under its id is another device. */
  readonly lastSeq: number
  /** Whose chunks may be there. */
  readonly series: readonly number[]
}

/** Numbers that were given are not given again: messages in the journal may have them. */
export const lastDeviceName = 'last_device'
export const lastSeriesName = 'last_series'
/** How many there were, for those who read in several steps. */
export const deletionsName = 'deletions'

export class Deletions {
  readonly #db: Database
  readonly #sql

  constructor(db: Database) {
    this.#db = db
    this.#sql = {
      number: db.prepare<[string], number>('SELECT number FROM devices WHERE id = ?').pluck(),
      series: db.prepare<[number], number>('SELECT id FROM series WHERE device = ?').pluck(),
      underWay: db.prepare<[], Omit<Deletion, 'series'> & { readonly series: string }>(
        'SELECT device, id, last_seq AS lastSeq, series FROM deletions ORDER BY device',
      ),
      begin: db.prepare('INSERT INTO deletions (device, id, last_seq, series) VALUES (?, ?, ?, ?)'),
      end: db.prepare('DELETE FROM deletions WHERE device = ?'),
      chunksGone: db.prepare("UPDATE deletions SET series = '[]' WHERE device = ?"),
      atMost: db.prepare('UPDATE deletions SET last_seq = min(last_seq, ?)'),
      ofDevice: ['series', 'heads', 'damaged_heads', 'metadata', 'twins', 'twin_versions', 'presences', 'events', 'commands'].map((table) =>
        db.prepare(`DELETE FROM ${table} WHERE device = ?`),
      ),
      device: db.prepare('DELETE FROM devices WHERE number = ?'),
      children: db.prepare('UPDATE devices SET gateway = NULL WHERE gateway = ?'),
      retained: db.prepare('DELETE FROM retained WHERE topic >= ? AND topic < ? AND seq <= ?'),
    }
  }

  /** Undefined when there is no such device. */
  begin(id: DeviceId, lastSeq: number): Deletion | undefined {
    const device = this.#sql.number.get(id)
    if (device === undefined) return undefined
    const series = this.#sql.series.all(device)
    const deletion: Deletion = { device, id, lastSeq, series }
    withoutTraces(this.#db, () => {
      this.#sql.begin.run(device, id, lastSeq, JSON.stringify(series))
      for (const remove of this.#sql.ofDevice) remove.run(device)
      this.#sql.device.run(device)
      this.#sql.children.run(id)
      this.#removeRetained(deletion)
      this.#raise(lastDeviceName, device)
      for (const one of series) this.#raise(lastSeriesName, one)
      setMeta(this.#db, deletionsName, metaOf(this.#db, deletionsName) + 1)
    })
    return deletion
  }

  underWay(): Deletion[] {
    return this.#sql.underWay.all().map((row) => ({ ...row, series: JSON.parse(row.series) as number[] }))
  }

  /** At the start, when the journal was read back up to this number; those behind it are given once more. */
  replayed(committedSeq: number): void {
    const underWay = this.underWay()
    if (underWay.length === 0) return
    withoutTraces(this.#db, () => {
      for (const deletion of underWay) this.#removeRetained(deletion)
      this.#sql.atMost.run(committedSeq)
    })
  }

  /** Its chunks are gone. On record it stays as long as a start would read the journal from before, and retain once more what it has of it. */
  end(deletion: Deletion): void {
    const isReadBack = metaOf(this.#db, 'projected_seq') < deletion.lastSeq
    if (isReadBack && deletion.series.length === 0) return
    withoutTraces(this.#db, () => {
      this.#removeRetained(deletion)
      if (isReadBack) this.#sql.chunksGone.run(deletion.device)
      else this.#sql.end.run(deletion.device)
    })
  }

  #removeRetained({ id, lastSeq }: Deletion): void {
    const prefix = prefixOf(id)
    this.#sql.retained.run(prefix, `${prefix.slice(0, -1)}0`, lastSeq) // 0 is the character behind the slash
  }

  #raise(name: string, value: number): void {
    if (value > metaOf(this.#db, name)) setMeta(this.#db, name, value)
  }
}

/** What every topic of a device begins with. */
export function prefixOf(id: DeviceId): string {
  return `devices/${id}/`
}
