// What goes to stdout: rows as a table, answers as JSON.
import { CommandError, exitCodes, type Terminal } from './command.ts'
import { type Cell, type Column, tableOf } from './table.ts'

/** False when nobody wants to read it. Errors: `CommandError`. */
export async function print({ stdout }: Terminal, text: string): Promise<boolean> {
  const error = await new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => stdout.write(text, resolve))
  if (error?.code === 'EPIPE') return false // `| head` has seen enough
  if (error) throw new CommandError(`the answer cannot be written: ${error.message}`)
  return true
}

/** What a list prints: the table, or with --json the answer in one line. Resolves with the exit code. */
export async function printList(
  terminal: Terminal,
  { json }: { readonly json: boolean | undefined },
  answer: object,
  table: { readonly columns: readonly Column[]; readonly rows: readonly (readonly Cell[])[] },
): Promise<number> {
  await print(terminal, json === true ? `${JSON.stringify(answer)}\n` : tableOf(table, screenWidthOf(terminal)))
  return exitCodes.done
}

/** Undefined where nothing is cut: it is no terminal. */
export function screenWidthOf({ stdout }: Terminal): number | undefined {
  return stdout.isTTY === true ? stdout.columns || 80 : undefined
}

export function columnsOf(...names: readonly string[]): Column[] {
  return names.map((name) => ({ name }))
}

export const jsonOption = { type: 'boolean', says: 'as JSON, in one line' } as const
