// Tokens of another issuer: JWT (RFC 7519), verified with the keys it publishes as a JWKS (RFC 7517), which it may change at any time.
import { createLocalJWKSet, decodeProtectedHeader, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import { isDeviceId } from '../../devices/device.ts'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import { limits as allLimits } from '../limits.ts'
import type { Proven } from './authenticator.ts'
import type { Owner } from './credential.ts'
import { fetchText, isSafeUrl } from './fetch.ts'

/** With public keys alone: `none` proves nothing, and an HS token could be signed with the public key as its secret.  RFC 8725 section 3.1 */
export const algorithmsKnown = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const
export type JwtAlgorithm = (typeof algorithmsKnown)[number]

export interface JwtIssuer {
  /** `iss` and `aud` of its tokens, letter by letter. */
  readonly issuer: string
  readonly audience: string
  readonly keysUrl: string
  readonly algorithms: readonly JwtAlgorithm[]
  /** What its tokens are for, and the claim that names it. */
  readonly of: Owner['is']
  readonly nameClaim: string
  /** The claim that names a role, among those it may give; without one, `role`. */
  readonly roleClaim: string | undefined
  readonly rolesAllowed: readonly string[]
  readonly role: string
}

type Limits = Pick<typeof allLimits, 'jwtBytes' | 'jwtsUnderWay' | 'jwksBytes' | 'credentialTextBytes'>
type Keys = ReturnType<typeof createLocalJWKSet>

/** A key that is not known is looked for by asking the issuer; not more often than this, whoever sends what. */
const askAgainMs = 30_000
/** After this the keys are asked for again, so that one which the issuer took back ends; it is not waited for. */
const freshMs = 10 * 60_000
/** An issuer that cannot be asked for longer is not believed any more: it could have taken a key back. */
const believedMs = 60 * 60_000
const fetchTimeoutMs = 5_000
/** Clocks differ. */
const toleranceSeconds = 30

export class Jwts {
  readonly #issuer: JwtIssuer
  readonly #clock: Clock
  readonly #limits: Limits
  readonly #onFailure: (error: unknown) => void
  #keys: { readonly find: Keys; readonly atMs: number } | undefined = undefined
  #askedAtMs = Number.NEGATIVE_INFINITY
  #asking: Promise<void> | undefined = undefined
  #underWay = 0

  /** `onFailure`: the keys could not be had. Errors: for an issuer that cannot be used safely. */
  constructor(issuer: JwtIssuer, clock: Clock, onFailure: (error: unknown) => void, limits: Limits = allLimits) {
    const { algorithms, keysUrl, audience, issuer: name } = issuer
    const foreign = algorithms.find((algorithm) => !algorithmsKnown.includes(algorithm))
    if (foreign !== undefined || algorithms.length === 0)
      throw new Error(`The algorithms of an issuer are some of ${algorithmsKnown.join(', ')}; it was given "${foreign ?? ''}".`)
    if (!isSafeUrl(keysUrl)) throw new Error(`The keys of an issuer are fetched from https://…; it was given "${keysUrl}".`)
    if (audience === '' || name === '')
      throw new Error('An issuer has a name and an audience: tokens for somebody else are not for the hub.')
    this.#issuer = issuer
    this.#clock = clock
    this.#limits = limits
    this.#onFailure = onFailure
  }

  isLike(text: string): boolean {
    return text.startsWith('eyJ') && text.length <= this.#limits.jwtBytes && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(text)
  }

  /** undefined for a token that proves nothing. Errors: `Refusal('authentication-busy' | 'authentication-unavailable')`. */
  async verify(text: string): Promise<Proven | undefined> {
    if (!this.isLike(text) || !this.#isAllowed(text)) return undefined
    if (this.#underWay >= this.#limits.jwtsUnderWay) throw new Refusal('authentication-busy', { name: 'jwtsUnderWay', seconds: 1 })
    this.#underWay++
    try {
      const claims = await this.#claimsOf(text)
      return claims === undefined ? undefined : this.#proven(claims)
    } finally {
      this.#underWay--
    }
  }

  /** Looked at before a key is looked for: what may not be used anyway makes nobody ask the issuer. */
  #isAllowed(text: string): boolean {
    try {
      return (this.#issuer.algorithms as readonly unknown[]).includes(decodeProtectedHeader(text).alg)
    } catch {
      return false
    }
  }

  async #claimsOf(text: string): Promise<JWTPayload | undefined> {
    const known = await this.#currentKeys()
    try {
      return await this.#verified(text, known)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) return proofFailed(error)
    }
    if (!(await this.#ask()) || this.#keys === undefined) return undefined
    return this.#verified(text, this.#keys.find).catch(proofFailed)
  }

  async #verified(text: string, find: Keys): Promise<JWTPayload> {
    const { issuer, audience, algorithms } = this.#issuer
    const checks = { issuer, audience, algorithms: [...algorithms], requiredClaims: ['exp'], clockTolerance: toleranceSeconds }
    return (await jwtVerify(text, find, { ...checks, currentDate: new Date(this.#clock.now()) })).payload
  }

  async #currentKeys(): Promise<Keys> {
    const ageMs = () => this.#clock.monotonic() - (this.#keys?.atMs ?? Number.NEGATIVE_INFINITY)
    if (ageMs() > believedMs) await this.#ask()
    else if (ageMs() > freshMs) void this.#ask()
    if (this.#keys === undefined || ageMs() > believedMs) throw new Refusal('authentication-unavailable', { seconds: askAgainMs / 1000 })
    return this.#keys.find
  }

  /** Asks the issuer, all who wait for it together. False: it was asked not long ago, and is not asked again. */
  async #ask(): Promise<boolean> {
    if (this.#asking === undefined) {
      if (this.#clock.monotonic() - this.#askedAtMs < askAgainMs) return false
      this.#askedAtMs = this.#clock.monotonic()
      this.#asking = this.#fetchKeys()
        .catch(this.#onFailure)
        .finally(() => {
          this.#asking = undefined
        })
    }
    await this.#asking
    return true
  }

  async #fetchKeys(): Promise<void> {
    const bounds = { timeoutMs: fetchTimeoutMs, bytesMax: this.#limits.jwksBytes }
    const { status, text } = await fetchText(this.#issuer.keysUrl, { headers: { accept: 'application/json' } }, bounds)
    if (status !== 200) throw new Error(`the issuer answered ${status}`)
    this.#keys = { find: createLocalJWKSet(JSON.parse(text) as JSONWebKeySet), atMs: this.#clock.monotonic() } // which checks its form
  }

  #proven(claims: JWTPayload): Proven | undefined {
    const { of, nameClaim, roleClaim, rolesAllowed, role, issuer } = this.#issuer
    const name = claims[nameClaim]
    if (typeof name !== 'string' || name === '' || Buffer.byteLength(name) > this.#limits.credentialTextBytes) return undefined
    if (of === 'device' && !isDeviceId(name)) return undefined
    const given = roleClaim === undefined ? undefined : claims[roleClaim]
    if (given !== undefined && !(typeof given === 'string' && rolesAllowed.includes(given))) return undefined
    const until = ((claims.exp as number) + toleranceSeconds) * 1000 // `exp` is required
    return { of: { is: of, name }, role: given ?? role, credential: `jwt ${issuer}`, until }
  }
}

/** What jose says of a token that is not right; anything else is a bug. */
function proofFailed(error: unknown): undefined {
  if (error instanceof errors.JOSEError) return undefined
  throw error
}
