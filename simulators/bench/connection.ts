// One raw connection of the load generator: a socket, CONNECT and CONNACK, the WebSocket around it when asked for, and the bytes that
// come back. MQTT 3.1.1; a clean session, a keep-alive longer than any run.
import { connect, type Socket } from 'node:net'

export interface Target {
  readonly port: number
  readonly transport: 'tcp' | 'websocket'
}

/** Called with bytes that are only valid during the call. */
export type BytesSink = (bytes: Buffer, from: number, to: number) => void

const readBuffer = Buffer.alloc(256 * 1024) // shared by all sockets: a read is handled whole before the next one starts
const keepAliveSeconds = 600
const openWithinMs = 20_000

export class RawConnection {
  /** Set when the server has accepted us. */
  onBytes: BytesSink = () => {}
  onClosed: () => void = () => {}
  readonly #socket: Socket
  readonly #webSocket: Deframer | undefined

  private constructor(socket: Socket, webSocket: Deframer | undefined) {
    this.#socket = socket
    this.#webSocket = webSocket
  }

  static open({ port, transport }: Target, clientId: string): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      let stage: 'upgrade' | 'connack' | 'open' = transport === 'websocket' ? 'upgrade' : 'connack'
      const deframer = transport === 'websocket' ? new Deframer() : undefined
      const onread = {
        buffer: readBuffer,
        callback: (count: number): boolean => {
          if (stage === 'open') connection.#receive(count)
          else if (stage === 'upgrade') {
            if (!readBuffer.toString('latin1', 0, count).startsWith('HTTP/1.1 101')) return fail('the WebSocket was refused')
            stage = 'connack'
            connection.write(connectPacket(clientId))
          } else if (isConnack(deframer ? readBuffer.subarray(2, count) : readBuffer.subarray(0, count))) {
            stage = 'open'
            clearTimeout(timer)
            resolve(connection)
          } else return fail('the server refused CONNECT')
          return true
        },
      }
      const socket = connect({ host: '127.0.0.1', port, noDelay: true, onread })
      const connection = new RawConnection(socket, deframer)
      const fail = (why: string): false => {
        clearTimeout(timer)
        socket.destroy()
        reject(new Error(`${clientId}: ${why}.`))
        return false
      }
      const timer = setTimeout(() => fail(`no answer within ${openWithinMs} ms`), openWithinMs)
      socket.on('error', (error) => fail(error.message))
      socket.on('close', () => (stage === 'open' ? connection.onClosed() : fail('closed')))
      socket.on('connect', () => (stage === 'upgrade' ? socket.write(upgradeRequest) : connection.write(connectPacket(clientId))))
    })
  }

  /** `bytes` must stay as they are until the server has answered to them. */
  write(bytes: Buffer): void {
    if (this.#webSocket === undefined) {
      this.#socket.write(bytes)
      return
    }
    this.#socket.cork()
    this.#socket.write(frameHeader(bytes.length))
    this.#socket.write(bytes)
    this.#socket.uncork()
  }

  /** Two pieces with one system call. */
  writeBoth(first: Buffer, second: Buffer): void {
    this.#socket.cork()
    this.write(first)
    this.write(second)
    this.#socket.uncork()
  }

  /** With a reset, so that thousands of runs leave no ports waiting. */
  close(): void {
    this.onClosed = () => {}
    this.#socket.resetAndDestroy()
  }

  #receive(count: number): void {
    if (this.#webSocket === undefined) this.onBytes(readBuffer, 0, count)
    else this.#webSocket.push(readBuffer, count, this.onBytes)
  }
}

/** Opens many, some at a time. `perSecond` bounds the rate. */
export async function openAll(
  target: Target,
  count: number,
  clientId: (index: number) => string,
  perSecond = 4000,
): Promise<RawConnection[]> {
  const connections: RawConnection[] = []
  const beganAtMs = performance.now()
  const atATime = 64
  for (let first = 0; first < count; first += atATime) {
    const aheadMs = beganAtMs + (first / perSecond) * 1000 - performance.now()
    if (aheadMs > 1) await new Promise((resolve) => setTimeout(resolve, aheadMs))
    const size = Math.min(atATime, count - first)
    connections.push(
      ...(await Promise.all(Array.from({ length: size }, (_, index) => RawConnection.open(target, clientId(first + index))))),
    )
  }
  return connections
}

/** Takes the WebSocket frames of a server off (RFC 6455 section 5.2): binary, unmasked, split anywhere. */
class Deframer {
  #left = 0
  readonly #header: number[] = []

  push(bytes: Buffer, count: number, sink: BytesSink): void {
    for (let at = 0; at < count; ) {
      if (this.#left > 0) {
        const to = Math.min(count, at + this.#left)
        this.#left -= to - at
        sink(bytes, at, to)
        at = to
        continue
      }
      this.#header.push(bytes[at++]!)
      const [, length = -1, high = -1, low = -1] = this.#header
      if (length > 126) throw new Error('A frame that is masked or longer than 64 KiB.')
      if (length === -1 || (length === 126 && low === -1)) continue
      this.#left = length === 126 ? high * 256 + low : length
      this.#header.length = 0
    }
  }
}

/** Masked with zeros: as valid as any key, and the payload needs no second copy here. The server does its work all the same. */
function frameHeader(length: number): Buffer {
  if (length < 126) return Buffer.of(0x82, 0x80 | length, 0, 0, 0, 0)
  return Buffer.of(0x82, 0x80 | 126, length >> 8, length & 0xff, 0, 0, 0, 0)
}

const upgradeRequest = [
  'GET /mqtt HTTP/1.1',
  'Host: 127.0.0.1',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: bW9vcmluZyBiZW5jaCEhIQ==',
  'Sec-WebSocket-Protocol: mqtt',
  '',
  '',
].join('\r\n')

/** 3.1: clean session, no will, no credentials. */
function connectPacket(clientId: string): Buffer {
  const id = Buffer.from(clientId)
  const head = Buffer.of(
    0x10,
    12 + id.length,
    0,
    4,
    0x4d,
    0x51,
    0x54,
    0x54,
    4,
    2,
    keepAliveSeconds >> 8,
    keepAliveSeconds & 0xff,
    0,
    id.length,
  )
  return Buffer.concat([head, id])
}

function isConnack(bytes: Buffer): boolean {
  return bytes.length === 4 && bytes[0] === 0x20 && bytes[3] === 0
}
