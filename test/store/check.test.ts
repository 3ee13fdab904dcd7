// Damage is found and named, and the rest stays readable.
import assert from 'node:assert/strict'
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { Catalogue } from '../../hub/store/sqlite/catalogue.ts'
import { checkFolder } from '../../hub/store/sqlite/integrity/check.ts'
import { textOf } from '../../hub/store/sqlite/integrity/damage.ts'
import { Scrub } from '../../hub/store/sqlite/integrity/scrub.ts'
import type { BucketSeries } from '../../hub/store/telemetry.ts'
import { type Random, randomFrom } from '../kit/random.ts'
import { type AllPoints, allPoints, dayMs, devices, filledFolder, firstDayMs } from './filled.ts'
import { newFolder, openIn, pointsOf, read, reading, stored } from './kit.ts'
import { withDatabase } from './telemetry/inside.ts'

const rawFile = 'series/raw/2026-03-01.db'

function flip(bytes: Buffer, random: Random): Buffer {
  bytes[random(bytes.length)]! ^= 1 << random(8)
  return bytes
}

interface Target {
  readonly file: string
  readonly table: string
  readonly key: string
  readonly column: string
  /** What a finding says of the row. */
  readonly named: RegExp
}

const targets: readonly Target[] = [
  {
    file: rawFile,
    table: 'chunks',
    key: 'id',
    column: 'bytes',
    named: /^chunk \d+ of pump-\d\/(level|state|spin), 2026-03-01T.* to 2026-03-01T/,
  },
  { file: 'series/minute/2026-03-01.db', table: 'chunks', key: 'id', column: 'bytes', named: /^chunk \d+ of pump-1\/spin, 2026-03-01T/ },
  {
    file: 'series/hour/2026-03.db',
    table: 'chunks',
    key: 'id',
    column: 'bytes',
    named: /^chunk \d+ of pump-\d\/(level|state|spin), 2026-03-0/,
  },
  {
    file: 'series/day/2026.db',
    table: 'chunks',
    key: 'id',
    column: 'bytes',
    named: /^chunk \d+ of pump-\d\/(level|state|spin), 2026-03-0/,
  },
  { file: 'mooring.db', table: 'heads', key: 'id', column: 'bytes', named: /^heads, row \d+ of pump-\d, written until / },
  { file: 'mooring.db', table: 'journal', key: 'first_seq', column: 'bytes', named: /^journal, batch \d+ to \d+, behind message \d+/ },
  { file: 'mooring.db', table: 'owed_messages', key: 'seq', column: 'frame', named: /^owed_messages \d+, owed to panel-7$/ },
]

/** Flips one bit of one row. */
function damage(folder: string, { file, table, key, column }: Target, random: Random): void {
  withDatabase(join(folder, file), (db) => {
    const rows = db
      .prepare<[], { id: number; bytes: Buffer }>(`SELECT ${key} AS id, ${column} AS bytes FROM ${table} ORDER BY ${key}`)
      .all()
    const { id, bytes } = rows[random(rows.length)]!
    db.prepare(`UPDATE ${table} SET ${column} = ? WHERE ${key} = ?`).run(flip(bytes, random), id)
  })
}

function copyOf(t: TestContext, folder: string): string {
  const copy = newFolder(t)
  cpSync(folder, copy, { recursive: true })
  return copy
}

/** Every point that is there is one that was written, where it was written. */
function assertPart(found: AllPoints, all: AllPoints): void {
  for (const [series, points] of found) {
    const written = new Map(all.get(series))
    for (const [atMs, value] of points) assert.equal(value, written.get(atMs), `${series} at ${atMs}`)
  }
}

function sizeOf(points: AllPoints): number {
  return [...points.values()].reduce((sum, { length }) => sum + length, 0)
}

test('a folder as the hub left it has no damage, whether a hub runs on it or not', async (t) => {
  const folder = await filledFolder(t)
  assert.deepEqual(checkFolder(folder).findings, [])
  const store = await openIn(t, folder)
  const report = checkFolder(folder)
  assert.deepEqual([report.findings, report.files], [[], 6])
  assert.match(report.notes.join(), /A hub runs on the folder/)
  await store.close()
})

