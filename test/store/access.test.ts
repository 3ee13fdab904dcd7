// Who may come in, on SQLite: the contract, what a file on disk goes through, and what must not be found in it afterwards.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import { Refusal } from '../../hub/errors.ts'
import { limits, MiB } from '../../hub/limits.ts'
import { AccessRows } from '../../hub/store/sqlite/access-rows.ts'
import { AuditLog, AuditReader } from '../../hub/store/sqlite/audit-log.ts'
import { backUp } from '../../hub/store/sqlite/integrity/backup.ts'
import { checkFolder } from '../../hub/store/sqlite/integrity/check.ts'
import { migrate, prepareWriter } from '../../hub/store/sqlite/schema.ts'
import { atEnd } from '../kit/at-end.ts'
import { randomFrom } from '../kit/random.ts'
import { accessContract, auditOf, entry } from './access-contract.ts'
import { beforeVersion10, killedWhileSaying, mountTmpfs, newFolder, openIn, stored } from './kit.ts'
import { changeIn, withDatabase } from './telemetry/inside.ts'

accessContract('sqlite', openIn)

/** The tables alone, as the writer opens them. */
function database(t: TestContext, folder = newFolder(t)): Database.Database {
  const db = new Database(join(folder, 'mooring.db'))
  atEnd(t, () => db.close())
  prepareWriter(db, 'memory')
  migrate(db)
  return db
}

/** All bytes of all files, once everything is in the database file. */
function bytesIn(folder: string): string {
  withDatabase(join(folder, 'mooring.db'), (db) =>
    assert.deepEqual(db.pragma('wal_checkpoint(TRUNCATE)'), [{ busy: 0, log: 0, checkpointed: 0 }]),
  )
  return readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'latin1'))
    .join('')
}

test('killed at any moment, each write is there whole or not at all, its entry with it, and none that was told is missing', async (t) => {
  const folder = newFolder(t)
  let told = 0
  for (const aliveMs of [10, 60, 30, 120]) {
    told = Math.max(told, await loadAndKill(folder, aliveMs))
    const store = await openIn(t, folder)
    const [a, b] = store.access.atStart.map(({ body }) => Number(body))
    assert.equal(a, b)
    assert.ok(a! >= told, `${a} of ${told} that were told`)
    const entries = await auditOf(store.access)
    assert.deepEqual(
      entries.map(({ detail }) => Number(detail)),
      Array.from({ length: a! }, (_, at) => a! - at),
    )
    await store.close()
  }
})

/** Returns the newest number that was told before the kill, which comes some time after the first. */
async function loadAndKill(folder: string, aliveMs: number): Promise<number> {
  const said = await killedWhileSaying('access-load.ts', folder, aliveMs)
  return Number(said.slice(0, said.lastIndexOf('\n')).split('\n').at(-1))
}

test('a write of which one part fails changes nothing, and the store says that it failed', async (t) => {
  const folder = newFolder(t)
  const store = await openIn(t, folder)
  const fatal: string[] = []
  store.onFatal(({ message }) => fatal.push(message))
  await store.access.write([{ kind: 'user', id: 'ada', body: '1' }], [entry(1)])
  changeIn(folder, "CREATE TRIGGER trap BEFORE INSERT ON audit WHEN new.who = 'trap' BEGIN SELECT raise(ABORT, 'the trap'); END")
  const changes = [
    { kind: 'user', id: 'ada', body: null },
    { kind: 'user', id: 'bob', body: '2' },
  ]
  await assert.rejects(store.access.write(changes, [entry(2), entry(3, { who: 'trap' })]), /The database failed \(the trap\)/)
  assert.deepEqual(fatal, ['the trap'])
  await store.close()

  const again = await openIn(t, folder)
  assert.deepEqual(again.access.atStart, [{ kind: 'user', id: 'ada', body: '1' }])
  assert.deepEqual(await auditOf(again.access), [{ id: 1, ...entry(1) }])
})

test('a thousand writes of one turn are a few commits', async (t) => {
  const folder = newFolder(t)
  const store = await openIn(t, folder)
  const log = join(folder, 'mooring.db-wal')
  const before = statSync(log).size
  await Promise.all(Array.from({ length: 1000 }, (_, at) => store.access.write([], [entry(at)])))
  const pages = (statSync(log).size - before) / 16_384
  assert.ok(pages < 100, `${pages} pages; a commit writes at least one`)
})

test('what is removed or replaced is nowhere in the files, as soon as the log is in the database', async (t) => {
  const folder = newFolder(t)
  const store = await openIn(t, folder)
  const secret = (n: number) => `secret-${String(n).padStart(4, '0')}`
  const body = (n: number) => JSON.stringify({ hash: secret(n), more: 'x'.repeat(300), again: secret(n) })
  const large = (n: number) => JSON.stringify({ hash: secret(n), more: 'x'.repeat(60_000), again: secret(n) })
  const ids = Array.from({ length: 300 }, (_, at) => at)
  await store.access.write(
    ids.map((n) => ({ kind: 'key', id: `k${n}`, body: body(n) })),
    [],
  )
  await store.access.write([{ kind: 'key', id: 'large', body: large(9000) }], [])
  for (const n of ids) assert.ok(bytesIn(folder).includes(secret(n)), 'it is found while it is there')
  // Readings in between take pages that became free.
  store.journal.appendDevice('pump-1', 1)
  await stored(store)
  await store.access.write([{ kind: 'key', id: 'large', body: '{}' }], [])
  await store.access.write(
    ids.filter((n) => n % 3 > 0).map((n) => ({ kind: 'key', id: `k${n}`, body: n % 3 === 1 ? null : body(n + 1000) })),
    [],
  )
  const bytes = bytesIn(folder)
  for (const n of [...ids.filter((n) => n % 3 > 0), 9000]) assert.ok(!bytes.includes(secret(n)), secret(n))
  for (const n of ids.filter((n) => n % 3 !== 1)) assert.ok(bytes.includes(secret(n % 3 === 0 ? n : n + 1000)))
})

