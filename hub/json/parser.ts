// The parser of an HTTP/1.1 connection, which is half of what a held request costs: 6.5 KB of 13. Nothing is parsed while an answer is awaited,
// so it is let go, and a new one is made when the connection goes back to the HTTP server.
//
// Node has no words for this but in its own code; what is not found there as in Node 24 is left as it is, and costs its memory.
import type { RawResponse } from './response.ts'

export interface RawSocket {
  readonly destroyed: boolean
  readonly server?: { emit(event: 'connection', socket: RawSocket): unknown }
  parser?: { unconsume?(): void; remove?(): void; close?(): void } | null
  eventNames(): (string | symbol)[]
  listeners(event: string | symbol): ((...values: never[]) => void)[]
  removeListener(event: string | symbol, listener: (...values: never[]) => void): unknown
  on(event: string, listener: (chunk: Buffer) => void): unknown
  pause(): unknown
  resume(): unknown
  unshift(chunk: Buffer): void
  destroy(): unknown
}

/** What `connectionListener` of node:http adds to a socket, by name. */
const ofHttp: ReadonlySet<string> = new Set([
  'bound socketOnData',
  'bound socketOnEnd',
  'bound socketOnClose',
  'bound socketOnDrain',
  'socketOnError',
  'socketOnTimeout',
  'onSocketResume',
  'onSocketPause',
])
/** Those that would still speak to the parser. */
const ofParser: ReadonlySet<string> = new Set(['bound socketOnData', 'bound socketOnEnd'])

/** False when it stays. It must not be at work: in a turn of its own. */
export function releaseParser({ req, socket, stream }: RawResponse): boolean {
  if (stream !== undefined || socket !== req.socket || !req.complete || req.socket.destroyed) return false
  const { parser, server } = req.socket
  if (server === undefined || 'setSecureContext' in server) return false // a TLS server would shake hands anew
  if (typeof parser?.unconsume !== 'function' || typeof parser.remove !== 'function' || typeof parser.close !== 'function') return false
  if (removeListeners(req.socket, ofParser) !== ofParser.size) return false
  parser.unconsume()
  parser.remove()
  req.socket.parser = null
  parser.close()
  req.socket.on('data', keepBytes)
  req.socket.on('end', destroySocket)
  return true
}

/** The answer is out: the connection may bring the next request. */
export function resumeHttp(socket: RawSocket): void {
  if (socket.destroyed) return
  removeListeners(socket, ofHttp)
  socket.removeListener('data', keepBytes)
  socket.removeListener('end', destroySocket)
  socket.server?.emit('connection', socket)
  socket.resume()
}

function removeListeners(socket: RawSocket, names: ReadonlySet<string>): number {
  let removed = 0
  for (const event of socket.eventNames()) {
    for (const listener of socket.listeners(event)) {
      if (!names.has(listener.name)) continue
      socket.removeListener(event, listener)
      removed++
    }
  }
  return removed
}

/** A request that came before the answer to the one before it: it waits in the socket. */
function keepBytes(this: unknown, chunk: Buffer): void {
  const socket = this as RawSocket
  socket.pause()
  socket.unshift(chunk)
}

function destroySocket(this: unknown): void {
  ;(this as RawSocket).destroy()
}
