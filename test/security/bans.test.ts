// Who guesses is shut out, whatever it guesses and over whatever wire; who stands beside it is not.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { WebSocket } from 'ws'
import { limits } from '../../hub/limits.ts'
import { prove } from '../kit/auth.ts'
import { HandClock } from '../kit/clock.ts'
import { startHub, type TestHub } from '../kit/hub.ts'
import { TestClient } from '../kit/mqtt.ts'
import { ScramClient, verifierOf } from '../kit/scram.ts'
import { ask, asPassword, giveDevice } from './kit.ts'

const users = mkdtempSync(join(tmpdir(), 'mooring-users-'))
after(() => rmSync(users, { recursive: true, force: true }))
const scramFile = join(users, 'users.txt')
writeFileSync(scramFile, `anna:${verifierOf('secret')}\n`)

const clock = new HandClock()
/** This machine is a proxy, and speaks for whom it likes. */
const hub = await startHub({ after } as unknown as TestContext, { trustedProxy: ['127.0.0.1'], scramFile }, clock)
const guesses = limits.failuresPerAddress + 1

interface Ban {
  readonly address: string
  readonly failures: number
  readonly refused: number
}

const bans = async () => ((await ask(hub, 'GET', '/v1/bans')) as { bans: Ban[] }).bans
const audited = async (target: string) => {
  const { entries } = (await ask(hub, 'GET', `/v1/audit?target=${encodeURIComponent(target)}`)) as { entries: Record<string, string>[] }
  return entries.map(({ who, action, detail }) => `${who} ${action}: ${detail}`)
}

/** A socket of somebody who is behind the proxy. */
async function mqttFrom(address: string, version: 4 | 5 = 5): Promise<TestClient> {
  const socket = connect({ port: hub.mqttPort, host: '127.0.0.1', noDelay: true })
  after(() => socket.destroy())
  await once(socket, 'connect')
  socket.write(`PROXY TCP4 ${address} 192.0.2.1 56324 1883\r\n`)
  return new TestClient(socket, version)
}

function httpFrom(address: string, method: string, path: string, headers: Record<string, string> = {}, body?: unknown): Promise<Response> {
  const sent = body === undefined ? {} : { body: JSON.stringify(body) }
  return fetch(hub.url + path, { method, headers: { 'x-forwarded-for': address, ...headers }, ...sent })
}

async function jsonFrom(address: string, hello: object): Promise<string> {
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/v1/session`, 'mooring.json', { headers: { 'x-forwarded-for': address } })
  after(() => socket.terminate())
  await once(socket, 'open')
  socket.send(JSON.stringify({ is: 'hello', ...hello }))
  const [data] = (await once(socket, 'message')) as [Buffer]
  socket.terminate()
  return data.toString()
}

const wrongToken = () => `mrg_${randomBytes(32).toString('base64url')}`
const pump = await giveDevice(hub, 'pump-7')

/** One guess of each kind, another one each time. */
const kinds: Readonly<Record<string, (address: string, at: number) => Promise<unknown>>> = {
  'a token over HTTP': (address) => httpFrom(address, 'GET', '/v1/me', { authorization: `Bearer ${wrongToken()}` }),
  'a token over MQTT': async (address) => (await mqttFrom(address)).connect('x', asPassword({ id: '', secret: wrongToken() })),
  'a token over the JSON socket': (address) => jsonFrom(address, { client: 'x', token: wrongToken() }),
  'a client identifier': async (address, at) => (await mqttFrom(address)).connect(`other-${at}`, asPassword(pump)),
  'a provisioning key': (address) =>
    httpFrom(address, 'POST', '/v1/provision', {}, { device: 'pump-9', key: `mrp_${wrongToken().slice(4)}` }),
  'a set-up link': (address) =>
    httpFrom(address, 'POST', '/v1/setup', {}, { token: wrongToken().slice(4), name: 'eve', password: 'correct horse battery' }),
  'a cookie of no form that the hub gives': (address, at) => httpFrom(address, 'GET', '/v1/me', { cookie: `mooring=session-${at}` }),
  'a password of SCRAM': async (address) => {
    const client = await mqttFrom(address)
    await prove(client, 'x', new ScramClient('anna', 'wrong')).catch(() => {})
  },
}

for (const [at, [kind, guess]] of Object.entries(kinds).entries()) {
  test(`who guesses ${kind} is shut out: connections are closed, requests are answered when to come again`, async () => {
    const address = `198.51.100.${at + 1}`
    for (let count = 0; count < guesses; count++) await guess(address, count)
    assert.equal((await bans()).find((ban) => ban.address === address)?.failures, guesses)
    const closed = await mqttFrom(address)
    await closed.closed // before CONNECT
    const answer = await httpFrom(address, 'GET', '/v1/me')
    assert.deepEqual([answer.status, ((await answer.json()) as { code: string }).code], [429, 'address-banned'])
    assert.ok(Number(answer.headers.get('retry-after')) > limits.banSeconds - 60)
    assert.equal((await bans()).find((ban) => ban.address === address)?.refused, 2)
    while ((await audited(`address/${address}`)).length === 0) await new Promise(setImmediate)
    assert.match((await audited(`address/${address}`)).join(), /^hub ban\.begin: 31 authentications failed/)
    const neighbour = await mqttFrom(`198.51.100.${at + 101}`)
    assert.equal((await neighbour.connect('pump-7', asPassword(pump))).reasonCode, 0)
    assert.equal((await httpFrom('198.51.100.250', 'GET', '/healthz')).status, 200)
  })
}

test('an upgrade is refused with 429, and who was connected before stays', async () => {
  const address = '198.51.100.90'
  const before = await mqttFrom(address)
  assert.equal((await before.connect('pump-7', asPassword(pump))).reasonCode, 0)
  const early = await mqttFrom(address)
  await mqttFrom(address).then((client) => client.connect('x', asPassword({ id: '', secret: wrongToken() })))
  for (let at = 0; at < limits.failuresAmongOthers; at++) {
    await httpFrom(address, 'POST', '/v1/provision', {}, { device: `pump-${at}`, key: wrongToken() })
  }
  assert.ok((await bans()).some((ban) => ban.address === address))
  const connack = await early.connect('pump-7', asPassword(pump)) // its socket was there before
  assert.equal(connack.reasonCode, 0x8a)
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/mqtt`, 'mqtt', { headers: { 'x-forwarded-for': address } })
  const [, { statusCode, headers }] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
  socket.on('error', () => {})
  socket.terminate()
  assert.deepEqual([statusCode, Number(headers['retry-after']) > limits.banSeconds - 60], [429, true])
  await before.ping()
})

