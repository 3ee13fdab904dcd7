// The book of credentials: found while they are valid, gone when they are not, whole after a restart, and their secrets nowhere.
import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { describe, type TestContext, test } from 'node:test'
import type { Owner } from '../../hub/access/credential.ts'
import { Credentials, type CredentialsParts } from '../../hub/access/credentials.ts'
import { Refusal } from '../../hub/errors.ts'
import { admin, MemoryAccessStore, newTime, startMs } from './kit.ts'

const pump: Owner = { is: 'device', name: 'pump-7' }
const line: Owner = { is: 'key', name: 'line-3' }
const wantedToken = { of: pump, kind: 'token', role: 'device' } as const
const limits = { credentials: 6, credentialsPerOwner: 3, passwordsPerUsername: 2, credentialTextBytes: 128, credentialUses: 2 }
const fingerprint = `fingerprint:${Array(32).fill('AB').join(':')}`

function open(t: TestContext, store = new MemoryAccessStore(), changes: Partial<CredentialsParts> = {}) {
  const time = newTime(t)
  const ended: string[] = []
  const failures: unknown[] = []
  const book = new Credentials({
    store,
    key: createSecretKey(Buffer.alloc(32, 1)),
    hashPassword: async (password) => `phc of ${Buffer.from(password).length} bytes`,
    ...time,
    onEnded: (credential, why) => ended.push(`${credential.id} ${why}`),
    onFailure: (error) => failures.push(error),
    limits,
    ...changes,
  })
  return { book, store, ended, failures, ...time }
}

function refused(code: string, detail = /./) {
  return (error: unknown) => error instanceof Refusal && error.code === code && detail.test(error.message)
}

describe('a token', () => {
  test('is told once, found by itself, and lies nowhere', async (t) => {
    const { book, store } = open(t)
    const { credential, secret } = await book.create({ ...wantedToken, label: 'first' }, admin)
    assert.equal(book.byToken(secret as string)?.id, credential.id)
    assert.equal(book.byToken(`${secret}x`), undefined)
    assert.deepEqual(book.of(pump), [credential])
    assert.ok(book.isOwner(pump) && !book.isOwner({ is: 'key', name: 'pump-7' }))
    for (const text of [store.text, JSON.stringify([...book.all()])]) assert.ok(!text.includes((secret as string).slice(4, 47)))
  })

  test('opens nothing before it is on disk, nor when the disk fails', async (t) => {
    const { book, store } = open(t)
    const making = book.create({ ...wantedToken, kind: 'certificate', name: fingerprint }, admin)
    await Promise.resolve() // its write is under way
    assert.ok(book.isOwner(pump))
    assert.equal(book.byCertificate(fingerprint), undefined)
    await making
    assert.ok(book.byCertificate(fingerprint))
    store.failing = true
    await assert.rejects(book.create(wantedToken, admin), /disk is gone/)
    assert.equal(book.of(pump).length, 1)
  })

  test('is there after a restart, with what is said of it and its last use', async (t) => {
    const first = open(t)
    const until = startMs + 3_600_000
    const { credential, secret } = await first.book.create({ ...wantedToken, label: 'ä', until }, admin)
    first.book.used(credential)
    await first.book.stop()
    const { book } = open(t, first.store.restarted())
    assert.deepEqual(book.byToken(secret as string), credential)
    assert.equal(book.lastUsedAt(credential), startMs)
    assert.deepEqual(book.unreadable, [])
  })
})

describe('validity', () => {
  test('begins and ends at its moments, and whoever depends on it is told', async (t) => {
    const { book, clock, ended } = open(t)
    const { credential, secret } = await book.create({ ...wantedToken, from: startMs + 10_000, until: startMs + 20_000 }, admin)
    const found = () => book.byToken(secret as string) !== undefined
    assert.ok(!found())
    clock.advance(10)
    assert.ok(found())
    clock.advance(9)
    assert.ok(found())
    clock.advance(1)
    assert.ok(!found())
    clock.advance(2)
    assert.deepEqual(ended, [`${credential.id} expired`])
  })

  test('follows the wall clock when it is set, within an hour', async (t) => {
    const { book, clock, ended } = open(t)
    const day = 24 * 3_600_000
    const { credential, secret } = await book.create({ ...wantedToken, until: startMs + 2 * day }, admin)
    clock.jump(3 * day)
    assert.equal(book.byToken(secret as string), undefined)
    clock.advance(3605)
    assert.deepEqual(ended, [`${credential.id} expired`])
  })

  test('overlaps in a rotation: the old one and the new one are right until the old one ends', async (t) => {
    const { book, clock } = open(t)
    const old = await book.create(wantedToken, admin)
    const next = await book.create(wantedToken, admin)
    await book.change(old.credential.id, { until: startMs + 60_000 }, admin)
    const right = () => [old, next].map(({ secret }) => book.byToken(secret as string) !== undefined)
    assert.deepEqual(right(), [true, true])
    clock.advance(60)
    assert.deepEqual(right(), [false, true])
  })

  test('a disabled one opens nothing until it is enabled, also after a restart', async (t) => {
    const { book, store, ended } = open(t)
    const { credential, secret } = await book.create(wantedToken, admin)
    await book.change(credential.id, { disabled: true }, admin)
    assert.equal(book.byToken(secret as string), undefined)
    assert.deepEqual(ended, [`${credential.id} disabled`])
    const again = open(t, store.restarted()).book
    assert.equal(again.byToken(secret as string), undefined)
    await again.change(credential.id, { disabled: false }, admin)
    assert.equal(again.byToken(secret as string)?.id, credential.id)
  })

  test('an end in the past is an end now', async (t) => {
    const { book, ended } = open(t)
    const { credential, secret } = await book.create(wantedToken, admin)
    await book.change(credential.id, { until: startMs - 1 }, admin)
    assert.equal(book.byToken(secret as string), undefined)
    assert.deepEqual(ended, [`${credential.id} expired`])
  })

  test('a change that the disk does not take opens nothing, and closes all the same', async (t) => {
    const { book, store } = open(t)
    const { credential, secret } = await book.create({ ...wantedToken, until: startMs + 1000 }, admin)
    store.failing = true
    await assert.rejects(book.change(credential.id, { until: undefined }, admin), /disk is gone/)
    assert.equal(book.find(credential.id)?.until, startMs + 1000)
    await assert.rejects(book.change(credential.id, { disabled: true }, admin), /disk is gone/)
    assert.equal(book.byToken(secret as string), undefined)
  })
})

