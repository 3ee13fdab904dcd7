// The book of users, and the set-up link: what holds after a restart, with a broken disk, and when two come at once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Users } from '../../../hub/access/operators/users.ts'
import { limits } from '../../../hub/limits.ts'
import { admin, MemoryAccessStore } from '../kit.ts'
import { here, open, password, refused, settled } from './kit.ts'

const ada = { name: 'ada', role: 'admin', password }
const val = { name: 'val', role: 'viewer', password }

test('users are there after a restart, with when they logged in; those who cannot be read are not, and keep their names', async (t) => {
  const { operators, users, store, clock } = open(t)
  await users.create(ada, admin)
  await users.create(val, admin)
  clock.advance(60)
  await operators.logIn('val', password, here)
  const damaged = [
    { kind: 'user', id: 'eve', body: '{"role":"admin"}' },
    { kind: 'user', id: 'a/b', body: store.records('user')[0]?.body as string },
    { kind: 'user', id: 'bob', body: '{' },
  ]
  const after = open(t, { store: new MemoryAccessStore([...store.records(), ...damaged]) })
  assert.deepEqual(after.users.all(), users.all())
  assert.deepEqual(
    after.users.all().map(({ name }) => name),
    ['ada', 'val'],
  )
  assert.equal(after.users.lastLoginAt('val'), clock.now())
  assert.equal(after.users.lastLoginAt('ada'), undefined)
  assert.deepEqual(after.users.unreadable, ['eve', 'a/b', 'bob'])
  await assert.rejects(after.users.create({ ...val, name: 'eve' }, admin), refused('user-exists'))
  await assert.rejects(after.operators.logIn('eve', password, here), refused('bad-credentials'))
  const { token } = await after.operators.setUp.make(false, admin)
  await after.operators.setUpAdmin(token, 'eve', password, here)
  assert.equal((await after.operators.logIn('eve', password, here)).user.role, 'admin')
})

test('what closes is closed although the disk is gone; what opens is not open', async (t) => {
  const { operators, users, store, told, clock } = open(t)
  await users.create(ada, admin)
  await users.create(val, admin)
  const { cookie } = await operators.logIn('val', password, here)
  store.failing = true
  await assert.rejects(users.change('val', { role: 'admin' }, admin), /disk/)
  assert.equal(users.find('val')?.role, 'viewer')
  await assert.rejects(users.change('val', { disabled: true }, admin), /disk/)
  assert.equal(operators.find(cookie), undefined)
  assert.deepEqual(told, ['val: the user is disabled', 'val is out: the user is disabled'])
  await assert.rejects(users.change('val', { disabled: false }, admin), /disk/)
  await assert.rejects(operators.logIn('val', password, here), refused('bad-credentials'))
  await assert.rejects(users.remove('val', admin), /disk/)
  assert.equal(users.find('val')?.disabled, true)
  await assert.rejects(users.create({ ...val, name: 'bob' }, admin), /disk/)
  assert.equal(users.find('bob'), undefined)
  store.failing = false
  await users.change('val', { disabled: false }, admin)
  await operators.logIn('val', password, here)
  await users.remove('val', admin)
  clock.advance(63)
  await settled()
  assert.deepEqual(
    store.records().filter(({ kind, id, body }) => kind !== 'secret' && (id === 'val' || body.includes('val'))),
    [],
    'nothing of him is left',
  )
})

test('the last enabled admin stays, whatever is asked at once', async (t) => {
  const { users } = open(t)
  for (const name of ['ada', 'bob', 'cat']) await users.create({ ...ada, name }, admin)
  const asked = await Promise.allSettled([
    users.change('ada', { disabled: true }, admin),
    users.change('bob', { role: 'viewer' }, admin),
    users.remove('cat', admin),
  ])
  assert.deepEqual(
    asked.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected'],
  )
  assert.equal(users.hasAdmin, true)
  await assert.rejects(users.change('cat', { role: 'operator', disabled: false }, admin), refused('last-admin'))
  const free = open(t, { needsAdmin: false })
  await free.users.create(ada, admin)
  await free.users.remove('ada', admin)
  assert.equal(free.users.hasAdmin, false)
})

