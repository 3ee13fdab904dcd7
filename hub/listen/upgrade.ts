// WebSocket upgrades on the HTTP port: subprotocol `mqtt` carries MQTT, `mooring.live` the dashboard's view. The only import of ws.
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { problemOf, Refusal } from '../errors.ts'
import { limits, MiB } from '../limits.ts'
import { LiveConnection, type LiveWire, liveSubprotocol, type Welcome } from '../live/connection.ts'
import type { Feed } from '../live/feed.ts'
import { MqttConnection } from '../mqtt/connection.ts'
import type { Engine } from '../mqtt/engine.ts'
import type { Wire } from '../mqtt/wire.ts'
import type { Admission } from './admission.ts'

/** conventions 4.1: the paths MQTT clients of other hubs come with. */
const mqttPaths = new Set(['/mqtt', '/ws', '/', '/$iothub/websocket'])
const mqttSubprotocols = ['mqtt', 'mqttv3.1']
const livePath = '/live'

export interface UpgradeParts {
  readonly engine: Engine
  readonly feed: Feed
  readonly admission: Admission
  welcome(): Welcome
}

/** A frame may hold several packets or a part of one, so its bound is not that of a packet. Fragments are bounded as well: ws issue 2331. */
const common = { noServer: true, perMessageDeflate: false, maxFragments: 64, maxBufferedChunks: 1024, skipUTF8Validation: false }

export class Upgrades {
  readonly #parts: UpgradeParts
  readonly #mqtt = new WebSocketServer({
    ...common,
    maxPayload: 1 * MiB,
    handleProtocols: (offered) => mqttSubprotocols.find((name) => offered.has(name)) ?? false,
  })
  readonly #live = new WebSocketServer({
    ...common,
    maxPayload: limits.liveMessageBytes,
    handleProtocols: (offered) => (offered.has(liveSubprotocol) ? liveSubprotocol : false),
  })
  readonly #viewers = new Set<WebSocket>()

  constructor(server: Server, parts: UpgradeParts) {
    this.#parts = parts
    server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket, head))
  }

  /** Ends the dashboards' sockets; MQTT connections are closed by the engine in their own words. */
  closeViewers(why: Refusal): void {
    for (const socket of this.#viewers) socket.close(why.row.ws, why.message)
  }

  destroyViewers(): void {
    for (const socket of this.#viewers) socket.terminate()
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', ignoreError) // until ws takes it over
    const { admission, engine } = this.#parts
    try {
      const path = pathOf(request)
      const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
      admission.assertOrigin(request.headers.origin, request.headers.host)
      if (path === livePath && offered.includes(liveSubprotocol)) {
        admission.assertAnonymous(addressOf(request))
        this.#live.handleUpgrade(request, socket, head, (webSocket) => this.#openLive(webSocket))
      } else if (mqttPaths.has(path) && offered.some((name) => mqttSubprotocols.includes(name))) {
        admission.assertRoom(engine.connections.size)
        this.#mqtt.handleUpgrade(request, socket, head, (webSocket) => openMqtt(engine, webSocket, request))
      } else if (path === livePath || mqttPaths.has(path)) {
        throw new Refusal('request-invalid', {
          detail: `a WebSocket at ${path} names the subprotocol ${path === livePath ? liveSubprotocol : mqttSubprotocols.join(' or ')}`,
        })
      } else throw new Refusal('not-found', { path })
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      engine.metrics.refused(error.code)
      refuseUpgrade(socket, error)
    }
  }

  #openLive(webSocket: WebSocket): void {
    const { engine, feed, welcome } = this.#parts
    webSocket.on('error', ignoreError)
    const wire: LiveWire = {
      get waitingBytes() {
        return webSocket.bufferedAmount
      },
      send: (text) => webSocket.send(text),
      close: (code, reason) => webSocket.close(code, reason),
    }
    try {
      const connection = new LiveConnection(wire, feed, welcome())
      this.#viewers.add(webSocket)
      webSocket.on('message', (bytes: Buffer) => connection.onText(bytes.toString()))
      webSocket.on('close', () => {
        this.#viewers.delete(webSocket)
        connection.onClosed()
      })
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      engine.metrics.refused(error.code)
      webSocket.close(error.row.ws, error.message)
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

function openMqtt(engine: Engine, webSocket: WebSocket, request: IncomingMessage): void {
  const connection = new MqttConnection(engine, new WebSocketWire(webSocket, addressOf(request)))
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
  request.socket.on('drain', () => connection.onDrain())
  webSocket.on('close', (code) => connection.onWireClosed(`the WebSocket closed with ${code}`))
}

function refuseUpgrade(socket: Duplex, refusal: Refusal): void {
  const problem = problemOf(refusal)
  const body = JSON.stringify(problem)
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\nConnection: close\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

function pathOf(request: IncomingMessage): string {
  const url = request.url ?? '/'
  const end = url.indexOf('?')
  return end === -1 ? url : url.slice(0, end)
}

function addressOf(request: IncomingMessage): string {
  return `${request.socket.remoteAddress}:${request.socket.remotePort}`
}

/** `close` follows. */
function ignoreError(): void {}
