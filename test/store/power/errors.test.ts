// Disks that fail, by errors put into single calls on single files: what failed is not acknowledged, what was acknowledged is not lost.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { describe, type TestContext } from 'node:test'
import { newFolder as newHubFolder, spawnHub } from '../../kit/hub.ts'
import { type Ended, type Fault, injects, needsStrace, trace } from '../../kit/strace.ts'
import { newFolder } from '../kit.ts'
import { judge } from './judge.ts'
import { claimOf, keepCompiled, type Said, saidIn } from './runs.ts'
import { type WorkloadOptions, workloadArgs } from './workload.ts'

/** EX_IOERR: a supervisor starts the hub again. */
const diskFailed = 74
const log = 'mooring.db-wal'
const database = 'mooring.db'

/** Runs the workload with calls on one file failing, and judges what the next start finds. */
async function runWith(
  t: TestContext,
  file: string | readonly string[],
  fault: Omit<Fault, 'path'>,
  changes: Partial<WorkloadOptions> = {},
): Promise<Ended & Said> {
  keepCompiled()
  const top = newFolder(t)
  const folder = join(top, 'data')
  const calls = join(top, 'calls')
  const options: WorkloadOptions = { folder, durability: 'fsync', rounds: 40, ends: 'close', patient: false, ...changes }
  const ended = await trace(t, injects({ ...fault, path: [file].flat().map((each) => join(folder, each)) }, calls), workloadArgs(options))
    .ended
  assert.match(readFileSync(calls, 'utf8'), /\(INJECTED\)/, 'the run was over before the error came')
  const said = saidIn(ended.stdout)
  await judge(folder, claimOf(said, options))
  return { ...ended, ...said }
}

// Several in a row, because each meets another of the writer's doings: a commit, the points that a read asked for, facts about sessions.
const fatalFaults = [
  { says: 'the sync of the log fails once', call: 'fsync', whens: ['25'] },
  { says: 'the sync of the log fails from some time on', call: 'fsync', whens: ['30+'] },
  { says: 'a write to the log fails once', call: 'pwrite64', whens: ['290', '291', '294', '299', '306'] },
  { says: 'writes to the log fail from some time on', call: 'pwrite64', whens: ['310+'] },
] as const

for (const { says, call, whens } of fatalFaults) {
  test(`${says}: nothing is acknowledged after it, the process ends, and the next start has everything that was`, async (t) => {
    if (!needsStrace(t)) return
    for (const when of whens) {
      const { code, fatal, refused, storedAfterRefusal, acknowledged } = await runWith(t, log, { call, does: 'error=EIO', when })
      assert.match(fatal ?? 'nothing fatal', /disk I\/O error/, `${call} ${when}`)
      assert.equal(code, diskFailed)
      assert.ok(acknowledged > 0, 'it worked before')
      assert.equal(storedAfterRefusal, 0)
      for (const line of refused) assert.match(line, /^\d+ store-failed$/)
    }
  })
}

test('a log that has no room refuses rounds as store-full, keeps nothing of them, and takes them again by itself when there is room', async (t) => {
  if (!needsStrace(t)) return
  const fault = { call: 'pwrite64', does: 'error=ENOSPC', when: '300..330' }
  const { code, fatal, refused, acknowledged, storedAfterRefusal } = await runWith(t, log, fault, { patient: true })
  assert.equal(fatal, undefined)
  assert.equal(code, 0)
  assert.notEqual(refused.length, 0)
  for (const line of refused) assert.match(line, /^\d+ store-full$/)
  assert.equal(acknowledged, 40)
  assert.notEqual(storedAfterRefusal, 0)
})

for (const error of ['EIO', 'ENOSPC']) {
  for (const call of ['pwrite64', 'fsync']) {
    test(`${error} of ${call} while the log is copied into the database costs nothing: the log is kept`, async (t) => {
      if (!needsStrace(t)) return
      // The first is of the making of the file.
      const { code, fatal, refused, acknowledged } = await runWith(
        t,
        database,
        { call, does: `error=${error}`, when: '2+' },
        { rounds: 120 },
      )
      assert.equal(fatal, undefined)
      assert.deepEqual(refused, [])
      assert.equal(acknowledged, 120)
      assert.equal(code, 0)
    })
  }
}

const days = ['2026-11-20', '2026-11-21', '2026-11-22']
const points = [...days, '2026-01-05.brief', '2026-01-06.brief'].map((day) => `series/raw/${day}.db`)
const tiers = ['minute/2026-01-05.brief', 'minute/2026-01-06.brief', 'hour/2026-01.brief', 'day/2026.brief'].map(
  (name) => `series/${name}.db`,
)
const withJournals = (files: readonly string[]) => files.flatMap((file) => [file, `${file}-journal`])

