// One raw connection of the load generator: a socket, over TLS when asked for, what is said and answered until it is open, and the bytes
// that come back. What is said stands in `opening.ts`.
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { connect as connectSecurely, createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import { binaryHeader, Deframer } from './frames.ts'

export interface Opening {
  readonly port: number
  /** File of the certificate that has signed the server's. With it the connection goes over TLS. */
  readonly ca?: string
  /** One after the other; each waits until the one before is answered. */
  readonly steps: readonly Step[]
  /** Behind the first step, the upgrade, all is binary frames of a WebSocket: they are put on and taken off. */
  readonly framed?: boolean
}

export interface Step {
  readonly says: Buffer
  /** Sees all that has come since. Undefined: that is not the whole answer. Without it no answer is waited for. */
  isAnswered?(bytes: Buffer): boolean | undefined
}

/** Called with bytes that are only valid during the call. */
export type BytesSink = (bytes: Buffer, from: number, to: number) => void

const readBuffer = Buffer.alloc(256 * 1024) // shared by all sockets: a read is handled whole before the next one starts
const openWithinMs = 20_000

export class RawConnection {
  /** Set when the server has accepted us. */
  onBytes: BytesSink = () => {}
  onClosed: () => void = () => {}
  readonly #socket: Socket
  readonly #deframer: Deframer | undefined

  private constructor(socket: Socket, deframer: Deframer | undefined) {
    this.#socket = socket
    this.#deframer = deframer
  }

  /** `name` stands in what goes wrong. */
  static open({ port, ca, steps, framed = false }: Opening, name: string): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      let step = -1 // what was said last
      let isOpen = false
      let came: Buffer = Buffer.alloc(0)
      const fail = (why: string): void => {
        clearTimeout(timer)
        socket.destroy()
        reject(new Error(`${name}: ${why}.`))
      }
      const next = (): void => {
        came = Buffer.alloc(0)
        const { says, isAnswered } = steps[++step]!
        if (framed && step > 0) connection.write(says)
        else socket.write(says)
        if (isAnswered === undefined) answered()
      }
      const answered = (): void => {
        if (step < steps.length - 1) {
          next()
          return
        }
        isOpen = true
        clearTimeout(timer)
        resolve(connection)
      }
      const receive = (bytes: Buffer, count: number): void => {
        if (isOpen) {
          connection.#receive(bytes, count)
          return
        }
        came = Buffer.concat([came, bytes.subarray(0, count)])
        const isAnswer = steps[step]?.isAnswered?.(framed && step > 0 ? came.subarray(2) : came)
        if (isAnswer === true) answered()
        else if (isAnswer === false) fail(`the server refused with ${JSON.stringify(came.toString('latin1', 0, 200))}`)
      }
      const timer = setTimeout(() => fail(`no answer within ${openWithinMs} ms`), openWithinMs)
      const socket = ca === undefined ? openPlain(port, receive, next) : openSecure(port, ca, receive, next)
      const connection = new RawConnection(socket, framed ? new Deframer() : undefined)
      socket.on('error', (error) => fail(error.message))
      socket.on('close', () => (isOpen ? connection.onClosed() : fail('closed')))
    })
  }

  /** `bytes` must stay as they are until the server has answered to them. */
  write(bytes: Buffer): void {
    if (this.#deframer === undefined) {
      this.#socket.write(bytes)
      return
    }
    this.#socket.cork()
    this.#socket.write(binaryHeader(bytes.length))
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

  /** With a reset, so that thousands of runs leave no ports waiting. TLS has a goodbye, and some servers log that it is missing. */
  close(): void {
    this.onClosed = () => {}
    if (this.#socket instanceof TLSSocket) this.#socket.end()
    else this.#socket.resetAndDestroy()
  }

  #receive(bytes: Buffer, count: number): void {
    if (this.#deframer === undefined) this.onBytes(bytes, 0, count)
    else this.#deframer.push(bytes, count, this.onBytes)
  }
}

/** Opens many, some at a time. `perSecond` bounds the rate. */
export async function openAll(
  count: number,
  opening: (index: number) => Opening,
  name: (index: number) => string,
  perSecond = 4000,
): Promise<RawConnection[]> {
  const connections: RawConnection[] = []
  const beganAtMs = performance.now()
  const atATime = 64
  for (let first = 0; first < count; first += atATime) {
    const aheadMs = beganAtMs + (first / perSecond) * 1000 - performance.now()
    if (aheadMs > 1) await new Promise((resolve) => setTimeout(resolve, aheadMs))
    const size = Math.min(atATime, count - first)
    const some = Array.from({ length: size }, (_, at) => RawConnection.open(opening(first + at), name(first + at)))
    connections.push(...(await Promise.all(some)))
  }
  return connections
}

type Receive = (bytes: Buffer, count: number) => void

function openPlain(port: number, receive: Receive, opened: () => void): Socket {
  const callback = (count: number): boolean => {
    receive(readBuffer, count)
    return true
  }
  return connect({ host: '127.0.0.1', port, noDelay: true, onread: { buffer: readBuffer, callback } }, opened)
}

let trusted: { readonly ca: string; readonly context: SecureContext } | undefined

/** The server has to show a certificate for this address that `ca` has signed. */
function openSecure(port: number, ca: string, receive: Receive, opened: () => void): Socket {
  if (trusted?.ca !== ca) trusted = { ca, context: createSecureContext({ ca: readFileSync(ca) }) }
  const socket = connectSecurely({ host: '127.0.0.1', port, secureContext: trusted.context }, opened)
  socket.setNoDelay(true)
  socket.on('data', (chunk) => receive(chunk, chunk.length))
  return socket
}
