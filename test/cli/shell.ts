// The lines that a command shows to be typed, typed.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'

/** The lines that stderr shows to be typed. */
export function linesIn(stderr: string): string[] {
  return stderr.split('\n').flatMap((line) => (line.startsWith('  ') ? [line.trim()] : []))
}

/** Those whose program is installed here. */
export function typeable(t: TestContext, ...lines: readonly string[]): string[] {
  return lines.filter((line) => {
    const program = line.slice(0, line.indexOf(' '))
    const isHere = spawnSync(program, ['--help'], { stdio: 'ignore' }).error === undefined
    if (!isHere) t.diagnostic(`${program} is not installed, so its line is not tried`)
    return isHere
  })
}

/** Not spawnSync: the hub is in this process, and has to turn. */
export async function shell(line: string, env: Record<string, string>): Promise<{ status: number | null; stderr: string }> {
  const child = spawn('sh', ['-c', line], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const [status] = (await once(child, 'close')) as [number | null]
  return { status, stderr }
}
