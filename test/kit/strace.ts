// strace around a program of ours: writes down its system calls with their bytes, kills it at one of them, has one fail.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import type { TestContext } from 'node:test'
import { atEnd } from './at-end.ts'

/** Every call that changes files, their names, or what a power cut leaves of them. `?`: not on every architecture. */
const fileCalls = [
  ...['openat', '?open', '?creat', 'write', 'pwrite64', 'writev', 'pwritev', '?pwritev2', 'lseek', 'ftruncate', 'truncate', 'fallocate'],
  ...['fsync', 'fdatasync', 'sync_file_range', 'msync', 'sync', 'syncfs', 'copy_file_range', 'sendfile', 'splice', '?rename', 'renameat'],
  ...['renameat2', '?link', 'linkat', 'symlinkat', '?symlink', '?unlink', 'unlinkat', '?rmdir', '?mkdir', 'mkdirat'],
]

let absence: { readonly sentence: string | undefined } | undefined

/** Why programs cannot be traced here; undefined where they can. */
export function straceAbsence(): string | undefined {
  absence ??= { sentence: lookForStrace() }
  return absence.sentence
}

function lookForStrace(): string | undefined {
  if (process.platform !== 'linux') return 'strace is a tool of Linux'
  const { error, status, stderr } = spawnSync('strace', ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync', 'true'], { encoding: 'utf8' })
  if (error !== undefined) return 'strace is not installed (Debian: apt-get install strace)'
  return status === 0 ? undefined : `strace may not trace here (${stderr.trim().split('\n')[0]})`
}

/** Skips the test with a reason where programs cannot be traced. */
export function needsStrace(t: TestContext): boolean {
  const sentence = straceAbsence()
  if (sentence !== undefined) t.skip(`not tried: ${sentence}`)
  return sentence === undefined
}

/** Writes all calls on files to `log`, whole and in their order over all threads, with the path behind each descriptor. */
export function recordsTo(log: string): string[] {
  return ['--seccomp-bpf', '-y', '-s', '1000000000', '-e', `trace=${fileCalls.join(',')}`, '-o', log]
}

export interface Fault {
  /** Name of the system call. */
  readonly call: string
  /** `signal=KILL`, `error=EIO`; applied to those calls of each thread that `when` says: `7`, `7+`, `7..9`. */
  readonly does: string
  readonly when: string
  /** Only where it touches this file or one of these; anywhere when undefined. */
  readonly path?: string | readonly string[]
}

/** Lets one kind of call fail, or kill the program. The calls go to `log`, those that were tampered with marked `(INJECTED)`. */
export function injects({ call, does, when, path }: Fault, log: string): string[] {
  const where = [path ?? []].flat().flatMap((one) => ['-P', one])
  // Without --seccomp-bpf, which is faster and sends no signals.
  return ['-s', '0', '-o', log, '-e', `trace=${call}`, '-e', `inject=${call}:${does}:when=${when}`, ...where]
}

export interface Ended {
  /** How the program ended; strace ends in the same way. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface Traced {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
}

/** Runs one of our modules under strace. It is killed with the test, or when it is not done in time. */
export function trace(t: Pick<TestContext, 'after'>, options: readonly string[], args: readonly string[], limitMs = 60_000): Traced {
  // --kill-on-exit is of newer strace only; in a group of their own both can be ended at once.
  const child = spawn('strace', ['-f', '-qq', ...options, process.execPath, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const end = () => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    process.kill(-child.pid, 'SIGKILL')
  }
  const timer = setTimeout(end, limitMs)
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, stdout, stderr })
    })
  })
  atEnd(t, async () => {
    end()
    await ended.catch(() => {})
  })
  return { child, ended }
}
