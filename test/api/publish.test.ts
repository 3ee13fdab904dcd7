// Messages over HTTP: published by programs, retained ones read back, replies of devices to commands.
import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import test from 'node:test'
import { limits } from '../../hub/limits.ts'
import { HandClock } from '../kit/clock.ts'
import { startHub, type TestHub } from '../kit/hub.ts'
import { moor } from '../kit/mqtt.ts'

interface Retained {
  readonly messages: readonly Record<string, unknown>[]
  readonly next: string | null
}

async function answerOf(response: Response): Promise<[status: number, body: unknown]> {
  const { cursor, ...body } = (await response.json()) as { code?: string; cursor?: string }
  if (cursor !== undefined) assert.match(cursor, /^\d+\.\d+$/)
  return [response.status, body.code ?? { ...body, ...(cursor === undefined ? {} : { hasCursor: true }) }]
}

test('a message published as JSON reaches its subscribers, and is on disk when the answer comes', async (t) => {
  const hub = await startHub(t)
  const listener = await moor(t, hub, 'listener')
  await listener.subscribe('plant/#', { qos: 2 })
  const before = hub.hub.store.figures().messages
  assert.deepEqual(await answerOf(await hub.post('/v1/publish', { topic: 'plant/1', payload: { t: 21.5 }, qos: 2 })), [
    200,
    { stored: 1, hasCursor: true },
  ])
  assert.equal(hub.hub.store.figures().messages, before + 1)
  const first = await listener.next('publish')
  assert.deepEqual([first.topic, String(first.payload), first.qos], ['plant/1', '{"t":21.5}', 2])
  assert.deepEqual(await answerOf(await hub.post('/v1/publish', { topic: 'plant/2', base64: 'AP8=', qos: 0 })), [200, { stored: 0 }])
  assert.deepEqual(Buffer.from((await listener.next('publish')).payload as Buffer), Buffer.from([0, 255]))
})

test('with the topic in the query the body is the payload, whatever its bytes', async (t) => {
  const hub = await startHub(t)
  const listener = await moor(t, hub, 'listener')
  await listener.subscribe('raw/+', { qos: 1 })
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  const post = (query: string, body: BodyInit) => fetch(`${hub.url}/v1/publish?${query}`, { method: 'POST', body })
  assert.deepEqual(await answerOf(await post('topic=raw/1', bytes)), [200, { stored: 1, hasCursor: true }])
  const { payload, qos } = await listener.next('publish')
  assert.deepEqual([Buffer.from(payload as Buffer).equals(bytes), qos], [true, 1])
  assert.deepEqual(await answerOf(await post('topic=raw/2&qos=0&retain=true', 'kept')), [200, { stored: 1, hasCursor: true }])
  assert.deepEqual(((await hub.get('/v1/retained?filter=raw/2')) as Retained).messages.length, 1)
  assert.deepEqual(await answerOf(await post('topic=raw/2&retain=true', '')), [200, { stored: 1, hasCursor: true }])
  assert.deepEqual(((await hub.get('/v1/retained?filter=raw/2')) as Retained).messages, [])
})

