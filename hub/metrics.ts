// What the hub counts about itself: plain numbers, added to on the hot path and read by whoever shows them.
import type { RefusalCode } from './errors.ts'
import { limits } from './limits.ts'

/**
 * Why a subscriber did not get a message that it was owed, as people read it. A retained message that expired before anyone subscribed is not
 * among them, nor one at QoS 0 for a client that is away: nobody was owed it.
 */
export const dropReasons = {
  'outbox-full':
    'The outbox of the session was full (limits.outboxMessages, outboxBytes, outboxBytesAll), so what came last was not taken.',
  'outbox-full-qos0': 'A message at QoS 0 that waited in a full outbox gave way to a newer one.',
  'away-qos0': 'It was at QoS 0 and waited for a client that went away.',
  expired: 'Its Message Expiry Interval had passed.',
  'too-large': 'It was larger than the Maximum Packet Size of the client.',
  damaged: 'What the disk had kept of it was not what was written.',
  'not-allowed': 'The rights of the client had changed since it was subscribed or queued, or leave out a part of what it subscribed.',
  outdated: 'It said nothing any more when the client could take it: a command that was over, a state with a newer one behind it.',
  'no-member': 'No member of the shared group could be owed it.',
  'session-ended': 'The session ended before the client had taken it.',
} as const

export type DropReason = keyof typeof dropReasons

export class Metrics {
  connectionsOpened = 0
  /** PUBLISH packets and readings taken, on any wire. */
  messagesReceived = 0
  /** Messages handed to a subscriber's wire. */
  messagesSent = 0
  bytesReceived = 0
  bytesSent = 0
  /**
   * MQTT packets by type, the upper four bits of their first byte (5: table 2-1). Whole numbers as doubles: they do not wrap around, and
   * counting one is a single addition in place.
   */
  readonly packetsReceived = new Float64Array(16)
  readonly packetsSent = new Float64Array(16)
  /** Changes that a slow viewer never saw because a newer one took their place or it had to resync. */
  viewerResyncs = 0
  readonly #refused = new Map<RefusalCode, number>()
  /** By owner, who was refused something last at the end. */
  readonly #refusedTo = new Map<string, Map<RefusalCode, number>>()
  readonly #dropped = new Map<DropReason, number>()
  #droppedAll = 0

  /** Messages that a subscriber had asked for and did not get. */
  get messagesDropped(): number {
    return this.#droppedAll
  }

  dropped(reason: DropReason, count = 1): void {
    this.#droppedAll += count
    this.#dropped.set(reason, this.droppedFor(reason) + count)
  }

  droppedFor(reason: DropReason): number {
    return this.#dropped.get(reason) ?? 0
  }

  /** `owner`: to whom, as sessions name it; empty or left out where nobody has proven who he is. */
  refused(code: RefusalCode, owner = ''): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1)
    if (owner !== '') this.refusedWith(code, owner)
  }

  /** Where whoever tells the client, and counts it, does not know yet whom it belongs to. */
  refusedWith(code: RefusalCode, owner: string): void {
    const counts = this.#refusedTo.get(owner) ?? new Map<RefusalCode, number>()
    counts.set(code, (counts.get(code) ?? 0) + 1)
    this.#refusedTo.delete(owner)
    this.#refusedTo.set(owner, counts)
    if (this.#refusedTo.size > limits.refusalsWatched)
      for (const oldest of this.#refusedTo.keys()) return void this.#refusedTo.delete(oldest)
  }

  /** What was refused to somebody since the start, by reason, of those to whom anything was lately. */
  refusedTo(owner: string): Readonly<Partial<Record<RefusalCode, number>>> {
    return Object.fromEntries(this.#refusedTo.get(owner) ?? [])
  }

  refusedBy(code: RefusalCode): number {
    return this.#refused.get(code) ?? 0
  }

  get refusals(): ReadonlyMap<RefusalCode, number> {
    return this.#refused
  }
}

/** How the hub stands right now: what `GET /v1/hub` and the live view show. Rates are over the last second. */
export interface Figures {
  readonly devices: number
  /** Open device connections, before or after CONNECT. */
  readonly connections: number
  /** Devices that are connected now. */
  readonly connected: number
  readonly sessions: number
  readonly subscriptions: number
  readonly retained: number
  /** Messages that a subscriber had asked for and did not get, since the start. */
  readonly dropped: number
  readonly messagesPerSecond: number
  readonly deliveriesPerSecond: number
  readonly commitsPerSecond: number
  /** Commands that are not over. */
  readonly commandsWaiting: number
  readonly lastCommitMs: number
  readonly backlogBytes: number
  /** The longest the loop was late by in the last second. */
  readonly loopDelayMs: number
  /** Points stored since the start. */
  readonly points: number
}
