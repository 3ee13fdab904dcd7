// Deliveries at QoS 1 and 2 that were sent and not yet acknowledged, in the order they were sent.
import type { Delivery } from './connection.ts'

/**
 * How far a delivery is. At QoS 2 in a session that outlives the process each step is on disk before the client hears of it: `storing`
 * before PUBLISH, `releasing` before PUBREL. A client that met the same identifier twice after a crash would take a new message for an
 * old one, or an old one for new.
 */
export type Step = 'storing' | 'sent' | 'releasing' | 'released'

export interface Sent {
  readonly delivery: Delivery
  step: Step
  /** A commit is on its way that the step waits for. One at a time: a second one would come back when the step after this waits. */
  waiting: boolean
  /** It has been on a wire, on this connection or an earlier one. */
  tried: boolean
}

export class Inflight {
  readonly #sent = new Map<number, Sent>()
  #lastId = 0

  get count(): number {
    return this.#sent.size
  }

  /** Takes a free packet identifier for the delivery. The caller keeps `count` under the peer's receive maximum, so one is always free. */
  add(delivery: Delivery, step: Step = 'sent'): number {
    do this.#lastId = (this.#lastId % 65535) + 1
    while (this.#sent.has(this.#lastId))
    this.#sent.set(this.#lastId, { delivery, step, waiting: false, tried: false })
    return this.#lastId
  }

  /** What an earlier run of the hub had sent, in the order of the sends. */
  restore(packetId: number, delivery: Delivery, step: Step): void {
    this.#sent.set(packetId, { delivery, step, waiting: false, tried: true })
    this.#lastId = packetId
  }

  /** What was sent under this identifier and is not acknowledged. */
  get(packetId: number): Sent | undefined {
    return this.#sent.get(packetId)
  }

  /** The acknowledgement that is due now for this identifier; no other counts.  5: [MQTT-4.3.2-3], [MQTT-4.3.3-3], [MQTT-4.3.3-5] */
  awaits(packetId: number): 'puback' | 'pubrec' | 'pubcomp' | undefined {
    const sent = this.#sent.get(packetId)
    if (sent === undefined) return undefined
    if (sent.delivery.qos === 1) return 'puback'
    return sent.step === 'sent' ? 'pubrec' : sent.step === 'released' ? 'pubcomp' : undefined
  }

  /** PUBREC came: the PUBRELs that are sent again follow the order of the PUBRECs.  3.1.1: [MQTT-4.6.0-4], [MQTT-4.6.0-6] */
  moveLast(packetId: number): void {
    const sent = this.#sent.get(packetId)
    if (sent === undefined) return
    this.#sent.delete(packetId)
    this.#sent.set(packetId, sent)
  }

  /** The delivery whose identifier is free from now on; undefined when it was not in use. */
  finish(packetId: number): Delivery | undefined {
    const sent = this.#sent.get(packetId)
    this.#sent.delete(packetId)
    return sent?.delivery
  }

  /** In the order of the original sends, which is the order they are sent again in.  5: [MQTT-4.6.0-1] */
  entries(): IterableIterator<[number, Sent]> {
    return this.#sent.entries()
  }
}
