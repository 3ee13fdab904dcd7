// What a statement says about time, as far as that is certain: the stretch of time that has to be decoded for it.
//
// SQLite hands no range to a virtual table of better-sqlite3, so it is read off the text. SQLite still checks each condition itself: a stretch
// that is too long costs time, and one too short would be wrong. Hence only conditions every row of the answer has to meet: members of the
// conjunction that is the one WHERE of the one SELECT, over one `telemetry`, which compare `time` with something constant. (Under an outer
// join, too: a row that lost its point has NULL as its time, and meets none of them.) Everything else bounds nothing.
import { isKeyword, isOperator, type Token } from './tokens.ts'

export interface Bounds {
  readonly fromMs: number
  readonly toMs: number
}

export const unbounded: Bounds = { fromMs: Number.NEGATIVE_INFINITY, toMs: Number.POSITIVE_INFINITY }

/** `numberOf` computes a constant expression; undefined for what is no number. */
export function boundsOf(tokens: readonly Token[], numberOf: (expression: readonly Token[]) => number | undefined): Bounds {
  if (!isPlain(tokens)) return unbounded
  let { fromMs, toMs } = unbounded
  for (const condition of conjunctsOf(whereOf(tokens))) {
    for (const { operator, expression } of comparisonsOf(condition)) {
      const ms = numberOf(expression)
      if (ms === undefined) continue
      if (operator !== '<') fromMs = Math.max(fromMs, ms)
      if (operator !== '>') toMs = Math.min(toMs, ms)
    }
  }
  return { fromMs, toMs }
}

/**
 * One SELECT, and one `telemetry` that is not the name of a column's table. A string can name a table, too; and a column may be called `window`,
 * the one word behind a WHERE that is not reserved.
 */
function isPlain(tokens: readonly Token[]): boolean {
  const selects = tokens.filter((token) => isKeyword(token, 'select', 'values', 'with', 'window'))
  const tables = tokens.filter(
    ({ is, text }, at) => (is === 'name' || is === 'string') && text.toLowerCase() === 'telemetry' && !isOperator(tokens[at + 1], '.'),
  )
  return selects.length === 1 && isKeyword(selects[0], 'select') && tables.length === 1
}

function whereOf(tokens: readonly Token[]): Token[] {
  const start = atTopLevel(tokens, (token) => isKeyword(token, 'where'))
  if (start === -1) return []
  const rest = tokens.slice(start + 1)
  const end = atTopLevel(rest, (token) => isKeyword(token, 'group', 'having', 'order', 'limit') || isOperator(token, ';'))
  return end === -1 ? rest : rest.slice(0, end)
}

/** The conditions that must all hold; none when it is no conjunction. CASE has members of its own, and its END may be a column. */
function conjunctsOf(tokens: readonly Token[]): Token[][] {
  if (atTopLevel(tokens, (token) => isKeyword(token, 'or', 'case', 'end')) !== -1) return []
  const conjuncts: Token[][] = [[]]
  let betweens = 0
  forEachLevel(tokens, (token, level) => {
    if (level === 0 && isKeyword(token, 'between')) betweens += 1
    if (level === 0 && isKeyword(token, 'and')) {
      if (betweens === 0) {
        conjuncts.push([])
        return
      }
      betweens -= 1
    }
    conjuncts.at(-1)!.push(token)
  })
  return conjuncts.flatMap((conjunct) => (isInParentheses(conjunct) ? conjunctsOf(conjunct.slice(1, -1)) : [conjunct]))
}

function isInParentheses(tokens: readonly Token[]): boolean {
  let closed = -1
  forEachLevel(tokens, (token, level, at) => {
    if (closed === -1 && level === 0 && isOperator(token, ')')) closed = at
  })
  return tokens.length > 1 && isOperator(tokens[0], '(') && closed === tokens.length - 1
}

interface Comparison {
  /** `time` stands to the left. Whether the bound itself is included does not matter here. */
  readonly operator: '<' | '=' | '>'
  readonly expression: readonly Token[]
}

const operators = new Map<string, Comparison['operator']>([
  ['<', '<'],
  ['<=', '<'],
  ['=', '='],
  ['==', '='],
  ['>', '>'],
  ['>=', '>'],
])
const turned = { '<': '>', '=': '=', '>': '<' } as const

function comparisonsOf(condition: readonly Token[]): Comparison[] {
  const ahead = timeColumnLength(condition)
  if (ahead > 0) {
    const rest = condition.slice(ahead + 1)
    const operator = condition[ahead]
    if (isKeyword(operator, 'between')) {
      const and = atTopLevel(rest, (token) => isKeyword(token, 'and'))
      return [...constant('>', rest.slice(0, Math.max(and, 0))), ...constant('<', rest.slice(and + 1))]
    }
    return constant(comparing(operator), rest)
  }
  // `5 < time`, `5 < t.time`
  for (const length of [1, 3]) {
    const column = condition.slice(-length)
    const operator = comparing(condition.at(-length - 1))
    if (operator !== undefined && timeColumnLength(column) === length) return constant(turned[operator], condition.slice(0, -length - 1))
  }
  return []
}

function comparing(token: Token | undefined): Comparison['operator'] | undefined {
  return token?.is === 'operator' ? operators.get(token.text) : undefined
}

/** How many tokens at the beginning name the column: `time` or `t.time`. No other table here has such a column, so `t` is `telemetry`. */
function timeColumnLength([first, second, third]: readonly Token[]): 0 | 1 | 3 {
  if (first?.is !== 'name') return 0
  if (isOperator(second, '.')) return third?.is === 'name' && third.text === 'time' ? 3 : 0
  return first.text === 'time' ? 1 : 0
}

/** Nothing but numbers, parameters, arithmetic that binds closer than a comparison, and `ms('…')`. */
function constant(operator: Comparison['operator'] | undefined, expression: readonly Token[]): Comparison[] {
  if (operator === undefined || expression.length === 0) return []
  const isConstant = expression.every((token, at) => {
    if (token.is === 'number' || token.is === 'variable') return true
    if (token.is === 'string') return isOperator(expression[at - 1], '(') && isKeyword(expression[at - 2], 'ms')
    if (token.is === 'operator') return isOperator(token, '+', '-', '*', '/', '(', ')')
    return isKeyword(token, 'ms') && isOperator(expression[at + 1], '(')
  })
  return isConstant ? [{ operator, expression }] : []
}

function atTopLevel(tokens: readonly Token[], matches: (token: Token) => boolean): number {
  let found = -1
  forEachLevel(tokens, (token, level, at) => {
    if (found === -1 && level === 0 && matches(token)) found = at
  })
  return found
}

/** A parenthesis has the level outside. */
function forEachLevel(tokens: readonly Token[], each: (token: Token, level: number, at: number) => void): void {
  let level = 0
  tokens.forEach((token, at) => {
    if (isOperator(token, ')')) level -= 1
    each(token, level, at)
    if (isOperator(token, '(')) level += 1
  })
}
