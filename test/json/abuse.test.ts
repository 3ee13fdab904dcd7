// Those who mean harm on the wires of the JSON protocol: what they cost is bounded, and who stands beside them notices nothing. The hub is a
// process of its own, so that its memory is its own.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, type TestContext, test } from 'node:test'
import { limits, MiB } from '../../hub/limits.ts'
import { besideAnOffence } from '../kit/bystander.ts'
import { HandClock } from '../kit/clock.ts'
import { follow } from '../kit/events.ts'
import { webSocketFrame, webSocketFrames } from '../kit/frames.ts'
import { newFolder, spawnHub, startHub, type TestHub } from '../kit/hub.ts'
import { dialJson, helloJson } from '../kit/json.ts'
import { moor } from '../kit/mqtt.ts'

const kind = { after } as unknown as TestContext
const hub = await spawnHub(kind, newFolder(kind))
const patienceMs = 20_000

/** A connection by hand, and what it has heard. */
class Peer {
  readonly socket: Socket
  #heard = Buffer.alloc(256)
  #length = 0
  #wake: (() => void) | undefined
  isClosed = false

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      this.#add(chunk)
      this.#wake?.()
    })
    socket.on('close', () => {
      this.isClosed = true
      this.#wake?.()
    })
  }

  get bytes(): Buffer {
    return this.#heard.subarray(0, this.#length)
  }

  get text(): string {
    return this.bytes.toString()
  }

  /** Comes back once it holds; the wait is bounded. */
  async until(holds: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + patienceMs
    while (!holds()) {
      const leftMs = deadline - performance.now()
      assert.ok(leftMs > 0, `${what} did not come within ${patienceMs} ms; the peer has heard ${this.text.slice(-500)}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  async hears(text: string): Promise<void> {
    let searched = 0
    const isHeard = () => {
      const found = this.bytes.includes(text, Math.max(0, searched - text.length))
      searched = this.#length
      return found
    }
    await this.until(isHeard, text)
  }

  async closed(): Promise<void> {
    await this.until(() => this.isClosed, 'the end of the connection')
  }

  #add(chunk: Buffer): void {
    const length = this.#length + chunk.length
    if (length > this.#heard.length) this.#heard = Buffer.concat([this.bytes], 2 * length)
    chunk.copy(this.#heard, this.#length)
    this.#length = length
  }
}

async function peerOf(t: TestContext, { url }: TestHub, said: string): Promise<Peer> {
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', noDelay: true })
  t.after(() => socket.destroy())
  const peer = new Peer(socket)
  await once(socket, 'connect')
  socket.write(said)
  return peer
}

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
}

function poll(client: string, query = 'filter=a&wait=60'): string {
  return get(`/v1/session/messages?client=${client}&${query}`)
}

/** `count` of them, so many at a time that no queue of the system overflows. */
async function many<T>(count: number, open: (at: number) => Promise<T>): Promise<T[]> {
  const all: T[] = []
  while (all.length < count) {
    const from = all.length
    all.push(...(await Promise.all(Array.from({ length: Math.min(100, count - from) }, (_, at) => open(from + at)))))
  }
  return all
}

async function connections({ get }: TestHub): Promise<number> {
  const { figures } = (await get('/v1/hub')) as { figures: { connections: number } }
  return figures.connections
}

/** Comes back once the hub counts so many connections; the wait is bounded. */
async function connected(to: TestHub, count: number): Promise<void> {
  const deadline = performance.now() + patienceMs
  for (let open = await connections(to); open !== count; open = await connections(to)) {
    assert.ok(performance.now() < deadline, `${open} connections are open, not ${count}`)
  }
}

test('thousands of held polls and of event streams leave room for others, and each is told when the hub stops', async (t) => {
  const own = await spawnHub(t, newFolder(t))
  const count = 3000
  const polls: Peer[] = []
  const streams: Peer[] = []
  await besideAnOffence(t, own, 'many', 300 * MiB, async () => {
    polls.push(...(await many(count, (at) => peerOf(t, own, poll(`poll-${at}`)))))
    streams.push(...(await many(count, (at) => peerOf(t, own, get(`/v1/session/events?client=stream-${at}&filter=a`)))))
    for (const stream of streams) await stream.hears('welcome')
    await connected(own, 2 * count + 1)
  })
  const pump = await moor(t, own, 'pump')
  await pump.publish('a', 'one', { qos: 1 })
  for (const peer of [...polls, ...streams]) await peer.hears('"text":"one"')
  for (const [at, peer] of polls.entries()) {
    const [, after] = /"cursor":"([\d.]+)"\}$/.exec(peer.text) ?? []
    peer.socket.write(poll(`poll-${at}`, `after=${after}&wait=60`))
  }
  await besideAnOffence(t, own, 'many more', 100 * MiB, () => own.get('/healthz')) // all of them are held
  const askedMs = performance.now()
  own.child.kill('SIGTERM')
  const stoppedMs = own.exited.then(() => performance.now() - askedMs)
  for (const peer of polls) {
    await peer.closed()
    assert.match(peer.text, /HTTP\/1\.1 503 [\s\S]*retry-after: \d+/i)
  }
  for (const stream of streams) {
    await stream.closed()
    assert.match(stream.text, /retry: \d+\nevent: error\n/)
  }
  assert.equal(await own.exited, 0)
  t.diagnostic(`the stop took ${Math.round(await stoppedMs)} ms`)
  assert.ok((await stoppedMs) < 10_000, `it took ${await stoppedMs} ms`)
})

test('thousands of polls that read up while the hub stops do not hold it up', async (t) => {
  const own = await spawnHub(t, newFolder(t))
  const peers = await many(3000, (at) => peerOf(t, own, poll(`late-${at}`)))
  await connected(own, peers.length)
  await own.post('/v1/publish', { topic: 'a', payload: 1 })
  for (const peer of peers) await peer.hears('"payload":1')
  for (const [at, { socket }] of peers.entries()) socket.write(poll(`late-${at}`)) // without acknowledging, so that it is looked up again
  const askedMs = performance.now()
  own.child.kill('SIGTERM')
  assert.equal(await own.exited, 0)
  const tookMs = performance.now() - askedMs
  t.diagnostic(`the stop took ${Math.round(tookMs)} ms`)
  assert.ok(tookMs < 8000, `it took ${tookMs} ms`)
  for (const peer of peers) await peer.closed()
})

test('polls that are opened to be given up leave nothing behind', async (t) => {
  const before = await connections(hub)
  const names = 50
  await besideAnOffence(t, hub, 'aborts', 96 * MiB, async () => {
    for (let round = 0; round < 100; round++) {
      const peers = await many(names, (at) => peerOf(t, hub, poll(`leaver-${at}`)))
      for (const { socket } of peers) {
        if (round % 2 === 0) socket.destroy()
        else socket.resetAndDestroy()
      }
    }
    await hub.get('/healthz')
  })
  // Those of the last rounds may still be on their way out.
  for (const deadline = performance.now() + patienceMs; (await connections(hub)) > before + names; )
    assert.ok(performance.now() < deadline, 'more than one connection for each client')
  const pump = await moor(t, hub, 'pump of the leavers')
  await pump.publish('a', 'kept', { qos: 1 })
  const peer = await peerOf(t, hub, poll('leaver-7'))
  await peer.hears('"text":"kept"')
})

test('a client that polls on hundreds of sockets at once has one request held, and the others are answered', async (t) => {
  const peers: Peer[] = []
  await besideAnOffence(t, hub, 'the same', 64 * MiB, async () => {
    peers.push(...(await many(500, () => peerOf(t, hub, poll('same', 'filter=same&wait=60')))))
    let open = peers
    for (const deadline = performance.now() + patienceMs; open.length > 1; open = peers.filter(({ text }) => text === '')) {
      assert.ok(performance.now() < deadline, `${open.length} are held`)
      await hub.get('/healthz')
    }
    for (const { text } of peers) if (text !== '') assert.match(text, /^HTTP\/1\.1 200 [\s\S]*"messages":\[\]/)
  })
  const pump = await moor(t, hub, 'pump of the same')
  await pump.publish('same', 'for the last', { qos: 1 })
  const [last] = peers.filter(({ text }) => text === '')
  await last?.hears('for the last')
})

test('polls and streams that are sent ahead on one connection without end cost that connection alone', async (t) => {
  await besideAnOffence(t, hub, 'requests ahead', 64 * MiB, async () => {
    for (let round = 0; round < 20; round++) {
      const polls = Array.from({ length: 3000 }, (_, at) => poll(`ahead-${at}`)).join('')
      const streams = Array.from({ length: 3000 }, () => get('/v1/messages?filter=a')).join('')
      const mixed = Array.from({ length: 1500 }, (_, at) => poll('mixed') + get(`/v1/messages?filter=${at}`)).join('')
      for (const ahead of [polls, streams, mixed]) await (await peerOf(t, hub, ahead)).closed()
    }
  })
})

test('who says no hello is closed in time, whatever else it says', async (t) => {
  const clock = new HandClock()
  const own = await startHub(t, {}, clock)
  const clients = await Promise.all(Array.from({ length: 200 }, () => dialJson(t, own)))
  for (let second = 0; second <= limits.connectSeconds; second++) {
    for (const { socket } of clients.slice(0, 100)) if (socket.readyState === socket.OPEN) socket.ping()
    await own.get('/healthz')
    clock.advance(1)
  }
  for (const client of clients) {
    assert.equal((await client.next('error')).code, 'hello-timeout')
    assert.equal((await client.closed).code, 1008)
  }
})

test('subscriptions past the bound are refused one by one, and the client stays', async (t) => {
  const past = 4000
  await besideAnOffence(t, hub, 'subscriptions', 64 * MiB, async () => {
    const client = await helloJson(t, hub)
    for (let at = 0; at < limits.subscriptionsPerSession + past; at++) client.say({ is: 'subscribe', filter: `many/${at}`, id: at })
    for (let at = 0; at < limits.subscriptionsPerSession + past; at++) {
      const { is, id, code } = await client.answer()
      const expected = at < limits.subscriptionsPerSession ? ['ack', at, undefined] : ['error', at, 'too-many-subscriptions']
      assert.deepEqual([is, id, code], expected)
    }
    await client.ping()
    await client.leave()
  })
})

/** A WebSocket by hand, which has said hello and heard the welcome. */
async function session(t: TestContext, hello: object = {}): Promise<Peer> {
  const peer = await peerOf(
    t,
    hub,
    [
      'GET /v1/session HTTP/1.1',
      'Host: localhost',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Protocol: mooring.json',
      '\r\n',
    ].join('\r\n'),
  )
  await peer.hears('101 Switching')
  peer.socket.write(frameOf({ is: 'hello', ...hello }))
  await peer.hears('"welcome"')
  return peer
}

function frameOf(frame: object): Buffer {
  return webSocketFrame(1, Buffer.from(JSON.stringify(frame)))
}

/** The frames of the hub that a peer has heard since its upgrade. */
function framesHeard({ bytes }: Peer): { code?: string; id?: number; is: string }[] {
  const frames = webSocketFrames(bytes.subarray(bytes.indexOf('\r\n\r\n') + 4))
  return frames.filter(({ opcode }) => opcode === 1).map(({ payload }) => JSON.parse(payload.toString()) as { is: string })
}

function drains(socket: Socket, withinMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (isDrained: boolean) => {
      clearTimeout(timer)
      socket.off('drain', drained).off('close', closed)
      resolve(isDrained)
    }
    const drained = () => end(true)
    const closed = () => end(false)
    const timer = setTimeout(closed, withinMs)
    socket.on('drain', drained).on('close', closed)
  })
}

/** Writes until the hub has taken nothing for a while, or has closed. How many pieces were handed over. */
async function pushUntilHeldUp({ socket }: Peer, count: number, next: (at: number) => Buffer): Promise<number> {
  const quietMs = 2000
  for (let at = 0; at < count; at++) {
    if (socket.destroyed) return at
    if (!socket.write(next(at)) && !(await drains(socket, quietMs))) return at + 1
  }
  return count
}

test('histories that are asked for without end cost others nothing, and the hub a bounded sum', async (t) => {
  const pump = await moor(t, hub, 'pump of histories', 5)
  const text = 'x'.repeat(1000)
  for (let at = 0; at < 4000; at++) pump.sendPublish('past', text, { qos: 0 })
  await Promise.all(Array.from({ length: 500 }, () => pump.publish('past', text, { qos: 1 })))
  await besideAnOffence(t, hub, 'histories', 128 * MiB, async () => {
    const asking = await session(t)
    asking.socket.pause()
    const many = Buffer.concat(
      Array.from({ length: 100 }, (_, at) => frameOf({ is: 'subscribe', filter: at % 2 === 0 ? 'past' : `past/${at}/#`, since: at % 3 })),
    )
    await pushUntilHeldUp(asking, 300, () => many)
    asking.socket.destroy()
    // One that reads all of it.
    const reading = await session(t)
    for (let at = 0; at < 50; at++) reading.socket.write(many)
    reading.socket.write(frameOf({ is: 'ping' }))
    await reading.hears('"pong"')
    reading.socket.destroy()
  })
})

