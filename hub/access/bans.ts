// Addresses from which authentications fail again and again: shut out for a while, at the cheapest place there is. What counts as again, and what
// does not, so that one device that is set up wrongly shuts out nobody else, stands in GUESSING.md.
import { createHmac, randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import type { Clock } from '../clock.ts'
import { Refusal, type RefusalCode } from '../errors.ts'
import { limits as allLimits } from '../limits.ts'
import type { Timed, Wheel } from '../wheel.ts'
import type { Actor } from './credentials.ts'
import { networkOf } from './failures.ts'
import { keepNewest } from './oldest.ts'
import { isLoopback } from './peer.ts'

type Limits = Pick<
  typeof allLimits,
  'failuresPerAddress' | 'failuresAmongOthers' | 'failuresPerName' | 'failingAddresses' | 'addressesWatched' | 'bans' | 'banSeconds'
>

export interface BansParts {
  readonly clock: Clock
  readonly wheel: Wheel
  /** Of proxies, behind which many stand. */
  readonly isProxy: (address: string) => boolean
  readonly audit: (action: string, target: string, by: Actor, detail: string) => void
  readonly limits?: Limits
}

/** An authentication that failed. */
export interface AuthenticationFailure {
  /** Who it said to be, as far as that is no secret. */
  readonly who: string
  /** Address */
  readonly from: string
  readonly code: RefusalCode
  /** What was presented; of this no more than a keyed hash is kept. */
  readonly proof: string
}

/** Times are Unix ms. */
export interface Ban {
  /** A /64 of IPv6. */
  readonly address: string
  readonly since: number
  readonly until: number
  /** Authentications that failed before it. */
  readonly failures: number
  /** Connections and requests that were refused by it. */
  readonly refused: number
}

/** What has failed from one address. */
interface Tally {
  count: number
  atMs: number
  /** What was presented, as 31 bits of a hash each: the same again is not counted. */
  readonly seen: Set<number>
  readonly names: Map<string, number>
}

/** Those that may be guesses. Others are about somebody who has proven who he is, or who is to come again. */
const counted: ReadonlySet<RefusalCode> = new Set([
  'bad-credentials',
  'authentication-failed',
  'second-factor-wrong',
  'client-id-not-yours',
  'set-up-link-invalid',
  'claim-ended',
])

/** How soon one failure is forgiven. */
const forgivenMs = 60_000
/** How long it is known that somebody was let in from an address. */
const goodMs = 24 * 3600_000

const hub: Actor = { who: 'hub', from: '' }

export class Bans {
  readonly #parts: BansParts
  readonly #limits: Limits
  readonly #key = randomBytes(32)
  readonly #tallies = new Map<string, Tally>()
  /** Networks from which somebody was let in, and when, monotonic ms. */
  readonly #good = new Map<string, number>()
  readonly #bans = new Map<string, Banned>()

  constructor(parts: BansParts) {
    this.#parts = parts
    this.#limits = parts.limits ?? allLimits
  }

  get size(): number {
    return this.#bans.size
  }

  /** The newest last. */
  all(): Ban[] {
    return [...this.#bans.values()].map(({ address, since, until, failures, refused }) => ({ address, since, until, failures, refused }))
  }

  /** Asked of each connection; counted where it is. */
  isShutOut(address: string): boolean {
    if (this.#bans.size === 0) return false
    const ban = this.#bans.get(networkOf(address))
    if (ban === undefined) return false
    ban.refused++
    return true
  }

  /** Errors: `address-banned`. */
  assertFree(address: string): void {
    if (!this.isShutOut(address)) return
    const { until } = this.#bans.get(networkOf(address)) as Banned
    const seconds = Math.max(1, Math.ceil((until - this.#parts.clock.now()) / 1000))
    throw new Refusal('address-banned', { address, seconds })
  }

  failed({ who, from, code, proof }: AuthenticationFailure): void {
    if (!counted.has(code) || this.#isExempt(from)) return
    const network = networkOf(from)
    if (this.#bans.has(network)) return // it was connected before
    const tally = this.#tallyOf(network)
    const { failuresPerAddress, failuresAmongOthers } = this.#limits
    const isAmongOthers = this.#clock() - (this.#good.get(network) ?? Number.NEGATIVE_INFINITY) < goodMs
    const most = isAmongOthers ? failuresAmongOthers : failuresPerAddress
    if (!this.#isNew(tally, who, proof, isAmongOthers, most)) return
    tally.count++
    if (tally.count > most) this.#begin(network, Math.round(tally.count), code)
  }

  /** Somebody was let in from there. */
  letIn(address: string): void {
    if (this.#isExempt(address)) return
    const network = networkOf(address)
    const nowMs = this.#clock()
    const knownMs = this.#good.get(network)
    if (knownMs !== undefined && nowMs - knownMs < forgivenMs) return
    this.#good.delete(network)
    this.#good.set(network, nowMs)
    keepNewest(this.#good, this.#limits.addressesWatched)
  }

  /** Errors: `ban-unknown`. */
  lift(address: string, by: Actor): string {
    const ban = this.#bans.get(address) ?? this.#bans.get(networkOf(address))
    if (ban === undefined) throw new Refusal('ban-unknown', { address: JSON.stringify(address.slice(0, 64)) })
    this.#end(ban, 'ban.lift', by)
    return ban.address
  }

  /** Without a word: they end with the process. */
  stop(): void {
    for (const ban of this.#bans.values()) this.#parts.wheel.disarm(ban)
    this.#bans.clear()
  }

  /** This machine; who is known by no address at all; a proxy whose word is taken, and has none of whom it speaks for. */
  #isExempt(address: string): boolean {
    return isIP(address) === 0 || isLoopback(address) || this.#parts.isProxy(address)
  }

  #clock(): number {
    return this.#parts.clock.monotonic()
  }

  #tallyOf(network: string): Tally {
    const nowMs = this.#clock()
    const tally = this.#tallies.get(network) ?? { count: 0, atMs: nowMs, seen: new Set(), names: new Map() }
    tally.count = Math.max(0, tally.count - (nowMs - tally.atMs) / forgivenMs)
    tally.atMs = nowMs
    this.#tallies.delete(network)
    this.#tallies.set(network, tally)
    keepNewest(this.#tallies, this.#limits.failingAddresses)
    return tally
  }

  #isNew({ seen, names }: Tally, who: string, proof: string, isAmongOthers: boolean, most: number): boolean {
    const hash = createHmac('sha256', this.#key).update(proof).digest().readUInt32BE() >>> 1
    if (seen.has(hash)) return false
    seen.add(hash)
    keepNewest(seen, most)
    const times = (names.get(who) ?? 0) + 1
    names.set(who, times)
    keepNewest(names, most)
    return !isAmongOthers || times <= this.#limits.failuresPerName
  }

  #begin(address: string, failures: number, code: RefusalCode): void {
    const { clock, wheel, audit } = this.#parts
    const { bans, banSeconds } = this.#limits
    this.#tallies.delete(address)
    const [oldest] = this.#bans.values()
    if (this.#bans.size >= bans && oldest !== undefined) this.#end(oldest, 'ban.end', hub)
    const since = clock.now()
    const ban = new Banned({ address, since, until: since + banSeconds * 1000, failures, refused: 0 }, () => this.#end(ban, 'ban.end', hub))
    this.#bans.set(address, ban)
    wheel.arm(ban, banSeconds)
    audit('ban.begin', `address/${address}`, hub, `${failures} authentications failed, the last with ${code}`)
  }

  #end(ban: Banned, action: 'ban.end' | 'ban.lift', by: Actor): void {
    this.#parts.wheel.disarm(ban)
    this.#bans.delete(ban.address)
    this.#parts.audit(action, `address/${ban.address}`, by, `connections and requests refused by it: ${ban.refused}`)
  }
}

class Banned implements Ban, Timed {
  readonly address: string
  readonly since: number
  readonly until: number
  readonly failures: number
  refused: number
  readonly onDue: () => void
  dueTick = 0

  constructor({ address, since, until, failures, refused }: Ban, onDue: () => void) {
    this.address = address
    this.since = since
    this.until = until
    this.failures = failures
    this.refused = refused
    this.onDue = onDue
  }
}
