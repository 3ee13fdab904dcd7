// The files of the store from outside: `check`, `backup` and `restore` work on a data folder, in a process of their own and with the rights of
// whoever calls them. No route of the hub does: one that writes to a folder somebody names would be a way in, and these need no hub.
//
// Exit codes: 0 done and all is well, 1 could not be done, 2 makes no sense as typed, 3 done, and something is damaged.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { readConfiguration, SettingError } from './config.ts'
import { type BackupReport, backUp } from './store/sqlite/integrity/backup.ts'
import { type CheckReport, checkFolder } from './store/sqlite/integrity/check.ts'
import { textOf } from './store/sqlite/integrity/damage.ts'
import { type RestoreReport, restore } from './store/sqlite/integrity/restore.ts'

const help = `mooring check [--data FOLDER]
  Reads everything that is stored and names what is damaged: the file, the series, the time. A hub may run meanwhile.

mooring backup [--data FOLDER] [--to FOLDER]
  Copies everything that was acknowledged before it began, while the hub goes on, reads the copy through, and then gives it its
  name; without --to below backups/ of the data folder. The copy is a data folder: mooring check --data reads it.

mooring restore BACKUP [--data FOLDER] [--force]
  Compares a backup with what it says of itself, reads it through, and puts it into a data folder that holds no database; with
  --force what is there is kept in a folder below. The hub must be stopped.

  --data FOLDER   as for the hub, which takes it from MOORING_DATA and mooring.toml as well
  --json          the report as one line of JSON on stdout`

const options = {
  data: { type: 'string' },
  to: { type: 'string' },
  force: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

const exitCodes = { done: 0, failed: 1, wrongUsage: 2, damaged: 3 } as const
const progressEveryMs = 1000

class UsageError extends Error {}

interface Done {
  readonly report: CheckReport | BackupReport | RestoreReport
  readonly lines: readonly string[]
  readonly code: number
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ args: process.argv.slice(2), options, allowPositionals: true })
  const [command, ...operands] = positionals
  if (values.help === true || command === undefined) {
    console.log(help)
    return exitCodes.done
  }
  if (operands.length !== (command === 'restore' ? 1 : 0))
    throw new UsageError(`${command} takes ${command === 'restore' ? 'the folder of one backup' : 'no operands'}`)
  const data = resolve(readConfiguration(values.data === undefined ? [] : ['--data', values.data], process.env).settings.data)
  const { report, lines, code } = await run(command, data, values, operands[0] ?? '')
  if (values.json === true) console.log(JSON.stringify(report))
  else for (const line of lines) console.log(line)
  return code
}

async function run(command: string, data: string, { to, force }: { to?: string; force?: boolean }, backup: string): Promise<Done> {
  const onProgress = progress(command)
  switch (command) {
    case 'check': {
      const report = checkFolder(data, { onProgress })
      const more = report.damaged - report.findings.length
      const lines = [...report.findings.map(textOf), ...(more > 0 ? [`… and ${more} more.`] : []), ...report.notes]
      const verdict = report.damaged === 0 ? 'nothing is damaged' : `${report.damaged} damaged`
      return {
        report,
        lines: [...lines, `${files(report.files)}, ${megabytes(report.bytes)} read: ${verdict}.`],
        code: codeOf(report.damaged),
      }
    }
    case 'backup': {
      const report = await backUp(data, to ?? `${data}/backups/${stamp()}`, { onProgress })
      const line = `${report.folder}: ${files(report.files.length)}, ${megabytes(report.bytes)}, up to message ${report.lastSeq}, of ${report.at}.`
      return { report, lines: [line, ...report.findings, ...damageNote(report)], code: codeOf(report.damaged) }
    }
    case 'restore': {
      const report = restore(resolve(backup), data, { force: force === true, onProgress })
      const aside = report.replaced === undefined ? [] : [`What was there is in ${report.replaced}.`]
      const line = `${data} is what it was at ${report.at}, up to message ${report.lastSeq}.`
      return { report, lines: [line, ...aside, ...report.findings, ...damageNote(report)], code: codeOf(report.damaged) }
    }
    default:
      throw new UsageError(`there is no command ${command}`)
  }
}

function damageNote({ damaged }: { readonly damaged: number }): string[] {
  return damaged === 0 ? [] : [`${damaged} were damaged in the original when the backup was made.`]
}

function codeOf(damaged: number): number {
  return damaged === 0 ? exitCodes.done : exitCodes.damaged
}

function stamp(): string {
  return new Date()
    .toISOString()
    .replaceAll(':', '-')
    .replace(/\.\d+Z$/, 'Z')
}

function files(count: number): string {
  return count === 1 ? '1 file' : `${count} files`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

/** A line now and then, on stderr. */
function progress(command: string): (bytes: number, ofBytes: number) => void {
  let saidMs = performance.now()
  return (bytes, ofBytes) => {
    const nowMs = performance.now()
    if (nowMs - saidMs < progressEveryMs) return
    saidMs = nowMs
    console.error(`mooring: ${command}, ${Math.min(99, Math.floor((bytes / Math.max(1, ofBytes)) * 100))} %`)
  }
}

function isWrongUsage(error: unknown): error is Error {
  const isOption = error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_')
  return isOption || error instanceof UsageError || error instanceof SettingError
}

try {
  process.exitCode = await main()
} catch (error) {
  const { message } = error as Error
  console.error(`mooring: ${isWrongUsage(error) ? `${message.replace(/\.$/, '')} (mooring --help).` : message}`)
  process.exitCode = isWrongUsage(error) ? exitCodes.wrongUsage : exitCodes.failed
}
