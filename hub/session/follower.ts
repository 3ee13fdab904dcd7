// A session that goes by cursor: its client says up to where it has come, and the journal has the rest. Nothing is queued for it: while it is
// away, or reads too slowly, its messages stay where they are.
import type { Message } from '../../devices/message.ts'
import { Refusal } from '../errors.ts'
import type { Router } from '../routing/router.ts'
import type { Subscription } from '../routing/topic-tree.ts'
import { CatchUp, type CatchUpTarget, type PastStore } from './catch-up.ts'
import type { FollowingConnection, Passing } from './connection.ts'
import { Replay } from './replay.ts'
import type { Session } from './session.ts'
import type { Sessions } from './sessions.ts'

/** How often the store hears of a client's acknowledgements while it is connected. */
const tellEveryMs = 1000

export class Follower implements CatchUpTarget {
  readonly #session: Session
  readonly #sessions: Sessions
  readonly #router: Router
  readonly #main: CatchUp
  /** Of new subscriptions, the first of them under way; they come before what the session itself goes on with. */
  #histories: History[] | undefined = undefined
  /** Retained messages that new subscriptions are owed; they come before everything. */
  #replay: Replay | undefined = undefined
  #acknowledgedSeq: number
  #toldSeq: number
  #toldMs = Number.NEGATIVE_INFINITY
  /** Where the newest answer brought a client that is polled and does not say itself how far it has come. */
  answeredSeq: number | undefined = undefined

  constructor(session: Session, sessions: Sessions, router: Router, afterSeq: number) {
    this.#session = session
    this.#sessions = sessions
    this.#router = router
    this.#acknowledgedSeq = afterSeq
    this.#toldSeq = afterSeq
    this.#main = new CatchUp(sessions.store, this, afterSeq)
  }