test('a bit that flipped in a payload of any kind is found and named, and everything else is read', async (t) => {
  const folder = await filledFolder(t)
  const store = await openIn(t, folder)
  const all = await allPoints(store)
  await store.close()
  for (const [number, target] of targets.entries()) {
    for (let round = 0; round < 3; round += 1) {
      const seed = number * 100 + round
      await t.test(`${target.file} ${target.table}, seed ${seed}`, async (t) => {
        const copy = copyOf(t, folder)
        damage(copy, target, randomFrom(seed))
        const { findings } = checkFolder(copy)
        assert.equal(findings.length, 1, findings.map(textOf).join('\n'))
        assert.equal(findings[0]!.file, target.file)
        assert.match(findings[0]!.place ?? '', target.named)
        const damaged = await openIn(t, copy)
        const found = await allPoints(damaged)
        assertPart(found, all)
        const missing = sizeOf(all) - sizeOf(found)
        // A chunk of points or a row of heads is all that one bit takes; nothing else holds points that are not in chunks.
        if (target.file === rawFile) assert.ok(missing > 0 && missing <= 1500, String(missing))
        else if (target.table === 'heads') assert.ok(missing > 0 && missing <= 40, String(missing))
        else assert.equal(missing, 0)
        await damaged.close()
      })
    }
  }
})

test('a bit that flipped anywhere in a file of chunks is found, or changes nothing that is read', async (t) => {
  const folder = await filledFolder(t)
  const store = await openIn(t, folder)
  const all = await allPoints(store)
  await store.close()
  const random = randomFrom(5)
  let found = 0
  for (let round = 0; round < 16; round += 1) {
    const copy = copyOf(t, folder)
    writeFileSync(join(copy, rawFile), flip(readFileSync(join(copy, rawFile)), random))
    const { findings, damaged } = checkFolder(copy)
    for (const { file } of findings) assert.equal(file, rawFile)
    const opened = await openIn(t, copy)
    const points = await allPoints(opened)
    if (damaged > 0) found += 1
    else assert.deepEqual(points, all)
    await opened.close()
  }
  assert.ok(found > 3, String(found))
})

test('what a chunk says of itself and its row, its neighbours and the totals say of it has to agree', async (t) => {
  const folder = await filledFolder(t)
  const wrong: readonly [string, RegExp][] = [
    ['UPDATE chunks SET count = count + 1 WHERE id = 1', /Its row says 1\d+ .* it holds /],
    ['UPDATE chunks SET end_ms = end_ms + 1 WHERE id = 1', /Its row says /],
    ['INSERT INTO chunks SELECT 999, series, start_ms, end_ms, count, bytes FROM chunks WHERE id = 1', /It overlaps chunk 1\./],
    ['UPDATE chunks SET series = 77 WHERE id = 1', /Its series is not on record/],
    ['DELETE FROM chunks WHERE id = 1', /Its chunks hold \d+, and \d+ are on record/],
  ]
  for (const [change, sentence] of wrong) {
    const copy = copyOf(t, folder)
    withDatabase(join(copy, rawFile), (db) => db.exec(change))
    assert.match(checkFolder(copy).findings.map(textOf).join('\n'), sentence)
  }
  const missing = copyOf(t, folder)
  withDatabase(join(missing, 'mooring.db'), (db) =>
    db.exec(`INSERT INTO partitions VALUES ('raw/2020-01-01.db', 'raw', 0, 1, 'default', 'whole', 1, 1)`),
  )
  assert.deepEqual(checkFolder(missing).findings.map(textOf), ['series/raw/2020-01-01.db: It is on record, and it is missing.'])
})

test('a row of heads that is damaged holds up neither its device nor the others, and is kept for whoever looks', async (t) => {
  const folder = await filledFolder(t)
  withDatabase(join(folder, 'mooring.db'), (db) => {
    const { id, bytes } = db.prepare<[], { id: number; bytes: Buffer }>('SELECT id, bytes FROM heads WHERE device = 1').get()!
    bytes[bytes.length - 6]! ^= 4 // in the points of its last series
    db.prepare('UPDATE heads SET bytes = ? WHERE id = ?').run(bytes, id)
  })
  const store = await openIn(t, folder)
  const { coarse } = await store.telemetry.points({
    devices: ['pump-1'],
    fromMs: 0,
    toMs: Number.MAX_SAFE_INTEGER,
    limit: 10,
    order: 'asc',
  })
  assert.deepEqual(coarse, [{ from: firstDayMs + 2 * dayMs, to: firstDayMs + 2 * dayMs + 19 * 60_000, tier: null }])
  await store.status({ seal: true })
  const found = await allPoints(store)
  assert.deepEqual(
    [...found.values()].map(({ length }) => length).sort((a, b) => a - b),
    [0, 0, 2880, 2900, 2900, 2900, 2900, 2900, 10_000],
  )
  await store.close()
  assert.match(
    checkFolder(folder).findings.map(textOf).join('\n'),
    /^mooring\.db, damaged_heads, row 1 of pump-1, written until \S+: It was put aside: not all of its 40 points could be read\.$/,
  )
})

