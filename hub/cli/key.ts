// The key of a program, by which the hub knows who asks. It goes into one header and is never printed.
import { readFileSync } from 'node:fs'
import { UsageError } from './command.ts'

export interface KeySaid {
  readonly key?: string | undefined
  readonly 'key-file'?: string | undefined
}

export const keyOptions = {
  key: {
    type: 'string',
    value: 'TOKEN',
    says: 'a key, where the hub wants one; everybody on this machine can read it in the list of processes, so rather say',
  },
  'key-file': { type: 'string', value: 'FILE', says: '… a file that holds it, or put it into the variable MOORING_KEY' },
} as const

/** Undefined when there is none. Errors: `UsageError`. */
export function keyOf({ key, 'key-file': file }: KeySaid): string | undefined {
  if (key !== undefined && file !== undefined) throw new UsageError('--key or --key-file, not both')
  const text = (key ?? (file === undefined ? (process.env['MOORING_KEY'] ?? '') : read(file))).trim()
  if (text === '' && key === undefined && file === undefined) return undefined
  // RFC 6750 section 2.1; anything else is no key, and might be a header of its own.
  if (!/^[A-Za-z0-9\-._~+/]+=*$/.test(text)) throw new UsageError(`${nameOf(key, file)} holds no key`)
  return text
}

function nameOf(key: string | undefined, file: string | undefined): string {
  if (key !== undefined) return '--key'
  return file === undefined ? 'MOORING_KEY' : `--key-file ${file}`
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`--key-file: ${(error as Error).message}`)
  }
}
