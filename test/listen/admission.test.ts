// Who may open a connection: addresses, the names a browser asks for, the pages it comes from.

import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, type TestContext, test } from 'node:test'
import { Bans } from '../../hub/access/bans.ts'
import { isLoopback } from '../../hub/access/peer.ts'
import { type Settings, settingsWith } from '../../hub/config.ts'
import { Refusal } from '../../hub/errors.ts'
import { limits } from '../../hub/limits.ts'
import { Admission } from '../../hub/listen/admission.ts'
import { newTime } from '../access/kit.ts'
import { HandClock } from '../kit/clock.ts'
import { startHub, type TestHub } from '../kit/hub.ts'
import { dial } from '../kit/mqtt.ts'

const time = newTime({ after } as unknown as TestContext)
const noBans = new Bans({ ...time, isProxy: () => false, audit: () => {} })
const kind = { after } as unknown as TestContext
const [standard, closed, open] = await Promise.all([
  startHub(kind, { allowOrigin: ['https://tools.example'] }),
  startHub(kind, { allowAnonymous: 'nobody' }),
  startHub(kind, { allowAnonymous: 'everyone' }),
])

interface Answer {
  readonly status: number
  readonly code: string
  readonly allowed: string | undefined
}

/** fetch would not let us choose Host and Origin. */
function get(hub: TestHub, headers: Record<string, string>, path = '/v1/hub'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request(hub.url + path, { headers }, (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => (body += chunk.toString()))
      response.on('end', () => {
        const { code = '' } = JSON.parse(body) as { code?: string }
        resolve({ status: response.statusCode ?? 0, code, allowed: response.headers['access-control-allow-origin'] })
      })
    })
    asking.on('error', reject)
    asking.end()
  })
}

test('a name that someone pointed at this machine is refused: a browser there would be talking to us', async () => {
  for (const host of [
    'rebound.example',
    'rebound.example:8080',
    '127.0.0.1.rebound.example',
    'localhost.example',
    '10.0.0.7',
    '[::2]:80',
  ]) {
    const { status, code } = await get(standard, { host })
    assert.deepEqual([status, code], [403, 'origin-not-allowed'], host)
  }
})

test('whether it is alive and ready the hub tells everyone, as supervisors ask by address', async () => {
  for (const path of ['/healthz', '/readyz']) {
    for (const hub of [standard, closed]) assert.equal((await get(hub, { host: '10.0.0.7:8080' }, path)).status, 200)
  }
})

test('the names of this machine are taken', async () => {
  for (const host of ['localhost', 'localhost:8080', 'hub.localhost:8080', '127.0.0.1', '127.3.4.5:80', '[::1]', '[::1]:8080']) {
    assert.equal((await get(standard, { host })).status, 200, host)
  }
})

test('a page may talk to the hub that served it and to hubs that name it', async () => {
  const host = 'localhost:8080'
  for (const origin of ['http://localhost:8080', 'https://localhost:8080', 'https://tools.example']) {
    const { status, allowed } = await get(standard, { host, origin })
    assert.deepEqual([status, allowed], [200, origin])
  }
  for (const origin of [
    'null',
    'http://localhost',
    'http://localhost:8081',
    'http://tools.example',
    'https://tools.example:444',
    'https://evil.example',
  ]) {
    const { status, code, allowed } = await get(standard, { host, origin })
    assert.deepEqual([status, code, allowed], [403, 'origin-not-allowed', undefined], origin)
  }
})

test('the same holds for what changes something', async () => {
  const answer = await standard.post('/v1/devices/pump-7/telemetry', { t: 1 }, { origin: 'https://evil.example' })
  assert.equal(answer.status, 403)
  const { total } = (await standard.get('/v1/devices')) as { total: number }
  assert.equal(total, 0)
})

test('with --allow-anonymous any name will do, but still not any page', async () => {
  assert.equal((await get(open, { host: 'hub.example' })).status, 200)
  assert.equal((await get(open, { host: 'hub.example', origin: 'http://hub.example' })).status, 200)
  assert.equal((await get(open, { host: 'hub.example', origin: 'https://evil.example' })).status, 403)
})

test('with --allow-anonymous=nobody a client without credentials is refused on every wire', async (t) => {
  const { status, code } = await get(closed, {})
  assert.deepEqual([status, code], [401, 'not-authorized'])
  for (const version of [3, 4, 5] as const) {
    const client = await dial(t, closed, version)
    const connack = await client.connect('anyone')
    if (version === 5)
      assert.equal(connack.reasonCode, 0x87) // 5: [MQTT-3.1.4-2], [MQTT-3.2.2-7]
    else assert.equal(connack.returnCode, 5) // 3.1.1: [MQTT-3.1.4-1]
    await client.closed
  }
})

test('loopback means this machine, in both families and with a port behind it', () => {
  const admission = (allowAnonymous: Settings['allowAnonymous']) => new Admission(settingsWith({ allowAnonymous }), new HandClock(), noBans)
  const here = ['127.0.0.1', '127.9.9.9:1234', '::1', '[::1]:1234', '::ffff:127.0.0.1', '::ffff:127.0.0.1:1234']
  const elsewhere = ['10.0.0.1', '192.168.1.7:1883', '::ffff:10.0.0.1', 'fe80::1', '', '128.0.0.1']
  for (const address of here) {
    assert.equal(isLoopback(address), true, address)
    admission('loopback').assertAnonymous({ address, host: undefined })
    assert.throws(() => admission('nobody').assertAnonymous({ address, host: undefined }), Refusal)
  }
  for (const address of elsewhere) {
    assert.equal(isLoopback(address), false, address)
    assert.throws(() => admission('loopback').assertAnonymous({ address, host: undefined }), Refusal)
    admission('everyone').assertAnonymous({ address, host: undefined })
  }
})

test('connections: one more than the limit is not let in', () => {
  const admission = new Admission(settingsWith({}), new HandClock(), noBans)
  admission.assertRoom(limits.connections - 1)
  assert.throws(
    () => admission.assertRoom(limits.connections),
    (error) => error instanceof Refusal && error.code === 'too-many-connections',
  )
})

test('an address may open so many connections at once, and so many a second; a network of IPv6 is one, and this machine is not counted', () => {
  const clock = new HandClock()
  const admission = new Admission(settingsWith({}), clock, noBans)
  const { connectionsPerAddress: most, connectionsPerAddressSecond: perSecond } = limits
  const isRefused = (address: string) => {
    try {
      admission.assertRate(address)
      return false
    } catch (error) {
      assert.equal((error as Refusal).code, 'connection-rate-exceeded')
      return true
    }
  }
  for (let at = 0; at < most; at += 1) admission.assertRate(`2001:db8::${at.toString(16)}`)
  assert.ok(isRefused('2001:db8::beef'))
  assert.ok(!isRefused('2001:db8:0:1::1'), 'another network')
  clock.advance(1)
  for (let at = 0; at < perSecond; at += 1) admission.assertRate('2001:db8::beef')
  assert.ok(isRefused('2001:db8::1'))
  for (let at = 0; at <= most; at += 1) admission.assertRate('127.0.0.1')
})
