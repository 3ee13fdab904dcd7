// What a command of `mooring` is, and how it says that it cannot go on.
import type { Readable, Writable } from 'node:stream'

export interface Command {
  /** One line, for the list of commands. */
  readonly summary: string
  /** All there is to say, for --help. */
  readonly help: string
  /** Resolves with the exit code. Errors: `UsageError`, `CommandError`. */
  run(args: readonly string[], terminal: Terminal): Promise<number>
}

export interface Terminal {
  readonly stdin: Readable
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
}

export const exitCodes = { done: 0, failed: 1, wrongUsage: 2, partly: 3, interrupted: 130 } as const

/** What was typed makes no sense: exit code 2, and a word about --help. */
export class UsageError extends Error {}

/** It was tried and did not work: exit code 1. */
export class CommandError extends Error {}

export function say({ stderr }: Terminal, sentence: string): void {
  stderr.write(`mooring: ${sentence}\n`)
}