const fatalForSeries = [
  { says: 'the sync of points on their way into a partition', files: withJournals(points), call: 'fsync', does: 'error=EIO', when: '2' },
  { says: 'the sync of a folder of partitions', files: ['series/raw'], call: 'fsync', does: 'error=EIO', when: '2' },
  { says: 'a write of points into a partition', files: withJournals(points), call: 'pwrite64', does: 'error=EIO', when: '20' },
  // Whatever the reason: the pages are marked as clean, and the next sync would say that all is well.
  { says: 'for want of room a sync', files: points, call: 'fsync', does: 'error=ENOSPC', when: '1' },
] as const

const full = { call: 'pwrite64', does: 'error=ENOSPC' } as const

describe('files of partitions', { concurrency: 3 }, () => {
  for (const { says, files, call, does, when } of fatalForSeries) {
    test(`${says} fails: the process ends rather than try again, and no point is lost`, async (t) => {
      if (!needsStrace(t)) return
      const { code, fatal, acknowledged } = await runWith(t, files, { call, does, when }, { rounds: 36 })
      assert.match(fatal ?? 'nothing fatal', /disk I\/O error|EIO/)
      assert.equal(code, diskFailed)
      assert.ok(acknowledged >= 34)
    })
  }

  test('a file that cannot be removed is said in the status and tried again', async (t) => {
    if (!needsStrace(t)) return
    const fault = { call: '/^unlink', does: 'error=EIO', when: '1' }
    const { code, fatal, stdout } = await runWith(t, 'series/raw/2026-01-05.brief.db', fault, { rounds: 66 })
    assert.deepEqual([code, fatal], [0, undefined])
    assert.match(stdout, /^problem .*2026-01-05\.brief\.db.*^expired$/ms)
  })

  test('without room for chunks points stay in heads, and are sealed when there is room', async (t) => {
    if (!needsStrace(t)) return
    // Whoever asks for it meets one of these at a time: in the making of a file, and after the first ones were made.
    const { code, fatal, refused, acknowledged, stdout } = await runWith(t, withJournals(points), { ...full, when: '3..4' }, { rounds: 66 })
    assert.deepEqual([code, fatal, refused, acknowledged], [0, undefined, [], 66])
    assert.match(stdout, /^unsealed database or disk is full$.*^expired$/ms)
  })

  test('without room for rollups points are not let go of, the status says why, and they are when there is room', async (t) => {
    if (!needsStrace(t)) return
    const { code, fatal, refused, acknowledged, stdout } = await runWith(
      t,
      withJournals(tiers),
      { ...full, when: '40..41' },
      { rounds: 66 },
    )
    assert.deepEqual([code, fatal, refused, acknowledged], [0, undefined, [], 66])
    assert.match(stdout, /^problem database or disk is full$.*^expired$/ms)
  })
})

test('a hub whose disk fails answers nothing it has not stored, ends with 74, and has everything it answered at the next start', {
  timeout: 60_000,
}, async (t) => {
  if (!needsStrace(t)) return
  const folder = newHubFolder(t)
  const ports = ['--mqtt-port', '0', '--http-port', '0', '--mqtts-port', 'off', '--https-port', 'off']
  const main = join(import.meta.dirname, '..', '..', '..', 'hub', 'main.ts')
  const fault = { call: 'fsync', does: 'error=EIO', when: '40+', path: join(folder, log) }
  const { child, ended } = trace(t, injects(fault, '/dev/null'), [main, '--ready-json', ...ports, '--data', folder, '--log-level', 'warn'])
  const [line] = (await once(createInterface(child.stdout!), 'line')) as [string]
  const { http } = JSON.parse(line) as { http: number }
  const answered: number[] = []
  for (let n = 1; ; n += 1) {
    const body = JSON.stringify({ ts: n, values: { n } })
    const answer = await fetch(`http://127.0.0.1:${http}/v1/devices/pump-1/telemetry`, { method: 'POST', body }).catch(() => undefined)
    if (answer === undefined) break
    if (answer.ok) answered.push(n)
    await answer.arrayBuffer().catch(() => {})
  }
  assert.equal((await ended).code, diskFailed)
  assert.notEqual(answered.length, 0)

  const again = await spawnHub(t, folder)
  const { series } = (await again.get('/v1/devices/pump-1/telemetry?metric=n&from=0&to=1000000&points=10000')) as {
    series: { values: number[] }[]
  }
  const found = new Set(series[0]!.values)
  assert.deepEqual(
    answered.filter((n) => !found.has(n)),
    [],
    'answered and lost',
  )
  assert.equal(found.size, series[0]!.values.length, 'each once')
  await again.stop()
})
