// Values for the parameters of a statement, in the form that better-sqlite3 takes them: those of `?` in a row, all others by name (`?2` has the
// name 2). Whole numbers become INTEGER, as they would be in the statement itself.
import { Refusal } from '../../../errors.ts'
import type { SqlParameter, SqlParams } from '../../sql.ts'
import type { Token } from './tokens.ts'

/** Errors: `sql-invalid` when there are not as many as the statement takes. */
export function bindingsOf(tokens: readonly Token[], params: SqlParams): unknown[] {
  if (!isList(params)) {
    const named = Object.entries(params).map(([name, value]) => [name, boundValue(value)])
    return named.length === 0 ? [] : [Object.fromEntries(named)]
  }
  const numbers = numbersOf(tokens)
  const count = Math.max(0, ...numbers.values())
  if (count !== params.length) {
    throw new Refusal('sql-invalid', { detail: `it takes ${count} parameters in a row, and ${params.length} were given` })
  }
  const inRow: unknown[] = []
  const named: [string, unknown][] = []
  for (const [token, number] of numbers) {
    const value = boundValue(params[number - 1]!)
    if (token.text === '?') inRow.push(value)
    else named.push([token.text.slice(1), value])
  }
  return named.length === 0 ? inRow : [...inRow, Object.fromEntries(named)]
}

/** Undefined for one that has none. */
export function valueOfVariable(tokens: readonly Token[], variable: Token, params: SqlParams): unknown {
  if (isList(params)) return boundValue(params[(numbersOf(tokens).get(variable) ?? 0) - 1])
  const name = variable.text.slice(1)
  return Object.hasOwn(params, name) ? boundValue(params[name]) : undefined
}

/** `?` takes the number after the largest one so far (sqlite.org/lang_expr.html, "Parameters"). */
function numbersOf(tokens: readonly Token[]): Map<Token, number> {
  const numbers = new Map<Token, number>()
  let largest = 0
  for (const token of tokens) {
    if (token.is !== 'variable' || token.text[0] !== '?') continue
    const number = token.text === '?' ? largest + 1 : Number(token.text.slice(1))
    largest = Math.max(largest, number)
    numbers.set(token, number)
  }
  return numbers
}

function boundValue(value: SqlParameter | undefined): unknown {
  if (typeof value === 'boolean') return value ? 1n : 0n
  return Number.isSafeInteger(value) ? BigInt(value as number) : value
}

function isList(params: SqlParams): params is readonly SqlParameter[] {
  return Array.isArray(params)
}
