// A run of the workload: what it said, as a claim that can be judged.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Claim } from './judge.ts'
import type { WorkloadOptions } from './workload.ts'

export interface Said {
  readonly acknowledged: number
  readonly appended: number
  /** `7 store-full`. */
  readonly refused: readonly string[]
  readonly fatal: string | undefined
  /** The acknowledgements that came after the first refusal. */
  readonly storedAfterRefusal: number
}

/** `before` rounds were there when the run began. */
export function saidIn(stdout: string, before = 0): Said {
  // The last line may have been cut off with the process.
  const lines = stdout.slice(0, stdout.lastIndexOf('\n') + 1).split('\n')
  const of = (word: string, part = lines) => part.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1))
  const firstRefusal = lines.findIndex((line) => line.startsWith('refused '))
  return {
    acknowledged: Math.max(before, ...of('stored').map(Number)),
    appended: Math.max(before, ...of('append').map(Number)),
    refused: of('refused'),
    fatal: of('fatal')[0],
    storedAfterRefusal: firstRefusal === -1 ? 0 : of('stored', lines.slice(firstRefusal)).length,
  }
}

export function claimOf({ acknowledged, appended }: Said, { patient }: WorkloadOptions): Claim {
  return { acknowledged, appended, hasFacts: !patient }
}

/** Threads and processes that start from now on share what was compiled: opening a store then takes half the time, and here many are opened. */
export function keepCompiled(): void {
  if (process.env['NODE_COMPILE_CACHE'] !== undefined) return
  const folder = mkdtempSync(join(tmpdir(), 'mooring-compiled-'))
  process.env['NODE_COMPILE_CACHE'] = folder
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
}
