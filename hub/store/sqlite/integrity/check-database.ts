// The tables of mooring.db whose rows carry checksums, read through: the journal, the heads, the messages that sessions are owed. A piece at
// a time, and between two pieces no transaction is open.
import type { Database, Statement } from 'better-sqlite3'
import { FrameCursor } from '../frame.ts'
import { pointsOfHead } from '../heads.ts'
import { sqliteFindings } from './check-partition.ts'
import { type Findings, isCorrupt, spanText } from './damage.ts'
import type { SeriesNames } from './series-names.ts'

export const databaseName = 'mooring.db'

const rowsAtATime = 16
const sectionNames = ['journal', 'heads', 'owed_messages'] as const

interface JournalRow {
  readonly id: number
  readonly lastSeq: number
  readonly count: number
  readonly bytes: Buffer
}

interface HeadRow {
  readonly id: number
  readonly device: number
  readonly atMs: number
  readonly points: number
  readonly deepest: number
  readonly bytes: Buffer
}

interface OwedRow {
  readonly id: number
  readonly bytes: Buffer
}

/** Yields the bytes of each piece. With `whole` SQLite reads through all of the file at once; else table by table, the large one left out. */
export function* checkDatabase(
  db: Database,
  names: SeriesNames,
  findings: Findings,
  { whole }: { readonly whole: boolean },
): Generator<number> {
  try {
    if (whole) yield* sqliteFindings(db, databaseName, findings)
    else {
      const tables = db.prepare<[], string>(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'journal'`).pluck().all()
      for (const table of tables) yield* sqliteFindings(db, databaseName, findings, table)
    }
    for (const section of sectionNames) yield* new TableCheck(db, names, findings).pieces(section)
    yield* putAside(db, names, findings)
  } catch (error) {
    if (!isCorrupt(error)) throw error
    findings.add(databaseName, undefined, `SQLite cannot read it: ${error.message}.`)
  }
}

class TableCheck {
  readonly #db: Database
  readonly #names: SeriesNames
  readonly #findings: Findings

  constructor(db: Database, names: SeriesNames, findings: Findings) {
    this.#db = db
    this.#names = names
    this.#findings = findings
  }

  pieces(section: (typeof sectionNames)[number]): Generator<number> {
    switch (section) {
      case 'journal':
        return this.#rows<JournalRow>(section, 'first_seq AS id, last_seq AS lastSeq, count, bytes', 'first_seq', (row) => this.#batch(row))
      case 'heads':
        return this.#rows<HeadRow>(section, 'id, device, at_ms AS atMs, points, deepest, bytes', 'id', (row) => this.#head(row))
      case 'owed_messages':
        return this.#rows<OwedRow>(section, 'seq AS id, frame AS bytes', 'seq', (row) => this.#owed(row))
    }
  }

  *#rows<Row extends { readonly id: number; readonly bytes: Buffer }>(
    table: string,
    columns: string,
    key: string,
    look: (row: Row) => void,
  ): Generator<number> {
    const keys = this.#db
      .prepare<[number], number>(`SELECT ${key} FROM ${table} WHERE ${key} > ? ORDER BY ${key} LIMIT ${rowsAtATime}`)
      .pluck()
    const row: Statement<[number], Row> = this.#db.prepare(`SELECT ${columns} FROM ${table} WHERE ${key} = ?`)
    for (let after = 0; ; ) {
      const found = keys.all(after)
      let bytes = 0
      for (const id of found) {
        try {
          const one = row.get(id)
          if (one === undefined) continue // gone meanwhile
          look(one)
          bytes += one.bytes.length
        } catch (error) {
          if (!isCorrupt(error)) throw error
          this.#findings.add(databaseName, `${table} ${id}`, `SQLite cannot read it: ${error.message}.`)
        }
      }
      yield bytes
      if (found.length < rowsAtATime) return
      after = found.at(-1)!
    }
  }

  #batch({ id: firstSeq, lastSeq, count, bytes }: JournalRow): void {
    const cursor = new FrameCursor(bytes)
    const place = `journal, batch ${firstSeq} to ${lastSeq}`
    let frames = 0
    let before = firstSeq - 1
    let gaps = 0
    while (cursor.next()) {
      frames += 1
      if (cursor.gaps > gaps) {
        gaps = cursor.gaps
        this.#findings.add(databaseName, `${place}, behind message ${before}`, 'No frame begins where one should.')
      }
      const { seq, start, sealed } = cursor
      if (sealed) before = seq
      else {
        this.#findings.add(
          databaseName,
          `${place}, behind message ${before}, byte ${start}`,
          'The checksum of a message does not fit its bytes.',
        )
        cursor.passOver()
      }
    }
    if (cursor.broken) this.#findings.add(databaseName, `${place}, behind message ${before}`, 'The bytes end where no frame does.')
    else if (frames !== count && gaps === 0)
      this.#findings.add(databaseName, place, `It holds ${frames} messages, and its row says ${count}.`)
    if (before > lastSeq) this.#findings.add(databaseName, place, `Its last message has the number ${before}.`)
  }

  #head({ id, device, atMs, points, bytes }: HeadRow): void {
    const place = `heads, row ${id} of ${this.#names.device(device)}, written until ${new Date(atMs).toISOString()}`
    let found = 0
    let damaged = false
    const parts = pointsOfHead(bytes, undefined, ({ series, span, what }) => {
      damaged = true
      const which =
        series === undefined ? '' : `, ${this.#names.series(series)}${span === undefined ? '' : `, ${spanText(span.fromMs, span.toMs)}`}`
      this.#findings.add(databaseName, place + which, what)
    })
    for (const [series, { times }] of parts) {
      found += times.length
      if (!this.#names.has(series)) this.#findings.add(databaseName, place, `It holds points of series ${series}, which is not on record.`)
    }
    if (!damaged && found !== points) this.#findings.add(databaseName, place, `It holds ${found} points, and its row says ${points}.`)
  }

  #owed({ id: seq, bytes }: OwedRow): void {
    const cursor = new FrameCursor(bytes)
    const isWhole = cursor.next() && !cursor.broken && cursor.sealed && cursor.seq === seq
    if (isWhole) return
    const receivers = this.#db
      .prepare<[number], string>('SELECT client_id FROM owed JOIN sessions ON number = session WHERE message = ? LIMIT 3')
      .pluck()
      .all(seq)
    const place = `owed_messages ${seq}${receivers.length === 0 ? '' : `, owed to ${receivers.join(', ')}`}`
    this.#findings.add(databaseName, place, 'The checksum of the message does not fit its bytes.')
  }
}

/** Rows that the sealer could not read whole. */
function* putAside(db: Database, names: SeriesNames, findings: Findings): Generator<number> {
  const rows = db.prepare<[], { id: number; device: number; atMs: number; points: number }>(
    'SELECT id, device, at_ms AS atMs, points FROM damaged_heads ORDER BY id',
  )
  for (const { id, device, atMs, points } of rows.all()) {
    const place = `damaged_heads, row ${id} of ${names.device(device)}, written until ${new Date(atMs).toISOString()}`
    findings.add(databaseName, place, `It was put aside: not all of its ${points} points could be read.`)
  }
  yield 0
}
