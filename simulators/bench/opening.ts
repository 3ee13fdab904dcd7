// What the load generator says on a new connection until the server takes messages: MQTT 3.1.1, JSON sessions over WebSocket, HTTP.
import type { Opening } from './connection.ts'
import { isUpgraded, textFrame, upgradeRequest } from './frames.ts'

/** Where MQTT goes. `tls` needs `ca`. */
export interface Target {
  readonly port: number
  readonly transport: 'tcp' | 'websocket' | 'tls'
  readonly ca?: string
}

/** Where a WebSocket with text goes, and whether the server knows the JSON protocol or just messages. */
export interface SocketTarget {
  readonly port: number
  readonly speaks: 'mooring.json' | 'plain'
}

/** Longer than any run: no connection needs a sign of life. */
const mqttKeepAliveSeconds = 600
const jsonKeepAliveSeconds = 300 // the longest one may ask for

export interface Credentials {
  readonly username: string
  readonly password: string
}

export function mqttOpening({ port, transport, ca }: Target, clientId: string, credentials?: Credentials): Opening {
  const connect = { says: connectPacket(clientId, credentials), isAnswered: isConnack }
  if (transport === 'websocket')
    return { port, framed: true, steps: [{ says: upgradeRequest('/mqtt', 'mqtt'), isAnswered: isUpgraded }, connect] }
  if (transport === 'tcp') return { port, steps: [connect] }
  if (ca === undefined) throw new Error('A load over TLS needs the certificate that has signed that of the server.')
  return { port, ca, steps: [connect] }
}

/** A session that follows `filter`. A server of plain messages knows by the path what a connection is for. */
export function socketOpening({ port, speaks }: SocketTarget, client: string, filter: string | undefined, plainPath: PlainPath): Opening {
  if (speaks === 'plain') return { port, steps: [{ says: upgradeRequest(plainPath), isAnswered: isUpgraded }] }
  const subscribe = filter === undefined ? [] : [{ is: 'subscribe', filter }]
  const hello = { is: 'hello', client, clean: true, keepAlive: jsonKeepAliveSeconds, subscribe }
  return {
    port,
    steps: [
      { says: upgradeRequest('/v1/session', 'mooring.json'), isAnswered: isUpgraded },
      { says: textFrame(JSON.stringify(hello)), isAnswered: isWelcome },
    ],
  }
}

export type PlainPath = '/echo' | '/publish' | '/subscribe'

/** A request whose answer does not end: the connection is open once its head has come. */
export function streamOpening(port: number, says: Buffer): Opening {
  return { port, steps: [{ says, isAnswered: isOk }] }
}

/** A request that is held: no answer is the answer. */
export function heldOpening(port: number, says: Buffer): Opening {
  return { port, steps: [{ says }] }
}

export function getRequest(path: string): Buffer {
  return Buffer.from(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)
}

export function postRequest(path: string, json: string): Buffer {
  const head = ['Host: 127.0.0.1', 'Content-Type: application/json', `Content-Length: ${Buffer.byteLength(json)}`]
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n${json}`)
}

/** The head of a request whose body comes in chunks, for as long as it likes. */
export function postHead(path: string): Buffer {
  const head = ['Host: 127.0.0.1', 'Content-Type: application/x-ndjson', 'Transfer-Encoding: chunked']
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n`)
}

function isOk(bytes: Buffer): boolean | undefined {
  return bytes.includes('\r\n\r\n') ? bytes.toString('latin1', 0, 12) === 'HTTP/1.1 200' : undefined
}

function isWelcome(bytes: Buffer): boolean | undefined {
  if (bytes.includes('"is":"welcome"')) return true
  return bytes.includes('"is":"error"') ? false : undefined
}

/** 3.1: clean session, no will. */
export function connectPacket(clientId: string, credentials?: Credentials): Buffer {
  const texts = credentials === undefined ? [clientId] : [clientId, credentials.username, credentials.password]
  const parts = texts.map((text) =>
    Buffer.concat([Buffer.of(Buffer.byteLength(text) >> 8, Buffer.byteLength(text) & 0xff), Buffer.from(text)]),
  )
  const keepAlive = [mqttKeepAliveSeconds >> 8, mqttKeepAliveSeconds & 0xff]
  const body = Buffer.concat([Buffer.of(0, 4, 0x4d, 0x51, 0x54, 0x54, 4, credentials === undefined ? 2 : 0xc2, ...keepAlive), ...parts])
  const length = body.length < 128 ? [body.length] : [(body.length & 0x7f) | 0x80, body.length >>> 7]
  return Buffer.concat([Buffer.of(0x10, ...length), body])
}

function isConnack(bytes: Buffer): boolean | undefined {
  if (bytes.length < 4) return undefined
  return bytes.length === 4 && bytes[0] === 0x20 && bytes[3] === 0
}
