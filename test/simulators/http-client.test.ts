import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { events, HttpDevice } from '../../simulators/clients/http.ts'

async function serve(t: TestContext, answer: RequestListener): Promise<URL> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return new URL(`http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`)
}

test('readings go up on one kept connection', async (t) => {
  const ports = new Set<number | undefined>()
  const seen: string[] = []
  const url = await serve(t, async (request, response) => {
    ports.add(request.socket.remotePort)
    let body = ''
    for await (const chunk of request) body += chunk
    seen.push(`${request.method} ${request.url} ${body}`)
    response.writeHead(204).end()
  })
  const device = new HttpDevice(url, 'tracker-1')
  t.after(() => device.close())
  const answers = await Promise.all([device.post('{"a":1}'), device.post('{"a":2}')])
  assert.deepEqual(answers, [
    { status: 204, body: '' },
    { status: 204, body: '' },
  ])
  assert.deepEqual(seen, ['POST /v1/devices/tracker-1/telemetry {"a":1}', 'POST /v1/devices/tracker-1/telemetry {"a":2}'])
  assert.equal(ports.size, 1)
})

test('a server that does not answer is not waited for', async (t) => {
  const url = await serve(t, () => {})
  const device = new HttpDevice(url, 'tracker-1', { timeoutMs: 80 })
  t.after(() => device.close())
  await assert.rejects(device.post('{}'))
})

test('events are found wherever the stream is cut', async (t) => {
  const stream = ': hello\r\n\r\nid: e.1\nevent: changes\ndata: {"a":\ndata: 1}\n\ndata: no id of its own\r\n\r\nid: e.3\rdata:x\r\r'
  const url = await serve(t, async (request, response) => {
    assert.equal(request.headers['last-event-id'], 'e.0')
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const byte of stream) {
      response.write(byte)
      await sleep(0)
    }
    response.end('\n')
  })
  const got = []
  for await (const event of events(new URL('/v1/events', url), { lastEventId: 'e.0' })) got.push(event)
  assert.deepEqual(got, [
    { type: 'changes', data: '{"a":\n1}', id: 'e.1' },
    { type: 'message', data: 'no id of its own', id: 'e.1' },
    { type: 'message', data: 'x', id: 'e.3' },
  ])
})

test('an event stream that is refused says with which status', async (t) => {
  const url = await serve(t, (_, response) => response.writeHead(503).end())
  await assert.rejects(events(url).next(), /answered 503/)
})
