// The power fails: a run of the store is written down call by call, cut at many places, and opened from what a disk may hold then.
// Protocol-edges of a store: whatever was acknowledged is there, whole and once, and the store goes on.
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { atEnd } from '../../kit/at-end.ts'
import { type Random, randomFrom } from '../../kit/random.ts'
import { needsStrace } from '../../kit/strace.ts'
import { newFolder } from '../kit.ts'
import { judge } from './judge.ts'
import { type Recording, record, replay } from './recording.ts'
import { keepCompiled } from './runs.ts'
import { nameRules } from './volume.ts'
import type { WorkloadOptions } from './workload.ts'

const cuts = Number(process.env['MOORING_POWER_CUTS'] ?? 150)
const seed = Number(process.env['MOORING_POWER_SEED'] ?? Math.floor(Math.random() * 1e9))
/** Where to keep folders that were judged badly, to be looked at. */
const keepIn = process.env['MOORING_POWER_KEEP']
const isLong = process.env['MOORING_POWER_CUTS'] !== undefined
const limitMs = isLong ? Number.POSITIVE_INFINITY : 25_000
const atATime = 2

const run: Omit<WorkloadOptions, 'folder'> = { durability: 'fsync', rounds: 130, ends: 'close', patient: false }

/** In memory where there is room: each cut is a folder with a database, opened and synced. */
function folderForCuts(t: TestContext): string {
  const memory = '/dev/shm'
  const { bavail, bsize } = existsSync(memory) ? statfsSync(memory) : { bavail: 0, bsize: 0 }
  const folder = mkdtempSync(join(bavail * bsize > 1024 ** 3 ? memory : tmpdir(), 'mooring-power-'))
  atEnd(t, () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Places around which cuts are the most telling: all of them, and those where files of partitions come and go while points expire. */
interface Edges {
  readonly all: readonly number[]
  readonly ofExpiry: readonly number[]
}

function edgesOf({ moments }: Recording): Edges {
  let isExpiring = false
  const all: number[] = []
  const ofExpiry: number[] = []
  for (const [at, { text, isEdge }] of moments.entries()) {
    if (text.startsWith('expir')) isExpiring = text === 'expiring'
    if (isEdge) all.push(at)
    if (isEdge && isExpiring) ofExpiry.push(at)
  }
  return { all, ofExpiry }
}

/** Most cuts fall near the moments that matter; the others anywhere. */
function placeOf({ moments }: Recording, { all, ofExpiry }: Edges, random: Random): number {
  const edges = [ofExpiry, all, all, undefined][random(4)]
  if (edges === undefined || edges.length === 0) return random(moments.length + 1)
  return Math.min(moments.length, edges[random(edges.length)]! + random(3))
}

/** What is wrong after one cut, with all that says where it was; undefined when nothing is. */
async function cutOnce(recording: Recording, root: string, edges: Edges, cutSeed: number, folder: string): Promise<string | undefined> {
  const random = randomFrom(cutSeed)
  const count = placeOf(recording, edges, random)
  const rule = nameRules[random(nameRules.length)]!
  mkdirSync(folder)
  replay(recording, root, count, rule).cutInto(folder, random)
  const claim = recording.moments[count - 1]?.claim ?? { acknowledged: 0, appended: 0, hasFacts: true }
  const kept = keepIn === undefined ? undefined : join(keepIn, `cut-${cutSeed}`)
  if (kept !== undefined) cpSync(folder, kept, { recursive: true })
  try {
    await judge(join(folder, 'data'), claim)
    if (kept !== undefined) rmSync(kept, { recursive: true })
    return undefined
  } catch (error) {
    const before = recording.moments.slice(Math.max(0, count - 5), count).map(({ text }) => `      ${text}`)
    const place = `cut after ${count} of ${recording.moments.length} steps, names ${rule}, seed ${cutSeed}, ${claim.acknowledged} rounds acknowledged`
    return `  ${place}: ${(error as Error).message}\n${before.join('\n')}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Verdict {
  readonly tried: number
  readonly faults: readonly string[]
}

/** Until it is enough, or as many as wanted were wrong. */
async function cutOften(
  t: TestContext,
  recording: Recording,
  root: string,
  wanted: number,
  faultsMax = Number.POSITIVE_INFINITY,
): Promise<Verdict> {
  const edges = edgesOf(recording)
  const folder = folderForCuts(t)
  const untilMs = performance.now() + limitMs
  const faults: string[] = []
  let tried = 0
  const worker = async () => {
    while (tried < wanted && faults.length < faultsMax && performance.now() < untilMs) {
      const cutSeed = seed + tried
      tried += 1
      const fault = await cutOnce(recording, root, edges, cutSeed, join(folder, String(cutSeed)))
      if (fault !== undefined) faults.push(fault)
    }
  }
  await Promise.all(Array.from({ length: atATime }, worker))
  return { tried, faults }
}

async function recordRuns(
  t: TestContext,
  runs: readonly Omit<WorkloadOptions, 'folder'>[],
): Promise<{ root: string; recording: Recording }> {
  const top = newFolder(t)
  const root = join(top, 'disk')
  mkdirSync(root)
  keepCompiled()
  const folder = join(root, 'data')
  const recording = await record(
    t,
    root,
    runs.map((each) => ({ ...each, folder })),
    join(top, 'calls'),
  )
  const { moments, syncs, writtenBytes } = recording
  const rounds = moments.at(-1)?.claim.acknowledged
  t.diagnostic(
    `recorded ${moments.length} steps, ${syncs} syncs, ${Math.round(writtenBytes / 1e6)} MB written, ${rounds} rounds acknowledged`,
  )
  return { root, recording }
}

test('whenever the power fails, everything acknowledged is there after the next start, once', {
  timeout: isLong ? 86_400_000 : 110_000,
}, async (t) => {
  if (!needsStrace(t)) return
  const { root, recording } = await recordRuns(t, [{ ...run, ends: 'die' }, run])
  const { tried, faults } = await cutOften(t, recording, root, cuts)
  t.diagnostic(`${tried} of ${cuts} cuts tried, seed ${seed}`)
  assert.equal(faults.length, 0, `${faults.length} of ${tried} cuts:\n${faults.slice(0, 10).join('\n')}`)
})

// The check of the check: a store that says "stored" before the disk has it must be found out.
test('a store that answers before the disk has it is found out', { timeout: 110_000 }, async (t) => {
  if (!needsStrace(t)) return
  const { root, recording } = await recordRuns(t, [{ ...run, durability: 'memory', rounds: 30, ends: 'die' }])
  const { tried, faults } = await cutOften(t, recording, root, 100, 1)
  t.diagnostic(`found out by cut ${tried}: ${faults[0]?.split('\n')[0]}`)
  assert.notEqual(faults.length, 0)
  assert.match(faults[0]!, /rounds were acknowledged, and \d+ are in the journal|malformed|instead of/)
})

// A power cut may take the newest of what such a store answered, but not the record of a file that is gone, nor that of its rollups.
test('a store that answers before the disk has it syncs what it lets go of before the file goes', { timeout: 60_000 }, async (t) => {
  if (!needsStrace(t)) return
  const { recording } = await recordRuns(t, [{ ...run, durability: 'batched', rounds: 65, ends: 'die' }])
  const texts = recording.moments.map(({ text }) => text)
  const gone = texts.flatMap((text, at) => (/^unlink data\/series\/raw\/[^/]*\.db$/.test(text) ? [at] : []))
  assert.notEqual(gone.length, 0)
  for (const at of gone) {
    const before = texts.slice(0, at)
    const written = before.findLastIndex((text) => text.startsWith('pwrite64 data/mooring.db-wal '))
    const synced = before.lastIndexOf('fsync of data/mooring.db-wal returned')
    assert.ok(synced > written, `${texts[at]} comes before the record of it is on the disk`)
  }
})