test('a publisher that reads no acknowledgement is not read either, and then gets them all', async (t) => {
  const publisher = await session(t)
  let sent = 0
  await besideAnOffence(t, hub, 'unread acks', 128 * MiB, async () => {
    publisher.socket.pause()
    const frames = (from: number) =>
      Buffer.concat(
        Array.from({ length: 500 }, (_, at) =>
          frameOf({ is: 'publish', topic: 'deaf', text: 'x'.repeat(400), qos: 1, id: `${from + at}`.padStart(64, '0') }),
        ),
      )
    const pieces = 2000
    sent = await pushUntilHeldUp(publisher, pieces, (at) => frames(at * 500))
    assert.ok(sent < pieces, 'the hub stops reading')
    publisher.socket.resume()
    const last = `${sent * 500 - 1}`.padStart(64, '0')
    await publisher.hears(last)
  })
  const acks = framesHeard(publisher).filter(({ is }) => is === 'ack')
  assert.deepEqual(
    acks.map(({ id }) => Number(id)),
    Array.from({ length: sent * 500 }, (_, at) => at),
  )
})

for (const [name, ping] of [
  ['of the protocol', frameOf({ is: 'ping' })],
  ['of WebSocket', webSocketFrame(9, Buffer.alloc(125))],
] as const) {
  test(`pings ${name} without end, whose answers nobody reads, are not taken to the end`, async (t) => {
    await besideAnOffence(t, hub, `pings ${name}`, 64 * MiB, async () => {
      const offender = await session(t)
      offender.socket.pause()
      const many = Buffer.concat(Array.from({ length: 1000 }, () => ping))
      assert.ok((await pushUntilHeldUp(offender, 10_000, () => many)) < 10_000)
      offender.socket.destroy()
    })
  })
}

