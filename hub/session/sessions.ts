// All sessions: open, resume, take over, leave, expire.
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Metrics } from '../metrics.ts'
import type { Router } from '../routing/router.ts'
import type { Timed, Wheel } from '../wheel.ts'
import type { Connection } from './connection.ts'
import type { OutboxBudget } from './outbox.ts'
import { Session } from './session.ts'
import { publishWill, type Will } from './will.ts'

export interface SessionWatcher {
  onOnline(session: Session, connection: Connection): void
  onAway(session: Session): void
}

export interface OpenOptions {
  /** Forget what was remembered and begin anew. */
  readonly clean: boolean
  readonly expirySeconds: number
  readonly will: Will | undefined
}

export class Sessions {
  readonly outboxBudget: OutboxBudget = { bytes: 0 }
  readonly metrics: Metrics
  readonly #router: Router
  readonly #wheel: Wheel
  readonly #clock: Clock
  readonly #watcher: SessionWatcher
  readonly #sessions = new Map<string, Session>()
  readonly #delayedWills = new Map<string, DelayedWill>()
  #online = 0
  #countMax = 0
  #expired = 0

  constructor(router: Router, wheel: Wheel, clock: Clock, metrics: Metrics, watcher: SessionWatcher) {
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

  /** Wall clock, Unix ms. */
  now(): number {
    return this.#clock.now()
  }

  find(clientId: string): Session | undefined {
    return this.#sessions.get(clientId)
  }

  /**
   * Gives the connection its session: a new one, or the one that was kept. Whoever had it is told and closed.
   * 5: [MQTT-3.1.4-3], [MQTT-3.1.2-4]  3.1.1: [MQTT-3.1.4-2], [MQTT-3.1.2-6]. Errors: `too-many-sessions`.
   */
  open(clientId: string, connection: Connection, options: OpenOptions): { session: Session; resumed: boolean } {
    let session = this.#sessions.get(clientId)
    if (session === undefined && this.#sessions.size >= limits.sessions) throw new Refusal('too-many-sessions', { limit: limits.sessions })
    if (session?.presence.at === 'online') {
      const { connection: old } = session.presence
      this.leave(session, old, { publishWill: true })
      old.close(new Refusal('taken-over', { client: clientId }))
      session = this.#sessions.get(clientId)
    }
    if (session !== undefined && options.clean) {
      this.#forget(session)
      session = undefined
    }
    const resumed = session !== undefined
    session ??= new Session(clientId, this, this.#router)
    this.#sessions.set(clientId, session)
    this.#countMax = Math.max(this.#countMax, this.#sessions.size)
    this.#wheel.disarm(session)
    this.#cancelDelayedWill(clientId)
    session.expirySeconds = Math.min(options.expirySeconds, limits.sessionExpirySeconds)
    session.will = options.will
    session.become({ at: 'online', connection, sinceMs: this.#clock.now() })
    this.#online++
    this.#watcher.onOnline(session, connection)
    return { session, resumed }
  }

  /** The connection is gone. Ignored when the session has moved to another one since. */
  leave(session: Session, connection: Connection, { publishWill: owesWill }: { publishWill: boolean }): void {
    if (session.presence.at !== 'online' || session.presence.connection !== connection) return
    const { will } = session
    session.will = undefined
    this.#online--
    session.become({ at: 'away' })
    this.#watcher.onAway(session)
    if (owesWill && will !== undefined) this.#publishWill(session, will)
    if (session.expirySeconds === 0) this.#forget(session)
    else this.#wheel.arm(session, session.expirySeconds)
  }

  /** The session was away for longer than it asked to be remembered. */
  end(session: Session): void {
    this.#expired++
    this.#forget(session)
  }

  /** Forgets the session and everything it was owed. */
  #forget(session: Session): void {
    this.#wheel.disarm(session)
    this.#delayedWills.get(session.clientId)?.onDue() // the session's end comes before the delay's  5: [MQTT-3.1.2-8]
    session.become({ at: 'ended' })
    if (this.#sessions.get(session.clientId) === session) this.#sessions.delete(session.clientId)
  }

  #publishWill(session: Session, will: Will): void {
    const { clientId } = session
    const delaySeconds = Math.min(will.delaySeconds, session.expirySeconds)
    const publish = () => publishWill(will, clientId, this.#router, (refusal) => this.metrics.refused(refusal.code))
    if (delaySeconds === 0) {
      publish()
      return
    }
    const delayed: DelayedWill = {
      dueTick: 0,
      onDue: () => {
        this.#cancelDelayedWill(clientId)
        publish()
      },
    }
    this.#delayedWills.set(clientId, delayed)
    this.#wheel.arm(delayed, delaySeconds)
  }

  /** The client came back in time, or its will has just been published.  5: [MQTT-3.1.3-9] */
  #cancelDelayedWill(clientId: string): void {
    const delayed = this.#delayedWills.get(clientId)
    if (delayed === undefined) return
    this.#wheel.disarm(delayed)
    this.#delayedWills.delete(clientId)
  }
}

type DelayedWill = Timed
