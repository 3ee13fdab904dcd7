// The SQLite store: the contract, and what only a file on disk can go through.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { Refusal, refusals } from '../../hub/errors.ts'
import { limits, MiB } from '../../hub/limits.ts'
import { frameFlags } from '../../hub/store/store.ts'
import { storeContract } from './contract.ts'
import { eventContract } from './event-contract.ts'
import { Diary, mountTmpfs, newFolder, openIn, pointsOf, publish, reading, stored } from './kit.ts'
import { pastContract } from './past-contract.ts'
import { sessionContract } from './session-contract.ts'
import { copyAsKilled, rollAll } from './telemetry/inside.ts'
import { telemetryContract } from './telemetry-contract.ts'

storeContract('sqlite', openIn)
telemetryContract('sqlite', openIn, { rollAll, copyAsKilled })
sessionContract('sqlite', openIn)
pastContract('sqlite', openIn)
eventContract('sqlite', openIn, copyAsKilled)

/** Looks into the file, past the store. */
function query(folder: string, sql: string): unknown {
  const db = new Database(join(folder, 'mooring.db'))
  try {
    return db.prepare(sql).pluck().get()
  } finally {
    db.close()
  }
}

function change(folder: string, sql: string): void {
  const db = new Database(join(folder, 'mooring.db'))
  db.exec(sql)
  db.close()
}

test('the folder and every file in it belong to their owner alone', async (t) => {
  const folder = join(newFolder(t), 'data', 'deep')
  const store = await openIn(t, folder)
  reading(store, 1, { t: 1 })
  await stored(store)
  assert.equal(statSync(folder).mode & 0o777, 0o700)
  assert.deepEqual(readdirSync(folder).sort(), ['mooring.db', 'mooring.db-shm', 'mooring.db-wal', 'mooring.lock'])
  for (const name of readdirSync(folder)) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600, name)
})

test('a folder belongs to one hub at a time, and to the next one when that has closed', async (t) => {
  const folder = newFolder(t)
  const first = await openIn(t, folder)
  first.journal.appendDevice('d', 1)
  await stored(first)
  await assert.rejects(openIn(t, folder), /Another Mooring uses the folder/)
  await first.close()
  const second = await openIn(t, folder)
  assert.equal(second.devicesAtStart.size, 1)
})

test('a database from a newer Mooring is refused with a sentence that names both versions, and left as it is', async (t) => {
  const folder = newFolder(t)
  await (await openIn(t, folder)).close()
  change(folder, 'PRAGMA user_version = 99')
  await assert.rejects(openIn(t, folder), /schema version 99, and this Mooring knows versions up to 13/)
  assert.equal(query(folder, 'PRAGMA user_version'), 99)
})

// Protocol-edges rule 5: what was acknowledged is there after the process died at any moment, and nothing is there twice.
test('after kill -9 in mid-load every acknowledged reading is there, once', async (t) => {
  const folder = newFolder(t)
  let stored = 0
  for (const aliveMs of [20, 90, 40, 160]) {
    stored = await loadAndKill(folder, stored, aliveMs)
    const store = await openIn(t, folder)
    const found = new Set<number>()
    for (let device = 1; device <= 20; device += 1) {
      for (const [at, value] of await pointsOf(store, `pump-${device}`, 'n')) {
        assert.equal(value, at)
        found.add(at)
      }
    }
    for (let at = 1; at <= stored; at += 1) assert.ok(found.has(at), `reading ${at} of ${stored} acknowledged`)
    assert.equal(store.figures().damagedFrames, 0)
    await store.close()
    assert.equal(query(folder, 'SELECT sum(points) FROM heads'), found.size * 2, 'each of the two metrics is in the tables once')
    assert.equal(query(folder, "SELECT count(*) FROM journal WHERE last_seq > (SELECT value FROM meta WHERE name = 'projected_seq')"), 0)
    // What was committed and not yet acknowledged is there as well: the next load goes on behind it.
    stored = found.size
  }
})

/** Returns the newest reading that was acknowledged before the kill; the kill comes some time after the first. */
function loadAndKill(folder: string, first: number, aliveMs: number): Promise<number> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.resolve('./load.ts')), folder, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.setEncoding('utf8')
  child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), aliveMs))
  child.stdout.on('data', (text: string) => {
    said += text
  })
  return new Promise((resolve) => {
    child.on('close', () => {
      const lines = said.slice(0, said.lastIndexOf('\n')).split('\n')
      resolve(Number(lines.at(-1)))
    })
  })
}

