// What the operators' routes need of the hub, and the shapes they share.
import type { X509Certificate } from 'node:crypto'
import type { DeviceId } from '../../devices/device.ts'
import type { Access } from '../access/access.ts'
import type { Clones } from '../access/clones.ts'
import type { Clock } from '../clock.ts'
import { Refusal, type RefusalCode } from '../errors.ts'
import type { Figures, Metrics } from '../metrics.ts'
import type { Devices } from '../routing/devices.ts'
import type { Router } from '../routing/router.ts'
import { anything, boolean, mapOf, number, object, orNull, string } from '../schema.ts'
import type { Session } from '../session/session.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Store } from '../store/store.ts'

export interface ApiParts {
  readonly store: Store
  readonly access: Access
  readonly clones: Pick<Clones, 'alertOf'>
  /** Where the store lives, and beside it what is on its way in. */
  readonly dataFolder: string
  readonly router: Router
  readonly devices: Devices
  readonly sessions: Sessions
  readonly metrics: Metrics
  readonly clock: Clock
  readonly version: string
  readonly startedAt: number
  /** The hub's own CA. Errors: `ca-unavailable`. */
  authority(): CertificateAuthority
  figures(): Figures
  listeners(): Listeners
}

/** Makes certificates for devices. */
export interface CertificateAuthority {
  readonly certificate: X509Certificate
  /** Errors: `Refusal`. */
  issue(wanted: ClientWanted): Promise<ClientCertificate>
}

export interface ClientWanted {
  readonly device: DeviceId
  /** Unix ms */
  readonly toMs: number
  /** PEM; undefined for a key that is made with the certificate. */
  readonly csr: string | undefined
}

export interface ClientCertificate {
  /** PEM */
  readonly cert: string
  /** PEM; undefined where the CSR brought its own. */
  readonly key: string | undefined
  /** SHA-256 in capital hex with colons. */
  readonly fingerprint: string
  readonly untilMs: number
}

export interface Listener {
  readonly address: string
  readonly port: number
}

export interface Listeners {
  readonly mqtt: Listener | null
  readonly http: Listener
  readonly mqtts: Listener | null
  readonly https: Listener | null
  /** The one port for all of them. */
  readonly all: Listener | null
}

/** The session that speaks for a device right now; undefined while it is away. */
export function onlineSession(sessions: Sessions, deviceId: string): Session | undefined {
  const session = sessions.find(deviceId)
  return session?.presence.at === 'online' ? session : undefined
}

/** Errors: `request-invalid`. */
export function objectIn(body: Buffer): { readonly [name: string]: unknown } {
  let value: unknown
  try {
    value = JSON.parse(body.toString())
  } catch (error) {
    throw new Refusal('request-invalid', { detail: `the body is not JSON: ${(error as Error).message}` })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as { readonly [name: string]: unknown }
  throw new Refusal('request-invalid', { detail: 'the body is one JSON object' })
}

/** Errors: this one, when the body is no JSON. */
export function jsonIn(body: unknown, code: RefusalCode): unknown {
  try {
    return JSON.parse(Buffer.isBuffer(body) ? body.toString() : '')
  } catch (error) {
    throw new Refusal(code, { detail: `the body is not JSON: ${(error as Error).message}` })
  }
}

const unixMs = number({ description: 'Unix ms' })

export const deviceParameters = object({ id: string({ description: 'Device id' }) })

/** Properties of a device in an answer. */
export const deviceProperties = {
  id: string(),
  name: string(),
  type: orNull(string()),
  tags: mapOf(string()),
  createdAt: unixMs,
  lastSeenAt: orNull(unixMs),
  connected: boolean({ description: 'Its session has a connection now' }),
  latest: mapOf(object({ at: unixMs, value: anything })),
  lastRefusal: orNull(object({ at: unixMs, topic: string(), sentence: string() }), {
    description: 'The last telemetry that was kept and could not be read',
  }),
}

/** RFC 9457. Every refusal of the hub has this shape; `code` is a row of /docs/errors. */
export const problemSchema = object({
  type: string(),
  title: string(),
  status: number(),
  detail: string(),
  code: string(),
  retry: boolean({ description: 'The same request may pass later' }),
})
