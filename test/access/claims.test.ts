// Devices without any secret: what a code and the secret beside it open, for how long, and to whom.
import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import type { AuthenticationFailure } from '../../hub/access/bans.ts'
import { Claims } from '../../hub/access/claims.ts'
import { Credentials } from '../../hub/access/credentials.ts'
import { Failures } from '../../hub/access/failures.ts'
import { makeToken } from '../../hub/access/token.ts'
import { Refusal } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import { admin, MemoryAccessStore, newTime } from './kit.ts'

const key = createSecretKey(Buffer.alloc(32, 1))
const here = '10.0.0.1'
const ofDevice = { is: 'device', name: 'pump-7' } as const

function open(t: TestContext, isOpen = true) {
  const time = newTime(t)
  const store = new MemoryAccessStore()
  const told = { onEnded: () => {}, onFailure: (error: unknown) => assert.fail(String(error)) }
  const credentials = new Credentials({ store, key, hashPassword: async () => assert.fail('a token has no password'), ...time, ...told })
  const registered: string[] = []
  const refusals: AuthenticationFailure[] = []
  const claims = new Claims({
    ...{ isOpen, key, credentials, failures: new Failures(time.clock), clock: time.clock },
    register: async (id, said) => {
      if (store.failing) throw new Error('the disk is gone')
      registered.push(`${id} ${JSON.stringify(said)}`)
    },
    audit: (action, target, { who, from }, detail) => {
      return store.write([], [{ at: 0, who, from, action, target, outcome: 'done', detail }])
    },
    onRefused: (failure) => refusals.push(failure),
    limits: { ...limits, claims: 4, claimsPerAddress: 3 },
  })
  const poll = async (secret: string, device = 'pump-7') => {
    const answer = await claims.poll(device, secret, here)
    return 'token' in answer ? answer.token : undefined
  }
  return { claims, credentials, store, registered, refusals, poll, ...time }
}

const refused =
  (code: string, detail = /./) =>
  (error: unknown) =>
    error instanceof Refusal && error.code === code && detail.test(error.message)

test('a device shows a code, and gets a token of its own once somebody has said it', async (t) => {
  const { claims, credentials, store, registered, poll } = open(t)
  const { claim, secret } = claims.begin('pump-7', here)
  assert.match(claim.claim, /^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/)
  assert.equal(await poll(secret), undefined)
  await claims.accept(claim.claim.toLowerCase().replace('-', ' '), { role: 'device', type: 'pump', tags: { line: '3' } }, admin)
  assert.deepEqual(registered, ['pump-7 {"type":"pump","tags":{"line":"3"}}'])
  assert.deepEqual(
    claims.all().map(({ device, address, accepted }) => [device, address, accepted]),
    [['pump-7', here, true]],
  )
  const token = (await poll(secret)) as string
  assert.equal(credentials.byToken(token)?.label, 'claimed by ada')
  assert.deepEqual(claims.all(), [])
  assert.deepEqual(
    store.audits.map(({ who, from, action, target }) => `${who} ${from} ${action} ${target}`),
    ['ada 127.0.0.1 claim.accept device/pump-7', 'claim/ada 10.0.0.1 credential.create device/pump-7'],
  )
  for (const text of [secret, token, claim.claim]) assert.ok(!store.text.includes(text.slice(4, 47)))
})

test('an answer that was lost is asked for again within a minute: the token before is revoked, and there is one', async (t) => {
  const { claims, credentials, poll, clock } = open(t)
  const { claim, secret } = claims.begin('pump-7', here)
  await claims.accept(claim.claim, { role: 'device' }, admin)
  const lost = (await poll(secret)) as string
  clock.advance(59)
  const token = (await poll(secret)) as string
  assert.deepEqual([credentials.byToken(lost), credentials.byToken(token)?.of.name], [undefined, 'pump-7'])
  assert.equal(credentials.of(ofDevice).length, 1)
  clock.advance(2)
  await assert.rejects(poll(secret), refused('claim-ended', /was fetched/))
  assert.equal(credentials.byToken(token)?.of.name, 'pump-7')
})

test('what an operator has revoked is not fetched again', async (t) => {
  const { claims, credentials, poll } = open(t)
  const { claim, secret } = claims.begin('pump-7', here)
  await claims.accept(claim.claim, { role: 'device' }, admin)
  const token = (await poll(secret)) as string
  await credentials.revoke(credentials.byToken(token)?.id as string, admin)
  await assert.rejects(poll(secret), refused('claim-ended'))
})

test('one token comes of many polls at once', async (t) => {
  const { claims, credentials, poll } = open(t)
  const { claim, secret } = claims.begin('pump-7', here)
  await claims.accept(claim.claim, { role: 'device' }, admin)
  const tokens = await Promise.all(Array.from({ length: 5 }, () => poll(secret)))
  assert.equal(tokens.filter((token) => token !== undefined).length, 1)
  assert.equal(credentials.of(ofDevice).length, 1)
})

