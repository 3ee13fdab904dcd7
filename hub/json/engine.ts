// What all JSON connections share, whatever wire carries them: the parts of the hub they talk to, and the list of who is connected.
import type { Logger } from 'pino'
import type { Presented } from '../access/authenticator.ts'
import type { Principal } from '../access/principal.ts'
import type { Clock } from '../clock.ts'
import type { Refusal } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import type { Router } from '../routing/router.ts'
import type { Principal as SessionPrincipal } from '../session/principal.ts'
import type { Session } from '../session/session.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Journal, Store } from '../store/store.ts'
import { Turn } from '../turn.ts'
import type { Wheel } from '../wheel.ts'
import { HeldParsers } from './held-parsers.ts'

export interface JsonEngineParts {
  readonly router: Router
  readonly sessions: Sessions
  readonly store: Store
  readonly wheel: Wheel
  readonly clock: Clock
  readonly metrics: Metrics
  readonly log: Logger
  /** Who comes, by what hello presents or the wire knows. Errors: the `Refusal` for who may not come in. Asked once for each connection. */
  authenticate(presented: Presented): Principal | Promise<Principal>
}

/** One client's wire, before or after its hello. */
export interface OpenConnection {
  /** There between its hello and its end. */
  readonly session: Session | undefined
  /** Says why in the words of the protocol, then closes. */
  close(why: Refusal): void
  /** Closes now. */
  destroy(): void
}

export class JsonEngine {
  readonly router: Router
  readonly sessions: Sessions
  readonly store: Store
  readonly journal: Journal
  readonly wheel: Wheel
  readonly clock: Clock
  readonly metrics: Metrics
  readonly log: Logger
  readonly authenticate: JsonEngineParts['authenticate']
  readonly turn = new Turn()
  readonly heldParsers: HeldParsers
  /** Each takes itself out when its wire is gone. */
  readonly connections = new Set<OpenConnection>()

  constructor(parts: JsonEngineParts) {
    this.router = parts.router
    this.sessions = parts.sessions
    this.store = parts.store
    this.journal = parts.store.journal
    this.wheel = parts.wheel
    this.clock = parts.clock
    this.metrics = parts.metrics
    this.log = parts.log
    this.authenticate = parts.authenticate
    this.heldParsers = new HeldParsers(parts.clock)
  }

  /** Closes those for whom it gives a refusal, and those who have lost a subscription by it. */
  reviseAll(revise: (principal: SessionPrincipal) => Refusal | undefined): void {
    for (const connection of this.connections) {
      const why = connection.session?.revised(revise)
      if (why !== undefined) connection.close(why)
    }
  }

  closeAll(why: () => Refusal): void {
    for (const connection of this.connections) connection.close(why())
  }

  destroyAll(): void {
    for (const connection of this.connections) connection.destroy()
  }
}
