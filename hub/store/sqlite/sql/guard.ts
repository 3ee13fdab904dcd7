// Which statements are run, and how the sentence of one that is not says where it is wrong.
//
// better-sqlite3 has no authorizer. The first word tells what kind of statement it is, and what it reads is read off the program that SQLite
// compiles it to (sqlite.org/opcode.html): each b-tree and each virtual table that it opens. What is not on the list is refused, so
// no way of writing a name gets around it.
import { type Database, SqliteError, type Statement } from 'better-sqlite3'
import { Refusal } from '../../../errors.ts'
import { isKeyword, type Token, tokensOf } from './tokens.ts'

interface Instruction {
  readonly opcode: string
  readonly p2: number
  readonly p3: number
  readonly p4: string | null
}

interface Checked {
  readonly tokens: readonly Token[]
  readonly statement: Statement<unknown[], unknown[]>
  readonly values: unknown[]
}

/** Tables of the file that may be read; the views are made of them. */
const openTables = ['devices', 'series']

export class Guard {
  readonly #db: Database
  readonly #ownTable: string
  readonly #roots
  readonly #openModules: Statement<[], Instruction>

  /** `ownTable`: the virtual table below the view `telemetry`, which nobody but the view may name. */
  constructor(db: Database, ownTable: string) {
    this.#db = db
    this.#ownTable = ownTable
    const tables = openTables.map((name) => `'${name}'`).join()
    this.#roots = db.prepare<[], number>(`SELECT rootpage FROM main.sqlite_schema WHERE tbl_name IN (${tables}) AND rootpage > 0`).pluck()
    this.#openModules = db.prepare(`EXPLAIN SELECT 1 FROM ${ownTable}(1), json_each('[]'), json_tree('[]')`)
  }

  /** `valuesFor` gives the values of its parameters. Errors: `sql-invalid`, `sql-not-allowed`. */
  checked(sql: string, valuesFor: (tokens: readonly Token[]) => unknown[]): Checked {
    const tokens = tokensOf(sql)
    if (tokens === undefined) throw invalid(sql, 'a character or a quote that begins nothing')
    assertReading(tokens)
    const named = tokens.find(({ is, text }) => (is === 'name' || is === 'string') && text.toLowerCase() === this.#ownTable)
    if (named !== undefined) throw new Refusal('sql-not-allowed', { detail: `${named.text} is not for reading; use telemetry` })
    try {
      const statement = this.#db.prepare<unknown[], unknown[]>(sql)
      const values = valuesFor(tokens)
      if (!statement.readonly || !statement.reader) throw new Refusal('sql-not-allowed', { detail: 'the statement would write' })
      if (!isKeyword(tokens[0], 'explain')) this.#assertOpens(sql, values)
      return { tokens, statement, values }
    } catch (error) {
      throw refusalOf(error, sql, tokens) ?? error
    }
  }

  #assertOpens(sql: string, values: readonly unknown[]): void {
    const roots = new Set(this.#roots.all())
    const modules = new Set(this.#openModules.all().flatMap(({ opcode, p4 }) => (opcode === 'VOpen' ? [p4] : [])))
    for (const { opcode, p2, p3, p4 } of this.#db.prepare<unknown[], Instruction>(`EXPLAIN ${sql}`).all(...values)) {
      if (!isOpen(opcode))
        throw new Refusal('sql-not-allowed', { detail: 'only telemetry, devices, series, json_each and json_tree can be read' })
      function isOpen(name: string): boolean {
        if (name === 'VOpen') return modules.has(p4)
        if (name === 'OpenRead' || name === 'ReopenIdx') return p3 === 0 && roots.has(p2)
        return name !== 'OpenWrite'
      }
    }
  }
}

/** ATTACH and some PRAGMAs count as reading, too, for SQLite. EXPLAIN alone would show addresses in the memory. */
function assertReading(tokens: readonly Token[]): void {
  const [first, second, third] = tokens
  const isQueryPlan = isKeyword(first, 'explain') && isKeyword(second, 'query') && isKeyword(third, 'plan')
  if (isKeyword(isQueryPlan ? tokens[3] : first, 'select', 'with', 'values')) return
  const detail = first === undefined ? 'it is empty' : 'it begins with SELECT, WITH, VALUES or EXPLAIN QUERY PLAN'
  throw new Refusal('sql-not-allowed', { detail })
}

/** What SQLite refuses, in its words; it names the token and not the place, so the place is told when the token stands there once. */
export function invalid(sql: string, message: string, tokens: readonly Token[] = []): Refusal {
  const [, named] = /^near "(.*)": |^no such (?:column|table|function): (.*?)$/s.exec(message)?.filter((part) => part !== undefined) ?? []
  const last = named?.split('.').at(-1)
  const places = tokens.filter(({ start, end, text }) => last !== undefined && (sql.slice(start, end) === last || text === last))
  const start = message === 'incomplete input' ? sql.length : places.length === 1 ? places[0]!.start : undefined
  if (start === undefined) return new Refusal('sql-invalid', { detail: message })
  const before = sql.slice(0, start).split('\n')
  return new Refusal('sql-invalid', { detail: `${message}, line ${before.length}, column ${before.at(-1)!.length + 1}` })
}

/** What an error says of a statement that was run; undefined when it says something about the store. */
export function refusalOf(error: unknown, sql: string, tokens: readonly Token[]): Refusal | undefined {
  if (error instanceof Refusal) return error
  const { message } = error as Error
  if (!(error instanceof SqliteError)) return invalid(sql, message, tokens) // of a function, or of a parameter
  if (/^SQLITE_(NOMEM|TOOBIG|FULL|IOERR_WRITE|IOERR_NOMEM)/.test(error.code)) return new Refusal('query-too-large', { detail: message })
  return /^SQLITE_(ERROR|MISMATCH|RANGE|READONLY|AUTH)/.test(error.code) ? invalid(sql, message, tokens) : undefined
}
