// How much one identity may publish: so many messages and bytes a second on average, and at once what it has saved up while it was silent. A
// device that was without a network for a while may send all it has kept.
import type { DeviceId } from '../../devices/device.ts'
import type { Clock } from '../clock.ts'
import { limits } from '../limits.ts'
import { keepNewest } from './oldest.ts'

/** Undefined: as much as it likes. */
export interface AllowanceRates {
  readonly messagesPerSecond: number | undefined
  readonly bytesPerSecond: number | undefined
  /** What is saved up at most: what it may publish in this time. */
  readonly savedMs: number
}

/** A token bucket for messages, and one for bytes. */
export class Allowance {
  readonly #clock: Clock
  #rates: AllowanceRates
  #messages: number
  #bytes: number
  #atMs: number

  constructor(clock: Clock, rates: AllowanceRates) {
    this.#clock = clock
    this.#rates = rates
    this.#messages = mostOf(rates.messagesPerSecond, rates)
    this.#bytes = mostOf(rates.bytesPerSecond, rates)
    this.#atMs = clock.monotonic()
  }

  /** By these rates from now on. With others than before it begins anew, with all that may be saved. */
  become(rates: AllowanceRates): void {
    const { messagesPerSecond, bytesPerSecond, savedMs } = this.#rates
    if (rates.messagesPerSecond === messagesPerSecond && rates.bytesPerSecond === bytesPerSecond && rates.savedMs === savedMs) return
    this.#rates = rates
    this.#messages = mostOf(rates.messagesPerSecond, rates)
    this.#bytes = mostOf(rates.bytesPerSecond, rates)
    this.#atMs = this.#clock.monotonic()
  }

  /** One message of so many bytes: 0, or the seconds after which it may come again. A message larger than all there is waits for a full bucket. */
  take(bytes: number): number {
    this.#fill()
    const { messagesPerSecond = 0, bytesPerSecond = 0 } = this.#rates
    const wanted = Math.min(bytes, mostOf(this.#rates.bytesPerSecond, this.#rates))
    if (this.#messages >= 1 && this.#bytes >= wanted) {
      this.#messages -= 1
      this.#bytes -= wanted
      return 0
    }
    const waits = [(1 - this.#messages) / messagesPerSecond, (wanted - this.#bytes) / bytesPerSecond]
    return Math.max(1, ...waits.filter(Number.isFinite).map(Math.ceil))
  }

  #fill(): void {
    const nowMs = this.#clock.monotonic()
    const seconds = (nowMs - this.#atMs) / 1000
    this.#atMs = nowMs
    const { messagesPerSecond, bytesPerSecond } = this.#rates
    this.#messages = Math.min(mostOf(messagesPerSecond, this.#rates), this.#messages + seconds * (messagesPerSecond ?? 0))
    this.#bytes = Math.min(mostOf(bytesPerSecond, this.#rates), this.#bytes + seconds * (bytesPerSecond ?? 0))
  }
}

/** Of a gateway: first what the device may publish that it speaks for, where that has a bound of its own, then what it may itself. */
export class GatewayAllowance {
  readonly #own: Allowance | undefined
  readonly #ofChild: (device: DeviceId) => Allowance | undefined

  constructor(own: Allowance | undefined, ofChild: (device: DeviceId) => Allowance | undefined) {
    this.#own = own
    this.#ofChild = ofChild
  }

  /** As `Allowance.take`. */
  take(bytes: number, device: DeviceId | undefined): number {
    const seconds = device === undefined ? 0 : (this.#ofChild(device)?.take(bytes) ?? 0)
    return seconds > 0 ? seconds : (this.#own?.take(bytes) ?? 0)
  }
}

/** One for each identity, however many connections it has. */
export class Allowances {
  readonly #clock: Clock
  readonly #ratesOf: (owner: string) => AllowanceRates
  readonly #byOwner = new Map<string, Allowance>()

  constructor(clock: Clock, ratesOf: (owner: string) => AllowanceRates) {
    this.#clock = clock
    this.#ratesOf = ratesOf
  }

  /** By the rates of this moment. Undefined where there is no bound. Past `limits.allowances` the oldest begin anew. */
  of(owner: string): Allowance | undefined {
    const rates = this.#ratesOf(owner)
    const known = this.#byOwner.get(owner)
    if (rates.messagesPerSecond === undefined && rates.bytesPerSecond === undefined) {
      this.#byOwner.delete(owner)
      return undefined
    }
    if (known !== undefined) {
      known.become(rates)
      return known
    }
    const allowance = new Allowance(this.#clock, rates)
    this.#byOwner.set(owner, allowance)
    keepNewest(this.#byOwner, limits.allowances)
    return allowance
  }
}

function mostOf(perSecond: number | undefined, { savedMs }: AllowanceRates): number {
  return perSecond === undefined ? Number.POSITIVE_INFINITY : Math.max(1, (perSecond * savedMs) / 1000)
}
