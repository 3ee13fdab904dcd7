// Streams that go up, over HTTP/1.1 and over HTTP/2: a server that opens each request as a stream, and a client that sends what it is told.

import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { connect, constants, createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import pino from 'pino'
import { framesBy, readingsOf } from '../../hub/json/stream.ts'
import { type OnFrame, type RawRequest, type RawResponse, Uplinks } from '../../hub/json/uplinks.ts'
import { Metrics } from '../../hub/metrics.ts'
import { Devices } from '../../hub/routing/devices.ts'
import { Retained } from '../../hub/routing/retained.ts'
import { Router } from '../../hub/routing/router.ts'
import { TopicTree } from '../../hub/routing/topic-tree.ts'
import { type Commit, type CommitResult, SqliteJournal } from '../../hub/store/sqlite/journal.ts'
import type { Journal } from '../../hub/store/store.ts'
import { Wheel } from '../../hub/wheel.ts'
import { atEnd } from '../kit/at-end.ts'
import type { HandClock } from '../kit/clock.ts'
import { anybody } from '../kit/principals.ts'

export type HttpVersion = 'HTTP/1.1' | 'HTTP/2'
export const versions: readonly HttpVersion[] = ['HTTP/1.1', 'HTTP/2']

/** A disk that answers when it is told to, behind the hub's own journal. */
export class SlowDisk {
  readonly #waiting: ((result: CommitResult) => void)[] = []
  messages = 0
  result: CommitResult | undefined = undefined

  readonly commit: Commit = (batch) => {
    this.messages += batch.count
    if (this.result !== undefined) return Promise.resolve(this.result)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** From now on every commit ends like this, and the one on its way does. */
  answer(result: CommitResult): void {
    this.result = result
    for (const answer of this.#waiting.splice(0)) answer(result)
  }

  /** The one commit on its way is stored. */
  store(): void {
    this.#waiting.shift()?.({ is: 'stored', refused: [] })
  }

  journal(clock: HandClock): SqliteJournal {
    return new SqliteJournal({ epoch: 1, nextSeq: 1, durability: 'fsync', clock, commit: this.commit })
  }
}

export interface Serving {
  readonly uplinks: Uplinks
  readonly clock: HandClock
  readonly metrics: Metrics
  /** Opens a stream; the path ends in a device id or, for frames, in `?client=`. */
  open(path: string): Promise<Upstream>
  /** Over HTTP/2 alone: many streams on few connections. */
  openMany(path: string, count: number): Promise<void>
}

/** Streams on a port of their own, over a journal that a hub or a test has. */
export async function serve(t: TestContext, version: HttpVersion, journal: Journal, clock: HandClock, onFrame?: OnFrame): Promise<Serving> {
  const metrics = new Metrics()
  const devices = new Devices(new Map(), journal, clock, { onDeviceCreated() {}, onDeviceRemoved() {} })
  const router = new Router(new TopicTree(), new Retained(), journal, devices, clock, metrics)
  const wheel = new Wheel(clock)
  const uplinks = new Uplinks({ router, journal, wheel, metrics, log: pino({ level: 'silent' }) })
  const onRequest = (incoming: RawRequest, response: RawResponse) => {
    const { pathname, searchParams } = new URL(incoming.url ?? '', 'http://hub')
    const device = /^\/v1\/devices\/(.+)\/stream$/.exec(pathname)?.[1]
    const take =
      device === undefined
        ? framesBy(router, searchParams.get('client') ?? undefined, anybody, onFrame)
        : readingsOf(router, device, anybody)
    uplinks.open(incoming, response, {}, anybody, take)
  }
  const server: Server =
    version === 'HTTP/1.1'
      ? createServer({ requestTimeout: 0 }, onRequest)
      : createHttp2Server((incoming: Http2ServerRequest, response: Http2ServerResponse) => onRequest(incoming, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  atEnd(t, () => {
    uplinks.destroyAll()
    wheel.stop()
    server.close()
  })
  return {
    uplinks,
    clock,
    metrics,
    open: (path) => (version === 'HTTP/1.1' ? openHttp1(t, port, path) : openHttp2(t, port, path)),
    openMany: (path, count) => openManyHttp2(t, port, path, count),
  }
}

/** Over HTTP/1.1, to any server: the hub itself, too. */
export async function openHttp1(t: TestContext, port: number, path: string): Promise<Upstream> {
  const asking = request({ port, path, method: 'POST', headers: { 'content-type': 'application/x-ndjson', host: 'localhost' } })
  asking.flushHeaders()
  asking.on('error', () => {}) // the hub may cut it; tests look at what was answered
  const [response] = (await once(asking, 'response')) as [Readable & { statusCode: number }]
  const upstream = new Upstream(response.statusCode, asking, response)
  atEnd(t, () => upstream.abort())
  return upstream
}

async function openHttp2(t: TestContext, port: number, path: string): Promise<Upstream> {
  const session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  const stream = session.request({ ':method': 'POST', ':path': path }, { endStream: false })
  stream.on('error', () => {})
  const [headers] = (await once(stream, 'response')) as [{ ':status': number }]
  // Reset without an error: to Node this looks much like an end.
  const upstream = new Upstream(headers[':status'], stream, stream, () => stream.close(constants.NGHTTP2_NO_ERROR))
  atEnd(t, () => session.destroy())
  return upstream
}

const streamsPerConnection = 100

async function openManyHttp2(t: TestContext, port: number, path: string, count: number): Promise<void> {
  for (let left = count; left > 0; left -= streamsPerConnection) {
    const session = connect(`http://127.0.0.1:${port}`)
    session.on('error', () => {})
    atEnd(t, () => session.destroy())
    const opening = Array.from({ length: Math.min(left, streamsPerConnection) }, () => {
      const stream = session.request({ ':method': 'POST', ':path': path }, { endStream: false })
      stream.on('error', () => {})
      return once(stream, 'response')
    })
    await Promise.all(opening)
  }
}

export type Answer = Readonly<Record<string, unknown>>

export class Upstream {
  readonly status: number
  readonly #up: Writable
  readonly #down: Readable
  readonly #cut: (() => void) | undefined
  readonly #answers: Answer[] = []
  #rest = ''
  heartbeats = 0
  ended = false
  #wake: (() => void) | undefined

  constructor(status: number, up: Writable, down: Readable, cut?: () => void) {
    this.status = status
    this.#up = up
    this.#down = down
    this.#cut = cut
    down.on('data', (chunk: Buffer) => this.#onText(chunk.toString()))
    down.on('error', () => {})
    down.on('end', () => this.#end())
    down.on('close', () => this.#end())
  }

  /** Answers that came and were not asked for. */
  get unread(): number {
    return this.#answers.length
  }

  /** False when the hub does not read for now. */
  write(text: string | Buffer): boolean {
    return this.#up.write(text)
  }

  /** Writes it again and again, as fast as the hub reads. */
  async flood(piece: Buffer, times: number): Promise<void> {
    for (let time = 0; time < times; time++) if (!this.#up.write(piece)) await once(this.#up, 'drain')
  }

  line(...values: readonly unknown[]): void {
    this.write(values.map((value) => `${JSON.stringify(value)}\n`).join(''))
  }

  end(): void {
    this.#up.end()
  }

  /** Stops reading the answers. */
  freeze(): void {
    this.#down.pause()
  }

  thaw(): void {
    this.#down.resume()
  }

  abort(): void {
    if (this.#cut === undefined) this.#up.destroy()
    else this.#cut()
  }

  /** The next answer that is not an empty line; undefined once the hub has ended them. */
  async next(): Promise<Answer | undefined> {
    while (this.#answers.length === 0 && !this.ended) await this.#news()
    return this.#answers.shift()
  }

  /** Reads on until this many lines are stored; gives what else was said until then. */
  async stored(count: number): Promise<Answer[]> {
    const others: Answer[] = []
    for (;;) {
      const answer = await this.next()
      if (answer === undefined) throw new Error(`the stream ended before ${count} lines were stored; it said ${JSON.stringify(others)}`)
      if (answer['stored'] === count && answer['code'] === undefined) return others
      if (answer['stored'] === undefined || answer['code'] !== undefined) others.push(answer)
    }
  }

  /** All that is still said until the end. */
  async rest(): Promise<Answer[]> {
    const all: Answer[] = []
    for (let answer = await this.next(); answer !== undefined; answer = await this.next()) all.push(answer)
    return all
  }

  #onText(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() as string
    for (const line of lines) {
      if (line === '') this.heartbeats++
      else this.#answers.push(JSON.parse(line) as Answer)
    }
    this.#wake?.()
  }

  #end(): void {
    this.ended = true
    this.#wake?.()
  }

  /** Something came. */
  #news(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('nothing was answered within 10 s')), 10_000)
      this.#wake = () => {
        clearTimeout(timer)
        this.#wake = undefined
        resolve()
      }
    })
  }

  /** Resolves with the next empty line. */
  async heartbeat(): Promise<void> {
    const before = this.heartbeats
    while (this.heartbeats === before) await this.#news()
  }
}
