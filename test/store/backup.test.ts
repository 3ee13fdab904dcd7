// A backup is a data folder of one moment, made while the hub goes on; restored, it is that moment.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../hub/clock.ts'
import { retention } from '../../hub/retention.ts'
import { backUp } from '../../hub/store/sqlite/integrity/backup.ts'
import { checkFolder } from '../../hub/store/sqlite/integrity/check.ts'
import { holdFiles } from '../../hub/store/sqlite/integrity/hold.ts'
import { type Manifest, manifestName } from '../../hub/store/sqlite/integrity/manifest.ts'
import { restore } from '../../hub/store/sqlite/integrity/restore.ts'
import { openSqliteStore } from '../../hub/store/sqlite/open.ts'
import { atEnd } from '../kit/at-end.ts'
import { root } from '../kit/sources.ts'
import { allPoints, dayMs, filledFolder, firstDayMs } from './filled.ts'
import { newFolder, openIn, pointsOf, reading, stored } from './kit.ts'
import { partitionsOf, pathOf } from './telemetry/inside.ts'

/** `mooring check`, `backup` and `restore` as a process of its own. */
async function maintenance(t: TestContext, ...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child: ChildProcess = spawn(process.execPath, [join(root, 'hub', 'maintenance.ts'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout!.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const closed = once(child, 'close')
  atEnd(t, async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await closed
  })
  const [code] = (await closed) as [number | null]
  return { code, stdout, stderr }
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, manifestName), 'utf8')) as Manifest
}

test('a backup holds all that was acknowledged before it began, while points come and chunks are made', async (t) => {
  const folder = await filledFolder(t)
  const store = await openIn(t, folder)
  const before = await allPoints(store)
  const to = join(newFolder(t), 'backup')
  let n = 0
  let isDone = false
  const writing = (async () => {
    for (; !isDone || n < 20; n += 1) {
      // New ones, and late ones into days that are being copied.
      reading(store, 1, { ts: firstDayMs + 5 * dayMs + n, values: { level: n } })
      reading(store, 2, { ts: firstDayMs + 30_000 + (n % 2000) * 60_000, values: { level: -n } })
      await stored(store)
      if (n % 10 === 0) await store.status({ seal: true })
    }
  })()
  const { code, stdout, stderr } = await maintenance(t, 'backup', '--data', folder, '--to', to, '--json')
  isDone = true
  await writing
  assert.equal(code, 0, stderr)
  const report = JSON.parse(stdout) as Manifest & { folder: string }
  assert.deepEqual([report.folder, report.damaged, report.files.map(({ file }) => file).includes('mooring.db')], [to, 0, true])
  const after = await pointsOf(store, 'pump-1', 'level', firstDayMs + 5 * dayMs)
  await store.close()

  const copy = await openIn(t, to)
  const found = await allPoints(copy)
  for (const [series, points] of before) {
    const times = new Map(found.get(series))
    for (const [atMs, value] of points) assert.deepEqual(times.get(atMs), value, `${series} at ${atMs}`)
  }
  // Of what came meanwhile a beginning, nothing else.
  const came = await pointsOf(copy, 'pump-1', 'level', firstDayMs + 5 * dayMs)
  assert.deepEqual(came, after.slice(0, came.length))
  await copy.close()
})

test('a backup of a hub at rest is that hub, mode and certificates included, and restored it is again', async (t) => {
  const folder = await filledFolder(t)
  mkdirSync(join(folder, 'tls'))
  writeFileSync(join(folder, 'tls', 'ca.pem'), 'a certificate')
  const original = await openIn(t, folder)
  const all = await allPoints(original)
  await original.close()
  const to = join(newFolder(t), 'backup')
  mkdirSync(`${to}.part/series`, { recursive: true }) // of one that was killed
  writeFileSync(`${to}.part/series/stray`, 'x')
  const report = await backUp(folder, to)
  assert.deepEqual(manifestOf(to).files, report.files)
  assert.ok(!report.files.some(({ file }) => file.includes('stray')) && !existsSync(`${to}.part`))
  await assert.rejects(backUp(folder, to), /exists; a backup goes to a folder that does not/)
  await assert.rejects(backUp(newFolder(t), join(newFolder(t), 'b')), /There is no mooring\.db in/)

  const target = join(newFolder(t), 'data')
  const restored = restore(to, target, { force: false })
  assert.deepEqual([restored.lastSeq, restored.replaced], [report.lastSeq, undefined])
  assert.equal(readFileSync(join(target, 'tls', 'ca.pem'), 'utf8'), 'a certificate')
  assert.deepEqual(checkFolder(target).findings, [])
  const again = await openIn(t, target)
  assert.deepEqual(await allPoints(again), all)
  assert.equal(again.journal.storedSeq, report.lastSeq)
  reading(again, 1, { ts: firstDayMs + 9 * dayMs, values: { level: 1 } })
  await stored(again)
  await again.close()
})

