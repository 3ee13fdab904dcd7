// mooring sql: one statement to a running hub, and its answer as a table, as CSV, or as it came.
import { addAbortSignal } from 'node:stream'
import { CommandError, define, exitCodes, say, type Terminal, UsageError, type Values } from './command.ts'
import { ask, hubOptions, textOf } from './connection.ts'
import { print, screenWidthOf } from './print.ts'
import { type Answer, answerIn, csvOf, tableOf, widthOf } from './table.ts'

const about = `Runs one statement of read-only SQL, or what comes on stdin when there is none, and prints a table of its rows.
Tables: telemetry(device, metric, time, value), devices, series; /docs of the hub says more. Times are Unix ms.`

const paramSays = [
  'for the next ? of the statement, or NAME=VALUE for :NAME; may repeat. What JSON takes for a number, true, false or null is that, text in',
  `quotes ('"21"') is the text, all else is text as it stands`,
].join(' ')

const options = {
  param: { type: 'string', multiple: true, value: 'VALUE', says: paramSays },
  from: { type: 'string', value: 'TIME', says: 'ISO 8601, Unix ms or a stretch before now (--from=-24h): telemetry begins there' },
  to: { type: 'string', value: 'TIME', says: '… and ends there, included' },
  rows: { type: 'string', value: 'N', says: 'at most so many rows (1,000)' },
  csv: { type: 'boolean', says: 'CSV with a header (RFC 4180): NULL is nothing, an empty text "", bytes are base64' },
  json: { type: 'boolean', says: 'the answer of the hub as it came' },
  ...hubOptions,
} as const

/** More on stdin is no statement; the hub takes far less. */
const statementCharsMax = 1_000_000
/** Of a line with a mistake: what stands around its place. */
const lineCharsShown = 76

type Parameter = string | number | boolean | null

async function run(values: Values<typeof options>, [statement]: readonly string[], terminal: Terminal): Promise<number> {
  if (values.csv === true && values.json === true) throw new UsageError('--csv or --json, not both')
  const { from, to, rows, param } = values
  const rowsMax = rows === undefined ? undefined : Number(rows)
  if (Number.isNaN(rowsMax)) throw new UsageError(`--rows takes a number, not ${rows}`)
  const params = param === undefined ? undefined : paramsOf(param)
  const sql = statement === undefined || statement === '-' ? await statementIn(terminal) : statement
  if (sql.trim() === '') throw new UsageError('there is no statement; say one, such as "SELECT * FROM devices"')

  const body = JSON.stringify({ sql, params, from, to, rowsMax })
  let text: string
  try {
    text = await textOf(await ask(values, { method: 'POST', path: '/v1/sql', body, role: 'viewer', signal: terminal.signal }))
  } catch (error) {
    if (terminal.signal.aborted) throw terminal.signal.reason
    if (error instanceof CommandError) pointAt(terminal, sql, error.message)
    throw error
  }
  const answer = answerIn(text)
  if (answer === undefined) throw new CommandError('what answers there is no hub')
  const isTable = values.csv !== true && values.json !== true
  if (!(await print(terminal, textFor(answer, text, values, terminal)))) return exitCodes.done
  report(terminal, answer, isTable)
  return exitCodes.done
}

/** Errors: `UsageError` when some have names and others have not. */
function paramsOf(all: readonly string[]): readonly Parameter[] | Readonly<Record<string, Parameter>> {
  const named = all.map((text) => /^([a-z_]\w*)=(.*)$/is.exec(text))
  if (named.every((match) => match !== null)) return Object.fromEntries(named.map(([, name, text]) => [name!, parameterOf(text!)]))
  if (named.some((match) => match !== null)) throw new UsageError('parameters either all have names (--param NAME=VALUE) or none has')
  return all.map(parameterOf)
}

function parameterOf(text: string): Parameter {
  try {
    const value: unknown = JSON.parse(text)
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return value as Parameter
  } catch {} // text as it stands
  return text
}

async function statementIn({ stdin, signal }: Terminal): Promise<string> {
  let text = ''
  try {
    for await (const chunk of addAbortSignal(signal, stdin).setEncoding('utf8')) {
      text += chunk
      if (text.length > statementCharsMax) throw new UsageError('what comes on stdin is too long for a statement')
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  }
  return text
}

/** Where the hub says the place of a mistake, the line with a caret below it. */
function pointAt({ stderr }: Terminal, sql: string, sentence: string): void {
  const [, line, column] = /, line (\d+), column (\d+)\.?$/.exec(sentence) ?? []
  const text = sql.split('\n')[Number(line) - 1]
  if (text === undefined) return
  const at = Number(column) - 1
  const start = Math.max(0, at - lineCharsShown / 2)
  const shown = text.slice(start, start + lineCharsShown).replace(/\s/g, ' ')
  stderr.write(`  ${shown}\n  ${' '.repeat(widthOf(shown.slice(0, at - start)))}^\n`)
}

function textFor(answer: Answer, text: string, { csv, json }: Values<typeof options>, terminal: Terminal): string {
  if (json === true) return `${text}\n`
  return csv === true ? csvOf(answer) : tableOf(answer, screenWidthOf(terminal))
}

function report(terminal: Terminal, { rowCount, truncatedBy, elapsedMs, scanned, damaged }: Answer, isTable: boolean): void {
  const count = (number: number, one: string, many = `${one}s`) => `${number.toLocaleString('en-US')} ${number === 1 ? one : many}`
  if (isTable) say(terminal, `${count(rowCount, 'row')}, ${count(scanned.points, 'point')} read in ${elapsedMs} ms.`)
  if (truncatedBy === 'rows') say(terminal, `there may be more: ${count(rowCount, 'row')} is what was asked for at most (--rows).`)
  if (truncatedBy === 'bytes') say(terminal, `there may be more: the answer was cut after ${count(rowCount, 'row')} for its bytes.`)
  const [first, ...others] = damaged
  if (first === undefined) return
  const place = `${new Date(first.from).toISOString()} to ${new Date(first.to).toISOString()}`
  const rest = others.length === 0 ? '' : ` and in ${count(others.length, 'more stretch', 'more stretches')}`
  say(terminal, `damaged points were passed over, from ${place}${rest}: the answer is made without them.`)
}

export const sqlCommand = define({
  summary: 'ask telemetry by SQL',
  operands: ['["SELECT …"]'],
  about,
  options,
  ends: '1 not answered (stderr says when there may be more rows), ',
  run,
})
