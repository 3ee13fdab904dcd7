// The orderly stop: the hub as a process, one of each kind of peer and many of those that are told when to come again. Everyone hears why in
// the words of its own protocol, nobody holds the stop up, and what was acknowledged is there afterwards.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import tls from 'node:tls'
import { limits } from '../hub/limits.ts'
import { openHttp1 } from './json/upstream.ts'
import { bodyOf, EventReader, follow, overHttp1, overHttp2 } from './kit/events.ts'
import { type HubProcess, newFolder, spawnHub } from './kit/hub.ts'
import { helloJson } from './kit/json.ts'
import { openLive } from './kit/live.ts'
import { moor, TestClient } from './kit/mqtt.ts'

/** Of those who are told when to come again: enough for their figures to differ. */
const many = Array.from({ length: 12 }, (_, at) => at)

type Listening = Record<'mqtt' | 'http' | 'mqtts' | 'https' | 'all', { readonly port: number }>

async function socketTo(t: TestContext, port: number, said: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  socket.on('error', () => {}) // the end is told by `close`
  socket.write(said)
  return socket
}

function overTls(t: TestContext, port: number): Promise<tls.TLSSocket> {
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  t.after(() => socket.destroy())
  return once(socket, 'secureConnect').then(() => socket)
}

function closed(socket: { once(event: 'close', listener: () => void): unknown }): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()))
}

async function connections(hub: HubProcess): Promise<number> {
  const { figures } = (await hub.get('/v1/hub')) as { figures: { connections: number } }
  return figures.connections
}

/** Within the window, and not all the same. */
function assertSpread(what: string, seconds: readonly number[]): void {
  for (const each of seconds) assert.ok(each >= 1 && each <= limits.reconnectSpreadSeconds, `${what}: after ${each} s`)
  assert.ok(new Set(seconds).size > 2, `${what}: they come back together, after ${seconds.join()} s`)
}

function secondsIn(sentence: string): number {
  return Number(/again in (\d+) s/.exec(sentence)?.[1])
}

/** Messages sent and not waited for; what was acknowledged until the connection closed. */
async function publishesUntilTheEnd(client: TestClient, count: number): Promise<number[]> {
  const acknowledged: number[] = []
  for (let at = 1; at <= count; at++) client.sendPublish('rush', `${at}`, { qos: 1, messageId: at })
  await client.closed
  for (const packet of client.unread) if (packet.cmd === 'puback') acknowledged.push(packet.messageId as number)
  return acknowledged
}

