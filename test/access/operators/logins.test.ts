// How long a login holds, how many there are, and what is left of them on disk.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cookieFor, cookieIn, noCookie } from '../../../hub/access/operators/cookie.ts'
import { Logins } from '../../../hub/access/operators/logins.ts'
import { limits } from '../../../hub/limits.ts'
import { admin, MemoryAccessStore, newTime } from '../kit.ts'
import { here, key, open, password, settled } from './kit.ts'

const val = { name: 'val', role: 'viewer', password }
const hour = 3600

test('a login ends after twelve hours without use, and after thirty days with it', async (t) => {
  const { operators, users, told, clock } = open(t)
  await users.create(val, admin)
  const { cookie } = await operators.logIn('val', password, here)
  for (let hours = 11; hours < 29 * 24; hours += 11) {
    clock.advance(11 * hour)
    assert.equal(operators.find(cookie)?.user.name, 'val', `${hours} h`)
  }
  const second = await operators.logIn('val', password, here)
  clock.advance(11.9 * hour)
  assert.notEqual(operators.find(second.cookie), undefined)
  clock.advance(12 * hour + 3)
  assert.equal(operators.find(second.cookie), undefined)
  assert.deepEqual(told, ['val: unused for too long', 'val: unused for too long'])

  const third = await operators.logIn('val', password, here)
  for (let hours = 0; hours < 30 * 24; hours += 10) {
    assert.notEqual(operators.find(third.cookie), undefined, `${hours} h`)
    clock.advance(10 * hour)
  }
  clock.advance(3)
  assert.equal(operators.find(third.cookie), undefined)
  assert.equal(told.at(-1), 'val: over')
})

test('a page that stands open is in use, and ends after thirty days all the same', async (t) => {
  const { operators, users, logins, connected, told, clock } = open(t)
  await users.create(val, admin)
  const { cookie } = await operators.logIn('val', password, here)
  connected.add(logins.of('val')[0]?.credential as string)
  clock.advance(3 * 24 * hour)
  assert.notEqual(operators.find(cookie), undefined)
  clock.advance(27 * 24 * hour + 3)
  assert.deepEqual(told, ['val: over'])
})

test('the moment of the wall clock decides, also when somebody sets it', async (t) => {
  const { operators, users, clock } = open(t)
  await users.create(val, admin)
  const { cookie } = await operators.logIn('val', password, here)
  clock.jump(13 * hour * 1000)
  assert.equal(operators.find(cookie), undefined)
})

test('logins are found again by the next start, those that are over or nobody’s are not, and go from the disk', async (t) => {
  const before = open(t)
  const { operators, users, logins, store, clock } = before
  for (const name of ['val', 'bob', 'eve']) await users.create({ ...val, name }, admin)
  const [kept, ended, disabled] = await Promise.all(['val', 'bob', 'eve'].map((name) => operators.logIn(name, password, here)))
  clock.advance(6 * hour)
  assert.notEqual(operators.find(kept?.cookie as string), undefined)
  await operators.stop()
  assert.equal(logins.size, 3)
  const records = store
    .records()
    .map((record) => (record.id === 'eve' ? { ...record, body: record.body.replace('false', 'true') } : record))
  const damaged = ['{', '{"user":1}', 'null', '"x"'].map((body, at) => ({ kind: 'login', id: `damaged ${at}`, body }))
  const after = open(t, { store: new MemoryAccessStore([...records, ...damaged]) })
  after.clock.advance(10 * hour)
  assert.equal(after.operators.find(kept?.cookie as string)?.user.name, 'val', 'used six hours after it began')
  const late = open(t, { store: new MemoryAccessStore(records) })
  late.clock.advance(12 * hour + 3)
  assert.equal(late.operators.find(ended?.cookie as string), undefined)
  assert.equal(after.operators.find(disabled?.cookie as string), undefined)
  await settled()
  assert.ok(!after.store.records('login').some(({ id }) => id.startsWith('damaged')))
})

test('neither cookies nor passwords are on disk, in the audit log or in what is told', async (t) => {
  const { operators, users, store, told } = open(t)
  await users.create(val, admin)
  const { cookie } = await operators.logIn('val', password, here)
  const { token } = await operators.setUp.make(false, admin)
  await assert.rejects(operators.logIn('val', 'some other secret', here))
  for (const secret of [cookie, password, token, 'some other secret']) {
    assert.ok(!store.text.includes(secret) && !told.join().includes(secret))
    assert.ok(!store.text.includes(Buffer.from(secret).toString('base64url')))
  }
})

test('past the bounds the oldest ends: of a user, and of all', async (t) => {
  const { operators, users, logins, told, store } = open(t)
  await users.create(val, admin)
  const cookies: string[] = []
  for (let n = 0; n <= limits.loginsPerUser; n++) cookies.push((await operators.logIn('val', password, here)).cookie)
  assert.equal(logins.of('val').length, limits.loginsPerUser)
  assert.equal(operators.find(cookies[0] as string), undefined)
  assert.notEqual(operators.find(cookies[1] as string), undefined)
  assert.deepEqual(told, ['val: newer logins have taken its place'])
  assert.equal(store.records('login').length, limits.loginsPerUser)

  const few = new Logins(
    {
      ...{
        store: new MemoryAccessStore(),
        key,
        ...newTime(t),
        isConnected: () => false,
        onEnded: () => {},
        onFailure: (error: unknown) => assert.fail(String(error)),
      },
      limits: { ...limits, logins: 3 },
    },
    () => true,
  )
  const audit = { at: 0, who: '', from: '', action: 'login', target: 'hub', outcome: 'done', detail: '' } as const
  const all = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => few.begin(name, here, [], audit)))
  assert.equal(few.size, 3)
  assert.deepEqual(
    all.map((cookie) => cookie !== undefined && few.use(cookie) !== undefined),
    [false, false, true, true, true],
  )
})

test('a login that could not be written is none; one that has ended stays ended though the disk is gone', async (t) => {
  const { operators, users, logins, store } = open(t)
  await users.create(val, admin)
  store.failing = true
  await assert.rejects(operators.logIn('val', password, here), /disk/)
  assert.equal(logins.size, 0)
  store.failing = false
  const { cookie } = await operators.logIn('val', password, here)
  store.failing = true
  const [login] = logins.of('val')
  assert.ok(login !== undefined)
  const audit = { at: 0, who: '', from: '', action: 'logout', target: 'hub', outcome: 'done', detail: '' } as const
  await assert.rejects(logins.logOut(login, audit), /disk/)
  assert.equal(operators.find(cookie), undefined)
  store.failing = false
})

test('the cookie of TLS is told from the one in the clear', () => {
  assert.equal(cookieFor('x', false), 'mooring=x; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict')
  assert.equal(cookieFor('x', true), '__Host-mooring=x; Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure')
  assert.equal(noCookie(true), '__Host-mooring=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure')
  const both = 'a=1; mooring=plain; __Host-mooring=secure; mooring=later'
  assert.equal(cookieIn(both, false), 'secure')
  assert.equal(cookieIn(both, true), 'secure')
  assert.equal(cookieIn('mooring=plain;mooring=later', false), 'plain')
  assert.equal(cookieIn('mooring=plain', true), undefined)
  assert.equal(cookieIn('xmooring=a; mooring2=b; mooring', false), undefined)
  assert.equal(cookieIn(undefined, false), undefined)
})
