// Sessions over a real store, without a hub around them: for tests that look at sessions themselves.

import type { TestContext } from 'node:test'
import { Metrics } from '../../hub/metrics.ts'
import { Devices } from '../../hub/routing/devices.ts'
import { Retained } from '../../hub/routing/retained.ts'
import { Router } from '../../hub/routing/router.ts'
import { TopicTree } from '../../hub/routing/topic-tree.ts'
import type { AcknowledgingConnection } from '../../hub/session/connection.ts'
import { Sessions } from '../../hub/session/sessions.ts'
import { openSqliteStore } from '../../hub/store/sqlite/open.ts'
import type { Durability } from '../../hub/store/store.ts'
import { Wheel } from '../../hub/wheel.ts'
import { atEnd } from './at-end.ts'
import { HandClock } from './clock.ts'
import { newFolder } from './hub.ts'
import { anybody } from './principals.ts'

/** Those of an earlier run in the same folder are restored. */
export async function makeSessions(t: TestContext, durability: Durability, folder = newFolder(t)) {
  const clock = new HandClock()
  const store = await openSqliteStore({ folder, durability, clock })
  atEnd(t, () => store.close())
  const metrics = new Metrics()
  const devices = new Devices(
    store.devicesAtStart,
    store.journal,
    clock,
    { onDeviceCreated: () => {}, onDeviceRemoved: () => {} },
    store.lastDeviceAtStart,
  )
  const router = new Router(new TopicTree(), new Retained(), store.journal, devices, clock, metrics)
  const sessions = new Sessions(store, router, new Wheel(clock), clock, metrics, {
    principalOf: () => anybody,
    maySurvive: () => true,
    onTakenOver: () => {},
    onOnline: () => {},
    onSubscribed: () => {},
    onEnded: () => {},
    onAcknowledged: () => {},
    onAway: () => {},
    onExpired: () => {},
  })
  sessions.restore(store.sessionsAtStart)
  return { clock, store, metrics, router, sessions }
}

/** The wire of an MQTT client that takes everything and keeps nothing. */
export function silentWire(): AcknowledgingConnection {
  const nothing = () => {}
  return {
    follows: false,
    transport: 'mqtt-tcp',
    address: '',
    keepAliveSeconds: 0,
    writable: true,
    inflightMax: 1,
    send: () => true,
    sendRelease: nothing,
    close: nothing,
  }
}
