// A reader of server-sent events, written from WHATWG HTML section 9.2, and plain requests over HTTP/1.1 or HTTP/2 to carry it.
import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:http2'
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import type { TestContext } from 'node:test'
import { atEnd } from './at-end.ts'

const waitMs = 5000

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | number | undefined>>
  readonly body: Readable
  /** The connection is destroyed. */
  cut(): void
}

/** Sends a GET; resolves with the head of the answer. */
export type Get = (url: string, headers?: Readonly<Record<string, string>>) => Promise<Answer>

/** A connection of its own for each request. */
export const overHttp1: Get = (url, headers = {}) => getWith(new Agent(), url, headers)

/** One connection that is kept: requests wait for one another. */
export function overOneHttp1(t: Pick<TestContext, 'after'>): Get {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  atEnd(t, () => agent.destroy())
  return (url, headers = {}) => getWith(agent, url, headers)
}

function getWith(agent: Agent, url: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, headers }, (response) => {
      response.on('error', () => {}) // told by its end
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers as IncomingHttpHeaders,
        body: response,
        cut: () => sent.destroy(),
      })
    })
    sent.on('error', reject)
    sent.end()
  })
}

/** Over TLS, or in the clear where the hub's port speaks it. */
export const overHttp2: Get = (url, headers = {}) =>
  new Promise((resolve, reject) => {
    const { origin, pathname, search } = new URL(url)
    const session = connect(origin, { rejectUnauthorized: false })
    session.on('error', reject)
    const stream = session.request({ ':path': pathname + search, ...headers })
    stream.on('error', reject)
    stream.on('close', () => session.close())
    stream.on('response', (head) => resolve({ status: Number(head[':status']), headers: head, body: stream, cut: () => session.destroy() }))
    stream.end()
  })

export interface SentEvent {
  readonly type: string
  readonly data: string
  readonly lastEventId: string
}

/** Section 9.2.6, line by line. */
export class EventParser {
  readonly #onEvent: (event: SentEvent) => void
  readonly #decoder = new StringDecoder('utf8')
  #rest = ''
  #data: string[] = []
  #type = ''
  #idBuffer = ''
  /** What a browser would say as `Last-Event-ID`. */
  lastEventId = ''
  retryMs: number | undefined = undefined
  comments = 0

  constructor(onEvent: (event: SentEvent) => void) {
    this.#onEvent = onEvent
  }

  add(chunk: Buffer): void {
    this.#rest += this.#decoder.write(chunk)
    // A carriage return at the end may be the first half of a line's end.
    for (let end = /\r\n|\n|\r(?!$)/.exec(this.#rest); end !== null; end = /\r\n|\n|\r(?!$)/.exec(this.#rest)) {
      const line = this.#rest.slice(0, end.index)
      this.#rest = this.#rest.slice(end.index + end[0].length)
      this.#onLine(line)
    }
  }

  #onLine(line: string): void {
    if (line === '') {
      this.#dispatch()
      return
    }
    const colon = line.indexOf(':')
    if (colon === 0) {
      this.comments++
      return
    }
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'event') this.#type = value
    else if (field === 'data') this.#data.push(value)
    else if (field === 'id' && !value.includes('\0')) this.#idBuffer = value
    else if (field === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value)
  }

  #dispatch(): void {
    this.lastEventId = this.#idBuffer
    const [data, type] = [this.#data, this.#type]
    this.#data = []
    this.#type = ''
    if (data.length > 0) this.#onEvent({ type: type === '' ? 'message' : type, data: data.join('\n'), lastEventId: this.lastEventId })
  }
}

/** A frame of the hub as a test looks at it. */
export interface HubFrame {
  readonly is: string
  readonly topic?: string
  readonly payload?: unknown
  readonly text?: string
  readonly cursor?: string
  readonly [member: string]: unknown
}

export interface Arrived extends SentEvent {
  readonly frame: HubFrame
}

/** A stream of events that is being read. */
export class EventReader {
  readonly answer: Answer
  readonly #parser: EventParser
  readonly #arrived: Arrived[] = []
  #wake: (() => void) | undefined
  #ended = false

  constructor(answer: Answer) {
    this.answer = answer
    this.#parser = new EventParser((event) => {
      this.#arrived.push({ ...event, frame: JSON.parse(event.data) as HubFrame })
      this.#wake?.()
    })
    answer.body.on('data', (chunk: Buffer) => {
      this.#parser.add(chunk)
      this.#wake?.()
    })
    const ended = () => {
      this.#ended = true
      this.#wake?.()
    }
    answer.body.on('end', ended)
    answer.body.on('close', ended)
  }

  get lastEventId(): string {
    return this.#parser.lastEventId
  }

  get retryMs(): number | undefined {
    return this.#parser.retryMs
  }

  get comments(): number {
    return this.#parser.comments
  }

  /** The next event, whatever it is. */
  async next(): Promise<Arrived> {
    await this.until(() => this.#arrived.length > 0, 'an event')
    return this.#arrived.shift() as Arrived
  }

  /** The texts of the next `count` messages; any other event is an error. */
  async texts(count: number): Promise<string[]> {
    const texts: string[] = []
    while (texts.length < count) texts.push(textOf((await this.next()).frame))
    return texts
  }

  /** What came and nobody asked for. */
  get unread(): readonly Arrived[] {
    return this.#arrived
  }

  async ended(): Promise<void> {
    await this.until(() => this.#ended, 'the end of the stream')
  }

  async until(holds: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + waitMs
    while (!holds()) {
      const leftMs = deadline - performance.now()
      if (leftMs <= 0 || (this.#ended && !holds()))
        throw new Error(`${what} did not come; ${this.#ended ? 'the stream ended' : `${waitMs} ms passed`}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}

/** What a message says, when it is text or a JSON string or number. */
export function textOf(frame: HubFrame): string {
  if (frame.is !== 'message') throw new Error(`a message was awaited, and this came: ${JSON.stringify(frame)}`)
  return frame.text ?? String(frame.payload)
}

/** Opens a stream of events and takes its welcome. */
export async function follow(t: TestContext, url: string, headers: Readonly<Record<string, string>> = {}, get: Get = overHttp1) {
  const answer = await get(url, headers)
  if (answer.status !== 200) throw new Error(`${answer.status}: ${await bodyOf(answer)}`)
  atEnd(t, () => answer.cut())
  const reader = new EventReader(answer)
  const welcome = await reader.next()
  if (welcome.type !== 'welcome') throw new Error(`the first event is ${welcome.type}`)
  return Object.assign(reader, { welcome: welcome.frame })
}

export async function bodyOf({ body }: Answer): Promise<string> {
  let text = ''
  for await (const chunk of body) text += chunk
  return text
}

export async function jsonOf(answer: Answer): Promise<Record<string, unknown>> {
  return JSON.parse(await bodyOf(answer)) as Record<string, unknown>
}
