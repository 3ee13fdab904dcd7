// One client that goes by cursor over a wire that goes both ways: its states, its frames, its keep-alive, its closing. What each frame
// means stands in a file of its own.
import type { Message } from '../../devices/message.ts'
import type { EndReason } from '../../devices/presence.ts'
import type { Presented } from '../access/authenticator.ts'
import type { Principal } from '../access/principal.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Gap } from '../session/beginning.ts'
import type { FollowingConnection, Passing, Transport } from '../session/connection.ts'
import type { Session } from '../session/session.ts'
import type { Waiter } from '../store/store.ts'
import type { Touched } from '../turn.ts'
import type { Timed } from '../wheel.ts'
import { Answers } from './answers.ts'
import { ackFrame, errorFrame, gapFrame, messageFrame, pongFrame, welcomeFrame } from './encode.ts'
import type { JsonEngine, OpenConnection } from './engine.ts'
import { type Frame, type FrameId, type HelloFrame, readFrame } from './frames.ts'
import { keepAliveGiven, openSession } from './hello.ts'
import { publish, reply } from './publish.ts'
import { acknowledge, subscribe, unsubscribe } from './subscribe.ts'
import type { JsonWire } from './wire.ts'

/** Members are undefined where the request had none. */
export type Opening = Omit<Presented, 'clientId'>

type State =
  | { readonly is: 'waiting-for-hello' }
  | { readonly is: 'connected'; readonly session: Session }
  | { readonly is: 'closed'; readonly why: string }

/** Reasons not to read from the wire; it is read again when none is left. */
const hold = { window: 1, backlog: 2, answers: 4, welcome: 8, identity: 16 } as const

/** How long a peer may take to read our goodbye. */
const farewellSeconds = 5

/** WebSocket close codes of a client that is done; 1005 is what a browser's `close()` without a code arrives as. */
const goodbyes: readonly number[] = [1000, 1005]

const waitingForHello: State = { is: 'waiting-for-hello' }

export class JsonConnection implements FollowingConnection, OpenConnection, Waiter, Timed, Touched {
  readonly #engine: JsonEngine
  readonly #wire: JsonWire
  /** What the request that opened the wire presented; until it is known who comes. */
  #opening: Opening | undefined
  #state: State = waitingForHello
  /** What is said while the welcome waits for the disk: it comes behind. */
  #early: string[] | undefined = undefined
  /** Frames that wait for the disk; built when first needed. */
  #answers: Answers | undefined = undefined
  /** Frames that came while it is not known who comes; the wire is paused by then. */
  #unread: { readonly text: string; readonly bytes: number }[] | undefined = undefined
  #holds = 0
  #closing = false
  #lastHeardTick: number
  keepAliveSeconds = 0
  dueTick = 0
  touched = false

  constructor(engine: JsonEngine, wire: JsonWire, opening: Opening) {
    this.#engine = engine
    this.#wire = wire
    this.#opening = opening
    this.#lastHeardTick = engine.wheel.tick
    engine.connections.add(this)
    engine.metrics.connectionsOpened++
    engine.wheel.arm(this, limits.connectSeconds)
  }

  get follows(): true {
    return true
  }

  get transport(): Transport {
    return this.#wire.transport
  }

  get address(): string {
    return this.#wire.address
  }

  get writable(): boolean {
    return this.#state.is === 'connected' && this.#early === undefined && this.#wire.waitingBytes < limits.connectionWriteBytes
  }

  get session(): Session | undefined {
    return this.#state.is === 'connected' ? this.#state.session : undefined
  }

  toString(): string {
    const name = this.#state.is === 'connected' ? this.#state.session.clientId : '(no client yet)'
    return `${name} from ${this.address} over ${this.transport}`
  }

  // ── from the wire ──