  /** Where the client may go on from once it has seen all that was sent. */
  get seq(): number {
    const { position, isLive } = this.#main
    return isLive ? Math.max(position, this.#router.settledSeq) : position
  }

  /** Nothing waits: all that there was has been sent, and what comes now is live. */
  get isCaughtUp(): boolean {
    return this.#replay === undefined && this.#histories === undefined && this.#main.isLive
  }

  /** The place that the client said it had come to. */
  get acknowledgedSeq(): number {
    return this.#acknowledgedSeq
  }

  // ── from the hub ──

  deliver(message: Message): void {
    if (message.seq !== 0) {
      this.#main.offer(message)
      return
    }
    const { following } = this.#session
    if (following?.writable === true) this.#pass(following, message, 'live')
    else if (following !== undefined) this.#sessions.metrics.dropped('outbox-full-qos0')
  }

  /** The retained messages of a new subscription. */
  replayRetained(subscription: Subscription): void {
    this.#replay ??= new Replay(
      (filter) => this.#router.retained.match(filter, this.#sessions.now()),
      (message) => ({ message, qos: message.qos, retain: true, identifiers: undefined, place: 0 }),
    )
    if (!this.#replay.add(subscription)) this.#sessions.metrics.dropped('outbox-full')
    this.flush()
  }

  /**
   * What matches the filter of a subscription, from there to where the session stands now. Where it begins may still be asked of the store:
   * until that is known the session waits, because its history comes first. One of the same filter that is under way ends.
   */
  readHistory(filter: string, from: number | Promise<number>): void {
    this.endHistory(filter)
    const untilSeq = this.seq
    if (from === this.#sessions.store.journal.newestSeq) return
    // What was published before the subscription and is not yet stored reaches no live subscriber, so the session itself looks again, too.
    this.#main.seek(untilSeq)
    this.#main.pause()
    const history = new History(filter, this, this.#sessions.store, untilSeq)
    this.#histories ??= []
    this.#histories.push(history)
    if (typeof from === 'number') history.begin(from)
    else
      from.then(
        (seq) => history.begin(seq),
        (error: Error) => this.failed(error),
      )
  }

  /** The subscription is gone, or begins anew. */
  endHistory(filter: string): void {
    const history = this.#histories?.find((one) => one.filter === filter)
    if (history === undefined) return
    history.pause()
    this.historyIsOver(history)
  }

  // ── to the client ──

  /** Sends until nothing waits or the wire is full. */
  flush(): void {
    const { following } = this.#session
    if (following === undefined) return
    while (this.#replay !== undefined) {
      if (!following.writable) return
      const next = this.#replay.take()
      if (next === undefined) this.#replay = undefined
      else this.#pass(following, next.message, 'retained')
    }
    const [history] = this.#histories ?? []
    if (history === undefined) this.#main.go()
    else history.go()
  }

  /** Goes on from there: the client has seen what lies before, and what lies behind is sent, again if it must be. */
  seek(seq: number): void {
    this.#main.seek(seq)
    this.#acknowledgedSeq = seq
    this.#sessions.acknowledged(this.#session, seq)
    this.#tell()
  }

  /** The client has dealt with everything up to there. */
  acknowledge(seq: number): void {
    if (seq <= this.#acknowledgedSeq) return
    this.#acknowledgedSeq = seq
    this.#sessions.acknowledged(this.#session, seq)
    if (this.#sessions.now() - this.#toldMs >= tellEveryMs) this.#tell()
  }

  /** Its wire takes no more for a while: what is being read for it right now would come too late, and is read again when it is asked for. */
  rest(): void {
    if (!this.#main.isLive) this.#main.pause()
    for (const history of this.#histories ?? []) history.pause()
  }

  /** The connection is gone. */
  left(): void {
    this.#main.seek(this.seq)
    this.#main.pause()
    for (const history of this.#histories ?? []) history.pause()
    this.#tell()
  }

  /** The session is on record from now on. */
  tellPlace(): void {
    this.#toldSeq = -1
    this.#tell()
  }

  #tell(): void {
    const { number } = this.#session
    if (number === 0 || this.#toldSeq === this.#acknowledgedSeq) return
    this.#toldSeq = this.#acknowledgedSeq
    this.#toldMs = this.#sessions.now()
    this.#sessions.sessionLog.followed(number, this.#toldSeq)
  }

  // ── what catching up asks, see `CatchUpTarget` ──

  get filters(): readonly string[] {
    return [...this.#session.subscriptions.values()].map(({ filter }) => filter)
  }

  get writable(): boolean {
    return this.#histories === undefined && this.isFree
  }

  take(message: Message): void {
    this.takeAs(message, 'live')
  }

  missed(askedSeq: number, trimmedSeq: number): void {
    const { cursors } = this.#sessions.store
    this.#session.following?.gap(cursors.cursorOf(askedSeq), cursors.cursorOf(trimmedSeq))
  }

  caughtUp(): void {
    this.#session.following?.caughtUp?.()
  }

  failed(error: Error): void {
    this.#session.connection?.close(new Refusal('store-failed', { detail: error.message }))
  }

  // ── and of a history ──

  get isFree(): boolean {
    return this.#replay === undefined && this.#session.following?.writable === true
  }

  takeAs(message: Message, how: Passing): void {
    const { following } = this.#session
    if (following === undefined) return
    if (this.#sessions.isExpired(message)) this.#sessions.metrics.dropped('expired')
    else this.#pass(following, message, how)
  }

  historyIsOver(history: History): void {
    const left = this.#histories?.filter((one) => one !== history)
    this.#histories = left?.length === 0 ? undefined : left
    this.flush()
  }

  #pass(connection: FollowingConnection, message: Message, how: Passing): void {
    if (!this.#session.mayHave(message)) {
      this.#sessions.metrics.dropped('not-allowed')
      return
    }
    if (how === 'live' && !this.#router.isWanted(message)) {
      this.#sessions.metrics.dropped('outdated')
      return
    }
    this.#sessions.metrics.messagesSent++
    connection.pass(this.#session.worded(message), how)
  }
}

/** The history of one filter, which ends where its session stood when it subscribed. */
class History implements CatchUpTarget {
  readonly filter: string
  readonly #follower: Follower
  readonly #untilSeq: number
  readonly #catchUp: CatchUp
  /** It is known where it begins. */
  #isKnown = false

  constructor(filter: string, follower: Follower, store: PastStore, untilSeq: number) {
    this.filter = filter
    this.#follower = follower
    this.#untilSeq = untilSeq
    this.#catchUp = new CatchUp(store, this, untilSeq, untilSeq)
  }

  begin(afterSeq: number): void {
    this.#isKnown = true
    this.#catchUp.seek(Math.min(afterSeq, this.#untilSeq))
    this.#follower.flush()
  }

  go(): void {
    if (this.#isKnown) this.#catchUp.go()
  }

  pause(): void {
    this.#catchUp.pause()
  }

  get filters(): readonly string[] {
    return [this.filter]
  }

  get writable(): boolean {
    return this.#follower.isFree
  }

  take(message: Message): void {
    this.#follower.takeAs(message, 'history')
  }

  missed(askedSeq: number, trimmedSeq: number): void {
    this.#follower.missed(askedSeq, trimmedSeq)
  }

  caughtUp(): void {
    this.#follower.historyIsOver(this)
  }

  failed(error: Error): void {
    this.#follower.failed(error)
  }
}
