// The second factor: which codes are good and how often, who learns of it, what guessing costs, and what is on disk.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { stepOf } from '../../../hub/access/operators/second-factor.ts'
import { limits } from '../../../hub/limits.ts'
import { codeAt, wrongCode } from '../../kit/authenticator.ts'
import { admin, MemoryAccessStore } from '../kit.ts'
import { here, open, password, refused } from './kit.ts'

const val = { name: 'val', role: 'viewer', password }
const stepSeconds = 30

/** A user who has just turned it on. Its first code is used. */
async function enrolled(t: TestContext, opened = open(t)) {
  const { operators, users, logins, clock } = opened
  await users.create(val, admin)
  await operators.logIn('val', password, here)
  const login = logins.of('val')[0]?.credential as string
  const { secret, uri } = await operators.beginSecondFactor('val', password, here, login, 'val@hub')
  const recovery = await operators.secondFactors.confirm('val', codeAt(secret, clock.now()), here, login)
  const code = (steps = 0) => codeAt(secret, clock.now(), steps)
  const logIn = (code?: string, address = here) => operators.logIn('val', password, address, { code })
  return { ...opened, login, secret, uri, recovery, code, logIn }
}

test('codes are those of RFC 6238, appendix B, in their last six digits', () => {
  const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ' // 12345678901234567890
  for (const [seconds, code] of [
    [59, '287082'],
    [1111111109, '081804'],
    [1111111111, '050471'],
    [1234567890, '005924'],
    [2000000000, '279037'],
    [20000000000, '353130'],
  ] as const) {
    const step = Math.floor(seconds / stepSeconds)
    assert.equal(stepOf(secret, code, seconds * 1000, -1), step)
    assert.equal(codeAt(secret, seconds * 1000), code)
    assert.equal(stepOf(secret, `${code.slice(0, 3)} ${code.slice(3)}`, seconds * 1000, step - 1), step, 'as apps show it')
    assert.equal(stepOf(secret, code, seconds * 1000, step), undefined, 'used')
    for (const wrong of ['', code.slice(1), `${code}0`, `0${code}`, code.replace(/.$/, 'a')])
      assert.equal(stepOf(secret, wrong, seconds * 1000, -1), undefined, wrong)
  }
})

test('a code is good for one step before and after its own, once, and none before it is; that outlives a restart', async (t) => {
  const { clock, code, logIn, store, uri, secret } = await enrolled(t)
  assert.equal(uri, `otpauth://totp/Mooring:val%40hub?issuer=Mooring&secret=${secret}&algorithm=SHA1&digits=6&period=30`)
  await assert.rejects(logIn(), refused('second-factor-needed'))
  await assert.rejects(logIn(''), refused('second-factor-needed'))
  await assert.rejects(logIn(code()), refused('second-factor-wrong'), 'it turned the second factor on')
  assert.equal((await logIn(code(1))).user.name, 'val')
  await assert.rejects(logIn(code(0)), refused('second-factor-wrong'), 'older than one that was used')
  clock.advance(3 * stepSeconds)
  await assert.rejects(logIn(code(-2)), refused('second-factor-wrong'))
  await assert.rejects(logIn(code(2)), refused('second-factor-wrong'))
  await logIn(code(-1))
  await logIn(code())
  await assert.rejects(logIn(code()), refused('second-factor-wrong'))
  const after = open(t, { store: store.restarted() })
  after.clock.advance(3 * stepSeconds)
  assert.equal(after.clock.now(), clock.now())
  await assert.rejects(after.operators.logIn('val', password, here, { code: code() }), refused('second-factor-wrong'))
  await after.operators.logIn('val', password, here, { code: code(1) })
})

test('a recovery code is good once, however it is written, also after a restart; ten are made', async (t) => {
  const { recovery, logIn, store, users } = await enrolled(t)
  assert.equal(new Set(recovery).size, limits.recoveryCodes)
  for (const one of recovery) assert.match(one, /^[0-9a-hjkmnp-tv-z]{4}(-[0-9a-hjkmnp-tv-z]{4}){3}$/)
  const [first, second, third] = recovery as [string, string, string]
  await logIn(first)
  await assert.rejects(logIn(first), refused('second-factor-wrong'))
  await logIn(` ${second.replaceAll('-', '').replaceAll('1', 'l').replaceAll('0', 'O').toUpperCase()} `)
  assert.equal(users.secondFactorOf('val')?.recovery.length, 8)
  const after = open(t, { store: store.restarted() })
  for (const used of [first, second])
    await assert.rejects(after.operators.logIn('val', password, here, { code: used }), refused('second-factor-wrong'))
  await after.operators.logIn('val', password, here, { code: third })
  for (const one of recovery) assert.ok(!store.text.includes(one) && !store.text.includes(one.replaceAll('-', '')), 'none is on disk')
})

