// A token or a password is said once, to whom it is made for. After that it stands in no log, no audit entry, no answer and no file; and what the
// hub writes is its owner's alone.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { newFolder, spawnHub } from '../kit/hub.ts'
import { dialJson } from '../kit/json.ts'
import { dial } from '../kit/mqtt.ts'
import { answerTo, ask, giveDevice, giveKey, keyWith, moorAs, revoke } from './kit.ts'

/** Any piece of it that is long enough to mean something. */
function piecesOf(secret: string): string[] {
  const length = 12
  return Array.from({ length: secret.length - length + 1 }, (_, at) => secret.slice(at, at + length))
}

function assertSilent(text: string, secrets: readonly string[], where: string): void {
  for (const secret of secrets) {
    const [found] = piecesOf(secret).filter((piece) => text.includes(piece))
    assert.equal(
      found,
      undefined,
      `${where} says a piece of a secret: …${text.slice(Math.max(0, text.indexOf(found ?? '') - 80)).slice(0, 200)}`,
    )
  }
}

function* filesBelow(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    yield join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(join(folder, entry.name))
  }
}

/** A hub at its most talkative, which was asked to make files that all may read. */
async function spawnOpenly(t: TestContext, folder: string, ...flags: string[]) {
  const before = process.umask(0)
  try {
    return await spawnHub(t, folder, '--log-level', 'trace', '--https-port', '0', '--mqtts-port', '0', ...flags)
  } finally {
    process.umask(before)
  }
}

test('secrets are said once, and nowhere again', { timeout: 60_000 }, async (t) => {
  const folder = join(newFolder(t), 'deep', 'data')
  const hub = await spawnOpenly(t, folder, '--allow-claims')
  let output = ''
  hub.child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const answers: string[] = []

  const token = await giveDevice(hub, 'dev')
  const key = await giveKey(hub, 'operator', { role: 'operator', label: 'of a test' })
  const made = await giveDevice(hub, 'dev', { kind: 'password', name: 'dev-login' })
  const chosen = 'correct horse battery staple'
  await giveDevice(hub, 'dev2', { kind: 'password', name: 'other-login', password: chosen })
  const gone = await giveKey(hub, 'gone')
  const wrong = `${token.secret.slice(0, -4)}AAAA`
  const secrets = [token.secret, key.secret, made.secret, chosen, gone.secret, wrong, 'trombone lantern gravel']

  // First contact, by a key over MQTT and by a claim: what is said there is said there alone.
  const { secret: shared } = (await ask(hub, 'POST', '/v1/provisioning', { pattern: 'new-*', uses: 2 })) as { secret: string }
  const newcomer = await dial(t, hub, 5)
  await newcomer.connect('new-1', { password: Buffer.from(shared), username: 'x' })
  await newcomer.subscribe('devices/new-1/credential', { qos: 1 })
  const told = JSON.parse((await newcomer.next('publish')).payload.toString()) as { token: string }
  const provision = async (body: object) =>
    (await (await hub.post('/v1/provision', body)).json()) as Record<'claim' | 'secret' | 'token', string>
  const claim = await provision({ device: 'claimed' })
  await ask(hub, 'POST', '/v1/claims', { claim: claim.claim })
  const claimed = await provision({ device: 'claimed', secret: claim.secret })
  secrets.push(shared, told.token, claim.secret, claimed.token)

  // MQTT: right and wrong, at each place where a secret can stand, also where it does not belong.
  await moorAs(t, hub, token, 'dev')
  for (const version of [4, 5] as const) {
    for (const options of [
      { username: token.secret },
      { username: 'dev-login', password: Buffer.from(made.secret) },
      { username: 'dev-login', password: Buffer.from('trombone lantern gravel') },
      { username: wrong },
      { username: wrong, password: Buffer.from(wrong) },
      { username: token.secret, password: Buffer.from(wrong) },
    ]) {
      const client = await dial(t, hub, version)
      client.sendConnect('dev:2', { clean: true, ...options })
      answers.push(JSON.stringify(await client.next('connack')))
      client.pullCable()
    }
    const misplaced = await dial(t, hub, version)
    misplaced.sendConnect(token.secret, { clean: true, username: 'dev-login', password: Buffer.from(chosen) })
    answers.push(JSON.stringify(await misplaced.next('connack')))
  }

  // JSON: a hello that is right, wrong, of the wrong type, torn.
  for (const frame of [
    { is: 'hello', token: token.secret },
    { is: 'hello', token: wrong },
    { is: 'hello', username: 'dev-login', password: made.secret },
    { is: 'hello', username: 'dev-login', password: 'trombone lantern gravel' },
    { is: 'hello', token: [token.secret] },
    { is: 'hello', client: 5, token: token.secret },
    `{"is":"hello","token":"${token.secret}`,
    `{"is":"hello","token":${token.secret}}`,
    `${token.secret}`,
    { is: token.secret },
  ]) {
    const client = await dialJson(t, hub)
    client.say(frame)
    answers.push(JSON.stringify(await client.next(['welcome', 'error'])))
    client.pullCable()
  }

  // HTTP: in the header, in paths and queries where it does not belong, in bodies that cannot be read.
  const say = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(hub.url + path, init)
    answers.push(`${JSON.stringify([...response.headers])} ${await response.text()}`)
  }
  for (const authorization of [
    `Bearer ${token.secret}`,
    `Bearer ${wrong}`,
    `Basic ${Buffer.from(`dev-login:${made.secret}`).toString('base64')}`,
    `Token ${token.secret}`,
    `Bearer ${token.secret} ${key.secret}`,
  ]) {
    for (const path of ['/v1/devices', '/v1/hub', '/v1/permissions/explain?action=publish&topic=a'])
      await say(path, { headers: { authorization } })
  }
  await say('/v1/keys/torn', { method: 'POST', body: `{"kind":"password","name":"a","password":"${chosen}` })
  await say('/v1/keys/torn', { method: 'POST', body: JSON.stringify({ kind: 'password', name: 'a', password: [chosen] }) })
  await say('/v1/keys/torn', { method: 'POST', body: JSON.stringify({ kind: 'token', password: chosen }) })
  await say('/v1/keys/torn', { method: 'POST', body: JSON.stringify({ kind: 'password', name: token.secret, password: chosen }) })
  await revoke(hub, gone)
  assert.deepEqual(await answerTo(hub, 'GET', '/v1/devices', gone), [401, 'bad-credentials'])

  // What the hub shows, and what it may be asked for.
  for (const path of [
    '/v1/hub',
    '/v1/store',
    '/v1/keys',
    '/v1/devices/dev/credentials',
    '/v1/devices/dev2/credentials',
    '/v1/audit',
    '/v1/audit?limit=1000',
    '/v1/roles',
    '/v1/devices',
    '/v1/retained?filter=%23',
    '/v1/retained?filter=%24SYS%2F%23',
  ]) {
    await say(path, { headers: { authorization: '' } }).catch(() => {})
    await say(path)
  }
  for (const [at, answer] of answers.entries()) assertSilent(answer, secrets, `answer ${at}`)
  const lists = answers.filter((answer) => answer.includes('"credentials":['))
  assert.ok(lists.length > 0 && lists.every((answer) => !/"hash"|\$argon2/.test(answer)), 'nor are hashes shown')
  const { entries } = (await ask(hub, 'GET', '/v1/audit')) as { entries: { action: string }[] }
  assert.ok(entries.some(({ action }) => action === 'credential.create'))

  await hub.stop()
  assertSilent(hub.stderr() + output, secrets, 'the log')
  assert.ok(hub.stderr().includes('bad-credentials'), 'the log was on')
  for (const path of filesBelow(folder)) {
    if (statSync(path).isFile()) assertSilent(readFileSync(path).toString('latin1'), secrets, path)
  }
})