  /** One frame came. Whatever goes wrong with it ends this connection and nothing else. */
  onText(text: string, bytes: number): void {
    if (this.#state.is === 'closed') return
    if (this.#unread !== undefined) {
      this.#unread.push({ text, bytes })
      return
    }
    this.onHeard()
    this.#engine.metrics.bytesReceived += bytes
    try {
      const { id, frame } = readFrame(text)
      if (this.#state.is === 'waiting-for-hello') this.#onFirst(frame)
      else this.#onFrame(this.#state.session, id, frame)
    } catch (error) {
      this.#fail(error)
      return
    }
    if (this.#engine.journal.full) this.#waitForRoom()
    if (this.#wire.waitingBytes > limits.connectionAnswerBytes) this.#holdReading(hold.answers)
  }

  onBinary(): void {
    this.#fail(new Refusal('text-only'))
  }

  /** Also a ping or a pong of the wire says that the peer lives. */
  onHeard(): void {
    this.#lastHeardTick = this.#engine.wheel.tick
  }

  /** The peer has taken what was written. */
  onDrain(): void {
    this.#releaseReading(hold.answers)
    if (this.#state.is === 'connected') this.#state.session.flush()
  }

  /** The wire is gone. Without a goodbye before, the will is due. */
  onWireClosed(code: number): void {
    this.#engine.connections.delete(this)
    this.#engine.wheel.disarm(this)
    const isGoodbye = goodbyes.includes(code)
    this.#leave(`closed with ${code}`, isGoodbye ? 'closed-by-device' : 'connection-lost', !isGoodbye)
  }

  // ── frames ──

  #onFirst(frame: Frame | Refusal): void {
    if (frame instanceof Refusal) throw frame
    if (frame.is !== 'hello') throw new Refusal('frame-invalid', { detail: 'the first one is hello' })
    const opening = this.#opening as Opening
    this.#opening = undefined
    const { client: clientId, token, username, password } = frame
    const saysNothing = token === undefined && username === undefined && password === undefined
    const proof = saysNothing ? {} : { token, username, password: password === undefined ? undefined : Buffer.from(password) }
    const principal = this.#engine.authenticate({ ...opening, ...proof, clientId })
    if (!(principal instanceof Promise)) {
      this.#open(frame, principal)
      return
    }
    this.#unread = []
    this.#holdReading(hold.identity)
    principal.then(
      (found) => this.#identified(() => this.#open(frame, found)),
      (error: unknown) =>
        this.#identified(() => {
          throw error
        }),
    )
  }

  /** It is known who comes, or why he may not; then what came meanwhile. */
  #identified(open: () => void): void {
    this.#releaseReading(hold.identity) // also of one that is closed: a WebSocket waits for its peer's goodbye
    if (this.#state.is === 'closed') return
    const unread = this.#unread ?? []
    this.#unread = undefined
    try {
      open()
    } catch (error) {
      this.#fail(error)
      return
    }
    for (const { text, bytes } of unread) this.onText(text, bytes)
  }

  #open(frame: HelloFrame, principal: Principal): void {
    this.#early = [] // nothing is passed before the welcome
    const { session, resumed, cursor, gaps, isKept } = openSession(this.#engine, this, frame, principal)
    this.#become({ is: 'connected', session })
    const { clientId: client, expirySeconds: expiry } = session
    const keepAlive = this.#holdTo(frame)
    const welcome = () => {
      this.#welcome(welcomeFrame({ client, resumed, expiry, keepAlive, cursor, now: this.#engine.clock.now() }), gaps)
    }
    if (!isKept) {
      welcome()
      return
    }
    this.#holdReading(hold.welcome)
    this.#engine.journal.after({ stored: welcome, failed: (_token, why) => this.close(why) }, 0)
  }

  #holdTo(hello: HelloFrame): number {
    this.keepAliveSeconds = keepAliveGiven(hello.keepAlive)
    this.#engine.wheel.arm(this, this.keepAliveSeconds)
    return this.keepAliveSeconds
  }

  #welcome(welcome: string, gaps: readonly Gap[]): void {
    if (this.#state.is !== 'connected') return
    const early = this.#early ?? []
    this.#early = undefined
    this.#say(welcome)
    for (const { asked, continues } of gaps) this.gap(asked, continues)
    for (const frame of early) this.#say(frame)
    this.#releaseReading(hold.welcome)
    this.#state.session.flush()
  }

  #onFrame(session: Session, id: FrameId | undefined, frame: Frame | Refusal): void {
    try {
      if (frame instanceof Refusal) throw frame
      this.#act(session, id, frame)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      this.#refuse(id, error, !(frame instanceof Refusal) && frame.is === 'publish' && frame.qos === 0)
    }
  }

