// Numbers of series and devices as operators know them, for what is said of damage.
import type { Database } from 'better-sqlite3'

export class SeriesNames {
  readonly #sql

  constructor(db: Database) {
    this.#sql = {
      series: db
        .prepare<[number], string>(`SELECT devices.id || '/' || metric FROM series JOIN devices ON number = device WHERE series.id = ?`)
        .pluck(),
      isDeleted: isDeletedIn(db),
      device: db.prepare<[number], string>('SELECT id FROM devices WHERE number = ?').pluck(),
    }
  }

  /** Device and metric. */
  series(number: number): string {
    return this.#sql.series.get(number) ?? `series ${number}, which is not on record`
  }

  device(number: number): string {
    return this.#sql.device.get(number) ?? `device ${number}, which is not on record`
  }

  /** On record, or of a device whose deletion is under way. */
  has(series: number): boolean {
    return this.#sql.series.get(series) !== undefined || this.#sql.isDeleted?.get(series) !== undefined
  }
}

/** Undefined where the folder that is checked is older than this table. */
function isDeletedIn(db: Database) {
  const hasTable = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'deletions'").get() !== undefined
  return hasTable ? db.prepare<[number], number>('SELECT 1 FROM deletions, json_each(series) WHERE value = ?').pluck() : undefined
}
