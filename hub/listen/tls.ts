// TLS: handshakes, how many at a time and for how long, and to whom the socket goes after. The pair is swapped for new handshakes while
// everyone who is connected stays.
import type { Socket } from 'node:net'
import { createServer, type Server, type TLSSocket } from 'node:tls'
import type { Logger } from 'pino'
import { limits } from '../limits.ts'
import type { Peers } from './peers.ts'
import { secureOptions, type TlsMaterial } from './tls-material.ts'

export interface TlsOptions {
  /** Protocols by ALPN (RFC 7301), the one the hub likes best first. A client that asks for others alone is refused with an alert. */
  readonly protocols: readonly string[]
  /**
   * Ask clients for a certificate. One that has none is let in all the same, who it is, is asked elsewhere; one whose certificate was revoked,
   * has ended or comes from somebody else is not.
   */
  readonly asksForCertificate: boolean
  readonly peers: Peers
  readonly log: Logger
  onCertificateRefused(socket: TLSSocket, fingerprint: string): void
  /** The handshake is done; `alpnProtocol` is false when the client named none. */
  onSecure(socket: TLSSocket): void
}

interface TakenSocket extends Socket {
  mooringTls: TlsFront
}

export class TlsFront {
  readonly #server: Server
  /** Sockets below TLS, for the stop: those in a handshake are known to nobody else. */
  readonly #sockets = new Set<Socket>()
  /** Those that came while as many handshakes were under way as may be; the first of them is next. */
  readonly #waiting = new Set<Socket>()
  #underWay = 0

  constructor(material: TlsMaterial, { protocols, asksForCertificate, peers, log, onCertificateRefused, onSecure }: TlsOptions) {
    this.#server = createServer({
      ...secureOptions(material),
      ALPNProtocols: [...protocols],
      requestCert: asksForCertificate,
      rejectUnauthorized: false,
      handshakeTimeout: limits.handshakeSeconds * 1000,
    })
    this.#server.on('secureConnection', (socket) => {
      this.#onHandshakeEnd()
      // By `rejectUnauthorized` Node would turn away also those that have none.
      const shown = asksForCertificate && !socket.authorized ? socket.getPeerX509Certificate() : undefined
      if (shown !== undefined) {
        onCertificateRefused(socket, shown.fingerprint256)
        log.info({ address: peers.nameOf(socket) }, `the certificate of a client is refused: ${socket.authorizationError}`)
        socket.on('error', ignoreError)
        socket.destroy()
      } else onSecure(socket)
    })
    this.#server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      log.debug({ address: peers.nameOf(socket), code: error.code }, 'a TLS handshake failed')
      this.#onHandshakeEnd()
      socket.destroy()
    })
  }

  /** Handshakes under way. */
  get underWay(): number {
    return this.#underWay
  }

  /** A socket on which nothing has been read, or whose bytes were put back. */
  take(socket: Socket): void {
    socket.on('error', ignoreError)
    if (this.#waiting.size >= limits.handshakesWaiting) {
      socket.destroy()
      return
    }
    this.#sockets.add(socket)
    ;(socket as TakenSocket).mooringTls = this
    socket.on('close', onClose)
    if (this.#underWay < limits.handshakes) this.#begin(socket)
    else this.#waiting.add(socket)
  }

  /** Handshakes from now on show this pair. */
  show(material: TlsMaterial): void {
    this.#server.setSecureContext(secureOptions(material))
  }

  onGone(socket: Socket): void {
    this.#sockets.delete(socket)
    this.#waiting.delete(socket)
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #begin(socket: Socket): void {
    this.#underWay++
    this.#server.emit('connection', socket)
  }

  /** Each handshake ends once: in `secureConnection` or in `tlsClientError`, which also tells of a socket that closed. */
  #onHandshakeEnd(): void {
    this.#underWay--
    const [next] = this.#waiting
    if (next === undefined) return
    this.#waiting.delete(next)
    this.#begin(next)
  }
}

function onClose(this: Socket): void {
  ;(this as TakenSocket).mooringTls.onGone(this)
}

/** `close` follows. */
function ignoreError(): void {}
