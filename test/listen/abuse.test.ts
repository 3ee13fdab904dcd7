// Peers that mean harm, at each layer below the protocols: they are closed, what they cost is bounded, and who stands beside them notices
// nothing. The hub is a process of its own, so that its memory is its own.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, type TestContext, test } from 'node:test'
import tls from 'node:tls'
import { MiB } from '../../hub/limits.ts'
import { besideAnOffence } from '../kit/bystander.ts'
import { getHealth, http2Flag, http2Frame, http2Preface, http2Type, webSocketFrame } from '../kit/frames.ts'
import { newFolder, spawnHub } from '../kit/hub.ts'

const kind = { after } as unknown as TestContext
const folder = newFolder(kind)
const hub = await spawnHub(kind, folder, '--mqtts-port', '0', '--https-port', '0', '--port', '0')
const { port } = new URL(hub.url)
const { listeners } = (await hub.get('/v1/hub')) as { listeners: Record<'mqtts' | 'https' | 'all', { port: number }> }

/** How long the hub may take to close someone: its longest deadline here is 10 s, and what looks for latecomers comes by every 2 s. */
const patienceMs = 20_000

interface Offender {
  readonly socket: Socket
  /** All that the hub has said, once the connection is closed; rejects when it is not in time. */
  readonly closed: Promise<Buffer>
}

async function offend(t: TestContext, to: number | string): Promise<Offender> {
  const socket = connect({ port: Number(to), host: '127.0.0.1', noDelay: true })
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  socket.on('error', () => {})
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  const closed = new Promise<Buffer>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`still open after ${patienceMs} ms; it has heard ${Buffer.concat(chunks)}`)),
      patienceMs,
    )
    socket.once('close', () => {
      clearTimeout(timer)
      resolve(Buffer.concat(chunks))
    })
  })
  return { socket, closed }
}