describe('a revocation', () => {
  test('is at once, told once, and lasts', async (t) => {
    const { book, store, ended } = open(t)
    const { credential, secret } = await book.create(wantedToken, admin)
    book.used(credential)
    const revoking = book.revoke(credential.id, admin)
    assert.equal(book.byToken(secret as string), undefined)
    await revoking
    assert.deepEqual(ended, [`${credential.id} revoked`])
    assert.equal(book.find(credential.id), undefined)
    assert.deepEqual(store.records(), [])
    assert.throws(() => book.revoke(credential.id, admin), refused('credential-unknown'))
  })

  test('that the disk does not take holds until the end of the process, and can be repeated', async (t) => {
    const { book, store } = open(t)
    const { credential, secret } = await book.create(wantedToken, admin)
    store.failing = true
    await assert.rejects(book.revoke(credential.id, admin), /disk is gone/)
    assert.equal(book.byToken(secret as string), undefined)
    await assert.rejects(book.change(credential.id, { disabled: false }, admin), refused('credential-unknown'))
    store.failing = false
    await book.revoke(credential.id, admin)
    assert.deepEqual(store.records(), [])
  })

  test('of all that a device has, also of the one that is just being made', async (t) => {
    const { book, store, ended } = open(t)
    const { credential } = await book.create(wantedToken, admin)
    await book.create({ ...wantedToken, of: line }, admin)
    const making = book.create(wantedToken, admin)
    const outcome = assert.rejects(making, refused('credential-unknown'))
    await Promise.resolve() // the token is hashed, its write is under way
    await book.revokeAll(pump, admin)
    await outcome
    assert.deepEqual(ended, [`${credential.id} revoked`])
    assert.deepEqual(book.of(pump), [])
    assert.equal(store.records('credential').length, 1)
  })
})

describe('user names and certificates', () => {
  test('a user name has an old and a new password, the newest first, and belongs to one', async (t) => {
    const { book, store } = open(t)
    const wanted = { of: pump, kind: 'password', name: 'pump', role: 'device' } as const
    const first = await book.create({ ...wanted, password: 'correct horse' }, admin)
    assert.equal(first.secret, undefined)
    const second = await book.create(wanted, admin)
    assert.match(second.secret as string, /^[\w-]{24}$/)
    assert.ok(!store.text.includes(second.secret as string) && !store.text.includes('correct horse'))
    assert.deepEqual(
      book.byUsername('pump').map(({ credential, hash }) => [credential.id, hash]),
      [
        [second.credential.id, 'phc of 24 bytes'],
        [first.credential.id, 'phc of 13 bytes'],
      ],
    )
    await assert.rejects(book.create(wanted, admin), refused('too-many-credentials', /passwordsPerUsername/))
    await assert.rejects(book.create({ ...wanted, of: line }, admin), refused('credential-invalid', /another one/))
    assert.deepEqual(book.byUsername('Pump'), [])
    await book.revokeAll(pump, admin)
    assert.deepEqual(book.byUsername('pump'), [])
  })

  test('a certificate is found by its fingerprint or a name, and belongs to one', async (t) => {
    const { book } = open(t)
    const wanted = { of: pump, kind: 'certificate', name: fingerprint, role: 'device' } as const
    const { credential, secret } = await book.create(wanted, admin)
    assert.equal(secret, undefined)
    await book.create({ ...wanted, name: 'cn:pump-7.example' }, admin)
    assert.equal(book.byCertificate(fingerprint)?.id, credential.id)
    assert.equal(book.byCertificate('cn:pump-7.example')?.of.name, 'pump-7')
    await assert.rejects(book.create({ ...wanted, of: line }, admin), refused('credential-invalid', /already/))
  })
})

