// What a slow or absent client is owed, in order and within bounds.
//
// At the bound a QoS 0 delivery gives way first (the oldest one); when none is left, the newest delivery is not taken. Each drop is counted
// with its reason.
import { limits } from '../limits.ts'
import type { DropReason, Metrics } from '../metrics.ts'
import type { Delivery } from './connection.ts'

/** Bytes owed by all sessions together. */
export interface OutboxBudget {
  bytes: number
}

export class Outbox {
  readonly #budget: OutboxBudget
  readonly #metrics: Metrics
  #deliveries: Delivery[] = []
  #taken = 0
  #bytes = 0
  /** What is still on disk alone, before all that is here. It counts against all bounds, so that restarts do not add up to a full disk. */
  #storedCount = 0
  #storedBytes = 0

  constructor(budget: OutboxBudget, metrics: Metrics) {
    this.#budget = budget
    this.#metrics = metrics
  }

  get count(): number {
    return this.#storedCount + this.#deliveries.length - this.#taken
  }

  get bytes(): number {
    return this.#storedBytes + this.#bytes
  }

  /** What an earlier run of the hub left on disk for this session. */
  expect(count: number, bytes: number): void {
    this.#budget.bytes += bytes - this.#storedBytes
    this.#storedCount = count
    this.#storedBytes = bytes
  }

  /** Here it is, the oldest first; its bounds were kept when it was taken. */
  restore(deliveries: readonly Delivery[]): void {
    this.expect(0, 0)
    this.#deliveries = [...deliveries, ...this.#deliveries.slice(this.#taken)]
    this.#taken = 0
    for (const delivery of deliveries) this.#count(bytesOf(delivery))
  }

  /** False when the delivery was not taken. */
  push(delivery: Delivery): boolean {
    const bytes = bytesOf(delivery)
    while (!this.#hasRoomFor(bytes)) {
      if (this.#dropOldestQoS0('outbox-full-qos0')) continue
      this.#metrics.dropped('outbox-full')
      return false
    }
    this.#deliveries.push(delivery)
    this.#count(bytes)
    return true
  }

  /** Puts older deliveries before all that wait, as far as there is room. Returns those that were taken. */
  pushFirst(deliveries: readonly Delivery[]): readonly Delivery[] {
    const taken: Delivery[] = []
    for (const delivery of deliveries) {
      const bytes = bytesOf(delivery)
      if (!this.#hasRoomFor(bytes, taken.length)) this.#metrics.dropped('outbox-full')
      else {
        taken.push(delivery)
        this.#count(bytes)
      }
    }
    this.#deliveries = [...taken, ...this.#deliveries.slice(this.#taken)]
    this.#taken = 0
    return taken
  }

  peek(): Delivery | undefined {
    return this.#deliveries[this.#taken]
  }

  take(): Delivery | undefined {
    const delivery = this.#deliveries[this.#taken]
    if (delivery === undefined) return undefined
    this.#taken++
    this.#count(-bytesOf(delivery))
    if (this.#taken > 64 && this.#taken * 2 > this.#deliveries.length) {
      this.#deliveries = this.#deliveries.slice(this.#taken)
      this.#taken = 0
    }
    return delivery
  }

  /** Forgets deliveries at QoS 0, which nobody owes to a client that is away. */
  dropQoS0(): void {
    while (this.#dropOldestQoS0('away-qos0'));
  }

  clear(): void {
    this.#count(-this.#bytes)
    this.#deliveries = []
    this.#taken = 0
    this.expect(0, 0)
  }

  /** `uncounted`: deliveries that were taken and are not in the list yet. */
  #hasRoomFor(bytes: number, uncounted = 0): boolean {
    return (
      this.count + uncounted < limits.outboxMessages &&
      this.bytes + bytes <= limits.outboxBytes &&
      this.#budget.bytes + bytes <= limits.outboxBytesAll
    )
  }

  #dropOldestQoS0(reason: DropReason): boolean {
    const at = this.#deliveries.findIndex((delivery, index) => index >= this.#taken && delivery.qos === 0)
    if (at === -1) return false
    const [dropped] = this.#deliveries.splice(at, 1) as [Delivery]
    this.#count(-bytesOf(dropped))
    this.#metrics.dropped(reason)
    return true
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    this.#budget.bytes += bytes
  }
}

/** What keeping it costs: the payload, and a flat sum for the objects around it. */
function bytesOf({ message }: Delivery): number {
  return message.payload.length + message.topic.length + (message.properties?.length ?? 0) + 100
}
