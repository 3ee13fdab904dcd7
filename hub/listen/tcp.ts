// MQTT over TCP and over TLS. A socket costs one wire and one connection: its handlers are shared functions that find the connection through the socket.
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { PeerCertificate } from '../access/certificate.ts'
import { addressIn, certificateOf } from '../access/peer.ts'
import { Refusal } from '../errors.ts'
import { MqttConnection } from '../mqtt/connection.ts'
import type { Engine } from '../mqtt/engine.ts'
import type { Wire } from '../mqtt/wire.ts'
import { Slices } from '../slices.ts'
import type { Admission } from './admission.ts'

interface MooredSocket extends Socket {
  mooring: MqttConnection
  /** Its connection knows that it is gone, or is about to. */
  isGone: boolean
}

/** Sockets whose peers are gone: ten thousand of them, 30 µs each, would else hold the loop for as long as they take. */
const departures = new Slices<MooredSocket>((socket) => {
  socket.mooring.onWireClosed(socket.errored === null ? 'the peer closed the socket' : 'the socket failed')
  // What was answered before it closed its side goes out to it still.
  if (socket.writableLength === 0) socket.destroy()
  else socket.destroySoon()
})

class TcpWire implements Wire {
  readonly #socket: Socket
  readonly address: string

  constructor(socket: Socket, address: string) {
    this.#socket = socket
    this.address = address // kept: the socket forgets it when it closes
  }

  get transport(): 'mqtt-tcp' | 'mqtt-tls' {
    return this.#socket instanceof TLSSocket ? 'mqtt-tls' : 'mqtt-tcp'
  }

  get certificate(): PeerCertificate | undefined {
    return certificateOf(this.#socket)
  }

  get host(): undefined {
    return undefined
  }

  get waitingBytes(): number {
    return this.#socket.writableLength
  }

  write(bytes: Buffer): void {
    this.#socket.write(bytes)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    this.#socket.destroySoon()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

/** Serves MQTT on the sockets it is given: TCP's own, and those of TLS after the handshake. */
export function mqttTaker(engine: Engine, admission: Admission, assertRoom: () => void): (socket: Socket) => void {
  return (socket) => {
    socket.on('error', ignoreError)
    const name = admission.peers.nameOf(socket)
    try {
      assertRoom()
      admission.assertRate(addressIn(name))
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      engine.metrics.refused(error.code)
      socket.destroy() // nobody has said which version it speaks, so there is no word for why
      return
    }
    const moored = socket as MooredSocket
    moored.isGone = false
    moored.allowHalfOpen = true // or Node ends and closes it within the event that tells of it
    moored.mooring = new MqttConnection(engine, new TcpWire(socket, name))
    moored.on('data', onData)
    moored.on('drain', onDrain)
    moored.on('end', onGone)
    moored.on('close', onGone)
  }
}

function onData(this: Socket, chunk: Buffer): void {
  ;(this as MooredSocket).mooring.onBytes(chunk)
}

function onDrain(this: Socket): void {
  ;(this as MooredSocket).mooring.onDrain()
}

function onGone(this: Socket): void {
  const socket = this as MooredSocket
  if (socket.isGone) return
  socket.isGone = true
  departures.push(socket)
}

/** `close` follows and tells the connection; a reset by the peer is no event of its own. */
function ignoreError(): void {}
