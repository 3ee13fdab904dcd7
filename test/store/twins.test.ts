// Twins on SQLite: the contract, and what only a database goes through: a process that is killed, a transaction that fails, budgets.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { limits } from '../../hub/limits.ts'
import { migrate } from '../../hub/store/sqlite/schema.ts'
import { nothingKept, TwinHistory } from '../../hub/store/sqlite/twin-history.ts'
import { killedWhileSaying, newFolder, openIn, stored } from './kit.ts'
import { report, twinContract, wanting } from './twin-contract.ts'

twinContract('sqlite', openIn)

test('killed at any moment, a twin has the version that its states say, and no version that was told of is lost', async (t) => {
  const folder = newFolder(t)
  let told = 0
  for (const aliveMs of [0, 15, 40, 90, 170]) {
    const said = await killedWhileSaying('twin-load.ts', folder, aliveMs)
    told = Math.max(told, ...said.split('\n').map(Number))
    const store = await openIn(t, folder)
    const twin = (await store.twins.read('pump-1', 'main'))!
    assert.ok(twin.version >= told, `${twin.version} is there, and ${told} was told`)
    assert.equal(Math.max(Number(twin.desired['n'] ?? 0), Number(twin.reported['n'] ?? 0)), twin.version)
    assert.equal(
      Object.values(twin.reported).reduce<number>((most, one) => Math.max(most, (one as { n?: number }).n ?? 0), 0),
      twin.reported['n'],
    )
    const { versions } = await store.twins.versions('pump-1', 'main', Number.MAX_SAFE_INTEGER, limits.twinVersions)
    assert.deepEqual(
      versions.map(({ version }) => version),
      Array.from({ length: versions.length }, (_, at) => twin.version - at),
    )
    for (const { version, patch } of versions) assert.equal(patch['n'], version)
    await store.close()
    told = twin.version
  }
  assert.ok(told > 0)
})

test('a transaction that fails leaves what is in memory as it is on disk', async (t) => {
  const folder = newFolder(t)
  const store = await openIn(t, folder)
  store.journal.appendDevice('pump-1', 1)
  report(store, { a: 1 })
  await stored(store)
  const before = await store.twins.read('pump-1', 'main')
  const other = new Database(join(folder, 'mooring.db'))
  other.exec('BEGIN IMMEDIATE')
  report(store, { a: 1 }) // only its time would be another
  report(store, { lost: true })
  await assert.rejects(stored(store))
  await assert.rejects(store.twins.change(wanting({ lost: true })))
  other.exec('ROLLBACK')
  other.close()
  report(store, { b: 1 })
  await stored(store)
  const after = await store.twins.read('pump-1', 'main')
  assert.deepEqual([after?.version, after?.reported, after?.desired], [2, { a: 1, b: 1 }, {}])
  assert.equal(after?.times.reported['a'], before?.times.reported['a'])
  assert.equal((await store.twins.versions('pump-1', 'main', 9, 9)).versions.length, 2)
})

test('of one twin as many versions are kept as there is room for, and what is older is said to be gone', async (t) => {
  const store = await openIn(t, newFolder(t), 'batched')
  store.journal.appendDevice('pump-1', 1)
  const count = limits.twinVersions + 200
  for (let n = 1; n <= count; n++) report(store, { n }, 'counted')
  for (let n = 1; n <= 60; n++) report(store, { large: `${n}`.padEnd(limits.twinBytes / 2, 'x') }, 'large')
  await stored(store)
  const { versions } = await store.twins.versions('pump-1', 'counted', Number.MAX_SAFE_INTEGER, count)
  assert.ok(versions.length <= limits.twinVersions && versions.length > limits.twinVersions / 2, `${versions.length}`)
  assert.equal(versions[0]?.version, count)
  assert.equal(await store.twins.at('pump-1', 'counted', 1000), undefined)
  assert.equal(await store.twins.difference('pump-1', 'counted', 1000, Date.now()), undefined)
  const large = await store.twins.versions('pump-1', 'large', Number.MAX_SAFE_INTEGER, count)
  assert.ok(
    large.versions.length < (2 * limits.twinVersionsBytes) / limits.twinBytes && large.versions.length > 10,
    `${large.versions.length}`,
  )
})

test('of all twins the oldest versions go first, and each twin knows how many it has left', (t) => {
  const db = new Database(join(newFolder(t), 'mooring.db'))
  t.after(() => db.close())
  migrate(db)
  const bounds = { twinVersions: 10_000, twinVersionsBytes: 1e9, twinVersionsAll: 5_000, twinVersionsAllBytes: 1e9 }
  const history = new TwinHistory(db, bounds)
  const kept = new Map([1, 2, 3].map((device) => [device, nothingKept]))
  for (const device of kept.keys()) {
    db.prepare('INSERT INTO devices (number, id, name, created_ms) VALUES (?, ?, ?, 0)').run(device, `d${device}`, '')
    db.prepare("INSERT INTO twins VALUES (?, 'main', 0, 0, 0, '{}', '{}', '{}', '{}', 0, 0)").run(device)
  }
  const write = db.prepare('UPDATE twins SET kept_versions = ?, kept_bytes = ? WHERE device = ?')
  db.exec('BEGIN')
  for (let version = 1; version <= 3_000; version++) {
    for (const device of kept.keys()) {
      const { versions, bytes } = history.add(device, 'main', kept.get(device)!, { version, at: version }, 'reported', null, { version })
      kept.set(device, { versions, bytes })
      write.run(versions, bytes, device)
    }
    if (!history.trimAll()) continue
    for (const [device, before] of kept) {
      const now = db
        .prepare('SELECT kept_versions AS versions, kept_bytes AS bytes FROM twins WHERE device = ?')
        .get(device) as typeof before
      assert.ok(now.versions < before.versions)
      kept.set(device, now)
    }
  }
  db.exec('COMMIT')
  const counted = db.prepare(
    'SELECT device, count(*) AS versions, sum(octet_length(undo) + 64) AS bytes, max(version) AS newest FROM twin_versions GROUP BY device',
  )
  for (const { device, versions, bytes, newest } of counted.all() as { device: number; versions: number; bytes: number; newest: number }[])
    assert.deepEqual([{ versions, bytes }, newest], [kept.get(device), 3_000])
  const left = [...kept.values()].reduce((sum, { versions }) => sum + versions, 0)
  assert.ok(left <= 5_000 && left > 3_000, `${left}`)
})
