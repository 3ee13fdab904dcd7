// /v1/devices and /v1/devices/{id}: who is on record, with their newest values, and what is said of them.
import type { FastifyInstance } from 'fastify'
import { type Device, type DeviceChange, type DeviceId, isDeviceId, readDeviceChange } from '../../devices/device.ts'
import { type Kinship, whyNotGateway } from '../../devices/gateway.ts'
import { merged } from '../../devices/merge-patch.ts'
import { whyTooLarge } from '../../devices/metadata.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { describeDevice, registerDevice } from '../routing/description.ts'
import type { Devices } from '../routing/devices.ts'
import { removeDevice } from '../routing/removal.ts'
import { anything, array, boolean, integer, mapOf, number, object, optional, orNull, string } from '../schema.ts'
import type { Session } from '../session/session.ts'
import { actorOf } from './credentials.ts'
import { holdsFor, holdsSchema } from './device-types.ts'
import { type ApiParts, deviceParameters, deviceProperties, jsonIn, objectIn, problemSchema } from './parts.ts'
import { type DevicesAsked, devicesSelected, selectedDevices } from './query.ts'

interface ListQuery extends DevicesAsked {
  readonly metadata?: '0' | '1'
  readonly stale?: '0' | '1'
  readonly after?: string
  readonly search?: string
  readonly gateway?: string
  readonly limit: number
}

const listQuery = object({
  after: optional(string({ description: 'Devices after this id; take `next` of the page before' })),
  search: optional(string({ maxLength: 256, description: 'Devices whose id or name contains this' })),
  gateway: optional(string({ description: 'Devices that have this gateway' })),
  ...selectedDevices,
  limit: integer({ minimum: 1, maximum: limits.pageDevices, default: 100 }),
  stale: optional(string({ enum: ['0', '1'], description: '1: those that have a metric which has fallen silent' })),
  metadata: optional(string({ enum: ['0', '1'], description: `1: with their metadata, at most ${limits.pageMetadata} a page` })),
})

const metadataSchema = mapOf(anything, { description: 'Any JSON' })

const pageAnswer = object({
  devices: array(object({ ...deviceProperties, metadata: optional(metadataSchema) })),
  total: number({ description: 'Devices that match, on any page' }),
  next: orNull(string(), { description: 'Value of `after` for the next page' }),
})

const changeDescription = [
  'A merge patch (RFC 7396): `{"name":"Boiler 1","type":"boiler","tags":{"site":"north","floor":null},"metadata":{"serial":"B-17"}}`. What is left',
  'out stays; null takes the type, the gateway, a tag or a member of the metadata away, and gives the name back that the device came with, its id. Tags are',
  'what lists and queries of telemetry can be narrowed to and grouped by. Metadata is any JSON object, and objects in it are merged, too.',
  'The gateway is the device whose connections speak for it as well; it is on record, and has none itself.',
  'The answer comes once it is on disk. A device that is not on record is not made by this.',
].join(' ')

/** A person reads them, every few seconds; a session may have ten times as many. */
const subscriptionsTold = 100

const connectionSchema = object({
  clientId: string(),
  transport: string(),
  address: string(),
  sinceMs: number(),
  keepAliveSeconds: number({ description: 'After one and a half times this silence it counts as gone; 0 for no such bound' }),
  subscriptions: array(string(), { description: `Its topic filters, at most ${subscriptionsTold} of them` }),
})

const freshnessSchema = mapOf(
  object({
    lastAt: number({ description: 'When the hub heard of it, Unix ms' }),
    every: orNull(number(), {
      description: 'Seconds within which it should come again, by its type or as it did before; null while that is learned',
    }),
    staleAt: orNull(number(), { description: 'Since when it is silent for too long, Unix ms' }),
    isStale: boolean(),
  }),
  { description: 'Of metrics that came since the hub began' },
)

const deviceAnswer = object({
  ...deviceProperties,
  metadata: metadataSchema,
  freshness: freshnessSchema,
  holds: holdsSchema,
  refusals: mapOf(integer(), { description: 'What was refused to it since the hub started, by reason' }),
  alert: orNull(object({ clientId: string(), addresses: array(string()), at: number({ description: 'Unix ms, the last time' }) }), {
    description: 'Two addresses took its session from each other within the last hour: is there a copy of it?',
  }),
  connection: orNull(connectionSchema, { description: 'The newest of them' }),
  connections: array(connectionSchema, { description: 'Of all sessions that speak for it' }),
})