test('what cannot be published is refused by its name', async (t) => {
  const hub = await startHub(t)
  const cases: readonly [body: string | object, status: number, code: string][] = [
    ['{"topic":', 400, 'request-invalid'],
    ['[]', 400, 'request-invalid'],
    ['', 400, 'request-invalid'],
    [{ topic: 'a' }, 400, 'request-invalid'],
    [{ topic: 'a', text: 'b', base64: 'Yg==' }, 400, 'request-invalid'],
    [{ topic: 'a', base64: 'Yg' }, 400, 'request-invalid'],
    [{ topic: 'a', payload: 1, qos: 4 }, 400, 'request-invalid'],
    [{ topic: 'a/+', payload: 1 }, 400, 'topic-invalid'],
    [{ topic: 'x'.repeat(limits.topicBytes + 1), payload: 1 }, 400, 'topic-invalid'],
    [{ topic: '$SYS/a', payload: 1 }, 403, 'topic-not-allowed'],
    [{ topic: 'a', text: 'x'.repeat(limits.packetBytes + 1) }, 413, 'payload-too-large'],
    [{ topic: 'devices/d/telemetry', payload: 1 }, 400, 'telemetry-invalid'],
  ]
  for (const [body, status, code] of cases) {
    assert.deepEqual(await answerOf(await hub.post('/v1/publish', body)), [status, code], JSON.stringify(body).slice(0, 60))
  }
  for (const query of ['topic=a&qos=3', 'topic=a&retain=perhaps']) {
    assert.deepEqual(await answerOf(await hub.post(`/v1/publish?${query}`, 'x')), [400, 'request-invalid'], query)
  }
  const large = await hub.post('/v1/publish?topic=a', 'x'.repeat(limits.packetBytes + 1))
  assert.deepEqual(await answerOf(large), [413, 'payload-too-large'])
})

test('retained messages are found by filter, in the order of their topics, a page at a time', async (t) => {
  const hub = await startHub(t)
  const topics = Array.from({ length: 25 }, (_, n) => `shelf/${String(n * 7 + 10).padStart(3, '0')}`)
  for (const topic of [...topics].reverse()) await hub.post('/v1/publish', { topic, payload: topic.length, retain: true })
  await hub.post('/v1/publish', { topic: 'other', payload: 1, retain: true })
  const seen: unknown[] = []
  for (let after: string | null = ''; after !== null; ) {
    const page = (await hub.get(`/v1/retained?filter=shelf/%23&limit=4&after=${encodeURIComponent(after)}`)) as Retained
    assert.ok(page.messages.length <= 4)
    seen.push(...page.messages.map(({ topic }) => topic))
    after = page.next
  }
  assert.deepEqual(seen, [...topics].sort())
  assert.equal(((await hub.get('/v1/retained?filter=%2B')) as Retained).messages.length, 1)
  for (const filter of ['a%23', '%24share/g/a', '']) {
    const response = await fetch(`${hub.url}/v1/retained?filter=${filter}`)
    assert.deepEqual(await answerOf(response), [400, 'filter-invalid'], filter)
  }
})

test('a retained payload comes as JSON with all its digits, as text, or as base64', async (t) => {
  const hub = await startHub(t)
  const payloads: readonly [topic: string, payload: string | Buffer<ArrayBuffer>, member: string][] = [
    ['p/1', '12345678901234567890', '"payload":12345678901234567890'],
    ['p/2', '{ "a":\r\n 1 }', '"payload":{"a":1}'],
    ['p/3', 'two\nlines', '"text":"two\\nlines"'],
    ['p/4', Buffer.from([0xff, 0]), '"base64":"/wA="'],
  ]
  for (const [topic, body] of payloads) await fetch(`${hub.url}/v1/publish?topic=${topic}&retain=true`, { method: 'POST', body })
  const response = await fetch(`${hub.url}/v1/retained?filter=p/%2B`)
  assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8')
  const text = await response.text()
  for (const [topic, , member] of payloads) assert.ok(text.includes(`{"topic":"${topic}",${member},"qos":1,"at":`), text)
  const { messages } = JSON.parse(text) as Retained
  assert.deepEqual([messages[0]?.['retain'], typeof messages[0]?.['at']], [true, 'number'])
})

test('a page of retained messages is bounded in bytes', async (t) => {
  const hub = await startHub(t)
  const body = 'x'.repeat(limits.packetBytes)
  for (let n = 0; n < 6; n++) await fetch(`${hub.url}/v1/publish?topic=large/${n}&retain=true`, { method: 'POST', body })
  const page = (await hub.get('/v1/retained?filter=large/%2B')) as Retained
  assert.equal(page.messages.length, Math.floor(limits.pageRetainedBytes / limits.packetBytes))
  const rest = (await hub.get(`/v1/retained?filter=large/%2B&after=${page.next}`)) as Retained
  assert.deepEqual([rest.messages.length + page.messages.length, rest.next], [6, null])
})

