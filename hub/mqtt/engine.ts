// What all MQTT connections share: the parts of the hub they talk to, and the list of who is connected.
import type { Logger } from 'pino'
import type { Presented } from '../access/authenticator.ts'
import type { AuthenticationFailure } from '../access/bans.ts'
import type { Created } from '../access/credentials.ts'
import type { Principal } from '../access/principal.ts'
import type { Clock } from '../clock.ts'
import type { Refusal } from '../errors.ts'
import type { Metrics } from '../metrics.ts'
import type { Router } from '../routing/router.ts'
import type { Principal as SessionPrincipal } from '../session/principal.ts'
import type { Sessions } from '../session/sessions.ts'
import { Slices } from '../slices.ts'
import type { Journal } from '../store/store.ts'
import { Turn } from '../turn.ts'
import type { Wheel } from '../wheel.ts'
import type { AuthenticationMethod } from './auth.ts'
import type { MqttConnection } from './connection.ts'

export interface EngineParts {
  readonly router: Router
  readonly sessions: Sessions
  readonly journal: Journal
  readonly wheel: Wheel
  readonly clock: Clock
  readonly metrics: Metrics
  readonly log: Logger
  /** 0: whatever a client asks for.  5: section 3.2.2.3.14 */
  readonly keepAliveMaxSeconds: number
  /** Ways for a client to prove who it is, by their names in CONNECT. */
  readonly methods: ReadonlyMap<string, AuthenticationMethod>
  /** Who comes, by what CONNECT presents or the wire knows. Errors: the `Refusal` for who may not come in. Asked once for each connection. */
  authenticate(presented: Presented): Principal | Promise<Principal>
  /** Who has proven to be this user by one of the methods. */
  principalOfUser(username: string, clientId: string, address: string): Principal
  /** Devices that come by a provisioning key. Errors of both: the `Refusal` for one that may not. */
  readonly newcomers: {
    assertMayCome(key: string, device: string, address: string): void
    claim(key: string, device: string, address: string): Promise<Created>
  }
  /** By one of the methods. */
  onRefused(failure: AuthenticationFailure): void
}

interface Arrival {
  readonly connection: MqttConnection
  readonly chunk: Buffer
}

export class Engine {
  readonly router: Router
  readonly sessions: Sessions
  readonly journal: Journal
  readonly wheel: Wheel
  readonly clock: Clock
  readonly metrics: Metrics
  readonly log: Logger
  readonly keepAliveMaxSeconds: number
  readonly methods: EngineParts['methods']
  readonly authenticate: EngineParts['authenticate']
  readonly principalOfUser: EngineParts['principalOfUser']
  readonly newcomers: EngineParts['newcomers']
  readonly onRefused: EngineParts['onRefused']
  readonly turn = new Turn()
  /** What those say who are not in yet, in the order in which it came: thousands who guess passwords hold up each other, and nobody else. */
  readonly doorstep = new Slices<Arrival>(({ connection, chunk }) => connection.onDoorOpened(chunk))
  readonly connections = new Set<MqttConnection>()

  constructor(parts: EngineParts) {
    this.router = parts.router
    this.sessions = parts.sessions
    this.journal = parts.journal
    this.wheel = parts.wheel
    this.clock = parts.clock
    this.metrics = parts.metrics
    this.log = parts.log
    this.keepAliveMaxSeconds = parts.keepAliveMaxSeconds
    this.methods = parts.methods
    this.authenticate = parts.authenticate
    this.principalOfUser = parts.principalOfUser
    this.newcomers = parts.newcomers
    this.onRefused = parts.onRefused
  }

  /** Closes those for whom it gives a refusal, and those who have lost a subscription by it. */
  reviseAll(revise: (principal: SessionPrincipal) => Refusal | undefined): void {
    for (const connection of this.connections) {
      const { state } = connection
      const why = state.is === 'connected' ? state.session.revised(revise) : undefined
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
