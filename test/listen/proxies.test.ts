// Whose address a connection has behind a proxy: the PROXY protocol (HAProxy's specification, versions 1 and 2), Forwarded (RFC 7239) and
// X-Forwarded-For, each believed from trusted proxies alone.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import http2 from 'node:http2'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import tls from 'node:tls'
import { addressIn } from '../../hub/access/peer.ts'
import { readConfiguration, SettingError } from '../../hub/config.ts'
import { limits } from '../../hub/limits.ts'
import { forwardedFor } from '../../hub/listen/forwarded.ts'
import { Peers } from '../../hub/listen/peers.ts'
import { readProxyHeader } from '../../hub/listen/proxy-protocol.ts'
import { HandClock } from '../kit/clock.ts'
import { type InProcessHub, startHub } from '../kit/hub.ts'
import { TestClient } from '../kit/mqtt.ts'

const kind = { after } as unknown as TestContext
const [behind, alone] = await Promise.all([
  startHub(kind, { trustedProxy: ['127.0.0.0/8'], mqttsPort: 0, httpsPort: 0, port: 0 }),
  startHub(kind, { port: 0 }),
])
const ca = readFileSync(join(behind.folder, 'tls', 'ca.crt'), 'utf8')

const signature = '0d0a0d0a000d0a515549540a'
const binary = (hex: string) => Buffer.from(signature + hex.replaceAll(' ', ''), 'hex')
const stranger = Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.1 56324 1883\r\n')
const neighbour = Buffer.from('PROXY TCP4 127.0.0.9 127.0.0.1 56324 1883\r\n')

/** From a stranger, in each form there is. */
const strangers: [string, Buffer, string][] = [
  ['version 1, IPv4', stranger, '192.0.2.7:56324'],
  ['version 1, IPv6', Buffer.from('PROXY TCP6 2001:db8::7 2001:db8::1 56324 1883\r\n'), '2001:db8::7:56324'],
  ['version 2, IPv4', binary('21 11 000c c0000207 c0000201 dc04 075b'), '192.0.2.7:56324'],
  [
    'version 2, IPv6',
    binary('21 21 0024 20010db8000000000000000000000007 20010db8000000000000000000000001 dc04 075b'),
    '2001:db8::7:56324',
  ],
  ['version 2 with fields behind the addresses', binary('21 11 0013 c0000207 c0000201 dc04 075b 04 0004 00000000'), '192.0.2.7:56324'],
]

test('a PROXY header is read in each of its forms, and torn at every byte it is awaited', () => {
  const own = [
    Buffer.from('PROXY UNKNOWN\r\n'),
    Buffer.from('PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n'),
    binary('20 00 0000'),
    binary('20 11 000c c0000207 c0000201 dc04 075b'),
    binary('21 00 0000'),
  ]
  for (const header of [...strangers.map(([, bytes]) => bytes), ...own]) {
    for (let end = 0; end < header.length; end++)
      assert.equal(readProxyHeader(header.subarray(0, end)).is, 'torn', header.toString('latin1'))
    const read = readProxyHeader(Buffer.concat([header, Buffer.from([0x10, 0x0c])]))
    assert.equal(read.is, 'whole')
    assert.equal(read.is === 'whole' && read.bytes, header.length, 'what follows is left alone')
  }
  for (const header of own) assert.equal((readProxyHeader(header) as { peer: unknown }).peer, undefined, 'the proxy speaks for itself')
  for (const [name, header, address] of strangers) {
    const { peer } = readProxyHeader(header) as { peer: { address: string; port: number } }
    assert.equal(`${peer.address}:${peer.port}`, address, name)
  }
})

