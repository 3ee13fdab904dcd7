// Subscriptions of a session that acknowledges each message, while they are given their history: each listens for itself until it has caught
// up, then becomes one like the others.
import type { Message } from '../../devices/message.ts'
import { Refusal } from '../errors.ts'
import type { Match, Subscriber, Subscription, TopicTree } from '../routing/topic-tree.ts'
import type { Begun } from './beginning.ts'
import { CatchUp, type CatchUpTarget } from './catch-up.ts'
import type { Session } from './session.ts'
import type { Sessions } from './sessions.ts'

/** What a history asks of the deliveries of its session. */
export interface PastDeliveries {
  /** Nothing waits, and one more can go out. */
  readonly isIdle: boolean
}

export class Histories {
  readonly #session: Session
  readonly #sessions: Sessions
  readonly #tree: TopicTree
  readonly #deliveries: PastDeliveries
  /** By filter, in the order they began. */
  readonly #all = new Map<string, History>()

  constructor(session: Session, sessions: Sessions, tree: TopicTree, deliveries: PastDeliveries) {
    this.#session = session
    this.#sessions = sessions
    this.#tree = tree
    this.#deliveries = deliveries
  }

  /** The subscription is not in the tree yet; from now on it is this history's to put it there. */
  add(subscription: Subscription, begun: Promise<Begun>): void {
    const history = new History(subscription, this.#session, this.#sessions, this.#tree, this.#deliveries, () => {
      this.#all.delete(subscription.filter)
      this.flush()
    })
    this.#all.set(subscription.filter, history)
    begun.then(
      ({ afterSeq }) => history.begin(afterSeq),
      () => history.end(), // who asked is told why; the subscription stands
    )
  }

  /** False when there is none for the filter. */
  remove(filter: string): boolean {
    const history = this.#all.get(filter)
    this.#all.delete(filter)
    history?.drop()
    return history !== undefined
  }

  /** The client takes more: the oldest goes on. */
  flush(): void {
    for (const history of this.#all.values()) {
      history.go()
      return
    }
  }

  /** The connection is gone: who wants the rest says its cursor when it subscribes again. */
  left(): void {
    for (const history of this.#all.values()) history.end()
  }
}

class History implements Subscriber, CatchUpTarget {
  readonly filters: readonly string[]
  readonly #subscription: Subscription
  readonly #listening: Subscription
  readonly #session: Session
  readonly #sessions: Sessions
  readonly #tree: TopicTree
  readonly #deliveries: PastDeliveries
  readonly #ended: () => void
  #catchUp: CatchUp | undefined = undefined
  #isOver = false

  constructor(
    subscription: Subscription,
    session: Session,
    sessions: Sessions,
    tree: TopicTree,
    deliveries: PastDeliveries,
    ended: () => void,
  ) {
    this.filters = [subscription.filter]
    this.#subscription = subscription
    this.#listening = { ...subscription, subscriber: this }
    this.#session = session
    this.#sessions = sessions
    this.#tree = tree
    this.#deliveries = deliveries
    this.#ended = ended
    tree.add(this.#listening)
  }

  get clientId(): string {
    return this.#session.clientId
  }

  begin(afterSeq: number): void {
    if (this.#isOver) return
    this.#catchUp = new CatchUp(this.#sessions.store, this, afterSeq)
    this.#catchUp.go()
  }

  go(): void {
    this.#catchUp?.go()
  }

  /** Becomes a subscription like the others, from now on. */
  end(): void {
    if (!this.drop()) return
    this.#tree.add(this.#subscription)
    this.#ended()
  }

  /** False when it was over before. */
  drop(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#catchUp?.pause()
    this.#tree.remove(this.#listening)
    return true
  }

  /** What comes live: what the journal has is read from there; the rest is live only. */
  deliver(message: Message, match: Match): void {
    if (message.seq === 0) this.#session.deliver(message, match)
    else this.#catchUp?.offer(message)
  }

  get writable(): boolean {
    return this.#deliveries.isIdle
  }

  take(message: Message): void {
    if (!this.#isOver && !this.#sessions.isExpired(message)) this.#session.deliver(message, this.#subscription)
  }

  /** Said with SUBACK, see `begin` in beginning.ts; what is trimmed since then is a gap that the cursors show. */
  missed(): void {}

  caughtUp(): void {
    this.end()
  }

  failed(error: Error): void {
    this.#session.connection?.close(new Refusal('store-failed', { detail: error.message }))
  }
}
