// The retained messages that new subscriptions are owed: one subscription's at a time, so that a client which subscribes to much and reads
// little costs the list of one filter.
import type { Message } from '../../devices/message.ts'
import { limits } from '../limits.ts'
import type { Subscription } from '../routing/topic-tree.ts'
import type { Delivery } from './connection.ts'

export class Replay {
  readonly #match: (filter: string) => readonly Message[]
  readonly #deliveryOf: (message: Message, subscription: Subscription) => Delivery
  readonly #subscriptions: Subscription[] = []
  /** What is retained for the first of them, as it was when its turn came. */
  #messages: readonly Message[] | undefined = undefined
  #at = 0
  #next: Delivery | undefined = undefined

  constructor(match: (filter: string) => readonly Message[], deliveryOf: (message: Message, subscription: Subscription) => Delivery) {
    this.#match = match
    this.#deliveryOf = deliveryOf
  }

  /** False when as many subscriptions wait already as a session may have. */
  add(subscription: Subscription): boolean {
    if (this.#subscriptions.length >= limits.subscriptionsPerSession) return false
    this.#subscriptions.push(subscription)
    return true
  }

  /** The same delivery until it is taken; undefined when none is left. */
  peek(): Delivery | undefined {
    while (this.#next === undefined) {
      const [subscription] = this.#subscriptions
      if (subscription === undefined) return undefined
      this.#messages ??= this.#match(subscription.filter)
      const message = this.#messages[this.#at]
      if (message !== undefined) this.#next = this.#deliveryOf(message, subscription)
      else {
        this.#subscriptions.shift()
        this.#messages = undefined
        this.#at = 0
      }
    }
    return this.#next
  }

  take(): Delivery | undefined {
    const delivery = this.peek()
    this.#next = undefined
    this.#at++
    return delivery
  }
}
