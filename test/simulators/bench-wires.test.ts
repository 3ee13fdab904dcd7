// What the load generator says and reads over WebSocket, HTTP and TLS, and that it notices a server that does not do its work.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import { TextFrames, textFrame } from '../../simulators/bench/frames.ts'
import type { Held } from '../../simulators/bench/idle.ts'
import { ChunkReader, LineReader, LineRing } from '../../simulators/bench/lines.ts'
import type { Measured } from '../../simulators/bench/measurement.ts'
import { Sequence } from '../../simulators/bench/sequence.ts'
import { type Door, missing, startServer } from '../../simulators/bench/servers.ts'
import { Tally } from '../../simulators/bench/tally.ts'
import { readSeq, TextRing } from '../../simulators/bench/text-ring.ts'
import { loadPath, runLoad, serve, served, switching } from './load.ts'

/** The pieces that a reader of bytes gets when each byte comes alone. */
function byteByByte(bytes: Buffer, push: (bytes: Buffer, from: number, to: number) => void): void {
  for (let at = 0; at < bytes.length; at++) push(bytes, at, at + 1)
}

describe('the load generator', () => {
  test('reads text frames that are split anywhere, and passes over pings', () => {
    const texts: string[] = []
    const troubles: string[] = []
    const frames = new TextFrames(
      (bytes, from, to) => texts.push(bytes.toString('utf8', from, to)),
      (sentence) => troubles.push(sentence),
    )
    const long = 'x'.repeat(300)
    const all = Buffer.concat([served('one'), Buffer.of(0x89, 0), served(long), served('two')])
    byteByByte(all, (bytes, from, to) => frames.push(bytes, from, to))
    frames.push(all, 0, all.length)
    assert.deepEqual(texts, ['one', long, 'two', 'one', long, 'two'])
    assert.deepEqual(troubles, [])
    frames.push(Buffer.of(0x88, 6, 0x03, 0xf4, 0x77, 0x68, 0x79, 0x21), 0, 8)
    assert.deepEqual(troubles, ['the server closed: why!'])
  })

  test('numbers its text frames and finds the number in whatever comes back', () => {
    const ring = new TextRing('bench/echo/3', 2)
    const frame = ring.write(1, 271_828)
    assert.equal(frame.length, ring.stride)
    const text = frame.toString('utf8', 8)
    assert.deepEqual(frame, textFrame(text))
    const { is, topic, qos, payload } = JSON.parse(text) as { is: string; topic: string; qos: number; payload: { seq: number } }
    assert.deepEqual([is, topic, qos, payload.seq], ['publish', 'bench/echo/3', 0, 1_271_828])
    const answer = Buffer.from(`{"is":"message","payload":${JSON.stringify(payload)},"at":1}`)
    assert.equal(readSeq(answer, 0, answer.length), 271_828)
    assert.equal(readSeq(Buffer.from('{"is":"error"}'), 0, 14), -1)
    assert.equal(readSeq(answer, 0, 20), -1, 'a number that belongs to the next frame')
  })

  test('counts what is missing and what comes twice', () => {
    const tally = new Tally()
    const sequence = new Sequence(tally, 999_998)
    assert.deepEqual(
      [999_998, 999_999, 0, 3, 2, 4].map((seq) => sequence.take(seq)),
      [999_998, 999_999, 1_000_000, 1_000_003, undefined, 1_000_004],
    )
    assert.deepEqual([tally.lost, tally.duplicates], [2, 1])
  })

  test('writes chunks of valid readings that differ, and reads them back split anywhere', () => {
    const ring = new LineRing((reading) => `{"payload":${reading}}`, 3, 2)
    const body = Buffer.concat([ring.write(0, 0), ring.write(1, 3)])
    const lines: string[] = []
    const reader = new LineReader((line) => lines.push(line))
    const chunks = new ChunkReader((bytes, from, to) => reader.push(bytes, from, to))
    byteByByte(body, (bytes, from, to) => chunks.push(bytes, from, to))
    assert.equal(new Set(lines).size, 6)
    for (const line of lines) {
      const { payload } = JSON.parse(line) as { payload: Record<string, number> }
      assert.deepEqual(Object.keys(payload), ['temperature', 'humidity', 'pressure', 'vibration'])
    }
  })
})

const short = { warmUpSeconds: 0.1, seconds: 0.2 } as const
const runs = [
  { door: 'socket', load: { mode: 'echo', connections: 20, window: 1, speaks: 'plain', ...short } },
  { door: 'socket', load: { mode: 'echo', connections: 20, window: 4, speaks: 'plain', ...short } },
  { door: 'socket', load: { mode: 'broadcast', subscribers: 20, window: 4, speaks: 'plain', ...short } },
  { door: 'http', load: { mode: 'stream', lines: 'readings', streams: 5, window: 80, ...short } },
  { door: 'http', load: { mode: 'stream', lines: 'frames', streams: 5, window: 80, ...short } },
] as const satisfies readonly { readonly door: Door; readonly load: object }[]

