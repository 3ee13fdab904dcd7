// People over real sockets: the set-up, logging in and out, who may do what, and pages that are not the hub's.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import * as http2 from 'node:http2'
import * as https from 'node:https'
import { connect } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { WebSocket as Socket } from 'ws'
import { BrowserLike, firstAdmin, newUser, password } from '../kit/browser-like.ts'
import { type InProcessHub, newFolder, startHub } from '../kit/hub.ts'

/** As seen from another machine. */
const elsewhere = { allowAnonymous: 'nobody' } as const

const code = ({ status, body }: { status: number; body: Readonly<Record<string, unknown>> }) => [status, body['code']]

/** Resolves with the close code. */
function liveOf(t: TestContext, hub: InProcessHub, headers: Record<string, string>): Promise<{ closed: Promise<number> }> {
  const socket = new Socket(`${hub.url.replace('http', 'ws')}/live`, 'mooring.live', { headers })
  t.after(() => socket.terminate())
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  return new Promise((resolve, reject) => {
    socket.once('message', () => resolve({ closed }))
    socket.once('error', reject)
  })
}

describe('the set-up', () => {
  test('a hub that lets nobody in makes one link; who opens it is the first admin, and logged in', async (t) => {
    const hub = await startHub(t, elsewhere)
    const token = hub.hub.setUpToken as string
    assert.match(token, /^[\w-]{43}$/)
    const ada = new BrowserLike(hub.url)
    assert.deepEqual(code(await ada.ask('GET', '/v1/me')), [401, 'set-up-needed'])
    const put = (changes: object) => ada.ask('POST', '/v1/setup', { token, name: 'ada', password, ...changes })
    assert.deepEqual(code(await put({ token: `${token.slice(1)}x` })), [403, 'set-up-link-invalid'])
    for (const [changes, says] of [
      [{ password: 'short' }, /at least 12 characters/],
      [{ password: 'aaaaaaaaaaaaaaaa' }, /again and again/],
      [{ name: 'ada.lovelace', password: 'Ada.Lovelace1' }, /name of its user/],
      [{ name: 'a/b' }, /its name is/],
      [{ password: 'x1y2'.repeat(70) }, /at most 256 bytes/],
    ] as const) {
      const refused = await put(changes)
      assert.deepEqual(code(refused), [400, 'user-invalid'])
      assert.match(String(refused.body['detail']), says)
    }
    assert.equal((await put({})).status, 200)
    assert.match(ada.setCookie, /^mooring=[\w-]{43}; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Strict$/)
    const { status, body, headers } = await ada.ask('GET', '/v1/me')
    assert.equal(status, 200)
    assert.equal(headers.get('cache-control'), 'no-store')
    const { until, ...me } = body
    const may = { devices: true, hub: true, publish: true, command: true, admin: true }
    assert.deepEqual(me, { is: 'user', name: 'ada', role: 'admin', secondFactor: false, recoveryCodes: null, may })
    assert.ok(Math.abs(Number(until) - Date.now() - 30 * 86_400_000) < 60_000)
    assert.deepEqual(code(await new BrowserLike(hub.url).ask('GET', '/v1/me')), [401, 'login-needed'])
    assert.deepEqual(code(await put({ name: 'eve' })), [403, 'set-up-link-invalid'])
  })

  test('two who open it at once do not both become admin', async (t) => {
    const hub = await startHub(t, elsewhere)
    const names = ['ada', 'eve', 'bob']
    const tries = names.map((name) => new BrowserLike(hub.url).ask('POST', '/v1/setup', { token: hub.hub.setUpToken, name, password }))
    const statuses = (await Promise.all(tries)).map(({ status }) => status)
    assert.deepEqual(statuses.sort(), [200, 403, 403])
  })

  test('no link is made where it is not needed; who is on the machine, and nobody else, may ask for one', async (t) => {
    const [open, everybody, beyond] = await Promise.all([
      startHub(t),
      startHub(t, { allowAnonymous: 'everyone' }),
      startHub(t, { listen: '0.0.0.0', trustedProxy: ['127.0.0.1'] }),
    ])
    assert.equal(open.hub.setUpToken, undefined)
    assert.equal(everybody.hub.setUpToken, undefined)
    assert.notEqual(beyond.hub.setUpToken, undefined)
    const here = new BrowserLike(beyond.url)
    const { status, body } = await here.ask('POST', '/v1/setup-link', {}, {}, null)
    assert.deepEqual([status, body['path']], [200, `/setup#${body['token']}`])
    const set = { name: 'ada', password }
    const old = await here.ask('POST', '/v1/setup', { ...set, token: beyond.hub.setUpToken })
    assert.deepEqual(code(old), [403, 'set-up-link-invalid'], 'the newest takes the place of the one before')
    assert.equal((await here.ask('POST', '/v1/setup', { ...set, token: body['token'] })).status, 200)
    assert.deepEqual(code(await here.ask('POST', '/v1/setup-link')), [403, 'only-from-here'], 'by cookie')
    const far = new BrowserLike(beyond.url)
    const forwarded = { 'x-forwarded-for': '10.9.8.7' }
    assert.deepEqual(code(await far.ask('POST', '/v1/setup-link', {}, forwarded, null)), [401, 'not-authorized'])
    const viaEverybody = await startHub(t, { allowAnonymous: 'everyone', trustedProxy: ['127.0.0.1'] })
    assert.deepEqual(code(await new BrowserLike(viaEverybody.url).ask('POST', '/v1/setup-link', {}, forwarded, null)), [
      403,
      'only-from-here',
    ])
  })

  test('an admin who has forgotten the password gets another by a link, and is logged out where he was', async (t) => {
    const folder = newFolder(t)
    const before = await startHub(t, { ...elsewhere, data: folder })
    const ada = await firstAdmin(before)
    await before.stop()
    const hub = await startHub(t, { data: folder })
    ada.url satisfies string
    const here = new BrowserLike(hub.url)
    here.cookie = ada.cookie
    assert.equal((await here.ask('GET', '/v1/me')).body['name'], 'ada', 'logins survive a restart')
    const { body } = await new BrowserLike(hub.url).ask('POST', '/v1/setup-link')
    const again = { token: body['token'], name: 'ada', password: 'ten brown bottles' }
    const fresh = new BrowserLike(hub.url)
    assert.equal((await fresh.ask('POST', '/v1/setup', again)).status, 200)
    assert.equal((await fresh.ask('GET', '/v1/me')).body['name'], 'ada')
    assert.equal((await here.ask('GET', '/v1/me')).body['is'], 'anonymous')
    assert.deepEqual(code(await fresh.logIn('ada')), [401, 'bad-credentials'])
    assert.equal((await fresh.logIn('ada', 'ten brown bottles')).status, 200)
  })
})

