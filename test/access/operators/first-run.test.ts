// The first run as a process: what it prints for whom, that the link works once, and `mooring admin reset`.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { run } from '../../cli/run.ts'
import { BrowserLike, firstAdmin, password } from '../../kit/browser-like.ts'
import { newFolder, startHub } from '../../kit/hub.ts'
import { root } from '../../kit/sources.ts'

const ports = ['--mqtt-port', '0', '--http-port', '0', '--mqtts-port', 'off', '--https-port', 'off']

/** What a hub prints on stdout when it is ready, and on stderr until then. */
async function printed(
  t: TestContext,
  folder: string,
  ...flags: string[]
): Promise<{ child: ChildProcess; page: string; log: () => string }> {
  const args = [join(root, 'hub', 'main.ts'), ...ports, '--data', folder, ...flags]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  t.after(async () => {
    child.kill('SIGKILL')
    await exited
  })
  let log = ''
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const told = once(child.stdout as Readable, 'data').then(([bytes]) => (bytes as Buffer).toString())
  const page = await Promise.race([told, exited.then(() => assert.fail(`it ended before it was ready: ${log}`))])
  return { child, page, log: () => log }
}

const linkIn = (page: string) => /^ {2}(https?:\/\/\S+\/setup#[\w-]{43})$/m.exec(page)?.[1]

test('beyond loopback it prints a link to make the first admin, and none once there is one', async (t) => {
  const folder = newFolder(t)
  const first = await printed(t, folder, '--listen', '0.0.0.0', '--log-level', 'trace')
  const link = new URL(linkIn(first.page) ?? assert.fail(first.page))
  assert.match(first.page, /Nobody can log in yet\. Open this link within a day to make the first admin; it works once:/)
  assert.match(first.page, /^ {2}npx mooring credentials create boiler-1$/m)
  assert.match(first.page, /Only this machine is let in without credentials/)
  const token = link.hash.slice(1)
  const ada = new BrowserLike(link.origin)
  assert.equal((await ada.ask('POST', '/v1/setup', { token, name: 'ada', password })).status, 200)
  assert.equal((await ada.ask('GET', '/v1/users')).status, 200)
  assert.ok(!first.log().includes(token) && !first.log().includes(password))
  first.child.kill('SIGTERM')
  await once(first.child, 'exit')
  const second = await printed(t, folder, '--listen', '0.0.0.0', '--log-level', 'warn')
  assert.equal(linkIn(second.page), undefined)
})

test('on loopback it says in one line that it is open, and where nobody is let in it offers no line to paste', async (t) => {
  const open = await printed(t, newFolder(t), '--log-level', 'warn')
  assert.match(open.page, /^This machine is let in without credentials, and nobody else can reach the hub \(--listen\)\.$/m)
  assert.equal(linkIn(open.page), undefined)
  const shut = await printed(t, newFolder(t), '--allow-anonymous=nobody', '--ready-json', '--log-level', 'warn')
  const { setup } = JSON.parse(shut.page) as { setup: string }
  assert.match(setup, /^http:\/\/127\.0\.0\.1:\d+\/setup#[\w-]{43}$/)
  const told = await printed(t, newFolder(t), '--allow-anonymous=nobody', '--log-level', 'warn')
  assert.match(told.page, /Nobody is let in without credentials\./)
  assert.doesNotMatch(told.page, /curl|mosquitto_pub/)
  assert.notEqual(linkIn(told.page), undefined)
})

test('mooring admin reset prints another link, for who is on the machine', async (t) => {
  const hub = await startHub(t, { listen: '0.0.0.0' })
  await firstAdmin(hub)
  const { code, stdout, stderr } = await run(t, ['admin', 'reset', '--url', hub.url])
  assert.deepEqual([code, stderr], [0, 'mooring: open it within a day; it works once.\n'])
  const [, token] = new RegExp(`^${hub.url}/setup#([\\w-]{43})\n$`).exec(stdout) ?? assert.fail(stdout)
  const ada = new BrowserLike(hub.url)
  assert.equal((await ada.ask('POST', '/v1/setup', { token, name: 'ada', password: 'ten brown bottles' })).status, 200)

  const shut = await startHub(t, { allowAnonymous: 'nobody' })
  const refused = await run(t, ['admin', 'reset', '--url', shut.url])
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /the hub refused: Anonymous clients from 127\.0\.0\.1 are not let in/)
  for (const words of [[], ['set'], ['reset', 'ada']]) assert.equal((await run(t, ['admin', ...words, '--url', hub.url])).code, 2)
})
