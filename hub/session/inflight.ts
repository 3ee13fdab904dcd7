// Deliveries at QoS 1 and 2 that were sent and not yet acknowledged, in the order they were sent.
import type { Delivery } from './connection.ts'

interface Sent {
  readonly delivery: Delivery
  /** QoS 2: PUBREC has come, PUBREL is out, PUBCOMP is awaited. */
  released: boolean
}

export class Inflight {
  readonly #sent = new Map<number, Sent>()
  #lastId = 0

  get count(): number {
    return this.#sent.size
  }

  /** Takes a free packet identifier for the delivery. The caller keeps `count` under the peer's receive maximum, so one is always free. */
  add(delivery: Delivery): number {
    do this.#lastId = (this.#lastId % 65535) + 1
    while (this.#sent.has(this.#lastId))
    this.#sent.set(this.#lastId, { delivery, released: false })
    return this.#lastId
  }

  /** What was sent under this identifier and is not acknowledged. */
  delivery(packetId: number): Delivery | undefined {
    return this.#sent.get(packetId)?.delivery
  }

  /** True when the identifier was in use and is now free. */
  finish(packetId: number): boolean {
    return this.#sent.delete(packetId)
  }

  /** PUBREC came: from here on only PUBREL may be sent. False for an identifier that is not in use.  5: [MQTT-4.3.3-5] */
  release(packetId: number): boolean {
    const sent = this.#sent.get(packetId)
    if (sent === undefined) return false
    sent.released = true
    return true
  }

  /** In the order of the original sends, which is the order they are sent again in.  5: [MQTT-4.6.0-1] */
  entries(): IterableIterator<[number, Sent]> {
    return this.#sent.entries()
  }
}
