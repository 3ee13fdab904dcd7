// What the operators' routes need of the hub, and the shapes they share.
import type { X509Certificate } from 'node:crypto'
import type { DeviceId } from '../../devices/device.ts'
import type { Access } from '../access/access.ts'
import type { Clones } from '../access/clones.ts'
import type { Clock } from '../clock.ts'
import { Refusal, type RefusalCode } from '../errors.ts'
import type { Figures, Metrics } from '../metrics.ts'
import type { Bulks } from '../routing/commands/bulks.ts'
import type { Commands } from '../routing/commands/commands.ts'
import type { Devices } from '../routing/devices.ts'
import type { Publication, Router } from '../routing/router.ts'
import { anything, boolean, mapOf, number, object, optional, orNull, string } from '../schema.ts'
import type { Presences } from '../session/presences.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Speakers } from '../session/speakers.ts'
import type { Store } from '../store/store.ts'
import type { Downloads } from './download.ts'

/** What operators see of extensions, and ask of them. */
export interface Extended {
  all(): readonly object[]
  readonly calls: { call(device: DeviceId, name: string, params: unknown, by: Publication): Promise<unknown> }
  readonly conversations: {
    of(device: DeviceId): readonly object[]
    /** Errors: `conversation-unknown`, `conversation-running`, `too-many-conversations`. */
    assertMayBegin(device: DeviceId, name: string, inputBytes: number): void
    /** Errors: the same. */
    begin(device: DeviceId, name: string, begun: { input: unknown; inputBytes: number; by: string }): { readonly id: string }
    /** Errors: `conversation-unknown`, `conversation-over`. */
    cancel(device: DeviceId, id: string, by: string): { readonly name: string }
    forgetDevice(device: DeviceId): void
  }
}

export interface ApiParts {
  readonly store: Store
  readonly access: Access
  readonly commands: Commands
  readonly bulks: Bulks
  readonly clones: Pick<Clones, 'alertOf'>
  /** Where the store lives, and beside it what is on its way in. */
  readonly dataFolder: string
  readonly router: Router
  readonly devices: Devices
  readonly sessions: Sessions
  readonly speakers: Pick<Speakers, 'of'>
  readonly presences: Pick<Presences, 'of'>
  readonly metrics: Metrics
  readonly clock: Clock
  readonly version: string
  readonly startedAt: number
  /** The hub's own CA. Errors: `ca-unavailable`. */
  authority(): CertificateAuthority
  readonly downloads: Downloads
  readonly extensions: Extended
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
  gateway: orNull(string(), { description: 'The device whose connections speak for it, too' }),
  createdAt: unixMs,
  lastSeenAt: orNull(unixMs),
  connected: boolean({ description: 'A session that speaks for it, or its gateway, has a connection now' }),
  presence: object({
    at: string({ enum: ['online', 'away', 'offline'], description: '`away`: without a connection, and remembered with what it is owed' }),
    since: orNull(unixMs, { description: 'Null for one that was never connected' }),
    until: optional(number({ description: 'Of one that is away: it will be offline then, Unix ms' })),
    reason: optional(string({ description: 'Why it is not connected: the code of a refusal, or a word such as `connection-lost`' })),
    wire: optional(string({ description: 'Of its connection, or of the last one it had' })),
    address: optional(string()),
    lastOnlineAt: optional(number({ description: 'Of one without a connection: when the last one ended, Unix ms' })),
  }),
  latest: mapOf(object({ at: unixMs, value: anything })),
  lastRefusal: orNull(object({ at: unixMs, topic: string(), sentence: string() }), {
    description: 'The last telemetry, or report of a state, that was kept and could not be read',
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
