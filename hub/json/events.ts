// The hub's frames as server-sent events (WHATWG HTML, section 9.2): GET /v1/session/events and GET /v1/messages.
import type { Message } from '../../devices/message.ts'
import type { EndReason } from '../../devices/presence.ts'
import type { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { reconnectAfterMs } from '../reconnect.ts'
import type { FollowingConnection, Passing } from '../session/connection.ts'
import type { Session } from '../session/session.ts'
import type { Waiter } from '../store/store.ts'
import type { Touched } from '../turn.ts'
import type { Timed } from '../wheel.ts'
import { cursorOf, errorFrame, gapFrame, messageFrame, welcomeFrame } from './encode.ts'
import type { JsonEngine } from './engine.ts'
import type { Opened } from './hello.ts'
import { releaseParser } from './parser.ts'
import { type Headers, type Holder, hold, type RawResponse } from './response.ts'

/** A sign of life this often keeps proxies and half-open detection content. */
const heartbeatSeconds = 15
/** When the browser comes again after a cut. */
const retryMs = 2000
/** … and after a refusal that time does not heal: it cannot be told to stay away. */
const retryRefusedMs = 60_000
/** How long a peer may take to read why the stream ends. */
const farewellSeconds = 5

type State =
  /** Its session may still wait for the disk; nothing is said before the welcome. */
  | { readonly is: 'opening'; readonly opened: Opened | undefined }
  | { readonly is: 'open'; readonly session: Session }
  /** Its last event is written. */
  | { readonly is: 'said' }
  | { readonly is: 'gone' }

const opening: State = { is: 'opening', opened: undefined }
const said: State = { is: 'said' }
const gone: State = { is: 'gone' }

export class EventStream implements FollowingConnection, Holder, Timed, Touched, Waiter {
  readonly follows = true
  readonly transport = 'sse'
  readonly keepAliveSeconds = 0
  readonly address: string
  readonly #engine: JsonEngine
  readonly #raw: RawResponse
  #state = opening
  /** Events of this turn. */
  #text = ''
  /** The place that the client's last event identifier names. */
  #saidCursor = ''
  dueTick = 0
  touched = false

  constructor(engine: JsonEngine, raw: RawResponse, address: string) {
    this.#engine = engine
    this.#raw = raw
    this.address = address
  }

  /** The session has this stream now. Nothing of it was sent so far. */
  open(opened: Opened, headers: Headers): void {
    this.#state = { is: 'opening', opened }
    this.#engine.connections.add(this)
    this.#engine.metrics.connectionsOpened++
    hold(this.#raw, this)
    this.#raw.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no', // nginx passes events on as they come
      ...(this.#raw.stream === undefined ? { connection: 'close' } : undefined), // HTTP/2 has no such word
    })
    setImmediate(releaseParser, this.#raw)
    this.#raw.flushHeaders() // the client sees at once that it is let in; and written alone the head is one string instead of forty parts
    this.#engine.wheel.arm(this, heartbeatSeconds)
    if (opened.isKept) this.#engine.journal.after(this, 0)
    else this.stored()
  }

  /** The session is on disk, so the client may rely on it. */
  stored(): void {
    if (this.#state.is !== 'opening' || this.#state.opened === undefined) return
    const { session, resumed, cursor, gaps } = this.#state.opened
    this.#state = { is: 'open', session }
    const { clientId: client, expirySeconds: expiry } = session
    this.#text = `retry: ${retryMs}\n`
    this.#say(
      welcomeFrame({ client, resumed, expiry, keepAlive: heartbeatSeconds, cursor, now: this.#engine.clock.now() }),
      'welcome',
      cursor,
    )
    for (const { asked, continues } of gaps) this.gap(asked, continues)
    session.flush()
  }

  failed(_token: number, why: Refusal): void {
    this.close(why)
  }

  // ── from the session ──

  get writable(): boolean {
    return this.#state.is === 'open' && this.#text.length + this.#raw.writableLength < limits.connectionWriteBytes
  }

  pass(message: Message, how: Passing): void {
    const { clientId } = this.session as Session
    const { cursors } = this.#engine.store
    const frame = messageFrame(message, how, clientId, cursors)
    // What precedes the place where the session stands is no place to go on from.
    this.#say(frame, frame.startsWith('{"is":"message"') ? '' : 'command', how === 'live' ? cursorOf(message, how, cursors) : undefined)
  }

  gap(asked: string, continues: string): void {
    this.#say(gapFrame(asked, continues), 'gap', undefined) // it may be the gap of a history alone
  }

  #say(frame: string, event: string, cursor: string | undefined): void {
    if (cursor !== undefined) {
      this.#text += `id: ${cursor}\n`
      this.#saidCursor = cursor
    }
    this.#text += event === '' ? `data: ${frame}\n\n` : `event: ${event}\ndata: ${frame}\n\n`
    this.#engine.turn.touch(this)
  }

  /** The end of the turn. */
  flush(): void {
    const text = this.#text
    this.#text = ''
    if (text === '' || this.#state.is === 'gone') return
    this.#engine.metrics.bytesSent += text.length
    const isTaken = this.#raw.write(text)
    if (isTaken) this.session?.flush() // no drain follows, and there may be more than one turn could gather
  }

  // ── from the wire ──

  onDrain(): void {
    this.session?.flush()
  }

  /** A cut is no goodbye: the will is due. */
  onClosed(): void {
    this.#engine.wheel.disarm(this)
    this.#leave(gone, 'connection-lost')
  }

  onDue(): void {
    const session = this.session
    if (session === undefined) {
      this.destroy()
      return
    }
    this.#engine.wheel.arm(this, heartbeatSeconds)
    if (this.writable) this.#raw.write(this.#signOfLife(session))
  }

  /** An event without data is not dispatched and yet sets the last event identifier, so that the place of a quiet stream does not grow old. */
  #signOfLife({ follower }: Session): string {
    const cursor = follower === undefined || this.#text !== '' ? this.#saidCursor : this.#engine.store.cursors.cursorOf(follower.seq)
    if (cursor === this.#saidCursor) return ':\n\n'
    this.#saidCursor = cursor
    return `:\nid: ${cursor}\n\n`
  }

  // ── its end ──

  close(why: Refusal): void {
    if (this.session === undefined) return
    this.#engine.metrics.refused(why.code)
    this.#text += `retry: ${why.row.retry ? reconnectAfterMs() : retryRefusedMs}\n`
    this.#say(errorFrame(why), 'error', undefined)
    this.flush()
    this.#raw.end()
    this.#leave(said, why.code)
    this.#engine.wheel.arm(this, farewellSeconds)
  }

  destroy(): void {
    this.#raw.destroy()
    this.onClosed()
  }

  get session(): Session | undefined {
    if (this.#state.is === 'opening') return this.#state.opened?.session
    return this.#state.is === 'open' ? this.#state.session : undefined
  }

  #leave(next: State, why: EndReason): void {
    const session = this.session
    this.#state = next
    if (next === gone) this.#engine.connections.delete(this)
    if (session !== undefined) this.#engine.sessions.leave(session, this, { publishWill: true, why })
  }
}
