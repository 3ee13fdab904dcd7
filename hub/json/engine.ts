// What all JSON connections share, whatever wire carries them: the parts of the hub they talk to, and the list of who is connected.
import type { Logger } from 'pino'
import type { Clock } from '../clock.ts'
import type { Refusal } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import type { Router } from '../routing/router.ts'
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
  /** Throws the `Refusal` for who may not come in. Asked once for each connection. */
  authenticate(hello: { clientId: string; username: undefined; address: string }): void
}

/** One client's wire, before or after its hello. */
export interface OpenConnection {
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

  closeAll(why: () => Refusal): void {
    for (const connection of this.connections) connection.close(why())
  }

  destroyAll(): void {
    for (const connection of this.connections) connection.destroy()
  }
}
