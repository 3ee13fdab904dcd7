// Who comes in: what a client presents is proven one way or another, and becomes an identity.

import { isClientIdOf, possibleOwners } from '../../devices/client-id.ts'
import type { Tags } from '../../devices/device.ts'
import type { Identity } from '../../devices/identity.ts'
import type { Clock } from '../clock.ts'
import { Refusal } from '../errors.ts'
import type { AuthenticationFailure } from './bans.ts'
import { type CertificateNaming, type PeerCertificate, proofOf } from './certificate.ts'
import type { Credential } from './credential.ts'
import type { Credentials } from './credentials.ts'
import { isCookie } from './operators/cookie.ts'
import type { PasswordLogins } from './password-logins.ts'
import type { Peer } from './peer.ts'
import type { Roles } from './roles.ts'
import { isLikeToken, isToken } from './token.ts'

export interface Presented extends Peer {
  /** MQTT client identifier or `client` of JSON; undefined where a wire has none (plain HTTP), empty where the hub is to choose one. */
  readonly clientId: string | undefined
  readonly username: string | undefined
  readonly password: Uint8Array | undefined
  /** Of `Authorization: Bearer …`, or `token` of a JSON hello. */
  readonly token: string | undefined
  /** The value of the cookie of a browser; undefined where a wire has none. */
  readonly cookie?: string | undefined
}

/** Whom some proof stands for, wherever it was found. */
export interface Proven {
  readonly of: { readonly is: Exclude<Identity['is'], 'anonymous'>; readonly name: string }
  readonly role: string
  /** What the audit log calls it: the id of a credential, the issuer of a token of someone else. */
  readonly credential: string
  readonly until: number | undefined
}

/** Those who know people the hub does not: issuers of JWT, a service that is asked. undefined: not proven. */
export interface Foreigners {
  /** At most one of them: a token of theirs is told by its form. */
  readonly ofToken?: { isLike(text: string): boolean; verify(text: string): Promise<Proven | undefined> }
  /** Asked about user names that the hub does not know. */
  readonly ofPassword?: (presented: Presented) => Promise<Proven | undefined>
}

export interface AuthenticatorParts {
  readonly credentials: Credentials
  readonly logins: PasswordLogins<Credential>
  /** Who has logged in by a page of the hub; undefined for a cookie that is nobody's, or not any more. */
  readonly ofCookie?: (cookie: string) => Proven | undefined
  readonly roles: Roles
  readonly clock: Clock
  /** What is said of a device; undefined for one that has not been seen. */
  readonly findDevice: (id: string) => { readonly disabled: boolean; readonly tags: Tags } | undefined
  /** Throws the `Refusal` for who may not come without credentials. */
  readonly assertAnonymous: (peer: Peer) => void
  /** The role of who presents nothing and is let in, and of a device that a certificate names. */
  readonly anonymousRole: string
  readonly deviceRole: string
  /** The role of a device whose credential names none but that; as it is when left out. */
  readonly roleOf?: (device: string) => string
  readonly certificateNaming: CertificateNaming
  /** The name of the hub's own CA, as `PeerCertificate.issuer` has it; undefined while it has none. */
  readonly ownIssuer: () => string | undefined
  readonly foreigners: Foreigners
  /** Told of each authentication that failed, for the audit log. `who` is never a secret. */
  readonly onRefused: (failure: AuthenticationFailure) => void
}

export class Authenticator {
  readonly #parts: AuthenticatorParts

  constructor(parts: AuthenticatorParts) {
    this.#parts = parts
  }

  /**
   * At once where nothing is to wait for (a token, a password that was right lately), else a promise. What is said in the protocol goes before
   * the certificate of the connection, and is not helped by it: a wrong token with a good certificate is refused. Errors: `Refusal`.
   *
   * @param orNobody who presents nothing and may not come without is nobody, who has no rights: for what is open to everybody
   */
  authenticate(presented: Presented, orNobody = false): Identity | Promise<Identity> {
    try {
      const proven = this.#prove(presented)
      if (!(proven instanceof Promise)) return this.#admit(presented, proven, orNobody)
      return proven.then((found) => this.#admit(presented, found, orNobody)).catch((error: unknown) => this.#refuse(presented, error))
    } catch (error) {
      return this.#refuse(presented, error)
    }
  }

  #refuse(presented: Presented, error: unknown): never {
    if (error instanceof Refusal) {
      const { code } = error
      // Who tries one client identifier after another has credentials; who is wrong in them may have a new client identifier each time.
      const proof = code === 'client-id-not-yours' ? `${presented.clientId}` : proofIn(presented)
      this.#parts.onRefused({ who: nameOf(presented), from: presented.address, code, proof })
    }
    throw error
  }

  /** `anonymous`: nothing was presented that could prove anything, and nothing that could be wrong. */
  #prove(presented: Presented): Proven | 'anonymous' | undefined | Promise<Proven | undefined> {
    const { username, token, certificate } = presented
    const password = presented.password?.length === 0 ? undefined : presented.password
    if (token !== undefined) return this.#byToken(token)
    if (password !== undefined) return this.#byPassword(presented, username, password)
    if (username !== undefined && this.#isToken(username)) return this.#byToken(username)
    const loggedIn = presented.cookie === undefined ? undefined : this.#parts.ofCookie?.(presented.cookie)
    if (loggedIn !== undefined) return loggedIn
    this.#noteCookie(presented)
    if (certificate !== undefined) return this.#byCertificate(certificate)
    return 'anonymous' // a user name alone proves nothing, and is no lie: many clients are given one for no reason
  }

