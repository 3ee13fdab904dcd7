// The command line: `mooring COMMAND`. It talks HTTP to a running hub and shares nothing with it but the version.
import { version } from '../version.ts'
import { type Command, CommandError, exitCodes, say, type Terminal, UsageError } from './command.ts'
import { exportCommand } from './export.ts'
import { importCommand } from './import.ts'
import { sqlCommand } from './sql.ts'

/** One more is one file and one line here. */
const commands: Readonly<Record<string, Command>> = {
  export: exportCommand,
  import: importCommand,
  sql: sqlCommand,
}

function overview(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length))
  const list = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
  return [
    'mooring COMMAND [options], for a hub that runs',
    '',
    ...list,
    '',
    'mooring check, backup and restore look after the files of a hub, whether it runs or not.',
    'mooring COMMAND --help says more; npm start starts a hub.',
  ].join('\n')
}

async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name = '--help', ...rest] = args
  if (name === '--version') return tell(terminal, version)
  if (name === '--help' || name === '-h' || name === 'help') return tell(terminal, commands[rest[0] ?? '']?.help ?? overview())
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) throw new UsageError(`there is no command ${name}`)
  if (rest.includes('--help') || rest.includes('-h')) return tell(terminal, command.help)
  return command.run(rest, terminal)
}

function tell({ stdout }: Terminal, text: string): number {
  stdout.write(`${text}\n`)
  return exitCodes.done
}

/** Of node:util's parseArgs: an option that is not there, or one without its value. */
function isWrongOption(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_')
}

async function main(): Promise<number> {
  const interrupt = new AbortController()
  process.on('SIGINT', () => {
    if (interrupt.signal.aborted) process.exit(exitCodes.interrupted) // asked twice: leave now
    interrupt.abort(new CommandError('stopped'))
  })
  const { stdin, stdout, stderr } = process
  stdout.on('error', () => {}) // whoever writes to it sees it; a closed pipe is no crash
  const terminal: Terminal = { stdin, stdout, stderr, signal: interrupt.signal }
  try {
    return await run(process.argv.slice(2), terminal)
  } catch (error) {
    if (error instanceof UsageError || isWrongOption(error)) {
      say(terminal, `${error.message.replace(/\.$/, '')} (mooring --help).`)
      return exitCodes.wrongUsage
    }
    if (!(error instanceof CommandError)) throw error
    say(terminal, `${error.message}.`.replace(/\.\.$/, '.'))
    return interrupt.signal.aborted ? exitCodes.interrupted : exitCodes.failed
  }
}

process.exitCode = await main()