  #act(session: Session, id: FrameId | undefined, frame: Frame): void {
    const engine = this.#engine
    switch (frame.is) {
      case 'publish': {
        const checkedSeq = publish(engine.router, session, frame, id !== undefined)
        if (id !== undefined || frame.qos > 0) this.#answerLater(id, undefined, checkedSeq)
        return
      }
      case 'reply':
        reply(engine.router, session, frame)
        this.#answerLater(id, undefined, 0)
        return
      case 'subscribe':
        subscribe(engine, session, frame, (refusal) => this.#answer(id, refusal))
        return
      case 'unsubscribe':
        unsubscribe(engine, session, frame.filter, (refusal) => this.#answer(id, refusal))
        return
      case 'ack':
        acknowledge(engine, session, frame.cursor)
        this.#answer(id, undefined)
        return
      case 'ping':
        this.#say(pongFrame(engine.store.cursors.cursorOf(session.follower?.seq ?? 0), engine.clock.now()))
        return
      case 'hello':
        throw new Refusal('frame-invalid', { detail: 'hello is said once, and first' })
    }
  }

  /**
   * Only what time cannot heal is answered; else the wire closes, and what was not answered stays with the client. It closes also when the
   * client has given no id to answer with, but for a message at QoS 0, which nobody is promised.
   */
  #refuse(id: FrameId | undefined, refusal: Refusal, isQoS0: boolean): void {
    if (isQoS0 && id === undefined && refusal.row.retry) this.#engine.metrics.refused(refusal.code)
    else if (id === undefined || refusal.row.retry) this.#fail(refusal)
    else {
      this.#count(refusal)
      this.#answerLater(id, refusal, 0)
    }
  }

  /** In the order of the frames, each once everything journalled so far is on disk. Past a window of them nothing is read. */
  #answerLater(id: FrameId | undefined, refusal: Refusal | undefined, checkedSeq: number): void {
    this.#answers ??= new Answers()
    this.#answers.add(id, refusal)
    if (this.#answers.count > limits.unansweredPublishes) this.#holdReading(hold.window)
    this.#engine.journal.after(this, 0, checkedSeq)
  }

  stored(): void {
    this.#answered(undefined)
  }

  failed(_token: number, why: Refusal): void {
    this.#answered(why)
  }