describe('logging in', () => {
  test('a wrong password and an unknown user get the same answer; the right one opens what the role allows', async (t) => {
    const hub = await startHub(t, elsewhere)
    const ada = await firstAdmin(hub)
    const val = await newUser(ada, 'val', 'viewer')
    assert.equal((await val.ask('GET', '/v1/devices')).status, 200)
    assert.equal((await val.ask('GET', '/v1/hub')).status, 200)
    assert.deepEqual((await val.ask('GET', '/v1/me')).body['may'], {
      devices: true,
      hub: true,
      publish: false,
      command: false,
      admin: false,
    })
    for (const [method, path] of [
      ['GET', '/v1/users'],
      ['POST', '/v1/users'],
      ['PATCH', '/v1/users/val'],
      ['DELETE', '/v1/users/ada'],
      ['POST', '/v1/publish'],
    ] as const) {
      const body = method === 'GET' ? undefined : path === '/v1/publish' ? { topic: 'a', text: 'b' } : {}
      const refused = await val.ask(method, path, body)
      assert.deepEqual(code(refused), [403, 'not-allowed'], path)
    }
    const eve = new BrowserLike(hub.url)
    const wrong = await eve.logIn('val', 'wrong password 1')
    const unknown = await eve.logIn('nobody', 'wrong password 1')
    assert.deepEqual(code(wrong), [401, 'bad-credentials'])
    assert.deepEqual(unknown.body, wrong.body)
    assert.equal(eve.cookie, undefined)
    assert.deepEqual(code(await eve.ask('POST', '/v1/login', { name: 'val' })), [400, 'request-invalid'])
    assert.deepEqual(code(await eve.ask('POST', '/v1/login', { name: 'x'.repeat(5000), password })), [413, 'body-too-large'])
  })

  test('who guesses is stopped before a hash is made for it', async (t) => {
    const hub = await startHub(t, elsewhere)
    await firstAdmin(hub)
    const eve = new BrowserLike(hub.url)
    const codes: unknown[] = []
    for (let n = 0; n < 14; n++) codes.push((await eve.logIn(n % 2 === 0 ? 'ada' : 'nobody', `guess number ${n}`)).body['code'])
    assert.ok(codes.includes('too-many-failures'), String(codes))
    assert.equal(codes.filter((one) => one === 'bad-credentials').length < 13, true)
  })

  test('a login takes the place of the one before in the same browser, and logging out ends it', async (t) => {
    const hub = await startHub(t, elsewhere)
    const ada = await firstAdmin(hub)
    const first = ada.cookie
    await ada.logIn('ada')
    assert.notEqual(ada.cookie, first)
    const old = new BrowserLike(hub.url)
    old.cookie = first
    assert.deepEqual(code(await old.ask('GET', '/v1/me')), [401, 'login-needed'])
    const stolen = new BrowserLike(hub.url)
    stolen.cookie = ada.cookie
    assert.deepEqual((await ada.ask('POST', '/v1/logout')).body, { ended: 1 })
    assert.match(ada.setCookie, /^mooring=; Path=\/; Max-Age=0; HttpOnly; SameSite=Strict$/)
    assert.deepEqual(code(await stolen.ask('GET', '/v1/me')), [401, 'login-needed'])
    assert.deepEqual(code(await stolen.ask('GET', '/v1/devices')), [401, 'not-authorized'])
  })

  test('everywhere means every browser; a new password ends all but this one', async (t) => {
    const hub = await startHub(t, elsewhere)
    const ada = await firstAdmin(hub)
    const val = await newUser(ada, 'val', 'viewer')
    const phone = new BrowserLike(hub.url)
    await phone.logIn('val')
    const live = await liveOf(t, hub, { origin: hub.url, cookie: phone.cookie as string })
    const next = 'ten brown bottles'
    const change = (old: string) => val.ask('POST', '/v1/me/password', { password: old, newPassword: next })
    assert.deepEqual(code(await change('not the old password')), [401, 'bad-credentials'])
    assert.equal((await change(password)).status, 200)
    assert.equal(await live.closed, 1008)
    assert.equal((await val.ask('GET', '/v1/me')).status, 200)
    assert.equal((await phone.ask('GET', '/v1/me')).status, 401)
    assert.deepEqual(code(await phone.logIn('val')), [401, 'bad-credentials'])
    await phone.logIn('val', next)
    assert.deepEqual((await val.ask('POST', '/v1/logout', { everywhere: true })).body, { ended: 2 })
    assert.equal((await phone.ask('GET', '/v1/me')).status, 401)
    const { body } = await ada.ask('GET', '/v1/audit?who=user/val')
    const actions = (body['entries'] as { action: string }[]).map(({ action }) => action).filter((action) => action !== 'authenticate')
    assert.deepEqual(actions, ['logout', 'logout', 'login', 'user.change', 'login', 'login'])
    assert.ok(!JSON.stringify(body).includes(next) && !JSON.stringify(body).includes(password))
  })
})