describe('a run against the floor is clean', { concurrency: 4 }, () => {
  for (const { door, load } of runs) {
    test(JSON.stringify(load), async (t) => {
      const floor = await startServer('floor', door)
      t.after(() => floor.stop())
      const { code, outcome } = await runLoad<Measured>(t, { ...load, port: floor.port, pid: floor.pid })
      assert.equal(code, 0, JSON.stringify(outcome))
      assert.ok(outcome.messages > 100, `${outcome.messages} messages`)
    })
  }

  for (const [wire, door] of [
    ['mqtt', 'mqtt'],
    ['mqtts', 'mqtts'],
    ['socket', 'socket'],
    ['events', 'http'],
    ['poll', 'http'],
  ] as const) {
    const skip = missing('floor', door) ?? false
    test(`idle connections over ${wire} are held and answered afterwards`, { skip }, async (t) => {
      const floor = await startServer('floor', door)
      t.after(() => floor.stop())
      const { port, pid, ca } = floor
      const load = { mode: 'idle', port, pid, wire, connections: 100, holdSeconds: 0.1, ...(ca === undefined ? {} : { ca }) } as const
      const { code, outcome } = await runLoad<Held>(t, load)
      assert.equal(code, 0, JSON.stringify(outcome))
      assert.equal(outcome.trouble, null)
    })
  }
})

const echoOnce = { mode: 'echo', connections: 1, window: 2, speaks: 'plain', warmUpSeconds: 0, seconds: 0.2 } as const

describe('a run is not clean', { concurrency: 4 }, () => {
  test('when messages come back in the wrong order', async (t) => {
    const port = await serve(t, (socket, chunk, isFirst) => {
      if (isFirst) socket.write(switching)
      else {
        const texts = chunk.toString('latin1').match(/\{"is".*?\}\}/g) ?? []
        const [first, second] = texts.map(served)
        socket.write(Buffer.concat([second!, first!]))
      }
    })
    const { code, outcome } = await runLoad<Measured>(t, { ...echoOnce, port, pid: process.pid })
    assert.equal(code, 2)
    assert.ok(outcome.lost > 0, JSON.stringify(outcome))
    assert.ok(outcome.duplicates > 0, JSON.stringify(outcome))
  })

  test('when something else comes back', async (t) => {
    const port = await serve(t, (socket, _chunk, isFirst) => void socket.write(isFirst ? switching : served('{"is":"error"}')))
    const { code, outcome } = await runLoad<Measured>(t, { ...echoOnce, port, pid: process.pid })
    assert.equal(code, 2)
    assert.match(outcome.trouble ?? '', /something else than its message came back: \{"is":"error"\}/)
  })

  test('when a stream says at its end that a line is missing', async (t) => {
    let lines = 0
    const port = await serve(t, (socket, chunk, isFirst) => {
      const say = (text: string) => socket.write(`${text.length.toString(16)}\r\n${text}\r\n`)
      if (isFirst) socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      for (const byte of chunk) if (byte === 0x7d) lines++ // each line ends with its only closing brace
      if (chunk.toString('latin1').endsWith('0\r\n\r\n')) say(`{"stored":${lines - 1},"refused":0,"done":true}\n`)
      else if (lines > 0) say(`{"stored":${lines}}\n`)
    })
    const load = {
      mode: 'stream',
      lines: 'readings',
      streams: 1,
      window: 16,
      warmUpSeconds: 0,
      seconds: 0.2,
      port,
      pid: process.pid,
    } as const
    const { code, outcome } = await runLoad<Measured>(t, load)
    assert.equal(code, 2)
    assert.equal(outcome.lost, 1, JSON.stringify(outcome))
  })

  test('when a stream refuses a line', async (t) => {
    const refusal = '{"line":1,"code":"telemetry-invalid","detail":"no"}\n'
    const port = await serve(t, (socket, _chunk, isFirst) => {
      if (isFirst) socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      else socket.write(`${refusal.length.toString(16)}\r\n${refusal}\r\n`)
    })
    const load = {
      mode: 'stream',
      lines: 'readings',
      streams: 1,
      window: 16,
      warmUpSeconds: 0,
      seconds: 0.2,
      port,
      pid: process.pid,
    } as const
    const { code, outcome } = await runLoad<Measured>(t, load)
    assert.equal(code, 2)
    assert.match(outcome.trouble ?? '', /telemetry-invalid/)
  })

  test('when an idle connection is cut', async (t) => {
    const port = await serve(t, (socket, _chunk, isFirst) => {
      if (isFirst) socket.write(switching, () => socket.destroy())
    })
    const load = { mode: 'idle', port, pid: process.pid, wire: 'socket', connections: 1, holdSeconds: 0.1 } as const
    const { code, outcome } = await runLoad<Held>(t, load)
    assert.equal(code, 2)
    assert.equal(outcome.trouble, '1 connections were closed')
  })

  test('when a poll is answered before anything has come', async (t) => {
    const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"probe":1}'
    const polls: Socket[] = []
    const port = await serve(t, (socket) => {
      if (polls.push(socket) === 3) for (const poll of polls) poll.write(answer)
    })
    const load = { mode: 'idle', port, pid: process.pid, wire: 'poll', connections: 3, holdSeconds: 0.3 } as const
    const { code, outcome } = await runLoad<Held>(t, load)
    assert.equal(code, 2)
    assert.match(outcome.trouble ?? '', /3 were answered before their time/)
  })
})

test('a certificate that nobody has signed ends a load over TLS', { skip: missing('floor', 'mqtts') ?? false }, async (t) => {
  const [floor, other] = await Promise.all([startServer('floor', 'mqtts'), startServer('floor', 'mqtts')])
  t.after(() => Promise.all([floor.stop(), other.stop()]))
  const load = { mode: 'idle', port: floor.port, pid: floor.pid, wire: 'mqtts', ca: other.ca!, connections: 1, holdSeconds: 0.1 } as const
  const child = spawn(process.execPath, [loadPath, JSON.stringify(load)], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  let words = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words += text
  })
  const [code] = (await once(child, 'close')) as [number]
  assert.equal(code, 1)
  assert.match(words, /self-signed certificate/)
})
