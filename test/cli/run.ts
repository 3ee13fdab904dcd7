// The command line as a process of its own, as `mooring` starts it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { atEnd } from '../kit/at-end.ts'
import { root } from '../kit/sources.ts'

export interface Run {
  readonly child: ChildProcess
  readonly stdout: () => Buffer
  readonly stderr: () => string
  /** Resolves with the exit code when all of its output is there. */
  readonly done: Promise<number | null>
}

const program = join(root, 'hub', 'cli', 'main.ts')

export function start(t: TestContext, ...args: string[]): Run {
  return startIn(t, {}, process.execPath, program, ...args)
}

/** On a terminal of its own with 24 rows, which script(1) makes; undefined where there is none. What is written to its stdin is typed. */
export function startOnTerminal(t: TestContext, columns: number, ...args: string[]): Run | undefined {
  if (spawnSync('script', ['--version']).status !== 0) return undefined
  const words = [process.execPath, program, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`)
  return startIn(t, {}, 'script', '-qec', `stty rows 24 cols ${columns}; exec ${words.join(' ')}`, '/dev/null')
}

function startIn(t: TestContext, changes: Readonly<Record<string, string>>, command: string, ...args: string[]): Run {
  const { MOORING_KEY: _, ...environment } = process.env
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...environment, ...changes } })
  const stdout: Buffer[] = []
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const done = once(child, 'close').then(([code]) => code as number | null)
  atEnd(t, async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await done
  })
  return { child, stdout: () => Buffer.concat(stdout), stderr: () => stderr, done }
}

/** To its end, with this on stdin. */
export async function run(
  t: TestContext,
  args: readonly string[],
  stdin = '',
  environment: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const one = startIn(t, environment, process.execPath, program, ...args)
  one.child.stdin?.on('error', () => {}) // it may not want to read
  one.child.stdin?.end(stdin)
  const code = await one.done
  return { code, stdout: one.stdout().toString(), stderr: one.stderr() }
}
