// WebSockets over HTTP/2 (RFC 8441): an extended CONNECT makes a stream a socket, for both subprotocols, under the rules of the upgrade.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import { after, type TestContext, test } from 'node:test'
import { webSocketFrame, webSocketFrames } from '../kit/frames.ts'
import { startHub } from '../kit/hub.ts'
import { moor, mourner, TestClient } from '../kit/mqtt.ts'

const kind = { after } as unknown as TestContext
const [hub, closed] = await Promise.all([startHub(kind, { httpsPort: 0 }), startHub(kind, { allowAnonymous: 'nobody' })])
const ca = readFileSync(join(hub.folder, 'tls', 'ca.crt'), 'utf8')
const overTls = `https://localhost:${hub.hub.listeners.https?.port}`

async function join2(t: TestContext, url: string): Promise<ClientHttp2Session> {
  const session = http2.connect(url, { ca })
  t.after(() => session.destroy())
  const [settings] = (await once(session, 'remoteSettings')) as [http2.Settings]
  assert.equal(settings.enableConnectProtocol, true)
  return session
}

interface Opened {
  readonly stream: ClientHttp2Stream
  readonly head: http2.IncomingHttpHeaders
}

async function open(
  session: ClientHttp2Session,
  path: string,
  subprotocol: string,
  headers: http2.OutgoingHttpHeaders = {},
): Promise<Opened> {
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':path': path,
    'sec-websocket-version': '13',
    'sec-websocket-protocol': subprotocol,
    ...headers,
  })
  stream.on('error', () => {})
  const [head] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
  return { stream, head }
}

/** The payloads of frames, as a stream of bytes: what a test client takes for its socket. */
class Framed extends Duplex {
  readonly #stream: ClientHttp2Stream
  #torn = Buffer.alloc(0)
  readonly closeCodes: number[] = []

  constructor(stream: ClientHttp2Stream) {
    super()
    this.#stream = stream
    stream.on('data', (chunk: Buffer) => this.#onBytes(chunk))
    stream.on('close', () => this.destroy())
  }

  #onBytes(chunk: Buffer): void {
    this.#torn = Buffer.concat([this.#torn, chunk])
    for (const { opcode, payload } of webSocketFrames(this.#torn)) {
      this.#torn = this.#torn.subarray((payload.length < 126 ? 2 : 4) + payload.length)
      if (opcode === 8) this.closeCodes.push(payload.length >= 2 ? payload.readUInt16BE() : 1005)
      else this.push(payload)
    }
  }

  override _read(): void {}

  override _write(bytes: Buffer, _: string, done: () => void): void {
    this.#stream.write(webSocketFrame(2, bytes), () => done())
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#stream.close()
    done(error)
  }
}

for (const [name, url] of [
  ['over TLS', overTls],
  ['in the clear', hub.url],
] as const) {
  test(`MQTT in a stream of HTTP/2, ${name}: several on one connection, beside requests`, async (t) => {
    const session = await join2(t, url)
    const device = await moor(t, hub, `tcp ${name}`, 5)
    await device.subscribe('h2/#', { qos: 1 })
    for (const path of ['/mqtt', '/ws', '/', '/$iothub/websocket?x=1']) {
      const { stream, head } = await open(session, path, 'mqttv3.1, mqtt')
      assert.deepEqual([head[':status'], head['sec-websocket-protocol']], [200, 'mqtt'])
      const client = new TestClient(new Framed(stream), 5)
      assert.equal((await client.connect(`h2 ${name} ${path}`)).reasonCode, 0)
      await client.subscribe('down', { qos: 1 })
      await client.publish('h2/up', `from ${path}`, { qos: 1 })
      assert.deepEqual(await device.texts(1), [`from ${path}`])
      await device.publish('down', 'x'.repeat(50_000), { qos: 1 })
      assert.equal((await client.texts(1))[0]?.length, 50_000)
      const asked = session.request({ ':path': '/healthz' })
      assert.equal(((await once(asked, 'response'))[0] as http2.IncomingHttpHeaders)[':status'], 200)
    }
  })

  test(`the dashboard's view in a stream of HTTP/2, ${name}`, async (t) => {
    const { stream, head } = await open(await join2(t, url), '/live', 'mooring.live')
    assert.deepEqual([head[':status'], head['sec-websocket-protocol']], [200, 'mooring.live'])
    const [bytes] = (await once(stream, 'data')) as [Buffer]
    assert.equal((JSON.parse(webSocketFrames(bytes)[0]?.payload.toString() ?? '') as { is: string }).is, 'welcome')
  })
}

test('a stream that is reset is a socket that is gone: the will is published, the other streams go on', async (t) => {
  const session = await join2(t, hub.url)
  const { will, gone } = await mourner(t, hub, 'http2')
  const leaving = await open(session, '/mqtt', 'mqtt')
  const client = new TestClient(new Framed(leaving.stream), 4)
  await client.connect('leaving', { will })
  const staying = new TestClient(new Framed((await open(session, '/mqtt', 'mqtt')).stream), 4)
  await staying.connect('staying')
  leaving.stream.close(http2.constants.NGHTTP2_CANCEL)
  await gone()
  staying.sendPacket({ cmd: 'pingreq' })
  await staying.next('pingresp')
})

test('a text frame ends it with 1003', async (t) => {
  const { stream } = await open(await join2(t, hub.url), '/mqtt', 'mqtt')
  const framed = new Framed(stream)
  stream.write(webSocketFrame(1, Buffer.from('hello')))
  while (framed.closeCodes.length === 0) await once(stream, 'data')
  assert.deepEqual(framed.closeCodes, [1003])
})

test('what an upgrade is refused for, an extended CONNECT is', async (t) => {
  const session = await join2(t, hub.url)
  const refused = async (on: ClientHttp2Session, path: string, subprotocol: string, headers: http2.OutgoingHttpHeaders = {}) => {
    const { stream, head } = await open(on, path, subprotocol, headers)
    let text = ''
    for await (const chunk of stream) text += chunk
    return [head[':status'], (JSON.parse(text) as { code: string }).code]
  }
  assert.deepEqual(await refused(session, '/mqtt', 'chat'), [400, 'request-invalid'])
  assert.deepEqual(await refused(session, '/live', 'mqtt'), [400, 'request-invalid'])
  assert.deepEqual(await refused(session, '/nowhere', 'mqtt'), [404, 'not-found'])
  assert.deepEqual(await refused(session, '/mqtt', 'mqtt', { 'sec-websocket-version': '8' }), [400, 'request-invalid'])
  assert.deepEqual(await refused(session, '/mqtt', 'mqtt', { ':protocol': 'connect-udp' }), [400, 'request-invalid'])
  assert.deepEqual(await refused(session, '/mqtt', 'mqtt', { origin: 'https://evil.example' }), [403, 'origin-not-allowed'])
  assert.deepEqual(await refused(session, '/live', 'mooring.live', { ':authority': 'rebound.example' }), [403, 'origin-not-allowed'])
  assert.deepEqual(await refused(await join2(t, closed.url), '/live', 'mooring.live'), [401, 'not-authorized'])
})
