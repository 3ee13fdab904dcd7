// A hub that dies between two steps of its upkeep: the database and the files of chunks are then of different moments. Each of these moments
// is made by copying them when they were, and opened again.
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { seriesFolder } from '../../../hub/store/sqlite/catalogue.ts'
import { chartOf, newFolder, openIn } from '../kit.ts'
import { chartAgrees, ever, pointsAgree, scanAgrees, sizesAgree } from './agreement.ts'
import { copyAsKilled, copyDatabase, partitionsOf, pathOf, rollAll, rolledUp, rollUntold, rowsOf, withDatabase } from './inside.ts'
import { Model, type Sent } from './model.ts'
import { beginPumps, sent } from './pumps.ts'

const dayMs = 86_400_000
const startMs = Date.UTC(2026, 0, 14)

function minutes(from: number, count: number, change: Partial<Sent> = {}): Sent[] {
  return Array.from({ length: count }, (_, at) => ({
    device: 1,
    metric: 't',
    atMs: startMs + (from + at) * 60_000,
    value: from + at,
    ...change,
  }))
}

/** The database of one moment beside the partitions of another. */
function mixed(t: TestContext, database: string, partitions: string): string {
  const folder = newFolder(t)
  copyDatabase(database, folder)
  if (existsSync(join(partitions, seriesFolder))) cpSync(join(partitions, seriesFolder), join(folder, seriesFolder), { recursive: true })
  return folder
}

function copied(t: TestContext, folder: string): string {
  const to = newFolder(t)
  copyAsKilled(folder, to)
  return to
}

/** Everything is there once, before the next sealing and after it, rolled up or not. */
async function agreesFromNowOn(t: TestContext, folder: string, model: Model): Promise<void> {
  for (const step of ['as it was', 'sealed', 'rolled up']) {
    const store = await openIn(t, folder, 'batched')
    await scanAgrees(store, model)
    if (step === 'sealed') {
      await store.status({ seal: true })
      await sizesAgree(store, model)
      assert.deepEqual(rowsOf(folder, 'SELECT * FROM heads'), [])
    }
    await pointsAgree(store, model, { ...ever, order: 'desc' }, [700])
    for (const pointsMax of [2, 40, 4000]) {
      await chartAgrees(store, model, { fromMs: startMs - dayMs, toMs: startMs + 4 * dayMs - 1, pointsMax, method: 'minmax' })
    }
    await store.close()
    if (step === 'sealed') rollAll(folder)
  }
}

test('killed at any step of a sealing, the store has every point once', async (t) => {
  const { folder, store, model } = await beginPumps(t)
  await sent(store, model, minutes(0, 2000))
  await store.status({ seal: true })
  // New points behind, late ones over what is sealed, in a day that is there and one that is not, of two devices.
  await sent(store, model, [
    ...minutes(1990, 1500, { value: -1 }),
    ...minutes(100, 50, { value: -2, atMs: startMs + 100 * 60_000 }),
    ...minutes(-200, 300, { device: 2 }),
    ...minutes(700, 2, { value: 'text' }),
  ])
  await scanAgrees(store, model) // which has the heads written
  const heads = copied(t, folder)
  await store.status({ seal: true })
  await store.close()
  for (const [what, made] of [
    ['heads are written and nothing else', heads],
    ['chunks are on disk and the writer was not told', mixed(t, heads, folder)],
    ['all is done', folder],
  ] as const) {
    await t.test(what, () => agreesFromNowOn(t, made, model))
  }
})

test('killed while it seals a second time what a crash had left, the store has every point once, the newest value of each', async (t) => {
  const { folder, store, model } = await beginPumps(t)
  await sent(store, model, minutes(0, 1200))
  await scanAgrees(store, model)
  const heads = copied(t, folder)
  await store.status({ seal: true })
  await store.close()
  // The same heads once more, and newer ones of the same times behind them.
  const again = mixed(t, heads, folder)
  const second = await openIn(t, again, 'batched')
  await sent(second, model, minutes(600, 300, { value: 'newer' }))
  await scanAgrees(second, model)
  const moreHeads = copied(t, again)
  await second.status({ seal: true })
  await second.close()
  await agreesFromNowOn(t, mixed(t, moreHeads, again), model)
})

