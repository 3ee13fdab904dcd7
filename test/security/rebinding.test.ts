// A page in a browser on this machine that points its own name at 127.0.0.1, or that speaks across origins: on every way in, with credentials
// and without. `listen/admission.test.ts` has the names and origins themselves.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import http2 from 'node:http2'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { WebSocket } from 'ws'
import { startHub } from '../kit/hub.ts'
import { bearer, giveKey } from './kit.ts'

const hub = await startHub({ after } as unknown as TestContext, { httpsPort: 0 })
const ca = readFileSync(join(hub.folder, 'tls', 'ca.crt'), 'utf8')
const operator = await giveKey(hub, 'operator', { role: 'operator' })

const foreign = 'rebound.example:8080'
type Fields = Record<string, string>

/** What a browser says there: the page's own origin is that of the name it was served under. */
const rebound: Fields = { host: foreign, origin: `http://${foreign}` }
const across: Fields = { origin: 'http://elsewhere.example' }

async function overHttp1(method: string, path: string, headers: Fields): Promise<number> {
  const asking = request(hub.url + path, { method, headers })
  asking.end(method === 'GET' ? undefined : '{"topic":"a","payload":1}')
  const [response] = (await once(asking, 'response')) as [{ statusCode: number; destroy(): void }]
  response.destroy()
  return response.statusCode
}

async function overHttp2(t: TestContext, url: string, method: string, path: string, { host, ...headers }: Fields): Promise<number> {
  const session = http2.connect(url, { ca })
  t.after(() => session.destroy())
  const stream = session.request({ ':method': method, ':path': path, ...(host === undefined ? {} : { ':authority': host }), ...headers })
  stream.end(method === 'GET' ? undefined : '{"topic":"a","payload":1}')
  const [head] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
  session.destroy()
  return head[':status'] as unknown as number
}

/** The status that refuses the upgrade; or `open`, after which an MQTT or JSON client may still be refused. */
async function overWebSocket(path: string, subprotocol: string, headers: Fields): Promise<number | 'open'> {
  const socket = new WebSocket(hub.url.replace('http', 'ws') + path, subprotocol, { headers })
  socket.on('error', () => {})
  const opened = once(socket, 'open').then(() => 'open' as const)
  const refused = once(socket, 'unexpected-response').then(([, { statusCode }]) => statusCode as number)
  opened.catch(() => {})
  refused.catch(() => {})
  return Promise.race([opened, refused]).finally(() => socket.terminate())
}

const paths = ['/v1/hub', '/v1/devices', '/v1/session/messages?client=x&wait=0', '/v1/retained?filter=a', '/v1/audit', '/docs'] as const

/** For everybody: the page's files, what is no path at all, and what asks for a login itself. */
const open = { '/': 404, '/nowhere': 404, '/v1/me': 401 }

test('requests under a foreign name are refused without credentials, with a page’s origin or without one', async (t) => {
  for (const headers of [{ host: foreign }, rebound]) {
    for (const path of paths) assert.equal(await overHttp1('GET', path, headers), 403, `${path} ${JSON.stringify(headers)}`)
    for (const [path, status] of Object.entries(open)) assert.equal(await overHttp1('GET', path, headers), status, path)
    for (const path of ['/v1/publish', '/v1/setup-link']) assert.equal(await overHttp1('POST', path, headers), 403, path)
    for (const url of [`https://localhost:${hub.hub.listeners.https?.port}`, hub.url]) {
      assert.equal(await overHttp2(t, url, 'GET', '/v1/hub', headers), 403, url)
      assert.equal(await overHttp2(t, url, 'POST', '/v1/publish', headers), 403, url)
    }
  }
  assert.equal(await overHttp2(t, hub.url, 'GET', '/v1/hub', {}), 200)
})

test('HTTP/2 goes by :authority, whatever a host field says beside it', async (t) => {
  const session = http2.connect(hub.url)
  t.after(() => session.destroy())
  const stream = session.request({ ':method': 'GET', ':path': '/v1/hub', ':authority': foreign, host: 'localhost' })
  const answered = await Promise.race([
    once(stream, 'response').then(([head]) => (head as { ':status': number })[':status']),
    once(stream, 'error').then(() => 400),
  ])
  assert.ok(answered >= 400, `${answered}`)
})

test('with credentials the name is whoever’s it is, and the origin is still asked about', async (t) => {
  const headers = bearer(operator)
  assert.equal(await overHttp1('GET', '/v1/hub', { ...headers, host: foreign }), 200)
  assert.equal(await overHttp1('GET', '/v1/hub', { ...headers, ...across }), 403)
  assert.equal(await overHttp1('POST', '/v1/publish', { ...headers, ...across }), 403)
  assert.equal(await overHttp1('POST', '/v1/publish', { ...headers, origin: 'null' }), 403)
  assert.equal(await overHttp2(t, hub.url, 'GET', '/v1/hub', { ...headers, ...across }), 403)
})

test('sockets: the dashboard’s is not opened under a foreign name; MQTT and JSON are let in by credentials alone', async () => {
  const endpoints = [
    ['/live', 'mooring.live'],
    ['/v1/session', 'mooring.json'],
    ['/mqtt', 'mqtt'],
    ['/', 'mqtt'],
  ] as const
  for (const [path, subprotocol] of endpoints) {
    assert.equal(await overWebSocket(path, subprotocol, across), 403, path)
    assert.equal(await overWebSocket(path, subprotocol, { ...across, ...bearer(operator) }), 403, path)
    assert.equal(await overWebSocket(path, subprotocol, {}), 'open', path)
    const isLive = path === '/live'
    assert.equal(await overWebSocket(path, subprotocol, rebound), isLive ? 403 : 'open', path)
    assert.equal(await overWebSocket(path, subprotocol, { ...rebound, ...bearer(operator) }), 'open', path)
  }
})

for (const [name, path, subprotocol] of [
  ['MQTT', '/mqtt', 'mqtt'],
  ['JSON', '/v1/session', 'mooring.json'],
] as const) {
  test(`${name} over a socket under a foreign name: who presents nothing is refused, who has a credential is let in`, async () => {
    const connect = (secret: string | undefined) =>
      name === 'JSON'
        ? JSON.stringify({ is: 'hello', ...(secret === undefined ? {} : { token: secret }) })
        : Buffer.concat([
            Buffer.from([0x10, 13 + 2 + (secret === undefined ? 0 : 2 + secret.length)]),
            Buffer.from('00044d515454', 'hex'),
            Buffer.from([4, secret === undefined ? 2 : 0x82, 0, 0, 0, 3]),
            Buffer.from('abc'),
            ...(secret === undefined ? [] : [Buffer.from([0, secret.length]), Buffer.from(secret)]),
          ]).fill(10 + 2 + 3 + (secret === undefined ? 0 : 2 + secret.length), 1, 2)
    for (const secret of [undefined, operator.secret]) {
      const socket = new WebSocket(hub.url.replace('http', 'ws') + path, subprotocol, { headers: rebound })
      await once(socket, 'open')
      socket.send(connect(secret))
      const [data] = (await once(socket, 'message')) as [Buffer]
      const isIn = name === 'JSON' ? data.toString().includes('"is":"welcome"') : data[0] === 0x20 && data[3] === 0
      assert.equal(isIn, secret !== undefined, data.toString('latin1'))
      socket.terminate()
    }
  })
}
