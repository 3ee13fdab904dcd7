// The second factor over real sockets: turned on, asked for, turned off, taken away by an admin, and what is said of it to whom.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { codeAt, wrongCode } from '../kit/authenticator.ts'
import { type Answered, BrowserLike, firstAdmin, newUser, password } from '../kit/browser-like.ts'
import { HandClock } from '../kit/clock.ts'
import { newFolder, startHub } from '../kit/hub.ts'

const elsewhere = { allowAnonymous: 'nobody' } as const
const [begin, confirm] = ['/v1/me/second-factor', '/v1/me/second-factor/confirm']

const code = ({ status, body }: Answered) => [status, body['code']]

/** Its first code is used. */
async function enrol(browser: BrowserLike): Promise<{ secret: string; recovery: string[]; begun: Answered }> {
  const begun = await browser.ask('POST', begin, { password })
  assert.equal(begun.status, 200, JSON.stringify(begun.body))
  const secret = begun.body['secret'] as string
  const on = await browser.ask('POST', confirm, { code: codeAt(secret, Date.now()) })
  assert.equal(on.status, 200, JSON.stringify(on.body))
  assert.equal(on.headers.get('cache-control'), 'no-store')
  return { secret, recovery: on.body['recoveryCodes'] as string[], begun }
}

