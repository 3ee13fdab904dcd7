// MQTT over a plain TCP connection (MQTT 4.2).
import { connect, type Socket } from 'node:net'
import type { Wire, WireListener } from './wire.ts'

export function openTcp(host: string, port: number, signal: AbortSignal): Promise<Wire> {
  return new Promise((resolve, reject) => {
    // A device sends one small packet and waits for its answer: Nagle's algorithm would hold it back.
    const socket = connect({ host: host.replace(/^\[|\]$/g, ''), port, noDelay: true })
    const abort = () => socket.destroy(new Error(`Nobody answered at ${host}:${port} in time.`))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      signal.removeEventListener('abort', abort)
      socket.off('error', reject)
      resolve(new TcpWire(socket))
    })
  })
}

class TcpWire implements Wire {
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
  }

  listen(listener: WireListener): void {
    let failed: Error | undefined
    this.#socket.on('data', (bytes) => listener.onBytes(bytes))
    this.#socket.on('error', (error) => {
      failed = error
    })
    this.#socket.on('close', () => listener.onClosed(failed))
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}
