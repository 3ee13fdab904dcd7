// Whom a session belongs to, as far as sessions need to know: who else comes with its client identifier does not get it, and what its client
// may do is asked for each message that goes either way.
import type { Identity } from '../../devices/identity.ts'
import type { Permissions } from '../../devices/permissions.ts'
import type { Allowance } from '../routing/router.ts'

export interface Principal {
  readonly identity: Identity
  /** Kind and name, such as `device/pump-1`; empty for a client that was let in by its address alone. */
  readonly owner: string
  /** What it may do now; another one when its rights have changed. */
  readonly permissions: Permissions
  /** Shared by all its connections; undefined for as much as it likes. */
  readonly allowance: Allowance | undefined
  /** Subscriptions that one session of it may have. */
  readonly subscriptionsMax: number
  /** One more session is opened by it, or taken up. Errors: `device-connects-too-often`. */
  assertConnects(): void
  /** Its rights have changed: from now on, wherever it is asked. */
  become(identity: Identity): void
}
