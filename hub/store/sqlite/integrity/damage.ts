// Damage: what a checksum, a count or SQLite itself tells to be not what was written, each piece named so that an operator finds it.
import { SqliteError } from 'better-sqlite3'

export interface Finding {
  /** Below the data folder. */
  readonly file: string
  /** Which table and row, or which series, of what time; undefined for the file as a whole. */
  readonly place: string | undefined
  /** What is wrong: a sentence. */
  readonly what: string
}

/** `series/raw/2026-11-22.db, chunk 17 of pump-1/temperature, 2026-11-22T10:00:00.000Z to …: The checksum …` */
export function textOf({ file, place, what }: Finding): string {
  return `${file}${place === undefined ? '' : `, ${place}`}: ${what}`
}

/** The first of them, and how many there are in all: a disk that fails makes a million. */
export class Findings {
  readonly first: Finding[] = []
  readonly #most: number
  #total = 0

  constructor(most: number) {
    this.#most = most
  }

  get total(): number {
    return this.#total
  }

  add(file: string, place: string | undefined, what: string): void {
    this.#total += 1
    if (this.first.length < this.#most) this.first.push({ file, place, what })
  }
}

/** SQLite cannot make sense of a file, or of a page in it; a query elsewhere in the same file may still be answered. */
export function isCorrupt(error: unknown): error is Error {
  return error instanceof SqliteError && (error.code.startsWith('SQLITE_CORRUPT') || error.code === 'SQLITE_NOTADB')
}

/** A file of chunks that SQLite cannot make sense of. */
export class PartitionDamaged extends Error {
  /** Below the folder of partitions. */
  readonly file: string

  constructor(file: string, cause: Error) {
    super(`The file ${file} is damaged (${cause.message}).`, { cause })
    this.file = file
  }
}

/** Work on this partition. Errors: `PartitionDamaged` in place of SQLite's own. */
export function naming<Done>(file: string, work: () => Done): Done {
  try {
    return work()
  } catch (error) {
    throw isCorrupt(error) ? new PartitionDamaged(file, error) : error
  }
}

/** From and to as people read them. Times come from bytes that may be damaged. */
export function spanText(fromMs: number, toMs: number): string {
  return `${timeText(fromMs)} to ${timeText(toMs)}`
}

function timeText(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : String(ms)
}