test('a device with credentials cannot be claimed, and nobody learns by asking whether it has any', async (t) => {
  const { claims, credentials, poll } = open(t)
  const early = claims.begin('pump-7', here)
  await claims.accept(early.claim.claim, { role: 'device' }, admin)
  await credentials.create({ of: ofDevice, kind: 'token', role: 'device' }, admin)
  await assert.rejects(poll(early.secret), refused('claim-ended', /by now/))
  const late = claims.begin('pump-7', here)
  assert.equal(await poll(late.secret), undefined)
  await assert.rejects(claims.accept(late.claim.claim, { role: 'device' }, admin), refused('claim-refused', /has credentials/))
})

test('two that say the same name have codes of their own, and one of them is let in', async (t) => {
  const { claims, poll } = open(t)
  const [own, other] = [claims.begin('pump-7', here), claims.begin('pump-7', '10.0.0.2')]
  await claims.accept(own.claim.claim, { role: 'device' }, admin)
  await assert.rejects(claims.accept(other.claim.claim, { role: 'device' }, admin), refused('claim-refused', /another/))
  assert.ok(await poll(own.secret))
  assert.equal(await poll(other.secret), undefined)
})

test('one that is refused is told so, also when it had been accepted', async (t) => {
  const { claims, poll } = open(t)
  const [waits, accepted] = [claims.begin('pump-7', here), claims.begin('pump-8', here)]
  await claims.refuse(waits.claim.claim, admin)
  await claims.accept(accepted.claim.claim, { role: 'device' }, admin)
  await claims.refuse(accepted.claim.claim, admin)
  await assert.rejects(poll(waits.secret), refused('claim-ended', /was refused/))
  await assert.rejects(poll(accepted.secret, 'pump-8'), refused('claim-ended', /was refused/))
  await assert.rejects(claims.accept(waits.claim.claim, { role: 'device' }, admin), refused('claim-unknown'))
})

test('another secret, another name, or a quarter of an hour later: nothing, and it counts as a guess', async (t) => {
  const { claims, poll, clock, refusals } = open(t)
  const { claim, secret } = claims.begin('pump-7', here)
  await claims.accept(claim.claim, { role: 'device' }, admin)
  for (const [wrong, device] of [
    [makeToken('mrc_'), 'pump-7'],
    [makeToken('mrg_'), 'pump-7'],
    ['', 'pump-7'],
    [secret, 'pump-8'],
  ] as const)
    await assert.rejects(poll(wrong, device), refused('claim-ended', /unknown/))
  assert.equal(refusals.length, 4)
  clock.advance(limits.claimSeconds)
  await assert.rejects(poll(secret), refused('claim-ended'))
  assert.deepEqual(claims.all(), [])
})

test('codes are not guessed: ten wrong ones, and then none is looked at', async (t) => {
  const { claims } = open(t)
  const { claim } = claims.begin('pump-7', here)
  for (let at = 0; at < limits.passwordFailuresPerAddress; at++)
    await assert.rejects(claims.accept(`BCDF-${at}`, { role: 'device' }, admin), refused('claim-unknown'))
  await assert.rejects(claims.accept(claim.claim, { role: 'device' }, admin), refused('too-many-failures'))
  await claims.accept(claim.claim, { role: 'device' }, { who: 'bob', from: '10.0.0.9' })
})

test('claims are bounded, by address and in all, and make room when their time is over', (t) => {
  const { claims, clock } = open(t)
  for (const name of ['a', 'b', 'c']) claims.begin(name, '2001:db8::1')
  assert.throws(() => claims.begin('d', '2001:db8::2'), refused('too-many-claims', /claimsPerAddress/))
  claims.begin('d', here)
  assert.throws(() => claims.begin('e', '10.0.0.2'), refused('too-many-claims', /claims\)/))
  clock.advance(limits.claimSeconds)
  claims.begin('e', '10.0.0.2')
  for (const id of ['a/b', '#', '']) assert.throws(() => claims.begin(id, here), refused('device-id-invalid'))
})

test('when the disk fails nothing is accepted, and nothing fetched; both may be tried again', async (t) => {
  const { claims, store, poll, credentials } = open(t)
  const { claim, secret } = claims.begin('pump-7', here)
  store.failing = true
  await assert.rejects(claims.accept(claim.claim, { role: 'device' }, admin), /disk is gone/)
  assert.equal(await poll(secret), undefined)
  store.failing = false
  await claims.accept(claim.claim, { role: 'device' }, admin)
  store.failing = true
  await assert.rejects(poll(secret), /disk is gone/)
  store.failing = false
  assert.equal(credentials.byToken((await poll(secret)) as string)?.of.name, 'pump-7')
})

test('a hub that takes no claims says so', async (t) => {
  const { claims, poll } = open(t, false)
  assert.throws(() => claims.begin('pump-7', here), refused('claims-not-taken', /--allow-claims/))
  await assert.rejects(poll(makeToken('mrc_')), refused('claims-not-taken'))
})
