// A service that knows the passwords, a real HTTP server here: what it says, what it does not say, and how seldom it is asked.
import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { Breaker } from '../../hub/access/breaker.ts'
import { Callback, type CallbackOptions } from '../../hub/access/callback.ts'
import { Refusal } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { startMs } from './kit.ts'

type Answer = readonly [status: number, body: unknown] | 'silence'

async function open(t: TestContext, limitChanges: Partial<typeof limits> = {}, changes: Partial<CallbackOptions> = {}) {
  const service = {
    asked: [] as { clientId: string; username: string; password: string; address: string }[],
    headers: {} as IncomingHttpHeaders,
  }
  const told = { answer: [200, { device: 'pump-7' }] as Answer, onAsked: (): Promise<void> | void => {} }
  const listener: RequestListener = async (request, response) => {
    const body: string[] = []
    for await (const chunk of request.setEncoding('utf8')) body.push(chunk as string)
    service.asked.push(JSON.parse(body.join('')))
    service.headers = request.headers
    await told.onAsked()
    if (told.answer === 'silence') response.destroy()
    else
      response
        .writeHead(told.answer[0], { location: '/' })
        .end(typeof told.answer[1] === 'string' ? told.answer[1] : JSON.stringify(told.answer[1]))
  }
  const server = createServer(listener)
  t.after(() => server.close().closeAllConnections())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const clock = new HandClock(startMs)
  const failures: string[] = []
  const options = { url, authorization: 'Bearer hub', rolesAllowed: ['line'], role: 'device', ...changes }
  const callback = new Callback(options, clock, (error) => failures.push(String(error)), { ...limits, ...limitChanges })
  const prove = (username: string, password = 'correct horse', address = '10.0.0.1', clientId = 'pump-7') =>
    callback.prove({
      clientId,
      username,
      password: Buffer.from(password),
      address,
      token: undefined,
      host: undefined,
      certificate: undefined,
    })
  return { service, told, clock, failures, prove, callback }
}

const refused = (code: string) => (error: unknown) => error instanceof Refusal && error.code === code

describe('the service', () => {
  test('is told what was presented, and says whom it proves, with which role and for how long', async (t) => {
    const { service, told, prove } = await open(t)
    const proven = await prove('pump', 'ä b')
    assert.deepEqual(service.asked, [{ clientId: 'pump-7', username: 'pump', password: 'ä b', address: '10.0.0.1' }])
    assert.equal(service.headers.authorization, 'Bearer hub')
    assert.deepEqual([proven?.of, proven?.role, proven?.until], [{ is: 'device', name: 'pump-7' }, 'device', undefined])
    assert.match(proven?.credential ?? '', /^callback 127\.0\.0\.1:\d+$/)
    told.answer = [200, { key: 'mes', role: 'line', seconds: 5 }]
    const key = await prove('mes')
    assert.deepEqual([key?.of, key?.role, key?.until], [{ is: 'key', name: 'mes' }, 'line', startMs + 5000])
  })

  test('says no by 401 and 403', async (t) => {
    const { told, prove, failures } = await open(t)
    for (const status of [401, 403]) {
      told.answer = [status, { device: 'pump-7' }]
      assert.equal(await prove(`pump ${status}`), undefined)
    }
    assert.deepEqual(failures, [])
  })

  test('lets nobody in by anything else it says', async (t) => {
    const { told, prove, failures, clock } = await open(t)
    const bodies = [
      '',
      '{',
      'true',
      [],
      {},
      { device: '' },
      { device: 'a/b' },
      { device: '#' },
      { key: '' },
      { device: 'a', key: 'b' },
      { key: 7 },
    ]
    const answers: Answer[] = bodies.map((body) => [200, body])
    answers.push(
      [200, { device: 'a', role: 'admin' }],
      [200, { device: 'a', seconds: -1 }],
      [200, ' '.repeat(20_000)],
      [204, ''],
      [500, { device: 'a' }],
    )
    answers.push([302, { device: 'a' }], 'silence')
    for (const [at, answer] of answers.entries()) {
      told.answer = answer
      await assert.rejects(prove(`pump ${at}`), refused('authentication-unavailable'), JSON.stringify(answer))
      clock.advance(10)
    }
    assert.equal(failures.length, answers.length)
  })

  test('is not asked about what cannot be a password', async (t) => {
    const { service, prove, callback } = await open(t)
    assert.equal(await prove('pump', 'x'.repeat(1000)), undefined)
    assert.equal(await prove('x'.repeat(1000)), undefined)
    const presented = {
      clientId: 'pump-7',
      username: 'pump',
      address: '10.0.0.1',
      token: undefined,
      host: undefined,
      certificate: undefined,
    }
    assert.equal(await callback.prove({ ...presented, password: Buffer.from([0xff]) }), undefined)
    assert.equal(await callback.prove({ ...presented, password: undefined }), undefined)
    assert.deepEqual(service.asked, [])
  })
})

