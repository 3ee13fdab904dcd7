// Heads become chunks: when, how they lie in the files of their days, and what a reader sees meanwhile.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { decodeChunk } from '../../hub/store/series/chunk.ts'
import type { Store } from '../../hub/store/store.ts'
import { newFolder, openIn, pointsOf, stored } from './kit.ts'
import { ever, scanAgrees } from './telemetry/agreement.ts'
import { chunksIn, partitionsOf, pathOf, rowsOf, type StoredChunk } from './telemetry/inside.ts'
import { Model, type Sent, send } from './telemetry/model.ts'

const dayMs = 86_400_000
const startMs = Date.UTC(2026, 0, 14)

/** A point a second of one metric, from this second of the day on. */
function seconds(from: number, count: number, change: Partial<Sent> = {}): Sent[] {
  return Array.from({ length: count }, (_, at) => ({
    device: 1,
    metric: 't',
    atMs: startMs + (from + at) * 1000,
    value: from + at,
    ...change,
  }))
}

async function withPumps(t: TestContext, folder: string, count = 1): Promise<Store> {
  const store = await openIn(t, folder, 'batched')
  for (let device = 1; device <= count; device += 1) store.journal.appendDevice(`pump-${device}`, device)
  return store
}

async function sealed(store: Store, model: Model, points: readonly Sent[]): Promise<void> {
  send(store, points)
  model.take(points)
  await stored(store)
  await store.status({ seal: true })
}

const ids = (chunks: readonly StoredChunk[]) => chunks.map(({ id }) => id)
const counts = (chunks: readonly StoredChunk[]) => chunks.map(({ count }) => count)

/** What holds for the chunks of every partition, whatever has happened. */
function assertInOrder(folder: string): void {
  for (const { file, startMs, endMs, points } of partitionsOf(folder)) {
    const chunks = chunksIn(folder, file)
    for (const [at, chunk] of chunks.entries()) {
      const { times } = decodeChunk(chunk.bytes)
      const before = chunks[at - 1]
      assert.ok(before?.series !== chunk.series || before.endMs < chunk.startMs, `${file}: no two chunks of a series overlap`)
      assert.deepEqual(
        [times[0], times.at(-1), times.length],
        [chunk.startMs, chunk.endMs, chunk.count],
        `${file}: the row says what the bytes are`,
      )
      assert.ok(chunk.count <= 1500, `${file}: ${chunk.count} points in a chunk`)
      assert.ok(chunk.startMs >= startMs && chunk.endMs < endMs, `${file}: within its day`)
    }
    assert.equal(
      points,
      chunks.reduce((sum, { count }) => sum + count, 0),
      `${file}: the catalogue counts its points`,
    )
  }
}

function assertHeadsAreCounted(folder: string): void {
  const wrong = rowsOf(
    folder,
    `SELECT number, head_rows, head_depth, (SELECT count(*) FROM heads WHERE device = number) AS rows,
      (SELECT coalesce(sum(deepest), 0) FROM heads WHERE device = number) AS depth
     FROM devices WHERE head_rows <> rows OR head_depth <> depth`,
  )
  assert.deepEqual(wrong, [], 'head_rows and head_depth are those of the rows in heads')
}

test('a late point opens the chunk it falls into, and leaves every other where it is', async (t) => {
  const folder = newFolder(t)
  const store = await withPumps(t, folder)
  const model = new Model()
  await sealed(store, model, seconds(0, 5000))
  const { file } = partitionsOf(folder)[0]!
  const before = chunksIn(folder, file)
  assert.deepEqual(counts(before), [1000, 1000, 1000, 1000, 1000])

  await sealed(store, model, [{ device: 1, metric: 't', atMs: startMs + 2_500_500, value: -1 }])
  const after = chunksIn(folder, file)
  assert.deepEqual(counts(after), [1000, 1000, 1001, 1000, 1000])
  assert.deepEqual([...ids(after).slice(0, 2), ...ids(after).slice(3)], [...ids(before).slice(0, 2), ...ids(before).slice(3)])
  assert.notEqual(after[2]?.id, before[2]?.id)
  await scanAgrees(store, model)
})