  #answered(why: Refusal | undefined): void {
    const answers = this.#answers as Answers
    const { id, refusal } = answers.take()
    if (answers.count <= limits.unansweredPublishes / 2) this.#releaseReading(hold.window)
    this.#answer(id, refusal ?? why)
  }

  #answer(id: FrameId | undefined, refusal: Refusal | undefined): void {
    if (this.#state.is !== 'connected') return
    if (refusal === undefined) {
      if (id !== undefined) this.#say(ackFrame(id))
    } else if (id === undefined || refusal.row.retry) this.close(refusal)
    else this.#say(errorFrame(refusal, id))
  }

  // ── to the peer ──

  pass(message: Message, how: Passing): void {
    if (this.#state.is !== 'connected') return
    this.#say(messageFrame(message, how, this.#state.session.clientId, this.#engine.store.cursors))
  }

  gap(asked: string, continues: string): void {
    this.#say(gapFrame(asked, continues))
  }

  /** One frame, out at the end of this turn, together with the others. */
  #say(frame: string): void {
    if (this.#early !== undefined) {
      this.#early.push(frame)
      return
    }
    if (!this.touched) {
      this.#wire.cork()
      this.#engine.turn.touch(this)
    }
    this.#engine.metrics.bytesSent += frame.length
    this.#wire.write(frame)
  }

  /** The end of the turn. */
  flush(): void {
    this.#wire.uncork()
    // A wire that took it all, or all but less than its high-water mark, has nothing to drain and will not say so.
    if (this.#wire.waitingBytes < limits.connectionAnswerBytes) this.onDrain()
  }

  // ── life ──

  /** The time to say hello, the keep-alive or the farewell is over. Frames only note when they came, so the deadline moves here. */
  onDue(): void {
    const { is } = this.#state
    if (is === 'closed') this.#wire.destroy()
    else if (is === 'waiting-for-hello') this.#fail(new Refusal('hello-timeout', { seconds: limits.connectSeconds }))
    else this.#mindKeepAlive()
  }

  /** Silent for as long as the keep-alive: it is asked. For half as long again: it is gone. */
  #mindKeepAlive(): void {
    // While the hub itself does not read, nothing can be heard: silence then is no fault of the client's.
    const isDeaf = (this.#holds & (hold.window | hold.backlog | hold.welcome)) !== 0
    const silentSeconds = isDeaf ? 0 : this.#engine.wheel.tick - this.#lastHeardTick
    const allowedSeconds = this.keepAliveSeconds * 1.5
    if (silentSeconds >= allowedSeconds) {
      this.#fail(new Refusal('keep-alive-timeout', { seconds: allowedSeconds }))
      return
    }
    const isAsked = silentSeconds >= this.keepAliveSeconds
    if (isAsked) this.#wire.ping()
    this.#engine.wheel.arm(this, (isAsked ? allowedSeconds : this.keepAliveSeconds) - silentSeconds)
  }

  /** Says why, then closes with the code that stands beside it. */
  close(why: Refusal): void {
    if (this.#closing) return
    this.#closing = true
    this.#early = undefined
    this.#engine.metrics.refused(why.code, this.session?.principal.owner)
    this.#say(errorFrame(why))
    this.#leave(why.message, why.code, true)
    this.#wire.close(why.row.ws, why.message)
    this.#engine.wheel.arm(this, farewellSeconds)
  }

  destroy(): void {
    this.#wire.destroy()
  }

  #fail(error: unknown): void {
    if (error instanceof Refusal) {
      this.#engine.log.info({ client: this.toString(), code: error.code }, error.message)
      this.close(error)
      return
    }
    this.#engine.log.error({ err: error, client: this.toString() }, 'a bug ended a connection')
    this.close(new Refusal('internal-error', { detail: this.toString() }))
  }

  #count(refusal: Refusal): void {
    this.#engine.metrics.refused(refusal.code, this.session?.principal.owner)
    this.#engine.log.info({ client: this.toString(), code: refusal.code }, refusal.message)
  }

  /** Leaves the session, once. */
  #leave(why: string, reason: EndReason, wantsWill: boolean): void {
    const state = this.#state
    if (state.is === 'closed') return
    this.#become({ is: 'closed', why })
    if (state.is === 'connected') this.#engine.sessions.leave(state.session, this, { publishWill: wantsWill, why: reason })
  }

  #holdReading(reason: number): void {
    if (this.#holds === 0) this.#wire.pause()
    this.#holds |= reason
  }

  #releaseReading(reason: number): void {
    if ((this.#holds & reason) === 0) return
    this.#holds &= ~reason
    if (this.#holds === 0) this.#wire.resume()
  }

  #waitForRoom(): void {
    if ((this.#holds & hold.backlog) !== 0) return
    this.#holdReading(hold.backlog)
    this.#engine.journal.whenRoom(() => this.#releaseReading(hold.backlog))
  }

  /** A connection's life can be read from the log. */
  #become(next: State): void {
    const before = this.#state
    this.#state = next
    if (!this.#engine.log.isLevelEnabled('debug')) return // the name costs more than the change
    const client = before.is === 'connected' ? `${before.session.clientId} from ${this.address} over ${this.transport}` : this.toString()
    this.#engine.log.debug({ client }, `${before.is} → ${next.is}${next.is === 'closed' ? ` (${next.why})` : ''}`)
  }
}
