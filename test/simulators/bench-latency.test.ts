// The load that measures how long a message takes, against a relay of a few lines: what is published by MQTT comes out at the other side.
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import type { LatencyOptions } from '../../simulators/bench/latency.ts'
import type { Measured } from '../../simulators/bench/measurement.ts'
import { runLoad, serve, served, switching } from './load.ts'

/** MQTT, JSON over WebSocket, server-sent events and long-polls on one port, one subscriber. `copies` says how often a message comes out. */
async function relay(t: TestContext, copies: (seq: number) => number): Promise<number> {
  let pass: (frame: string) => void = () => {}
  return serve(t, (socket, chunk, isFirst) => {
    const text = chunk.toString('latin1')
    if (chunk[0] === 0x10) socket.write(Buffer.of(0x20, 2, 0, 0))
    else if (chunk[0] === 0x32) {
      for (const [payload, seq] of text.matchAll(/{[^}]*"pulsesSinceStart":1(\d{6})}/g)) {
        for (let copy = 0; copy < copies(Number(seq)); copy++) pass(`{"is":"message","payload":${payload}}`)
      }
    } else if (text.startsWith('GET /v1/session/messages')) pass = poll(socket, text, pass)
    else if (text.startsWith('GET /v1/messages')) {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      pass = (frame) => writeChunk(socket, `data: ${frame}\n\n`)
    } else if (isFirst) socket.write(switching)
    else {
      socket.write(served('{"is":"welcome"}'))
      pass = (frame) => socket.write(served(frame))
    }
  })
}

/** Answers at once when asked to, else with the next message; what comes in between waits for the next request. */
function poll(socket: Socket, request: string, before: (frame: string) => void): (frame: string) => void {
  const waiting = waitingFrames.get(before) ?? []
  let isHeld = true
  const answer = () => {
    isHeld = false
    const body = `{"messages":[${waiting.splice(0).join()}],"cursor":"1.1"}`
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  }
  if (request.includes('wait=0 ') || waiting.length > 0) answer()
  const pass = (frame: string) => {
    waiting.push(frame)
    if (isHeld) answer()
  }
  waitingFrames.set(pass, waiting)
  return pass
}

const waitingFrames = new WeakMap<(frame: string) => void, string[]>()

function writeChunk(socket: Socket, text: string): void {
  socket.write(`${text.length.toString(16)}\r\n${text}\r\n`)
}

function run(t: TestContext, port: number, wire: LatencyOptions['wire']) {
  return runLoad<Measured>(t, { mode: 'latency', port, mqttPort: port, pid: process.pid, wire, messages: 20, perSecond: 200 })
}

for (const wire of ['socket', 'events', 'poll'] as const) {
  describe(`the latency of ${wire}`, { concurrency: true }, () => {
    test('is that of every message', async (t) => {
      const port = await relay(t, () => 1)
      const { code, outcome } = await run(t, port, wire)
      assert.equal(code, 0, JSON.stringify(outcome))
      assert.equal(outcome.messages, 20)
      assert.ok(outcome.p50Ms > 0 && outcome.p50Ms < 1000, `${outcome.p50Ms} ms`)
    })

    test('is not clean when a message comes twice', async (t) => {
      const port = await relay(t, (seq) => (seq === 25 ? 2 : 1))
      const { code, outcome } = await run(t, port, wire)
      assert.equal(code, 2)
      assert.equal(outcome.duplicates, 1, JSON.stringify(outcome))
    })

    test('is not clean when a message is left out', async (t) => {
      const port = await relay(t, (seq) => (seq === 15 ? 0 : 1))
      const { code, outcome } = await run(t, port, wire)
      assert.equal(code, 2)
      assert.ok(outcome.lost >= 1, JSON.stringify(outcome))
    })
  })
}
