// The ports: what each of them serves, opened and closed together.
//
//   --mqtt-port ────────────────────────────────┐
//   --http-port ── first byte ──────────────────┤
//   --mqtts-port ───────────── TLS ─────────────┼→ mqtt, http (HTTP/1.1), http2
//   --https-port ───────────── TLS ── by ALPN ──┤
//   --port ─────── first byte ─┴────────────────┘
//
// From a trusted proxy each port also takes a PROXY header, before everything else.
import { once } from 'node:events'
import type { Server as HttpServer } from 'node:http'
import type { Http2Server } from 'node:http2'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Logger } from 'pino'
import type { Listener, Listeners } from '../api/parts.ts'
import type { Settings } from '../config.ts'
import { limits } from '../limits.ts'
import type { Wheel } from '../wheel.ts'
import { FirstByte, type Taker, type Takers } from './first-byte.ts'
import type { Peers } from './peers.ts'
import { TlsFront } from './tls.ts'
import type { TlsMaterial } from './tls-material.ts'

export interface PortsParts {
  readonly settings: Settings
  readonly log: Logger
  readonly wheel: Wheel
  readonly peers: Peers
  /** Who may not come at all now. */
  readonly isShutOut: (socket: Socket) => boolean
  /** Told of a certificate that is refused; by its SHA-256. */
  readonly onCertificateRefused: (socket: Socket, fingerprint: string) => void
  readonly mqtt: Taker
  readonly http1: HttpServer
  readonly http2: Http2Server
}

/** TCP's own question whether the peer is still there: the only one for a client that says it has no keep-alive. */
const probeAfterMs = 120_000

/** conventions 4.1: `x-amzn-mqtt-ca` is what clients of another hub say. */
const mqttProtocols = ['mqtt', 'x-amzn-mqtt-ca']
const allProtocols = ['h2', 'http/1.1', ...mqttProtocols]

/** What auto stands for. */
const autoPorts = { 'mqtts-port': 8883, 'https-port': 8443 } as const

export class Ports {
  readonly #parts: PortsParts
  readonly #servers: Server[] = []
  readonly #firstByte: FirstByte
  readonly #fronts: TlsFront[] = []
  /** In the clear, by first byte. */
  readonly #plain: Required<Omit<Takers, 'tls'>>

  constructor(parts: PortsParts) {
    this.#parts = parts
    this.#firstByte = new FirstByte(parts.wheel, parts.peers, parts.isShutOut)
    this.#plain = { mqtt: parts.mqtt, http: givenTo(parts.http1), http2: givenTo(parts.http2) }
  }

  /** Throws with a sentence when a port that was asked for cannot be had. `material` is asked for only when a port serves TLS. */
  async open(material: () => Promise<TlsMaterial>): Promise<Listeners> {
    const { settings } = this.#parts
    const { mqtt, http, http2 } = this.#plain
    const { mqttsPort, httpsPort, port } = settings
    const servesTls = mqttsPort !== 'off' || httpsPort !== 'off' || port !== 'off'
    const shown = servesTls ? await material() : undefined
    const mqtts = this.#front(shown, mqttProtocols, this.#plain.mqtt)
    const all = this.#front(shown, allProtocols, (socket) => this.#byProtocol(socket as TLSSocket))
    return {
      mqtt: settings.mqttPort === 'off' ? null : await this.#listen(settings.mqttPort, 'mqtt-port', { mqtt }),
      http: await this.#listen(settings.httpPort, 'http-port', { http, http2 }),
      mqtts: await this.#listenIfFree(mqttsPort, 'mqtts-port', { tls: mqtts }),
      https: await this.#listenIfFree(httpsPort, 'https-port', { tls: all }),
      all: port === 'off' ? null : await this.#listen(port, 'port', { ...this.#plain, tls: all }),
    }
  }

  /** Handshakes from now on show this; who is connected stays. */
  show(material: TlsMaterial): void {
    for (const front of this.#fronts) front.show(material)
  }

  /** Takes no new connections. */
  close(): void {
    for (const server of this.#servers) server.close()
    this.#firstByte.destroyAll()
  }

  /** Closes every socket below TLS, and with it what lies above. */
  destroyAll(): void {
    this.#firstByte.destroyAll()
    for (const front of this.#fronts) front.destroyAll()
  }

  #front(material: TlsMaterial | undefined, protocols: readonly string[], onSecure: Taker): Taker {
    const { peers, log, onCertificateRefused } = this.#parts
    if (material === undefined) return refuse
    const asksForCertificate = material.ca !== undefined
    const front = new TlsFront(material, { protocols, asksForCertificate, peers, log, onCertificateRefused, onSecure })
    this.#fronts.push(front)
    return (socket) => front.take(socket)
  }

  /** A client that names no protocol is told by its first byte, as in the clear. */
  #byProtocol(socket: TLSSocket): void {
    const { mqtt, http, http2 } = this.#plain
    if (socket.alpnProtocol === 'h2') http2(socket)
    else if (socket.alpnProtocol === 'http/1.1') http(socket)
    else if (socket.alpnProtocol === false || socket.alpnProtocol === null) this.#firstByte.tell(socket, this.#plain, false)
    else mqtt(socket)
  }

  async #listenIfFree(port: number | 'off' | 'auto', flag: keyof typeof autoPorts, takers: Takers): Promise<Listener | null> {
    if (port === 'off') return null
    if (port !== 'auto') return this.#listen(port, flag, takers)
    try {
      return await this.#listen(autoPorts[flag], flag, takers)
    } catch (error) {
      this.#parts.log.warn(`${(error as Error).message} The hub goes on without it; --${flag} off says that this is meant.`)
      return null
    }
  }

  async #listen(port: number, flag: string, takers: Takers): Promise<Listener> {
    const { settings, peers, isShutOut } = this.#parts
    const [only, ...others] = Object.values(takers) as Taker[]
    // Where one protocol is served to whoever comes, nothing stands between the socket and who takes it.
    const isDirect = only !== undefined && others.length === 0 && !peers.trusting
    const take = isDirect ? only : (socket: Socket) => this.#firstByte.tell(socket, takers)
    const onConnection = (socket: Socket) => (isShutOut(socket) ? refuse(socket) : take(socket))
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: probeAfterMs }, onConnection)
    server.maxConnections = limits.connections
    server.listen(port, settings.listen, limits.acceptQueue)
    try {
      await once(server, 'listening')
    } catch (error) {
      throw new Error(sentenceOf(error as NodeJS.ErrnoException, port, flag, settings.listen), { cause: error })
    }
    this.#servers.push(server)
    const bound = server.address() as AddressInfo
    return { address: bound.address, port: bound.port }
  }
}

function sentenceOf(error: NodeJS.ErrnoException, port: number, flag: string, address: string): string {
  const known: Record<string, string> = {
    EADDRINUSE: `Port ${port} is taken by another program. Choose another with --${flag} (0 picks a free one).`,
    EACCES: `Port ${port} needs more rights than this process has. Choose one above 1023 with --${flag}.`,
    EADDRNOTAVAIL: `${address} is not an address of this machine. Choose another with --listen.`,
  }
  return known[error.code ?? ''] ?? error.message
}

/** Node's servers take sockets that were accepted elsewhere by this event. */
function givenTo(server: HttpServer | Http2Server): Taker {
  return (socket) => server.emit('connection', socket)
}

function refuse(socket: Socket): void {
  socket.destroy()
}
