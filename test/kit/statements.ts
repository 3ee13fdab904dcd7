// Normative statements of MQTT as tests: one call a statement, run in each version that makes it and over each wire.
//
// The words of a tag stand in the OASIS text of its version; a tag means different things in the two. Which tag has which test is read from
// the sources (test/mqtt/statements/table.ts), so tags are written out where they are used.
import { type TestContext, test } from 'node:test'
import type { IConnectPacket } from 'mqtt-packet'
import type { HandClock } from './clock.ts'
import type { InProcessHub } from './hub.ts'
import { dial, moor, type TestClient, type WireName } from './mqtt.ts'

/** `3.1.1 [MQTT-3.1.2-24]` or `5.0 [MQTT-3.1.2-22]` */
export type Tag = `3.1.1 [MQTT-${string}]` | `5.0 [MQTT-${string}]`

export interface Bench {
  readonly t: TestContext
  readonly hub: InProcessHub
  readonly clock: HandClock
  /** The protocol level: 4 is 3.1.1. */
  readonly version: 4 | 5
  readonly wire: WireName
  /** A client identifier or topic level that no other test uses. */
  name(what: string): string
  /** Opens a connection; nothing is said yet. */
  dial(): Promise<TestClient>
  /** Opens a connection and a session. */
  moor(clientId: string, options?: Partial<IConnectPacket>): Promise<TestClient & { connack: Awaited<ReturnType<TestClient['connect']>> }>
}

const levels = { '3.1.1': 4, '5.0': 5 } as const
let lastName = 0

/** `statement` for the tests of one file, which share a hub whose clock is turned by hand. */
export function statementsOf(hub: InProcessHub, clock: HandClock) {
  /** What the server must do by the text of these tags; in each version that one of them belongs to, over TCP and over WebSocket. */
  return function statement(tags: readonly Tag[], behaviour: string, run: (bench: Bench) => Promise<void>): void {
    for (const [name, version] of Object.entries(levels)) {
      const own = tags.filter((tag) => tag.startsWith(`${name} `))
      if (own.length === 0) continue
      for (const wire of ['TCP', 'WebSocket'] as const) {
        test(`${own.join(', ')} ${behaviour} (${wire})`, { timeout: 20_000 }, (t) =>
          run({
            t,
            hub,
            clock,
            version,
            wire,
            name: (what) => `${what}-${++lastName}`,
            dial: () => dial(t, hub, version, wire),
            moor: (clientId, options) => moor(t, hub, clientId, version, options, wire),
          }),
        )
      }
    }
  }
}

/** Binds only clients: what they must send, which no server can be at fault for. Read by the table alone. */
export function bindsClients(_tags: readonly Tag[], _why: string): void {}

/** Binds the server and cannot be tested from outside. Read by the table alone. */
export function untestable(_tags: readonly Tag[], _why: string): void {}
