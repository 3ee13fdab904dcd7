// Earlier versions of twins. A row is the patch that leads back from a version to the one before it: so the oldest can go at any time, and what
// is newest needs no row. Written in the writer thread, read in the reader's.
import type { Database } from 'better-sqlite3'
import { type JsonObject, merged, patchBetween } from '../../../devices/merge-patch.ts'
import type { Part } from '../../../devices/twin.ts'
import { limits } from '../../limits.ts'
import type { TwinStep, TwinSteps, TwinVersion } from '../twins.ts'

/** What a row takes beside its patch, about. */
const rowBytes = 64
/** So many rows go at a time. */
const rowsPerTrim = 1_000
/** Down to this part of the bound, so that the next change need not trim again. */
const trimTo = 0.9

export interface Kept {
  readonly versions: number
  readonly bytes: number
}

export const nothingKept: Kept = { versions: 0, bytes: 0 }

interface KeptRow {
  readonly version: number
  readonly bytes: number
}

/** Whose rows went, and how many. */
interface Gone extends Kept {
  readonly device: number
  readonly twin: string
}

/** Bounds of it; the hub's own table of limits has this shape. */
export interface HistoryLimits {
  readonly twinVersions: number
  readonly twinVersionsBytes: number
  readonly twinVersionsAll: number
  readonly twinVersionsAllBytes: number
}

export class TwinHistory {
  readonly #bounds: HistoryLimits
  readonly #sql
  /** Of all twins; undefined when it has to be counted anew. */
  #all: { versions: number; bytes: number } | undefined = undefined

  constructor(db: Database, bounds: HistoryLimits = limits) {
    this.#bounds = bounds
    const size = `octet_length(undo) + ${rowBytes}`
    this.#sql = {
      add: db.prepare('INSERT INTO twin_versions (device, twin, version, at_ms, part, who, undo) VALUES (?, ?, ?, ?, ?, ?, ?)'),
      all: db.prepare<[], Kept>('SELECT coalesce(sum(kept_versions), 0) AS versions, coalesce(sum(kept_bytes), 0) AS bytes FROM twins'),
      of: db.prepare<[number, string], KeptRow>(
        `SELECT version, ${size} AS bytes FROM twin_versions WHERE device = ? AND twin = ? ORDER BY version`,
      ),
      removeTo: db.prepare('DELETE FROM twin_versions WHERE device = ? AND twin = ? AND version <= ?'),
      oldest: db.prepare<[number], { newest: number | null }>(
        'SELECT max(id) AS newest FROM (SELECT id FROM twin_versions ORDER BY id LIMIT ?)',
      ),
      ofOldest: db.prepare<[number], Gone>(
        `SELECT device, twin, count(*) AS versions, sum(${size}) AS bytes FROM twin_versions WHERE id <= ? GROUP BY device, twin`,
      ),
      removeOldest: db.prepare('DELETE FROM twin_versions WHERE id <= ?'),
      keepsLess: db.prepare(
        'UPDATE twins SET kept_versions = kept_versions - ?, kept_bytes = kept_bytes - ? WHERE device = ? AND name = ?',
      ),
    }
  }

  /** Returns what is kept of the twin then. `undo` leads back to the version before. */
  add(device: number, twin: string, kept: Kept, { version, at }: TwinVersion, part: Part, who: string | null, undo: JsonObject): Kept {
    const text = JSON.stringify(undo)
    this.#sql.add.run(device, twin, version, at, part, who, text)
    const all = this.#ofAll()
    const bytes = Buffer.byteLength(text) + rowBytes
    all.versions += 1
    all.bytes += bytes
    return { versions: kept.versions + 1, bytes: kept.bytes + bytes }
  }

  /** Returns what is left of one that has more than it may. */
  trim(device: number, twin: string, kept: Kept): Kept {
    const { twinVersions, twinVersionsBytes } = this.#bounds
    if (kept.versions <= twinVersions && kept.bytes <= twinVersionsBytes) return kept
    let { versions, bytes } = kept
    let last = 0
    for (const row of this.#sql.of.iterate(device, twin)) {
      if (versions <= twinVersions * trimTo && bytes <= twinVersionsBytes * trimTo) break
      last = row.version
      versions -= 1
      bytes -= row.bytes
    }
    this.#sql.removeTo.run(device, twin, last)
    this.gone({ versions: kept.versions - versions, bytes: kept.bytes - bytes })
    return { versions, bytes }
  }

  /** The oldest of all go, as many as are too many. Returns true when some twin has fewer now than it was known to have. */
  trimAll(): boolean {
    const { twinVersionsAll, twinVersionsAllBytes } = this.#bounds
    let hasTrimmed = false
    for (let all = this.#ofAll(); all.versions > twinVersionsAll || all.bytes > twinVersionsAllBytes; hasTrimmed = true) {
      const newest = this.#sql.oldest.get(rowsPerTrim)?.newest
      if (newest === null || newest === undefined) break
      for (const { device, twin, versions, bytes } of this.#sql.ofOldest.all(newest)) {
        this.#sql.keepsLess.run(versions, bytes, device, twin)
        this.gone({ versions, bytes })
      }
      this.#sql.removeOldest.run(newest)
    }
    return hasTrimmed
  }

  gone({ versions, bytes }: Kept): void {
    const all = this.#ofAll()
    all.versions -= versions
    all.bytes -= bytes
  }

  /** Rows have come or gone unseen. */
  recount(): void {
    this.#all = undefined
  }

  #ofAll(): { versions: number; bytes: number } {
    this.#all ??= { ...this.#sql.all.get()! }
    return this.#all
  }
}

interface StepRow extends TwinVersion {
  readonly part: Part
  readonly by: string | null
  readonly undo: string
}

/** The two documents of one version. */
export interface States extends TwinVersion {
  readonly desired: JsonObject
  readonly reported: JsonObject
}

export class TwinPast {
  readonly #rows

  constructor(db: Database) {
    this.#rows = db.prepare<[number, string], StepRow>(
      'SELECT version, at_ms AS at, part, who AS by, undo FROM twin_versions WHERE device = ? AND twin = ? ORDER BY version DESC',
    )
  }

  /** As it was at this time, Unix ms; undefined when that is not kept any more. Before its first version it was empty. */
  at(device: number, twin: string, newest: States, ms: number): States | undefined {
    const rows = this.#rows.all(device, twin)
    let states = newest
    for (const [place, row] of rows.entries()) {
      if (states.at <= ms) break
      const at = row.version === 1 ? 0 : rows[place + 1]?.at
      if (at === undefined) return undefined
      states = { ...before(states, row), at }
    }
    return states.at <= ms ? states : undefined
  }

  /** As `Twins.versions`. */
  steps(device: number, twin: string, newest: States, beforeVersion: number, limit: number): TwinSteps {
    const versions: TwinStep[] = []
    let states = newest
    for (const row of this.#rows.iterate(device, twin)) {
      if (versions.length === limit) return { versions, hasMore: true }
      const { version, at, part, by } = row
      const earlier = before(states, row)
      if (version < beforeVersion) versions.push({ version, at, part, by, patch: patchBetween(earlier[part], states[part]) })
      states = earlier
    }
    return { versions, hasMore: false }
  }
}

/** What the version was made of that this row tells of; its time is not known by it. */
function before(states: States, { version, part, undo }: StepRow): States {
  return { ...states, version: version - 1, [part]: merged(states[part], JSON.parse(undo) as JsonObject) }
}