test('two who come with one code at once do not both get in', async (t) => {
  const { code, recovery, logIn, clock } = await enrolled(t)
  clock.advance(stepSeconds)
  for (const one of [code(), recovery[0] as string]) {
    const outcomes = await Promise.allSettled([logIn(one), logIn(one, '10.0.0.2'), logIn(one)])
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected'],
    )
  }
})

test('who has not proven the password learns nothing: no code, a wrong and the right one get one answer', async (t) => {
  const { operators, told, code, clock } = await enrolled(t)
  clock.advance(stepSeconds)
  const answers = new Set<string>()
  for (const [name, given] of [
    ['val', undefined],
    ['val', '123456'],
    ['val', code()],
    ['nobody', code()],
  ] as const) {
    const error: unknown = await operators.logIn(name, 'wrong wrong wrong', here, { code: given }).catch((why: unknown) => why)
    answers.add(JSON.stringify([(error as { code: string }).code, String(error)]))
  }
  assert.equal(answers.size, 1)
  assert.ok(told.slice(-4).every((one) => one.endsWith(' bad-credentials')))
  await operators.logIn('val', password, here, { code: code() }) // it was not used up
})

test('guessing codes ends after ten, from wherever they come; recovery codes go on, and one more guess is had after ten minutes', async (t) => {
  const { clock, code, secret, recovery, logIn, told, operators } = await enrolled(t)
  clock.advance(stepSeconds)
  const withoutPassword = (n: number) => operators.logIn('val', 'wrong wrong wrong', `10.4.${n}.1`, { code: '000000' })
  for (let n = 0; n < 5; n++) await assert.rejects(withoutPassword(n), refused('bad-credentials'))
  const codes: string[] = []
  for (let n = 0; n < 12; n++) {
    const error: unknown = await logIn(wrongCode(secret, clock.now()), `10.1.${n}.1`).catch((why: unknown) => why)
    codes.push((error as { code: string }).code)
  }
  assert.deepEqual(codes, [...Array<string>(10).fill('second-factor-wrong'), ...Array<string>(2).fill('too-many-codes')])
  assert.equal(told.at(-1), 'user/val 10.1.9.1 second-factor-wrong', 'who is asked of the audit log says that somebody knows the password')
  await assert.rejects(logIn(code(), '10.2.0.1'), refused('too-many-codes'), 'the right one is not even looked at')
  await logIn(recovery[0], '10.2.0.1')
  clock.advance(599)
  await assert.rejects(logIn(code(), '10.2.0.1'), refused('too-many-codes'))
  clock.advance(1)
  await logIn(code(), '10.2.0.1')
})

test('wrong codes of both kinds are failures of their address, as wrong passwords are', async (t) => {
  for (const wrong of ['000000', 'abcd-efgh-jkmn-pqrs']) {
    const { logIn, operators, recovery } = await enrolled(t)
    for (let n = 0; n < limits.passwordFailuresPerAddress; n++)
      await assert.rejects(logIn(wrong, '10.3.0.1'), refused('second-factor-wrong'))
    await assert.rejects(operators.logIn('val', 'wrong wrong wrong', '10.3.0.1'), refused('too-many-failures'))
    await assert.rejects(logIn(recovery[0], '10.3.0.1'), refused('too-many-failures'))
    await logIn(recovery[0], '10.3.0.2')
  }
})

test('it is turned on by the login that began it, within ten minutes; all other logins of the user end', async (t) => {
  const { operators, users, logins, clock, store, told } = open(t)
  await users.create(val, admin)
  const cookies: string[] = []
  for (let n = 0; n < 3; n++) cookies.push((await operators.logIn('val', password, here)).cookie)
  const [mine, another] = logins.of('val').map(({ credential }) => credential) as [string, string]
  const begin = (secret = password) => operators.beginSecondFactor('val', secret, here, mine, 'val@hub')
  const confirm = (code: string, login = mine) => operators.secondFactors.confirm('val', code, here, login)
  await assert.rejects(begin('wrong wrong wrong'), refused('bad-credentials'))
  await assert.rejects(confirm('123456'), refused('second-factor-conflict'))
  const old = await begin()
  clock.advance(limits.enrolSeconds)
  await assert.rejects(confirm(codeAt(old.secret, clock.now())), refused('second-factor-conflict'))
  const { secret } = await begin()
  await assert.rejects(confirm(codeAt(old.secret, clock.now())), refused('second-factor-wrong'))
  await assert.rejects(confirm(codeAt(secret, clock.now()), another), refused('second-factor-conflict'))
  assert.ok(!store.text.includes(secret), 'it is on disk when it is on')
  await operators.logIn('val', password, here) // nor asked for before
  store.failing = true
  await assert.rejects(confirm(codeAt(secret, clock.now())), /disk/)
  assert.equal(users.secondFactorOf('val'), undefined)
  store.failing = false
  const again = await begin()
  await confirm(codeAt(again.secret, clock.now()))
  assert.deepEqual(
    cookies.map((cookie) => operators.find(cookie)?.user.name),
    ['val', undefined, undefined],
  )
  assert.equal(told.filter((one) => one === 'val: a second factor is needed').length, 3)
  assert.ok(store.writes.includes(4), 'the user and the ends of three logins are one write')
  await assert.rejects(begin(), refused('second-factor-conflict'))
  const { detail, who } = store.audits.at(-1) as { detail: string; who: string }
  assert.deepEqual([who, detail], ['user/val', 'second factor on'])
})