test('what is no header is left to the protocol, and a broken header is wrong', () => {
  for (const text of ['\x10', '\x16', 'GET /', 'POST /', 'PRI *', 'PROXX', '\r\n\r\nX']) {
    assert.equal(readProxyHeader(Buffer.from(text, 'latin1')).is, 'absent', JSON.stringify(text))
  }
  const wrong = [
    Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.1 56324\r\n'),
    Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.1 56324 65536\r\n'),
    Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.1 056324 1\r\n'),
    Buffer.from('PROXY TCP4 2001:db8::7 192.0.2.1 1 1\r\n'),
    Buffer.from('PROXY TCP6 192.0.2.7 192.0.2.1 1 1\r\n'),
    Buffer.from('PROXY TCP4  192.0.2.7 192.0.2.1 1 1\r\n'),
    Buffer.from('PROXY UDP4 192.0.2.7 192.0.2.1 1 1\r\n'),
    Buffer.from(`PROXY ${'x'.repeat(101)}`),
    Buffer.from(`PROXY UNKNOWN ${'x'.repeat(101)}\r\n`),
    binary('22 11 000c c0000207 c0000201 dc04 075b'), // no such command
    binary('11 11 000c c0000207 c0000201 dc04 075b'), // no such version
    binary('21 11 0004 c0000207'), // shorter than its addresses
    binary('21 12 000c c0000207 c0000201 dc04 075b'), // UDP
    binary(`21 11 ${(limits.proxyHeaderBytes - 15).toString(16).padStart(4, '0')}`), // one byte past the bound, said in advance
  ]
  for (const header of wrong) assert.equal(readProxyHeader(header).is, 'wrong', header.toString('latin1'))
})

