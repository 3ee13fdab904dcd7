// MQTT over WebSocket (MQTT chapter 6), on the runtime's own client. One frame may hold several packets or a part of one, so the
// frames are treated as a stream of bytes: [MQTT-6.0.0-2].
import type { Wire, WireListener } from './wire.ts'

export function openWebSocket(url: URL, signal: AbortSignal): Promise<Wire> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, 'mqtt') // [MQTT-6.0.0-3] the subprotocol is "mqtt", for 3.1.1 and for 5
    socket.binaryType = 'arraybuffer'
    const fail = () => {
      socket.close()
      reject(new Error(`No WebSocket opened at ${url.href}.`))
    }
    if (signal.aborted) fail()
    signal.addEventListener('abort', fail, { once: true })
    socket.addEventListener('error', fail, { once: true })
    socket.addEventListener(
      'open',
      () => {
        signal.removeEventListener('abort', fail)
        socket.removeEventListener('error', fail)
        if (socket.protocol === 'mqtt') resolve(new WebSocketWire(socket))
        else fail() // [MQTT-6.0.0-4] the server must pick it
      },
      { once: true },
    )
  })
}

class WebSocketWire implements Wire {
  readonly #socket: WebSocket

  constructor(socket: WebSocket) {
    this.#socket = socket
  }

  listen(listener: WireListener): void {
    let failed: Error | undefined
    this.#socket.addEventListener('message', ({ data }) => {
      if (data instanceof ArrayBuffer) listener.onBytes(new Uint8Array(data))
      else {
        failed = new Error('The server sent a text frame.') // [MQTT-6.0.0-1]
        this.#socket.close()
      }
    })
    this.#socket.addEventListener('error', () => {
      failed ??= new Error('The WebSocket failed.')
    })
    this.#socket.addEventListener('close', ({ code, reason }) => {
      if (code > 1001) failed ??= new Error(`The WebSocket was closed with ${code}${reason === '' ? '' : ` (${reason})`}.`)
      listener.onClosed(failed)
    })
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return
    // The copy is of plain-ArrayBuffer type, which `send` asks for, and small: a device's packet.
    this.#socket.send(new Uint8Array(bytes))
  }

  end(): void {
    this.#socket.close()
  }

  /** The runtime's WebSocket has no way to drop its TCP connection, so a close frame is the most abrupt end there is. */
  destroy(): void {
    this.#socket.close()
  }
}
