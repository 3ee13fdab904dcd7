// First contact without any secret: a device shows a code to people, and comes in once somebody with the right for it has said that code. In the
// manner of the device flow of OAuth (RFC 8628). All of it is in memory: a hub that starts anew knows of no claim, and devices begin another.
import { type KeyObject, randomInt } from 'node:crypto'
import { type DeviceChange, type DeviceId, isDeviceId } from '../../devices/device.ts'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { limits as allLimits } from '../limits.ts'
import type { AuthenticationFailure } from './bans.ts'
import type { Actor, Credentials } from './credentials.ts'
import { type Failures, networkOf } from './failures.ts'
import { isToken, makeToken, tokenHash } from './token.ts'

type Limits = Pick<typeof allLimits, 'claims' | 'claimsPerAddress' | 'claimSeconds'>

export interface ClaimsParts {
  /** Whether the hub takes claims at all. */
  readonly isOpen: boolean
  /** The secret under which those of devices are hashed. */
  readonly key: KeyObject
  readonly credentials: Credentials
  readonly failures: Failures
  readonly clock: Clock
  /** Puts a device on record, and describes it. */
  readonly register: (id: DeviceId, said: DeviceChange) => Promise<void>
  readonly audit: (action: string, target: string, by: Actor, detail: string) => Promise<void>
  /** Told of a secret that belongs to no claim. */
  readonly onRefused: (failure: AuthenticationFailure) => void
  readonly limits?: Limits
}

/** What people see of it. Times are Unix ms. */
export interface Claim {
  /** `WDJB-MJHT` */
  readonly claim: string
  readonly device: DeviceId
  readonly address: string
  readonly since: number
  readonly until: number
  /** Somebody has accepted it, and the device has not fetched its token yet. */
  readonly accepted: boolean
}

interface Grant {
  readonly role: string
  readonly by: Actor
}

type State =
  | { readonly is: 'waiting' }
  | { readonly is: 'refused' }
  /** Something of it is on its way to the disk. */
  | { readonly is: 'busy' }
  | { readonly is: 'accepted'; readonly grant: Grant }
  | { readonly is: 'fetched'; readonly grant: Grant; readonly credential: string; readonly againUntilMs: number }

interface Entry extends Omit<Claim, 'accepted'> {
  readonly hash: string
  /** Monotonic ms */
  readonly endsMs: number
  state: State
}

/** Without vowels, so that no code is a word, and without what is taken for another letter.  RFC 8628 section 6.1 */
const letters = 'BCDFGHJKLMNPQRSTVWXZ'
/** An answer may get lost: so long the device may fetch a token again. */
const againMs = 60_000
/** What a device is to wait between two looks. */
export const pollSeconds = 5

export class Claims {
  readonly #parts: ClaimsParts
  readonly #limits: Limits
  /** By the hash of the device's secret, the oldest first, which is the first to end. */
  readonly #entries = new Map<string, Entry>()
  readonly #codes = new Map<string, Entry>()

  constructor(parts: ClaimsParts) {
    this.#parts = parts
    this.#limits = parts.limits ?? allLimits
  }

