// What the operators' routes need of the hub, and the shapes they share.
import Type from 'typebox'
import type { Figures, Metrics } from '../metrics.ts'
import type { Devices } from '../routing/devices.ts'
import type { Router } from '../routing/router.ts'
import type { Session } from '../session/session.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Store } from '../store/store.ts'

export interface ApiParts {
  readonly store: Store
  readonly router: Router
  readonly devices: Devices
  readonly sessions: Sessions
  readonly metrics: Metrics
  readonly version: string
  readonly startedAt: number
  figures(): Figures
  listeners(): Listeners
}

export interface Listeners {
  readonly mqtt: { readonly address: string; readonly port: number } | null
  readonly http: { readonly address: string; readonly port: number }
}

/** The session that speaks for a device right now; undefined while it is away. */
export function onlineSession(sessions: Sessions, deviceId: string): Session | undefined {
  const session = sessions.find(deviceId)
  return session?.presence.at === 'online' ? session : undefined
}

const unixMs = { description: 'Unix ms' }

export const deviceParameters = Type.Object({ id: Type.String({ description: 'Device id' }) })

export const deviceSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  createdAt: Type.Number(unixMs),
  lastSeenAt: Type.Union([Type.Number(unixMs), Type.Null()]),
  connected: Type.Boolean({ description: 'Its session has a connection now' }),
  latest: Type.Record(Type.String(), Type.Object({ at: Type.Number(unixMs), value: Type.Any() })),
  lastRefusal: Type.Union([Type.Object({ at: Type.Number(unixMs), topic: Type.String(), sentence: Type.String() }), Type.Null()], {
    description: 'The last telemetry that was kept and could not be read',
  }),
})

/** RFC 9457. Every refusal of the hub has this shape; `code` is a row of /docs/errors. */
export const problemSchema = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Number(),
  detail: Type.String(),
  code: Type.String(),
  retry: Type.Boolean({ description: 'The same request may pass later' }),
})