test('it goes by password and code, by an admin, or by a set-up link; then the password is enough', async (t) => {
  const { operators, users, code, recovery, logIn, clock, store } = await enrolled(t)
  const end = (secret: string, given: string) => operators.endSecondFactor('val', secret, here, given)
  clock.advance(stepSeconds)
  await assert.rejects(end('wrong wrong wrong', code()), refused('bad-credentials'))
  await assert.rejects(end(password, code(-1)), refused('second-factor-wrong'))
  await end(password, recovery[0] as string)
  await assert.rejects(end(password, code()), refused('second-factor-conflict'))
  await logIn()
  assert.equal(store.audits.filter(({ detail }) => detail === 'second factor off').length, 1)

  const second = await enrolled(t)
  await second.users.change('val', { secondFactor: null }, admin)
  await second.logIn()
  const third = await enrolled(t)
  const { token } = await third.operators.setUp.make(false, admin)
  await third.operators.setUpAdmin(token, 'val', password, here)
  await third.logIn()
  assert.ok(third.store.audits.some(({ action, detail }) => action === 'user.set-up' && detail === 'role admin, second factor off'))
  assert.equal(users.secondFactorOf('val'), undefined)
})

test('other changes of the user leave it as it is; a spent code stays spent though the disk is gone', async (t) => {
  const { users, code, logIn, clock, store, operators, recovery } = await enrolled(t)
  clock.advance(stepSeconds)
  await users.change('val', { role: 'operator', password: 'ten brown bottles' }, admin)
  const now = (given?: string) => operators.logIn('val', 'ten brown bottles', here, { code: given })
  await assert.rejects(logIn(code()), refused('bad-credentials'))
  await assert.rejects(now(), refused('second-factor-needed'))
  store.failing = true
  await assert.rejects(now(code()), /disk/)
  await assert.rejects(now(recovery[0]), /disk/)
  await assert.rejects(users.remove('val', admin), /disk/)
  store.failing = false
  await users.change('val', { disabled: false }, admin)
  await assert.rejects(now(code()), refused('second-factor-wrong'))
  await assert.rejects(now(recovery[0]), refused('second-factor-wrong'))
  const after = open(t, { store: store.restarted() })
  after.clock.advance(stepSeconds)
  const given = { code: recovery[0] }
  await assert.rejects(
    after.operators.logIn('val', 'ten brown bottles', here, given),
    refused('second-factor-wrong'),
    'written with the change',
  )
})

test('a password that changes, or a user who is shut out, while a code waits for its turn: it opens nothing', async (t) => {
  const first = await enrolled(t)
  first.clock.advance(stepSeconds)
  const write = first.store.write.bind(first.store)
  let late: Promise<unknown> | undefined
  first.store.write = (changes, audit) => {
    late ??= first.logIn(first.code()).catch((error: { code: string }) => error.code) // the password is still right
    return write(changes, audit)
  }
  await first.users.change('val', { password: 'ten brown bottles' }, admin)
  assert.equal(await late, 'bad-credentials')
  assert.equal(first.logins.of('val').length, 0)

  const second = await enrolled(t)
  second.clock.advance(stepSeconds)
  const disabled = second.users.change('val', { disabled: true }, admin)
  await assert.rejects(second.logIn(second.code()), refused('bad-credentials'))
  await disabled
  assert.equal(second.logins.of('val').length, 0)
})

test('a record from before has none, and one that cannot be read opens nothing', async (t) => {
  const { store } = await enrolled(t)
  const { secondFactor, ...before } = JSON.parse(store.records('user')[0]?.body as string) as { secondFactor: object }
  const damages = [null, true, {}, { ...secondFactor, secret: '' }, { ...secondFactor, step: 'x' }, { ...secondFactor, recovery: [1] }]
  const records = damages.map((damage, at) => ({ kind: 'user', id: `eve${at}`, body: JSON.stringify({ ...before, secondFactor: damage }) }))
  const old = { kind: 'user', id: 'old', body: JSON.stringify(before) }
  const { operators, users } = open(t, { store: new MemoryAccessStore([...records, old]) })
  assert.equal((await operators.logIn('old', password, here)).user.name, 'old')
  assert.deepEqual(users.unreadable, ['eve0', 'eve1', 'eve2', 'eve3', 'eve4', 'eve5'])
})