/** Writes what `next` gives for as long as the hub takes it and has not closed, at most `count` times. */
async function flood({ socket }: Offender, count: number, next: (at: number) => Buffer): Promise<number> {
  for (let at = 0; at < count; at++) {
    if (socket.destroyed || socket.writableEnded) return at
    if (!socket.write(next(at))) await drained(socket)
    if (at % 64 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  return count
}

/** … or closed. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    socket.on('drain', done).on('close', done)
  })
}

const parallel = { concurrency: true }

test('those that are slow', parallel, async (t) => {
  await Promise.all([
    t.test('a peer that says nothing is closed on every port', async (t) => {
      await besideAnOffence(t, hub, 'silence', 64 * MiB, async () => {
        const ports = [hub.mqttPort, port, listeners.mqtts.port, listeners.https.port, listeners.all.port]
        const silent = await Promise.all(ports.map((to) => offend(t, to)))
        await Promise.all(silent.map(({ closed }) => closed))
      })
    }),
    t.test('a peer that goes silent after its first bytes is closed, whatever they promised', async (t) => {
      const beginnings: [string, string | number, Buffer][] = [
        ['half a CONNECT', listeners.all.port, Buffer.from('100f00', 'hex')],
        ['half a request line', port, Buffer.from('GET /v1')],
        ['half a head', listeners.all.port, Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\nX-')],
        ['a letter that may begin two protocols', port, Buffer.from('P')],
        ['half a preface of HTTP/2', listeners.all.port, http2Preface.subarray(0, 20)],
        ['a preface without SETTINGS', port, http2Preface],
        ['half a record of TLS', listeners.mqtts.port, Buffer.from('160301020001', 'hex')],
        ['the same on the one port', listeners.all.port, Buffer.from('160301020001', 'hex')],
      ]
      await Promise.all(
        beginnings.map(async ([name, to, bytes]) => {
          const offender = await offend(t, to)
          offender.socket.write(bytes)
          await offender.closed.catch((error: Error) => assert.fail(`${name}: ${error.message}`))
        }),
      )
    }),
    t.test('a peer that goes silent after its TLS handshake is closed, whatever it asked for', async (t) => {
      await Promise.all(
        [[], ['h2'], ['http/1.1'], ['mqtt']].map(async (ALPNProtocols) => {
          const { socket, closed } = await offend(t, listeners.https.port)
          const secured = tls.connect({ socket, rejectUnauthorized: false, ...(ALPNProtocols.length === 0 ? {} : { ALPNProtocols }) })
          secured.on('error', () => {}).resume()
          await once(secured, 'secureConnect')
          await closed.catch((error: Error) => assert.fail(`${ALPNProtocols.join()}: ${error.message}`))
        }),
      )
    }),
    t.test('a head that comes a byte at a time is cut off by its deadline', async (t) => {
      const offender = await offend(t, port)
      offender.socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n')
      const dripping = setInterval(() => offender.socket.write('x'), 200)
      t.after(() => clearInterval(dripping))
      assert.match((await offender.closed).toString(), /^HTTP\/1\.1 408 /)
    }),
  ])
})

test('a head without end is refused at its bound', async (t) => {
  for (const to of [port, listeners.all.port]) {
    const offender = await offend(t, to)
    offender.socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n')
    const line = Buffer.from(`x-${'a'.repeat(50)}: b\r\n`)
    assert.ok((await flood(offender, 100_000, () => line)) < 100_000, 'it is not taken to the end')
    assert.match((await offender.closed).toString(), /^(HTTP\/1\.1 431 |$)/)
  }
})

test('thousands of half handshakes at once leave room for others', async (t) => {
  await besideAnOffence(t, hub, 'handshakes', 256 * MiB, async () => {
    const half = Buffer.from('160301020001', 'hex')
    const offenders = await Promise.all(Array.from({ length: 1500 }, () => offend(t, listeners.mqtts.port)))
    for (const { socket } of offenders) socket.write(half)
    await new Promise((resolve) => setTimeout(resolve, 500))
    for (const { socket } of offenders) socket.destroy()
    await Promise.all(offenders.map(({ closed }) => closed))
  })
})

/** A WebSocket by hand; its frames come after. */
async function webSocket(t: TestContext, path: string, subprotocol: string): Promise<Offender> {
  const offender = await offend(t, port)
  const head = once(offender.socket, 'data')
  offender.socket.write(
    [
      `GET ${path} HTTP/1.1`,
      'Host: localhost',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      `Sec-WebSocket-Protocol: ${subprotocol}`,
      '\r\n',
    ].join('\r\n'),
  )
  assert.match(String((await head)[0]), /^HTTP\/1\.1 101 /)
  return offender
}

for (const [path, subprotocol] of [
  ['/mqtt', 'mqtt'],
  ['/live', 'mooring.live'],
] as const) {
  test(`fragments without end close a WebSocket at ${path}, empty ones too`, async (t) => {
    await besideAnOffence(t, hub, 'fragments', 64 * MiB, async () => {
      for (const bytes of [0, 1, 1000]) {
        const offender = await webSocket(t, path, subprotocol)
        const fragment = webSocketFrame(0, Buffer.alloc(bytes), false)
        offender.socket.write(webSocketFrame(2, Buffer.alloc(bytes), false))
        await flood(offender, 100_000, () => fragment)
        await offender.closed
      }
    })
  })

  test(`pings without end, whose answers nobody reads, close a WebSocket at ${path}`, async (t) => {
    await besideAnOffence(t, hub, 'pings', 64 * MiB, async () => {
      const offender = await webSocket(t, path, subprotocol)
      offender.socket.pause()
      const ping = webSocketFrame(9, Buffer.alloc(125))
      assert.ok((await flood(offender, 1_000_000, () => ping)) < 1_000_000)
      await offender.closed
    })
  })
}

/** The first words of HTTP/2, after which any frame may come. */
async function http2Client(t: TestContext): Promise<Offender> {
  const offender = await offend(t, port)
  offender.socket.write(Buffer.concat([http2Preface, http2Frame('settings', 0, 0)]))
  await once(offender.socket, 'data')
  return offender
}

/** Types of the frames in what the hub said. */
function typesIn(said: Buffer): number[] {
  const types: number[] = []
  for (let at = 0; at + 9 <= said.length; at += 9 + said.readUIntBE(at, 3)) types.push(said[at + 3] as number)
  return types
}

test('streams that are opened to be reset end the connection (CVE-2023-44487)', async (t) => {
  await besideAnOffence(t, hub, 'resets', 64 * MiB, async () => {
    const offender = await http2Client(t)
    const cancel = Buffer.from([0, 0, 0, 8])
    const sent = await flood(offender, 100_000, (at) =>
      Buffer.concat([
        http2Frame('headers', http2Flag.endHeaders | http2Flag.endStream, 2 * at + 1, getHealth),
        http2Frame('rstStream', 0, 2 * at + 1, cancel),
      ]),
    )
    const said = await offender.closed
    assert.ok(sent < 100_000 || typesIn(said).includes(http2Type.goAway), 'it was told to go')
  })
})

test('a head in CONTINUATION frames without end ends the connection (CVE-2024-27983)', async (t) => {
  await besideAnOffence(t, hub, 'continuations', 64 * MiB, async () => {
    for (const bytes of [0, 16, 4000]) {
      const offender = await http2Client(t)
      offender.socket.write(http2Frame('headers', 0, 1, getHealth))
      // A field that is not indexed, name and value of one byte; for the empty frame nothing.
      const fields = Buffer.concat(Array.from({ length: Math.floor(bytes / 5) }, () => Buffer.from([0x00, 0x01, 0x61, 0x01, 0x62])))
      const frame = http2Frame('continuation', 0, 1, fields)
      const sent = await flood(offender, 100_000, () => frame)
      await offender.closed
      assert.ok(sent < 100_000)
    }
  })
})

test('a large head over HTTP/2 is refused, and so is one of many fields', async (t) => {
  const offender = await http2Client(t)
  const field = (name: string, value: string) =>
    Buffer.concat([Buffer.from([0x00, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)])
  const many = Buffer.concat([getHealth, ...Array.from({ length: 200 }, (_, at) => field(`x-${at}`, 'y'))])
  const said = once(offender.socket, 'data')
  offender.socket.write(http2Frame('headers', http2Flag.endHeaders | http2Flag.endStream, 1, many))
  const types = typesIn(((await said) as [Buffer])[0])
  assert.ok(types.includes(http2Type.rstStream) || types.includes(http2Type.goAway), `frames ${types.join()}`)
  assert.ok(!types.includes(http2Type.headers), 'no answer')
})

for (const [name, frame] of [
  ['PING', http2Frame('ping', 0, 0, Buffer.alloc(8))],
  ['SETTINGS', http2Frame('settings', 0, 0, Buffer.from('000400010000', 'hex'))],
] as const) {
  test(`${name} frames whose answers nobody reads end the connection`, async (t) => {
    await besideAnOffence(t, hub, name.toLowerCase(), 64 * MiB, async () => {
      const offender = await http2Client(t)
      offender.socket.pause()
      const many = Buffer.concat(Array.from({ length: 500 }, () => frame))
      assert.ok((await flood(offender, 100_000, () => many)) < 100_000)
      await offender.closed
    })
  })
}
