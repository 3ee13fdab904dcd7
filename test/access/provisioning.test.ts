// First contact: which devices may come by a key, how often, and that nobody gets another one's place.
import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { Credentials } from '../../hub/access/credentials.ts'
import { Provisioning } from '../../hub/access/provisioning.ts'
import { isMatch, type WantedKey } from '../../hub/access/provisioning-key.ts'
import { makeToken } from '../../hub/access/token.ts'
import { Refusal } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import { admin, MemoryAccessStore, newTime, startMs } from './kit.ts'

const wanted: WantedKey = { pattern: 'pump-*', registers: true, type: 'pump', tags: { line: '3' }, role: 'device', uses: 2 }

function open(t: TestContext, store = new MemoryAccessStore()) {
  const time = newTime(t)
  const key = createSecretKey(Buffer.alloc(32, 1))
  const told = { onEnded: () => {}, onFailure: (error: unknown) => assert.fail(String(error)) }
  const credentials = new Credentials({ store, key, hashPassword: async () => assert.fail('a token has no password'), ...time, ...told })
  const devices = new Map<string, string>()
  const provisioning = new Provisioning({
    ...{ store, key, credentials, clock: time.clock },
    isDevice: (id) => devices.has(id),
    register: async (id, { type, tags }) => {
      devices.set(id, `${type} ${JSON.stringify(tags)}`)
    },
    onRefused: () => {},
    limits: { ...limits, provisioningKeys: 3 },
  })
  return { store, credentials, devices, provisioning, ...time }
}

const refused =
  (code: string, detail = /./) =>
  (error: unknown) =>
    error instanceof Refusal && error.code === code && detail.test(error.message)

test('a device comes by a key and leaves with a token of its own', async (t) => {
  const { provisioning, credentials, devices, store } = open(t)
  const { key, secret } = await provisioning.create({ ...wanted, until: startMs + 60_000 }, admin)
  const { credential, secret: token } = await provisioning.claim(secret, 'pump-7', '10.0.0.1')
  assert.equal(credentials.byToken(token as string)?.of.name, 'pump-7')
  assert.equal(credential.until, undefined) // the device stays when the key ends
  assert.equal(devices.get('pump-7'), 'pump {"line":"3"}')
  assert.equal(provisioning.all()[0]?.usesLeft, 1)
  assert.deepEqual(
    store.audits.map(({ who, from, action, target }) => `${who} ${from} ${action} ${target}`),
    [`ada 127.0.0.1 provisioning.create provisioning/${key.id}`, `provisioning/${key.id} 10.0.0.1 credential.create device/pump-7`],
  )
  for (const text of [secret, token as string]) assert.ok(!store.text.includes(text.slice(4, 47)))
})

test('a second time it gets nothing, nor anybody else who says to be it, until an operator revokes the token', async (t) => {
  const { provisioning, credentials } = open(t)
  const { secret } = await provisioning.create(wanted, admin)
  const { credential } = await provisioning.claim(secret, 'pump-7', '10.0.0.1')
  await assert.rejects(provisioning.claim(secret, 'pump-7', '10.0.0.1'), refused('provisioning-refused', /has credentials/))
  await credentials.revoke(credential.id, admin)
  assert.ok((await provisioning.claim(secret, 'pump-7', '10.0.0.1')).secret)
})

test('a key is good for as many devices as it says, also when all come at once and after a restart', async (t) => {
  const { provisioning, store } = open(t)
  const { secret } = await provisioning.create(wanted, admin)
  const outcomes = await Promise.allSettled(['a', 'a', 'b', 'c'].map((name) => provisioning.claim(secret, `pump-${name}`, '10.0.0.1')))
  assert.deepEqual(
    outcomes.map((one) =>
      one.status === 'fulfilled' ? one.value.credential.of.name : (one.reason as Refusal).message.replace(/.*: /, ''),
    ),
    ['pump-a', 'the device is coming in just now.', 'pump-b', 'as many devices came by it as may.'],
  )
  const again = open(t, store.restarted())
  assert.equal(again.provisioning.all()[0]?.usesLeft, 0)
  await assert.rejects(again.provisioning.claim(secret, 'pump-d', '10.0.0.1'), refused('provisioning-refused', /as many/))
})

test('a use that came to nothing is not one', async (t) => {
  const { provisioning, store, credentials } = open(t)
  const { secret } = await provisioning.create(wanted, admin)
  store.failing = true
  await assert.rejects(provisioning.claim(secret, 'pump-7', '10.0.0.1'), /disk is gone/)
  store.failing = false
  assert.equal(provisioning.all()[0]?.usesLeft, 2)
  assert.ok(!credentials.isOwner({ is: 'device', name: 'pump-7' }))
  await provisioning.claim(secret, 'pump-7', '10.0.0.1')
})

