// mooring status, as a process against a hub: one screen, and one that is painted anew.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { version } from '../../hub/version.ts'
import { newFolder, spawnHub, startHub } from '../kit/hub.ts'
import { moor } from '../kit/mqtt.ts'
import { type Run, run, startOnTerminal } from './run.ts'

async function shown(one: Run, pattern: RegExp): Promise<void> {
  while (!pattern.test(one.stdout().toString())) {
    if (one.child.exitCode !== null) assert.fail(`it ended, having shown ${one.stdout()} ${one.stderr()}`)
    await once(one.child.stdout!, 'data', { signal: AbortSignal.timeout(20_000) })
  }
}

test('one screen: who is there, what it does, what it refused and dropped, the disk', async (t) => {
  const hub = await startHub(t)
  await moor(t, hub, 'pump-1')
  await hub.post('/v1/devices/pump-1/telemetry', { n: 1 })
  await hub.get('/v1/store?seal=1') // the point is in its series
  const before = await run(t, ['status', '--url', hub.url])
  assert.equal(before.code, 0, before.stderr)
  assert.doesNotMatch(before.stdout, /refused|dropped|PROBLEM|DAMAGED/)
  assert.match(before.stdout, new RegExp(`^Mooring ${version.replaceAll('.', '\\.')} at ${hub.url}, up \\d+ s, durability fsync\n\n`))
  assert.match(before.stdout, /^ {2}devices {6}1, 1 connected\n {2}connections {2}1, 1 sessions, 0 subscriptions, 0 retained\n/m)
  assert.match(
    before.stdout,
    /^ {2}messages {5}[\d.]+\/s in, [\d.]+\/s out\n {2}commits {6}[\d.]+\/s, the last took [\d.]+ ms, 0 B waiting$/m,
  )
  // The other is $connected.
  assert.match(before.stdout, /^ {2}stored {7}2 points in 2 series, [\d.]+ k?B\n {2}disk {9}[\d.]+ k?M?B, [\d.]+ [MGT]B free$/m)

  for (const body of ['{', '{']) await hub.post('/v1/publish', body)
  await hub.get('/v1/devices/ghost')
  const { stdout } = await run(t, ['status', '--url', hub.url])
  assert.match(stdout, /^ {2}refused {6}request-invalid 2, device-unknown 1$/m)
  const both = JSON.parse((await run(t, ['status', '--json', '--url', hub.url])).stdout) as {
    hub: { version: string }
    store: { disk: object }
  }
  assert.deepEqual([both.hub.version, typeof both.store.disk], [version, 'object'])
})

test('a hub that is not there, and a screen that is none', async (t) => {
  const gone = await run(t, ['status', '--url', 'http://127.0.0.1:1'])
  assert.deepEqual([gone.code, gone.stdout], [1, ''])
  assert.match(gone.stderr, /^mooring: no hub answers at /)
  const piped = await run(t, ['status', '--watch', '--url', 'http://127.0.0.1:1'])
  assert.deepEqual([piped.code, piped.stderr], [2, 'mooring: --watch is for a terminal, without --json (mooring status --help).\n'])
})

test('--watch paints again what changes, waits for a hub that is gone, and gives the cursor back at Ctrl-C', {
  timeout: 60_000,
}, async (t) => {
  const folder = newFolder(t)
  const hub = await spawnHub(t, folder)
  const one = startOnTerminal(t, 100, 'status', '--watch', '--url', hub.url)
  if (one === undefined) {
    t.skip('there is no script(1), which makes a terminal')
    return
  }
  await shown(one, /devices {6}0, 0 connected/)
  assert.ok(one.stdout().includes('\u001b[?25l'), 'no cursor')
  await hub.post('/v1/devices/pump-1/telemetry', { n: 1 })
  await shown(one, /devices {6}1, 0 connected/)
  await hub.kill()
  await shown(one, / {2}NOW {10}no hub answers at/)
  await spawnHub(t, folder, '--http-port', new URL(hub.url).port)
  const painted = one.stdout().length
  while (!/up \d s[\s\S]*disk [^\n]*\r\n[^ ]/.test(one.stdout().subarray(painted).toString())) await once(one.child.stdout!, 'data')
  one.child.stdin?.write('\u0003')
  assert.equal(await one.done, 130)
  const end = one.stdout().toString()
  assert.ok(end.lastIndexOf('\u001b[?25h') > end.lastIndexOf('\u001b[?25l'), 'the cursor is back')
  assert.ok(end.endsWith('\u001b[?25hmooring: stopped.\r\n'))
})
