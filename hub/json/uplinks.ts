// All NDJSON streams that go up: the parts of the hub they talk to, and the list of those that are open.
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import type { Logger } from 'pino'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Metrics } from '../metrics.ts'
import type { Router } from '../routing/router.ts'
import type { Principal } from '../session/principal.ts'
import type { Journal } from '../store/store.ts'
import { Turn } from '../turn.ts'
import type { Wheel } from '../wheel.ts'
import type { Publisher } from './publish.ts'
import { type TakeLine, Uplink } from './uplink.ts'

/** A request and its answer as Node has them, over HTTP/1.1 or HTTP/2: streams with the same methods and events. */
export type RawRequest = IncomingMessage | Http2ServerRequest
export interface RawResponse {
  readonly writableLength: number
  writeHead(status: number, headers: OutgoingHttpHeaders): unknown
  /** HTTP/2 sends them at once. */
  flushHeaders?(): void
  write(text: string): unknown
  end(text: string): unknown
  destroy(): unknown
  on(event: 'drain' | 'close' | 'error', listener: () => void): unknown
}

/** What a line of `/v1/stream` says when it is no `publish`: any object. */
export type Frame = Readonly<Record<string, unknown>>

/** Takes such a frame and calls back, once and at any time: with the refusal, or with nothing once what it asked for is on disk. */
export type OnFrame = (frame: Frame, answer: (outcome: Refusal | undefined) => void) => void

export interface UplinkParts {
  readonly router: Router
  readonly journal: Journal
  readonly wheel: Wheel
  readonly metrics: Metrics
  readonly log: Logger
  /** Who takes the frames of this client that are no `publish`; without it they are refused. */
  readonly framesOf?: ((client: Publisher) => OnFrame) | undefined
}

export class Uplinks {
  readonly parts: UplinkParts
  readonly #open = new Set<Uplink>()
  /** Many lines are settled in one turn; what there is to say of them is said once, at its end. */
  readonly turn = new Turn()
  #closing: Refusal | undefined = undefined

  constructor(parts: UplinkParts) {
    this.parts = parts
  }

  get size(): number {
    return this.#open.size
  }

  /** Errors: `too-many-streams`, `shutting-down`. Asked before the stream is opened, while a refusal can still be an answer. */
  assertRoom(): void {
    if (this.#closing !== undefined) throw this.#closing
    if (this.#open.size >= limits.streams) throw new Refusal('too-many-streams', { limit: limits.streams })
  }

  /** Answers at once with 200 and these headers; what becomes of the lines is said in the body of the answer. */
  open(request: RawRequest, response: RawResponse, headers: OutgoingHttpHeaders, principal: Principal, take: TakeLine): void {
    this.#open.add(new Uplink(this, request, response, headers, principal, take))
  }

  /** Closes those for whom it gives a refusal. */
  reviseAll(revise: (principal: Principal) => Refusal | undefined): void {
    for (const uplink of this.#open) {
      const why = revise(uplink.principal)
      if (why !== undefined) uplink.close(why, undefined)
    }
  }

  /** Called by a stream that has ended. */
  forget(uplink: Uplink): void {
    this.#open.delete(uplink)
  }

  /**
   * Nothing more is read. Each stream says why once the lines it has taken are settled, and the seconds after which its client may come
   * again, if it is to be told.
   */
  closeAll(why: Refusal, retryAfterSeconds?: () => number): void {
    this.#closing = why
    for (const uplink of this.#open) uplink.close(why, retryAfterSeconds?.())
  }

  destroyAll(): void {
    for (const uplink of this.#open) uplink.destroy()
  }
}
