// Everything about who may come in, joined: what the hub asks of it, and whom it tells that somebody may stay no longer.
import type { KeyObject } from 'node:crypto'
import type { Device, DeviceChange, DeviceId, Tags } from '../../devices/device.ts'
import type { Identity } from '../../devices/identity.ts'
import { type RuleLimits, readRules } from '../../devices/permissions.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Principal as SessionPrincipal } from '../session/principal.ts'
import type { AccessStore } from '../store/access.ts'
import type { Wheel } from '../wheel.ts'
import { type AllowanceRates, Allowances } from './allowance.ts'
import { Authenticator, type Presented, type Proven } from './authenticator.ts'
import type { AuthenticationFailure, Bans } from './bans.ts'
import type { CertificateNaming } from './certificate.ts'
import { ChildRights, type ChildRightsParts } from './children.ts'
import { Claims } from './claims.ts'
import type { Credential, Owner } from './credential.ts'
import { type Actor, Credentials, type EndOfCredential } from './credentials.ts'
import { DeviceTypes, standardRole } from './device-types.ts'
import { DisabledDevices } from './disabled-devices.ts'
import { Endings } from './endings.ts'
import { FailureLog } from './failure-log.ts'
import { Failures } from './failures.ts'
import { type ForeignersParts, foreignersOf } from './foreigners.ts'
import { Groups } from './groups.ts'
import { Operators } from './operators/operators.ts'
import type { User } from './operators/user.ts'
import { PasswordLogins } from './password-logins.ts'
import { Passwords } from './passwords.ts'
import type { Peer } from './peer.ts'
import { adminRole, Principal, type PrincipalParts } from './principal.ts'
import { Provisioning } from './provisioning.ts'
import { Roles } from './roles.ts'
import { hubSecret } from './secret.ts'

/** Looks at everyone who is connected, and closes those for whom it gives a refusal. */
export type Revise = (revise: (principal: SessionPrincipal) => Refusal | undefined) => void

export interface AccessParts extends ForeignersParts, ChildRightsParts {
  readonly store: AccessStore
  readonly wheel: Wheel
  readonly certificateNaming: CertificateNaming
  /** The name of the hub's own CA; undefined while it has none. */
  ownIssuer(): string | undefined
  typeOf(id: DeviceId): string | null
  tagsOf(id: DeviceId): Promise<Tags>
  /** Throws the `Refusal` for who may not come without credentials. */
  assertAnonymous(peer: Peer): void
  /** Puts a device on record, and describes it. */
  register(id: DeviceId, said: DeviceChange): Promise<void>
  /** Devices without any secret may be claimed by people. */
  readonly takesClaims: boolean
  readonly rates: AllowanceRates
  /** Of each device whose type does not say otherwise; undefined: as many as it likes. */
  readonly connectionsPerMinute: number | undefined
  readonly bans: Bans
  readonly revise: Revise
  /** The same of those who are connected now. */
  readonly reviseConnected: Revise
  /** Nobody but a user can administer the hub from where it can be reached. */
  readonly needsAdmin: boolean
  /** There are users whom the hub knows by a method of MQTT 5 alone. */
  readonly hasOtherUsers: boolean
  /** A record of the disk that opens nothing, in a sentence. */
  onUnreadable(sentence: string): void
}

/** Undefined members are left out. */
export interface AsIf {
  readonly device?: DeviceId | undefined
  readonly role?: string | undefined
  readonly client?: string | undefined
}

const ruleLimits: RuleLimits = limits

export class Access {
  readonly credentials: Credentials
  readonly roles: Roles
  readonly types: DeviceTypes
  readonly groups: Groups
  readonly disabled: DisabledDevices
  readonly provisioning: Provisioning
  readonly claims: Claims
  readonly operators: Operators
  readonly bans: Bans
  readonly #parts: AccessParts
  readonly #authenticator: Authenticator
  readonly #principals: PrincipalParts
  readonly #children: ChildRights
  readonly #failures: FailureLog
  readonly #endings: Endings
  /** Those who have proven who they are, and are not let in yet. The refusal: why they may not come in after all. */
  readonly #coming = new Map<Principal, Refusal | undefined>()

  /** Errors: a sentence, when the secret of the hub is gone or cannot be read. */
  static async open(parts: AccessParts): Promise<Access> {
    return new Access(parts, await hubSecret(parts.store, 'tokens'))
  }

