// The stores that are compared. Each run gets a new one with an empty folder, all of it on core 0 when there are two.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startHubRival } from './store-hub.ts'
import { postgresMissing, startPostgres } from './store-postgres.ts'
import type { Rival } from './store-rival.ts'
import { startSqlite } from './store-sqlite.ts'

export interface RivalKind {
  readonly says: string
  /** Why it cannot run here; undefined when it can. `installed` is where PostgreSQL may have been put. */
  missing?(installed: string): string | undefined
  start(folder: string, installed: string): Promise<Rival>
}

export const rivals = {
  hub: {
    says: 'Mooring, over HTTP, 100 readings a message; the answer comes once they are on disk',
    start: startHubRival,
  },
  rows: {
    says: 'SQLite: rows (series, ts, value) WITHOUT ROWID in the order of their key, 1,000 a commit',
    start: (folder) => startSqlite(folder, 'clustered'),
  },
  'rows-indexed': {
    says: 'SQLite: rows in the order of their coming and a unique index (series, ts), 1,000 a commit',
    start: (folder) => startSqlite(folder, 'indexed'),
  },
  postgres: {
    says: 'PostgreSQL: rows with the primary key (series, ts), COPY of 10,000 a commit',
    missing: postgresMissing,
    start: startPostgres,
  },
} as const satisfies Record<string, RivalKind>

export type RivalName = keyof typeof rivals

export function isRivalName(text: string): text is RivalName {
  return Object.hasOwn(rivals, text)
}

export function rivalMissing(name: RivalName, installed: string): string | undefined {
  const kind: RivalKind = rivals[name]
  return kind.missing?.(installed)
}

/** Starts one in a new folder for as long as `use` takes. Its processes and its folder are gone when this settles. */
export async function withRival(name: RivalName, installed: string, use: (rival: Rival) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), `mooring-bench-${name}-`))
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  process.once('exit', remove) // an interrupted bench leaves nothing behind
  try {
    const rival = await rivals[name].start(folder, installed)
    process.off('exit', remove).once('exit', remove) // behind whatever ends a process that still writes there
    try {
      await use(rival)
    } finally {
      await rival.stop()
    }
  } finally {
    process.off('exit', remove)
    remove()
  }
}