test('killed when the rollups are on disk and the writer was not told, charts are made of all points', async (t) => {
  const { folder, store, model } = await beginPumps(t)
  await sent(store, model, [...minutes(0, 1440), ...minutes(0, 1440, { device: 2 })])
  await store.status({ seal: true })
  await store.close()
  const untold = copied(t, folder)
  rollUntold(untold)
  rollAll(folder)
  for (const [what, made] of [
    ['rollups are on disk and the writer was not told', untold],
    ['the writer was told', copied(t, folder)],
  ] as const) {
    await t.test(what, async () => {
      const again = await openIn(t, made, 'batched')
      const own = new Model()
      own.take([...minutes(0, 1440), ...minutes(0, 1440, { device: 2 })])
      // The next day is rolled up into the same files of the month and the year.
      await sent(again, own, minutes(1440, 1440))
      await again.status({ seal: true })
      await again.close()
      rollAll(made)
      await agreesFromNowOn(t, made, own)
    })
  }
})

test('what lies in the folder of chunks and is not on record goes; what is not a database of chunks stays', async (t) => {
  const { folder, store, model } = await beginPumps(t)
  await sent(store, model, minutes(0, 100))
  await store.status({ seal: true })
  await store.close()
  const { file } = partitionsOf(folder)[0]!
  const strays = ['raw/2020-01-01.db', 'raw/2020-01-02.db-journal', 'hour/2020-01.db']
  mkdirSync(pathOf(folder, 'hour'), { recursive: true })
  for (const stray of strays) cpSync(pathOf(folder, file), pathOf(folder, stray))
  for (const own of ['raw/notes.txt', 'readme.md']) writeFileSync(pathOf(folder, own), 'mine')
  const again = await openIn(t, folder, 'batched')
  await scanAgrees(again, model)
  for (const stray of strays) assert.ok(!existsSync(pathOf(folder, stray)), stray)
  for (const own of ['raw/notes.txt', 'readme.md', file]) assert.ok(existsSync(pathOf(folder, own)), own)
})

test('a commit of chunks that a power cut has cut in two is rolled back before anyone reads', async (t) => {
  const { folder, store, model } = await beginPumps(t)
  await sent(store, model, minutes(0, 1000))
  await store.status({ seal: true })
  await store.close()
  const { file } = partitionsOf(folder)[0]!
  const cut = newFolder(t)
  withDatabase(pathOf(folder, file), (db) => {
    db.pragma('journal_mode = TRUNCATE')
    db.pragma('cache_size = 1') // so that pages reach the file before the commit
    db.pragma('cache_spill = 1')
    db.exec(
      'BEGIN; UPDATE chunks SET bytes = zeroblob(60000); DELETE FROM chunks WHERE id % 2 = 0; INSERT INTO chunks VALUES (99, 1, 5, 6, 1, zeroblob(90000))',
    )
    copyAsKilled(folder, cut)
    db.exec('ROLLBACK')
  })
  assert.ok(existsSync(`${pathOf(cut, file)}-journal`))
  await agreesFromNowOn(t, cut, model)
  assert.ok(!existsSync(`${pathOf(cut, file)}-journal`))
})

test('a file of chunks that is gone from the disk takes its own points with it and no others', async (t) => {
  const { folder, store, model } = await beginPumps(t)
  await sent(store, model, minutes(0, 3000))
  await store.status({ seal: true })
  await store.close()
  const files = partitionsOf(folder).map(({ file }) => file)
  assert.equal(files.length, 3)
  rmSync(pathOf(folder, files[1]!))
  const again = await openIn(t, folder, 'batched')
  const left = new Model()
  left.take(minutes(0, 3000).filter(({ atMs }) => Math.floor((atMs - startMs) / dayMs) !== 1))
  await scanAgrees(again, left)
  const late = minutes(1500, 10, { value: 'late' })
  await sent(again, left, late)
  await again.status({ seal: true })
  await scanAgrees(again, left)
})

test('where points were lost on the disk the rollups that were made of them stay, and take in what came since', async (t) => {
  const { folder, store, model } = await beginPumps(t)
  await sent(store, model, minutes(0, 3000))
  await rolledUp(store, folder)
  await store.close()
  const [first, second] = partitionsOf(folder)
  rmSync(pathOf(folder, second!.file))
  withDatabase(pathOf(folder, first!.file), (db) => db.exec('UPDATE chunks SET bytes = zeroblob(100) WHERE id = 1'))
  const again = await openIn(t, folder, 'batched')
  const late = [...minutes(3, 1, { value: 'late' }), ...minutes(1500, 10, { value: 'late' })].map((point) => ({
    ...point,
    atMs: point.atMs + 1,
  }))
  await sent(again, model, late)
  await rolledUp(again, folder)
  const [chart] = await chartOf(again, { fromMs: startMs, toMs: startMs + 3 * dayMs - 1, pointsMax: 3, method: 'minmax' })
  assert.ok(chart!.count >= 3000 && chart!.count <= 3011, `${chart!.count} points from ${chart!.tiers}`)
})