describe('a cookie', () => {
  test('opens the live view and the JSON session, and is closed on both at once when its user is disabled', async (t) => {
    const hub = await startHub(t, elsewhere)
    const ada = await firstAdmin(hub)
    const val = await newUser(ada, 'val', 'viewer')
    const headers = { origin: hub.url, cookie: val.cookie as string }
    const live = await liveOf(t, hub, headers)
    const session = new Socket(`${hub.url.replace('http', 'ws')}/v1/session`, 'mooring.json', { headers })
    t.after(() => session.terminate())
    const frames: string[] = []
    session.on('message', (bytes) => frames.push(String(bytes)))
    await new Promise((resolve) => session.once('open', resolve))
    session.send(JSON.stringify({ is: 'hello' }))
    await new Promise((resolve) => session.once('message', resolve))
    assert.match(frames[0] as string, /"is":"welcome"/)
    session.send(JSON.stringify({ is: 'publish', id: 1, topic: 'a', text: 'b' }))
    await new Promise((resolve) => session.once('message', resolve))
    assert.match(frames[1] as string, /not-allowed/)
    const events = await fetch(`${hub.url}/v1/events`, { headers })
    const closed = new Promise<number>((resolve) => session.once('close', resolve))
    const startedMs = performance.now()
    const disabled = await ada.ask('PATCH', '/v1/users/val', { disabled: true })
    assert.deepEqual([disabled.status, disabled.body['disabled'], disabled.body['logins']], [200, true, 0])
    assert.deepEqual([await live.closed, await closed], [1008, 1008])
    const [, last = ''] = /event: error\ndata: (.*)/.exec(await events.text()) ?? []
    assert.equal((JSON.parse(last) as { code: string }).code, 'login-ended')
    assert.ok(performance.now() - startedMs < 1000)
    assert.deepEqual(code(await val.ask('GET', '/v1/me')), [401, 'login-needed'])
    assert.deepEqual(code(await val.logIn('val')), [401, 'bad-credentials'])
    await ada.ask('PATCH', '/v1/users/val', { disabled: false })
    assert.equal((await val.logIn('val')).status, 200)
  })

  test('has the rights of its user as they are now, also where it is connected already', async (t) => {
    const hub = await startHub(t, elsewhere)
    const ada = await firstAdmin(hub)
    const val = await newUser(ada, 'val', 'viewer')
    const publish = () => val.ask('POST', '/v1/publish', { topic: 'a', text: 'b' })
    assert.equal((await publish()).status, 403)
    await ada.ask('PATCH', '/v1/users/val', { role: 'operator' })
    assert.equal((await publish()).status, 200)
    await ada.ask('PATCH', '/v1/users/val', { role: 'viewer' })
    assert.equal((await publish()).status, 403)
    assert.equal((await ada.ask('DELETE', '/v1/users/val')).status, 200)
    assert.equal((await publish()).status, 401)
    assert.deepEqual(code(await ada.ask('DELETE', '/v1/users/val')), [404, 'user-unknown'])
  })

  test('changes nothing unless the request says that it comes from a page of the hub', async (t) => {
    const hub = await startHub(t, { ...elsewhere, allowOrigin: ['https://tools.example'] })
    const ada = await firstAdmin(hub)
    const make = (name: string, headers: Record<string, string>, origin: string | null) =>
      ada.ask('POST', '/v1/users', { name, role: 'viewer', password }, headers, origin)
    assert.deepEqual(code(await make('a', {}, null)), [403, 'origin-needed'])
    for (const site of ['same-site', 'cross-site', 'none'])
      assert.deepEqual(code(await make('b', { 'sec-fetch-site': site }, null)), [403, 'origin-needed'], site)
    assert.deepEqual(code(await make('c', {}, 'https://evil.example')), [403, 'origin-not-allowed'])
    assert.deepEqual(code(await make('c', {}, 'null')), [403, 'origin-not-allowed'])
    assert.deepEqual(code(await ada.ask('POST', '/v1/logout', {}, {}, null)), [403, 'origin-needed'])
    assert.deepEqual(
      code(await ada.ask('GET', '/v1/session/messages?client=x&wait=0', undefined, { 'sec-fetch-site': 'same-site' }, null)),
      [403, 'origin-needed'],
    )
    assert.equal((await make('d', { 'sec-fetch-site': 'same-origin' }, null)).status, 200)
    assert.equal((await make('e', {}, hub.url)).status, 200)
    assert.equal((await make('f', {}, 'https://tools.example')).status, 200)
    assert.equal((await ada.ask('GET', '/v1/users', undefined, {}, null)).status, 200)
    await assert.rejects(liveOf(t, hub, { cookie: ada.cookie as string }), /401/, 'a WebSocket by cookie without Origin')
    await assert.rejects(liveOf(t, hub, { cookie: ada.cookie as string, origin: 'https://evil.example' }), /403/)
  })

  test('that is over, foreign or broken is as good as none', async (t) => {
    const [hub, open] = await Promise.all([startHub(t, elsewhere), startHub(t)])
    await firstAdmin(hub)
    const other = new BrowserLike(hub.url)
    for (const cookie of ['mooring=', 'mooring=x', `mooring=${'A'.repeat(43)}`, 'a=b; mooring', '=;;', `x=${'y'.repeat(4000)}`]) {
      other.cookie = cookie
      assert.deepEqual(code(await other.ask('GET', '/v1/me')), [401, 'login-needed'], cookie.slice(0, 60))
      assert.equal((await fetch(`${open.url}/v1/hub`, { headers: { cookie } })).status, 200)
    }
  })

  test('set for a browser that came over TLS says so, and one from a line in the clear does not count there', async (t) => {
    const hub = await startHub(t, { ...elsewhere, httpsPort: 0 })
    const ada = new BrowserLike(hub.url)
    const secure = hub.url.replace('http:', 'https:')
    await ada.ask('POST', '/v1/setup', { token: hub.hub.setUpToken, name: 'ada', password }, {}, secure)
    assert.match(ada.setCookie, /^__Host-mooring=[\w-]{43}; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure$/)
    assert.equal((await ada.ask('GET', '/v1/me')).status, 200, 'a proxy may end TLS')
    const port = hub.hub.listeners.https?.port as number
    const get = (cookie: string, origin = `https://127.0.0.1:${port}`) =>
      new Promise<number>((resolve, reject) => {
        const asking = { host: '127.0.0.1', port, path: '/v1/me', headers: { cookie, origin }, rejectUnauthorized: false }
        https.get(asking, (response) => resolve(response.resume().statusCode ?? 0)).on('error', reject)
      })
    const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
    t.after(() => session.destroy())
    const getBy2 = async (cookie: string) => {
      const [head] = (await once(session.request({ ':path': '/v1/me', cookie }).end(), 'response')) as [http2.IncomingHttpHeaders]
      return Number(head[':status'])
    }
    const cookie = ada.cookie as string
    const plain = cookie.replace('__Host-', '')
    assert.deepEqual([await get(cookie), await getBy2(cookie)], [200, 200])
    assert.deepEqual([await get(plain), await getBy2(plain)], [401, 401])
    assert.equal(await get(cookie, `http://127.0.0.1:${port}`), 403, 'a page in the clear is another one')
  })
})

