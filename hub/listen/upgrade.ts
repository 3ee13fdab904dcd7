// WebSockets, by an upgrade of HTTP/1.1 (RFC 6455) and by an extended CONNECT of HTTP/2 (RFC 8441): subprotocol `mqtt` carries MQTT,
// `mooring.json` the JSON protocol, `mooring.live` the dashboard's view. The only import of ws.
import type { IncomingMessage, Server } from 'node:http'
import type { Http2Server, Http2ServerRequest, ServerHttp2Stream } from 'node:http2'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer } from 'ws'
import { problemOf, Refusal } from '../errors.ts'
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
  /** Throws the `Refusal` for who may not open one. */
  admit(address: string): void
  /** `carrier` is the socket or the HTTP/2 stream below; `address` is that of the peer, as shown to people. */
  open(webSocket: WebSocket, carrier: Duplex, address: string): void
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
  readonly #viewers = new Set<WebSocket>()

  constructor(http1: Server, http2: Http2Server, { engine, json, feed, admission, assertRoom, welcome }: UpgradeParts) {
    this.#admission = admission
    this.#engine = engine
    this.#endpoints = [
      endpointOf({
        paths: new Set(['/mqtt', '/ws', '/', '/$iothub/websocket']), // conventions 4.1: those that clients of other hubs come with
        subprotocols: ['mqtt', 'mqttv3.1'],
        maxPayload: 1 * MiB, // a frame may hold several packets or a part of one, so its bound is not that of a packet
        admit: assertRoom,
        open: (webSocket, carrier, address) => openMqtt(engine, webSocket, carrier, address),
      }),
      endpointOf({
        paths: new Set(['/v1/session']),
        subprotocols: [jsonSubprotocol],
        maxPayload: limits.jsonFrameBytes,
        admit: assertRoom,
        open: (webSocket, carrier, address) => serveSocket(json, webSocket, carrier, address),
      }),
      endpointOf({
        paths: new Set(['/live']),
        subprotocols: [liveSubprotocol],
        maxPayload: limits.liveMessageBytes,
        admit: (address) => admission.assertAnonymous(address),
        open: (webSocket) => this.#openLive(webSocket, feed, welcome()),
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
    for (const socket of this.#viewers) {
      const { row, message } = why()
      socket.close(row.ws, message)
    }
  }

  destroyAll(): void {
    for (const socket of this.#viewers) socket.terminate()
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', ignoreError) // until ws takes it over
    try {
      const { endpoint } = this.#assertOffered(request)
      const address = this.#admission.peers.nameOfRequest(request)
      endpoint.server.handleUpgrade(request, socket, head, (webSocket) => endpoint.open(webSocket, socket, address))
    } catch (error) {
      refuseUpgrade(socket, this.#refusalOf(error))
    }
  }

  /** RFC 8441 section 5: the stream itself becomes the socket. It has no key to answer, and its end is that of the stream. */
  #onConnect(request: Http2ServerRequest): void {
    const stream = request.stream as ServerHttp2Stream
    stream.on('error', ignoreError)
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
      const address = this.#admission.peers.nameOfRequest(asked)
      stream.respond({ ':status': 200, 'sec-websocket-protocol': subprotocol })
      endpoint.open(overStream(stream, endpoint.maxPayload), stream, address)
    } catch (error) {
      refuseConnect(stream, this.#refusalOf(error))
    }
  }

  /** What the request asks for, when it may have it. */
  #assertOffered(request: IncomingMessage): { endpoint: Endpoint; subprotocol: string } {
    const { headers } = request
    const path = pathOf(request)
    const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
    this.#admission.assertOrigin(headers.origin, headers.host)
    const endpoint = this.#endpoints.find(({ paths }) => paths.has(path))
    if (endpoint === undefined) throw new Refusal('not-found', { path })
    const subprotocol = endpoint.subprotocols.find((name) => offered.includes(name))
    if (subprotocol === undefined) {
      throw new Refusal('request-invalid', { detail: `a WebSocket at ${path} names the subprotocol ${endpoint.subprotocols.join(' or ')}` })
    }
    endpoint.admit(this.#admission.peers.addressOf(request))
    return { endpoint, subprotocol }
  }

  #refusalOf(error: unknown): Refusal {
    if (!(error instanceof Refusal)) throw error
    this.#engine.metrics.refused(error.code)
    return error
  }

  #openLive(webSocket: WebSocket, feed: Feed, welcome: Welcome): void {
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
      this.#viewers.add(webSocket)
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

  constructor(webSocket: WebSocket, address: string) {
    this.#webSocket = webSocket
    this.address = address
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

function openMqtt(engine: Engine, webSocket: WebSocket, carrier: Duplex, address: string): void {
  const connection = new MqttConnection(engine, new WebSocketWire(webSocket, address))
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
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\nConnection: close\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

function refuseConnect(stream: ServerHttp2Stream, refusal: Refusal): void {
  const problem = problemOf(refusal)
  stream.respond({ ':status': problem.status, 'content-type': 'application/problem+json' })
  stream.end(JSON.stringify(problem), () => stream.close())
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? '/'
  const end = url.indexOf('?')
  return end === -1 ? url : url.slice(0, end)
}

/** `close` follows. */
function ignoreError(): void {}