test('everyone is told in its own words that the hub stops, and nobody holds it up', async (t) => {
  const hub: HubProcess = await spawnHub(t, newFolder(t), '--mqtts-port', '0', '--https-port', '0', '--port', '0')
  const { listeners } = (await hub.get('/v1/hub')) as { listeners: Listening }
  const events = (client: string) => `${hub.url}/v1/session/events?client=${client}&filter=a`

  const older = await Promise.all(many.map((at) => moor(t, hub, `older ${at}`, 4)))
  const newer = await Promise.all(many.map((at) => moor(t, hub, `newer ${at}`, 5, {}, at % 2 === 0 ? 'TCP' : 'WebSocket')))
  const secured = await Promise.all(
    many.map(async (at) => {
      const client = new TestClient(await overTls(t, listeners.mqtts.port), 5)
      await client.connect(`secured ${at}`)
      return client
    }),
  )
  const jsons = await Promise.all(many.map(() => helloJson(t, hub)))
  const sessions = await Promise.all(many.map((at) => follow(t, events(`reader-${at}`))))
  const messages = await Promise.all(many.map(() => follow(t, `${hub.url}/v1/messages?filter=a`)))
  const feeds = await Promise.all(many.map(async () => new EventReader(await overHttp1(`${hub.url}/v1/events`))))
  const http2Streams = await Promise.all(
    [hub.url, `https://127.0.0.1:${listeners.https.port}`].map((url) => follow(t, `${url}/v1/messages?filter=a`, {}, overHttp2)),
  )
  const viewers = await Promise.all(many.map(() => openLive(t, hub)))
  const before = await connections(hub)
  const polls = many.map((at) => overHttp1(`${hub.url}/v1/session/messages?client=poller-${at}&filter=a&wait=60`))
  while ((await connections(hub)) < before + polls.length);
  const ups = await Promise.all(many.map(() => openHttp1(t, Number(new URL(hub.url).port), '/v1/stream')))
  for (const up of ups) {
    up.line({ topic: 'kept', payload: 1 })
    await up.stored(1)
  }
  const quiet = connectHttp2(hub.url)
  t.after(() => quiet.destroy())
  await once(quiet, 'remoteSettings')
  const goAway = once(quiet, 'goaway')
  const silent = await Promise.all(Object.values(listeners).map(({ port }) => socketTo(t, port, '')))
  const halfHead = await socketTo(t, listeners.http.port, 'GET /v1/hub HTTP/1.1\r\nHost: local')
  const halfConnect = await socketTo(t, listeners.mqtt.port, '\x10')
  const idle = await socketTo(t, listeners.http.port, 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(idle, 'data')
  const unheard = [...silent, halfHead, halfConnect, idle]
  for (const socket of unheard) socket.resume()

  // Those that have stopped reading, with much on its way to them.
  const deafMqtt = await moor(t, hub, 'deaf', 5)
  await deafMqtt.subscribe('loud', { qos: 1 })
  const deafJson = await helloJson(t, hub, { subscribe: [{ filter: 'loud' }] })
  const deafEvents = await follow(t, `${hub.url}/v1/messages?filter=loud`)
  deafMqtt.socket.pause()
  deafJson.socket.pause()
  deafEvents.answer.body.pause()
  const loud = await moor(t, hub, 'loud', 5)
  for (let at = 0; at < 80; at++) await loud.publish('loud', Buffer.alloc(200 * 1024), { qos: 1 })

  const ends = Promise.all([...unheard.map(closed), closed(quiet)])
  const rushing = await moor(t, hub, 'rushing', 5)
  const rushed = publishesUntilTheEnd(rushing, 500)
  await rushing.next('puback', 1)
  const askedMs = performance.now()
  hub.child.kill('SIGTERM')
  const stopped = hub.exited.then((code) => ({ code, tookMs: performance.now() - askedMs }))

  for (const client of older) {
    await client.closed
    assert.deepEqual(client.unread, [], 'a server has no DISCONNECT in MQTT 3.1.1')
  }
  for (const [what, clients] of [
    ['MQTT 5', newer],
    ['MQTT 5 over TLS', secured],
  ] as const) {
    const goodbyes = await Promise.all(clients.map((client) => client.goodbye()))
    for (const goodbye of goodbyes) assert.equal(goodbye?.code, 0x8b, what) //  5: section 3.14.2.1, server shutting down
    assertSpread(
      what,
      goodbyes.map((goodbye) => secondsIn(goodbye?.reason ?? '')),
    )
  }
  const jsonSeconds = jsons.map(async (client) => {
    const { code, detail, retry } = await client.next('error')
    const closing = await client.closed
    assert.deepEqual([code, retry, closing.code], ['shutting-down', true, 1012])
    assert.equal(closing.reason, detail)
    return secondsIn(closing.reason)
  })
  assertSpread('JSON over WebSocket', await Promise.all(jsonSeconds))
  for (const [what, readers] of [
    ['events of a session', sessions],
    ['events without a session', messages],
    ['events of the feed', feeds],
    ['events over HTTP/2', http2Streams],
  ] as const) {
    for (const reader of readers) {
      await reader.ended()
      const { type, data } = reader.unread.at(-1) ?? { type: 'nothing', data: '{}' }
      const { code, retry } = JSON.parse(data) as { code?: string; retry?: boolean }
      assert.deepEqual([type, code, retry], ['error', 'shutting-down', true], what)
    }
    const seconds = readers.map(({ retryMs = 0 }) => retryMs / 1000)
    if (readers.length > 2) assertSpread(what, seconds)
  }
  const viewerSeconds = viewers.map(async (viewer) => {
    const { code, reason } = await viewer.closed
    assert.equal(code, 1012)
    return secondsIn(reason)
  })
  assertSpread('viewers', await Promise.all(viewerSeconds))
  const pollSeconds = polls.map(async (poll) => {
    const answer = await poll
    assert.equal(answer.status, 503)
    assert.equal((JSON.parse(await bodyOf(answer)) as { code: string }).code, 'shutting-down')
    return Number(answer.headers['retry-after'])
  })
  assertSpread('long-polls', await Promise.all(pollSeconds))
  const upSeconds = ups.map(async (up) => {
    const last = (await up.rest()).at(-1)
    assert.deepEqual([last?.['stored'], last?.['code'], last?.['next']], [1, 'shutting-down', 2])
    return last?.['retryAfter'] as number
  })
  assertSpread('streams that go up', await Promise.all(upSeconds))
  assert.equal((await goAway)[0], 0, 'no error')
  await ends
  const { code, tookMs } = await stopped
  t.diagnostic(`the stop took ${Math.round(tookMs)} ms`)
  assert.equal(code, 0)
  assert.ok(tookMs < 10_000, `${tookMs} ms`)
  assert.equal(hub.stderr(), '', 'a stop that was asked for is no warning')

  // What was acknowledged, before the stop and in its midst, is there.
  const acknowledged = [1, ...(await rushed)]
  const again = await spawnHub(t, hub.folder)
  const kept = await follow(t, `${again.url}/v1/messages?filter=kept&last=100`)
  assert.deepEqual(
    await kept.texts(many.length),
    many.map(() => '1'),
  )
  const came = await follow(t, `${again.url}/v1/messages?filter=rush&last=1000`)
  for (const number of acknowledged) assert.deepEqual(await came.texts(1), [`${number}`])
})

test('who is connected and asks for more while the hub stops is sent away with a time to come again', async (t) => {
  const hub = await spawnHub(t, newFolder(t))
  const { port } = new URL(hub.url)
  // It does not read, so the stop waits for it, and meanwhile others ask.
  const deaf = await follow(t, `${hub.url}/v1/messages?filter=loud`)
  deaf.answer.body.pause()
  const loud = await moor(t, hub, 'loud', 5)
  for (let at = 0; at < 80; at++) await loud.publish('loud', Buffer.alloc(200 * 1024), { qos: 1 })
  const asking = await Promise.all(
    ['/v1/messages?filter=a', '/v1/session/events?client=b', '/v1/session/messages?client=c&wait=60'].map(async (path) => {
      const socket = await socketTo(t, Number(port), 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await once(socket, 'data')
      return { socket, path }
    }),
  )
  hub.child.kill('SIGTERM')
  await loud.closed
  for (const { socket, path } of asking) {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    assert.match(answer.toString(), /^HTTP\/1\.1 503 [\s\S]*retry-after: ([1-9]|10)\r\n[\s\S]*"shutting-down"/, path)
  }
  assert.equal(await hub.exited, 0)
})
