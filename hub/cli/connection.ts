// One request to a running hub, and what to say when it is not there or does not want to.
import { readFileSync } from 'node:fs'
import * as http from 'node:http'
import * as https from 'node:https'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CommandError, UsageError } from './command.ts'

export const hubOptions = {
  url: { type: 'string', default: 'http://127.0.0.1:8080' },
  ca: { type: 'string' },
} as const

export const hubHelp = `  --url URL        the hub (http://127.0.0.1:8080)
  --ca FILE        certificate of the CA to trust, for https; the hub's own is tls/ca.crt of its data folder`

export interface HubAddress {
  readonly url: string
  readonly ca?: string | undefined
}

interface Ask {
  readonly method: 'GET' | 'POST'
  /** Behind the URL of the hub. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as fast as the hub takes it. */
  readonly body?: Readable
  readonly signal: AbortSignal
}

/** Resolves with an answer of 2xx, whose body is still to be read. Errors: `UsageError` of the address, `CommandError`. */
export async function ask({ url, ca }: HubAddress, { method, path, headers = {}, body, signal }: Ask): Promise<http.IncomingMessage> {
  const target = targetOf(url, path)
  const trust = ca === undefined ? {} : { ca: readCertificate(ca) }
  const { request: begin } = target.protocol === 'https:' ? https : http
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    const request = begin(target, { method, headers, signal, ...trust })
    request.once('response', resolve)
    // The hub may answer and close while the body is still on its way; then the answer is what counts.
    request.on('error', (error: NodeJS.ErrnoException) => reject(signal.aborted ? signal.reason : new CommandError(sentenceOf(error, url))))
    if (body === undefined) request.end()
    else pipeline(body, request).catch((error: Error) => request.destroy(error))
  })
  const { statusCode = 0 } = response
  if (statusCode >= 200 && statusCode < 300) return response
  throw new CommandError(`the hub refused: ${problemOf(await textOf(response), statusCode)}`)
}

/** The body as text. Errors: `CommandError` when it breaks off. */
export async function textOf(response: http.IncomingMessage): Promise<string> {
  let text = ''
  try {
    for await (const chunk of response.setEncoding('utf8')) text += chunk
  } catch {
    throw new CommandError('the hub went away in the middle of its answer')
  }
  return text
}

function targetOf(url: string, path: string): URL {
  const target = URL.canParse(url) ? new URL(url) : undefined
  if (target?.protocol !== 'http:' && target?.protocol !== 'https:') throw new UsageError(`--url takes http://… or https://…, not ${url}`)
  return new URL(`${target.pathname.replace(/\/$/, '')}${path}`, target)
}

function readCertificate(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(`--ca: ${(error as Error).message}`)
  }
}

function sentenceOf({ code, message }: NodeJS.ErrnoException, url: string): string {
  if (code === 'ECONNREFUSED') return `no hub answers at ${url}; start one, or say --url`
  if (code === 'ECONNRESET' || code === 'EPIPE') return `the hub at ${url} went away`
  return `the hub at ${url} cannot be reached: ${message}`
}

/** RFC 9457, which every refusal of the hub is. */
function problemOf(text: string, status: number): string {
  try {
    const { detail } = JSON.parse(text) as { readonly detail?: unknown }
    if (typeof detail === 'string') return detail
  } catch {} // it is no hub, or a proxy stands before it
  return `HTTP status ${status}`
}
