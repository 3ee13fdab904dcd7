// Tokens of another issuer, which is a real HTTP server here: what they prove, how keys change, and how seldom the issuer is asked.
import assert from 'node:assert/strict'
import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { type JwtIssuer, Jwts } from '../../hub/access/jwt.ts'
import { Refusal } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { startMs } from './kit.ts'

interface Pair {
  readonly kid: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

const newPair = (kid: string): Pair => ({ kid, ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) })
const [first, second] = [newPair('first'), newPair('second')]
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
const claims = { iss: 'https://issuer.example', aud: 'mooring', sub: 'pump-7', exp: startMs / 1000 + 600 }

/** RFC 7515 section 3.1, by hand. */
function tokenOf(payload: object, pair = first, header: object = { alg: 'ES256', kid: pair.kid }): string {
  const signed = `${part(header)}.${part(payload)}`
  return `${signed}.${sign('sha256', Buffer.from(signed), { key: pair.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

const jwksOf = (...pairs: Pair[]) =>
  JSON.stringify({ keys: pairs.map(({ kid, publicKey }) => ({ ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256' })) })

async function open(t: TestContext, changes: Partial<JwtIssuer> = {}, limitChanges: Partial<typeof limits> = {}) {
  const issuer = { asked: 0, answer: jwksOf(first), status: 200, headers: {} as Record<string, string> }
  const listener: RequestListener = (_, response) => {
    issuer.asked++
    response.writeHead(issuer.status, issuer.headers).end(issuer.answer)
  }
  const server = createServer(listener)
  t.after(() => server.close().closeAllConnections())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const keysUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`
  const clock = new HandClock(startMs)
  const failures: string[] = []
  const said: JwtIssuer = {
    ...{ issuer: 'https://issuer.example', audience: 'mooring', keysUrl, algorithms: ['ES256'], of: 'device', nameClaim: 'sub' },
    ...{ roleClaim: 'role', rolesAllowed: ['device', 'line'], role: 'device', ...changes },
  }
  const jwts = new Jwts(said, clock, (error) => failures.push(String(error)), { ...limits, ...limitChanges })
  return { jwts, issuer, clock, failures, said }
}

const refused = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code

describe('a token proves', () => {
  test('the device that it names, with its role, until it ends', async (t) => {
    const { jwts, issuer } = await open(t)
    assert.deepEqual(await jwts.verify(tokenOf(claims)), {
      ...{ of: { is: 'device', name: 'pump-7' }, role: 'device', credential: 'jwt https://issuer.example' },
      until: startMs + 630_000,
    })
    assert.equal((await jwts.verify(tokenOf({ ...claims, role: 'line' })))?.role, 'line')
    assert.equal(issuer.asked, 1)
  })

  test('nothing when it is for somebody else, over, not yet valid, or names nobody', async (t) => {
    const { jwts, clock } = await open(t)
    const { exp, sub, aud, iss, ...none } = claims
    const wrong: object[] = [
      { ...claims, aud: 'another' },
      { ...claims, iss: 'https://issuer.example/' },
      { ...claims, exp: startMs / 1000 - 31 },
      { ...claims, nbf: startMs / 1000 + 60 },
      { ...claims, sub: 'a/b' },
      { ...claims, sub: '#' },
      { ...claims, sub: 7 },
      { ...claims, role: 'admin' },
      { ...claims, role: ['line'] },
      ...[{ sub, aud, iss }, { exp, aud, iss }, { exp, sub, iss }, { exp, sub, aud }, none],
    ]
    for (const payload of wrong) assert.equal(await jwts.verify(tokenOf(payload)), undefined, JSON.stringify(payload))
    clock.advance(631)
    assert.equal(await jwts.verify(tokenOf(claims)), undefined)
  })

  test('nothing when its signature is not that of the issuer', async (t) => {
    const { jwts } = await open(t)
    const good = tokenOf(claims)
    const [header, , signature] = good.split('.')
    assert.ok(await jwts.verify(good))
    assert.equal(await jwts.verify(`${header}.${part({ ...claims, sub: 'pump-8' })}.${signature}`), undefined)
    assert.equal(await jwts.verify(tokenOf(claims, { ...second, kid: 'first' })), undefined)
    assert.equal(await jwts.verify(good.slice(0, -4)), undefined)
  })

  test('nothing by another algorithm: none, or the public key as a shared secret', async (t) => {
    const { jwts, issuer } = await open(t)
    for (const alg of ['none', 'None', 'HS256', 'RS256', 'ES384'])
      for (const end of ['', 'x', undefined]) {
        const signed = `${part({ alg, kid: 'first' })}.${part(claims)}`
        const key = first.publicKey.export({ type: 'spki', format: 'pem' })
        assert.equal(await jwts.verify(`${signed}.${end ?? createHmac('sha256', key).update(signed).digest('base64url')}`), undefined)
      }
    assert.equal(issuer.asked, 0)
  })

  test('nothing when it is no token, or endless', async (t) => {
    const { jwts, issuer } = await open(t)
    for (const text of ['', 'eyJ', 'eyJ.a.b', 'a.b.c', `${tokenOf(claims)}.x`, tokenOf({ ...claims, more: 'x'.repeat(9000) })])
      assert.equal(await jwts.verify(text), undefined)
    assert.equal(issuer.asked, 0)
    assert.ok(jwts.isLike(tokenOf(claims)) && !jwts.isLike('correct.horse.battery'))
  })
})

