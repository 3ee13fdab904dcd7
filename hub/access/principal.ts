// Who somebody on a connection is, and what he may do there now.
import type { DeviceId } from '../../devices/device.ts'
import type { Identity } from '../../devices/identity.ts'
import { type Children, Permissions, unbounded } from '../../devices/permissions.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Allowance } from '../routing/router.ts'
import type { Principal as SessionPrincipal } from '../session/principal.ts'
import { GatewayAllowance, type Allowance as OwnAllowance } from './allowance.ts'

/** Nothing is refused to it. */
export const adminRole = 'admin'

/** What all principals are made with. */
export interface PrincipalParts {
  /** Throws the `Refusal` when the client identifier is not for this identity. */
  assertClientId(identity: Identity, clientId: string): void
  allowanceOf(owner: string): OwnAllowance | undefined
  /** Of the sessions that the device opens. */
  connectionsOf?(device: string): OwnAllowance | undefined
  /** Of one session of the device; as many as anybody may have when left out. */
  subscriptionsOf?(device: string): number
  /** Those it speaks for; undefined for a device that is no gateway. */
  childrenOf?(device: DeviceId): Children | undefined
  /** Of a device that somebody speaks for; undefined where it has no bound of its own. */
  childAllowanceOf?(device: DeviceId): OwnAllowance | undefined
}

export class Principal implements SessionPrincipal {
  readonly #parts: PrincipalParts
  #identity: Identity
  /** Of the connection; empty where a wire has none. */
  readonly clientId: string
  #permissions: Permissions
  #allowance: Allowance | undefined

  constructor(identity: Identity, clientId: string, parts: PrincipalParts) {
    this.#parts = parts
    this.#identity = identity
    this.clientId = clientId
    this.#permissions = this.#findPermissions()
    this.#allowance = this.#findAllowance()
  }

  get allowance(): Allowance | undefined {
    return this.#allowance
  }

  get subscriptionsMax(): number {
    const { is, name } = this.#identity
    const own = is === 'device' ? this.#parts.subscriptionsOf?.(name) : undefined
    return own ?? limits.subscriptionsPerSession
  }

  /** A key may be that of a whole fleet, which comes back all at once: its connections are not counted. */
  assertConnects(): void {
    const { is, name } = this.#identity
    const seconds = (is === 'device' && this.#parts.connectionsOf?.(name)?.take(0)) || 0
    if (seconds > 0) throw new Refusal('device-connects-too-often', { device: name, seconds })
  }

  get identity(): Identity {
    return this.#identity
  }

  get permissions(): Permissions {
    return this.#permissions
  }

  get owner(): string {
    const { is, name } = this.#identity
    return is === 'anonymous' ? '' : `${is}/${name}`
  }

  /** The same somebody on a wire that names its client later. Errors: `client-id-not-yours`. */
  as(clientId: string): Principal {
    if (clientId === this.clientId) return this
    this.#parts.assertClientId(this.#identity, clientId)
    return new Principal(this.#identity, clientId, this.#parts)
  }

  /** A client identifier that nobody uses, as one of its own: those of a device begin with its id. */
  ownClientId(unused: string): string {
    const { is, name } = this.#identity
    return is === 'device' ? `${name}:${unused}` : unused
  }

  become(identity: Identity): void {
    this.#identity = identity
    this.#permissions = this.#findPermissions()
    this.#allowance = this.#findAllowance()
  }

  #findAllowance(): Allowance | undefined {
    const { is, name } = this.#identity
    const own = is === 'anonymous' ? undefined : this.#parts.allowanceOf(this.owner)
    if (!this.#permissions.isGateway) return own
    return new GatewayAllowance(own, (device) => (device === name ? undefined : this.#parts.childAllowanceOf?.(device)))
  }

  /** Who may do nothing himself may do nothing in place of others. */
  #findPermissions(): Permissions {
    const { is, name, role, rules, tags } = this.#identity
    if (role === adminRole) return unbounded
    const [device, user] = is === 'device' ? [name, undefined] : [undefined, name]
    const children = device === undefined || rules.length === 0 ? undefined : this.#parts.childrenOf?.(device)
    return new Permissions(rules, { device, clientId: this.clientId, user, tags }, children)
  }
}
