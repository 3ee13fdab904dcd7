// Wrong passwords and codes, counted: who guesses is stopped before a hash is computed for it.
import { isIPv6, SocketAddress } from 'node:net'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { limits as allLimits } from '../limits.ts'
import { keepNewest } from './oldest.ts'

type Limits = Pick<
  typeof allLimits,
  'passwordFailuresPerAddress' | 'passwordFailuresPerUsername' | 'passwordFailures' | 'passwordFailureNames' | 'codeFailuresPerUser'
>

/** Failures that one may still make. It may fall below zero by what was under way: then it takes as much longer to be forgiven. */
interface Allowance {
  left: number
  atMs: number
  underWay: number
}

/** How soon one failure is forgiven. */
const forgivenMs = { address: 6_000, username: 1_000, all: 200, code: 600_000 }

export interface Attempt {
  /** `false`: it was right, or nothing came of it. Called once. */
  end(wasWrong: boolean): void
}

export class Failures {
  readonly #clock: Clock
  readonly #limits: Limits
  readonly #addresses = new Map<string, Allowance>()
  readonly #usernames = new Map<string, Allowance>()
  /** By user, of those whose password was right: nobody else can use up what is left for codes. */
  readonly #codes = new Map<string, Allowance>()
  readonly #all: Allowance

  constructor(clock: Clock, limits: Limits = allLimits) {
    this.#clock = clock
    this.#limits = limits
    this.#all = { left: limits.passwordFailures, atMs: clock.monotonic(), underWay: 0 }
  }

  /**
   * An attempt that costs a hash. `isTrusted`: this address knew the password of this user name before; then only failures of the address
   * stop it, so that nobody locks it out by guessing from elsewhere. Errors: `Refusal`; the same whether the user name is known or not.
   */
  begin(address: string, username: string, isTrusted: boolean): Attempt {
    const { passwordFailuresPerUsername, passwordFailures } = this.#limits
    const network = networkOf(address)
    const from = this.#from(network)
    const counted = [from]
    if (!isTrusted) {
      const named = this.#known(this.#usernames, username, passwordFailuresPerUsername, forgivenMs.username)
      this.#forgive(this.#all, passwordFailures, forgivenMs.all)
      if (named.left - named.underWay < 1) throw busy('passwordFailuresPerUsername')
      if (this.#all.left - this.#all.underWay < 1) throw busy('passwordFailures')
      this.#remember(this.#usernames, username, named)
      counted.push(named, this.#all)
    }
    this.#remember(this.#addresses, network, from)
    return begun(counted)
  }

  /**
   * An attempt at the six digits of a second factor, by somebody who has proven the password of `user`. One in 333,333 is right, so they are
   * counted for the user, wherever they come from, and forgiven slowly. Errors: `too-many-codes`, and those of the address.
   */
  beginCode(address: string, user: string): Attempt {
    const network = networkOf(address)
    const from = this.#from(network)
    const codes = this.#known(this.#codes, user, this.#limits.codeFailuresPerUser, forgivenMs.code)
    if (codes.left - codes.underWay < 1) throw new Refusal('too-many-codes', { seconds: secondsUntilOne(codes, forgivenMs.code) })
    this.#remember(this.#codes, user, codes)
    this.#remember(this.#addresses, network, from)
    return begun([from, codes])
  }

  #from(network: string): Allowance {
    const { passwordFailuresPerAddress } = this.#limits
    const from = this.#known(this.#addresses, network, passwordFailuresPerAddress, forgivenMs.address)
    if (from.left < 1) throw new Refusal('too-many-failures', { seconds: secondsUntilOne(from, forgivenMs.address) })
    // Many devices behind one address may come at once, as long as none of them was wrong lately.
    if (from.left < passwordFailuresPerAddress && from.underWay >= from.left) throw busy('passwordFailuresPerAddress')
    return from
  }

  /** Of one that is not remembered it is whole. */
  #known(map: Map<string, Allowance>, name: string, max: number, everyMs: number): Allowance {
    const known = map.get(name) ?? { left: max, atMs: this.#clock.monotonic(), underWay: 0 }
    this.#forgive(known, max, everyMs)
    return known
  }

  /** Only who costs a hash is remembered: who is refused anyway would push out the others. */
  #remember(map: Map<string, Allowance>, name: string, allowance: Allowance): void {
    map.set(name, allowance)
    keepNewest(map, this.#limits.passwordFailureNames)
  }

  #forgive(allowance: Allowance, max: number, everyMs: number): void {
    const nowMs = this.#clock.monotonic()
    allowance.left = Math.min(max, allowance.left + (nowMs - allowance.atMs) / everyMs)
    allowance.atMs = nowMs
  }
}

function begun(counted: readonly Allowance[]): Attempt {
  for (const allowance of counted) allowance.underWay++
  return {
    end(wasWrong) {
      for (const allowance of counted) {
        allowance.underWay--
        if (wasWrong) allowance.left--
      }
    },
  }
}

function busy(name: string): Refusal {
  return new Refusal('authentication-busy', { name, seconds: 2 })
}

function secondsUntilOne({ left }: Allowance, everyMs: number): number {
  return Math.ceil(((1 - left) * everyMs) / 1000)
}

/** One customer of a provider has a /64 of IPv6 at least, and may take any address in it. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped !== null) return mapped[1] as string
  const [head = '', tail] = (SocketAddress.parse(`[${address}]:0`)?.address ?? address).split('::')
  const groups = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - groups.length - after.length
  const first = [...groups, ...Array<string>(zeros).fill('0'), ...after].slice(0, 4)
  return `${new SocketAddress({ address: `${first.join(':')}::`, family: 'ipv6' }).address}/64` // as people write it (RFC 5952)
}