test('a user turns it on with the password and a first code; from then on the password alone is not enough', async (t) => {
  const hub = await startHub(t, elsewhere)
  const ada = await firstAdmin(hub)
  const val = await newUser(ada, 'val', 'viewer')
  const elsewhereToo = new BrowserLike(hub.url)
  await elsewhereToo.logIn('val')
  assert.deepEqual(code(await val.ask('POST', begin, { password: 'wrong wrong wrong' })), [401, 'bad-credentials'])
  assert.deepEqual(code(await val.ask('POST', begin, { password, secret: 'mine' })), [400, 'request-invalid'])
  assert.deepEqual(code(await val.ask('POST', confirm, { code: '123456' })), [409, 'second-factor-conflict'])
  assert.deepEqual(code(await val.ask('DELETE', begin, { password, code: '123456' })), [409, 'second-factor-conflict'])
  assert.equal((await val.ask('GET', '/v1/me')).body['secondFactor'], false)

  const { secret, recovery, begun } = await enrol(val)
  assert.match(secret, /^[A-Z2-7]{32}$/)
  assert.equal(begun.headers.get('cache-control'), 'no-store')
  const account = 'Mooring:val%40127.0.0.1'
  assert.equal(begun.body['uri'], `otpauth://totp/${account}?issuer=Mooring&secret=${secret}&algorithm=SHA1&digits=6&period=30`)
  assert.match(begun.body['svg'] as string, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" viewBox="0 0 \d+ \d+">.*<\/svg>$/)
  assert.equal(recovery.length, 10)
  assert.deepEqual(code(await elsewhereToo.ask('GET', '/v1/me')), [401, 'login-needed'], 'other logins have ended')
  const { body } = await val.ask('GET', '/v1/me')
  assert.deepEqual([body['secondFactor'], body['recoveryCodes']], [true, 10])
  assert.deepEqual(code(await val.ask('POST', begin, { password })), [409, 'second-factor-conflict'])

  const other = new BrowserLike(hub.url)
  assert.deepEqual(code(await other.logIn('val', 'wrong wrong wrong')), [401, 'bad-credentials'])
  assert.deepEqual(code(await other.logIn('val', 'wrong wrong wrong', codeAt(secret, Date.now(), 1))), [401, 'bad-credentials'])
  assert.deepEqual(code(await other.logIn('val')), [401, 'second-factor-needed'])
  assert.deepEqual(code(await other.logIn('val', password, wrongCode(secret, Date.now()))), [401, 'second-factor-wrong'])
  assert.deepEqual(code(await other.ask('POST', '/v1/login', { name: 'val', password, code: 123456 })), [400, 'request-invalid'])
  assert.equal(other.cookie, undefined)
  const next = codeAt(secret, Date.now(), 1)
  assert.deepEqual((await other.logIn('val', password, next)).body, { name: 'val', role: 'viewer' })
  assert.deepEqual(code(await new BrowserLike(hub.url).logIn('val', password, next)), [401, 'second-factor-wrong'])
  assert.equal((await new BrowserLike(hub.url).logIn('val', password, recovery[0])).status, 200)
  assert.equal((await other.ask('GET', '/v1/me')).body['recoveryCodes'], 9)
  assert.equal((await new BrowserLike(hub.url).logIn('ada', password, '123456')).status, 200, 'of who has none no code is asked')

  assert.deepEqual(code(await other.ask('DELETE', begin, { password: 'wrong wrong wrong', code: recovery[1] })), [401, 'bad-credentials'])
  assert.deepEqual(code(await other.ask('DELETE', begin, { password, code: recovery[0] })), [401, 'second-factor-wrong'])
  assert.deepEqual(code(await other.ask('DELETE', begin, { password })), [400, 'request-invalid'])
  assert.deepEqual((await other.ask('DELETE', begin, { password, code: recovery[1] })).body, { secondFactor: false })
  assert.equal((await new BrowserLike(hub.url).logIn('val')).status, 200)
})

test('nobody does it for somebody else: without a login, with a key, from a foreign page; an admin takes it away', async (t) => {
  const hub = await startHub(t, elsewhere)
  const ada = await firstAdmin(hub)
  const val = await newUser(ada, 'val', 'viewer')
  const { secret } = (await ada.ask('POST', '/v1/keys/tool', { role: 'admin' })).body
  const key = { authorization: `Bearer ${secret}` }
  for (const [method, path] of [
    ['POST', begin],
    ['POST', confirm],
    ['DELETE', begin],
  ] as const) {
    const body = { password, code: '123456' }
    assert.deepEqual(code(await new BrowserLike(hub.url).ask(method, path, body)), [401, 'login-needed'])
    assert.deepEqual(code(await new BrowserLike(hub.url).ask(method, path, body, key)), [401, 'login-needed'])
    assert.deepEqual(code(await val.ask(method, path, body, {}, 'https://evil.example')), [403, 'origin-not-allowed'])
    assert.deepEqual(code(await val.ask(method, path, body, {}, null)), [403, 'origin-needed'])
  }
  await enrol(val)
  const factors = async () =>
    ((await ada.ask('GET', '/v1/users')).body['users'] as { name: string; secondFactor: boolean }[]).map(
      ({ name, secondFactor }) => `${name} ${secondFactor}`,
    )
  assert.deepEqual(await factors(), ['ada false', 'val true'])
  assert.deepEqual(code(await ada.ask('PATCH', '/v1/users/val', { secondFactor: true })), [400, 'user-invalid'])
  assert.deepEqual(code(await val.ask('PATCH', '/v1/users/val', { secondFactor: false })), [403, 'not-allowed'])
  const taken = await ada.ask('PATCH', '/v1/users/val', { secondFactor: false })
  assert.deepEqual([taken.status, taken.body['secondFactor']], [200, false])
  assert.equal((await val.ask('GET', '/v1/me')).body['secondFactor'], false, 'he stays logged in')
  assert.equal((await new BrowserLike(hub.url).logIn('val')).status, 200)
  assert.deepEqual(await factors(), ['ada false', 'val false'])
})

test('codes are guessed ten times; after a restart it is asked for as before, and the audit log tells all of it without a secret', async (t) => {
  const folder = newFolder(t)
  const before = await startHub(t, { ...elsewhere, data: folder })
  const ada = await firstAdmin(before)
  const val = await newUser(ada, 'val', 'viewer')
  const { secret, recovery } = await enrol(val)
  const used = codeAt(secret, Date.now(), 1)
  assert.equal((await new BrowserLike(before.url).logIn('val', password, used)).status, 200)
  assert.equal((await new BrowserLike(before.url).logIn('val', password, recovery[0])).status, 200)
  await before.stop()

  const clock = new HandClock()
  const hub = await startHub(t, { ...elsewhere, data: folder, trustedProxy: ['127.0.0.1'] }, clock)
  const browser = new BrowserLike(hub.url)
  const from = (address: string, given?: string) =>
    browser.ask('POST', '/v1/login', { name: 'val', password, code: given }, { 'x-forwarded-for': address })
  for (const spent of [used, recovery[0]]) assert.deepEqual(code(await from('10.0.1.1', spent)), [401, 'second-factor-wrong'])
  const codes: unknown[] = []
  for (let n = 0; n < 10; n++) codes.push((await from(`10.0.2.${n}`, wrongCode(secret, clock.now()))).body['code'])
  assert.deepEqual(codes, [...Array<string>(9).fill('second-factor-wrong'), 'too-many-codes'], 'one was spent above')
  assert.equal((await from('10.0.3.1', recovery[1])).status, 200)
  const admin = new BrowserLike(hub.url)
  await admin.logIn('ada')
  clock.advance(2) // failures are written once a second, and before what is changed then
  await admin.ask('PATCH', '/v1/users/val', { secondFactor: false })
  const { body } = await admin.ask('GET', '/v1/audit?who=user/val')
  const told = (body['entries'] as { action: string; detail: string }[]).map(({ action, detail }) => `${action} ${detail}`)
  for (const entry of [
    'user.change second factor on',
    'login with a code',
    'login with a recovery code',
    'authenticate second-factor-wrong',
  ])
    assert.ok(told.includes(entry), `${entry} is not in ${told.join(', ')}`)
  const ofUser = JSON.stringify((await admin.ask('GET', '/v1/audit?target=user/val')).body)
  assert.match(ofUser, /"who":"user\/ada".*"detail":"second factor off"/)
  await hub.stop()
  const text = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('\n')
  assert.ok(!text.includes(secret), 'nothing is left of a secret that was taken away')
  for (const one of recovery) assert.ok(!text.includes(one))
})
