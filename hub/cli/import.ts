// mooring import: points from a file into a running hub.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Transform } from 'node:stream'
import { CommandError, define, exitCodes, say, type Terminal, type Values } from './command.ts'
import { ask, hubOptions, textOf } from './connection.ts'
import { formatFor } from './format.ts'
import { amount, Progress } from './progress.ts'

const formats = ['csv', 'ndjson', 'parquet', 'line-protocol']

const about = `Stores the points of FILE, or of stdin when there is none. A name that ends with .gz is sent as it is. Lines that are
refused are named and do not harm the others; a file that is sent again changes nothing.`

const options = {
  format: {
    type: 'string',
    value: 'FORMAT',
    words: formats,
    says: 'csv, ndjson, parquet or line-protocol; else what the name of the file ends with (.lp for the last)',
  },
  precision: {
    type: 'string',
    value: 'UNIT',
    words: ['ns', 'us', 'ms', 's'],
    says: 'of the timestamps of line protocol: ns, us, ms or s (ns)',
  },
  ...hubOptions,
} as const

/** How many refused lines are shown; the answer names more. */
const refusalsShown = 10

interface Imported {
  readonly stored: number
  readonly refused: readonly { readonly line: number; readonly detail: string }[]
  readonly refusedMore?: number
}

async function run(values: Values<typeof options>, [file]: readonly string[], terminal: Terminal): Promise<number> {
  const isStdin = file === undefined || file === '-'
  const query = new URLSearchParams({ format: formatFor(values.format, isStdin ? undefined : file, formats) })
  if (values.precision !== undefined) query.set('precision', values.precision)

  const progress = new Progress(terminal, 'sent', 'bytes', isStdin ? undefined : await sizeOf(file))
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      progress.add(chunk.length)
      done(null, chunk)
    },
  })
  const source = isStdin ? terminal.stdin : createReadStream(file)
  source.on('error', (error: Error) => counted.destroy(error))
  const headers = file?.endsWith('.gz') ? { 'content-encoding': 'gzip' } : {}
  let text: string
  try {
    const path = `/v1/import?${query}`
    text = await textOf(await ask(values, { method: 'POST', path, headers, body: source.pipe(counted), signal: terminal.signal }))
  } catch (error) {
    if (terminal.signal.aborted) throw new CommandError('stopped; some of it may be stored, and sending it again is safe')
    throw error
  } finally {
    progress.end()
    source.destroy()
  }
  return report(terminal, JSON.parse(text) as Imported)
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch (error) {
    throw new CommandError((error as Error).message)
  }
}

function report(terminal: Terminal, { stored, refused, refusedMore = 0 }: Imported): number {
  for (const { line, detail } of refused.slice(0, refusalsShown)) say(terminal, `line ${line}: ${detail}`)
  const count = refused.length + refusedMore
  if (count > refusalsShown) say(terminal, `… and ${(count - refusalsShown).toLocaleString('en-US')} more.`)
  say(terminal, `stored ${amount(stored, 'points')}${count === 0 ? '' : `, refused ${count.toLocaleString('en-US')}`}.`)
  return count === 0 ? exitCodes.done : exitCodes.partly
}

export const importCommand = define({
  summary: 'store the points of a file',
  operands: ['[FILE]'],
  about,
  options,
  ends: '1 not all is stored, 3 stored but for lines that were refused, ',
  run,
})
