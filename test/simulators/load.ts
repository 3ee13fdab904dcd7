// The load generator as the bench runs it, and servers that say exactly what a test tells them to.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Held } from '../../simulators/bench/idle.ts'
import type { LoadOptions } from '../../simulators/bench/load.ts'
import type { Measured } from '../../simulators/bench/measurement.ts'

export const loadPath = fileURLToPath(new URL('../../simulators/bench/load.ts', import.meta.url))

export interface Run<Outcome> {
  readonly code: number
  readonly outcome: Outcome
}

export async function runLoad<Outcome extends Measured | Held>(t: TestContext, load: LoadOptions): Promise<Run<Outcome>> {
  const child = spawn(process.execPath, [loadPath, JSON.stringify(load)], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  let line = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    line += text
  })
  const [code] = (await once(child, 'close')) as [number]
  return { code, outcome: JSON.parse(line) as Outcome }
}

/** A server whose every connection is a function of what it gets. Resolves with its port. */
export async function serve(t: TestContext, onData: (socket: Socket, chunk: Buffer, isFirst: boolean) => void): Promise<number> {
  const seen = new WeakSet<Socket>()
  const server = createServer((socket) => {
    socket.on('error', () => {}) // the load ends with a reset
    socket.on('data', (chunk) => {
      onData(socket, chunk, !seen.has(socket))
      seen.add(socket)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return (server.address() as AddressInfo).port
}

export const switching = 'HTTP/1.1 101 Switching Protocols\r\n\r\n'

/** A WebSocket frame as servers send it: without a mask. */
export function served(text: string): Buffer {
  const bytes = Buffer.from(text)
  const head = bytes.length < 126 ? [0x81, bytes.length] : [0x81, 126, bytes.length >> 8, bytes.length & 0xff]
  return Buffer.concat([Buffer.from(head), bytes])
}
