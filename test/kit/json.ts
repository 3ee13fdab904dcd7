// A plain client of the JSON protocol for tests, written from its specification (hub/json/README.md): it says what it is told, legal or not,
// and keeps what comes back. The hub's own codec has no part in it.
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { WebSocket } from 'ws'
import type { TestHub } from './hub.ts'

/** How long a test waits for a frame, and for the end of a connection. */
const waitMs = 5000

/** A frame as it came; its members are what the specification says of its kind. */
export interface JsonFrame {
  readonly is: 'welcome' | 'message' | 'command' | 'ack' | 'gap' | 'error' | 'pong'
  readonly id?: string | number
  readonly client?: string
  readonly resumed?: boolean
  readonly expiry?: number
  readonly keepAlive?: number
  readonly now?: number
  readonly cursor?: string
  readonly topic?: string
  readonly payload?: unknown
  readonly text?: string
  readonly base64?: string
  readonly qos?: number
  readonly at?: number
  readonly retain?: boolean
  readonly history?: boolean
  readonly asked?: string
  readonly continues?: string
  readonly code?: string
  readonly detail?: string
  readonly retry?: boolean
}

interface Waiting {
  fits(frame: JsonFrame): boolean
  take(frame: JsonFrame): void
  fail(why: string): void
}

export interface Closing {
  readonly code: number
  readonly reason: string
}

export class JsonClient {
  readonly socket: WebSocket
  readonly #arrived: JsonFrame[] = []
  readonly #waiting: Waiting[] = []
  readonly #closed: Promise<Closing>
  #isClosed = false
  #lastId = 0

  constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data: Buffer) => this.#onFrame(JSON.parse(data.toString()) as JsonFrame))
    socket.on('error', () => {}) // told by `closed`
    this.#closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.#isClosed = true
        for (const waiting of [...this.#waiting]) waiting.fail(`the socket closed with ${code} (${reason})`)
        resolve({ code, reason: reason.toString() })
      })
    })
  }

  /** How it closed. The wait is bounded, and begins when this is asked for. */
  get closed(): Promise<Closing> {
    return bounded(this.#closed, () => `the socket to close; ${this.#othersCame()}`)
  }

  /** Frames that have arrived and that nobody asked for. */
  get unread(): readonly JsonFrame[] {
    return this.#arrived
  }

  say(frame: object | string): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame))
  }

  /** The next frame of this kind, or of one of these, that fits; others stay for whoever asks. */
  next(is: JsonFrame['is'] | readonly JsonFrame['is'][], alsoFits: (frame: JsonFrame) => boolean = () => true): Promise<JsonFrame> {
    const fits = (frame: JsonFrame) => (is === frame.is || is.includes(frame.is)) && alsoFits(frame)
    const at = this.#arrived.findIndex(fits)
    if (at !== -1) return Promise.resolve(this.#arrived.splice(at, 1)[0] as JsonFrame)
    if (this.#isClosed) return Promise.reject(new Error(`the socket had closed before ${is} came; ${this.#othersCame()}`))
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        fits,
        take: (frame) => {
          clearTimeout(timer)
          resolve(frame)
        },
        fail: (why) => {
          clearTimeout(timer)
          this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
          reject(new Error(`${why} while waiting for ${is}; ${this.#othersCame()}`))
        },
      }
      const timer = setTimeout(() => waiting.fail(`${waitMs} ms passed`), waitMs)
      this.#waiting.push(waiting)
    })
  }

  /** The next `count` messages, in the order they came. */
  async messages(count: number): Promise<JsonFrame[]> {
    const messages: JsonFrame[] = []
    while (messages.length < count) messages.push(await this.next('message'))
    return messages
  }

  /** Says a frame under an id of its own, and brings its answer: `ack`, or `error`. */
  async ask(frame: object): Promise<JsonFrame> {
    const id = ++this.#lastId
    this.say({ ...frame, id })
    return this.answer((answer) => answer.id === id)
  }

  /** The next answer to a frame. */
  answer(fits?: (frame: JsonFrame) => boolean): Promise<JsonFrame> {
    return this.next(['ack', 'error'], fits)
  }

  /** The same, where it must be an `ack`. */
  async do(frame: object): Promise<void> {
    const answer = await this.ask(frame)
    if (answer.is !== 'ack') throw new Error(`refused: ${JSON.stringify(answer)}`)
  }

  /** Comes back once the hub has said all that it had to say to what came before and does not wait for the disk. */
  async ping(): Promise<JsonFrame> {
    this.say({ is: 'ping' })
    return this.next('pong')
  }

  /** Messages that came and that nobody asked for, once a round trip and a commit have brought none. */
  async leftovers(): Promise<JsonFrame[]> {
    let before: number
    do {
      before = this.#arrived.length
      await this.ask({ is: 'publish', topic: '$settle', text: '' }) // refused, in its turn, so that it reaches nobody
      await this.ping()
    } while (this.#arrived.length > before)
    return this.#arrived.filter(({ is }) => is === 'message')
  }

  async hello(members: object = {}): Promise<JsonFrame> {
    this.say({ is: 'hello', ...members })
    return this.next('welcome')
  }

  /** A goodbye: the will is withheld. */
  async leave(): Promise<void> {
    this.socket.close(1000)
    await this.closed
  }

  /** The socket is destroyed: no close frame. */
  pullCable(): void {
    this.socket.terminate()
  }

  #onFrame(frame: JsonFrame): void {
    const at = this.#waiting.findIndex(({ fits }) => fits(frame))
    if (at === -1) this.#arrived.push(frame)
    else this.#waiting.splice(at, 1)[0]?.take(frame)
  }

  #othersCame(): string {
    return `others came: ${
      this.#arrived
        .map((frame) => JSON.stringify(frame))
        .join(' ')
        .slice(0, 2000) || 'none'
    }`
  }
}

async function bounded<T>(promise: Promise<T>, what: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${waitMs} ms passed while waiting for ${what()}`)), waitMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Opens a socket; nothing is said yet. */
export async function dialJson(t: TestContext, hub: TestHub, options: { autoPong?: boolean } = {}): Promise<JsonClient> {
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/v1/session`, 'mooring.json', options)
  t.after(() => socket.terminate())
  const client = new JsonClient(socket) // listens before the first frame can come
  await once(socket, 'open')
  return client
}

/** Opens a socket and a session. */
export async function helloJson(t: TestContext, hub: TestHub, members: object = {}): Promise<JsonClient & { readonly welcome: JsonFrame }> {
  const client = await dialJson(t, hub)
  return Object.assign(client, { welcome: await client.hello(members) })
}