test('a login that was under way when its user was shut out, or got another password, opens nothing', async (t) => {
  const { operators, users, logins } = open(t)
  await users.create(ada, admin)
  await users.create(val, admin)
  const outcomes = await Promise.allSettled([operators.logIn('val', password, here), users.change('val', { disabled: true }, admin)])
  assert.equal(outcomes[1].status, 'fulfilled')
  assert.equal(logins.of('val').length, 0)
  await users.change('val', { disabled: false }, admin)
  const [old] = await Promise.allSettled([
    operators.logIn('val', password, here),
    users.change('val', { password: 'ten brown bottles' }, admin),
  ])
  if (old.status === 'fulfilled') assert.equal(operators.find(old.value.cookie), undefined)
  assert.equal(logins.of('val').length, 0)
})

test('the number of users is bounded, also when they are made at once', async () => {
  const store = new MemoryAccessStore()
  const users = new Users({
    store,
    clock: { now: () => 1, monotonic: () => 1, steady: () => 1, every: () => () => {} },
    hashPassword: async () => '$',
    hasRole: () => true,
    needsAdmin: false,
    logins: { removals: () => [], end: () => [] },
    onRole: () => {},
    onShutOut: () => {},
    limits: { users: 3 },
  })
  const outcomes = await Promise.allSettled(['a', 'b', 'c', 'd', 'a'].map((name) => users.create({ ...val, name }, admin)))
  const codes = outcomes.map((one) => (one.status === 'fulfilled' ? 'made' : (one.reason as { code: string }).code))
  assert.deepEqual(codes, ['made', 'made', 'made', 'too-many-users', 'user-exists'])
  assert.equal(limits.users, 1000)
})

test('a set-up link holds for a day and once; that of the first start only until there is an admin', async (t) => {
  const { operators, users, clock, store } = open(t)
  const { setUp } = operators
  const old = await setUp.make(true, admin)
  clock.advance(24 * 3600)
  assert.throws(() => setUp.assertValid(old.token), refused('set-up-link-invalid'))
  const { token, until } = await setUp.make(true, admin)
  assert.equal(until, clock.now() + 24 * 3600 * 1000)
  setUp.assertValid(token)
  const restarted = open(t, { store: store.restarted() })
  restarted.operators.setUp.assertValid(token)
  await users.create(ada, admin)
  assert.throws(() => setUp.assertValid(token), refused('set-up-link-invalid'))
  const reset = await setUp.make(false, admin)
  await assert.rejects(operators.setUpAdmin(reset.token, 'ada', 'short', here), refused('user-invalid'))
  store.failing = true
  await assert.rejects(operators.setUpAdmin(reset.token, 'ada', password, here), /disk/)
  store.failing = false
  await operators.setUpAdmin(reset.token, 'ada', password, here)
  await assert.rejects(operators.setUpAdmin(reset.token, 'ada', password, here), refused('set-up-link-invalid'))
  assert.throws(() => open(t, { store: store.restarted() }).operators.setUp.assertValid(reset.token), refused('set-up-link-invalid'))
  for (const foreign of ['', 'x', reset.token.toLowerCase()])
    assert.throws(() => setUp.assertValid(foreign), refused('set-up-link-invalid'))
})

test('all who guess share one account of failures, whatever they guess at', async (t) => {
  const { operators, users } = open(t)
  await users.create(val, admin)
  const codes = new Set<string>()
  for (let n = 0; n < 12; n++) {
    const error: unknown = await operators.logIn(`somebody-${n}`, 'wrong', here).catch((why: unknown) => why)
    codes.add((error as { code: string }).code)
  }
  assert.deepEqual([...codes], ['bad-credentials', 'too-many-failures'])
  await assert.rejects(operators.logIn('val', password, here), refused('too-many-failures'))
  assert.equal((await operators.logIn('val', password, '10.9.9.9')).user.name, 'val')
})