test('a device answers a command by POST, done or failed and nothing else', async (t) => {
  const hub = await startHub(t)
  const operator = await moor(t, hub, 'operator')
  await operator.subscribe('devices/+/replies/+', { qos: 1 })
  const reply = { status: 'failed', result: { why: 'jammed' } }
  assert.deepEqual(await answerOf(await hub.post('/v1/devices/pump/replies/c-1', reply)), [200, { stored: 1, hasCursor: true }])
  const { topic, payload } = await operator.next('publish')
  assert.deepEqual([topic, JSON.parse(String(payload))], ['devices/pump/replies/c-1', reply])
  const cases: readonly [path: string, body: string | object, code: string][] = [
    ['pump/replies/c-1', { status: 'perhaps' }, 'request-invalid'],
    ['pump/replies/c-1', 'done', 'request-invalid'],
    ['pump/replies/c%2F1', { status: 'done' }, 'topic-invalid'],
    ['pump/replies/%23', { status: 'done' }, 'topic-invalid'],
    ['no%20id/replies/c', { status: 'done' }, 'device-id-invalid'],
  ]
  for (const [path, body, code] of cases) {
    assert.deepEqual(await answerOf(await hub.post(`/v1/devices/${path}`, body)), [400, code], path)
  }
})

/** One request over a connection that is kept; tells which one it was. */
function postOver(agent: Agent, hub: TestHub, path: string, body: string): Promise<[status: number | undefined, port: number | undefined]> {
  return new Promise((resolve, reject) => {
    const asking = request(hub.url + path, { method: 'POST', agent }, (response) => {
      const port = response.socket.localPort
      response.resume()
      response.on('end', () => resolve([response.statusCode, port]))
    })
    asking.on('error', reject)
    asking.end(body)
  })
}

test('one connection serves request after request, refused ones too', async (t) => {
  const hub = await startHub(t)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ports = new Set<number | undefined>()
  for (const [path, body, status] of [
    ['/v1/publish?topic=a', 'x', 200],
    ['/v1/publish', 'no JSON', 400],
    ['/v1/devices/d/telemetry', '[{"n":1},{"n":2}]', 200],
    ['/v1/devices/d/replies/1', '{"status":"done"}', 200],
    ['/v1/devices/d/stream', '{"n":1}\n', 200],
    ['/v1/nothing', 'x', 404],
    ['/v1/publish?topic=b', 'x', 200],
  ] as const) {
    const [answered, port] = await postOver(agent, hub, path, body)
    assert.equal(answered, status, path)
    ports.add(port)
  }
  assert.equal(ports.size, 1)
  agent.destroy()
})

test('a body that does not arrive is refused after a while, and the connection closed', async (t) => {
  const clock = new HandClock()
  const hub = await startHub(t, {}, clock)
  const socket = connect(Number(new URL(hub.url).port), '127.0.0.1')
  t.after(() => socket.destroy())
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
  socket.write('POST /v1/publish?topic=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nbegun')
  await hub.get('/healthz') // by now the hub has read what came before
  await hub.get('/v1/hub')
  clock.advance(limits.bodySeconds + 3)
  await closed
  assert.match(text, /^HTTP\/1\.1 408 /)
  assert.match(text, /"code":"body-too-slow"/)
  // Another, declared too large, is refused before it comes.
  const large = connect(Number(new URL(hub.url).port), '127.0.0.1')
  t.after(() => large.destroy())
  large.write(`POST /v1/publish?topic=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${limits.bodyBytes + 1}\r\n\r\n`)
  const answer = await new Promise<string>((resolve) => large.once('data', (chunk: Buffer) => resolve(chunk.toString())))
  assert.match(answer, /^HTTP\/1\.1 413 /)
})
