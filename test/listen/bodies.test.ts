// Bodies of requests: whole ones within their bounds of bytes and time, and those that a route reads by itself.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { after, type TestContext, test } from 'node:test'
import fastify from 'fastify'
import { limits } from '../../hub/limits.ts'
import { parseBodies } from '../../hub/listen/http.ts'
import { asInHttp1 } from '../../hub/listen/http2.ts'
import { Wheel } from '../../hub/wheel.ts'
import { HandClock } from '../kit/clock.ts'
import { startHub } from '../kit/hub.ts'

const clock = new HandClock()
const hub = await startHub({ after } as unknown as TestContext, {}, clock)
const { port } = hub.hub.listeners.http
const path = '/v1/devices/pump-7/telemetry'

async function open(t: TestContext, to = port): Promise<{ socket: Socket; said: Promise<string> }> {
  const socket = connect({ port: to, host: '127.0.0.1', noDelay: true })
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', () => {})
  return { socket, said: new Promise((resolve) => socket.on('close', () => resolve(Buffer.concat(chunks).toString()))) }
}

/** The hub has seen all that was sent before this was asked, whoever sent it. */
async function settled(): Promise<void> {
  await hub.get('/healthz')
  await hub.get('/healthz')
}

test('a body that does not come is answered 408 in time, over HTTP/1.1 and HTTP/2, and the connection or stream ends', async (t) => {
  const { socket, said } = await open(t)
  socket.write(`POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n{"t":`)
  const session = http2.connect(hub.url)
  t.after(() => session.destroy())
  const stream = session.request({ ':method': 'POST', ':path': path }, { endStream: false })
  stream.on('error', () => {}).resume()
  const ended = once(stream, 'close')
  stream.write('{"t":')
  const answered = once(stream, 'response')
  await settled()
  clock.advance(limits.bodySeconds + 2)
  assert.match(await said, /^HTTP\/1\.1 408 [\s\S]*connection: close[\s\S]*"body-too-slow"/i)
  const [headers] = (await answered) as [http2.IncomingHttpHeaders]
  assert.equal(headers[':status'], 408)
  await ended
})

test('a body that comes piece by piece is whole when its time is not over', async (t) => {
  const { socket, said } = await open(t)
  socket.write(`POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 7\r\n\r\n{"t"`)
  await settled()
  clock.advance(limits.bodySeconds - 5)
  socket.write(':1}')
  assert.match(await said, /^HTTP\/1\.1 200 /)
})

test('one that is announced too large is not read, one that becomes so is read no further', async (t) => {
  const announced = await open(t)
  announced.socket.write(`POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${limits.bodyBytes + 1}\r\n\r\n`)
  assert.match(await announced.said, /^HTTP\/1\.1 413 [\s\S]*"body-too-large"/)

  const endless = await open(t)
  endless.socket.write(`POST ${path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`)
  const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(0x10000, 0x20), Buffer.from('\r\n')])
  const writing = setInterval(() => endless.socket.write(chunk), 1)
  t.after(() => clearInterval(writing))
  assert.match(await endless.said, /^HTTP\/1\.1 413 /)

  const session = http2.connect(hub.url)
  t.after(() => session.destroy())
  const stream = session.request({ ':method': 'POST', ':path': path }, { endStream: false })
  stream.on('error', () => {}).resume()
  const ended = once(stream, 'end')
  const sending = setInterval(() => stream.writableEnded || stream.write(chunk), 1)
  t.after(() => clearInterval(sending))
  const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
  assert.equal(headers[':status'], 413)
  await ended
  await new Promise((resolve) => session.ping(resolve))
  assert.ok(stream.closed, 'it is reset: the hub reads no more of it')
})

test('what broke off is not stored', async (t) => {
  const { socket, said } = await open(t)
  socket.write('POST /v1/devices/broken/telemetry HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n{"t":1}')
  await settled()
  socket.destroy()
  await said
  await settled()
  assert.equal((await fetch(`${hub.url}/v1/devices/broken`)).status, 404)
})

test('more header fields than the bound are refused by name', async (t) => {
  const { socket, said } = await open(t)
  const fields = Array.from({ length: limits.headFields }, (_, at) => `x-${at}: 1\r\n`).join('')
  socket.write(`GET /v1/hub HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${fields}\r\n`)
  assert.match(await said, /^HTTP\/1\.1 431 [\s\S]*"too-many-headers"/)
})

test('a route that asks for it reads its body as a stream, for as long as it likes, over HTTP/1.1 and HTTP/2', async (t) => {
  const turned = new HandClock()
  const wheel = new Wheel(turned)
  const app = fastify({ requestTimeout: 0 })
  parseBodies(app, wheel)
  app.post('/stream', { config: { bodyStream: true } }, async (request, reply) => {
    reply.hijack()
    reply.raw.writeHead(200)
    for await (const chunk of request.body as Readable) reply.raw.write(String(chunk).toUpperCase())
    reply.raw.end('!')
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const second = http2.createServer((request, response) => {
    asInHttp1(request)
    app.routing(request as never, response as never)
  })
  second.listen(0, '127.0.0.1')
  await once(second, 'listening')
  t.after(async () => {
    wheel.stop()
    second.close()
    await app.close()
  })

  const { socket, said } = await open(t, (app.server.address() as AddressInfo).port)
  const head = once(socket, 'data')
  socket.write('POST /stream HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\na\r\n')
  const session = http2.connect(`http://127.0.0.1:${(second.address() as AddressInfo).port}`)
  t.after(() => session.destroy())
  const stream = session.request({ ':method': 'POST', ':path': '/stream' }, { endStream: false })
  stream.write('a')
  const echo = once(stream, 'data')
  await Promise.all([head, echo])
  turned.advance(24 * 3600)
  socket.write('1\r\nb\r\n0\r\n\r\n')
  assert.match(await said, /^HTTP\/1\.1 200 [\s\S]*A[\s\S]*B[\s\S]*!/)
  let rest = ''
  stream.end('b')
  for await (const chunk of stream) rest += chunk
  assert.equal(rest, 'B!')
  assert.equal(String((await echo)[0]), 'A')
})