describe('the keys of the issuer', () => {
  test('change: a new one is found, and the issuer is asked once in 30 s, whatever comes', async (t) => {
    const { jwts, issuer, clock } = await open(t)
    assert.ok(await jwts.verify(tokenOf(claims)))
    issuer.answer = jwksOf(first, second)
    const storm = () =>
      Promise.all(Array.from({ length: 50 }, (_, at) => jwts.verify(tokenOf(claims, first, { alg: 'ES256', kid: `k${at}` }))))
    await storm()
    assert.equal(issuer.asked, 1)
    assert.equal(await jwts.verify(tokenOf(claims, second)), undefined)
    clock.advance(30)
    assert.ok(await jwts.verify(tokenOf(claims, second)))
    await storm()
    assert.equal(issuer.asked, 2)
  })

  test('are asked for once by many who come at the same time', async (t) => {
    const { jwts, issuer } = await open(t)
    const proven = await Promise.all(Array.from({ length: 200 }, () => jwts.verify(tokenOf(claims))))
    assert.ok(proven.every((one) => one !== undefined))
    assert.equal(issuer.asked, 1)
  })

  test('end when the issuer takes them back, within the time that they are fresh', { timeout: 10_000 }, async (t) => {
    const { jwts, issuer, clock } = await open(t)
    const token = tokenOf({ ...claims, exp: startMs / 1000 + 7200 })
    assert.ok(await jwts.verify(token))
    issuer.answer = jwksOf(second)
    clock.advance(601)
    await jwts.verify(token) // which makes the hub ask
    while (issuer.asked < 2 || (await jwts.verify(token)) !== undefined) await new Promise((resolve) => setImmediate(resolve))
  })

  test('that cannot be had let nobody in, and are asked for once in 30 s; those known are believed for an hour', async (t) => {
    const { jwts, issuer, clock, failures } = await open(t)
    const token = tokenOf({ ...claims, exp: startMs / 1000 + 72_000 })
    issuer.status = 500
    for (let again = 0; again < 5; again++) await assert.rejects(jwts.verify(token), refused('authentication-unavailable'))
    assert.equal(issuer.asked, 1)
    assert.match(failures.join(), /answered 500/)
    issuer.status = 200
    clock.advance(30)
    assert.ok(await jwts.verify(token))
    issuer.status = 500
    clock.advance(3600)
    assert.ok(await jwts.verify(token))
    clock.advance(31)
    await assert.rejects(jwts.verify(token), refused('authentication-unavailable'))
  })

  test('are not taken when they are too long, no keys, or a redirect', async (t) => {
    const { jwts, issuer, clock, failures } = await open(t, {}, { jwksBytes: 1000 })
    const answers = [jwksOf(first) + ' '.repeat(1000), '{', '[]', '{"keys":7}']
    for (const answer of answers) {
      issuer.answer = answer
      await assert.rejects(jwts.verify(tokenOf(claims)), refused('authentication-unavailable'))
      clock.advance(30)
    }
    Object.assign(issuer, { status: 302, headers: { location: '/keys' } })
    await assert.rejects(jwts.verify(tokenOf(claims)), refused('authentication-unavailable'))
    assert.equal(failures.length, 5)
    assert.equal(issuer.asked, 5)
  })
})

test('past a bound of those under way, one is sent away', async (t) => {
  const { jwts } = await open(t, {}, { jwtsUnderWay: 3 })
  const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => jwts.verify(tokenOf(claims))))
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 3)
  for (const outcome of outcomes) if (outcome.status === 'rejected') assert.ok(refused('authentication-busy')(outcome.reason))
})

test('an issuer that cannot be used safely is not taken', async (t) => {
  const { said, clock } = await open(t)
  const wrong: readonly (readonly [object, RegExp])[] = [
    [{ algorithms: ['ES256', 'none'] }, /"none"/],
    [{ algorithms: ['HS256'] }, /"HS256"/],
    [{ algorithms: [] }, /algorithms/],
    [{ keysUrl: 'http://issuer.example/keys' }, /https/],
    [{ keysUrl: 'http://127.0.0.1.example/keys' }, /https/],
    [{ keysUrl: 'https://a:b@issuer.example/keys' }, /https/],
    [{ keysUrl: '/keys' }, /https/],
    [{ audience: '' }, /audience/],
  ]
  for (const [change, sentence] of wrong) assert.throws(() => new Jwts({ ...said, ...change }, clock, () => {}), sentence)
})
