// Who may open a connection now. Identity comes later; until then the address decides.

import type { Settings } from '../config.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { Peers } from './peers.ts'

export class Admission {
  readonly #settings: Settings
  /** Whose address a connection has. */
  readonly peers: Peers

  constructor(settings: Settings) {
    this.#settings = settings
    this.peers = new Peers(settings.trustedProxy)
  }

  /** One more device connection beside `open` others. Errors: `too-many-connections`. */
  assertRoom(open: number): void {
    if (open >= limits.connections) throw new Refusal('too-many-connections', { limit: limits.connections })
  }

  /** Errors: `not-authorized` for someone without credentials from an address that needs them. */
  assertAnonymous(address: string): void {
    const { allowAnonymous } = this.#settings
    if (allowAnonymous === 'everyone' || (allowAnonymous === 'loopback' && isLoopback(address))) return
    throw new Refusal('not-authorized', { address })
  }

  /**
   * A web page may talk to the hub that served it, and to others that name it. Without this any page in a browser on this machine could
   * send readings to the hub on loopback, or read from it by pointing its own name at 127.0.0.1. Errors: `origin-not-allowed`.
   */
  assertOrigin(origin: string | undefined, host: string | undefined): void {
    if (this.#settings.allowAnonymous === 'loopback' && host !== undefined && !isLoopbackHost(host)) {
      throw new Refusal('origin-not-allowed', { origin: origin ?? host })
    }
    if (origin === undefined || origin === `http://${host}` || origin === `https://${host}`) return
    if (this.#settings.allowOrigin.includes(origin)) return
    throw new Refusal('origin-not-allowed', { origin })
  }
}

/** Of an address, with or without `:port` behind it. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address.startsWith('::ffff:127.') || address === '::1' || address.startsWith('[::1]')
}

function isLoopbackHost(host: string): boolean {
  const name = host.replace(/:\d+$/, '')
  return name === 'localhost' || name.endsWith('.localhost') || name === '[::1]' || /^127(\.\d{1,3}){3}$/.test(name)
}
