// Passwords: hashes as others make them, a bounded number at a time, and guessing that costs the hub nothing.
import assert from 'node:assert/strict'
import { argon2Sync } from 'node:crypto'
import { describe, test } from 'node:test'
import type { Kept } from '../../hub/access/credential.ts'
import { Failures, networkOf } from '../../hub/access/failures.ts'
import { PasswordLogins } from '../../hub/access/password-logins.ts'
import { Passwords } from '../../hub/access/passwords.ts'
import { Refusal } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { startMs } from './kit.ts'

/** So that a test takes milliseconds. */
const cheap = { memoryKiB: 64, passes: 1, lanes: 1 }
const bytes = (text: string) => Buffer.from(text)
const refused = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code

describe('a stored password', () => {
  test('is argon2id with 19 MiB and two passes, in a PHC string that others read', async () => {
    const stored = await new Passwords().hash(bytes('correct horse'))
    const [, salt, hash] = /^\$argon2id\$v=19\$m=19456,t=2,p=1\$([\w+/]{22})\$([\w+/]{43})$/.exec(stored) ?? []
    const parameters = { message: 'correct horse', nonce: Buffer.from(salt as string, 'base64'), parallelism: 1 }
    assert.equal(
      argon2Sync('argon2id', { ...parameters, tagLength: 32, memory: 19456, passes: 2 })
        .toString('base64')
        .slice(0, 43),
      hash,
    )
  })

  test('of another maker is read', async () => {
    // From the tests of the reference implementation: argon2id, v=19, t=2, m=64 MiB and 256 KiB, p=1, "password", "somesalt".
    const passwords = new Passwords()
    const stored = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'
    assert.ok(await passwords.matches(stored, bytes('password')))
    assert.ok(!(await passwords.matches(stored, bytes('Password'))))
  })

  test('matches the password it was made of, and no other; twice the same is stored differently', async () => {
    const passwords = new Passwords(cheap)
    const [first, second] = [await passwords.hash(bytes('ä b')), await passwords.hash(bytes('ä b'))]
    assert.notEqual(first, second)
    assert.ok(await passwords.matches(first, bytes('ä b')))
    for (const wrong of ['ä  b', 'a b', '', 'ä b\0']) assert.ok(!(await passwords.matches(first, bytes(wrong))))
  })

  test('that cannot be read, or asks for too much, matches nothing', async () => {
    const passwords = new Passwords(cheap)
    const stored = await passwords.hash(bytes('correct horse'))
    const wrong = [
      '',
      'correct horse',
      stored.slice(0, -1),
      `${stored} `,
      stored.replace('argon2id', 'argon2d'),
      stored.replace('m=64', 'm=4'),
    ]
    wrong.push(
      stored.replace('m=64', 'm=9999999'),
      stored.replace('t=1', 't=999'),
      stored.replace('p=1', 'p=0'),
      stored.replace('v=19', 'v=16'),
    )
    for (const one of wrong) assert.equal(await passwords.matches(one, bytes('correct horse')), false, one)
  })

  test('is compared by two at a time; beyond those who may wait, one is sent away', async () => {
    const passwords = new Passwords(cheap, { passwordHashes: 2, passwordHashesWaiting: 3 })
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => passwords.hash(bytes('correct horse'))))
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 5)
    for (const outcome of outcomes) if (outcome.status === 'rejected') assert.ok(refused('authentication-busy')(outcome.reason))
    await passwords.hash(bytes('there is room again'))
  })
})

/** Counts the hashes it computes. */
async function newLogins(changes: Partial<typeof limits> = {}) {
  const passwords = new Passwords(cheap)
  const clock = new HandClock(startMs)
  const stored = await passwords.hash(bytes('correct horse'))
  const of = { is: 'device', name: 'pump-7' } as const
  const said = {
    of,
    kind: 'password',
    name: 'pump',
    role: 'device',
    label: '',
    createdAt: 0,
    from: 0,
    until: undefined,
    disabled: false,
  } as const
  const book = new Map<string, Kept[]>([['pump', [{ credential: { id: 'c1', ...said }, hash: stored }]]])
  const counted = { hashes: 0 }
  const counting = {
    hash: (password: Uint8Array) => passwords.hash(password),
    matches(one: string, password: Uint8Array) {
      counted.hashes++
      return passwords.matches(one, password)
    },
  }
  const credentials = { byUsername: (username: string) => book.get(username) ?? [] }
  const logins = new PasswordLogins({ credentials, passwords: counting, clock, limits: { ...limits, ...changes } })
  const login = async (username: string, password: string, address: string) => (await logins.login(username, bytes(password), address))?.id
  return { logins, login, counted, clock, book, passwords }
}