describe('users', () => {
  test('are made and changed by admins, each change with an entry in the audit log', async (t) => {
    const hub = await startHub(t, elsewhere)
    const ada = await firstAdmin(hub)
    const make = (body: object) => ada.ask('POST', '/v1/users', body)
    assert.deepEqual(code(await make({ name: 'val', role: 'nothing', password })), [404, 'role-unknown'])
    assert.deepEqual(code(await make({ name: 'val', role: 'viewer' })), [400, 'user-invalid'])
    assert.deepEqual(code(await make({ name: 'val', role: 'viewer', password, admin: true })), [400, 'user-invalid'])
    assert.equal((await make({ name: 'val', role: 'viewer', password })).status, 200)
    assert.deepEqual(code(await make({ name: 'val', role: 'viewer', password })), [409, 'user-exists'])
    assert.deepEqual(code(await ada.ask('PATCH', '/v1/users/val', { disabled: 'yes' })), [400, 'user-invalid'])
    await ada.ask('PATCH', '/v1/users/val', { role: 'operator', password: 'ten brown bottles' })
    const listed = (await ada.ask('GET', '/v1/users')).body['users'] as Record<string, unknown>[]
    assert.deepEqual(
      listed.map(({ name, role, disabled, logins }) => [name, role, disabled, logins]),
      [
        ['ada', 'admin', false, 1],
        ['val', 'operator', false, 0],
      ],
    )
    assert.equal(typeof listed[0]?.['lastLoginAt'], 'number')
    assert.equal(listed[1]?.['lastLoginAt'], null)
    assert.ok(!JSON.stringify(listed).includes('argon2'))
    await ada.ask('DELETE', '/v1/users/val')
    const { body } = await ada.ask('GET', '/v1/audit?target=user/val')
    assert.deepEqual(
      (body['entries'] as { who: string; action: string; detail: string }[]).map(({ who, action, detail }) => `${who} ${action} ${detail}`),
      ['user/ada user.remove ', 'user/ada user.change role operator, password', 'user/ada user.create role viewer'],
    )
  })

  test('the last admin stays, where the hub needs one', async (t) => {
    const hub = await startHub(t, elsewhere)
    const ada = await firstAdmin(hub)
    for (const change of [{ disabled: true }, { role: 'viewer' }])
      assert.deepEqual(code(await ada.ask('PATCH', '/v1/users/ada', change)), [409, 'last-admin'])
    assert.deepEqual(code(await ada.ask('DELETE', '/v1/users/ada')), [409, 'last-admin'])
    const bob = await newUser(ada, 'bob', 'admin')
    const both = await Promise.all([ada.ask('DELETE', '/v1/users/bob'), bob.ask('DELETE', '/v1/users/ada')])
    assert.equal(both.filter(({ status }) => status === 200).length, 1, 'not both of them')

    const open = await startHub(t)
    const here = new BrowserLike(open.url)
    await here.ask('POST', '/v1/users', { name: 'eve', role: 'admin', password })
    assert.equal((await here.ask('DELETE', '/v1/users/eve')).status, 200)
  })
})

