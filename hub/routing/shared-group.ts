// Shared subscriptions, MQTT 5 section 4.8.2: the members of a group share one filter, and each message goes to one of them. To the topic
// tree a group is one subscriber, so a message that no group wants costs nothing more than before.
import type { Message, QoS } from '../../devices/message.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Match, Subscriber, Subscription } from './topic-tree.ts'

/**
 * How a member stands to a message, the best first: a group takes the lowest. `online` and `away` grow by what waits with the member
 * already, so that one that has stopped reading is passed by as long as another takes anything.
 */
export const standing = { free: 0, online: 1, away: 1_000_000, full: 2_000_000, never: Number.POSITIVE_INFINITY } as const

/** What a group needs of a subscriber to choose among several. */
export interface Member extends Subscriber {
  /** Where in `standing` it is for a message, which it gets at this QoS at most. */
  standing(message: Message, subscribed: QoS): number
  /** It outlives its connection, and the process. */
  readonly lasts: boolean
  /** Takes the message or, when it cannot be owed it, counts it as dropped: no other member stood better. */
  deliverShared(message: Message, match: Match, group: SharedGroup): void
}

/** A member's own wishes: its QoS  5: [MQTT-4.8.2-3], its identifiers. `filter` is the whole, `$share/{ShareName}/{filter}`. */
export interface Membership extends Subscription {
  readonly subscriber: Member
}

const prefix = '$share/'

/** After so many members of whom one is online, the search for a free one ends: when hundreds are lost at once, what they had moves on. */
const askedEnough = 64

/** What a shared filter matches: all that follows the share name. Undefined for an ordinary filter. */
export function sharedFilterOf(filter: string): string | undefined {
  return filter.startsWith(prefix) ? filter.slice(filter.indexOf('/', prefix.length) + 1) : undefined
}

/** A share name and a filter; the same name with another filter is another group.  5: section 4.8.2 */
export class SharedGroup implements Subscriber {
  /** No publisher is itself a group, and No Local is not for sharing.  5: [MQTT-3.8.3-4] */
  readonly clientId = undefined
  /** What stands in the tree. It asks for everything as it was published; each member has its own say. */
  readonly subscription: Subscription
  readonly #members: Membership[] = []
  readonly #lasting = new Set<Subscriber>()
  /** Who is asked first. */
  #turn = 0

  constructor(filter: string) {
    this.subscription = { filter, subscriber: this, qos: 2, noLocal: false, retainAsPublished: true, identifiers: undefined }
  }

  /** `$share/{ShareName}/{filter}` */
  get filter(): string {
    return this.subscription.filter
  }

  /** One of its members lasts: what the others are given must not be lost with the process. */
  get lasts(): boolean {
    return this.#lasting.size > 0
  }

  get size(): number {
    return this.#members.length
  }

  /** A subscriber that is a member already keeps its place and has its wishes replaced. False for that. Errors: `too-many-members`. */
  join(membership: Membership): boolean {
    const at = this.#placeOf(membership.subscriber)
    if (at !== -1) {
      this.#members[at] = membership
      return false
    }
    if (this.#members.length >= limits.sharedGroupMembers) {
      throw new Refusal('too-many-members', { filter: membership.filter, limit: limits.sharedGroupMembers })
    }
    this.#members.push(membership)
    if (membership.subscriber.lasts) this.#lasting.add(membership.subscriber)
    return true
  }

  /** False for a subscriber that is no member. */
  leave(subscriber: Subscriber): boolean {
    const at = this.#placeOf(subscriber)
    if (at === -1) return false
    this.#members.splice(at, 1)
    this.#lasting.delete(subscriber)
    if (at < this.#turn) this.#turn-- // whoever is next stays next
    if (this.#turn === this.#members.length) this.#turn = 0
    return true
  }

  /**
   * Gives the message to the member that stands best, in turn among equals. A question costs 25 ns, so `askedEnough` of them 1.6 µs, and a
   * thousand absent members 25 µs. False when there is no member left.
   */
  deliver(message: Message): boolean {
    const members = this.#members
    const count = members.length
    let best = -1
    let bestStanding = Number.POSITIVE_INFINITY
    for (let asked = 0, at = this.#turn; asked < count; asked++, at = at + 1 === count ? 0 : at + 1) {
      const { subscriber, qos } = members[at]!
      const stands = subscriber.standing(message, qos)
      if (stands < bestStanding || best === -1) {
        best = at
        bestStanding = stands
      }
      if (stands === standing.free || (asked >= askedEnough && bestStanding < standing.away)) break
    }
    if (best === -1) return false
    const chosen = members[best]!
    this.#turn = best + 1 === count ? 0 : best + 1
    chosen.subscriber.deliverShared(message, chosen, this)
    return true
  }

  #placeOf(subscriber: Subscriber): number {
    return this.#members.findIndex((member) => member.subscriber === subscriber)
  }
}
