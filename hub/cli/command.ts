// What a command of `mooring` is: what it takes, which help and completion are made from, and how it says that it cannot go on.
import type { Readable, Writable } from 'node:stream'
import { parseArgs } from 'node:util'

export interface Option {
  readonly type: 'string' | 'boolean'
  readonly multiple?: boolean
  readonly default?: string
  /** What stands for its value in help. Names of files are completed where it is `FILE` or `FOLDER`. */
  readonly value?: string
  /** Words that are proposed for its value; it may take others. */
  readonly words?: readonly string[]
  readonly says: string
}

export type Options = Readonly<Record<string, Option>>

type ValueOf<O extends Option> = O extends { readonly type: 'boolean' }
  ? boolean | undefined
  : O extends { readonly multiple: true }
    ? string[] | undefined
    : O extends { readonly default: string }
      ? string
      : string | undefined

export type Values<O extends Options> = { readonly [Name in keyof O]: ValueOf<O[Name]> }

/** What is known of a command without running it. */
export interface Outline {
  /** One line, for the list of commands. */
  readonly summary: string
  /** `NAME` has to be there, `[NAME]` may be, of `NAME…` one or more, and of `[NAME…]` any number. */
  readonly operands: readonly string[]
  /** Words that are proposed for the first operand. */
  readonly words?: readonly string[]
  /** What it does, for --help; lines as they stand. */
  readonly about: string
  readonly options: Options
  /** What exit codes mean besides 0 and 2, for --help. */
  readonly ends: string
}

export interface Command extends Outline {
  /** Resolves with the exit code. Errors: `UsageError`, `CommandError`. */
  run(args: readonly string[], terminal: Terminal): Promise<number>
}

/** Commands about one thing. */
export interface Group {
  readonly summary: string
  readonly commands: Readonly<Record<string, Command>>
  /** The one that is meant when none is named. */
  readonly standard?: string
}

export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean; setRawMode?(isRaw: boolean): unknown }
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
}

export const exitCodes = { done: 0, failed: 1, wrongUsage: 2, partly: 3, notAllowed: 3, interrupted: 130 } as const

/** What was typed makes no sense: exit code 2, and a word about --help. */
export class UsageError extends Error {}

/** It was tried and did not work: exit code 1. */
export class CommandError extends Error {}

export function say({ stderr }: Terminal, sentence: string): void {
  stderr.write(`mooring: ${sentence}\n`)
}

interface Definition<O extends Options> extends Outline {
  readonly options: O
  run(values: Values<O>, operands: readonly string[], terminal: Terminal): Promise<number>
}

/** A command whose `run` gets what was typed as its outline says. */
export function define<const O extends Options>(definition: Definition<O>): Command {
  return {
    ...definition,
    async run(args, terminal) {
      const options: Options = definition.options
      const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
      assertOperands(positionals, definition.operands)
      return definition.run(values as Values<O>, positionals, terminal)
    },
  }
}

function assertOperands(given: readonly string[], operands: readonly string[]): void {
  const missing = operands.find((operand, at) => !operand.startsWith('[') && given[at] === undefined)
  if (missing !== undefined) throw new UsageError(`${missing.replace('…', '')} is missing`)
  const surplus = operands.some((operand) => /…\]?$/.test(operand)) ? undefined : given[operands.length]
  if (surplus === undefined) return
  throw new UsageError(
    operands.length === 0 ? `it takes options alone, and not ${surplus}` : `it takes ${operands.join(' ')}, and not ${surplus} too`,
  )
}

/** Errors: `UsageError`. */
export function countIn(option: string, text: string): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (count === 0) throw new UsageError(`--${option} takes a number from 1 on, not ${text}`)
  return count
}
