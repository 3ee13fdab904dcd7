// All sessions: open, resume, take over, leave, expire; and those of an earlier run, brought back at the start.
import type { Message } from '../../devices/message.ts'
import type { EndReason } from '../../devices/presence.ts'
import type { Will } from '../../devices/will.ts'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Metrics } from '../metrics.ts'
import type { Router } from '../routing/router.ts'
import type { Place } from '../store/cursors.ts'
import type { Journal, SessionLog, Store, StoredDelivery, StoredSession } from '../store/store.ts'
import type { Timed, Wheel } from '../wheel.ts'
import type { Connection } from './connection.ts'
import type { OutboxBudget } from './outbox.ts'
import type { Principal } from './principal.ts'
import { Session } from './session.ts'
import { publishWill } from './will.ts'

export interface SessionWatcher {
  /** Whom a session of an earlier run belongs to now. */
  principalOf(owner: string, clientId: string): Principal
  /** False for a session of an earlier run that nobody may take up any more; it ends, with whatever was said of its will. */
  maySurvive(clientId: string, owner: string): boolean
  onOnline(session: Session, connection: Connection): void
  /** Another connection has come for it. */
  onTakenOver(session: Session, from: Connection, to: Connection): void
  /** It has lost its connection. */
  onAway(session: Session, why: EndReason): void
  /** Its client did not come back in time; it is forgotten. */
  onExpired(session: Session): void
  /** It is forgotten, with all that it was owed. */
  onEnded(session: Session): void
  /**
   * Its client has acknowledged what the hub itself had said under this number; one that goes by cursor, all up to there. Of a message from an
   * earlier run nobody knows any more who said it, so that is told as well.
   */
  onAcknowledged(session: Session, seq: number): void
  /**
   * Its client has subscribed to this, in the words of the hub's own plan, once more when it is not `isNew`; its answer may not have been sent
   * yet.
   */
  onSubscribed(session: Session, filter: string, isNew: boolean): void
}

export interface OpenOptions {
  /** Forget what was remembered and begin anew. */
  readonly clean: boolean
  readonly expirySeconds: number
  readonly will: Will | undefined
  readonly principal: Principal
  /** There for a client that goes by cursor: where it goes on from when it says so, and where a new one begins. */
  readonly follow?: { readonly after: Place | undefined } | undefined
}

/** What sessions ask of the store. */
export type SessionStore = Pick<
  Store,
  'sessionLog' | 'owed' | 'lastSessionAtStart' | 'past' | 'seqOfLast' | 'seqAt' | 'cursors' | 'durability'
> & {
  readonly journal: Pick<Journal, 'after' | 'newestSeq' | 'newestMessageSeq' | 'storedSeq'>
}

export class Sessions {
  readonly outboxBudget: OutboxBudget = { bytes: 0 }
  readonly metrics: Metrics
  readonly sessionLog: SessionLog
  readonly journal: Pick<Journal, 'after'>
  readonly store: SessionStore
  readonly #router: Router
  readonly #wheel: Wheel
  readonly #clock: Clock
  readonly #watcher: SessionWatcher
  readonly #sessions = new Map<string, Session>()
  readonly #delayedWills = new Map<string, DelayedWill>()
  #online = 0
  #countMax = 0
  #expired = 0
  #lastAnonymous = 0
  #lastNumber: number

  constructor(store: SessionStore, router: Router, wheel: Wheel, clock: Clock, metrics: Metrics, watcher: SessionWatcher) {
    this.store = store
    this.sessionLog = store.sessionLog
    this.journal = store.journal
    this.#lastNumber = store.lastSessionAtStart
    this.#router = router
    this.#wheel = wheel
    this.#clock = clock
    this.metrics = metrics
    this.#watcher = watcher
  }

  get count(): number {
    return this.#sessions.size
  }

  get online(): number {
    return this.#online
  }

  /** The most there were at a time. */
  get countMax(): number {
    return this.#countMax
  }

  /** Sessions whose client did not come back in time. */
  get expired(): number {
    return this.#expired
  }

  /** See `SessionWatcher`. */
  subscribed(session: Session, filter: string, isNew: boolean): void {
    this.#watcher.onSubscribed(session, filter, isNew)
  }

