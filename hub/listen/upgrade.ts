// WebSockets, by an upgrade of HTTP/1.1 (RFC 6455) and by an extended CONNECT of HTTP/2 (RFC 8441): subprotocol `mqtt` carries MQTT,
// `mooring.json` the JSON protocol, `mooring.live` the dashboard's view. The only import of ws.
import type { IncomingMessage, OutgoingHttpHeaders, Server } from 'node:http'
import type { Http2Server, Http2ServerRequest, ServerHttp2Stream } from 'node:http2'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer } from 'ws'
import type { Revise } from '../access/access.ts'
import type { PeerCertificate } from '../access/certificate.ts'
import { cookieIn } from '../access/operators/cookie.ts'
import { authorizationOf, certificateOf, isTls } from '../access/peer.ts'
import type { Principal } from '../access/principal.ts'
import { problemOf, Refusal, refusalBy } from '../errors.ts'
import type { Opening } from '../json/connection.ts'
import type { JsonEngine } from '../json/engine.ts'
import { jsonSubprotocol, serveSocket } from '../json/socket.ts'
import { limits, MiB } from '../limits.ts'
import { LiveConnection, type LiveWire, liveSubprotocol, type Welcome } from '../live/connection.ts'
import type { Feed } from '../live/feed.ts'
import { MqttConnection } from '../mqtt/connection.ts'
import type { Engine } from '../mqtt/engine.ts'
import type { Wire } from '../mqtt/wire.ts'
import type { Admission } from './admission.ts'
import { asInHttp1 } from './http2.ts'
import { assertReadsDevice } from './rights.ts'

export interface UpgradeParts {
  readonly engine: Engine
  readonly json: JsonEngine
  readonly feed: Feed
  readonly admission: Admission
  /** Errors: `too-many-connections`. */
  assertRoom(): void
  welcome(): Welcome
}

/** What a WebSocket can be opened for. */
interface Endpoint {
  readonly paths: ReadonlySet<string>
  /** Those the hub speaks there, the one it likes best first. */
  readonly subprotocols: readonly string[]
  readonly maxPayload: number
  readonly server: WebSocketServer
  /** Who opens one, where the protocol does not say it itself. Errors: the `Refusal` for who may not. */
  admit(opening: Opening): Principal | undefined | Promise<Principal>
  open(webSocket: WebSocket, upgraded: Upgraded): void
}

interface Upgraded {
  /** The socket or the HTTP/2 stream below. */
  readonly carrier: Duplex
  /** Of the peer, as shown to people. */
  readonly address: string
  readonly opening: Opening
  /** There where `admit` has said it. */
  readonly principal: Principal | undefined
}

/** What ws is held to: no compression, few fragments (ws issue 2331: its own defaults let a connection hold 13 MB). */
const bounds = {
  perMessageDeflate: false,
  maxFragments: limits.webSocketFragments,
  maxBufferedChunks: limits.webSocketChunks,
  skipUTF8Validation: false,
  allowSynchronousEvents: true,
  autoPong: true,
  maxPendingAutoPongs: limits.webSocketPongs,
  closeTimeout: 5000, // how long a peer may take to answer our close
}

export class Upgrades {
  readonly #admission: Admission
  readonly #engine: Engine
  readonly #endpoints: readonly Endpoint[]
  readonly #viewers = new Map<WebSocket, Principal>()

