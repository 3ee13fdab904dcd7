// HTTP/1.1 for the app, and its bounds: those that HTTP/2 has in its own words (http2.ts).
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { RefusalCode } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Answer } from './http2.ts'

/** How often connections are looked through for those that are late with the head of a request. */
const latecomersEveryMs = 2000

/** It listens nowhere: sockets are given to it by `emit('connection', socket)`. */
export function createHttp1Server(answer: Answer, refused: (code: RefusalCode) => void): Server {
  const server = createServer(
    {
      maxHeaderSize: limits.headBytes,
      connectionsCheckingInterval: latecomersEveryMs,
      headersTimeout: limits.headSeconds * 1000,
      keepAliveTimeout: limits.idleSeconds * 1000,
      requestTimeout: 0, // Node has one for all requests; here the head has its own, and a body that is read whole has its deadline
      // Other upgrades are passed over (RFC 9110 section 7.8): curl --http2 asks for one with each request in the clear.
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
    },
    boundAhead(answer, refused),
  )
  server.maxHeadersCount = 0 // counted by us: Node would leave out what is past the bound
  server.emit('listening') // Node begins to look for latecomers then
  return server
}

/**
 * Requests may be sent ahead of the answers to those before them (RFC 9112 section 9.3.2). Node makes objects of all that it finds in the bytes
 * of one read; past the bound the connection is closed, and the client asks again for what was not answered. There is no word for why:
 * answers go in the order of requests, and those before this one may be hours away.
 */
function boundAhead(answer: Answer, refused: (code: RefusalCode) => void): Answer {
  const unanswered = new WeakMap<Socket, number>()
  function onClose(this: ServerResponse) {
    const { socket } = this.req
    unanswered.set(socket, (unanswered.get(socket) as number) - 1)
  }
  return (request, response) => {
    const { socket } = request
    if (socket.destroyed) return // the rest of what was read with the one too many
    const count = (unanswered.get(socket) ?? 0) + 1
    unanswered.set(socket, count)
    response.once('close', onClose)
    if (count <= limits.requestsAhead) return answer(request, response)
    refused('too-many-requests')
    socket.destroy()
  }
}