  /** One that is over is no lie: browsers send what they were given. One that the hub never made is a guess. */
  #noteCookie({ cookie = '', address: from }: Presented): void {
    if (cookie !== '' && !isCookie(cookie)) this.#parts.onRefused({ who: '', from, code: 'bad-credentials', proof: cookie })
  }

  #isToken(text: string): boolean {
    return isLikeToken(text) || this.#parts.foreigners.ofToken?.isLike(text) === true
  }

  #byToken(text: string): Proven | undefined | Promise<Proven | undefined> {
    const { credentials, foreigners } = this.#parts
    if (isToken(text, 'mrg_')) return this.#byCredential(credentials.byToken(text))
    return foreigners.ofToken?.isLike(text) === true ? foreigners.ofToken.verify(text) : undefined
  }

  #byPassword(presented: Presented, username: string | undefined, password: Uint8Array): Proven | undefined | Promise<Proven | undefined> {
    const { credentials, logins, foreigners } = this.#parts
    const text = Buffer.from(password.buffer, password.byteOffset, password.byteLength).toString('latin1')
    if (this.#isToken(text)) return this.#byToken(text)
    if (username === undefined || username === '') return undefined
    if (foreigners.ofPassword !== undefined && credentials.byUsername(username).length === 0) return foreigners.ofPassword(presented)
    const found = logins.login(username, password, presented.address)
    return found instanceof Promise ? found.then((one) => this.#byCredential(one)) : this.#byCredential(found)
  }

  /** One that names nobody proves nothing, and is no lie either: whoever shows it may as well come without. */
  #byCertificate(certificate: PeerCertificate): Proven | 'anonymous' | undefined {
    const { credentials, certificateNaming, ownIssuer, clock, deviceRole } = this.#parts
    const { expiresAt, fingerprint256 } = certificate
    if (expiresAt <= clock.now()) return undefined
    const proof = proofOf(certificate, credentials, certificateNaming, ownIssuer())
    if (proof.is === 'refused') return undefined
    if (proof.is === 'nobody') return 'anonymous'
    const named = `certificate ${fingerprint256.slice(0, 23)}`
    if (proof.is === 'device') return { of: { is: 'device', name: proof.device }, role: deviceRole, credential: named, until: expiresAt }
    const proven = this.#byCredential(proof.credential)
    return proven && { ...proven, until: Math.min(proven.until ?? expiresAt, expiresAt) }
  }

  #byCredential(credential: Credential | undefined): Proven | undefined {
    return credential && { of: credential.of, role: credential.role, credential: credential.id, until: credential.until }
  }

  #admit(presented: Presented, proven: Proven | 'anonymous' | undefined, orNobody: boolean): Identity {
    const { credentials, roles, findDevice, deviceRole, roleOf } = this.#parts
    if (proven === undefined) throw new Refusal('bad-credentials')
    if (proven === 'anonymous') return this.#anonymous(presented, orNobody)
    const { of, until } = proven
    const device = of.is === 'device' ? findDevice(of.name) : undefined
    if (device?.disabled === true) throw new Refusal('device-disabled', { device: of.name })
    this.assertClientId(presented.clientId, of)
    const credential = credentials.find(proven.credential)
    if (credential !== undefined) credentials.used(credential)
    const hasStandardRole = of.is === 'device' && proven.role === deviceRole
    const role = (hasStandardRole ? roleOf?.(of.name) : undefined) ?? proven.role
    const [rules, tags] = [roles.rulesOf(role), device?.tags ?? {}]
    const standing = hasStandardRole ? { role, hasStandardRole, rules } : { role, rules }
    return { is: of.is, name: of.name, ...standing, tags, credential: proven.credential, until }
  }

  #anonymous(presented: Presented, orNobody: boolean): Identity {
    const { assertAnonymous, anonymousRole, roles } = this.#parts
    try {
      assertAnonymous(presented)
    } catch (error) {
      if (orNobody && error instanceof Refusal) return nobody
      throw error
    }
    this.assertClientId(presented.clientId, undefined)
    const rules = roles.rulesOf(anonymousRole)
    return { is: 'anonymous', name: '', role: anonymousRole, rules, tags: {}, credential: undefined, until: undefined }
  }

  /**
   * A session belongs to whom its client id names: whoever came with another one's would take over its session, and what waits in it. Device
   * ids may hold a colon themselves, so `a:b` can be a device and a client id of the device `a`: it is for the longest that is known. Errors: `client-id-not-yours`.
   */
  assertClientId(clientId: string | undefined, of: Proven['of'] | undefined): void {
    const { credentials, findDevice } = this.#parts
    if (clientId === undefined || clientId === '') return
    const device = of?.is === 'device' ? of.name : undefined
    if (device !== undefined && !isClientIdOf(device, clientId)) throw new Refusal('client-id-not-yours')
    for (const owner of possibleOwners(clientId)) {
      if (owner === device) return
      const isKnown = credentials.isOwner({ is: 'device', name: owner }) || (device !== undefined && findDevice(owner) !== undefined)
      if (isKnown) throw new Refusal('client-id-not-yours')
    }
  }
}

/** Who presents nothing, where he may not come without. */
const nobody: Identity = { is: 'anonymous', name: '', role: '', rules: [], tags: {}, credential: undefined, until: undefined }

function proofIn({ username, token, password, certificate }: Presented): string {
  return [username, token, password === undefined ? undefined : Buffer.from(password).toString('base64'), certificate?.fingerprint256].join(
    '\0',
  )
}

/** Who says to be, as far as that is no secret. */
function nameOf({ username, clientId }: Presented): string {
  const name = username === undefined || isLikeToken(username) || username.startsWith('eyJ') ? (clientId ?? '') : username
  return (isLikeToken(name) ? '' : name).slice(0, 64)
}
