// One publishing connection of the load generator, with its window. This is the hot path: no object, closure or promise per message.
import type { RawConnection } from './connection.ts'
import { Ring } from './ring.ts'
import type { Tally } from './tally.ts'

const pingRequest = Buffer.of(0xc0, 0)

/** How messages are handed out: as fast as the window allows (`due` is undefined), or when they are due. */
export interface Schedule {
  /** How many more messages all publishers together may send. */
  budget: number
  /** Open loop: when message number `n` of publisher `index` is due, in the ms of `performance.now()`. */
  readonly due: ((index: number, n: number) => number) | undefined
}

/** QoS 1: each slot of the ring waits for its own PUBACK, in order. */
export class Publisher {
  underWay = 0
  readonly #connection: RawConnection
  readonly #ring: Ring
  readonly #window: number
  readonly #index: number
  readonly #tally: Tally
  readonly #sentAtMs: Float64Array
  #schedule: Schedule = { budget: 0, due: undefined }
  #sent = 0 // since the connection opened: names slot and packet identifier
  #sentOfRun = 0
  #acknowledged = 0
  #held: Buffer | undefined

  constructor(connection: RawConnection, index: number, window: number, tally: Tally) {
    this.#connection = connection
    this.#index = index
    this.#window = window
    this.#tally = tally
    this.#ring = new Ring(`devices/bench-${index}/telemetry`, 1, window)
    this.#sentAtMs = new Float64Array(window)
    connection.onBytes = (bytes, from, to) => this.#onBytes(bytes, from, to)
    connection.onClosed = () => tally.broken(`bench-${index} was disconnected`)
  }

  begin(schedule: Schedule): void {
    this.#schedule = schedule
    this.#sentOfRun = 0
    this.pump(performance.now())
  }

  /** Sends what the window, the budget and the schedule allow. */
  pump(nowMs: number): void {
    const { budget, due } = this.#schedule
    let count = Math.min(this.#window - this.underWay, budget)
    if (due !== undefined) {
      let owed = 0
      while (owed < count && due(this.#index, this.#sentOfRun + owed) <= nowMs) owed++
      count = owed
    }
    if (count <= 0) return
    this.#schedule.budget -= count
    const { stride, bytes } = this.#ring
    const first = this.#sent % this.#window
    for (let n = 0; n < count; n++) {
      const slot = (first + n) % this.#window
      this.#ring.write(slot * stride, this.#sent, (this.#sent % 0xffff) + 1)
      // Open loop: from when it was due, so that a server that stalls is not flattered.
      this.#sentAtMs[slot] = due === undefined ? nowMs : due(this.#index, this.#sentOfRun)
      this.#sent++
      this.#sentOfRun++
    }
    this.underWay += count
    const end = first + count
    if (end <= this.#window) this.#connection.write(bytes.subarray(first * stride, end * stride))
    else this.#connection.writeBoth(bytes.subarray(first * stride), bytes.subarray(0, (end - this.#window) * stride))
  }

  #onBytes(bytes: Buffer, from: number, to: number): void {
    if (this.#held !== undefined) {
      bytes = Buffer.concat([this.#held, bytes.subarray(from, to)])
      from = 0
      to = bytes.length
      this.#held = undefined
    }
    const nowMs = performance.now()
    const { latency } = this.#tally
    let at = from
    for (; at + 4 <= to; at += 4) {
      const packetId = (bytes[at + 2]! << 8) | bytes[at + 3]!
      if (bytes[at] !== 0x40 || bytes[at + 1] !== 2) {
        this.#tally.broken(`bench-${this.#index} got ${bytes[at]} instead of PUBACK`)
        return
      }
      if (packetId !== (this.#acknowledged % 0xffff) + 1) this.#tally.outOfOrder++
      latency.record((nowMs - this.#sentAtMs[this.#acknowledged % this.#window]!) * 1000)
      this.#acknowledged++
      this.underWay--
      if (this.underWay < 0) this.#tally.duplicates++
    }
    this.#tally.confirmed += (at - from) / 4
    if (at < to) this.#held = Buffer.from(bytes.subarray(at, to))
    this.pump(nowMs)
  }
}

/** QoS 0: nothing is acknowledged, so a PINGREQ behind each quarter of the window confirms that the server has read it. */
export class UnacknowledgedPublisher {
  underWay = 0
  readonly #connection: RawConnection
  readonly #ring: Ring
  readonly #group: number
  readonly #index: number
  readonly #tally: Tally
  readonly #sentAtMs = new Float64Array(4)
  #schedule: Schedule = { budget: 0, due: undefined }
  #groupsSent = 0
  #groupsConfirmed = 0
  #messages = 0
  #halfPong = false

  constructor(connection: RawConnection, index: number, window: number, tally: Tally) {
    this.#connection = connection
    this.#index = index
    this.#group = window / 4
    this.#tally = tally
    this.#ring = new Ring(`devices/bench-${index}/telemetry`, 0, window, this.#group, pingRequest)
    connection.onBytes = (bytes, from, to) => this.#onBytes(bytes, from, to)
    connection.onClosed = () => tally.broken(`bench-${index} was disconnected`)
  }

  begin(schedule: Schedule): void {
    this.#schedule = schedule
    this.pump(performance.now())
  }

  pump(nowMs: number): void {
    const groupBytes = this.#group * this.#ring.stride + pingRequest.length
    while (this.#groupsSent - this.#groupsConfirmed < 4 && this.#schedule.budget >= this.#group) {
      this.#schedule.budget -= this.#group
      const place = this.#groupsSent++ % 4
      for (let n = 0; n < this.#group; n++) this.#ring.write(place * groupBytes + n * this.#ring.stride, this.#messages++, 0)
      this.#sentAtMs[place] = nowMs
      this.underWay += this.#group
      this.#connection.write(this.#ring.bytes.subarray(place * groupBytes, (place + 1) * groupBytes))
    }
  }

  /** PINGRESPs, 0xd0 0x00 each, split anywhere. */
  #onBytes(bytes: Buffer, from: number, to: number): void {
    const nowMs = performance.now()
    for (let at = from; at < to; at++) {
      if (bytes[at] !== (this.#halfPong ? 0 : 0xd0)) {
        this.#tally.broken(`bench-${this.#index} got ${bytes[at]} instead of PINGRESP`)
        return
      }
      this.#halfPong = !this.#halfPong
      if (this.#halfPong) continue
      this.#tally.latency.record((nowMs - this.#sentAtMs[this.#groupsConfirmed++ % 4]!) * 1000)
      this.#tally.confirmed += this.#group
      this.underWay -= this.#group
      if (this.underWay < 0) this.#tally.duplicates++
    }
    this.pump(nowMs)
  }
}
