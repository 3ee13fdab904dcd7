// Which port serves what: by first byte, by ALPN, in the clear and over TLS.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import tls, { type TLSSocket } from 'node:tls'
import { protocolOf } from '../../hub/listen/first-byte.ts'
import { TestAuthority } from '../kit/certificates.ts'
import { HandClock } from '../kit/clock.ts'
import { type InProcessHub, newFolder, startHub } from '../kit/hub.ts'
import { dial, TestClient } from '../kit/mqtt.ts'

const kind = { after } as unknown as TestContext
const hub = await startHub(kind, { mqttsPort: 0, httpsPort: 0, port: 0 })
const ca = readFileSync(join(hub.folder, 'tls', 'ca.crt'), 'utf8')
const ports = {
  mqtt: hub.mqttPort,
  http: hub.hub.listeners.http.port,
  mqtts: hub.hub.listeners.mqtts?.port as number,
  https: hub.hub.listeners.https?.port as number,
  all: hub.hub.listeners.all?.port as number,
}

async function inTheClear(t: TestContext, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

async function overTls(t: TestContext, port: number, alpn: string[] = [], options: tls.ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = tls.connect({ port, host: 'localhost', ca, ...(alpn.length === 0 ? {} : { ALPNProtocols: alpn }), ...options })
  t.after(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

async function speaksMqtt(socket: Socket, clientId: string): Promise<void> {
  const client = new TestClient(socket, 5)
  assert.equal((await client.connect(clientId)).reasonCode, 0)
}

/** The answer to a request that is written byte by byte, when `pieces` says so. */
async function speaksHttp(socket: Socket): Promise<void> {
  const answered = new Promise<number | undefined>((resolve, reject) => {
    const asking = http.request({ path: '/v1/hub', createConnection: () => socket }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    asking.on('error', reject)
    asking.end()
  })
  assert.equal(await answered, 200)
}

async function speaksHttp2(t: TestContext, socket: Socket): Promise<void> {
  const session = http2.connect('http://localhost', { createConnection: () => socket })
  t.after(() => session.destroy())
  const stream = session.request({ ':path': '/v1/hub' })
  const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
  assert.equal(headers[':status'], 200)
}

test('the first byte tells MQTT, TLS, HTTP/1.1 and HTTP/2 apart, and what is none of them', () => {
  const table: [string, ReturnType<typeof protocolOf>][] = [
    ['\x10', 'mqtt'],
    ['\x16', 'tls'],
    ['GET / HTTP/1.1', 'http'],
    ['POST', 'http'],
    ['PO', 'http'],
    ['PR', 'torn'],
    ['P', 'torn'],
    ['', 'torn'],
    ['PRI', 'http2'],
    ['PRI * HTTP/2.0', 'http2'],
    ['PROPFIND', 'http'],
    ['\x00', undefined],
    ['\x20', undefined],
    ['get', undefined],
    ['\x80', undefined],
    ['\r\n', undefined],
  ]
  for (const [text, protocol] of table) assert.equal(protocolOf(Buffer.from(text, 'latin1')), protocol, JSON.stringify(text))
})

for (const [port, alpns] of [
  ['mqtts', [[], ['mqtt'], ['x-amzn-mqtt-ca'], ['h2', 'mqtt']]],
  ['https', [[], ['mqtt'], ['x-amzn-mqtt-ca']]],
  ['all', [[], ['mqtt'], ['x-amzn-mqtt-ca']]],
] as const) {
  for (const alpn of alpns) {
    test(`MQTT over TLS on the port ${port}, asked for by ${alpn.join() || 'nothing'}`, async (t) => {
      await speaksMqtt(await overTls(t, ports[port], [...alpn]), `tls-${port}-${alpn.join()}`)
    })
  }
}

test('a device that comes over TLS is shown as one that does', async (t) => {
  const client = new TestClient(await overTls(t, ports.mqtts), 5)
  await client.connect('pump-tls')
  await client.publish('devices/pump-tls/telemetry', '{"flow":3}', { qos: 1 })
  const { connection } = (await hub.get('/v1/devices/pump-tls')) as { connection: { transport: string } }
  assert.equal(connection.transport, 'mqtt-tls')
})

for (const port of ['https', 'all'] as const) {
  test(`HTTP/1.1 and HTTP/2 over TLS on the port ${port}`, async (t) => {
    await speaksHttp(await overTls(t, ports[port]))
    await speaksHttp(await overTls(t, ports[port], ['http/1.1']))
    const socket = await overTls(t, ports[port], ['http/1.1', 'h2'])
    assert.equal(socket.alpnProtocol, 'h2', 'the hub likes it best')
    await speaksHttp2(t, socket)
  })
}

for (const port of ['http', 'all'] as const) {
  test(`HTTP/1.1 and HTTP/2 in the clear on the port ${port}`, async (t) => {
    await speaksHttp(await inTheClear(t, ports[port]))
    await speaksHttp2(t, await inTheClear(t, ports[port]))
  })
}

test('MQTT in the clear on the one port, its CONNECT in pieces of a byte', async (t) => {
  await speaksMqtt(await inTheClear(t, ports.all), 'one-port')
  const client = new TestClient(await inTheClear(t, ports.all), 4)
  for (const byte of Buffer.from('100f00044d5154540402003c00037069' + '65', 'hex')) {
    client.sendBytes(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal((await client.next('connack')).returnCode, 0)
})

test('HTTP requests in pieces of a byte, for each version', async (t) => {
  for (const text of [
    'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n',
    'POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n',
  ]) {
    const socket = await inTheClear(t, ports.all)
    const answer = once(socket, 'data')
    for (const byte of Buffer.from(text)) {
      socket.write(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.match(String((await answer)[0]), /^HTTP\/1\.1 (200|404) /)
  }
  const socket = await inTheClear(t, ports.http)
  const answer = once(socket, 'data')
  for (const byte of Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')) {
    socket.write(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(((await answer)[0] as Buffer)[3], 4, 'its SETTINGS come')
})

test('an upgrade to anything but a WebSocket is passed over, as curl --http2 asks for one each time', async (t) => {
  const socket = await inTheClear(t, ports.http)
  socket.write(
    'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
  )
  assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 /)
})

test('what begins like nothing the hub speaks is closed', async (t) => {
  for (const [port, byte] of [
    [ports.all, 0x00],
    [ports.all, 0x80],
    [ports.http, 0x10],
    [ports.http, 0x16],
  ] as const) {
    const socket = await inTheClear(t, port)
    socket.on('error', () => {})
    socket.write(Buffer.from([byte]))
    await once(socket, 'close')
  }
})

test('who says nothing on a port that waits for a first byte is closed in time', async (t) => {
  const clock = new HandClock()
  const timed = await startHub(t, { port: 0 }, clock)
  const { http: web, all } = timed.hub.listeners
  const silent = [await inTheClear(t, web.port), await inTheClear(t, all?.port as number)]
  const talking = await inTheClear(t, all?.port as number)
  await speaksMqtt(talking, 'talks')
  const closed = Promise.all(silent.map((socket) => once(socket.resume(), 'close')))
  clock.advance(9)
  assert.deepEqual(
    silent.map((socket) => socket.destroyed),
    [false, false],
  )
  clock.advance(4)
  await closed
  assert.equal(talking.destroyed, false)
})

test('a client that asks for protocols of which the hub has none there is refused with an alert', async (t) => {
  for (const [port, alpn] of [
    [ports.mqtts, ['h2']],
    [ports.mqtts, ['http/1.1']],
    [ports.https, ['spdy/3']],
  ] as const) {
    await assert.rejects(overTls(t, port, [...alpn]), /no application protocol/i)
  }
})

test('TLS 1.2 and 1.3 are spoken, 1.1 is not', async (t) => {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const socket = await overTls(t, ports.mqtts, [], { minVersion: version, maxVersion: version })
    assert.equal(socket.getProtocol(), version)
  }
  const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
  await assert.rejects(overTls(t, ports.mqtts, [], old), /protocol version/i)
})

test('a client shows a certificate only where the hub asks for one, and one that has none is let in', async (t) => {
  const authority = await TestAuthority.make('Test CA')
  const folder = newFolder(t)
  const tlsCa = join(folder, 'ca.pem')
  writeFileSync(tlsCa, authority.cert)
  const asking = await startHub(t, { mqttsPort: 0, tlsCa })
  const own = readFileSync(join(asking.folder, 'tls', 'ca.crt'), 'utf8')
  const { cert, key } = await authority.issue('pump-7')
  const port = asking.hub.listeners.mqtts?.port as number
  await speaksMqtt(await overTls(t, port, [], { ca: own, cert, key }), 'with')
  await speaksMqtt(await overTls(t, port, [], { ca: own }), 'without')
})

test('a client whose certificate is not of those CAs, or was revoked, is not let in; a revocation counts within a second', async (t) => {
  const [authority, stranger] = [await TestAuthority.make('Test CA'), await TestAuthority.make('Another CA')]
  const folder = newFolder(t)
  const [tlsCa, tlsCrl] = [join(folder, 'ca.pem'), join(folder, 'crl.pem')]
  writeFileSync(tlsCa, authority.cert)
  writeFileSync(tlsCrl, await authority.revoke([]))
  const asking = await startHub(t, { mqttsPort: 0, tlsCa, tlsCrl })
  const own = readFileSync(join(asking.folder, 'tls', 'ca.crt'), 'utf8')
  const port = asking.hub.listeners.mqtts?.port as number
  const isLetIn = async ({ cert, key }: { cert: string; key: string }) => {
    try {
      const client = new TestClient(await overTls(t, port, [], { ca: own, cert, key }), 4)
      await client.connect('who')
      client.pullCable()
      return true
    } catch {
      return false
    }
  }
  const pump = await authority.issue('pump-7')
  assert.equal(await isLetIn(pump), true)
  assert.equal(await isLetIn(await stranger.issue('pump-7')), false)
  writeFileSync(tlsCrl, await authority.revoke([pump.serial]))
  const startMs = performance.now()
  while (await isLetIn(pump)) {
    assert.ok(performance.now() - startMs < 5000, 'the revocation counts')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.equal(await isLetIn(await authority.issue('pump-8')), true)
  // It is told as every other proof that was wrong.
  type Entries = { readonly entries: readonly { readonly detail: string; readonly from: string }[] }
  const refused = async () => ((await asking.get('/v1/audit?action=authenticate')) as Entries).entries
  while ((await refused()).length < 2) await new Promise(setImmediate)
  assert.deepEqual((await refused()).map(({ detail, from }) => `${detail} ${from}`).slice(-2), Array(2).fill('bad-credentials 127.0.0.1'))
})

test('a new certificate is shown to who comes, and who is there stays', async (t) => {
  const authority = await TestAuthority.make('Test CA')
  const [first, second] = [await authority.issue('localhost'), await authority.issue('localhost')]
  const folder = newFolder(t)
  const [tlsCert, tlsKey] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const write = ({ cert, key }: typeof first) => {
    writeFileSync(tlsCert, cert)
    writeFileSync(tlsKey, key)
  }
  write(first)
  const swapping = await startHub(t, { mqttsPort: 0, httpsPort: 0, tlsCert, tlsKey })
  const { mqtts, https: web } = swapping.hub.listeners
  const shown = async (port: number | undefined) => {
    const socket = await overTls(t, port as number, [], { rejectUnauthorized: false })
    const { serialNumber } = socket.getPeerCertificate()
    socket.destroy()
    return serialNumber.toLowerCase()
  }
  const stays = new TestClient(await overTls(t, mqtts?.port as number, [], { rejectUnauthorized: false }), 4)
  await stays.connect('stays')
  const before = await shown(mqtts?.port)
  write(second)
  const startMs = performance.now()
  while ((await shown(mqtts?.port)) === before) {
    assert.ok(performance.now() - startMs < 5000, 'the new certificate is shown')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.notEqual(await shown(web?.port), before, 'on every port')
  stays.sendPacket({ cmd: 'pingreq' })
  await stays.next('pingresp')
})

test('a port for TLS that nobody asked for may be taken; one that was asked for ends the start', async (t) => {
  const blocker = createServer().listen(8443, '127.0.0.1')
  t.after(() => blocker.close())
  await Promise.race([once(blocker, 'listening'), once(blocker, 'error')]) // who else has it takes it as well
  const without = await startHub(t, { httpsPort: 'auto' })
  assert.equal(without.hub.listeners.https, null)
  await dial(t, without)
  await assert.rejects(startHub(t, { httpsPort: 8443 }), /Port 8443 is taken by another program\. Choose another with --https-port/)
})

test('requests over HTTP/2: readings with and without a length, refusals, events', async (t) => {
  const session = http2.connect(`https://localhost:${ports.https}`, { ca })
  t.after(() => session.destroy())
  assert.equal(
    session.remoteSettings.enableConnectProtocol ?? ((await once(session, 'remoteSettings'))[0] as http2.Settings).enableConnectProtocol,
    true,
  )
  const ask = async (headers: http2.OutgoingHttpHeaders, body?: string) => {
    const stream = session.request(headers, { endStream: body === undefined })
    if (body !== undefined) stream.end(body)
    const [answer] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
    let text = ''
    for await (const chunk of stream) text += chunk
    return { status: answer[':status'], text }
  }
  const path = '/v1/devices/h2/telemetry'
  assert.deepEqual(await ask({ ':method': 'POST', ':path': path }, '{"t":1}'), { status: 200, text: '{"stored":1}' })
  assert.deepEqual(await ask({ ':method': 'POST', ':path': path, 'content-length': 7 }, '{"t":2}'), { status: 200, text: '{"stored":1}' })
  const json = { 'content-type': 'application/json' }
  assert.deepEqual(await ask({ ':method': 'POST', ':path': path, ...json }, '{"t":3}'), { status: 200, text: '{"stored":1}' })
  assert.equal((await ask({ ':method': 'POST', ':path': path })).status, 400)
  assert.equal((await ask({ ':path': '/nowhere' })).status, 404)
  assert.equal((await ask({ ':path': '/v1/hub', origin: 'https://evil.example' })).status, 403)
  assert.equal((await ask({ ':path': '/v1/hub', ':authority': 'rebound.example' })).status, 403)
  assert.equal((await ask({ ':path': '/v1/hub', host: 'localhost', ':authority': 'rebound.example' })).status, 403)
  const events = session.request({ ':path': '/v1/events' })
  const [head] = (await once(events, 'response')) as [http2.IncomingHttpHeaders]
  assert.equal(head['content-type'], 'text/event-stream; charset=utf-8')
  assert.match(String((await once(events, 'data'))[0]), /^retry: /)
  events.close()
})

test('HTTP/1.1 over TLS has what the plain port has', async () => {
  const status = await new Promise((resolve, reject) => {
    const asking = https.request(`https://localhost:${ports.https}/v1/devices/s/telemetry`, { ca, method: 'POST' }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    asking.on('error', reject)
    asking.end('{"t":1}')
  })
  assert.equal(status, 200)
})

test('a hub that stops closes everyone, whatever they were at', async (t) => {
  const stopping: InProcessHub = await startHub(t, { mqttsPort: 0, httpsPort: 0, port: 0 })
  const own = readFileSync(join(stopping.folder, 'tls', 'ca.crt'), 'utf8')
  const { mqtts, https: web, all } = stopping.hub.listeners
  const sockets = [
    await inTheClear(t, all?.port as number), // says nothing
    await inTheClear(t, mqtts?.port as number), // no handshake
    await overTls(t, mqtts?.port as number, [], { ca: own }), // no CONNECT
    await overTls(t, web?.port as number, ['h2'], { ca: own }), // no preface
    await overTls(t, web?.port as number, [], { ca: own }), // no request
  ]
  for (const socket of sockets) socket.on('error', () => {}).resume()
  const closed = Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve))))
  await stopping.stop()
  await closed
})
