// The command line: `mooring COMMAND`. It talks HTTP to a running hub and shares nothing with it but the version.
import { version } from '../version.ts'
import { type Command, CommandError, exitCodes, type Outline, say, type Terminal, UsageError } from './command.ts'
import { commands, onFiles } from './commands.ts'
import { helpOf, helpOfGroup, isGroup, overview } from './help.ts'

/** What was asked for, by its words. */
interface Chosen {
  readonly name: string
  readonly command: Command
  /** What stands behind its words. */
  readonly args: readonly string[]
}

/** Errors: `UsageError`. */
function choose([name = '', ...rest]: readonly string[]): Chosen {
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (entry === undefined) throw new UsageError(`there is no command ${name}`)
  if (!isGroup(entry)) return { name, command: entry, args: rest }
  const [word = '', ...others] = rest
  if (Object.hasOwn(entry.commands, word)) return { name: `${name} ${word}`, command: entry.commands[word]!, args: others }
  const standard = entry.standard === undefined ? undefined : entry.commands[entry.standard]
  const isWord = word !== '' && !word.startsWith('-')
  if (standard === undefined || (isWord && standard.operands.length === 0)) {
    const names = Object.keys(entry.commands).join(', ')
    throw new UsageError(isWord ? `there is no command ${name} ${word}; there are ${names}` : `${name} takes one of ${names}`)
  }
  return { name: `${name} ${entry.standard}`, command: standard, args: rest }
}

/** Errors: `UsageError`. */
function helpAbout(words: readonly string[]): string {
  const [name = '', word] = words
  if (name === '') return overview(commands, onFiles)
  const other: Outline | undefined = Object.hasOwn(onFiles, name) ? onFiles[name] : undefined
  if (other !== undefined) return helpOf(name, other)
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (entry !== undefined && isGroup(entry) && (word === undefined || !Object.hasOwn(entry.commands, word))) return helpOfGroup(name, entry)
  const chosen = choose(words)
  return helpOf(chosen.name, chosen.command)
}

/** Behind -- nothing is an option. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end === -1 ? args : args.slice(0, end)).some((arg) => arg === '--help' || arg === '-h')
}

async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name = '--help', ...rest] = args
  if (name === '--version') return tell(terminal, version)
  if (name === '--help' || name === '-h' || name === 'help') return tell(terminal, helpAbout(rest))
  if (asksForHelp(rest)) return tell(terminal, helpAbout(args.filter((arg) => !arg.startsWith('-'))))
  const { command, args: given } = choose(args)
  return command.run(given, terminal)
}

function tell({ stdout }: Terminal, text: string): number {
  stdout.write(`${text}\n`)
  return exitCodes.done
}

/** Of node:util's parseArgs: an option that is not there, or one without its value. */
function isWrongOption(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_')
}

/** Of what parseArgs says at length about -- only what is wrong. */
function inOneLine(message: string): string {
  return message
    .replaceAll(/\s*\n\s*/g, ' ')
    .replace(/^(Unknown option '--[^']*').*$/, '$1')
    .replace(/\.$/, '')
}

/** Whose help has more, as far as it was understood. */
function helpWords(args: readonly string[]): string {
  try {
    return `mooring ${choose(args).name} --help`
  } catch {
    return 'mooring --help'
  }
}

async function main(): Promise<number> {
  const args = process.argv.slice(2)
  const interrupt = new AbortController()
  process.on('SIGINT', () => {
    if (interrupt.signal.aborted) process.exit(exitCodes.interrupted) // asked twice: leave now
    interrupt.abort(new CommandError('stopped'))
  })
  const { stdin, stdout, stderr } = process
  stdout.on('error', () => {}) // whoever writes to it sees it; a closed pipe is no crash
  const terminal: Terminal = { stdin, stdout, stderr, signal: interrupt.signal }
  try {
    return await run(args, terminal)
  } catch (error) {
    if (error instanceof UsageError || isWrongOption(error)) {
      say(terminal, `${inOneLine(error.message)} (${helpWords(args)}).`)
      return exitCodes.wrongUsage
    }
    if (!(error instanceof CommandError)) throw error
    say(terminal, `${error.message}.`.replace(/\.\.$/, '.'))
    return interrupt.signal.aborted ? exitCodes.interrupted : exitCodes.failed
  }
}

process.exitCode = await main()
