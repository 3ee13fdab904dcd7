// mooring users, as processes against a hub: who is made logs in with the password that is said, and is let in no longer than he may.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { codeAt } from '../kit/authenticator.ts'
import { BrowserLike } from '../kit/browser-like.ts'
import { startHub } from '../kit/hub.ts'
import { run } from './run.ts'

test('a user logs in with the password that is printed once, and is changed, shut out and removed', async (t) => {
  const hub = await startHub(t)
  const users = (...args: string[]) => run(t, ['users', ...args, '--url', hub.url])
  const logsIn = async (password: string) => {
    const response = await fetch(`${hub.url}/v1/login`, { method: 'POST', body: JSON.stringify({ name: 'anna', password }) })
    return [response.status, ((await response.json()) as { role?: string }).role]
  }
  const made = await users('create', 'anna', '--role', 'operator')
  assert.deepEqual([made.code, made.stderr], [0, 'mooring: anna may log in, with the role operator.\n'])
  const password = made.stdout.trim()
  assert.match(made.stdout, /^\w{20}\n$/)
  assert.deepEqual(await logsIn(password), [200, 'operator'])
  assert.match(
    (await users()).stdout,
    /^name +role +disabled +created +last login +logins +second factor\n.*\nanna +operator +no +20[^ ]+Z +20[^ ]+Z +1 +no\n$/,
  )
  assert.equal((await users('create', 'anna')).code, 1)

  const changed = await users('set', 'anna', '--role', 'viewer', '--new-password')
  assert.equal(changed.stderr, 'mooring: anna has the role viewer and a new password.\n')
  assert.deepEqual(await logsIn(password), [401, undefined])
  assert.deepEqual(await logsIn(changed.stdout.trim()), [200, 'viewer'])
  const file = join(hub.folder, 'password.txt')
  writeFileSync(file, 'a horse and a boat\nmore\n')
  const own = await users('set', 'anna', '--password-file', file)
  assert.deepEqual([own.code, own.stdout], [0, ''])
  assert.deepEqual(await logsIn('a horse and a boat'), [200, 'viewer'])

  assert.equal((await users('disable', 'anna')).stderr, 'mooring: anna is disabled.\n')
  assert.deepEqual(await logsIn('a horse and a boat'), [401, undefined])
  assert.equal((await users('enable', 'anna')).stderr, 'mooring: anna is enabled.\n')
  assert.deepEqual(await logsIn('a horse and a boat'), [200, 'viewer'])
  assert.equal((await users('remove', 'anna')).stderr, 'mooring: removed anna.\n')
  assert.deepEqual(JSON.parse((await users('list', '--json')).stdout), { users: [] })
})

test('who has lost phone and recovery codes is let in by the password again', async (t) => {
  const hub = await startHub(t)
  const users = (...args: string[]) => run(t, ['users', ...args, '--url', hub.url])
  const password = (await users('create', 'anna')).stdout.trim()
  const anna = new BrowserLike(hub.url)
  await anna.logIn('anna', password)
  const { secret } = (await anna.ask('POST', '/v1/me/second-factor', { password })).body
  assert.equal((await anna.ask('POST', '/v1/me/second-factor/confirm', { code: codeAt(secret as string, Date.now()) })).status, 200)
  assert.match((await users()).stdout, / second factor\n.*\nanna .* yes\n$/)
  assert.equal((await new BrowserLike(hub.url).logIn('anna', password)).status, 401)
  const taken = await users('set', 'anna', '--role', 'operator', '--no-second-factor')
  assert.deepEqual([taken.code, taken.stdout, taken.stderr], [0, '', 'mooring: anna has the role operator and no second factor.\n'])
  assert.match((await users()).stdout, /\nanna .* no\n$/)
  assert.equal((await new BrowserLike(hub.url).logIn('anna', password)).status, 200)
})

test('what makes no sense is said, and nothing is made', async (t) => {
  const hub = await startHub(t)
  const users = (...args: string[]) => run(t, ['users', ...args, '--url', hub.url])
  const wrong: readonly (readonly [string[], number, RegExp])[] = [
    [['create'], 2, /NAME is missing/],
    [['set', 'anna'], 2, /say --role, --new-password, --password-file or --no-second-factor/],
    [['set', 'anna', '--new-password', '--password-file', 'x'], 2, /not both/],
    [['create', 'anna', '--password-file', join(hub.folder, 'none')], 2, /--password-file: ENOENT/],
    [['create', 'anna', '--role', 'captain'], 1, /captain/],
    [['set', 'anna', '--role', 'viewer'], 1, /anna/],
    [['remove', 'anna'], 1, /anna/],
  ]
  for (const [args, code, sentence] of wrong) {
    const ended = await users(...args)
    assert.deepEqual([ended.code, ended.stdout], [code, ''], args.join(' '))
    assert.match(ended.stderr, sentence)
  }
  assert.deepEqual(JSON.parse((await users('--json')).stdout), { users: [] })
})
