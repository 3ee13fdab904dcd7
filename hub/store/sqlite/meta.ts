// In the writer thread: single numbers that the hub remembers by name.
import type { Database } from 'better-sqlite3'

/** 0 when there is none of this name. */
export function metaOf(db: Database, name: string): number {
  return db.prepare<[string], number>('SELECT value FROM meta WHERE name = ?').pluck().get(name) ?? 0
}

export function setMeta(db: Database, name: string, value: number): void {
  db.prepare('INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value').run(
    name,
    Math.round(value),
  )
}
