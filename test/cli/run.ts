// The command line as a process of its own, as `mooring` starts it.
import { type ChildProcess, spawn } from 'node:child_process'
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

export function start(t: TestContext, ...args: string[]): Run {
  const child = spawn(process.execPath, [join(root, 'hub', 'cli', 'main.ts'), ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
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
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const one = start(t, ...args)
  one.child.stdin?.on('error', () => {}) // it may not want to read
  one.child.stdin?.end(stdin)
  const code = await one.done
  return { code, stdout: one.stdout().toString(), stderr: one.stderr() }
}
