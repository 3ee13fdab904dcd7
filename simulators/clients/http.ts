// A device or a viewer that speaks HTTP/1.1 (RFC 9112): readings go up by POST on a kept connection, changes come down as an event stream.
import { Agent, type IncomingMessage, request } from 'node:http'

export interface HttpOptions {
  /** For one whole answer; for an event stream, for its head. Default 10 s. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal | undefined
}

export interface HttpAnswer {
  readonly status: number
  readonly body: string
}

/** One device: one kept connection, one request on it at a time. */
export class HttpDevice {
  readonly #url: URL
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #timeoutMs: number

  constructor(hub: URL, deviceId: string, { timeoutMs = 10_000 }: HttpOptions = {}) {
    this.#url = new URL(`/v1/devices/${encodeURIComponent(deviceId)}/telemetry`, hub)
    this.#timeoutMs = timeoutMs
  }

  /** Settles with any complete answer, whatever its status; rejects when none comes in time. */
  async post(body: string, signal?: AbortSignal): Promise<HttpAnswer> {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const deadline = AbortSignal.timeout(this.#timeoutMs)
    const either = signal ? AbortSignal.any([signal, deadline]) : deadline
    const response = await answerOf(this.#url, { method: 'POST', headers, agent: this.#agent, signal: either }, body)
    let text = ''
    for await (const chunk of response.setEncoding('utf8')) text += chunk
    return { status: response.statusCode ?? 0, body: text }
  }

  close(): void {
    this.#agent.destroy()
  }
}

export interface ServerSentEvent {
  /** The `event` field; `message` when there is none. */
  readonly type: string
  readonly data: string
  /** The last `id` the stream has named: what a reconnect sends as `Last-Event-ID`. */
  readonly id: string
}

/**
 * Events of one stream, until it ends or the signal aborts (WHATWG HTML section 9.2). The caller reconnects, with the last `id`.
 * Errors: any status but 200.
 */
export async function* events(url: URL, options: HttpOptions & { readonly lastEventId?: string } = {}): AsyncGenerator<ServerSentEvent> {
  const { timeoutMs = 10_000, signal, lastEventId } = options
  const headers = { accept: 'text/event-stream', ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }) }
  const ended = new AbortController()
  const deadline = setTimeout(() => ended.abort(new Error(`No answer from ${url.href} within ${timeoutMs} ms.`)), timeoutMs)
  const either = signal ? AbortSignal.any([signal, ended.signal]) : ended.signal
  try {
    const response = await answerOf(url, { headers, agent: false, signal: either })
    clearTimeout(deadline)
    if (response.statusCode !== 200) throw new Error(`${url.href} answered ${response.statusCode}.`)
    const parser = new EventParser(lastEventId ?? '')
    for await (const chunk of response.setEncoding('utf8')) yield* parser.push(chunk)
  } finally {
    clearTimeout(deadline)
    ended.abort()
  }
}

/** Lines into events (9.2.6): fields until an empty line; a colon first makes a comment. */
class EventParser {
  #rest = ''
  #type = ''
  #data: string[] = []
  #id: string

  constructor(lastEventId: string) {
    this.#id = lastEventId
  }

  *push(chunk: string): Generator<ServerSentEvent> {
    // A CR at the end may be half of a CRLF, so it waits for its neighbour.
    const lines = (this.#rest + chunk).split(/\r\n|\n|\r(?!$)/)
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line !== '') this.#field(line)
      else if (this.#data.length > 0) {
        yield { type: this.#type || 'message', data: this.#data.join('\n'), id: this.#id }
        this.#data = []
        this.#type = ''
      }
    }
  }

  #field(line: string): void {
    const colon = line.indexOf(':')
    const name = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (name === 'data') this.#data.push(value)
    else if (name === 'event') this.#type = value
    else if (name === 'id' && !value.includes('\0')) this.#id = value
  }
}

function answerOf(url: URL, options: Parameters<typeof request>[1] & object, body?: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request(url, options, resolve)
    sent.on('error', reject) // stays: an abort after the head is also told here, when nobody waits any more
    sent.end(body)
  })
}