test('100 MB published past a reader of events that does not read are in the journal, not in memory, until it reads', async (t) => {
  const count = 500
  const filling = 'x'.repeat(200 * 1024)
  const numbers: number[] = []
  const reader = await follow(t, `${hub.url}/v1/messages?filter=heavy`)
  reader.answer.body.pause()
  await besideAnOffence(t, hub, 'heavy', 224 * MiB, async () => {
    const pump = await moor(t, hub, 'pump of the heavy', 5)
    for (let at = 0; at < count; at++) await pump.publish('heavy', `${at} ${filling}`, { qos: 1 })
  })
  assert.ok(reader.unread.length < count / 4, 'most of it is still to come')
  reader.answer.body.resume()
  while (numbers.length < count) {
    const [text] = await reader.texts(1)
    numbers.push(Number.parseInt(text as string, 10))
  }
  assert.deepEqual(
    numbers,
    Array.from({ length: count }, (_, at) => at),
  )
})

test('thousands of streams up with half a line each leave room for others, and their lines end well', async (t) => {
  const half = `{"topic":"half","text":"${'x'.repeat(500)}`
  const rest = '"}\n'
  const chunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
  const head = 'POST /v1/stream HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n'
  await besideAnOffence(t, hub, 'half lines', 128 * MiB, async () => {
    const streams = await many(2000, () => peerOf(t, hub, head + chunk(half)))
    for (const stream of streams) await stream.hears('200 OK')
    for (const { socket } of streams) socket.write(chunk(rest))
    for (const stream of streams) await stream.hears('{"stored":1}')
    for (const { socket } of streams) socket.destroy()
  })
})
