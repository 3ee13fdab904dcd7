// Who may open a connection now. Identity comes later; until then the address decides.

import type { IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import type { Bans } from '../access/bans.ts'
import { networkOf } from '../access/failures.ts'
import { keepNewest } from '../access/oldest.ts'
import { addressIn, isLoopback, type Peer } from '../access/peer.ts'
import type { Clock } from '../clock.ts'
import type { Settings } from '../config.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { Peers } from './peers.ts'

export class Admission {
  readonly #settings: Settings
  /** Whose address a connection has. */
  readonly peers: Peers
  readonly #clock: Clock
  readonly #bans: Pick<Bans, 'size' | 'isShutOut' | 'assertFree'>
  /** How many connections each network may still open, and when that was counted, monotonic ms. */
  readonly #comings = new Map<string, { readonly left: number; readonly atMs: number }>()

  constructor(settings: Settings, clock: Clock, bans: Pick<Bans, 'size' | 'isShutOut' | 'assertFree'>) {
    this.#settings = settings
    this.#bans = bans
    this.#clock = clock
    this.peers = new Peers(settings.trustedProxy)
  }

  /** One more device connection beside `open` others. Errors: `too-many-connections`. */
  assertRoom(open: number): void {
    if (open >= limits.connections) throw new Refusal('too-many-connections', { limit: limits.connections })
  }

  /** Closed before a byte of it is read. */
  isShutOut(socket: Socket): boolean {
    return this.#bans.size > 0 && this.#bans.isShutOut(addressIn(this.peers.nameOf(socket)))
  }

  /** Of a request for a connection. Errors: `address-banned`. */
  assertFree(address: string): void {
    this.#bans.assertFree(address)
  }

  /** One more connection from there. This machine is not counted. Errors: `connection-rate-exceeded`. */
  assertRate(address: string): void {
    if (isLoopback(address)) return
    const network = networkOf(address)
    const { connectionsPerAddress: most, connectionsPerAddressSecond: perSecond } = limits
    const nowMs = this.#clock.monotonic()
    const { left, atMs } = this.#comings.get(network) ?? { left: most, atMs: nowMs }
    const has = Math.min(most, left + ((nowMs - atMs) / 1000) * perSecond)
    if (has < 1) throw new Refusal('connection-rate-exceeded', { address, limit: perSecond })
    this.#comings.set(network, { left: has - 1, atMs: nowMs })
    keepNewest(this.#comings, limits.addressesWatched)
  }

  /**
   * Of someone without credentials. A page in a browser on this machine could point its own name at 127.0.0.1 and be the hub's own origin
   * there; what it cannot have is credentials. Errors: `not-authorized` from an address that needs them, `origin-not-allowed`.
   */
  assertAnonymous({ address, host }: Pick<Peer, 'address' | 'host'>): void {
    const { allowAnonymous } = this.#settings
    if (allowAnonymous === 'everyone') return
    if (allowAnonymous !== 'loopback' || !isLoopback(address)) throw new Refusal('not-authorized', { address })
    if (host !== undefined && !isLoopbackHost(host)) throw new Refusal('origin-not-allowed', { origin: host })
  }

  /** Nobody can administer the hub from where it can be reached unless somebody has logged in. */
  get needsAdmin(): boolean {
    const { allowAnonymous, listen } = this.#settings
    return allowAnonymous === 'nobody' || (allowAnonymous === 'loopback' && !isLoopback(listen))
  }

  /**
   * Of a request by a cookie, which browsers send along whoever asks them to: it has to come from a page that may talk to the hub. SameSite keeps
   * other sites out, and not other ports or names of the same site. `origin` is one that may, or undefined. Errors: `origin-needed`.
   */
  assertFromPage(method: string | undefined, { origin, 'sec-fetch-site': site }: IncomingHttpHeaders): void {
    if (origin !== undefined || site === 'same-origin') return
    const onlyReads = method === 'GET' || method === 'HEAD'
    if (!onlyReads || site === 'same-site' || site === 'cross-site') throw new Refusal('origin-needed')
  }

  /**
   * A web page may talk to the hub that served it, and to others that name it. Without this any page in a browser on this machine could
   * send readings to the hub on loopback. Over TLS a page that came in the clear is another one: anybody on the way could have written it.
   * Errors: `origin-not-allowed`.
   */
  assertOrigin(origin: string | undefined, host: string | undefined, isTls = false): void {
    if (origin === undefined || origin === `https://${host}` || (!isTls && origin === `http://${host}`)) return
    if (this.#settings.allowOrigin.includes(origin)) return
    throw new Refusal('origin-not-allowed', { origin })
  }
}

function isLoopbackHost(host: string): boolean {
  const name = host.replace(/:\d+$/, '')
  return name === 'localhost' || name.endsWith('.localhost') || name === '[::1]' || /^127(\.\d{1,3}){3}$/.test(name)
}
