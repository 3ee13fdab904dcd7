// mooring export: points of a running hub into a file.
import { once } from 'node:events'
import { open, rename } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { CommandError, define, exitCodes, say, type Terminal, type Values } from './command.ts'
import { ask, hubOptions } from './connection.ts'
import { formatFor } from './format.ts'
import { groupOption } from './groups.ts'
import { amount, Progress } from './progress.ts'

const formats = ['csv', 'ndjson', 'parquet']

const about = `Writes every point that is chosen to FILE, or to stdout when there is none, as rows of device, metric, time and value.
The file is made while it comes, as FILE.part, and has its name when it is whole.`

const options = {
  format: {
    type: 'string',
    value: 'FORMAT',
    words: formats,
    says: 'csv, ndjson or parquet; else what the name of the file ends with, and csv for stdout',
  },
  device: { type: 'string', multiple: true, value: 'ID', says: 'these devices; may repeat' },
  metric: { type: 'string', multiple: true, value: 'NAME', says: 'these metrics; may repeat' },
  type: { type: 'string', value: 'TYPE', says: 'devices of this type' },
  tag: { type: 'string', multiple: true, value: 'NAME:VALUE', says: 'devices with this tag; may repeat, and then with all of them' },
  group: groupOption,
  from: { type: 'string', value: 'TIME', says: 'ISO 8601 or Unix ms, included' },
  to: { type: 'string', value: 'TIME', says: 'ISO 8601 or Unix ms, included' },
  time: { type: 'string', value: 'iso|ms', words: ['iso', 'ms'], says: 'how CSV writes times (iso)' },
  ...hubOptions,
} as const

/** Takes what comes, in order, and only so fast. */
interface Sink {
  write(chunk: Uint8Array): Promise<void>
  /** All is there. */
  finish(): Promise<void>
  /** It ends in the middle; returns where the part is that came. */
  leave(): Promise<string>
}

async function run(values: Values<typeof options>, [file]: readonly string[], terminal: Terminal): Promise<number> {
  const format = formatFor(values.format, file === '-' ? undefined : file, formats, 'csv')
  const query = new URLSearchParams({ format })
  for (const name of ['device', 'metric', 'tag', 'type', 'group', 'from', 'to', 'time'] as const) {
    for (const value of [values[name] ?? []].flat()) query.append(name, value)
  }

  const response = await ask(values, { method: 'GET', path: `/v1/export?${query}`, signal: terminal.signal })
  const isText = format !== 'parquet'
  const expected = Number(response.headers['mooring-points'] ?? 0)
  const progress = new Progress(terminal, 'exported', isText ? 'points' : 'bytes', isText ? expected : undefined)
  const sink = file === undefined || file === '-' ? stdoutSink(terminal) : await fileSink(file, response)
  let bytes = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      await sink.write(chunk)
      bytes += chunk.length
      progress.add(isText ? linesIn(chunk) : chunk.length)
    }
    if (!response.complete) throw new Error('cut')
    await sink.finish()
  } catch (error) {
    progress.end()
    response.destroy()
    if (isClosedPipe(error)) return exitCodes.done // `| head` has seen enough
    throw brokenOff(error, await sink.leave(), terminal.signal)
  }
  progress.end()
  const points = isText ? progress.done - (format === 'csv' ? 1 : 0) : expected
  say(
    terminal,
    `exported ${amount(points, 'points')}, ${amount(bytes, 'bytes')}${file === undefined || file === '-' ? '' : `, to ${file}`}.`,
  )
  return exitCodes.done
}

function stdoutSink({ stdout, signal }: Terminal): Sink {
  return {
    async write(chunk) {
      if (!stdout.write(chunk)) await once(stdout, 'drain', { signal })
    },
    finish: async () => {},
    leave: async () => 'what was written is not whole',
  }
}

async function fileSink(path: string, response: Readable): Promise<Sink> {
  const part = `${path}.part`
  const file = await open(part, 'w').catch((error: Error) => {
    response.destroy() // else this process would stay as long as the hub
    throw new CommandError(`${part} cannot be written: ${error.message}`)
  })
  return {
    async write(chunk) {
      await file.writeFile(chunk)
    },
    async finish() {
      await file.sync()
      await file.close()
      await rename(part, path)
    },
    async leave() {
      await file.close().catch(() => {})
      return `what came until then is in ${part}`
    },
  }
}

function brokenOff(error: unknown, where: string, signal: AbortSignal): Error {
  if (signal.aborted) return new CommandError(`stopped; ${where}`)
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EIO' || code === 'EDQUOT') return new CommandError(`the file cannot be written: ${message}; ${where}`)
  return new CommandError(`the hub went away in the middle; ${where}`)
}

function isClosedPipe(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EPIPE'
}

function linesIn(chunk: Buffer): number {
  let count = 0
  for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) count += 1
  return count
}

export const exportCommand = define({
  summary: 'write points to a file',
  operands: ['[FILE]'],
  about,
  options,
  ends: '1 not all is there, ',
  run,
})