export function deviceRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { store, router, devices, presences, access, extensions } = parts
  app.get(
    '/v1/devices',
    {
      schema: {
        summary: 'List devices',
        description: 'Those that meet every condition given, in ascending order of id, a page at a time.',
        querystring: listQuery,
        response: { 200: pageAnswer, 400: problemSchema },
      },
    },
    async (request) => {
      const { type, tag, group, metadata, stale, limit: wanted, ...query } = request.query as ListQuery
      const withMetadata = metadata === '1'
      const limit = withMetadata ? Math.min(wanted, limits.pageMetadata) : wanted
      const { devices, total } = await store.devices({
        ...query,
        ...devicesSelected({ type, tag, group }, access.groups),
        among: stale === '1' ? await store.freshness.stale() : undefined,
        limit,
        withMetadata,
      })
      return {
        devices: devices.map((device) => {
          const presence = presences.of(device.id) ?? device.presence
          return { ...device, connected: presence.at === 'online', presence }
        }),
        total,
        next: devices.length === limit ? (devices.at(-1)?.id ?? null) : null,
      }
    },
  )

  app.get(
    '/v1/devices/:id',
    { schema: { summary: 'One device', params: deviceParameters, response: { 200: deviceAnswer, 404: problemSchema } } },
    async (request) => {
      const { id } = request.params as { id: string }
      const device = await store.device(id)
      if (device === undefined) throw new Refusal('device-unknown', { id })
      return answerOf(device, parts)
    },
  )

  app.post(
    '/v1/devices',
    {
      schema: {
        summary: 'Put a device on record',
        description:
          'The body is `{"id":"pump-7","name":"Pump 7","type":"pump","tags":{"site":"north"},"metadata":{…}}`, all but `id` if wished.',
        response: { 200: deviceAnswer, 400: problemSchema, 409: problemSchema, 429: problemSchema, 507: problemSchema },
      },
    },
    async (request) => {
      const { id, ...said } = objectIn(Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0))
      if (typeof id !== 'string' || !isDeviceId(id)) throw new Refusal('device-id-invalid', { id: `${id}`.slice(0, 64) })
      const change = checked(said)
      const why = whyTooLarge(merged({}, change.metadata ?? {}), limits) // before it is on record
      if (why !== undefined) throw new Refusal('device-invalid', { detail: why })
      if (devices.has(id)) throw new Refusal('device-known', { id })
      assertGateway(id, change.gateway, devices)
      const device = await registerDevice(id, change, devices, store)
      if (device === undefined) throw new Refusal('device-unknown', { id })
      access.onDescribed(device)
      await access.audit('device.create', `device/${id}`, actorOf(request), gatewayIn(change))
      return answerOf(device, parts)
    },
  )

  app.delete(
    '/v1/devices/:id',
    {
      schema: {
        summary: 'Delete a device with its data',
        description:
          'Its record, points, rollups, retained messages and credentials. Who came by these is closed; messages in the journal age out there.',
        params: deviceParameters,
        response: { 200: object({ deleted: string() }), 404: problemSchema, 507: problemSchema },
      },
    },
    async (request) => {
      const { id } = request.params as { id: string }
      const by = actorOf(request)
      await access.forgetDevice(id, by)
      if (!(await removeDevice(id, devices, router, store))) throw new Refusal('device-unknown', { id })
      extensions.conversations.forgetDevice(id)
      await access.audit('device.delete', `device/${id}`, by)
      return { deleted: id }
    },
  )

  app.patch(
    '/v1/devices/:id',
    {
      schema: {
        summary: 'Describe a device',
        description: changeDescription,
        params: deviceParameters,
        response: { 200: deviceAnswer, 400: problemSchema, 404: problemSchema, 507: problemSchema },
      },
    },
    async (request) => {
      const { id } = request.params as { id: string }
      const change = changeIn(request.body)
      const device = await describeDevice(id, change, devices, store)
      if (device === undefined) throw new Refusal('device-unknown', { id })
      access.onDescribed(device)
      await access.audit('device.describe', `device/${id}`, actorOf(request), gatewayIn(change))
      return answerOf(device, parts)
    },
  )
}

async function answerOf(device: Device, parts: ApiParts): Promise<object> {
  const { speakers, presences, metrics, clones } = parts
  const freshness = await parts.store.freshness.of(device.id)
  const presence = presences.of(device.id) ?? device.presence
  const connections = [...speakers.of(device.id)].flatMap(connectionOf)
  const alert = clones.alertOf(device.id) ?? null
  const refusals = metrics.refusedTo(`device/${device.id}`)
  return {
    ...device,
    connected: presence.at === 'online',
    presence,
    connection: connections.at(-1) ?? null,
    connections,
    freshness,
    alert,
    refusals,
    holds: holdsFor(device.id, parts),
  }
}

function connectionOf({ clientId, presence, subscriptions }: Session): object[] {
  if (presence.at !== 'online') return []
  const { transport, address, keepAliveSeconds } = presence.connection
  const filters = [...subscriptions.keys()].slice(0, subscriptionsTold)
  return [{ clientId, transport, address, sinceMs: presence.sinceMs, keepAliveSeconds, subscriptions: filters }]
}

/** Before it is on record. Errors: `gateway-invalid`. */
function assertGateway(child: DeviceId, gateway: DeviceId | null | undefined, devices: Devices): void {
  const { gateways } = devices
  const kinship: Kinship = {
    has: (id) => devices.has(id),
    gatewayOf: (id) => gateways.gatewayOf(id),
    hasChildren: (id) => gateways.hasChildren(id),
  }
  const why = typeof gateway === 'string' ? whyNotGateway(gateway, child, kinship) : undefined
  if (why !== undefined) throw new Refusal('gateway-invalid', { detail: why })
}

/** Who speaks for a device is a right, so it is on record who gave it. */
function gatewayIn({ gateway }: DeviceChange): string {
  return gateway === undefined ? '' : `gateway: ${gateway ?? 'none'}`
}

function changeIn(body: unknown): DeviceChange {
  return checked(jsonIn(body, 'device-invalid'))
}

function checked(patch: unknown): DeviceChange {
  const change = readDeviceChange(patch, limits)
  if (typeof change === 'string') throw new Refusal('device-invalid', { detail: change })
  return change
}