test('an old cookie, no credentials at all, and one device that is set up wrongly shut nobody out', async () => {
  const address = '198.51.100.91'
  for (let at = 0; at < 2 * guesses; at++) {
    await httpFrom(address, 'GET', '/v1/me', { cookie: `mooring=${randomBytes(32).toString('base64url')}` })
    await httpFrom(address, 'GET', '/v1/devices')
    await mqttFrom(address, 4).then((client) => client.connect(`mqttjs_${at}`, { username: 'pump-8', password: Buffer.from('mrg_old') }))
  }
  assert.equal((await mqttFrom(address).then((client) => client.connect('pump-7', asPassword(pump)))).reasonCode, 0)
})

test('a ban is lifted by an operator, or ends by itself; the audit log says how much it refused', async () => {
  const [lifted, over] = ['198.51.100.92', '198.51.100.93']
  for (const address of [lifted, over]) for (let count = 0; count < guesses; count++) await kinds['a token over HTTP']?.(address, count)
  assert.deepEqual(await ask(hub, 'DELETE', `/v1/bans/${lifted}`), { lifted })
  assert.equal((await httpFrom(lifted, 'GET', '/v1/me')).status, 401)
  const again = await fetch(`${hub.url}/v1/bans/${lifted}`, { method: 'DELETE' })
  assert.deepEqual([again.status, ((await again.json()) as { code: string }).code], [404, 'ban-unknown'])
  await httpFrom(over, 'GET', '/v1/me')
  clock.advance(limits.banSeconds + 2)
  assert.deepEqual(await bans(), [])
  while ((await audited(`address/${over}`)).length < 2) await new Promise(setImmediate)
  assert.deepEqual((await audited(`address/${over}`))[0], 'hub ban.end: connections and requests refused by it: 1')
  assert.match((await audited(`address/${lifted}`))[0] as string, /^anonymous ban\.lift: connections/)
})

test('no proxy between: who is shut out is closed as soon as it connects', async (t) => {
  const address = Object.values(networkInterfaces())
    .flat()
    .find((one) => one?.family === 'IPv4' && !one.internal)?.address
  if (address === undefined) return // a machine without a network has nobody to shut out
  const direct: TestHub = await startHub(t, { listen: '0.0.0.0' })
  const from = (path: string, headers: Record<string, string> = {}) =>
    new Promise<number | undefined>((resolve) => {
      const asking = request({ host: address, port: new URL(direct.url).port, path, headers, agent: false })
      asking.on('response', (response) => resolve(response.resume().statusCode))
      asking.on('error', () => resolve(undefined))
      asking.end()
    })
  for (let count = 0; count < guesses; count++) assert.equal(await from('/v1/hub', { authorization: `Bearer ${wrongToken()}` }), 401)
  assert.equal(await from('/v1/hub'), undefined)
  const socket = connect({ port: direct.mqttPort, host: address })
  socket.on('error', () => {})
  await once(socket, 'close')
  assert.equal(((await ask(direct, 'GET', '/v1/bans')) as { bans: Ban[] }).bans[0]?.address, address)
})
