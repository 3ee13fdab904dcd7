// An HTTP answer that outlives its handler, as Node has it over HTTP/1.1 and HTTP/2. Fastify has let go of it, so that request and reply are not
// kept alive by thousands of answers that are still to come.
import type { FastifyReply } from 'fastify'
import { problemOf, type Refusal } from '../errors.ts'
import { reconnectAfterSeconds } from '../reconnect.ts'
import { type RawSocket, releaseParser, resumeHttp } from './parser.ts'

export type Headers = Readonly<Record<string, string | number | string[] | undefined>>

/** What a `ServerResponse` and an `Http2ServerResponse` have in common. */
export interface RawResponse {
  readonly req: { headers: object; rawHeaders: string[]; readonly complete: boolean; readonly socket: RawSocket }
  readonly socket: unknown
  /** HTTP/2 alone has it. */
  readonly stream?: { readonly destroyed: boolean }
  readonly writableLength: number
  writeHead(status: number, headers: Headers): unknown
  flushHeaders(): void
  write(text: string): boolean
  end(text?: string): unknown
  destroy(): unknown
  on(event: 'close' | 'drain' | 'error', listener: () => void): unknown
}

/** Whoever holds an answer is found through it: its handlers are shared functions, and a held answer costs no closure. */
export interface Holder {
  /** The client is gone, or all was said. */
  onClosed(raw: RawResponse): void
  onDrain(): void
}

interface HeldResponse extends RawResponse {
  mooring: Holder
  /** Its connection has no parser until the answer is out. */
  isParserless?: boolean
}

export function hold(raw: RawResponse, holder: Holder): void {
  ;(raw as HeldResponse).mooring = holder
  raw.on('close', onClose)
  raw.on('drain', onDrain)
  raw.on('error', ignoreError)
  forgetHeaders(raw)
}

const noHeaders: object = Object.freeze({})

/** What the request said has been read, and it may be held for long: 0.9 KB less for each. HTTP/2 keeps it for itself. */
function forgetHeaders({ req, stream }: RawResponse): void {
  if (stream !== undefined) return
  req.headers = noHeaders
  req.rawHeaders = []
}

function onClose(this: unknown): void {
  const raw = this as HeldResponse
  raw.mooring.onClosed(raw)
  if (raw.isParserless) resumeHttp(raw.req.socket)
}

function onDrain(this: unknown): void {
  ;(this as HeldResponse).mooring.onDrain()
}

/** `close` follows. */
function ignoreError(): void {}

/** The client has gone, perhaps before anyone listened for it. */
export function isCut({ stream, req }: RawResponse): boolean {
  return stream === undefined ? req.socket.destroyed : stream.destroyed
}

/** For the time until the answer; the next request is read after it. The parser must not be at work: in a turn of its own. */
export function releaseParserUntilAnswered(raw: RawResponse): void {
  if (releaseParser(raw)) (raw as HeldResponse).isParserless = true
}

let headersWithoutOrigin: Headers | undefined

/** What every answer of the hub says; the same object for all requests that come from no page. */
export function headersOf(reply: FastifyReply): Headers {
  if (reply.request.headers.origin !== undefined) return reply.getHeaders()
  headersWithoutOrigin ??= { ...reply.getHeaders() }
  return headersWithoutOrigin
}

export function sendJson(raw: RawResponse, headers: Headers, status: number, type: string, text: string, retryAfter?: number): void {
  raw.writeHead(status, {
    ...headers,
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }),
  })
  raw.end(text)
}

/** A refusal in the middle of an answer's wait, and the end of the connection; whoever may come again is told when. */
export function sendProblem(raw: RawResponse, headers: Headers, why: Refusal): void {
  const last = raw.stream === undefined ? { ...headers, connection: 'close' } : headers // a hub that stops waits for no idle connection
  const retryAfter = why.row.retry ? reconnectAfterSeconds() : undefined
  sendJson(raw, last, why.row.http, 'application/problem+json', JSON.stringify(problemOf(why)), retryAfter)
}
