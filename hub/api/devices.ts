// GET /v1/devices and /v1/devices/{id}: who is on record, with their newest values.
import type { FastifyInstance } from 'fastify'
import Type, { type Static } from 'typebox'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { type ApiParts, deviceParameters, deviceSchema, onlineSession, problemSchema } from './parts.ts'

const listQuery = Type.Object({
  after: Type.Optional(Type.String({ description: 'Devices after this id; take `next` of the page before' })),
  search: Type.Optional(Type.String({ maxLength: 256, description: 'Devices whose id or name contains this' })),
  limit: Type.Integer({ minimum: 1, maximum: limits.pageDevices, default: 100 }),
})

export function deviceRoutes(app: FastifyInstance, { store, sessions }: ApiParts): void {
  app.get(
    '/v1/devices',
    {
      schema: {
        summary: 'List devices',
        description: 'In ascending order of id, a page at a time.',
        querystring: listQuery,
        response: {
          200: Type.Object({
            devices: Type.Array(deviceSchema),
            total: Type.Number({ description: 'Devices that match, on any page' }),
            next: Type.Union([Type.String(), Type.Null()], { description: 'Value of `after` for the next page' }),
          }),
        },
      },
    },
    async (request) => {
      const query = request.query as Static<typeof listQuery>
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
    {
      schema: {
        summary: 'One device',
        params: deviceParameters,
        response: {
          200: Type.Object({
            ...deviceSchema.properties,
            connection: Type.Union([
              Type.Object({ clientId: Type.String(), transport: Type.String(), address: Type.String(), sinceMs: Type.Number() }),
              Type.Null(),
            ]),
          }),
          404: problemSchema,
        },
      },
    },
    async (request) => {
      const { id } = request.params as Static<typeof deviceParameters>
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