for (const [name, spoil] of [
  ['is no database any more', (bytes: Buffer) => bytes.fill(0x5a, 0, 4096)],
  ['has a page that is not one', (bytes: Buffer) => bytes.fill(0x5a, 3 * bytes.readUInt16BE(16), 4 * bytes.readUInt16BE(16))],
  ['is cut short', (bytes: Buffer) => bytes.subarray(0, bytes.readUInt16BE(16) * 3)],
] as const) {
  test(`a file of chunks that ${name} is answered around, and its time gets a new one when new points come`, async (t) => {
    const folder = await filledFolder(t)
    const path = join(folder, rawFile)
    writeFileSync(path, spoil(readFileSync(path)))
    const findings = checkFolder(folder).findings
    assert.ok(findings.length > 0 && findings.every(({ file }) => file === rawFile))

    const store = await openIn(t, folder)
    const before = await allPoints(store)
    assert.ok(
      [...before.values()].every(({ length }) => length === 0 || length >= 1460),
      'the day after is whole',
    )
    const { json } = await store.telemetry.buckets({
      devices: ['pump-1'],
      metrics: ['level'],
      fromMs: firstDayMs,
      toMs: firstDayMs + 3 * dayMs,
      every: '1d',
      timeZone: 'UTC',
      aggregates: ['count'],
      fill: 'none',
    })
    assert.deepEqual([...read<BucketSeries[]>(json)[0]!.columns['count']!], [1440, 1440, 20], 'the rollups have what the file had')

    reading(store, 1, { ts: firstDayMs + 1, values: { level: 42 } })
    await stored(store)
    await store.status({ seal: true })
    assert.ok(existsSync(`${path}.damaged`))
    const after = await pointsOf(store, 'pump-1', 'level')
    assert.deepEqual(
      after.find(([atMs]) => atMs === firstDayMs + 1),
      [firstDayMs + 1, 42],
    )
    assert.ok(after.length > before.get('pump-1/level')!.length)
    await store.close()
    assert.deepEqual(
      checkFolder(folder).findings.map(({ file }) => file),
      [`${rawFile}.damaged`],
    )
  })
}

test('a message of the journal whose length is damaged takes nothing but itself', async (t) => {
  const folder = newFolder(t)
  const store = await openIn(t, folder)
  store.journal.appendDevice('pump-1', 1)
  for (let at = 1; at <= 5; at += 1) reading(store, 1, { ts: at, values: { t: at } })
  await stored(store)
  await store.close()
  withDatabase(join(folder, 'mooring.db'), (db) => {
    const { id, bytes } = db.prepare<[], { id: number; bytes: Buffer }>('SELECT first_seq AS id, bytes FROM journal').get()!
    const third = bytes.indexOf('{"ts":3')
    bytes.writeUInt32LE(0x7000_0000, third - 'devices/pump-1/telemetry'.length - 36)
    db.prepare('UPDATE journal SET bytes = ? WHERE first_seq = ?').run(bytes, id)
  })
  const again = await openIn(t, folder)
  const { messages } = await again.past({ filters: ['#'], afterSeq: 0, toSeq: again.journal.storedSeq })
  assert.deepEqual(
    messages.map(({ payload }) => JSON.parse(Buffer.from(payload).toString()).ts),
    [1, 2, 4, 5],
  )
  await again.close()
  assert.deepEqual(
    checkFolder(folder).findings.map(({ what }) => what),
    ['No frame begins where one should.'],
  )
})

test('the scrub finds what the check finds, a piece at a time, goes on after a stop, and forgets what was healed', async (t) => {
  const folder = await filledFolder(t)
  for (const target of targets) if (target.table !== 'owed_messages') damage(folder, target, randomFrom(1))
  const expected = checkFolder(folder).findings.map(textOf).sort()
  assert.equal(expected.length, targets.length - 1)
  const db = new Database(join(folder, 'mooring.db'))
  const catalogue = new Catalogue(db)
  const nowMs = Date.now()
  let steps = 0
  let scrub = new Scrub(folder, db, catalogue)
  for (; scrub.integrity().scrubbedAt === null; steps += 1) {
    assert.ok(steps < 100)
    scrub.step(nowMs)
    if (steps % 10 < 9) continue
    scrub.close() // as at the end of a hub, however it ends
    scrub = new Scrub(folder, db, catalogue)
  }
  assert.ok(steps > 1)
  assert.deepEqual([...scrub.integrity().damaged].sort(), expected)
  assert.equal(scrub.integrity().scrubbedAt, nowMs)

  db.exec('DELETE FROM journal; DELETE FROM heads')
  const nextMs = nowMs + 4 * dayMs
  scrub.step(nowMs + dayMs)
  assert.deepEqual([...scrub.integrity().damaged].sort(), expected, 'not yet')
  for (let more = 0; scrub.integrity().scrubbedAt !== nextMs && more < 100; more += 1) scrub.step(nextMs)
  assert.deepEqual(
    [...scrub.integrity().damaged].sort(),
    expected.filter((text) => !text.startsWith('mooring.db')),
  )
  assert.equal(devices.length, 3)
  scrub.close()
  db.close()
})
