// Who listens to what: a tree of topic levels. `+` and `#` are branches of their own, so a match walks one path per wildcard, not all filters.
import type { Message, QoS } from '../../devices/message.ts'
import { Level } from './level.ts'
import { type Member, type Membership, SharedGroup, sharedFilterOf } from './shared-group.ts'

/** Whoever messages are delivered to; all that routing knows of a session. */
export interface Subscriber {
  /** Client identifier, to tell a publisher from the others; undefined for a subscriber that is not a client. */
  readonly clientId: string | undefined
  deliver(message: Message, match: Match): void
}

/** How one subscriber wants what matched. */
export interface Match {
  readonly subscriber: Subscriber
  readonly qos: QoS
  /** 5: not what the subscriber has published itself, section 3.8.3.1 … */
  readonly noLocal: boolean
  /** … unless another of its filters, without No Local, matches as well. */
  readonly toSelf?: Match | undefined
  /** 5: forward the RETAIN flag as it was published. */
  readonly retainAsPublished: boolean
  /** 5: subscription identifiers to send along, section 3.8.2.1.2. */
  readonly identifiers: readonly number[] | undefined
}

export interface Subscription extends Match {
  readonly filter: string
  /** Of what its filter matches, what it is for; undefined for all. Asked once for a topic, until the tree changes. */
  readonly isFor?: ((topic: string) => boolean) | undefined
}

/** Those of one filter; without a Set around the only one, which most are. */
type Subscriptions = Subscription | Set<Subscription>

export class TopicTree {
  readonly #root = new Level<Subscriptions>()
  /** By their whole filter, share name included. One without members is not kept. */
  readonly #groups = new Map<string, SharedGroup>()
  #size = 0
  #sharedSize = 0
  #version = 1

  /** Grows with every change: whoever remembers a match compares it. */
  get version(): number {
    return this.#version
  }

  /** What subscriptions are for may be something else from now on. */
  askAnew(): void {
    this.#version++
  }

  /** Subscriptions of clients; each member of a group counts. */
  get size(): number {
    return this.#size
  }

  /** Those of them that are members of a group. */
  get sharedSize(): number {
    return this.#sharedSize
  }

  add(subscription: Subscription): void {
    this.#insert(subscription.filter, subscription)
    this.#size++
  }

  /** Takes exactly this subscription out, and the branches that only it needed. */
  remove(subscription: Subscription): void {
    if (this.#take(subscription.filter, subscription)) this.#size--
  }

  /** Adds a member to the group of its filter, `$share/…`, or replaces the wishes of one that is in it. Errors: `too-many-members`. */
  join(membership: Membership): void {
    const { filter } = membership
    const group = this.#groups.get(filter) ?? new SharedGroup(filter)
    if (!group.join(membership)) return
    this.#size++
    this.#sharedSize++
    if (group.size > 1) return
    this.#groups.set(filter, group)
    this.#insert(sharedFilterOf(filter) as string, group.subscription)
  }

  /** The group of a filter, `$share/…`, while it has members. */
  group(filter: string): SharedGroup | undefined {
    return this.#groups.get(filter)
  }

  /** The last one to leave takes the group along. */
  leave(filter: string, member: Member): void {
    const group = this.#groups.get(filter)
    if (group === undefined || !group.leave(member)) return
    this.#size--
    this.#sharedSize--
    if (group.size > 0) return
    this.#groups.delete(filter)
    this.#take(sharedFilterOf(filter) as string, group.subscription)
  }

  #insert(filter: string, subscription: Subscription): void {
    let level = this.#root
    for (const word of filter.split('/')) level = level.grow(word)
    const { value } = level
    if (value === undefined) level.value = subscription
    else if (value instanceof Set) value.add(subscription)
    else if (value !== subscription) level.value = new Set([value, subscription])
    this.#version++
  }

  /** False when it was not there. */
  #take(filter: string, subscription: Subscription): boolean {
    const words = filter.split('/')
    const level = this.#root.find(words)
    if (level?.value === subscription) level.value = undefined
    else if (level?.value instanceof Set && level.value.delete(subscription)) {
      if (level.value.size === 0) level.value = undefined
    } else return false
    this.#version++
    this.#root.prune(words)
    return true
  }

  /** Everyone whose filter matches the topic name, each subscriber once.  5: [MQTT-4.7.3-4]  3.1.1: [MQTT-4.7.3-4] */
  match(topic: string): readonly Match[] {
    const found: Subscription[] = []
    // A filter that begins with a wildcard does not match a topic that begins with $.  5: [MQTT-4.7.2-1]
    collect(this.#root, topic.split('/'), 0, topic.startsWith('$'), found)
    return oncePerSubscriber(found.some(isNarrow) ? found.filter(({ isFor }) => isFor === undefined || isFor(topic)) : found)
  }
}

function isNarrow({ isFor }: Subscription): boolean {
  return isFor !== undefined
}

function collect(level: Level<Subscriptions>, words: readonly string[], depth: number, isReserved: boolean, found: Subscription[]): void {
  const wildcards = !(isReserved && depth === 0)
  if (depth === words.length) {
    take(level.value, found)
    // `a/#` also matches `a`: the multi-level wildcard includes the parent.  5: section 4.7.1.2
    take(level.get('#')?.value, found)
    return
  }
  const exact = level.get(words[depth] as string)
  if (exact !== undefined) collect(exact, words, depth + 1, isReserved, found)
  if (!wildcards) return
  const single = level.get('+')
  if (single !== undefined) collect(single, words, depth + 1, isReserved, found)
  take(level.get('#')?.value, found)
}

function take(subscriptions: Subscriptions | undefined, found: Subscription[]): void {
  if (subscriptions === undefined) return
  if (subscriptions instanceof Set) for (const subscription of subscriptions) found.push(subscription)
  else found.push(subscriptions)
}

/**
 * Overlapping subscriptions of one subscriber give one delivery at the highest QoS, with the identifiers of all.
 * 5: [MQTT-3.3.4-2], [MQTT-3.3.4-3]  3.1.1: [MQTT-3.3.5-1]
 */
function oncePerSubscriber(found: readonly Subscription[]): readonly Match[] {
  if (found.length < 2) return found
  const merged = new Map<Subscriber, Match>()
  for (const next of found) {
    const before = merged.get(next.subscriber)
    merged.set(next.subscriber, before === undefined ? next : both(before, next))
  }
  return [...merged.values()]
}

function both(a: Match, b: Match): Match {
  const noLocal = a.noLocal || b.noLocal
  return {
    subscriber: a.subscriber,
    qos: a.qos > b.qos ? a.qos : b.qos,
    noLocal,
    toSelf: noLocal ? bothOrOne(forSelf(a), forSelf(b)) : undefined,
    retainAsPublished: a.retainAsPublished || b.retainAsPublished,
    identifiers: a.identifiers === undefined ? b.identifiers : [...a.identifiers, ...(b.identifiers ?? [])],
  }
}

function bothOrOne(a: Match | undefined, b: Match | undefined): Match | undefined {
  return a !== undefined && b !== undefined ? both(a, b) : (a ?? b)
}

/** How the subscriber gets a message of its own; undefined for not at all.  5: [MQTT-3.8.3-3] */
export function forSelf(match: Match): Match | undefined {
  return match.noLocal ? match.toSelf : match
}