test('a point between two full chunks stands by itself, and takes in what falls beside it later', async (t) => {
  const folder = newFolder(t)
  const store = await withPumps(t, folder)
  const model = new Model()
  await sealed(store, model, [...seconds(0, 1000), ...seconds(3000, 1000)])
  const { file } = partitionsOf(folder)[0]!
  await sealed(store, model, [...seconds(0, 900), ...seconds(3000, 900)]) // both chunks are cut where the gap is
  const before = chunksIn(folder, file)
  for (const second of [1500, 2000, 2500]) await sealed(store, model, seconds(second, 10))
  const after = chunksIn(folder, file)
  assert.equal(after.length, before.length + 1)
  assert.equal(after.filter(({ id }) => !ids(before).includes(id)).length, 1)
  await scanAgrees(store, model)
})

test('a slow series leaves full chunks, not one for each visit', async (t) => {
  const folder = newFolder(t)
  const store = await withPumps(t, folder)
  const model = new Model()
  for (let visit = 0; visit < 30; visit += 1) {
    await sealed(store, model, seconds(visit * 100, 100))
    assertInOrder(folder)
  }
  const { file } = partitionsOf(folder)[0]!
  const found = counts(chunksIn(folder, file))
  assert.ok(found.length <= 6, `3,000 points in ${found.length} chunks`)
  for (const count of found.slice(0, -1)) assert.ok(count >= 500, `a chunk of ${count} points has others behind it`)
  await scanAgrees(store, model)
})

test('days are cut at midnight UTC, one file each; what no clock can be is kept in files of its own', async (t) => {
  const folder = newFolder(t)
  const store = await withPumps(t, folder)
  const model = new Model()
  const times = [
    0,
    5,
    Date.UTC(2000, 0) - 1,
    Date.UTC(2000, 0),
    startMs - 0.5,
    startMs,
    startMs + dayMs - 1,
    Date.UTC(2100, 0) - 1,
    Date.UTC(2100, 0),
    8.64e15,
  ]
  await sealed(
    store,
    model,
    times.map((atMs) => ({ device: 1, metric: 't', atMs, value: atMs })),
  )
  const files = ['before-2000', '2000-01-01', '2026-01-13', '2026-01-14', '2099-12-31', 'from-2100'].map((name) => `raw/${name}.db`)
  assert.deepEqual(
    partitionsOf(folder).map(({ file, points }) => [file, points]),
    files.map((file, at) => [file, [3, 1, 1, 2, 1, 2][at]]),
  )
  for (const file of files) assert.ok(existsSync(pathOf(folder, file)))
  assertInOrder(folder)
  await scanAgrees(store, model)
  assert.equal((await pointsOf(store, 'pump-1', 't', startMs - 1, startMs)).length, 2)
})

test('what is sealed is in no head any more, and every device knows how much of it waits', async (t) => {
  const folder = newFolder(t)
  const store = await withPumps(t, folder, 3)
  const model = new Model()
  for (let round = 0; round < 3; round += 1) {
    const points = [1, 2, 3].flatMap((device) => [
      ...seconds(round * 50, 20 * device, { device }),
      ...seconds(0, 5, { device, metric: 'other' }),
    ])
    send(store, points)
    model.take(points)
    await stored(store)
    await scanAgrees(store, model) // which has them written as heads
    assertHeadsAreCounted(folder)
    assert.ok(rowsOf(folder, 'SELECT 1 FROM heads').length > 0)
    if (round === 1) await store.status({ seal: true })
  }
  assert.equal(rowsOf(folder, 'SELECT 1 FROM heads').length, 3)
  await store.status({ seal: true })
  assert.deepEqual(rowsOf(folder, 'SELECT * FROM heads'), [])
  assertHeadsAreCounted(folder)
  assertInOrder(folder)
  await scanAgrees(store, model)
})

