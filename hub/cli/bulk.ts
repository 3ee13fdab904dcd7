// mooring devices create: puts the devices of a table on record, and makes a token for each.
import type { FileHandle } from 'node:fs/promises'
import { CommandError, define, exitCodes, say, type Terminal, UsageError } from './command.ts'
import { askJson, type HubAddress, HubRefusal, hubOptions } from './connection.ts'
import { type CsvRecord, recordsIn } from './csv.ts'
import { createFile, textIn } from './files.ts'
import { print } from './print.ts'
import { amount, Progress } from './progress.ts'
import { csvLineOf } from './table.ts'

const about = `Puts the device of each row of FILE, or of stdin when it is -, on record, makes a token for it, and writes id,token as CSV.
The first line names the columns: id, name, type, and any other column is a tag; an empty field says nothing. A device that is
on record is changed. A row that is refused is named and harms no other. Tokens are said once.`

const options = {
  output: { type: 'string', value: 'FILE', says: 'a new file for the tokens, readable by its owner alone; else stdout' },
  role: { type: 'string', value: 'ROLE', words: ['device'], says: 'of the tokens (device)' },
  ...hubOptions,
} as const

/** Rows under way at a time: each waits for the disk of the hub, which takes them together. */
const rowsAtOnce = 16
/** How many rows that did not go well are shown. */
const sentencesShown = 10

interface Row {
  readonly line: number
  readonly id: string
  /** Its name, type and tags. */
  readonly said: object
  /** Why nothing is made of it. */
  readonly fault: string | undefined
}

interface Made {
  readonly token?: string
  /** What did not go well. */
  readonly sentence?: string
}

export const createDevices = define({
  summary: 'devices on record and a token for each, of a CSV file',
  operands: ['FILE.csv'],
  about,
  options,
  ends: '1 it broke off, 3 some rows were refused, ',
  async run(values, [file = ''], terminal) {
    const rows = rowsIn(await textIn(file, terminal))
    const output = values.output === undefined ? undefined : await createFile(values.output)
    const progress = new Progress(terminal, 'created', 'devices', rows.length)
    const sentences: string[] = []
    let created = 0
    try {
      await write(terminal, output, csvLineOf(['id', 'token']))
      for (let at = 0; at < rows.length; at += rowsAtOnce) {
        const some = rows.slice(at, at + rowsAtOnce)
        const all = await Promise.allSettled(some.map((row) => make(values, row, values.role, terminal.signal)))
        const made = all.map((one, index) => ({ ...(one.status === 'fulfilled' ? one.value : {}), ...some[index]! }))
        const tokens = made.flatMap(({ id, token }) => (token === undefined ? [] : [csvLineOf([id, token])]))
        // What was made is written before anything else: nobody can ask for it again.
        await write(terminal, output, tokens.join(''))
        sentences.push(...made.flatMap(({ line, sentence }) => (sentence === undefined ? [] : [`line ${line}: ${sentence}`])))
        created += tokens.length
        progress.add(tokens.length)
        const broken = all.find((one) => one.status === 'rejected')
        if (broken !== undefined) throw broken.reason
      }
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      throw new CommandError(`${error.message}; ${amount(created, 'devices')} had been created until then`)
    } finally {
      progress.end()
      await output?.close()
      for (const sentence of sentences.slice(0, sentencesShown)) say(terminal, sentence)
      if (sentences.length > sentencesShown) say(terminal, `… and ${sentences.length - sentencesShown} more.`)
    }
    say(terminal, `created tokens for ${amount(created, 'devices')}${values.output === undefined ? '' : `, in ${values.output}`}.`)
    return sentences.length === 0 ? exitCodes.done : exitCodes.partly
  },
})

/** Errors: `CommandError` when it makes no sense to go on with other rows. */
async function make(hub: HubAddress, { id, said, fault }: Row, role: string | undefined, signal: AbortSignal): Promise<Made> {
  try {
    if (fault !== undefined) return { sentence: `${fault}; nothing was made.` }
    // First, so that a row that makes no sense makes no token either.
    await describe(hub, id, said, signal)
    const path = `/v1/devices/${encodeURIComponent(id)}/credentials`
    const body = role === undefined ? '' : JSON.stringify({ role })
    const { secret: token } = await askJson<{ secret: string }>(hub, { method: 'POST', path, body, role: 'admin', signal })
    return { token }
  } catch (error) {
    if (error instanceof HubRefusal && error.status !== 401 && !error.mayPass) return { sentence: `${error.detail}` }
    throw error
  }
}

/** Puts the device on record, or changes what is there. Errors: `CommandError`. */
async function describe(hub: HubAddress, id: string, said: object, signal: AbortSignal): Promise<void> {
  try {
    await askJson(hub, { method: 'POST', path: '/v1/devices', body: JSON.stringify({ id, ...said }), role: 'admin', signal })
  } catch (error) {
    if (!(error instanceof HubRefusal) || error.status !== 409) throw error
    if (Object.keys(said).length === 0) return
    const path = `/v1/devices/${encodeURIComponent(id)}`
    await askJson(hub, { method: 'PATCH', path, body: JSON.stringify(said), role: 'admin', signal })
  }
}

/** Errors: `UsageError` when the table has no columns to go by. */
function rowsIn(text: string): Row[] {
  const [header, ...records] = recordsIn(text)
  const columns = header?.fields.map((field) => field.trim()) ?? []
  const twice = columns.find((column, at) => columns.indexOf(column) !== at)
  if (twice !== undefined) throw new UsageError(`the column ${twice} stands there twice`)
  if (!columns.includes('id')) throw new UsageError('the first line names the columns, and one of them is id')
  const firstLines = new Map<string, number>()
  return records.map((record) => {
    const row = rowOf(record, columns)
    const before = firstLines.get(row.id)
    if (before === undefined) firstLines.set(row.id, row.line)
    else if (row.fault === undefined) return { ...row, fault: `${row.id} stands in line ${before} already` }
    return row
  })
}

function rowOf({ line, fields }: CsvRecord, columns: readonly string[]): Row {
  const said = columns.map((column, at): [string, string] => [column, fields[at] ?? '']).filter(([, value]) => value !== '')
  const { id = '', name, type, ...tags } = Object.fromEntries(said)
  const labels = { ...(name === undefined ? {} : { name }), ...(type === undefined ? {} : { type }), tags }
  const surplus = fields.length > columns.length ? `there are ${fields.length} fields, and ${columns.length} columns` : undefined
  return { line, id, said: said.length === 1 ? {} : labels, fault: id === '' ? 'the id is missing' : surplus }
}

async function write(terminal: Terminal, output: FileHandle | undefined, text: string): Promise<void> {
  if (output === undefined) {
    if (!(await print(terminal, text))) throw new CommandError('nobody reads the tokens')
    return
  }
  try {
    await output.appendFile(text)
  } catch (error) {
    throw new CommandError(`the tokens cannot be written: ${(error as Error).message}`)
  }
}