  /** Those that people may still do something about, or the device. */
  all(): Claim[] {
    this.#forgetEnded()
    return [...this.#entries.values()].filter(({ state }) => state.is !== 'refused' && state.is !== 'fetched').map(claimOf)
  }

  /**
   * A device without any secret. Several may wait under one name: the code says which of them people have before them. Whether the name has
   * credentials is not said here, where anybody may ask. Errors: `claims-not-taken`, `device-id-invalid`, `too-many-claims`.
   */
  begin(device: string, address: string): { readonly claim: Claim; readonly secret: string } {
    const { isOpen, key, clock } = this.#parts
    if (!isOpen) throw new Refusal('claims-not-taken')
    const shown = JSON.stringify(device.slice(0, 64))
    if (!isDeviceId(device)) throw new Refusal('device-id-invalid', { id: shown })
    this.#forgetEnded()
    this.#assertRoom(networkOf(address))
    const { claimSeconds } = this.#limits
    const since = clock.now()
    const secret = makeToken('mrc_')
    const entry: Entry = {
      ...{ claim: this.#newCode(), device, address, since, until: since + claimSeconds * 1000 },
      ...{ hash: tokenHash(key, secret), endsMs: clock.monotonic() + claimSeconds * 1000, state: { is: 'waiting' } },
    }
    this.#entries.set(entry.hash, entry)
    this.#codes.set(entry.claim, entry)
    return { claim: claimOf(entry), secret }
  }

  /**
   * The device asks: its token, once it was claimed; until then the claim. No token is kept for it: one that it fetches again takes the place of
   * the one before, which is revoked. Errors: `claims-not-taken`, `claim-ended`.
   */
  async poll(device: string, secret: string, address: string): Promise<{ readonly token: string } | { readonly claim: Claim }> {
    const entry = this.#entryOf(device, secret, address)
    const { credentials, clock } = this.#parts
    const { state } = entry
    if (state.is === 'refused') throw new Refusal('claim-ended', { detail: 'it was refused' })
    if (state.is === 'waiting' || state.is === 'busy') return { claim: claimOf(entry) }
    if (state.is === 'fetched' && (clock.monotonic() >= state.againUntilMs || credentials.find(state.credential) === undefined))
      throw new Refusal('claim-ended', { detail: 'its token was fetched' })
    if (state.is === 'accepted' && credentials.isOwner({ is: 'device', name: entry.device })) {
      entry.state = { is: 'refused' }
      throw new Refusal('claim-ended', { detail: 'the device has credentials by now' })
    }
    return { token: await this.#fetch(entry, state, address) }
  }

  /** Somebody has seen the code on the device. Errors: `claim-unknown`, `claim-refused`, and those of who tries too many codes. */
  async accept(code: string, { role, ...said }: { readonly role: string } & DeviceChange, by: Actor): Promise<Claim> {
    const { credentials, register, audit } = this.#parts
    const entry = this.#byCode(code, by, ['waiting'])
    const { device, address } = entry
    const refused = (detail: string) => new Refusal('claim-refused', { device, detail })
    if (credentials.isOwner({ is: 'device', name: device })) throw refused('it has credentials; revoke them first')
    const isTaken = [...this.#entries.values()].some(
      (one) => one.device === device && (one.state.is === 'accepted' || one.state.is === 'busy'),
    )
    if (isTaken) throw refused('another claim to it was accepted, and its token is not fetched yet')
    entry.state = { is: 'busy' }
    try {
      await register(device, said)
      await audit('claim.accept', `device/${device}`, by, `as ${role}, for ${address}`)
    } catch (error) {
      entry.state = { is: 'waiting' }
      throw error
    }
    entry.state = { is: 'accepted', grant: { role, by } }
    return claimOf(entry)
  }

  /** Also one that was accepted, as long as its token is not fetched. Errors: as of `accept`. */
  async refuse(code: string, by: Actor): Promise<Claim> {
    const entry = this.#byCode(code, by, ['waiting', 'accepted'])
    entry.state = { is: 'refused' }
    await this.#parts.audit('claim.refuse', `device/${entry.device}`, by, `for ${entry.address}`)
    return claimOf(entry)
  }

  async #fetch(entry: Entry, before: Extract<State, { grant: Grant }>, from: string): Promise<string> {
    const { credentials, clock } = this.#parts
    const { grant } = before
    const { device } = entry
    const by = { who: `claim/${grant.by.who}`, from }
    const label = [...`claimed by ${grant.by.who}`].slice(0, labelLengthMax).join('')
    entry.state = { is: 'busy' }
    try {
      if (before.is === 'fetched') await credentials.revoke(before.credential, by)
      const { credential, secret } = await credentials.create(
        { of: { is: 'device', name: device }, kind: 'token', role: grant.role, label },
        by,
      )
      const againUntilMs = before.is === 'fetched' ? before.againUntilMs : clock.monotonic() + againMs
      entry.state = { is: 'fetched', grant, credential: credential.id, againUntilMs }
      return secret as string
    } catch (error) {
      entry.state = { is: 'accepted', grant }
      throw error
    }
  }

  #entryOf(device: string, secret: string, from: string): Entry {
    const { isOpen, key, onRefused } = this.#parts
    if (!isOpen) throw new Refusal('claims-not-taken')
    this.#forgetEnded()
    const entry = isToken(secret, 'mrc_') ? this.#entries.get(tokenHash(key, secret)) : undefined
    if (entry !== undefined && entry.device === device) return entry
    onRefused({ who: isDeviceId(device) ? `device/${device}` : '', from, code: 'claim-ended', proof: secret })
    throw new Refusal('claim-ended', { detail: 'it is unknown, or too old' })
  }

  /** Codes are short enough to be guessed, so wrong ones are counted as wrong passwords are. */
  #byCode(code: string, { who, from }: Actor, states: readonly State['is'][]): Entry {
    this.#forgetEnded()
    const attempt = this.#parts.failures.begin(from, `claims of ${who}`, false)
    const entry = this.#codes.get(plain(code))
    attempt.end(entry === undefined)
    if (entry === undefined || !states.includes(entry.state.is))
      throw new Refusal('claim-unknown', { claim: JSON.stringify(code.slice(0, 16)) })
    return entry
  }

  #assertRoom(network: string): void {
    const { claims, claimsPerAddress } = this.#limits
    const refused = (name: string) => new Refusal('too-many-claims', { name, seconds: 60 })
    if (this.#entries.size >= claims) throw refused('claims')
    const near = [...this.#entries.values()].filter(({ address }) => networkOf(address) === network)
    if (near.length >= claimsPerAddress) throw refused('claimsPerAddress')
  }

  #newCode(): string {
    let code: string
    do code = plain(Array.from({ length: 8 }, () => letters[randomInt(letters.length)]).join(''))
    while (this.#codes.has(code))
    return code
  }

  #forgetEnded(): void {
    const nowMs = this.#parts.clock.monotonic()
    for (const entry of this.#entries.values()) {
      if (nowMs < entry.endsMs) return
      this.#entries.delete(entry.hash)
      this.#codes.delete(entry.claim)
    }
  }
}

/** Characters of a label, which has to fit its bound in bytes whoever claimed. */
const labelLengthMax = 60

/** However people type it. */
function plain(code: string): string {
  const text = code.toUpperCase().replace(/[^A-Z]/g, '')
  return `${text.slice(0, 4)}-${text.slice(4)}`
}

function claimOf({ claim, device, address, since, until, state }: Entry): Claim {
  return { claim, device, address, since, until, accepted: state.is === 'accepted' }
}