test('only devices that the pattern means, and only those on record where the key does not register', async (t) => {
  const { provisioning, devices } = open(t)
  const { secret } = await provisioning.create({ ...wanted, registers: false }, admin)
  await assert.rejects(provisioning.claim(secret, 'fan-7', '10.0.0.1'), refused('provisioning-refused', /as pump-\*/))
  await assert.rejects(provisioning.claim(secret, 'pump-7', '10.0.0.1'), refused('provisioning-refused', /on record/))
  for (const id of ['pump-/../x', 'pump-#', 'pump-\0', ''])
    await assert.rejects(provisioning.claim(secret, id, ''), refused('device-id-invalid'))
  devices.set('pump-7', 'as an operator made it')
  await provisioning.claim(secret, 'pump-7', '10.0.0.1')
  assert.equal(devices.get('pump-7'), 'as an operator made it')
})

test('a pattern has one star, which stands for any text and never for less than nothing', () => {
  const matches = (pattern: string, ...ids: string[]) => ids.filter((id) => isMatch(pattern, id))
  assert.deepEqual(matches('pump-*', 'pump-7', 'pump-', 'pump', 'xpump-7'), ['pump-7', 'pump-'])
  assert.deepEqual(matches('*-pump', '7-pump', '-pump', 'pump'), ['7-pump', '-pump'])
  assert.deepEqual(matches('ab*ba', 'abba', 'ab-ba', 'aba'), ['abba', 'ab-ba'])
  assert.deepEqual(matches('*', 'a'), ['a'])
  assert.deepEqual(matches('a', 'a', 'aa'), ['a'])
})

test('a key that is unknown, mistyped, not valid now, or revoked lets no device in', async (t) => {
  const { provisioning, clock, store } = open(t)
  const late = await provisioning.create({ ...wanted, from: startMs + 10_000, until: startMs + 20_000 }, admin)
  const gone = await provisioning.create(wanted, admin)
  await provisioning.revoke(gone.key.id, admin)
  for (const secret of ['', 'x', makeToken('mrp_'), makeToken('mrg_'), gone.secret, late.secret, `${late.secret.slice(0, -1)}!`])
    await assert.rejects(provisioning.claim(secret, 'pump-7', '10.0.0.1'), refused('bad-credentials'))
  clock.advance(10)
  await provisioning.claim(late.secret, 'pump-7', '10.0.0.1')
  clock.advance(10)
  await assert.rejects(provisioning.claim(late.secret, 'pump-8', '10.0.0.1'), refused('bad-credentials'))
  await assert.rejects(provisioning.revoke(gone.key.id, admin), refused('credential-unknown'))
  assert.equal(store.records('provisioning').length, 1)
})

test('one that is revoked while a device comes by it does not come back', async (t) => {
  const { provisioning, store } = open(t)
  const { key, secret } = await provisioning.create(wanted, admin)
  const coming = provisioning.claim(secret, 'pump-7', '10.0.0.1')
  await provisioning.revoke(key.id, admin)
  await coming
  assert.deepEqual(open(t, store.restarted()).provisioning.all(), [])
})

test('what is asked for is checked, and the number of keys is bounded', async (t) => {
  const { provisioning } = open(t)
  const wrong: readonly (readonly [Partial<WantedKey>, RegExp])[] = [
    [{ pattern: '' }, /pattern/],
    [{ pattern: 'a*b*' }, /pattern/],
    [{ pattern: 'a/*' }, /pattern/],
    [{ uses: 0 }, /devices/],
    [{ uses: 1.5 }, /devices/],
    [{ until: startMs }, /still to come/],
    [{ type: 'a b' }, /type/],
    [{ tags: { 'a b': 'c' } }, /tag/],
    [{ label: 'a\n' }, /control/],
  ]
  for (const [change, clause] of wrong)
    await assert.rejects(
      provisioning.create({ ...wanted, ...change }, admin),
      refused('credential-invalid', clause),
      JSON.stringify(change),
    )
  const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => provisioning.create(wanted, admin)))
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 3)
  await assert.rejects(provisioning.create(wanted, admin), refused('too-many-credentials', /provisioningKeys/))
})

test('a record that cannot be read lets no device in', async (t) => {
  const first = open(t)
  const { secret } = await first.provisioning.create(wanted, admin)
  const good = JSON.parse(first.store.records()[0]?.body as string) as object
  const bodies = [
    '{',
    'null',
    ...['pattern', 'usesLeft', 'hash', 'until', 'tags', 'role'].map((name) => JSON.stringify({ ...good, [name]: [] })),
  ]
  for (const body of bodies) {
    const { provisioning } = open(t, new MemoryAccessStore([{ kind: 'provisioning', id: 'p1', body }]))
    assert.deepEqual(provisioning.unreadable, ['p1'], body)
    await assert.rejects(provisioning.claim(secret, 'pump-7', '10.0.0.1'), refused('bad-credentials'))
  }
})
