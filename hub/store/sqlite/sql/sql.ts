// The process for read-only SQL: one statement at a time, whatever it may be.
//
// A process and not a thread, because a statement can go on for ever inside SQLite: better-sqlite3 has neither an interrupt nor a progress
// handler, `Worker.terminate` waits until the native call returns (measured: never), and memory is the whole process's. This one is killed
// without asking, and the kernel bounds what it takes (process.ts).
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { Refusal, type RefusalCode } from '../../../errors.ts'
import { limits } from '../../../limits.ts'
import type { DamagedSpan, SqlColumn, SqlParams, SqlQuery } from '../../sql.ts'
import { type Bounds, boundsOf } from './bounds.ts'
import { addFunctions } from './functions.ts'
import { Guard, refusalOf } from './guard.ts'
import { bindingsOf, valueOfVariable } from './params.ts'
import { SqlPoints } from './points.ts'
import { addTables, pointsTable, type Scan } from './tables.ts'
import type { Token } from './tokens.ts'

export interface SqlCall {
  readonly id: number
  readonly query: SqlQuery
  readonly nowMs: number
}

export type SqlReply =
  /** The time for the statement begins. */
  | { readonly is: 'begun'; readonly id: number }
  | { readonly is: 'rows'; readonly id: number; readonly bytes: Uint8Array }
  | {
      readonly is: 'done'
      readonly id: number
      readonly columns: readonly SqlColumn[]
      readonly rowCount: number
      readonly truncatedBy: 'rows' | 'bytes' | undefined
      readonly scanned: { readonly points: number; readonly bytes: number }
      readonly damaged: readonly DamagedSpan[]
      /** Of the process since its start, in ms. */
      readonly cpuMs: number
    }
  | { readonly is: 'refused'; readonly id: number; readonly code: RefusalCode; readonly message: string }
  | { readonly is: 'failed'; readonly id: number; readonly message: string }

const pieceChars = 256 * 1024

type Value = string | number | bigint | Buffer | null

class SqlRunner {
  readonly #db: Database.Database
  readonly #points: Database.Database
  readonly #reader: SqlPoints
  readonly #guard: Guard
  readonly #scan: Scan = { bounds: { fromMs: 0, toMs: 0 }, points: 0, bytes: 0, damaged: [], failure: undefined }
  readonly #send: (reply: SqlReply) => void
  #nowMs = 0

