// /v1/devices and /v1/devices/{id}: who is on record, with their newest values, and what is said of them.
import type { FastifyInstance } from 'fastify'
import { type Device, type DeviceChange, isDeviceId, readDeviceChange } from '../../devices/device.ts'
import { merged, whyTooLarge } from '../../devices/metadata.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { describeDevice, registerDevice } from '../routing/description.ts'
import { removeDevice } from '../routing/removal.ts'
import { anything, array, integer, mapOf, number, object, optional, orNull, string } from '../schema.ts'
import { actorOf } from './credentials.ts'
import { holdsFor, holdsSchema } from './device-types.ts'
import { type ApiParts, deviceParameters, deviceProperties, jsonIn, objectIn, onlineSession, problemSchema } from './parts.ts'
import { type DevicesAsked, devicesSelected, selectedDevices } from './query.ts'

interface ListQuery extends DevicesAsked {
  readonly metadata?: '0' | '1'
  readonly after?: string
  readonly search?: string
  readonly limit: number
}

const listQuery = object({
  after: optional(string({ description: 'Devices after this id; take `next` of the page before' })),
  search: optional(string({ maxLength: 256, description: 'Devices whose id or name contains this' })),
  ...selectedDevices,
  limit: integer({ minimum: 1, maximum: limits.pageDevices, default: 100 }),
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
  'out stays; null takes the type, a tag or a member of the metadata away, and gives the name back that the device came with, its id. Tags are',
  'what lists and queries of telemetry can be narrowed to and grouped by. Metadata is any JSON object, and objects in it are merged, too.',
  'The answer comes once it is on disk. A device that is not on record is not made by this.',
].join(' ')

const deviceAnswer = object({
  ...deviceProperties,
  metadata: metadataSchema,
  holds: holdsSchema,
  refusals: mapOf(integer(), { description: 'What was refused to it since the hub started, by reason' }),
  alert: orNull(object({ clientId: string(), addresses: array(string()), at: number({ description: 'Unix ms, the last time' }) }), {
    description: 'Two addresses took its session from each other within the last hour: is there a copy of it?',
  }),
  connection: orNull(object({ clientId: string(), transport: string(), address: string(), sinceMs: number() })),
})

export function deviceRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { store, router, devices, sessions, access } = parts
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
      const { type, tag, group, metadata, limit: wanted, ...query } = request.query as ListQuery
      const withMetadata = metadata === '1'
      const limit = withMetadata ? Math.min(wanted, limits.pageMetadata) : wanted
      const { devices, total } = await store.devices({
        ...query,
        ...devicesSelected({ type, tag, group }, access.groups),
        limit,
        withMetadata,
      })
      return {
        devices: devices.map((device) => ({ ...device, connected: onlineSession(sessions, device.id) !== undefined })),
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
      const device = await registerDevice(id, change, devices, store)
      if (device === undefined) throw new Refusal('device-unknown', { id })
      access.onDescribed(device)
      await access.audit('device.create', `device/${id}`, actorOf(request))
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
      const device = await describeDevice(id, changeIn(request.body), devices, store)
      if (device === undefined) throw new Refusal('device-unknown', { id })
      access.onDescribed(device)
      await access.audit('device.describe', `device/${id}`, actorOf(request))
      return answerOf(device, parts)
    },
  )
}

function answerOf(device: Device, parts: ApiParts): object {
  const { sessions, metrics, clones } = parts
  const presence = onlineSession(sessions, device.id)?.presence
  const connection =
    presence?.at === 'online'
      ? { clientId: device.id, transport: presence.connection.transport, address: presence.connection.address, sinceMs: presence.sinceMs }
      : null
  const alert = clones.alertOf(device.id) ?? null
  const refusals = metrics.refusedTo(`device/${device.id}`)
  return { ...device, connected: connection !== null, connection, alert, refusals, holds: holdsFor(device.id, parts) }
}

function changeIn(body: unknown): DeviceChange {
  return checked(jsonIn(body, 'device-invalid'))
}

function checked(patch: unknown): DeviceChange {
  const change = readDeviceChange(patch, limits)
  if (typeof change === 'string') throw new Refusal('device-invalid', { detail: change })
  return change
}