async function open(t: TestContext, port: number | undefined): Promise<Socket> {
  const socket = connect({ port: port as number, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => {}) // a reset is told by the close
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** What the hub says to an anonymous CONNECT: only this machine is let in. */
async function connackOn(socket: Socket): Promise<{ code: number | undefined; reason: string | undefined }> {
  const { reasonCode: code, properties } = await new TestClient(socket, 5).connect('proxied')
  return { code, reason: properties?.reasonString }
}

const mqttPorts = (hub: InProcessHub) => [hub.hub.listeners.mqtt?.port, hub.hub.listeners.all?.port]

for (const [name, header, address] of strangers) {
  test(`MQTT through a proxy is MQTT of who stands behind it: ${name}`, async (t) => {
    for (const port of mqttPorts(behind)) {
      const socket = await open(t, port)
      socket.write(header)
      const { code, reason } = await connackOn(socket)
      assert.equal(code, 0x87)
      assert.ok(reason?.includes(`from ${addressIn(address)} `), reason)
    }
  })
}

test('behind the proxy may be this machine, and the proxy may speak for itself, with a header or without', async (t) => {
  for (const header of [neighbour, Buffer.from('PROXY UNKNOWN\r\n'), binary('20 00 0000'), Buffer.alloc(0)]) {
    for (const port of mqttPorts(behind)) {
      const socket = await open(t, port)
      socket.write(header)
      assert.equal((await connackOn(socket)).code, 0)
    }
  }
})

test('header and CONNECT may come in one piece, or byte by byte', async (t) => {
  const connect3 = Buffer.from('100f00044d5154540402003c0003706965', 'hex')
  for (const [, header] of strangers) {
    for (const port of mqttPorts(behind)) {
      const together = new TestClient(await open(t, port), 4)
      together.sendBytes(Buffer.concat([header, connect3]))
      assert.equal((await together.next('connack')).returnCode, 5)
      const torn = new TestClient(await open(t, port), 4)
      for (const byte of Buffer.concat([header, connect3])) {
        torn.sendBytes(Buffer.from([byte]))
        await new Promise((resolve) => setImmediate(resolve))
      }
      assert.equal((await torn.next('connack')).returnCode, 5)
    }
  }
})

test('a header from anyone else is a wrong first byte', async (t) => {
  for (const port of [...mqttPorts(alone), alone.hub.listeners.http.port]) {
    for (const header of [neighbour, binary('21 11 000c c0000207 c0000201 dc04 075b')]) {
      const socket = await open(t, port)
      const said = new Promise<Buffer>((resolve) => {
        const chunks: Buffer[] = []
        socket.on('data', (chunk) => chunks.push(chunk))
        socket.on('close', () => resolve(Buffer.concat(chunks)))
      })
      socket.write(header)
      assert.doesNotMatch((await said).toString(), /HTTP\/1.1 2/)
    }
  }
})

test('a broken header ends the connection, and half of one does in time', async (t) => {
  const broken = await open(t, behind.hub.listeners.mqtt?.port)
  const closed = once(broken, 'close')
  broken.resume().write('PROXY TCP9 x\r\n')
  await closed

  const clock = new HandClock()
  const timed = await startHub(t, { trustedProxy: ['127.0.0.1'] }, clock)
  const halves = await Promise.all([timed.hub.listeners.mqtt, timed.hub.listeners.http].map((listener) => open(t, listener?.port)))
  const ended = Promise.all(halves.map((socket) => once(socket.resume(), 'close')))
  for (const socket of halves) socket.write('PROXY TCP4 192')
  const whole = await open(t, timed.hub.listeners.mqtt?.port)
  whole.write(neighbour)
  assert.equal((await connackOn(whole)).code, 0, 'by now the halves have arrived')
  clock.advance(13)
  await ended
})

/** Status of a request, and what was said about it; `before` goes out before the request. */
async function statusOf(t: TestContext, port: number | undefined, headers: Record<string, string>, before: Buffer = Buffer.alloc(0)) {
  const socket = await open(t, port)
  if (before.length > 0) socket.write(before)
  const asking = request({ path: '/v1/hub', headers: { host: 'localhost', ...headers }, createConnection: () => socket })
  asking.end()
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  let body = ''
  for await (const chunk of response) body += chunk
  return { status: response.statusCode, detail: (JSON.parse(body) as { detail?: string }).detail ?? '' }
}

test('HTTP through a proxy that speaks the PROXY protocol', async (t) => {
  for (const port of [behind.hub.listeners.http.port, behind.hub.listeners.all?.port]) {
    for (const [, header, address] of strangers) {
      const { status, detail } = await statusOf(t, port, {}, header)
      assert.equal(status, 401)
      assert.ok(detail.includes(`from ${address.slice(0, address.lastIndexOf(':'))} `), detail)
    }
    assert.equal((await statusOf(t, port, {}, neighbour)).status, 200)
  }
})

test('TLS behind a PROXY header: MQTT, HTTP/1.1, HTTP/2', async (t) => {
  const { mqtts, https, all } = behind.hub.listeners
  const secured = async (port: number | undefined, header: Buffer, alpn: string[]) => {
    const socket = await open(t, port)
    socket.write(header)
    const over = tls.connect({ socket, host: 'localhost', servername: 'localhost', ca, ALPNProtocols: alpn })
    await once(over, 'secureConnect')
    return over
  }
  for (const port of [mqtts?.port, all?.port]) {
    assert.equal((await connackOn(await secured(port, stranger, ['mqtt']))).code, 0x87)
    assert.equal((await connackOn(await secured(port, neighbour, ['mqtt']))).code, 0)
  }
  for (const port of [https?.port, all?.port]) {
    for (const [header, status] of [
      [stranger, 401],
      [neighbour, 200],
    ] as const) {
      const over = await secured(port, header, ['h2'])
      const session = http2.connect('https://localhost', { createConnection: () => over })
      t.after(() => session.destroy())
      const [answer] = (await once(session.request({ ':path': '/v1/hub' }), 'response')) as [http2.IncomingHttpHeaders]
      assert.equal(answer[':status'], status)
      const held = await secured(port, header, ['http/1.1'])
      const plain = request({ path: '/v1/hub', headers: { host: 'localhost' }, createConnection: () => held })
      plain.end()
      assert.equal(((await once(plain, 'response')) as [IncomingMessage])[0].statusCode, status)
    }
  }
})

test('Forwarded and X-Forwarded-For name the client, and only when a trusted proxy says so', async (t) => {
  const port = behind.hub.listeners.http.port
  for (const headers of [
    { 'x-forwarded-for': '192.0.2.7' },
    { 'x-forwarded-for': '127.0.0.1, 192.0.2.7' }, // the first is what the client said of itself
    { 'x-forwarded-for': '192.0.2.7, 127.0.0.2' }, // through two proxies of ours
    { forwarded: 'for=192.0.2.7;proto=https' },
    { forwarded: 'For="[2001:db8::7]:4711"' },
    { forwarded: 'for=127.0.0.1, for=unknown' },
    { forwarded: 'for=127.0.0.1', 'x-forwarded-for': '192.0.2.7' },
    { 'x-forwarded-for': 'nonsense' },
  ]) {
    assert.equal((await statusOf(t, port, headers)).status, 401, JSON.stringify(headers))
    assert.equal((await statusOf(t, alone.hub.listeners.http.port, headers)).status, 200, 'nobody is believed there')
  }
  for (const headers of [{ 'x-forwarded-for': '127.0.0.9' }, { forwarded: 'for=127.0.0.9' }, {}]) {
    assert.equal((await statusOf(t, port, headers)).status, 200, JSON.stringify(headers))
  }
  // A proxy that says by the PROXY protocol for whom it speaks has named the client: that one is no proxy, so its headers are its own.
  assert.equal((await statusOf(t, port, { 'x-forwarded-for': '127.0.0.9' }, stranger)).status, 401)
})

test('a WebSocket behind a proxy belongs to who stands behind it', async (t) => {
  const asking = request({
    port: behind.hub.listeners.http.port,
    path: '/live',
    headers: {
      host: 'localhost',
      'x-forwarded-for': '192.0.2.7',
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-version': '13',
      'sec-websocket-protocol': 'mooring.live',
    },
  })
  t.after(() => asking.destroy())
  asking.end()
  assert.equal(((await once(asking, 'response')) as [IncomingMessage])[0].statusCode, 401)
})

test('the client is the last one named that is no proxy of ours', () => {
  const isProxy = (address: string) => address.startsWith('10.')
  const table: [{ forwarded?: string; 'x-forwarded-for'?: string }, string | undefined][] = [
    [{}, undefined],
    [{ 'x-forwarded-for': '' }, 'unknown'],
    [{ 'x-forwarded-for': '192.0.2.7' }, '192.0.2.7'],
    [{ 'x-forwarded-for': ' 192.0.2.7:4711 ' }, '192.0.2.7'],
    [{ 'x-forwarded-for': '2001:db8::7' }, '2001:db8::7'],
    [{ 'x-forwarded-for': '[2001:db8::7]:80' }, '2001:db8::7'],
    [{ 'x-forwarded-for': '203.0.113.5, 192.0.2.7, 10.0.0.1, 10.0.0.2' }, '192.0.2.7'],
    [{ 'x-forwarded-for': '10.0.0.3, 10.0.0.2' }, '10.0.0.3'],
    [{ 'x-forwarded-for': '203.0.113.5, x, 10.0.0.2' }, 'unknown'],
    [{ forwarded: 'for=192.0.2.7' }, '192.0.2.7'],
    [{ forwarded: 'by=10.0.0.1; FOR=192.0.2.7' }, '192.0.2.7'],
    [{ forwarded: 'for=203.0.113.5,for=192.0.2.7;by=10.0.0.1' }, '192.0.2.7'],
    [{ forwarded: 'for="192.0.2.7:4711", for=10.0.0.1' }, '192.0.2.7'],
    [{ forwarded: 'for="a,for=127.0.0.1"' }, 'unknown'],
    [{ forwarded: 'for=_hidden, for=10.0.0.1' }, 'unknown'],
    [{ forwarded: 'proto=https' }, 'unknown'],
    [{ forwarded: 'for=192.0.2.7', 'x-forwarded-for': '192.0.2.7' }, '192.0.2.7'],
    [{ forwarded: 'for=127.0.0.1', 'x-forwarded-for': '192.0.2.7' }, 'unknown'],
  ]
  for (const [headers, address] of table) assert.equal(forwardedFor(headers, isProxy), address, JSON.stringify(headers))
})

test('proxies are told by address and by network, in both families', () => {
  const peers = new Peers(['10.1.2.3', '192.168.0.0/16', 'fd00::/8', '::1'])
  for (const address of ['10.1.2.3', '192.168.255.1', 'fd12::1', '::1', '::ffff:10.1.2.3', '::ffff:192.168.0.1']) {
    assert.equal(peers.trusts(address), true, address)
  }
  for (const address of ['10.1.2.4', '192.169.0.1', 'fe80::1', '::2', '::ffff:10.1.2.4', 'unknown', '', undefined]) {
    assert.equal(peers.trusts(address), false, String(address))
  }
  assert.equal(new Peers([]).trusts('127.0.0.1'), false)
  for (const text of ['10.0.0.0/33', 'fd00::/129', '10.0.0.0/8/8', 'proxy.example', '10.0.0', '/8', '10.0.0.0/']) {
    assert.throws(() => readConfiguration(['--trusted-proxy', text], {}), SettingError, text)
  }
  const { settings } = readConfiguration(['--trusted-proxy', '10.0.0.7, fd00::/8'], {})
  assert.deepEqual(settings.trustedProxy, ['10.0.0.7', 'fd00::/8'])
})

test('an address of IPv4 is called so where the hub listens to both families', async (t) => {
  const server = createServer()
  server.listen(0, '::ffff:127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  t.after(() => {
    client.destroy()
    server.close()
  })
  const [socket] = (await once(server, 'connection')) as [Socket]
  assert.equal(socket.remoteAddress, '::ffff:127.0.0.1')
  assert.equal(new Peers([]).nameOf(socket), `127.0.0.1:${client.localPort}`)
  socket.destroy()
})