test('a device is sealed by itself when a series is 1,000 deep or when it has 64 rows, and no other is', { timeout: 30_000 }, async (t) => {
  const folder = newFolder(t)
  const store = await withPumps(t, folder, 4)
  const rows = () =>
    Object.fromEntries(
      rowsOf<{ id: string; rows: number }>(folder, 'SELECT id, head_rows AS rows FROM devices').map(({ id, rows }) => [id, rows]),
    )
  const flush = async (points: Sent[]) => {
    send(store, points)
    await stored(store)
    await store.device(`pump-${points[0]!.device}`) // which has its points written
  }
  await flush(seconds(0, 999, { device: 1 }))
  for (let row = 0; row < 63; row += 1) await flush(seconds(row, 1, { device: 2 }))
  await flush(seconds(0, 1000, { device: 3 }))
  for (let row = 0; row < 64; row += 1) await flush(seconds(row, 1, { device: 4 }))
  while (rows()['pump-3'] !== 0 || rows()['pump-4'] !== 0) await store.devices({ limit: 1 })
  assert.deepEqual(rows(), { 'pump-1': 1, 'pump-2': 63, 'pump-3': 0, 'pump-4': 0 })

  await flush(seconds(999, 1, { device: 1 }))
  await flush(seconds(63, 1, { device: 2 }))
  while (rows()['pump-1'] !== 0 || rows()['pump-2'] !== 0) await store.devices({ limit: 1 })
  assertHeadsAreCounted(folder)
  assert.deepEqual(
    partitionsOf(folder).map(({ points }) => points),
    [2128],
  )
})

test('while points are written and sealed a reader never misses one that was there before, nor sees one twice', async (t) => {
  const folder = newFolder(t)
  const store = await withPumps(t, folder)
  const looks = [0, 0, 0]
  const range = { fromMs: startMs, toMs: startMs + 10_000_000 } // of which a chart is made from points
  let written = 0
  let ended = false
  const write = async () => {
    // Until each reader has looked often enough, in between what is going on.
    for (let round = 0; round < 40 || Math.min(...looks) < 12; round += 1) {
      // Slow readers are waited for: of more than 10,000 points a chart leaves some out.
      for (const before = looks.join(); round >= 40 && looks.join() === before; ) await store.device('pump-1')
      const isLate = round % 3 === 2 // it begins before the end of what is there
      send(store, seconds(isLate ? written - 20 : written, 30))
      await stored(store)
      await store.device('pump-1') // has it written as a head: some of them while others are sealed
      written += isLate ? 10 : 30
    }
    ended = true
  }
  const seal = async () => {
    while (!ended) await store.status({ seal: true })
  }
  const look = async (reader: number, read: () => Promise<readonly number[]>) => {
    while (!ended) {
      const atLeast = written
      const times = await read()
      assert.ok(times.length >= atLeast, `${atLeast} points were there, ${times.length} were answered`)
      for (const [at, atMs] of times.entries()) assert.equal(atMs, startMs + at * 1000)
      looks[reader]! += 1
    }
  }
  await Promise.all([
    write(),
    seal(),
    look(0, async () => (await pointsOf(store, 'pump-1', 't')).map(([atMs]) => atMs)),
    look(1, async () => {
      const { json } = await store.telemetry.points({ ...ever, devices: ['pump-1'], order: 'asc', limit: 10_000 })
      return (JSON.parse(Buffer.from(json).toString()) as { times: number[] }).times
    }),
    look(2, async () => {
      const { json } = await store.telemetry.chart({ ...range, devices: ['pump-1'], pointsMax: 10_000, method: 'minmax' })
      return (JSON.parse(Buffer.from(json).toString()) as { times: number[] }[])[0]?.times ?? []
    }),
  ])
  assert.equal((await pointsOf(store, 'pump-1', 't')).length, written)
  await store.status({ seal: true })
  assertInOrder(folder)
  assertHeadsAreCounted(folder)
})

const visits = fc.array(
  fc.array(
    fc.record({
      from: fc.integer({ min: -3000, max: 9000 }),
      count: fc.integer({ min: 1, max: 1700 }),
      everyMs: fc.constantFrom(250, 1000, 7000),
    }),
    {
      minLength: 1,
      maxLength: 3,
    },
  ),
  { minLength: 1, maxLength: 5 },
)

test('however points come, chunks of a series never overlap and stay within their day and their size', async (t) => {
  await fc.assert(
    fc.asyncProperty(visits, async (visits) => {
      const folder = newFolder(t)
      const store = await withPumps(t, folder)
      const model = new Model()
      for (const visit of visits) {
        const points = visit.flatMap(({ from, count, everyMs }) =>
          seconds(from, count).map((point, at) => ({ ...point, atMs: startMs + from * 1000 + at * everyMs })),
        )
        await sealed(store, model, points)
        assertInOrder(folder)
        assertHeadsAreCounted(folder)
      }
      await scanAgrees(store, model)
      await store.close()
    }),
    { numRuns: 6 },
  )
})