describe('without credentials, from elsewhere', () => {
  test('the page is there with its files, and nothing else', async (t) => {
    const hub = await startHub(t, elsewhere)
    const page = await fetch(hub.url, { headers: { accept: 'text/html' } })
    assert.equal(page.status, 200)
    assert.match(page.headers.get('content-security-policy') as string, /default-src 'self'.*frame-ancestors 'none'/)
    assert.equal(page.headers.get('x-content-type-options'), 'nosniff')
    assert.equal(page.headers.get('referrer-policy'), 'no-referrer')
    const [script = ''] = /\/assets\/[^"]+\.js/.exec(await page.text()) ?? []
    assert.equal((await fetch(hub.url + script)).status, 200)
    assert.equal((await fetch(`${hub.url}/setup`, { headers: { accept: 'text/html' } })).status, 200)
    for (const path of [
      '/v1/devices',
      '/v1/hub',
      '/v1/users',
      '/v1/roles',
      '/v1/openapi.json',
      '/docs',
      '/v1/permissions/explain?action=admin&topic=hub',
    ])
      assert.equal((await fetch(hub.url + path)).status, 401, path)
    for (const path of ['/v1/users', '/v1/setup-link', '/v1/me/password', '/v1/publish', '/v1/keys/x'])
      assert.equal((await fetch(hub.url + path, { method: 'POST', body: '{}' })).status, 401, path)
    assert.equal((await fetch(`${hub.url}/v1/logout`, { method: 'POST' })).status, 200)
  })

  test('a wrong token is refused also where nothing is asked for', async (t) => {
    const hub = await startHub(t, elsewhere)
    for (const path of ['/v1/me', '/']) {
      const { status } = await fetch(hub.url + path, { headers: { authorization: 'Bearer mrg_x' } })
      assert.equal(status, 401)
    }
  })

  test('a body that never comes holds no login', async (t) => {
    const hub = await startHub(t, elsewhere)
    const socket = connect(Number(new URL(hub.url).port), '127.0.0.1')
    t.after(() => socket.destroy())
    socket.write('POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n')
    const [bytes] = await new Promise<[Buffer]>((resolve) => socket.once('data', (...given) => resolve(given as [Buffer])))
    assert.match(bytes.toString(), /413/)
  })
})