describe('its answers', () => {
  test('are remembered for a minute, for the same question alone', async (t) => {
    const { service, prove, clock } = await open(t)
    await Promise.all(Array.from({ length: 100 }, () => prove('pump')))
    assert.equal(service.asked.length, 1)
    clock.advance(59)
    await prove('pump')
    assert.equal(service.asked.length, 1)
    for (const other of [
      prove('pumq'),
      prove('pump', 'other horse'),
      prove('pump', 'correct horse', '10.0.0.2'),
      prove('pump', 'correct horse', '10.0.0.1', 'b'),
    ])
      await other
    assert.equal(service.asked.length, 5)
    clock.advance(1)
    await prove('pump')
    assert.equal(service.asked.length, 6)
  })

  test('hold no longer than it says, and a no for ten seconds', async (t) => {
    const { service, told, prove, clock } = await open(t)
    told.answer = [200, { device: 'pump-7', seconds: 5 }]
    await prove('pump')
    clock.advance(5)
    told.answer = [401, '']
    assert.equal(await prove('pump'), undefined)
    clock.advance(9)
    assert.equal(await prove('pump'), undefined)
    assert.equal(service.asked.length, 2)
    clock.advance(1)
    told.answer = [200, { device: 'pump-7' }]
    assert.ok(await prove('pump'))
  })

  test('are remembered up to a bound', async (t) => {
    const { service, prove } = await open(t, { callbacksRemembered: 2 })
    for (const name of ['a', 'b', 'c', 'c', 'b', 'a']) await prove(name)
    assert.deepEqual(
      service.asked.map(({ username }) => username),
      ['a', 'b', 'c', 'a'],
    )
  })
})

describe('when it is slow or gone', () => {
  test('no more than a few wait for it; who comes then is sent away', async (t) => {
    const { told, prove } = await open(t, { callbacksUnderWay: 2 })
    let resolve = () => {}
    const released = new Promise<void>((release) => {
      resolve = release
    })
    told.onAsked = () => released
    const waiting = [prove('a'), prove('b')]
    await assert.rejects(prove('c'), refused('authentication-busy'))
    resolve()
    assert.equal((await Promise.all(waiting)).length, 2)
    assert.ok(await prove('c'))
  })

  test('it is left alone after five failures, and tried by one after ten seconds; what it said before still holds', async (t) => {
    const { service, told, prove, clock } = await open(t)
    await prove('early')
    told.answer = 'silence'
    for (let failure = 0; failure < 5; failure++) await assert.rejects(prove(`pump ${failure}`), refused('authentication-unavailable'))
    assert.equal(service.asked.length, 6)
    for (let more = 0; more < 20; more++) await assert.rejects(prove(`more ${more}`), refused('authentication-unavailable'))
    assert.ok(await prove('early'))
    assert.equal(service.asked.length, 6)
    clock.advance(10)
    const trial = await Promise.allSettled(Array.from({ length: 10 }, (_, at) => prove(`trial ${at}`)))
    assert.ok(trial.every(({ status }) => status === 'rejected'))
    assert.equal(service.asked.length, 7)
    clock.advance(10)
    told.answer = [200, { device: 'pump-7' }]
    assert.ok(await prove('back'))
    assert.ok(await prove('back again'))
  })

  test('the breaker closes by a success, and counts failures in a row', () => {
    const clock = new HandClock(startMs)
    const breaker = new Breaker(clock, 2, 1000)
    for (const outcome of ['failed', 'succeeded', 'failed'] as const) {
      assert.ok(breaker.admits())
      breaker[outcome]()
    }
    assert.equal(breaker.state, 'closed')
    breaker.failed()
    assert.equal(breaker.state, 'open')
    clock.advance(1)
    assert.ok(breaker.admits() && !breaker.admits())
    assert.equal(breaker.state, 'trying')
    breaker.succeeded()
    assert.equal(breaker.state, 'closed')
  })
})

test('one address that guesses is stopped before it is asked', async (t) => {
  const { service, told, prove } = await open(t)
  told.answer = [401, '']
  for (let guess = 0; guess < 10; guess++) assert.equal(await prove('pump', `guess ${guess}`), undefined)
  await assert.rejects(prove('pump', 'another'), refused('too-many-failures'))
  assert.equal(service.asked.length, 10)
  assert.equal(await prove('pump', 'another', '10.0.0.2'), undefined)
})

test('passwords are sent over TLS, or to this machine', async (t) => {
  for (const url of [
    'http://auth.example/',
    'ftp://127.0.0.1/',
    'auth',
    'http://localhost.example/',
    'https://user:password@auth.example/',
  ])
    await assert.rejects(open(t, {}, { url }), /https/)
})