describe('bounds', () => {
  test('of one owner, and of all; two who ask at once do not both get the last place', async (t) => {
    const { book } = open(t)
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => book.create(wantedToken, admin)))
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 3)
    await assert.rejects(book.create(wantedToken, admin), refused('too-many-credentials', /credentialsPerOwner/))
    for (const name of ['a', 'b', 'c']) await book.create({ ...wantedToken, of: { is: 'device', name } }, admin)
    await assert.rejects(book.create({ ...wantedToken, of: line }, admin), refused('too-many-credentials', /limits\.credentials\)/))
  })

  test('those whose time is over make room', async (t) => {
    const { book, store, clock } = open(t)
    const first = await book.create({ ...wantedToken, until: startMs + 1000 }, admin)
    for (let more = 0; more < 2; more++) await book.create(wantedToken, admin)
    clock.advance(2)
    await book.create(wantedToken, admin)
    assert.equal(book.find(first.credential.id), undefined)
    assert.equal(store.records().length, 3)
  })

  test('what is asked for is checked, each with a clause', async (t) => {
    const { book, store } = open(t)
    const wrong: readonly (readonly [object, RegExp])[] = [
      [{ of: { is: 'device', name: 'a/b' } }, /device id/],
      [{ of: { is: 'key', name: '' } }, /names/],
      [{ label: 'x'.repeat(129) }, /128 bytes/],
      [{ label: 'a\u0000b' }, /control/],
      [{ name: 'x' }, /no name/],
      [{ password: 'correct horse' }, /user name/],
      [{ kind: 'password', name: '' }, /user name/],
      [{ kind: 'password', name: 'mrg_x' }, /no token/],
      [{ kind: 'password', name: 'x', password: 'short' }, /8 characters/],
      [{ kind: 'certificate', name: 'AB:CD' }, /fingerprint/],
      [{ kind: 'certificate', name: `${fingerprint}:00` }, /fingerprint/],
      [{ until: startMs - 1 }, /still to come/],
      [{ from: startMs + 10, until: startMs + 10 }, /still to come/],
      [{ from: Number.NaN }, /Unix ms/],
    ]
    for (const [change, clause] of wrong)
      await assert.rejects(book.create({ ...wantedToken, ...change }, admin), refused('credential-invalid', clause), JSON.stringify(change))
    assert.deepEqual(store.writes, [])
  })
})

test('last uses are written once a minute, a few at a time, and again when the disk failed', async (t) => {
  const { book, store, clock, failures } = open(t)
  const made = []
  for (const name of ['a', 'b', 'c']) made.push((await book.create({ ...wantedToken, of: { is: 'device', name } }, admin)).credential)
  const before = store.writes.length
  for (let login = 0; login < 1000; login++) for (const credential of made) book.used(credential)
  assert.equal(store.writes.length, before)
  const settled = () => new Promise((resolve) => setImmediate(resolve))
  store.failing = true
  clock.advance(62)
  await settled()
  assert.equal(failures.length, 1)
  store.failing = false
  clock.advance(61)
  await settled()
  assert.deepEqual(store.writes.slice(before), [2])
  clock.advance(61)
  await settled()
  assert.deepEqual(store.writes.slice(before), [2, 1])
  assert.equal(store.records('credential-use').length, 3)
})

test('a record that cannot be read opens nothing, and takes nobody else with it', async (t) => {
  const first = open(t)
  const { secret } = await first.book.create(wantedToken, admin)
  const { body } = first.store.records()[0] as { body: string }
  const good = JSON.parse(body) as object
  const damaged = [
    '',
    '{',
    'null',
    '[]',
    ...['of', 'kind', 'name', 'from', 'disabled', 'hash'].map((key) => JSON.stringify({ ...good, [key]: {} })),
  ]
  damaged.push(JSON.stringify({ ...good, hash: '' }), JSON.stringify({ ...good, kind: 'certificate', name: 'anything', hash: '' }))
  const records = damaged.map((text, at) => ({ kind: 'credential', id: `x${at}`, body: text }))
  const { book } = open(t, new MemoryAccessStore([...records, ...first.store.records()]))
  assert.equal(book.unreadable.length, damaged.length)
  assert.equal(book.size, 1)
  assert.equal(book.byToken(secret as string)?.of.name, 'pump-7')
})

test('the audit log says who did what from where', async (t) => {
  const { book, store } = open(t)
  const { credential } = await book.create({ ...wantedToken, label: 'first' }, admin)
  await book.change(credential.id, { disabled: true }, admin)
  await book.revoke(credential.id, admin)
  assert.deepEqual(
    store.audits.map(({ who, from, action, target, outcome }) => `${who} ${from} ${action} ${target} ${outcome}`),
    ['create', 'change', 'revoke'].map((done) => `ada 127.0.0.1 credential.${done} device/pump-7 done`),
  )
  assert.equal(store.audits[0]?.detail, `token ${credential.id} (first)`)
})