// Rows that SQLite moves between pages leave copies behind which it does not overwrite when they are deleted.
test('after the next start nothing is left of what was removed, whatever sizes there were', async (t) => {
  for (const seed of [1, 2, 3]) {
    const folder = newFolder(t)
    const random = randomFrom(seed)
    const rows = new AccessRows(database(t, folder))
    const live = new Map<string, string>()
    const dead = new Set<string>()
    for (let n = 0; n < 4000; n += 1) {
      const id = `k${random(1000)}`
      const before = live.get(id)
      if (before !== undefined) dead.add(before)
      const secret = `secret-${String(n).padStart(5, '0')}`
      const isRemoved = random(3) === 0
      if (isRemoved) live.delete(id)
      else live.set(id, secret)
      const body = isRemoved ? null : secret + 'x'.repeat(random(9000)) + secret
      rows.write([{ changes: [{ kind: 'key', id, body }], audit: [] }])
    }
    const store = await openIn(t, folder)
    assert.equal(store.access.atStart.length, live.size)
    for (const { id, body } of store.access.atStart) assert.equal(body.slice(0, 12), live.get(id))
    const found = new Set(bytesIn(folder).match(/secret-\d{5}/g))
    assert.deepEqual(
      [...dead].filter((secret) => found.has(secret)),
      [],
    )
    for (const secret of live.values()) assert.ok(found.has(secret))
    await store.close()
    assert.deepEqual(checkFolder(folder).findings, [])
  }
})

test('the audit log is the newest entries that are within its bounds, and one at least', (t) => {
  const db = database(t)
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 12 }), { maxLength: 12 }),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 1500 }),
      (appends, entries, bytes) => {
        db.exec("DELETE FROM audit; DELETE FROM meta WHERE name = 'audit_bytes'")
        const all: number[] = []
        for (const lengths of appends) {
          const log = new AuditLog(db, { entries, bytes }) // each as after a restart
          db.transaction(() => log.append(lengths.map((length) => entry(length, { detail: 'é'.repeat(length) }))))()
          all.push(...lengths)
          const size = (length: number) => 2 * length + 'ada10.0.0.7sign-inuser ada'.length + 32
          let count = 0
          for (let sum = 0; count < Math.min(all.length, entries); count += 1) {
            sum += size(all.at(-1 - count)!)
            if (sum > bytes && count > 0) break
          }
          const look = new AuditReader(db).look({ limit: 100 }, Number.MAX_SAFE_INTEGER, 100)
          assert.deepEqual(
            look.entries.map(({ at }) => at),
            all.slice(all.length - count).reverse(),
          )
        }
      },
    ),
    { numRuns: 100 },
  )
})

test('below the reserve of the disk the log takes no more entries, and an operator can still lock someone out', async (t) => {
  const folder = newFolder(t)
  if (!mountTmpfs(t, folder, limits.diskReserveBytes + 32 * MiB)) return
  writeFileSync(join(folder, 'ballast'), Buffer.alloc(40 * MiB))
  const store = await openIn(t, folder)
  const isFull = (error: unknown) => error instanceof Refusal && error.code === 'store-full'
  await assert.rejects(store.access.write([], [entry(1, { outcome: 'refused' })]), isFull)
  await store.access.write([{ kind: 'user', id: 'ada', body: '{"locked":true}' }], [entry(2)])
  await store.close()
  const again = await openIn(t, folder)
  assert.deepEqual(again.access.atStart, [{ kind: 'user', id: 'ada', body: '{"locked":true}' }])
  assert.deepEqual(
    (await auditOf(again.access)).map(({ at }) => at),
    [2],
  )
})

test('a database from before there was access is opened, with all that it has', async (t) => {
  const folder = newFolder(t)
  const first = await openIn(t, folder)
  first.journal.appendDevice('pump-1', 1)
  await stored(first)
  await first.close()
  changeIn(
    folder,
    `DROP TABLE access; DROP TABLE audit; DROP TABLE deletions; DROP TABLE metadata; ${beforeVersion10}
    ALTER TABLE sessions DROP COLUMN owner; PRAGMA user_version = 6`,
  )

  const store = await openIn(t, folder)
  assert.deepEqual([...store.devicesAtStart.keys()], ['pump-1'])
  assert.deepEqual(store.access.atStart, [])
  await store.access.write([{ kind: 'user', id: 'ada', body: '{}' }], [entry(1)])
  assert.deepEqual(await auditOf(store.access), [{ id: 1, ...entry(1) }])
})

test('a backup has who may come in and the audit log', async (t) => {
  const folder = newFolder(t)
  const store = await openIn(t, folder)
  await store.access.write([{ kind: 'user', id: 'ada', body: '{"n":1}' }], [entry(1), entry(2)])
  const to = join(newFolder(t), 'backup')
  await backUp(folder, to)
  await store.access.write([{ kind: 'user', id: 'ada', body: null }], [entry(3)])
  const copy = await openIn(t, to)
  assert.deepEqual(copy.access.atStart, [{ kind: 'user', id: 'ada', body: '{"n":1}' }])
  assert.deepEqual(
    (await auditOf(copy.access)).map(({ at }) => at),
    [2, 1],
  )
})