  constructor(folder: string, send: (reply: SqlReply) => void) {
    this.#send = send
    const path = join(folder, 'mooring.db')
    this.#db = new Database(path, { readonly: true, fileMustExist: true, timeout: 2000 })
    this.#db.pragma('temp_store = MEMORY') // the process may not write to files
    this.#db.pragma('cell_size_check = ON')
    // Points are read through a connection of their own: SQLite calls for them while a statement runs on the other.
    this.#points = new Database(path, { readonly: true, fileMustExist: true, timeout: 2000 })
    addFunctions(this.#db, () => this.#nowMs)
    this.#reader = new SqlPoints(folder, this.#points)
    addTables(this.#db, this.#reader, this.#scan)
    this.#guard = new Guard(this.#db, pointsTable)
    this.#db.pragma('query_only = ON')
  }

  run({ id, query, nowMs }: SqlCall): void {
    const { sql, params = [], fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY } = query
    this.#nowMs = nowMs
    Object.assign(this.#scan, { points: 0, bytes: 0, damaged: [], failure: undefined })
    let tokens: readonly Token[] = []
    try {
      const checked = this.#guard.checked(sql, (all) => bindingsOf(all, params))
      tokens = checked.tokens
      const said = boundsOf(tokens, (expression) => this.#valueOf(tokens, expression, params))
      this.#scan.bounds = { fromMs: Math.max(fromMs, said.fromMs), toMs: Math.min(toMs, said.toMs) } satisfies Bounds
      const { statement, values } = checked
      const names = statement.columns().map(({ name }) => name)
      const rows = new Rows(id, names, query.rowsMax, this.#send)
      const found = statement.raw().safeIntegers()
      // One moment for all points, whatever is merged or let go of meanwhile.
      this.#points.transaction(() => {
        for (const row of found.iterate(...values)) if (!rows.take(row as Value[])) break
      })()
      const { points, bytes, damaged } = this.#scan
      this.#send({ is: 'done', id, ...rows.end(), scanned: { points, bytes }, damaged, cpuMs: cpuMsNow() })
    } catch (error) {
      const refusal = this.#scan.failure === undefined ? refusalOf(error, sql, tokens) : undefined
      if (refusal === undefined) this.#send({ is: 'failed', id, message: (error as Error).message })
      else this.#send({ is: 'refused', id, code: refusal.code, message: refusal.message })
    } finally {
      this.#reader.close() // a file that is removed takes its room on the disk as long as somebody has it open
    }
  }

  /** SQLite computes it, as it will in the statement. */
  #valueOf(tokens: readonly Token[], expression: readonly Token[], params: SqlParams): number | undefined {
    const values: unknown[] = []
    const text = expression.map((token) => {
      if (token.is === 'string') return `'${token.text.replaceAll("'", "''")}'`
      if (token.is !== 'variable') return token.text
      values.push(valueOfVariable(tokens, token, params))
      return '?'
    })
    if (values.includes(undefined)) return undefined
    try {
      const value = this.#db
        .prepare<unknown[], unknown>(`SELECT ${text.join(' ')}`)
        .pluck()
        .get(...values)
      return typeof value === 'number' ? value : undefined
    } catch {
      return undefined // the statement itself says what is wrong with it
    }
  }
}

/** Rows as JSON, in pieces, up to the bounds of the answer. */
class Rows {
  readonly #id: number
  readonly #names: readonly string[]
  readonly #types: SqlColumn['type'][]
  readonly #rowsMax: number
  readonly #send: (reply: SqlReply) => void
  #rowCount = 0
  #bytes = 0
  #text = ''
  #truncatedBy: 'rows' | 'bytes' | undefined

  constructor(id: number, names: readonly string[], rowsMax: number, send: (reply: SqlReply) => void) {
    this.#id = id
    this.#names = names
    this.#types = names.map(() => undefined)
    this.#rowsMax = rowsMax
    this.#send = send
  }

  /** False when no more are wanted. Errors: `query-too-large` when not even the first one fits. */
  take(row: readonly Value[]): boolean {
    if (this.#rowCount >= this.#rowsMax) {
      this.#truncatedBy = 'rows'
      return false
    }
    const text = `${this.#rowCount === 0 ? '' : ','}[${row.map(jsonOf).join(',')}]`
    if (this.#bytes + text.length * 3 > limits.sqlAnswerBytes && this.#bytes + Buffer.byteLength(text) > limits.sqlAnswerBytes) {
      if (this.#rowCount === 0) throw new Refusal('query-too-large', { detail: `one row is larger than ${limits.sqlAnswerBytes} bytes` })
      this.#truncatedBy = 'bytes'
      return false
    }
    for (const [at, value] of row.entries()) this.#types[at] ??= typeOf(value)
    this.#rowCount += 1
    this.#text += text
    this.#bytes += Buffer.byteLength(text)
    if (this.#text.length >= pieceChars) this.#flush()
    return true
  }

  end(): { columns: SqlColumn[]; rowCount: number; truncatedBy: 'rows' | 'bytes' | undefined } {
    this.#flush()
    const columns = this.#names.map((name, at) => ({ name, type: this.#types[at] }))
    return { columns, rowCount: this.#rowCount, truncatedBy: this.#truncatedBy }
  }

  #flush(): void {
    if (this.#text === '') return
    this.#send({ is: 'rows', id: this.#id, bytes: Buffer.from(this.#text) })
    this.#text = ''
  }
}

function jsonOf(value: Value): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return JSON.stringify(value)
  if (Buffer.isBuffer(value)) return `{"base64":"${value.toString('base64')}"}`
  if (value === Number.POSITIVE_INFINITY) return '9e999' // a number that JSON allows and every reader takes for infinite
  if (value === Number.NEGATIVE_INFINITY) return '-9e999'
  return Object.is(value, -0) ? '-0' : String(value)
}

function typeOf(value: Value): SqlColumn['type'] {
  if (value === null) return undefined
  if (typeof value === 'string') return 'text'
  if (typeof value === 'bigint') return 'integer'
  return typeof value === 'number' ? 'real' : 'blob'
}

function cpuMsNow(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

const [folder] = process.argv.slice(2)
let runner: SqlRunner | undefined

process.on('message', (call: SqlCall) => {
  const send = (reply: SqlReply) => process.send!(reply)
  try {
    runner ??= new SqlRunner(folder!, send)
    send({ is: 'begun', id: call.id })
    runner.run(call)
  } catch (error) {
    send({ is: 'failed', id: call.id, message: (error as Error).message })
  }
})
process.on('disconnect', () => process.exit())