test('a folder in use is put aside when that is asked for, and never taken from a hub that runs', async (t) => {
  const folder = await filledFolder(t)
  const to = join(newFolder(t), 'backup')
  await backUp(folder, to)
  const target = newFolder(t)
  const store = await openIn(t, target)
  store.journal.appendDevice('pump-1', 1)
  reading(store, 1, { ts: 5, values: { level: 7 } })
  await stored(store)
  for (const force of [false, true]) assert.throws(() => restore(to, target, { force }), /Another Mooring uses the folder/)
  await store.close()
  assert.throws(() => restore(to, target, { force: false }), /holds a database already; with --force it is put aside/)
  const { replaced } = restore(to, target, { force: true })
  const old = await openIn(t, replaced!)
  assert.deepEqual(await pointsOf(old, 'pump-1', 'level'), [[5, 7]])
  await old.close()
  const now = await openIn(t, target)
  assert.equal((await pointsOf(now, 'pump-1', 'level')).length, 2900)
  await now.close()
})

test('a backup that is not what was written is refused, and what is in the folder stays', async (t) => {
  const folder = await filledFolder(t)
  const to = join(newFolder(t), 'backup')
  const { files } = await backUp(folder, to)
  const target = newFolder(t)
  for (const { file } of files) {
    const path = join(to, file)
    const bytes = readFileSync(path)
    for (const spoil of [() => writeFileSync(path, Buffer.concat([bytes, Buffer.of(0)])), () => rmSync(path), () => flip(path, bytes)]) {
      spoil()
      assert.throws(
        () => restore(to, target, { force: false }),
        (error: Error) => error.message.includes(`is damaged: ${file} is `),
      )
      assert.deepEqual(
        readdirSync(target).filter((name) => name !== 'mooring.lock'),
        [],
      )
    }
    writeFileSync(path, bytes)
  }
  assert.throws(() => restore(newFolder(t), target, { force: false }), /is no backup of Mooring that was completed/)
})

function flip(path: string, bytes: Buffer): void {
  const spoilt = Buffer.from(bytes)
  spoilt[spoilt.length >> 1]! ^= 1
  writeFileSync(path, spoilt)
}

test('while a backup holds them, files whose time is over stay; then they go', { timeout: 30_000 }, async (t) => {
  const folder = await filledFolder(t)
  const held = partitionsOf(folder).map(({ file }) => file)
  const hold = holdFiles(folder)
  const store = await openSqliteStore({ folder, durability: 'fsync', clock: systemClock, keep: retention.read('raw 2d') })
  atEnd(t, () => store.close())
  while (partitionsOf(folder).some(({ file, state }) => held.includes(file) && state !== 'gone')) await store.status({ seal: true })
  for (let round = 0; round < 3; round += 1) await store.status({ seal: true })
  for (const file of held) assert.ok(existsSync(pathOf(folder, file)), file)
  hold.close()
  while (held.some((file) => existsSync(pathOf(folder, file)))) await store.status({ seal: true })
  await store.close()
  assert.deepEqual(checkFolder(folder).findings, [])
})

test('check, backup and restore as commands say what they did, and their exit codes tell it to scripts', async (t) => {
  const folder = await filledFolder(t)
  const check = await maintenance(t, 'check', '--data', folder)
  assert.deepEqual([check.code, check.stderr], [0, ''])
  assert.match(check.stdout, /^6 files, [\d.]+ MB read: nothing is damaged\.\n$/)

  const backup = await maintenance(t, 'backup', '--data', folder)
  assert.equal(backup.code, 0, backup.stderr)
  const [, to] = /^(\S+\/backups\/\S+): \d+ files, [\d.]+ MB, up to message \d+, of \S+Z\.\n$/.exec(backup.stdout) ?? []
  assert.ok(to !== undefined && existsSync(join(to, manifestName)), backup.stdout)
  const target = join(newFolder(t), 'data')
  const restored = await maintenance(t, 'restore', to, '--data', target)
  assert.equal(restored.code, 0, restored.stderr)
  assert.match(restored.stdout, /is what it was at \S+, up to message \d+\.\n$/)

  const { file } = partitionsOf(folder)[0]!
  writeFileSync(pathOf(folder, file), 'no database at all, and longer than a header of one would be'.repeat(100))
  const damaged = await maintenance(t, 'check', '--data', folder)
  assert.equal(damaged.code, 3)
  assert.match(damaged.stdout, new RegExp(`^series/${file}: SQLite cannot read it: .*\\n6 files, .*: 1 damaged\\.\\n$`))
  const asJson = await maintenance(t, 'check', '--data', folder, '--json')
  assert.deepEqual([asJson.code, JSON.parse(asJson.stdout).damaged], [3, 1])

  for (const [args, code, sentence] of [
    [['check', '--data', newFolder(t)], 1, /There is no mooring\.db in/],
    [['restore', '--data', target], 2, /restore takes the folder of one backup/],
    [['check', 'x'], 2, /check takes no operands/],
    [['check', '--nope'], 2, /--nope/],
    [['forget'], 2, /there is no command forget/],
  ] as const) {
    const one = await maintenance(t, ...args)
    assert.deepEqual([one.code, one.stdout], [code, ''], args.join(' '))
    assert.match(one.stderr, sentence)
  }
  assert.match((await maintenance(t, '--help')).stdout, /mooring restore BACKUP/)
})