  private constructor(parts: AccessParts, key: KeyObject) {
    const { store, clock, wheel, certificateNaming, hasDevice, assertAnonymous, needsAdmin, onFailure, onUnreadable } = parts
    this.#parts = parts
    this.bans = parts.bans
    const passwords = new Passwords()
    this.groups = new Groups(store, clock)
    this.types = new DeviceTypes({
      ...{ store, clock, rates: parts.rates, connectionsPerMinute: parts.connectionsPerMinute },
      typeOf: (id) => parts.typeOf(id),
      findRole: (name) => this.roles.find(name),
      onChanged: (name) => this.#onTypeChanged(name),
    })
    const allowances = new Allowances(clock, (owner) => this.types.ratesOf(owner))
    const connections = new Allowances(clock, (device) => this.types.connectionsOf(device))
    this.#children = new ChildRights(parts, this)
    this.#principals = {
      // As the authenticator holds it, for a client identifier that is said after the credentials.
      assertClientId: ({ is, name }, clientId) => this.#authenticator.assertClientId(clientId, is === 'device' ? { is, name } : undefined),
      allowanceOf: (owner) => allowances.of(owner),
      connectionsOf: (device) => connections.of(device),
      subscriptionsOf: (device) => this.types.subscriptionsOf(device),
      childrenOf: (device) => this.#children.of(device),
      childAllowanceOf: (device) => (this.types.hasRates(device) ? allowances.of(`device/${device}`) : undefined),
    }
    this.credentials = new Credentials({
      store,
      key,
      hashPassword: (password) => passwords.hash(password),
      clock,
      wheel,
      onEnded: (credential, why) => this.#onCredentialEnded(credential, why),
      onFailure,
    })
    this.roles = new Roles({
      store,
      clock,
      readRules: (value) => readRules(value, ruleLimits),
      onChanged: (name) => this.#onRoleChanged(name),
    })
    this.disabled = new DisabledDevices(store, clock, (device) => this.#onShut(device))
    this.provisioning = new Provisioning({
      store,
      key,
      credentials: this.credentials,
      clock,
      isDevice: hasDevice,
      register: parts.register,
      onRefused: (failure) => this.onRefused(failure),
    })
    this.#endings = new Endings(clock, wheel, (nowMs) => this.#onEnding(nowMs))
    for (const [what, names] of [
      ['credential', this.credentials.unreadable],
      ['role', this.roles.unreadable],
      ['provisioning key', this.provisioning.unreadable],
    ] as const) {
      for (const name of names) onUnreadable(`The ${what} ${name} cannot be read, so it allows nothing.`)
    }
    for (const name of this.groups.unreadable) onUnreadable(`The group ${name} cannot be read, so nothing is chosen by it.`)
    for (const name of this.types.unreadable)
      onUnreadable(`The device type ${name} cannot be read, so its devices are as those without a type.`)
    this.#failures = new FailureLog(store, clock, onFailure)
    const failures = new Failures(clock)
    this.claims = new Claims({
      ...{ isOpen: parts.takesClaims, key, credentials: this.credentials, failures, clock, register: parts.register },
      audit: (action, target, by, detail) => this.audit(action, target, by, detail),
      onRefused: (failure) => this.onRefused(failure),
    })
    this.operators = new Operators({
      ...{ store, key, clock, wheel, passwords, failures, needsAdmin, onFailure },
      hasRole: (name) => this.roles.find(name) !== undefined,
      isConnected: (credential) => this.#isConnected(credential),
      onLoginEnded: ({ credential }, why) =>
        this.#revise(({ identity }) => (identity.credential === credential ? new Refusal('login-ended', { why }) : undefined)),
      onRole: (user) => this.#onUserRole(user),
      onShutOut: (name, why) => this.#onShutOut(name, why),
      onRefused: (failure) => this.onRefused(failure),
    })
    this.#authenticator = new Authenticator({
      credentials: this.credentials,
      logins: new PasswordLogins({ credentials: this.credentials, passwords, clock, failures }),
      ofCookie: (cookie) => this.#byCookie(cookie),
      roles: this.roles,
      clock,
      findDevice: (id) => (hasDevice(id) || this.disabled.has(id) ? { disabled: this.disabled.has(id), tags: {} } : undefined),
      assertAnonymous,
      anonymousRole: adminRole,
      deviceRole: standardRole,
      roleOf: (device) => this.types.roleOf(device),
      certificateNaming,
      ownIssuer: parts.ownIssuer,
      foreigners: foreignersOf(parts),
      onRefused: (failure) => this.onRefused(failure),
    })
  }

  /**
   * Who comes; at once where nothing has to be waited for. `orNobody`: who may not come without credentials, and has none, has no rights.
   * Errors: the `Refusal` for who may not come in.
   */
  authenticate(presented: Presented, orNobody = false): Principal | Promise<Principal> {
    const { clientId = '', address } = presented
    this.bans.assertFree(address)
    const identity = this.#authenticator.authenticate(presented, orNobody)
    if (identity instanceof Promise) return identity.then((found) => this.#letIn(found, clientId, address))
    return this.#letIn(identity, clientId, address)
  }

  /** A user who has proven himself by a method of MQTT 5. */
  principalOfUser(name: string, clientId: string, address: string): Principal {
    this.bans.assertFree(address)
    if (this.operators.users.find(name)?.disabled === true) throw new Refusal('authentication-failed', { detail: 'the user is disabled' })
    const identity = this.#user(name)
    this.#principals.assertClientId(identity, clientId)
    this.bans.letIn(address)
    return new Principal(identity, clientId, this.#principals)
  }

  /** Who is not in the book of users is known by a method of MQTT 5, if there is one. */
  #user(name: string): Identity {
    const user = this.operators.users.find(name)
    const role = user?.disabled === true ? '' : (user?.role ?? (this.#parts.hasOtherUsers ? 'operator' : ''))
    return { is: 'user', name, role, rules: this.roles.rulesOf(role), tags: {}, credential: undefined, until: undefined }
  }

  /** Whom a session of an earlier run belongs to: what it may do is what its newest credential gives that is valid, and nothing without one. */
  principalOf(owner: string, clientId: string): Principal {
    const [is, name] = [owner.slice(0, owner.indexOf('/')), owner.slice(owner.indexOf('/') + 1)]
    if (owner === '') return new Principal(this.#anonymous(), clientId, this.#principals)
    if (is === 'user') return new Principal(this.#user(name), clientId, this.#principals)
    const of = { is: is === 'key' ? 'key' : 'device', name } satisfies Owner
    const newest = this.credentials.newestOf(of)
    const isDisabled = of.is === 'device' && this.disabled.has(name)
    const hasStandardRole = of.is === 'device' && !isDisabled && newest?.role === standardRole
    const role = hasStandardRole ? this.types.roleOf(name) : (newest?.role ?? '')
    const rules = isDisabled ? [] : this.roles.rulesOf(role)
    const identity = {
      is: of.is,
      name,
      hasStandardRole,
      role: rules.length === 0 ? '' : role,
      rules,
      tags: {},
      credential: newest?.id,
      until: newest?.until,
    }
    return new Principal(identity, clientId, this.#principals)
  }

  /** Whom somebody would be with this role, or the one that a device comes with. Errors: `role-unknown`. */
  async asIf({ device, role = this.#roleOf(device), client }: AsIf): Promise<Principal> {
    if (this.roles.find(role) === undefined) throw new Refusal('role-unknown', { name: JSON.stringify(role.slice(0, 64)) })
    const tags = device === undefined ? {} : await this.#parts.tagsOf(device)
    const is = device === undefined ? 'key' : 'device'
    const identity = {
      is,
      name: device ?? '',
      role,
      rules: this.roles.rulesOf(role),
      tags,
      credential: undefined,
      until: undefined,
    } as const
    return new Principal(identity, client ?? device ?? '', this.#principals)
  }

  #roleOf(device: DeviceId | undefined): string {
    const newest = device === undefined ? undefined : this.credentials.of({ is: 'device', name: device }).at(-1)
    const role = newest?.role ?? standardRole
    return device === undefined || role !== standardRole ? role : this.types.roleOf(device)
  }

  /** What is said of a device has changed: its tags, which rules may ask for, or its type. */
  onDescribed({ id, tags }: Pick<Device, 'id' | 'tags'>): void {
    this.#revise((principal) => {
      const { identity } = principal
      if (identity.is === 'device' && identity.name === id) principal.become({ ...identity, ...this.types.standingOf(identity), tags })
      return undefined
    })
  }

  /** A device has come to a gateway or left it, or what its children may do is something else. */
  onChild(child: DeviceId, gateway: DeviceId): void {
    this.#children.forget(child)
    this.#revise((principal) => {
      const { identity } = principal
      if (identity.is === 'device' && identity.name === gateway) principal.become(identity)
      return undefined
    })
  }

  /** Notes in the audit log what somebody has done elsewhere. */
  audit(action: string, target: string, { who, from }: Actor, detail = ''): Promise<void> {
    const { store, clock } = this.#parts
    return store.write([], [{ at: clock.now(), who, from, action, target, outcome: 'done', detail }])
  }

  /** Whoever looked at the proof. */
  onRefused(failure: AuthenticationFailure): void {
    this.#failures.add(failure)
    this.bans.failed(failure)
  }

  /** Everything that lets the device in is gone, and who came by it is closed. It may be let in anew. */
  async forgetDevice(device: DeviceId, by: Actor): Promise<void> {
    await this.credentials.revokeAll({ is: 'device', name: device }, by)
    if (this.disabled.has(device)) await this.disabled.enable(device, by)
  }

  async stop(): Promise<void> {
    this.#endings.stop()
    this.bans.stop()
    await this.#failures.stop()
    await this.credentials.stop()
    await this.operators.stop()
  }

  #letIn(identity: Identity, clientId: string, address: string): Principal | Promise<Principal> {
    if (identity.credential !== undefined) this.bans.letIn(address)
    return this.#principal(identity, clientId)
  }

  #principal(identity: Identity, clientId: string): Principal | Promise<Principal> {
    const { credential, until } = identity
    if (until !== undefined && (credential === undefined || this.credentials.find(credential) === undefined)) this.#endings.note(until)
    const principal = new Principal(identity, clientId, this.#principals)
    const asksForTags = identity.is === 'device' && this.roles.asksForTags(identity.role)
    return asksForTags ? this.#withTags(principal) : principal
  }

  #byCookie(cookie: string): Proven | undefined {
    const found = this.operators.find(cookie)
    if (found === undefined) return undefined
    const { user, login } = found
    return { of: { is: 'user', name: user.name }, role: user.role, credential: login.credential, until: login.until }
  }

  #isConnected(credential: string): boolean {
    let isConnected = false
    this.#parts.reviseConnected(({ identity }) => {
      isConnected ||= identity.credential === credential
      return undefined
    })
    return isConnected
  }

  /** Meanwhile its rights may change, and end. */
  async #withTags(principal: Principal): Promise<Principal> {
    this.#coming.set(principal, undefined)
    try {
      const tags = await this.#parts.tagsOf(principal.identity.name)
      const why = this.#coming.get(principal)
      if (why !== undefined) throw why
      principal.become({ ...principal.identity, tags })
      return principal
    } finally {
      this.#coming.delete(principal)
    }
  }

  /** Of everybody who is connected, away, or just coming. */
  #revise(revise: Parameters<Revise>[0]): void {
    for (const [principal, before] of this.#coming) this.#coming.set(principal, before ?? revise(principal))
    this.#parts.revise(revise)
  }

  #anonymous(): Identity {
    return {
      is: 'anonymous',
      name: '',
      role: adminRole,
      rules: this.roles.rulesOf(adminRole),
      tags: {},
      credential: undefined,
      until: undefined,
    }
  }

  #onCredentialEnded({ id }: Credential, why: EndOfCredential): void {
    this.#revise(({ identity }) => (identity.credential === id ? new Refusal('credential-ended', { why }) : undefined))
  }

  #onEnding(nowMs: number): void {
    this.#revise(({ identity: { until } }) => {
      return until !== undefined && until <= nowMs ? new Refusal('credential-ended', { why: 'expired' }) : undefined
    })
  }

  #onRoleChanged(name: string): void {
    const rules = this.roles.rulesOf(name)
    this.#children.forgetAll()
    this.#revise((principal) => {
      const { identity } = principal
      if (identity.role === name) principal.become({ ...identity, rules })
      else if (principal.permissions.isGateway) principal.become(identity)
      return undefined
    })
  }

  #onTypeChanged(type: string): void {
    this.#children.forgetAll()
    this.#revise((principal) => {
      const { identity } = principal
      const isOfType = identity.is === 'device' && this.#parts.typeOf(identity.name) === type
      if (isOfType) principal.become({ ...identity, ...this.types.standingOf(identity) })
      else if (principal.permissions.isGateway) principal.become(identity)
      return undefined
    })
  }

  #onUserRole({ name, role }: User): void {
    const rules = this.roles.rulesOf(role)
    this.#revise((principal) => {
      const { identity } = principal
      if (identity.is === 'user' && identity.name === name) principal.become({ ...identity, role, rules })
      return undefined
    })
  }

  /** Whatever he came by; sessions whose client is away keep nothing of his rights. */
  #onShutOut(name: string, why: string): void {
    this.#revise((principal) => {
      const { identity } = principal
      if (identity.is !== 'user' || identity.name !== name) return undefined
      principal.become({ ...identity, role: '', rules: [] })
      return new Refusal('login-ended', { why })
    })
  }

  #onShut(device: DeviceId): void {
    const gateway = this.#parts.gateways().gatewayOf(device)
    if (gateway !== undefined) this.onChild(device, gateway)
    if (!this.disabled.has(device)) return
    this.#revise(({ identity: { is, name } }) =>
      is === 'device' && name === device ? new Refusal('device-disabled', { device }) : undefined,
    )
  }
}
