// A WebSocket as the wire of a JSON client: one frame a text message. A socket costs one wire and one connection: its handlers are shared
// functions that find the connection through the socket.
import type { Duplex } from 'node:stream'
import { JsonConnection, type Opening } from './connection.ts'
import type { JsonEngine } from './engine.ts'
import type { JsonWire } from './wire.ts'

export const jsonSubprotocol = 'mooring.json'

/** What is asked of a WebSocket. */
export interface TextSocket {
  readonly bufferedAmount: number
  readonly readyState: number
  ping(): void
  pause(): void
  resume(): void
  close(code: number, reason: string): void
  terminate(): void
  on(event: 'message', listener: (this: TextSocket, bytes: Buffer, isBinary: boolean) => void): unknown
  on(event: 'ping' | 'pong' | 'error', listener: (this: TextSocket) => void): unknown
  on(event: 'close', listener: (this: TextSocket, code: number) => void): unknown
}

type Carrying<T> = T & { mooring: JsonConnection }

/** RFC 6455 section 5.5: a control frame has 125 bytes, two of which are the code. */
const reasonBytes = 123

const isOpen = 1

/** The last text that was framed: a message goes to all its readers in a row. */
let lastText = ''
let lastMessage: Buffer = Buffer.alloc(0)

/** RFC 6455 section 5.2: a whole text message, unmasked as a server sends it. */
function messageOf(text: string): Buffer {
  if (text === lastText) return lastMessage
  const bytes = Buffer.byteLength(text)
  const at = bytes < 126 ? 2 : bytes < 0x1_0000 ? 4 : 10
  const message = Buffer.allocUnsafe(at + bytes)
  message[0] = 0x81
  if (at === 2) message[1] = bytes
  else if (at === 4) {
    message[1] = 126
    message.writeUInt16BE(bytes, 2)
  } else {
    message[1] = 127
    message.writeUInt32BE(0, 2)
    message.writeUInt32BE(bytes, 6)
  }
  message.write(text, at)
  lastText = text
  lastMessage = message
  return message
}

class SocketWire implements JsonWire {
  readonly transport = 'json-ws'
  readonly #webSocket: TextSocket
  readonly #stream: Duplex
  readonly address: string

  constructor(webSocket: TextSocket, stream: Duplex, address: string) {
    this.#webSocket = webSocket
    this.#stream = stream
    this.address = address
  }

  get waitingBytes(): number {
    return this.#webSocket.bufferedAmount
  }

  /** Past the WebSocket, which would encode the same text anew for each of a thousand readers. Without compression it keeps no queue of its own. */
  write(frame: string): void {
    if (this.#webSocket.readyState === isOpen) this.#stream.write(messageOf(frame))
  }

  cork(): void {
    this.#stream.cork()
  }

  uncork(): void {
    this.#stream.uncork()
  }

  ping(): void {
    this.#webSocket.ping()
  }

  pause(): void {
    this.#webSocket.pause()
  }

  resume(): void {
    this.#webSocket.resume()
  }

  close(code: number, reason: string): void {
    this.#webSocket.close(code, cut(reason))
  }

  destroy(): void {
    this.#webSocket.terminate()
  }
}

/** `stream` carries the WebSocket: a TCP or TLS socket, or a stream of HTTP/2. */
export function serveSocket(engine: JsonEngine, webSocket: TextSocket, stream: Duplex, address: string, opening: Opening): void {
  const connection = new JsonConnection(engine, new SocketWire(webSocket, stream, address), opening)
  ;(webSocket as Carrying<TextSocket>).mooring = connection
  ;(stream as Carrying<Duplex>).mooring = connection
  webSocket.on('message', onMessage)
  webSocket.on('ping', onHeard)
  webSocket.on('pong', onHeard)
  webSocket.on('close', onClose)
  webSocket.on('error', ignoreError)
  stream.on('drain', onDrain)
}

function onMessage(this: TextSocket, bytes: Buffer, isBinary: boolean): void {
  const { mooring } = this as Carrying<TextSocket>
  if (isBinary) mooring.onBinary()
  else mooring.onText(bytes.toString(), bytes.length)
}

function onHeard(this: TextSocket): void {
  ;(this as Carrying<TextSocket>).mooring.onHeard()
}

/** What waited was taken: a peer that reads slowly lives, also when a ping waits behind what it has yet to read. */
function onDrain(this: Duplex): void {
  const { mooring } = this as Carrying<Duplex>
  mooring.onHeard()
  mooring.onDrain()
}

function onClose(this: TextSocket, code: number): void {
  ;(this as Carrying<TextSocket>).mooring.onWireClosed(code)
}

/** `close` follows. */
function ignoreError(): void {}

/** As much of the sentence as a close frame holds, in whole characters. */
function cut(reason: string): string {
  const bytes = Buffer.from(reason)
  if (bytes.length <= reasonBytes) return reason
  let end = reasonBytes
  while ((bytes[end]! & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}