describe('a login', () => {
  test('is right with the right password, and then at once, without a hash', async () => {
    const { logins, login, counted, clock } = await newLogins()
    assert.equal(await login('pump', 'correct horse', '10.0.0.1'), 'c1')
    assert.equal(counted.hashes, 1)
    for (let again = 0; again < 10_000; again++) {
      const found = logins.login('pump', bytes('correct horse'), `10.0.${again % 250}.1`)
      assert.ok(found !== undefined && !(found instanceof Promise))
    }
    assert.equal(await login('pump', 'correct horsf', '10.0.0.1'), undefined)
    assert.equal(counted.hashes, 2)
    clock.advance(15 * 60)
    assert.equal(await login('pump', 'correct horse', '10.0.0.1'), 'c1')
    assert.equal(counted.hashes, 3)
  })

  test('with a password that is not right any more is wrong at once', async () => {
    const { login, book, passwords } = await newLogins()
    assert.equal(await login('pump', 'correct horse', '10.0.0.1'), 'c1')
    const [kept] = book.get('pump') as [Kept]
    book.set('pump', [{ ...kept, hash: await passwords.hash(bytes('another horse')) }])
    assert.equal(await login('pump', 'correct horse', '10.0.0.1'), undefined)
    book.delete('pump')
    assert.equal(await login('pump', 'another horse', '10.0.0.1'), undefined)
  })

  test('whose credential is revoked while the hash is computed is wrong', async () => {
    const { logins, book } = await newLogins()
    const under = logins.login('pump', bytes('correct horse'), '10.0.0.1')
    book.delete('pump')
    assert.equal(await under, undefined)
  })

  test('with an unknown user name costs a hash as a known one does, and with endless text none', async () => {
    const { login, counted } = await newLogins()
    assert.equal(await login('nobody', 'correct horse', '10.0.0.1'), undefined)
    assert.equal(counted.hashes, 1)
    assert.equal(await login('pump', 'x'.repeat(1000), '10.0.0.1'), undefined)
    assert.equal(await login('x'.repeat(1000), 'x', '10.0.0.1'), undefined)
    assert.equal(counted.hashes, 1)
  })
})

describe('guessing', () => {
  test('from one address ends after ten, whoever is guessed; others come in, and it may again later', async () => {
    const { login, counted, clock } = await newLogins()
    for (let guess = 0; guess < 10; guess++) assert.equal(await login(guess % 2 ? 'pump' : 'nobody', `${guess}`, '10.0.0.1'), undefined)
    for (const username of ['pump', 'nobody', 'new'])
      await assert.rejects(login(username, 'correct horse', '10.0.0.1'), refused('too-many-failures'))
    assert.equal(counted.hashes, 10)
    assert.equal(await login('pump', 'correct horse', '10.0.0.2'), 'c1')
    clock.advance(6)
    assert.equal(await login('nobody', 'x', '10.0.0.1'), undefined)
    await assert.rejects(login('nobody', 'x', '10.0.0.1'), refused('too-many-failures'))
  })

  test('from many addresses costs fifty hashes and five a second; who was right before from its address comes in', async () => {
    const { login, counted, clock, book, passwords } = await newLogins()
    const [kept] = book.get('pump') as [Kept]
    assert.equal(await login('pump', 'correct horse', '10.9.9.9'), 'c1')
    counted.hashes = 0
    const storm = async () => {
      const guesses = Array.from({ length: 500 }, (_, at) => login(at % 2 ? 'pump' : `nobody-${at}`, 'x', `10.1.${at >> 8}.${at & 255}`))
      const outcomes = await Promise.allSettled(guesses)
      for (const outcome of outcomes) if (outcome.status === 'rejected') assert.ok(refused('authentication-busy')(outcome.reason))
    }
    await storm()
    assert.equal(counted.hashes, 50)
    clock.advance(1)
    await storm()
    assert.equal(counted.hashes, 55)
    // Its password was changed, so nothing is remembered of it but the address.
    book.set('pump', [{ ...kept, hash: await passwords.hash(bytes('another horse')) }])
    await assert.rejects(login('pump', 'another horse', '10.9.9.8'), refused('authentication-busy'))
    assert.equal(await login('pump', 'another horse', '10.9.9.9'), 'c1')
  })

  test('many devices behind one address come in at once, as long as none was wrong', () => {
    const failures = new Failures(new HandClock(startMs))
    const attempts = Array.from({ length: 30 }, (_, at) => failures.begin('10.0.0.1', `pump-${at}`, false))
    for (const attempt of attempts) attempt.end(false)
    failures.begin('10.0.0.1', 'pump-1', false).end(true)
    const nine = Array.from({ length: 9 }, (_, at) => failures.begin('10.0.0.1', `pump-${at}`, false))
    assert.throws(() => failures.begin('10.0.0.1', 'pump-99', false), refused('authentication-busy'))
    for (const attempt of nine) attempt.end(true)
    assert.throws(() => failures.begin('10.0.0.1', 'pump-99', false), refused('too-many-failures'))
  })

  test('what was under way when the allowance ended is owed, and paid with time', () => {
    const clock = new HandClock(startMs)
    const failures = new Failures(clock)
    for (const attempt of Array.from({ length: 30 }, (_, at) => failures.begin('10.0.0.1', `${at}`, true))) attempt.end(true)
    clock.advance(20 * 6)
    assert.throws(() => failures.begin('10.0.0.1', 'x', true), refused('too-many-failures'))
    clock.advance(6)
    failures.begin('10.0.0.1', 'x', true)
  })

  test('is remembered of a bounded number of addresses', () => {
    const clock = new HandClock(startMs)
    const failures = new Failures(clock, { ...limits, passwordFailureNames: 3, passwordFailuresPerAddress: 1 })
    for (const address of ['1', '2', '3', '4']) failures.begin(address, 'x', true).end(true)
    assert.throws(() => failures.begin('4', 'x', true), refused('too-many-failures'))
    failures.begin('1', 'x', true).end(false) // forgotten for the newer ones
  })

  test('counts a /64 of IPv6 as one address', () => {
    assert.equal(networkOf('2001:db8::1'), '2001:db8::/64')
    assert.equal(networkOf('2001:0db8:0:0:ffff::7'), '2001:db8::/64')
    assert.notEqual(networkOf('2001:db8:0:1::1'), networkOf('2001:db8::1'))
    assert.equal(networkOf('::1'), '::/64')
    assert.equal(networkOf('::ffff:10.0.0.1'), '10.0.0.1')
    assert.equal(networkOf('10.0.0.1'), '10.0.0.1')
    assert.equal(networkOf('not an address'), 'not an address')
  })
})
