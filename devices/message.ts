// One application message, whatever carried it. Every protocol turns into and out of this.

/** MQTT 5 section 4.3: at most once, at least once, exactly once. */
export type QoS = 0 | 1 | 2

export interface Message {
  /** Place in the hub-wide sequence; 0 for a message that is not kept in the journal. */
  readonly seq: number
  /** A topic name: no wildcards, at least one character. */
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: QoS
  /** The RETAIN flag of the PUBLISH, not "this is a retained message being replayed". */
  readonly retain: boolean
  /**
   * The MQTT 5 properties every subscriber gets unchanged, in their order and with repeats, encoded as in a PUBLISH
   * (section 2.2.2) without the length in front. Topic alias and subscription identifiers are never among them.
   */
  readonly properties: Uint8Array | undefined
  /** When the hub took it, Unix ms. */
  readonly atMs: number
  /** From when on it is not delivered any more, Unix ms of a clock that does not jump; Infinity for most. 5: section 3.3.2.3.3 */
  readonly expiresAtMs: number
  /** Client identifier of the publisher; undefined when it came from outside MQTT or from the hub. */
  readonly from: string | undefined
}

/** The width of the value behind each property that `Message.properties` can hold; 0 for one or two strings with their length in front. */
const fixedBytes: { readonly [id: number]: number } = { 1: 1, 2: 4, 3: 0, 8: 0, 9: 0, 38: 0 }
const messageExpiry = 0x02
const userProperty = 0x26

/** When a message taken at `atMs` expires: its Message Expiry Interval, found among its encoded properties. Infinity without one. */
export function expiryOf(properties: Uint8Array | undefined, atMs: number): number {
  if (properties === undefined) return Number.POSITIVE_INFINITY
  const u16 = (at: number) => ((properties[at] ?? 0) << 8) | (properties[at + 1] ?? 0) // bytes that end too early end the search
  for (let at = 0; at < properties.length; ) {
    const id = properties[at++] as number
    if (id === messageExpiry) return atMs + (u16(at) * 0x1_0000 + u16(at + 2)) * 1000
    const fixed = fixedBytes[id]
    if (fixed === undefined) return Number.POSITIVE_INFINITY // the codec lets none through
    if (fixed > 0) at += fixed
    else for (let strings = id === userProperty ? 2 : 1; strings > 0; strings--) at += 2 + u16(at)
  }
  return Number.POSITIVE_INFINITY
}