test('a bit that flipped in the journal is noticed when the journal is read back, and costs one reading', async (t) => {
  const folder = newFolder(t)
  const store = await openIn(t, folder)
  store.journal.appendDevice('pump-1', 1)
  for (let at = 1; at <= 5; at += 1) reading(store, 1, { ts: at, values: { t: at } })
  await store.close()
  forgetProjection(folder)
  const db = new Database(join(folder, 'mooring.db'))
  const { seq, bytes } = db.prepare('SELECT first_seq AS seq, bytes FROM journal').get() as { seq: number; bytes: Buffer }
  bytes[bytes.indexOf('"ts":3') + 5]! ^= 1 // "ts":2 in the third reading
  db.prepare('UPDATE journal SET bytes = ? WHERE first_seq = ?').run(bytes, seq)
  db.close()

  const again = await openIn(t, folder)
  assert.equal(again.figures().damagedFrames, 1)
  assert.deepEqual(
    (await pointsOf(again, 'pump-1', 't')).map(([at]) => at),
    [1, 2, 4, 5],
  )
})

test('a batch that ends in mid-frame is read up to there, and the hub starts', async (t) => {
  const folder = newFolder(t)
  const store = await openIn(t, folder)
  store.journal.appendDevice('pump-1', 1)
  for (let at = 1; at <= 5; at += 1) reading(store, 1, { ts: at, values: { t: at } })
  await store.close()
  forgetProjection(folder)
  change(folder, 'UPDATE journal SET bytes = substr(bytes, 1, length(bytes) - 10)')

  const again = await openIn(t, folder)
  assert.equal(again.figures().damagedFrames, 1)
  assert.equal((await pointsOf(again, 'pump-1', 't')).length, 4)
  assert.equal(reading(again, 1, { t: 1 }), 7, 'no sequence number is used twice')
})

/** As if the process had died before anything was projected. */
function forgetProjection(folder: string): void {
  change(
    folder,
    "DELETE FROM heads; DELETE FROM series; UPDATE devices SET flushed_seq = 0, head_rows = 0, head_depth = 0; UPDATE meta SET value = 0 WHERE name = 'projected_seq'",
  )
}

test('a database that broke fails its waiters, says so once, and is not tried again', async (t) => {
  const folder = newFolder(t)
  const store = await openIn(t, folder)
  const fatal: string[] = []
  store.onFatal((error) => fatal.push(error.message))
  change(folder, 'DROP TABLE journal')
  const diary = new Diary()
  for (const token of [1, 2]) {
    publish(store, 'plain', 'x', { flags: 1 })
    store.journal.after(diary, token)
    await assert.rejects(stored(store), /The database failed \(no such table/)
  }
  assert.deepEqual(diary.lines, ['1 store-failed', '2 store-failed'])
  assert.ok(refusals['store-failed'].retry, 'never answered, so the messages stay with their devices')
  assert.equal(fatal.length, 1)
  assert.match(fatal[0]!, /no such table/)
})

test('a full disk refuses what comes, keeps what was stored, and takes new messages when there is room again', async (t) => {
  const folder = newFolder(t)
  if (!mountTmpfs(t, folder, limits.diskReserveBytes + 32 * MiB)) return
  const store = await openIn(t, folder)
  store.journal.appendDevice('pump-1', 1)
  reading(store, 1, { ts: 1, values: { t: 1 } })
  await stored(store)

  // To the last byte, so that SQLite itself meets the end of the disk before the reserve is looked at again.
  const ballast = join(folder, 'ballast')
  assert.throws(() => writeFileSync(ballast, Buffer.alloc(limits.diskReserveBytes + 64 * MiB)), /ENOSPC/)
  const diary = new Diary()
  store.journal.appendDevice('pump-2', 2)
  for (let at = 2; at < 12; at += 1) reading(store, 1, { ts: at, values: { t: at } })
  publish(store, 'large', Buffer.alloc(1 * MiB), { flags: 1 })
  store.journal.after(diary, 1)
  await assert.rejects(stored(store), /The disk is full/)
  assert.deepEqual(diary.lines, ['1 store-full'])
  assert.equal(store.figures().commitFailures, 1)
  await assert.rejects(store.describe('pump-1', { name: 'Feed' }), (error) => error instanceof Refusal && error.code === 'store-full')
  assert.equal((await pointsOf(store, 'pump-1', 't')).length <= 1, true)

  rmSync(ballast)
  await untilStored(() => {
    reading(store, 2, { ts: 100, values: { t: 100 } }, frameFlags.checked)
    return stored(store)
  })
  assert.deepEqual(await pointsOf(store, 'pump-1', 't'), [[1, 1]])
  assert.deepEqual(
    await pointsOf(store, 'pump-2', 't'),
    [[100, 100]],
    'its device came with a batch that failed, and is on record all the same',
  )
})

/** As a device would: again until it is taken. The disk is looked at once a second. */
async function untilStored(attempt: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await attempt()
      return
    } catch (error) {
      if (!(error instanceof Refusal && error.code === 'store-full')) throw error
    }
  }
}