  /** Numbers in the store of those that are remembered there. */
  numbers(): Set<number> {
    return new Set([...this.#sessions.values()].map(({ number }) => number).filter((number) => number !== 0))
  }

  /** See `SessionWatcher`. */
  acknowledged(session: Session, seq: number): void {
    this.#watcher.onAcknowledged(session, seq)
  }

  /** What `Message.expiresAtMs` is measured by. */
  now(): number {
    return this.#clock.steady()
  }

  /** Most never do, and then no clock is asked.  5: [MQTT-3.3.2-5] */
  isExpired({ expiresAtMs }: Message): boolean {
    return expiresAtMs !== Number.POSITIVE_INFINITY && expiresAtMs <= this.now()
  }

  /** Of those whose client is away: what it may do is asked when its will is published. One that may not stay has what is left to its owner. */
  reviseAway(revise: (principal: Principal) => Refusal | undefined): void {
    for (const session of this.#sessions.values()) {
      if (session.presence.at !== 'away' || revise(session.principal) === undefined) continue
      this.leaveToOwner(session)
    }
  }

  /** Who came by something that has ended may do from now on what is left to whom the session belongs. */
  leaveToOwner(session: Session): void {
    session.principal = this.#watcher.principalOf(session.principal.owner, session.clientId)
  }

  get all(): Iterable<Session> {
    return this.#sessions.values()
  }

  find(clientId: string): Session | undefined {
    return this.#sessions.get(clientId)
  }

  /** A client identifier for a client that brought none; not used by any session of this run.  5: [MQTT-3.1.3-6] */
  newClientId(): string {
    let clientId: string
    do {
      this.#lastAnonymous++
      clientId = `auto-${this.#clock.now().toString(36)}-${this.#lastAnonymous.toString(36)}`
    } while (this.find(clientId) !== undefined) // someone may have chosen it
    return clientId
  }

  /** What the store still has of what an earlier run owed this session. */
  owed({ number }: Session): Promise<readonly StoredDelivery[]> {
    return this.store.owed(number)
  }

  /**
   * Brings back the sessions of an earlier run; the time that the hub was down counts. Wills that came due meanwhile are published, and
   * sessions that were away for too long end.
   */
  restore(stored: Iterable<StoredSession>): void {
    const nowMs = this.#clock.now()
    /** Seconds since when they are away, of those who have more to come than their end. */
    const due = new Map<Session, number>()
    for (const record of stored) {
      const session = new Session(
        record.clientId,
        this.#watcher.principalOf(record.owner, record.clientId),
        record.number,
        this,
        this.#router,
      )
      session.restore(record)
      const earlier = this.#sessions.get(record.clientId)
      if (earlier !== undefined) due.set(earlier, Number.POSITIVE_INFINITY) // the client had begun anew, and the hub died before this one's end
      this.#sessions.set(record.clientId, session)
      // A wall clock that was set back must not keep it for longer than it asked.
      const awaySeconds = Math.max(0, nowMs - record.awayMs) / 1000
      if (!this.#watcher.maySurvive(record.clientId, record.owner)) {
        session.will = undefined
        due.set(session, Number.POSITIVE_INFINITY)
      } else if (record.will !== undefined || awaySeconds >= record.expirySeconds) due.set(session, awaySeconds)
      else this.#wheel.arm(session, record.expirySeconds - awaySeconds)
    }
    this.#countMax = this.#sessions.size
    for (const [session, awaySeconds] of due) {
      const { will, expirySeconds } = session
      const isOver = awaySeconds >= expirySeconds
      if (will !== undefined && isOver) this.#publishWillNow(session, will)
      else if (will !== undefined) this.#publishWill(session, will, awaySeconds)
      if (isOver) this.end(session)
      else this.#wheel.arm(session, expirySeconds - awaySeconds)
    }
  }

  /**
   * Gives the connection its session: a new one, or the one that was kept. Whoever had it is told and closed. `replaced`: a session that was
   * on disk has ended by this, and the client should hear of the new one only when that is on disk as well.
   * A session that owes each message and one that goes by cursor do not turn into one another: a CONNECT begins anew, and whoever comes by
   * cursor must say `clean`. 5: [MQTT-3.1.4-3], [MQTT-3.1.2-4]  3.1.1: [MQTT-3.1.4-2], [MQTT-3.1.2-6].
   * Errors: `too-many-sessions`, `session-elsewhere`, `client-id-not-yours`, `device-connects-too-often`.
   */
  open(clientId: string, connection: Connection, options: OpenOptions): { session: Session; resumed: boolean; replaced: boolean } {
    if (connection.transport !== 'long-poll') this.#assertConnects(options.principal) // each poll takes its session up
    let session = this.#sessions.get(clientId)
    if (session === undefined && this.#sessions.size >= limits.sessions) throw new Refusal('too-many-sessions', { limit: limits.sessions })
    if (session !== undefined) assertOwner(session, options.principal)
    const isOther = session !== undefined && (session.follower === undefined) !== (options.follow === undefined)
    if (isOther && options.follow !== undefined && !options.clean) throw new Refusal('session-elsewhere', { client: clientId })
    if (session?.presence.at === 'online') {
      const { connection: old } = session.presence
      this.leave(session, old, { publishWill: true, why: 'taken-over' })
      old.close(new Refusal('taken-over', { client: clientId }))
      this.#watcher.onTakenOver(session, old, connection)
      session = this.#sessions.get(clientId)
    }
    let replaced = false
    if (session !== undefined && (options.clean || isOther)) {
      replaced = session.number !== 0
      this.#forget(session)
      session = undefined
    }
    const resumed = session !== undefined
    const expirySeconds = Math.min(options.expirySeconds, limits.sessionExpirySeconds)
    // A session that ends with its connection, and has no will, leaves no trace in the store.
    const outlives = expirySeconds > 0 || options.will !== undefined
    session ??= this.#begin(clientId, outlives, options)
    this.#sessions.set(clientId, session)
    this.#countMax = Math.max(this.#countMax, this.#sessions.size)
    this.#wheel.disarm(session)
    this.#cancelDelayedWill(clientId)
    session.expirySeconds = expirySeconds
    session.will = options.will
    session.principal = options.principal
    if (session.number !== 0) this.#tellOpened(session.number, session)
    const { follower } = session
    if (follower !== undefined && !resumed) follower.tellPlace()
    if (follower !== undefined && resumed) follower.seek(options.follow?.after?.seq ?? follower.acknowledgedSeq)
    session.become({ at: 'online', connection, sinceMs: this.#clock.now() })
    this.#online++
    this.#watcher.onOnline(session, connection)
    return { session, resumed, replaced }
  }

  #assertConnects(principal: Principal): void {
    try {
      principal.assertConnects()
    } catch (error) {
      if (error instanceof Refusal) this.metrics.refusedWith(error.code, principal.owner)
      throw error
    }
  }

  #begin(clientId: string, outlives: boolean, { follow, principal }: OpenOptions): Session {
    const session = new Session(clientId, principal, outlives ? ++this.#lastNumber : 0, this, this.#router)
    if (follow !== undefined) session.follow(follow.after?.seq ?? this.store.journal.newestMessageSeq)
    return session
  }

  /** Puts a session on record that had left no trace in the store so far. Returns its number. */
  record(session: Session): number {
    this.#lastNumber++
    this.#tellOpened(this.#lastNumber, session)
    return this.#lastNumber
  }

  #tellOpened(number: number, { clientId, expirySeconds, will, principal: { owner } }: Session): void {
    this.sessionLog.opened(number, clientId, expirySeconds, will, owner)
  }

  /** The connection is gone. Ignored when the session has moved to another one since. */
  leave(session: Session, connection: Connection, { publishWill: owesWill, why }: { publishWill: boolean; why: EndReason }): void {
    if (session.presence.at !== 'online' || session.presence.connection !== connection) return
    if (!owesWill) session.will = undefined //  5: [MQTT-3.14.4-3]  3.1.1: [MQTT-3.1.2-10]
    this.#online--
    const { will, number, expirySeconds } = session
    session.become({ at: 'away', untilMs: this.#clock.now() + expirySeconds * 1000 })
    this.#watcher.onAway(session, why)
    if (number !== 0) this.sessionLog.left(number, expirySeconds, will !== undefined)
    if (will !== undefined) this.#publishWill(session, will, 0)
    if (expirySeconds === 0) this.#forget(session)
    else this.#wheel.arm(session, expirySeconds)
  }

  /** The session was away for longer than it asked to be remembered. */
  end(session: Session): void {
    this.#expired++
    this.#forget(session)
    this.#watcher.onExpired(session)
  }

  /** Forgets the session and everything it was owed. */
  #forget(session: Session): void {
    this.#wheel.disarm(session)
    this.#delayedWills.get(session.clientId)?.onDue() // the session's end comes before the delay's  5: [MQTT-3.1.2-8]
    session.become({ at: 'ended' })
    this.#watcher.onEnded(session)
    if (this.#sessions.get(session.clientId) === session) this.#sessions.delete(session.clientId)
  }

  /** Now, or when its delay is over, of which `passedSeconds` are.  5: [MQTT-3.1.3-9] */
  #publishWill(session: Session, will: Will, passedSeconds: number): void {
    const { clientId } = session
    const delaySeconds = Math.min(will.delaySeconds, session.expirySeconds) - passedSeconds
    if (delaySeconds <= 0) {
      this.#publishWillNow(session, will)
      return
    }
    const delayed: DelayedWill = {
      dueTick: 0,
      onDue: () => {
        this.#cancelDelayedWill(clientId)
        this.#publishWillNow(session, will)
      },
    }
    this.#delayedWills.set(clientId, delayed)
    this.#wheel.arm(delayed, delaySeconds)
  }

  /** Exactly once: that it was published stands in the batch of the message itself. */
  #publishWillNow(session: Session, will: Will): void {
    session.will = undefined
    publishWill(will, session, this.#router, (refusal) => this.metrics.refused(refusal.code))
    if (session.number !== 0) this.sessionLog.willSent(session.number)
  }

  /** The client came back in time, or its will has just been published.  5: [MQTT-3.1.3-9] */
  #cancelDelayedWill(clientId: string): void {
    const delayed = this.#delayedWills.get(clientId)
    if (delayed === undefined) return
    this.#wheel.disarm(delayed)
    this.#delayedWills.delete(clientId)
  }
}

/** Of an anonymous client it may become anybody's: it is let in to nothing that the next one may not have. Errors: `client-id-not-yours`. */
export function assertOwner({ principal: { owner } }: Session, { owner: comes, permissions }: Principal): void {
  if (owner !== '' && owner !== comes && !permissions.isUnbounded) throw new Refusal('client-id-not-yours')
}

type DelayedWill = Timed
