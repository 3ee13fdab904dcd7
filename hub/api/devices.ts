// GET /v1/devices and /v1/devices/{id}: who is on record, with their newest values.
import type { FastifyInstance } from 'fastify'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { array, integer, number, object, optional, orNull, string } from '../schema.ts'
import { type ApiParts, deviceParameters, deviceProperties, onlineSession, problemSchema } from './parts.ts'

interface ListQuery {
  readonly after?: string
  readonly search?: string
  readonly limit: number
}

const listQuery = object({
  after: optional(string({ description: 'Devices after this id; take `next` of the page before' })),
  search: optional(string({ maxLength: 256, description: 'Devices whose id or name contains this' })),
  limit: integer({ minimum: 1, maximum: limits.pageDevices, default: 100 }),
})

const pageAnswer = object({
  devices: array(object(deviceProperties)),
  total: number({ description: 'Devices that match, on any page' }),
  next: orNull(string(), { description: 'Value of `after` for the next page' }),
})

const deviceAnswer = object({
  ...deviceProperties,
  connection: orNull(object({ clientId: string(), transport: string(), address: string(), sinceMs: number() })),
})

export function deviceRoutes(app: FastifyInstance, { store, sessions }: ApiParts): void {
  app.get(
    '/v1/devices',
    {
      schema: {
        summary: 'List devices',
        description: 'In ascending order of id, a page at a time.',
        querystring: listQuery,
        response: { 200: pageAnswer, 400: problemSchema },
      },
    },
    async (request) => {
      const query = request.query as ListQuery
      const { devices, total } = await store.devices(query)
      return {
        devices: devices.map((device) => ({ ...device, connected: onlineSession(sessions, device.id) !== undefined })),
        total,
        next: devices.length === query.limit ? (devices.at(-1)?.id ?? null) : null,
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
      const presence = onlineSession(sessions, id)?.presence
      const connection =
        presence?.at === 'online'
          ? { clientId: id, transport: presence.connection.transport, address: presence.connection.address, sinceMs: presence.sinceMs }
          : null
      return { ...device, connected: connection !== null, connection }
    },
  )
}
