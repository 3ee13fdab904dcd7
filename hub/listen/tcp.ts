// MQTT over TCP and over TLS. A socket costs one wire and one connection: its handlers are shared functions that find the connection through the socket.
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { PeerCertificate } from '../access/certificate.ts'
import { addressIn, certificateOf } from '../access/peer.ts'
import { Refusal } from '../errors.ts'
import { MqttConnection } from '../mqtt/connection.ts'
import type { Engine } from '../mqtt/engine.ts'
import type { Wire } from '../mqtt/wire.ts'
import type { Admission } from './admission.ts'

interface MooredSocket extends Socket {
  mooring: MqttConnection
}

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
    moored.mooring = new MqttConnection(engine, new TcpWire(socket, name))
    moored.on('data', onData)
    moored.on('drain', onDrain)
    moored.on('close', onClose)
  }
}

function onData(this: Socket, chunk: Buffer): void {
  ;(this as MooredSocket).mooring.onBytes(chunk)
}

function onDrain(this: Socket): void {
  ;(this as MooredSocket).mooring.onDrain()
}

function onClose(this: Socket, hadError: boolean): void {
  ;(this as MooredSocket).mooring.onWireClosed(hadError ? 'the socket failed' : 'the peer closed the socket')
}

/** `close` follows and tells the connection; a reset by the peer is no event of its own. */
function ignoreError(): void {}
