// One timing wheel for every deadline of the hub: keep-alives, time to CONNECT, session expiry. A deadline costs one place in a Set, no timer.
// Thousands may be due in one second, when a network was lost: they are met in slices, and between two of them the loop has its turn.
import type { Clock } from './clock.ts'

/** Something with a deadline. The wheel writes `dueTick`; the thing itself is the entry, so arming it allocates nothing. */
export interface Timed {
  /** The tick it is due at; 0 while it is not on the wheel. */
  dueTick: number
  onDue(): void
}

const slotCount = 512

/** How long the loop is held for what is due together. One deadline may cost 10 µs, and one that hands messages on to others far more. */
const sliceMs = 5

/** Ticks once a second. Deadlines are whole seconds and are met up to one second late (later while slices are under way), never early. */
export class Wheel {
  readonly #slots: Set<Timed>[] = Array.from({ length: slotCount }, () => new Set())
  readonly #clock: Clock
  readonly #startMs: number
  readonly #stopTicking: () => void
  #tick = 1
  /** The last second whose deadlines are all met. It stays behind the clock while slices are under way. */
  #met = 1
  /** What a slice left of the second after that one. */
  #left: SetIterator<Timed> | undefined = undefined
  #nextSlice: NodeJS.Immediate | undefined = undefined

  constructor(clock: Clock) {
    this.#clock = clock
    this.#startMs = clock.monotonic()
    this.#stopTicking = clock.every(1000, () => this.#advance())
  }

  /**
   * Seconds since the wheel began to turn: a clock coarse enough to be read for every packet. In `onDue` it is the last second that is wholly
   * over, so that whoever compares it with a second noted before never finds more time between them than has passed.
   */
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
    clearImmediate(this.#nextSlice)
  }

  #advance(): void {
    if (this.#nextSlice === undefined) this.#meet()
    else this.#tick = this.#now() // the slices come to this second by themselves
  }

  #now(): number {
    return 1 + Math.floor((this.#clock.monotonic() - this.#startMs) / 1000)
  }

  /** A tick may come late after a busy turn, or stand for many seconds after a suspended machine: each second's slot is visited. */
  #meet(): void {
    this.#nextSlice = undefined
    const now = this.#now()
    this.#tick = now - 1
    this.#nextSlice = this.#meetUntil(now) ? undefined : setImmediate(() => this.#meet())
    this.#tick = now
  }

  /** False when the slice was over before all was met. */
  #meetUntil(now: number): boolean {
    const startMs = this.#clock.monotonic()
    for (; this.#met < now; this.#met++) {
      const second = this.#met + 1
      // Goes on where it stopped, whatever was armed or disarmed meanwhile: what is new in the slot is due in a later round.
      this.#left ??= (this.#slots[second % slotCount] as Set<Timed>).values()
      for (let next = this.#left.next(); next.done !== true; next = this.#left.next()) {
        const timed = next.value
        if (timed.dueTick !== second) continue // due in a later round of the wheel
        this.disarm(timed)
        timed.onDue()
        if (this.#clock.monotonic() - startMs >= sliceMs) return false
      }
      this.#left = undefined
    }
    return true
  }
}
