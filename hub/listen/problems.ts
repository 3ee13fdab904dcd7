// How a request is refused: a problem document (RFC 9457), and nobody reads what is left of its body.
import { constants, type ServerHttp2Stream } from 'node:http2'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { problemOf, Refusal } from '../errors.ts'
import { reconnectAfterSeconds } from '../reconnect.ts'

export function sendProblem(reply: FastifyReply, refusal: Refusal): void {
  const problem = problemOf(refusal)
  const isStopping = refusal.code === 'shutting-down'
  if (refusal.row.retry) reply.header('retry-after', isStopping ? reconnectAfterSeconds() : (refusal.againInSeconds ?? 1))
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="Mooring"') // RFC 9110 section 11.6.1
  abandonBody(reply.request, reply)
  reply.code(problem.status)
  const { errorBody } = reply.request.routeOptions.config
  reply.header('content-type', errorBody === undefined ? 'application/problem+json' : 'application/json')
  reply.send(Buffer.from(JSON.stringify(errorBody?.(refusal) ?? problem))) // as bytes, or fastify adds a charset, which the type does not have
}

/** The refusal an error stands for; undefined for a bug. */
export function refusalOf(error: FastifyError | Refusal, url: string): Refusal | undefined {
  if (error instanceof Refusal) return error
  if (error.validation !== undefined || (error.statusCode !== undefined && error.statusCode < 500)) {
    return new Refusal('request-invalid', { detail: `${error.message} (${url.split('?', 1)[0]})` })
  }
  return undefined
}

/** Nobody reads the rest of a body that was refused, and nothing else bounds the time it may take: its connection or stream ends with the answer. */
function abandonBody({ raw }: FastifyRequest, reply: FastifyReply): void {
  const hasBody = raw.headers['transfer-encoding'] !== undefined || Number(raw.headers['content-length'] ?? 0) > 0
  if (raw.complete || !hasBody) return
  if (raw.httpVersionMajor === 1) {
    reply.header('connection', 'close')
    return
  }
  const { stream } = raw as unknown as { stream: ServerHttp2Stream }
  reply.removeHeader('connection') // fastify's word for HTTP/1.1, which HTTP/2 does not know
  stream.once('finish', () => stream.close(constants.NGHTTP2_NO_ERROR)) // of the stream: the response says it only when the stream is closed
}
