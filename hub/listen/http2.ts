// HTTP/2 for the routes that HTTP/1.1 has: each stream becomes a request of the same fastify app. Its sockets come with their protocol
// known: by ALPN over TLS, by the preface in the clear (RFC 9113 section 3).
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Http2Server, type Http2ServerRequest, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { limits } from '../limits.ts'

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** HTTP/2 keeps the parts of the request line among the header fields: RFC 9113 section 8.3.1. */
const pseudoFields = 5

/** It listens nowhere: sockets are given to it by `emit('connection', socket)`. */
export function createHttp2Server(answer: Answer): Http2Server {
  const server = createServer(
    {
      settings: {
        enableConnectProtocol: true, // RFC 8441: WebSockets, which upgrade.ts answers
        maxConcurrentStreams: limits.http2Streams,
        maxHeaderListSize: limits.headBytes,
      },
      maxHeaderListPairs: limits.headFields + pseudoFields,
      maxSessionMemory: limits.http2SessionBytes / 1e6, // Node counts it in millions of bytes
      maxOutstandingPings: limits.http2Pings,
      maxSettings: limits.http2Settings,
      maxSessionInvalidFrames: limits.http2InvalidFrames,
      maxSessionRejectedStreams: limits.http2InvalidFrames,
      streamResetBurst: limits.http2ResetBurst,
      streamResetRate: limits.http2ResetRate,
    },
    (request, response) => {
      asInHttp1(request)
      answer(request as unknown as IncomingMessage, response as unknown as ServerResponse) // Node's compatibility API has the same surface
    },
  )
  server.on('session', (session) => {
    session.setTimeout(limits.headSeconds * 1000)
    session.once('remoteSettings', onFirstWords)
  })
  // Silent for so long, a session is told to go (GOAWAY): at once when it has no stream, else when its last stream ends. A WebSocket that
  // is silent for longer than that stays.
  server.setTimeout(limits.idleSeconds * 1000)
  server.on('timeout', goAway)
  return server
}

/** What the routes and fastify read of a request under the names of HTTP/1.1. */
export function asInHttp1({ headers, stream }: Http2ServerRequest): void {
  const authority = headers[':authority']
  if (authority !== undefined) headers.host = authority // RFC 9113 section 8.3.1: of the two this one counts
  // HTTP/2 needs no field to say that a body follows; fastify looks for one.
  const hasBody = !(stream as ServerHttp2Stream & { readonly endAfterHeaders: boolean }).endAfterHeaders
  if (hasBody && headers['content-length'] === undefined) headers['transfer-encoding'] = 'chunked'
}

/** RFC 9113 section 3.4: a client begins with its SETTINGS. */
function onFirstWords(this: ServerHttp2Session): void {
  this.setTimeout(limits.idleSeconds * 1000)
}

function goAway(session: ServerHttp2Session): void {
  session.close()
}
