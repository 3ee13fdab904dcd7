// Who is shut out because authentications failed: whom it hits, whom it must not, how it ends, and what is remembered of it.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Bans, type BansParts } from '../../hub/access/bans.ts'
import { Refusal, type RefusalCode } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import { admin, newTime, startMs } from './kit.ts'

const address = '198.51.100.7'
const { failuresPerAddress, failuresAmongOthers, failuresPerName, banSeconds } = limits

function open(t: TestContext, changes: Partial<BansParts> = {}) {
  const time = newTime(t)
  const audits: string[] = []
  const bans = new Bans({
    ...time,
    isProxy: (one) => one === '192.0.2.1',
    audit: (action, target, { who }, detail) => audits.push(`${who} ${action} ${target}: ${detail}`),
    ...changes,
  })
  let last = 0
  /** So many that are different from all before. */
  const fail = (count: number, from = address, who = '', code: RefusalCode = 'bad-credentials') => {
    for (let at = 0; at < count; at++) bans.failed({ who, from, code, proof: `guess ${++last}` })
  }
  return { bans, audits, fail, ...time }
}

test('past the bound an address is shut out for a quarter of an hour, and says so when it begins and when it ends', (t) => {
  const { bans, audits, fail, clock } = open(t)
  fail(failuresPerAddress)
  assert.ok(!bans.isShutOut(address))
  fail(1)
  assert.throws(
    () => bans.assertFree(address),
    (error) => error instanceof Refusal && error.code === 'address-banned' && error.againInSeconds === banSeconds,
  )
  assert.ok(bans.isShutOut(address))
  bans.assertFree('198.51.100.8')
  assert.deepEqual(bans.all(), [{ address, since: startMs, until: startMs + banSeconds * 1000, failures: 31, refused: 2 }])
  assert.deepEqual(audits, [`hub ban.begin address/${address}: 31 authentications failed, the last with bad-credentials`])
  clock.advance(banSeconds - 1)
  assert.ok(bans.isShutOut(address))
  clock.advance(3)
  assert.ok(!bans.isShutOut(address))
  assert.equal(audits[1], `hub ban.end address/${address}: connections and requests refused by it: 3`)
  fail(failuresPerAddress)
  assert.ok(!bans.isShutOut(address), 'it begins anew')
})

test('the same wrong thing again is one failure, however often it comes', (t) => {
  const { bans } = open(t)
  for (let at = 0; at < 10_000; at++) bans.failed({ who: 'pump-7', from: address, code: 'bad-credentials', proof: `old token ${at % 20}` })
  assert.ok(!bans.isShutOut(address))
})

test('one name that goes on failing shuts nobody out where others come in; many names do', (t) => {
  const { bans, fail, clock } = open(t)
  bans.letIn(address)
  fail(10_000, address, 'pump-7')
  assert.ok(!bans.isShutOut(address))
  for (let at = 0; at < failuresAmongOthers - failuresPerName; at++) fail(1, address, `pump-${at + 100}`)
  assert.ok(!bans.isShutOut(address))
  fail(1, address, 'one more')
  assert.ok(bans.isShutOut(address))
  clock.advance(2 * 24 * 3600)
  fail(failuresPerAddress + 1, address, 'pump-7')
  assert.ok(bans.isShutOut(address), 'a day later nobody else is known there')
})

test('a failure is forgiven in a minute', (t) => {
  const { bans, fail, clock } = open(t)
  for (let minute = 0; minute < 100; minute++) {
    fail(1)
    clock.advance(60)
  }
  fail(failuresPerAddress - 1)
  assert.ok(!bans.isShutOut(address))
  fail(2)
  assert.ok(bans.isShutOut(address))
})

test('this machine, proxies, who has no address, and what is no guess are never counted', (t) => {
  const { bans, fail } = open(t)
  for (const from of ['127.0.0.1', '::1', '::ffff:127.0.0.1', '192.0.2.1', 'unknown', '']) fail(1000, from)
  for (const code of [
    'too-many-failures',
    'authentication-busy',
    'authentication-unavailable',
    'not-authorized',
    'device-disabled',
  ] as const)
    fail(1000, address, '', code)
  assert.deepEqual(bans.all(), [])
})

test('a /64 of IPv6 is one address, and it is lifted by any of them', (t) => {
  const { bans, audits, fail } = open(t)
  for (let at = 0; at <= failuresPerAddress; at++) fail(1, `2001:db8::${at.toString(16)}`)
  assert.ok(bans.isShutOut('2001:db8::beef'))
  assert.ok(!bans.isShutOut('2001:db8:0:1::1'))
  assert.throws(
    () => bans.lift('2001:db8:0:1::1', admin),
    (error) => error instanceof Refusal && error.code === 'ban-unknown',
  )
  assert.equal(bans.lift('2001:db8::1', admin), '2001:db8::/64')
  fail(failuresPerAddress + 1, '2001:db8::1')
  assert.equal(bans.lift('2001:db8::/64', admin), '2001:db8::/64')
  assert.ok(!bans.isShutOut('2001:db8::1'))
  assert.equal(audits[1], 'ada ban.lift address/2001:db8::/64: connections and requests refused by it: 1')
})

test('what is remembered is bounded: the oldest ban makes room for the next, the oldest failures are forgotten', (t) => {
  const small = { ...limits, bans: 2, failingAddresses: 3 }
  const { bans, audits, fail } = open(t, { limits: small })
  for (const from of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) fail(failuresPerAddress + 1, from)
  assert.deepEqual(
    bans.all().map(({ address }) => address),
    ['10.0.0.2', '10.0.0.3'],
  )
  assert.ok(audits.some((entry) => entry.startsWith('hub ban.end address/10.0.0.1')))
  fail(failuresPerAddress, '10.0.1.1')
  for (const from of ['10.0.1.2', '10.0.1.3', '10.0.1.4']) fail(1, from)
  fail(1, '10.0.1.1')
  assert.equal(bans.all().length, 2)
})
