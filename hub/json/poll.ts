// A session that is polled: GET /v1/session/messages and GET /v1/devices/{id}/commands. One connection lives across the requests of a client:
// while it holds none, nothing is sent and the session stays online; when no request comes for too long, the client is gone.
//
// Nothing is remembered of an answer but the place it brought the client to. Each request says where to go on from; the journal has the rest,
// also what an answer held that was lost on its way.
import type { Message } from '../../devices/message.ts'
import type { EndReason } from '../../devices/presence.ts'
import type { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { FollowingConnection, Passing } from '../session/connection.ts'
import type { Follower } from '../session/follower.ts'
import type { Session } from '../session/session.ts'
import type { Waiter } from '../store/store.ts'
import type { Touched } from '../turn.ts'
import type { Timed } from '../wheel.ts'
import { gapFrame, messageFrame } from './encode.ts'
import type { JsonEngine } from './engine.ts'
import { type Headers, type Holder, hold, type RawResponse, sendJson, sendProblem } from './response.ts'

/** What a client has to come again within, at least; else it is one and a half times its last wait. */
const absenceSecondsMin = 10

/** The member of the answer that holds the frames. */
export type ListName = 'messages' | 'commands'

/** A request that is waiting for its answer. */
export interface Held {
  readonly raw: RawResponse
  readonly headers: Headers
  readonly list: ListName
  readonly waitSeconds: number
}

export class PollConnection implements FollowingConnection, Holder, Timed, Touched, Waiter {
  readonly follows = true
  readonly transport = 'long-poll'
  readonly address: string
  readonly #engine: JsonEngine
  /** Undefined once it is gone. */
  #session: Session | undefined = undefined
  #held: Held | undefined = undefined
  /** Frames for its answer. */
  #frames = ''
  #count = 0
  #waitSeconds = 0
  /** What was asked for and is not yet on disk: an answer would let the client rely on it. */
  #unstored = 0
  dueTick = 0
  touched = false

  constructor(engine: JsonEngine, address: string) {
    this.#engine = engine
    this.address = address
  }

  /** The session has this connection now. */
  open(session: Session): void {
    this.#session = session
    this.#engine.connections.add(this)
    this.#engine.metrics.connectionsOpened++
  }

  /** Takes a request; one that is held already is answered with what there is. `afterSeq`: where the client goes on from, when it says so. */
  hold(held: Held, afterSeq: number | undefined): void {
    const { follower } = this
    if (this.#held !== undefined) this.#answer(this.#held)
    this.#held = held
    this.#waitSeconds = held.waitSeconds
    hold(held.raw, this)
    follower.seek(afterSeq ?? follower.acknowledgedSeq)
    this.#engine.wheel.arm(this, held.waitSeconds - 1) // the wheel is up to a second late, and proxies are strict
    if (held.waitSeconds > 0) this.#engine.heldParsers.releaseSoon(held.raw)
  }

  /** The session is to remember something that was asked for just now. */
  awaitDisk(): void {
    this.#unstored++
    this.#engine.journal.after(this, 0)
  }

  stored(): void {
    this.#unstored--
    this.#engine.turn.touch(this)
  }

  failed(_token: number, why: Refusal): void {
    this.close(why)
  }

  /** All was asked for: sends what waits. */
  begin(): void {
    this.#session?.flush()
    this.#engine.turn.touch(this)
  }

  get keepAliveSeconds(): number {
    return this.#waitSeconds
  }

  get session(): Session | undefined {
    return this.#session
  }

  get follower(): Follower {
    return this.#session?.follower as Follower
  }

  // ── from the session ──

  get writable(): boolean {
    return this.#held !== undefined && this.#count < limits.pollMessages && this.#frames.length < limits.pollBytes
  }

  pass(message: Message, how: Passing): void {
    if (this.#session !== undefined) this.#add(messageFrame(message, how, this.#session.clientId, this.#engine.store.cursors))
  }

  gap(asked: string, continues: string): void {
    this.#add(gapFrame(asked, continues))
  }

  caughtUp(): void {
    this.#engine.turn.touch(this)
  }

  #add(frame: string): void {
    this.#frames += this.#count === 0 ? frame : `,${frame}`
    this.#count++
    this.#engine.turn.touch(this)
  }

  /** The end of the turn: all that came in it goes into one answer. */
  flush(): void {
    const held = this.#held
    if (held === undefined || this.#unstored > 0) return
    if (this.#count > 0 || (held.waitSeconds === 0 && this.follower.isCaughtUp)) this.#answer(held)
  }

  // ── from the wire ──

  onDrain(): void {}

  /** What was not answered stays owed. */
  onClosed(raw: RawResponse): void {
    if (this.#held?.raw !== raw) return
    this.#release()
    this.#awaitNext()
  }

  onDue(): void {
    if (this.#held === undefined) this.#leave('not-polled')
    else this.#answer(this.#held)
  }

  #answer({ raw, headers, list }: Held): void {
    const { follower } = this
    const frames = this.#frames
    const { seq } = follower
    follower.answeredSeq = seq
    this.#release()
    const cursor = this.#engine.store.cursors.cursorOf(seq)
    const text = `{"${list}":[${frames}],"cursor":"${cursor}"}`
    this.#engine.metrics.bytesSent += text.length
    sendJson(raw, headers, 200, 'application/json; charset=utf-8', text)
    this.#awaitNext()
  }

  #release(): void {
    this.#held = undefined
    this.#frames = ''
    this.#count = 0
    this.#session?.follower?.rest()
  }

  #awaitNext(): void {
    this.#engine.wheel.arm(this, Math.max(absenceSecondsMin, 1.5 * this.#waitSeconds))
  }

  // ── its end ──

  /** Said in the answer that is waiting; who holds none is told nothing and hears it when it comes again. */
  close(why: Refusal): void {
    if (this.#session === undefined) return
    this.#engine.metrics.refused(why.code)
    const held = this.#held
    this.#leave(why.code)
    if (held !== undefined) sendProblem(held.raw, held.headers, why)
  }

  destroy(): void {
    const held = this.#held
    this.#leave('connection-lost')
    held?.raw.destroy()
  }

  #leave(why: EndReason): void {
    const session = this.#session
    if (session === undefined) return
    this.#release()
    this.#session = undefined
    this.#engine.wheel.disarm(this)
    this.#engine.connections.delete(this)
    this.#engine.sessions.leave(session, this, { publishWill: true, why })
  }
}