  constructor(http1: Server, http2: Http2Server, { engine, json, feed, admission, assertRoom, welcome }: UpgradeParts) {
    this.#admission = admission
    this.#engine = engine
    this.#endpoints = [
      endpointOf({
        paths: new Set(['/mqtt', '/ws', '/', '/$iothub/websocket']), // conventions 4.1: those that clients of other hubs come with
        subprotocols: ['mqtt', 'mqttv3.1'],
        maxPayload: 1 * MiB, // a frame may hold several packets or a part of one, so its bound is not that of a packet
        admit: () => void assertRoom(),
        open: (webSocket, { carrier, address, opening }) => openMqtt(engine, webSocket, carrier, address, opening),
      }),
      endpointOf({
        paths: new Set(['/v1/session']),
        subprotocols: [jsonSubprotocol],
        maxPayload: limits.jsonFrameBytes,
        admit: () => void assertRoom(),
        open: (webSocket, { carrier, address, opening }) => serveSocket(json, webSocket, carrier, address, opening),
      }),
      endpointOf({
        paths: new Set(['/live']),
        subprotocols: [liveSubprotocol],
        maxPayload: limits.liveMessageBytes,
        admit: (opening) => whoReads(engine.authenticate({ ...opening, clientId: undefined })),
        open: (webSocket, { principal }) => this.#openLive(webSocket, principal as Principal, feed, welcome()),
      }),
    ]
    http1.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket, head))
    http2.on('connect', (request) => this.#onConnect(request))
  }

  /** Dashboards that are open. */
  get viewers(): number {
    return this.#viewers.size
  }

  /** Ends the dashboards' sockets; the other connections are closed by their engines in their own words. */
  closeAll(why: () => Refusal): void {
    this.reviseAll(() => why())
  }

  destroyAll(): void {
    for (const socket of this.#viewers.keys()) socket.terminate()
  }

  /** Dashboards whose viewer there is a refusal for are closed. */
  reviseAll(revise: Parameters<Revise>[0]): void {
    for (const [socket, principal] of this.#viewers) {
      const why = revise(principal) ?? refusalBy(() => assertReadsDevice(principal, '+'))
      if (why !== undefined) socket.close(why.row.ws, why.message)
    }
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', ignoreError) // until ws takes it over
    const refuse = (error: unknown) => refuseUpgrade(socket, this.#refusalOf(error))
    try {
      const { endpoint } = this.#assertOffered(request)
      this.#admit(endpoint, request, socket, refuse, (upgraded) => {
        endpoint.server.handleUpgrade(request, socket, head, (webSocket) => endpoint.open(webSocket, upgraded))
      })
    } catch (error) {
      refuse(error)
    }
  }

  /** `then` at once, unless it takes time to know who comes. Errors: as of `Endpoint.admit`, when it is known at once. */
  #admit(
    endpoint: Endpoint,
    request: IncomingMessage,
    carrier: Duplex,
    refuse: (error: unknown) => void,
    then: (upgraded: Upgraded) => void,
  ): void {
    const { peers } = this.#admission
    const { host, origin, authorization } = request.headers
    const address = peers.nameOfRequest(request)
    // Browsers say from which page a WebSocket is opened, and `assertOrigin` has let it: without that, a cookie is not looked at.
    const cookie = origin === undefined ? undefined : cookieIn(request.headers.cookie, isTls(request.socket))
    const opening = {
      address: peers.addressOf(request),
      host,
      certificate: certificateOf(request.socket),
      cookie,
      ...authorizationOf(authorization),
    }
    const go = (principal: Principal | undefined) => then({ carrier, address, opening, principal })
    const admitted = endpoint.admit(opening)
    if (!(admitted instanceof Promise)) go(admitted)
    else
      admitted.then((principal) => {
        if (!carrier.destroyed) go(principal)
      }, refuse)
  }

  /** RFC 8441 section 5: the stream itself becomes the socket. It has no key to answer, and its end is that of the stream. */
  #onConnect(request: Http2ServerRequest): void {
    const stream = request.stream as ServerHttp2Stream
    stream.on('error', ignoreError)
    const refuse = (error: unknown) => refuseConnect(stream, this.#refusalOf(error))
    try {
      asInHttp1(request)
      if (request.headers[':protocol'] !== 'websocket') {
        throw new Refusal('request-invalid', { detail: 'CONNECT opens a WebSocket here and nothing else' })
      }
      if (request.headers['sec-websocket-version'] !== '13') {
        throw new Refusal('request-invalid', { detail: 'the version of WebSocket is 13' })
      }
      const asked = request as unknown as IncomingMessage // Node's compatibility API has the same surface
      const { endpoint, subprotocol } = this.#assertOffered(asked)
      this.#admit(endpoint, asked, stream, refuse, (upgraded) => {
        stream.respond({ ':status': 200, 'sec-websocket-protocol': subprotocol })
        endpoint.open(overStream(stream, endpoint.maxPayload), upgraded)
      })
    } catch (error) {
      refuse(error)
    }
  }

  /** What the request asks for, when it may have it. */
  #assertOffered(request: IncomingMessage): { endpoint: Endpoint; subprotocol: string } {
    const { headers } = request
    const path = pathOf(request)
    const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
    this.#admission.assertOrigin(headers.origin, headers.host, isTls(request.socket))
    const address = this.#admission.peers.addressOf(request)
    this.#admission.assertFree(address)
    this.#admission.assertRate(address)
    const endpoint = this.#endpoints.find(({ paths }) => paths.has(path))
    if (endpoint === undefined) throw new Refusal('not-found', { path })
    const subprotocol = endpoint.subprotocols.find((name) => offered.includes(name))
    if (subprotocol === undefined) {
      throw new Refusal('request-invalid', { detail: `a WebSocket at ${path} names the subprotocol ${endpoint.subprotocols.join(' or ')}` })
    }
    return { endpoint, subprotocol }
  }

  #refusalOf(error: unknown): Refusal {
    if (!(error instanceof Refusal)) throw error
    this.#engine.metrics.refused(error.code)
    return error
  }

  #openLive(webSocket: WebSocket, principal: Principal, feed: Feed, welcome: Welcome): void {
    webSocket.on('error', ignoreError)
    const wire: LiveWire = {
      get waitingBytes() {
        return webSocket.bufferedAmount
      },
      send: (text) => webSocket.send(text),
      close: (code, reason) => webSocket.close(code, reason),
    }
    try {
      const connection = new LiveConnection(wire, feed, welcome)
      this.#viewers.set(webSocket, principal)
      webSocket.on('message', (bytes: Buffer) => connection.onText(bytes.toString()))
      webSocket.on('close', () => {
        this.#viewers.delete(webSocket)
        connection.onClosed()
      })
    } catch (error) {
      const refusal = this.#refusalOf(error)
      webSocket.close(refusal.row.ws, refusal.message)
    }
  }
}
class WebSocketWire implements Wire {
  readonly transport = 'mqtt-ws'
  readonly #webSocket: WebSocket
  readonly address: string
  readonly certificate: PeerCertificate | undefined
  readonly host: string | undefined

