// Who takes the commands of a device: a session that speaks for it and has subscribed to them.
import type { DeviceId } from '../../../devices/device.ts'
import type { Match, Subscriber } from '../topic-tree.ts'

/** All that is known here of a session. */
export interface Taker extends Subscriber {
  /** Of its record; 0 when nothing is kept of it. */
  readonly number: number
  /** It outlives its connection, and what it is owed with it. */
  readonly lasts: boolean
  /** Undefined while its client is away. */
  readonly connection: { readonly transport: string } | undefined
  /** Its client goes by cursor. */
  readonly follower: object | undefined
}

/** Which sessions speak for a device now, and for which devices one does. */
export interface Speakers {
  of(device: DeviceId): ReadonlySet<Taker>
  devicesOf(taker: Taker): Iterable<DeviceId>
}

/** By whom one attempt goes. Commands that were sent in one go share it. */
export interface Carrier {
  readonly taker: Taker
  /** It says by itself when its client has a command: not at QoS 0, and not over a stream of events, whose client says it when it comes back. */
  readonly acknowledges: boolean
  /** While it lasts it sends again by itself what its client has not acknowledged. */
  readonly isOwed: boolean
}

export function carrierOf(taker: Taker, { qos }: Pick<Match, 'qos'>): Carrier {
  const follows = taker.follower !== undefined
  const acknowledges = follows ? taker.connection?.transport !== 'sse' : qos > 0
  return { taker, acknowledges, isOwed: follows || qos > 0 }
}
