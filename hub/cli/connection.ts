// One request to a running hub, and what to say when it is not there or does not want to.
import { readFileSync } from 'node:fs'
import * as http from 'node:http'
import * as https from 'node:https'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { CommandError, UsageError } from './command.ts'
import { type KeySaid, keyOf, keyOptions } from './key.ts'

export const hubOptions = {
  url: { type: 'string', default: 'http://127.0.0.1:8080', value: 'URL', says: 'the hub (http://127.0.0.1:8080)' },
  ca: {
    type: 'string',
    value: 'FILE',
    says: "certificate of the CA to trust, for https; the hub's own is tls/ca.crt of its data folder",
  },
  ...keyOptions,
} as const

export interface HubAddress extends KeySaid {
  readonly url: string
  readonly ca?: string | undefined
}

interface Ask {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Behind the URL of the hub. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** A stream is sent as fast as the hub takes it. */
  readonly body?: Readable | Buffer | string
  /** Which role lets somebody do it, for the advice when the hub refuses: of GET `viewer`, else `operator`, unless it is said. */
  readonly role?: 'viewer' | 'operator' | 'admin'
  readonly signal: AbortSignal
}

/** RFC 9457, as far as it is looked at. */
interface Problem {
  readonly detail: string
  readonly code?: string | undefined
  readonly retry?: boolean | undefined
}

/** The hub answered, and it is a no. */
export class HubRefusal extends CommandError {
  readonly status: number
  /** What it says, without who says it. */
  readonly detail: string

  /** The same may pass later. */
  readonly mayPass: boolean

  constructor(status: number, { detail, retry }: Problem, advice: string) {
    super(`the hub refused: ${detail}${advice}`)
    this.status = status
    this.detail = detail
    this.mayPass = retry ?? status >= 500
  }
}

/** A hub that answers at all does so by then. */
const answerWithinMs = 30_000

/** Resolves with an answer of 2xx, whose body is still to be read. Errors: `UsageError` of the address, `CommandError`. */
export async function ask(hub: HubAddress, { method, path, headers = {}, body, role, signal }: Ask): Promise<http.IncomingMessage> {
  const { url, ca } = hub
  const target = targetOf(url, path)
  const key = keyOf(hub)
  const trust = ca === undefined ? {} : { ca: readCertificate(ca) }
  const allHeaders = { ...headers, ...(key === undefined ? {} : { authorization: `Bearer ${key}` }) }
  const { request: begin } = target.protocol === 'https:' ? https : http
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    const request = begin(target, { method, headers: allHeaders, signal, ...trust })
    request.once('response', resolve)
    // The hub may answer and close while the body is still on its way; then the answer is what counts.
    request.on('error', (error: NodeJS.ErrnoException) => reject(signal.aborted ? signal.reason : new CommandError(sentenceOf(error, url))))
    if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) request.end(body)
    else pipeline(body, request).catch((error: Error) => request.destroy(error))
  })
  const { statusCode = 0 } = response
  if (statusCode >= 200 && statusCode < 300) return response
  const problem = problemOf(await textOf(response), statusCode)
  const { code } = problem
  const isForbidden = statusCode === 401 || (statusCode === 403 && (code === undefined || code === 'not-allowed'))
  throw new HubRefusal(statusCode, problem, isForbidden ? adviceOf(role ?? (method === 'GET' ? 'viewer' : 'operator')) : '')
}

/** One answer, as the JSON object it is. Errors: as `ask`, and `CommandError` when it is none or does not come. */
export async function askJson<Answer>(hub: HubAddress, { signal, ...question }: Ask): Promise<Answer> {
  const patience = AbortSignal.timeout(answerWithinMs)
  try {
    const text = await textOf(await ask(hub, { ...question, signal: AbortSignal.any([signal, patience]) }))
    const answer: unknown = parsed(text)
    if (typeof answer === 'object' && answer !== null) return answer as Answer
    throw new CommandError(`what answers at ${hub.url} is no hub`)
  } catch (error) {
    if (signal.aborted) throw signal.reason
    if (patience.aborted) throw new CommandError(`the hub at ${hub.url} does not answer within ${answerWithinMs / 1000} s`)
    throw error
  }
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

/** Errors: `UsageError`. */
export function targetOf(url: string, path: string): URL {
  const target = URL.canParse(url) ? new URL(url) : undefined
  if (target !== undefined && (target.username !== '' || target.password !== ''))
    throw new UsageError('--url holds no credentials, which others would read; say --key-file or MOORING_KEY')
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

function adviceOf(role: string): string {
  return ` Make a key on the hub's machine (mooring keys create NAME --role ${role}) and say it by MOORING_KEY or --key-file.`
}

function problemOf(text: string, status: number): Problem {
  const problem = parsed(text) as Partial<Problem> | null | undefined
  if (typeof problem?.detail === 'string') return { ...problem, detail: problem.detail }
  return { detail: `HTTP status ${status}` } // it is no hub, or a proxy stands before it
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
