// GET /v1/timeline and GET /v1/devices/{id}/events: what has happened to devices. DELETE /v1/devices/{id}/connection makes something happen.
import type { FastifyInstance } from 'fastify'
import { isDeviceId } from '../../devices/device.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { anything, array, either, integer, number, object, optional, orNull, string } from '../schema.ts'
import { type DeviceEvent, type EventKind, eventKinds } from '../store/events.ts'
import { actorOf } from './credentials.ts'
import { type ApiParts, deviceParameters, problemSchema } from './parts.ts'
import { listOf, type OneOrMore, shown } from './query.ts'

interface Asked {
  readonly from?: number
  readonly to?: number
  readonly kind?: EventKind
  readonly name?: string
  readonly after?: number
  readonly limit: number
}

const asked = {
  from: optional(number({ description: 'Unix ms' })),
  to: optional(number({ description: 'Unix ms, included' })),
  kind: optional(string({ enum: [...eventKinds], description: '`event`: in the words of the device; the others the hub has found' })),
  name: optional(string({ maxLength: limits.eventNameBytes, description: 'Such as `offline`, `stale`, or how a device calls its event' })),
  after: optional(integer({ description: '`next` of the page before' })),
  limit: integer({ minimum: 1, maximum: limits.pageEvents, default: 100 }),
}

const page = object({
  events: array(
    object({
      device: string(),
      at: number({ description: 'Unix ms' }),
      kind: string(),
      name: string(),
      body: { ...anything, description: 'What was said of it: any JSON' },
    }),
  ),
  next: orNull(integer(), { description: 'Value of `after` for older ones' }),
})

const description = [
  `The newest first, a page at a time. A device has its newest ${limits.eventsPerDevice}, all devices together the newest ${limits.events}.`,
  'A device tells of an event on `devices/{id}/events/{name}`, with any JSON or text.',
].join(' ')

export function timelineRoutes(app: FastifyInstance, { store, speakers, devices, access }: ApiParts): void {
  const list = async (of: readonly string[] | undefined, { after, ...query }: Asked) => {
    const events = await store.events.list({ ...query, devices: of, before: after })
    return { events: events.map(answerOf), next: events.length === query.limit ? (events.at(-1)?.seq ?? null) : null }
  }

  app.get(
    '/v1/timeline',
    {
      schema: {
        summary: 'Events of the fleet',
        description,
        querystring: object({
          device: optional(either([string(), array(string())], { description: 'Device ids; may repeat, all devices when left out' })),
          ...asked,
        }),
        response: { 200: page, 400: problemSchema },
      },
    },
    (request) => {
      const { device, ...query } = request.query as Asked & { readonly device?: OneOrMore }
      const of = listOf(device)
      const stranger = of?.find((id) => !isDeviceId(id))
      if (stranger !== undefined) throw new Refusal('request-invalid', { detail: `device is no id of a device: ${shown(stranger)}` })
      return list(of, query)
    },
  )

  app.get(
    '/v1/devices/:id/events',
    {
      schema: {
        summary: 'Events of a device',
        description,
        params: deviceParameters,
        querystring: object(asked),
        response: { 200: page, 400: problemSchema, 404: problemSchema },
      },
    },
    (request) => {
      const { id } = request.params as { id: string }
      if (!devices.has(id)) throw new Refusal('device-unknown', { id })
      return list([id], request.query as Asked)
    },
  )

  app.delete(
    '/v1/devices/:id/connection',
    {
      schema: {
        summary: 'Close the connections of a device',
        description: 'It is told why, and may connect again at once; `PUT /v1/devices/{id}/disabled` shuts it out.',
        params: deviceParameters,
        response: { 200: object({ closed: integer({ description: 'How many it had' }) }), 404: problemSchema },
      },
    },
    async (request) => {
      const { id } = request.params as { id: string }
      if (!devices.has(id)) throw new Refusal('device-unknown', { id })
      const sessions = [...speakers.of(id)]
      for (const { connection } of sessions) connection?.close(new Refusal('kicked', { device: id }))
      await access.audit('device.kick', `device/${id}`, actorOf(request))
      return { closed: sessions.length }
    },
  )
}

function answerOf({ seq: _, body, ...event }: DeviceEvent): object {
  return { ...event, body: JSON.parse(body) as unknown }
}
