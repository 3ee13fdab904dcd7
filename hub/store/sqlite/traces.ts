// Rows that leave nothing behind where they were.
import type { Database } from 'better-sqlite3'

/**
 * One transaction, in which SQLite overwrites with zeros what is deleted or replaced. For these statements alone, because everything else
 * would have to write pages that it only lets go of. What it leaves when it moves rows between pages is not overwritten.
 */
export function withoutTraces(db: Database, change: () => void): void {
  db.pragma('secure_delete = ON')
  try {
    db.transaction(change)()
  } finally {
    db.pragma('secure_delete = OFF')
  }
}
