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
  /** Client identifier of the publisher; undefined when it came from outside MQTT or from the hub. */
  readonly from: string | undefined
}
