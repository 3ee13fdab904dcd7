// kill -9 at one certain call that touches the disk, over and over in the same folder, so that some kills meet the recovery from the one before.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { randomFrom } from '../../kit/random.ts'
import { injects, needsStrace, trace } from '../../kit/strace.ts'
import { newFolder } from '../kit.ts'
import { judge } from './judge.ts'
import { claimOf, keepCompiled, saidIn } from './runs.ts'
import { type WorkloadOptions, workloadArgs } from './workload.ts'

const kills = Number(process.env['MOORING_KILL_POINTS'] ?? 14)
const seed = Number(process.env['MOORING_KILL_SEED'] ?? Math.floor(Math.random() * 1e9))
const atATime = 2

/** Calls that change the disk, as strace selects them, and about how often a thread of the workload makes each in one run. */
const calls = [
  { call: 'pwrite64', most: 3000 },
  { call: 'fsync', most: 120 },
  { call: '/^(ftruncate|fallocate)$', most: 4 },
  { call: '/^(unlink|rename)', most: 3 },
] as const

/** A run that dies at one call, and what is there then. Says where it died; rounds of the run before are in `before`. */
async function killOnce(
  t: TestContext,
  folder: string,
  killSeed: number,
  before: number,
): Promise<{ where: string; died: boolean; rounds: number }> {
  const random = randomFrom(killSeed)
  const { call, most } = calls[random(calls.length)]!
  // As often among the first ten as among the last thousand: that is where files are made and the log is read back.
  const when = Math.ceil(most ** (random(1000) / 1000))
  const where = `${call} number ${when}, seed ${killSeed}`
  const options: WorkloadOptions = { folder, durability: 'fsync', rounds: 60, ends: 'close', patient: false }
  const fault = { call, does: 'signal=KILL', when: String(when) }
  const { signal, code, stdout, stderr } = await trace(t, injects(fault, '/dev/null'), workloadArgs(options)).ended
  assert.ok(signal === 'SIGKILL' || code === 0, `${where}: ended with ${signal ?? code}: ${stderr}`)
  try {
    return { where, died: signal === 'SIGKILL', rounds: await judge(folder, claimOf(saidIn(stdout, before), options)) }
  } catch (error) {
    throw new Error(`${where}: ${(error as Error).message}`, { cause: error })
  }
}

test('killed at any call that touches the disk, the store has everything acknowledged at the next start', {
  timeout: 60_000 + kills * 8_000,
}, async (t) => {
  if (!needsStrace(t)) return
  const top = newFolder(t)
  keepCompiled()
  let tried = 0
  let died = 0
  const chain = async (name: string) => {
    const folder = join(top, name)
    let before = 0
    while (tried < kills) {
      const killSeed = seed + tried
      tried += 1
      const run = await killOnce(t, folder, killSeed, before)
      if (run.died) died += 1
      before = run.rounds + 1 // the judge has stored one more, to see that the store goes on
    }
  }
  await Promise.all(Array.from({ length: atATime }, (_, at) => chain(String(at))))
  t.diagnostic(`${died} of ${tried} runs were killed, the others ended before the call that was meant; seed ${seed}`)
  assert.ok(died > 0)
})
