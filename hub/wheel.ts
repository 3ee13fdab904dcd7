// One timing wheel for every deadline of the hub: keep-alives, time to CONNECT, session expiry. A deadline costs one place in a Set, no timer.
import type { Clock } from './clock.ts'

/** Something with a deadline. The wheel writes `dueTick`; the thing itself is the entry, so arming it allocates nothing. */
export interface Timed {
  /** The tick it is due at; 0 while it is not on the wheel. */
  dueTick: number
  onDue(): void
}

const slotCount = 512

/** Ticks once a second. Deadlines are whole seconds and are met up to one second late, never early. */
export class Wheel {
  readonly #slots: Set<Timed>[] = Array.from({ length: slotCount }, () => new Set())
  readonly #clock: Clock
  readonly #startMs: number
  readonly #stopTicking: () => void
  #tick = 1

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startMs = clock.monotonic()
    this.#stopTicking = clock.every(1000, () => this.#advance())
  }

  /** Seconds since the wheel began to turn: a clock coarse enough to be read for every packet. */
  get tick(): number {
    return this.#tick
  }

  /** Calls `onDue` once, `seconds` from now. Arming again moves the deadline. */
  arm(timed: Timed, seconds: number): void {
    this.disarm(timed)
    timed.dueTick = this.#tick + Math.max(1, Math.ceil(seconds)) + 1 // the current second is already partly over
    this.#slots[timed.dueTick % slotCount]?.add(timed)
  }

  disarm(timed: Timed): void {
    if (timed.dueTick === 0) return
    this.#slots[timed.dueTick % slotCount]?.delete(timed)
    timed.dueTick = 0
  }

  stop(): void {
    this.#stopTicking()
  }

  /** A tick may come late after a busy turn, or stand for many seconds after a suspended machine: each second's slot is visited. */
  #advance(): void {
    const now = 1 + Math.floor((this.#clock.monotonic() - this.#startMs) / 1000)
    for (; this.#tick < now; this.#tick++) {
      for (const timed of this.#slots[(this.#tick + 1) % slotCount] ?? []) {
        if (timed.dueTick !== this.#tick + 1) continue // due in a later round of the wheel
        this.disarm(timed)
        timed.onDue()
      }
    }
  }
}
