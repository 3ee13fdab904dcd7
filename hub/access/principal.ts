// Who somebody on a connection is, and what he may do there now.
import type { Identity } from '../../devices/identity.ts'
import { Permissions, unbounded } from '../../devices/permissions.ts'
import { limits } from '../limits.ts'
import type { Allowance } from '../routing/router.ts'
import type { Principal as SessionPrincipal } from '../session/principal.ts'

/** Nothing is refused to it. */
export const adminRole = 'admin'

/** What all principals are made with. */
export interface PrincipalParts {
  /** Throws the `Refusal` when the client identifier is not for this identity. */
  assertClientId(identity: Identity, clientId: string): void
  allowanceOf(owner: string): Allowance | undefined
  /** Of one session of the device; as many as anybody may have when left out. */
  subscriptionsOf?(device: string): number
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
    this.#permissions = permissionsOf(identity, clientId)
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
    this.#permissions = permissionsOf(identity, this.clientId)
    this.#allowance = this.#findAllowance()
  }

  #findAllowance(): Allowance | undefined {
    return this.#identity.is === 'anonymous' ? undefined : this.#parts.allowanceOf(this.owner)
  }
}

function permissionsOf({ is, name, role, rules, tags }: Identity, clientId: string): Permissions {
  if (role === adminRole) return unbounded
  return new Permissions(rules, { device: is === 'device' ? name : undefined, clientId, user: is === 'device' ? undefined : name, tags })
}
