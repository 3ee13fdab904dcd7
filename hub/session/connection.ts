// What a session knows about the wire it has right now. One file per transport implements it.
import type { Message, QoS } from '../../devices/message.ts'
import type { Refusal } from '../errors.ts'
import type { SharedGroup } from '../routing/shared-group.ts'

export type Transport = 'mqtt-tcp' | 'mqtt-tls' | 'mqtt-ws' | 'json-ws' | 'sse' | 'long-poll'

/** One message on its way to one subscriber. */
export interface Delivery {
  readonly message: Message
  /** The lower of what was published and what was subscribed. */
  readonly qos: QoS
  readonly retain: boolean
  readonly identifiers: readonly number[] | undefined
  /** The group it came by, there only when it did: when the session ends, another member gets it. */
  readonly group?: SharedGroup
  /** Where the store has it; 0 when only the memory does: at QoS 0, and in a session that ends with its connection. */
  place: number
}

interface Wired {
  readonly transport: Transport
  /** Address and port of the peer, as shown to people. */
  readonly address: string
  /** How long its peer may be silent before it counts as gone, less a half; 0 where only the wire itself tells. */
  readonly keepAliveSeconds: number
  /** False while the peer reads too slowly. The connection calls `session.flush()` when it turns true. */
  readonly writable: boolean
  /** Says why in the protocol's own words, then closes. Does not call back into the session. */
  close(reason: Refusal): void
}

/** Its client acknowledges each message at QoS 1 and 2 by itself, and is owed it until then. */
export interface AcknowledgingConnection extends Wired {
  readonly follows: false
  /** Most deliveries at QoS 1 and 2 the peer takes before it acknowledges one. */
  readonly inflightMax: number
  /** `packetId` is 0 at QoS 0; `dup` marks a delivery that was sent on an earlier connection. False when the peer takes none so large. */
  send(message: Message, qos: QoS, retain: boolean, identifiers: readonly number[] | undefined, packetId: number, dup: boolean): boolean
  /** The second half of a QoS 2 delivery. */
  sendRelease(packetId: number): void
}

/** Why a message is passed on: it comes next, it precedes the place where the session stands, or it is retained for a new subscription. */
export type Passing = 'live' | 'history' | 'retained'

/** Its client goes by cursor: what it has not said to have seen stays in the journal. */
export interface FollowingConnection extends Wired {
  readonly follows: true
  pass(message: Message, how: Passing): void
  /** What lies between these cursors is not in the journal any more. */
  gap(asked: string, continues: string): void
  /** For one that asks whether anything waits: nothing does any more, and what comes now is live. */
  caughtUp?(): void
}

export type Connection = AcknowledgingConnection | FollowingConnection