  constructor(webSocket: WebSocket, address: string, { certificate, host }: Opening) {
    this.#webSocket = webSocket
    this.address = address
    this.certificate = certificate
    this.host = host
  }

  get waitingBytes(): number {
    return this.#webSocket.bufferedAmount
  }

  write(bytes: Buffer): void {
    this.#webSocket.send(bytes)
  }

  pause(): void {
    this.#webSocket.pause()
  }

  resume(): void {
    this.#webSocket.resume()
  }

  end(): void {
    this.#webSocket.close(1000)
  }

  destroy(): void {
    this.#webSocket.terminate()
  }
}

function openMqtt(engine: Engine, webSocket: WebSocket, carrier: Duplex, address: string, opening: Opening): void {
  const connection = new MqttConnection(engine, new WebSocketWire(webSocket, address, opening))
  webSocket.on('error', ignoreError)
  webSocket.on('message', (bytes: Buffer, isBinary: boolean) => {
    if (isBinary) {
      connection.onBytes(bytes)
      return
    }
    const refusal = new Refusal('binary-only') //  5: [MQTT-6.0.0-1]  3.1.1: [MQTT-6.0.0-1]
    webSocket.close(refusal.row.ws, refusal.message)
    connection.close(refusal)
  })
  carrier.on('drain', () => connection.onDrain())
  webSocket.on('close', (code) => connection.onWireClosed(`the WebSocket closed with ${code}`))
}

function endpointOf(endpoint: Omit<Endpoint, 'server'>): Endpoint {
  const { maxPayload, subprotocols } = endpoint
  const handleProtocols = (offered: Set<string>) => subprotocols.find((name) => offered.has(name)) ?? false
  return { ...endpoint, server: new WebSocketServer({ ...bounds, maxPayload, noServer: true, clientTracking: false, handleProtocols }) }
}

/** The page shows all devices. Errors: `not-allowed`. */
function whoReads(principal: Principal | Promise<Principal>): Principal | Promise<Principal> {
  if (principal instanceof Promise) return principal.then(whoReads)
  assertReadsDevice(principal, '+')
  return principal
}

interface Attachable {
  setSocket(carrier: Duplex, head: Buffer, options: typeof bounds & { readonly maxPayload: number }): void
}

/** A WebSocket whose handshake is done. `setSocket` is what ws itself calls then; it is not documented, so ws is pinned and a test keeps it. */
function overStream(stream: ServerHttp2Stream, maxPayload: number): WebSocket {
  const webSocket = new WebSocket(null as unknown as string, undefined, { ...bounds })
  ;(webSocket as unknown as Attachable).setSocket(stream, Buffer.alloc(0), { ...bounds, maxPayload })
  return webSocket
}

function refuseUpgrade(socket: Duplex, refusal: Refusal): void {
  const problem = problemOf(refusal)
  const body = JSON.stringify(problem)
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    'Connection: close',
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...(refusal.row.retry ? [`Retry-After: ${refusal.againInSeconds ?? 1}`] : []),
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

function refuseConnect(stream: ServerHttp2Stream, refusal: Refusal): void {
  const problem = problemOf(refusal)
  const headers: OutgoingHttpHeaders = { ':status': problem.status, 'content-type': 'application/problem+json' }
  if (refusal.row.retry) headers['retry-after'] = `${refusal.againInSeconds ?? 1}`
  stream.respond(headers)
  stream.end(JSON.stringify(problem), () => stream.close())
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? '/'
  const end = url.indexOf('?')
  return end === -1 ? url : url.slice(0, end)
}

/** `close` follows. */
function ignoreError(): void {}
