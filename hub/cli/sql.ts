// mooring sql: one statement to a running hub, and its answer as a table, as CSV, or as it came.
import { addAbortSignal, Readable } from 'node:stream'
import { parseArgs } from 'node:util'
import { type Command, CommandError, exitCodes, say, type Terminal, UsageError } from './command.ts'
import { ask, hubHelp, hubOptions, textOf } from './connection.ts'
import { type Answer, answerIn, csvOf, tableOf, widthOf } from './table.ts'

const help = `mooring sql ["SELECT …"] [options]

Runs one statement of read-only SQL, or what comes on stdin when there is none, and prints a table of its rows.
Tables: telemetry(device, metric, time, value), devices, series; /docs of the hub says more. Times are Unix ms.

  --param VALUE    for the next ? of the statement, or NAME=VALUE for :NAME; may repeat. What JSON takes for a number,
                   true, false or null is that, text in quotes ('"21"') is the text, all else is text as it stands
  --from TIME      ISO 8601, Unix ms or a stretch before now (--from=-24h): telemetry begins there
  --to TIME        … and ends there, included
  --rows N         at most so many rows (1,000)
  --csv            CSV with a header (RFC 4180): NULL is nothing, an empty text "", bytes are base64
  --json           the answer of the hub as it came
${hubHelp}

Exit codes: 0 answered (stderr says when there may be more rows), 1 it is not, 2 wrong usage, 130 stopped by Ctrl-C.`

const options = {
  ...hubOptions,
  param: { type: 'string', multiple: true },
  from: { type: 'string' },
  to: { type: 'string' },
  rows: { type: 'string' },
  csv: { type: 'boolean' },
  json: { type: 'boolean' },
} as const

/** More on stdin is no statement; the hub takes far less. */
const statementCharsMax = 1_000_000
/** Of a line with a mistake: what stands around its place. */
const lineCharsShown = 76

type Parameter = string | number | boolean | null

async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
  const [statement, more] = positionals
  if (more !== undefined) throw new UsageError(`one statement at a time, in quotes of the shell, and not ${more} too`)
  if (values.csv === true && values.json === true) throw new UsageError('--csv or --json, not both')
  const { from, to, rows, param } = values
  const rowsMax = rows === undefined ? undefined : Number(rows)
  if (Number.isNaN(rowsMax)) throw new UsageError(`--rows takes a number, not ${rows}`)
  const params = param === undefined ? undefined : paramsOf(param)
  const sql = statement === undefined || statement === '-' ? await statementIn(terminal) : statement
  if (sql.trim() === '') throw new UsageError('there is no statement; say one, such as "SELECT * FROM devices"')

  const body = Readable.from([Buffer.from(JSON.stringify({ sql, params, from, to, rowsMax }))])
  let text: string
  try {
    text = await textOf(await ask(values, { method: 'POST', path: '/v1/sql', body, signal: terminal.signal }))
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

function textFor(answer: Answer, text: string, { csv, json }: { csv?: boolean; json?: boolean }, { stdout }: Terminal): string {
  if (json === true) return `${text}\n`
  return csv === true ? csvOf(answer) : tableOf(answer, stdout.isTTY === true ? stdout.columns || 80 : undefined)
}

/** False when nobody wants to read it. Errors: `CommandError`. */
async function print({ stdout }: Terminal, text: string): Promise<boolean> {
  const error = await new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => stdout.write(text, resolve))
  if (error?.code === 'EPIPE') return false // `| head` has seen enough
  if (error) throw new CommandError(`the answer cannot be written: ${error.message}`)
  return true
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

export const sqlCommand: Command = { summary: 'ask telemetry by SQL', help, run }
