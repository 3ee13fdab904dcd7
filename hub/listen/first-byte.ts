// Who has just connected, told by the first byte: MQTT, TLS, HTTP/1.1 and HTTP/2 each begin in a way of their own, so one port can serve
// all. From a trusted proxy a PROXY header may come before. What was read is put back, and the socket goes to who speaks its protocol.
import type { Socket } from 'node:net'
import { limits } from '../limits.ts'
import type { Timed, Wheel } from '../wheel.ts'
import type { Peers } from './peers.ts'
import { readProxyHeader } from './proxy-protocol.ts'

/** Takes a socket over. */
export type Taker = (socket: Socket) => void

/** Who takes which protocol; what nobody takes is closed. */
export interface Takers {
  readonly mqtt?: Taker
  readonly tls?: Taker
  readonly http?: Taker
  readonly http2?: Taker
}

type Protocol = keyof Takers

interface AwaitedSocket extends Socket {
  mooringArrival: Arrival | undefined
}

/** RFC 9113 section 3.4: the client's first words; their first three letters begin no method that the hub answers. */
const http2Preface = 'PRI'

/** `torn`: too few bytes to tell. */
export function protocolOf(bytes: Buffer): Protocol | 'torn' | undefined {
  const first = bytes[0]
  if (first === undefined) return 'torn'
  if (first === 0x10) return 'mqtt' // CONNECT, without which nothing else may come  5: [MQTT-3.1.0-1]  3.1.1: [MQTT-3.1.0-1]
  if (first === 0x16) return 'tls' // a handshake record: RFC 8446 section 5.1
  if (first < 0x41 || first > 0x5a) return undefined // methods are written in capitals: RFC 9110 section 9.1
  const begin = bytes.toString('latin1', 0, http2Preface.length)
  if (begin === http2Preface) return 'http2'
  return http2Preface.startsWith(begin) ? 'torn' : 'http'
}

export class FirstByte {
  readonly #wheel: Wheel
  readonly #peers: Peers
  readonly #isShutOut: (socket: Socket) => boolean
  readonly #arrivals = new Set<Arrival>()

  constructor(wheel: Wheel, peers: Peers, isShutOut: (socket: Socket) => boolean) {
    this.#wheel = wheel
    this.#peers = peers
    this.#isShutOut = isShutOut
  }

  /**
   * A socket, newly open. When `takers` has one protocol alone, that one gets whatever comes: it has better words for what is wrong.
   * `mayBeProxied` is false where a header was looked for already, which is inside TLS.
   */
  tell(socket: Socket, takers: Takers, mayBeProxied = true): void {
    const expectsHeader = mayBeProxied && this.#peers.trusts(socket.remoteAddress)
    const [only, ...others] = Object.values(takers) as Taker[]
    if (!expectsHeader && only !== undefined && others.length === 0) {
      only(socket)
      return
    }
    const arrival = new Arrival(socket, takers, expectsHeader, this)
    ;(socket as AwaitedSocket).mooringArrival = arrival
    this.#arrivals.add(arrival)
    this.#wheel.arm(arrival, limits.connectSeconds)
    socket.on('error', ignoreError)
    socket.on('close', onClose)
    socket.on('data', onData)
  }

  /** Closes who has not said anything yet. */
  destroyAll(): void {
    for (const { socket } of this.#arrivals) socket.destroy()
  }

  onSaid(arrival: Arrival, bytes: Buffer): void {
    let rest = bytes
    if (arrival.expectsHeader) {
      const header = readProxyHeader(bytes)
      if (header.is === 'torn') return
      if (header.is === 'wrong') {
        arrival.socket.destroy()
        return
      }
      arrival.expectsHeader = false
      if (header.is === 'whole') {
        if (header.peer !== undefined) this.#peers.speaksFor(arrival.socket, header.peer)
        if (this.#isShutOut(arrival.socket)) {
          arrival.socket.destroy()
          return
        }
        rest = bytes.subarray(header.bytes)
        arrival.said = rest
      }
    }
    const taker = takerOf(arrival.takers, rest)
    if (taker === 'torn') return
    this.onGone(arrival)
    if (taker === undefined) arrival.socket.destroy()
    else handOver(arrival.socket, rest, taker)
  }

  onGone(arrival: Arrival): void {
    this.#arrivals.delete(arrival)
    this.#wheel.disarm(arrival)
  }
}

function takerOf(takers: Takers, bytes: Buffer): Taker | 'torn' | undefined {
  const [only, ...others] = Object.values(takers) as Taker[]
  if (others.length === 0) return bytes.length === 0 ? 'torn' : only
  const protocol = protocolOf(bytes)
  return protocol === 'torn' || protocol === undefined ? protocol : takers[protocol]
}

/** Paused while it changes hands: what was put back must come out first, and only once the new owner listens. */
function handOver(socket: Socket, bytes: Buffer, taker: Taker): void {
  socket.off('data', onData)
  socket.off('close', onClose)
  ;(socket as AwaitedSocket).mooringArrival = undefined
  socket.pause()
  socket.unshift(bytes)
  taker(socket)
  if (socket.listenerCount('data') > 0) socket.resume() // TLS and HTTP/2 read below the stream, and fetch by themselves what was put back
}

/** One that has not said yet what it speaks. */
class Arrival implements Timed {
  readonly socket: Socket
  readonly takers: Takers
  readonly #owner: FirstByte
  expectsHeader: boolean
  said: Buffer | undefined = undefined
  dueTick = 0

  constructor(socket: Socket, takers: Takers, expectsHeader: boolean, owner: FirstByte) {
    this.socket = socket
    this.takers = takers
    this.expectsHeader = expectsHeader
    this.#owner = owner
  }

  /** Bounded: a header longer than `limits.proxyHeaderBytes` is wrong, and a protocol is told by three bytes. */
  onBytes(chunk: Buffer): void {
    this.said = this.said === undefined || this.said.length === 0 ? chunk : Buffer.concat([this.said, chunk])
    this.#owner.onSaid(this, this.said)
  }

  onClose(): void {
    this.#owner.onGone(this)
  }

  onDue(): void {
    this.socket.destroy()
  }
}

function onData(this: Socket, chunk: Buffer): void {
  ;(this as AwaitedSocket).mooringArrival?.onBytes(chunk)
}

function onClose(this: Socket): void {
  ;(this as AwaitedSocket).mooringArrival?.onClose()
}

/** `close` follows. */
function ignoreError(): void {}