test('no question in SQL brings out what access is made of', async (t) => {
  const hub = await spawnHub(t, newFolder(t))
  const viewer = await keyWith(
    hub,
    'asks',
    { effect: 'allow', actions: ['subscribe'], filter: '#' },
    { effect: 'allow', actions: ['subscribe'], filter: '$SYS/#' },
  )
  for (const sql of [
    'SELECT * FROM access',
    'SELECT body FROM main.access',
    'SELECT * FROM audit',
    'SELECT * FROM sqlite_master',
    'PRAGMA table_info(access)',
    `ATTACH 'mooring.db' AS a`,
    `SELECT readfile('mooring.db')`,
  ]) {
    const response = await fetch(`${hub.url}/v1/sql`, {
      method: 'POST',
      headers: { authorization: `Bearer ${viewer.secret}` },
      body: JSON.stringify({ sql }),
    })
    const text = await response.text()
    assert.doesNotMatch(text, /"hash"|role\\?":|secret/, `${sql}: ${text.slice(0, 300)}`)
    if (/access|audit|ATTACH|readfile/.test(sql)) assert.notEqual(response.status, 200, `${sql}: ${text.slice(0, 300)}`)
  }
})

test('files are 0600 and folders 0700, whatever the mask of the process; a certificate to be handed on is no secret', async (t) => {
  const folder = join(newFolder(t), 'deep', 'data')
  const hub = await spawnOpenly(t, folder)
  await giveKey(hub, 'some')
  await ask(hub, 'POST', '/v1/devices/a/telemetry', { a: 1 })
  const parquet = await (await fetch(`${hub.url}/v1/export?format=parquet`)).arrayBuffer()
  assert.equal((await fetch(`${hub.url}/v1/import?format=parquet`, { method: 'POST', body: parquet })).status, 200)
  const modes = () => [...filesBelow(folder)].map((path) => [path, statSync(path)] as const)
  const assertOwn = () => {
    assert.equal(statSync(folder).mode & 0o777, 0o700)
    for (const [path, stat] of modes())
      assert.equal(stat.mode & 0o777, stat.isDirectory() ? 0o700 : path.endsWith('ca.crt') ? 0o644 : 0o600, path)
  }
  assertOwn()
  const names = modes().map(([path]) => path.slice(folder.length + 1))
  for (const name of ['mooring.db', 'spool', join('tls', 'ca.key'), join('tls', 'ca.crt')]) assert.ok(names.includes(name), `${names}`)
  await hub.stop()
  assertOwn()
})
