// GET /v1/latest: the newest values of many devices at once.
import type { FastifyInstance } from 'fastify'
import { limits } from '../limits.ts'
import { anything, array, integer, mapOf, number, object, optional, orNull, string } from '../schema.ts'
import { type ApiParts, problemSchema } from './parts.ts'
import { onlyOf, type SeriesAsked, selectedSeries, seriesSelected, whileAsked, withJson } from './query.ts'

interface LatestAsked extends SeriesAsked {
  readonly after?: string
  readonly limit: number
}

const latestQuery = object({
  ...selectedSeries,
  after: optional(string({ description: 'Devices after this id; take `next` of the page before' })),
  limit: integer({ minimum: 1, maximum: limits.latestDevices, default: 1000 }),
})

const description = [
  'Of the devices that meet every condition given, in ascending order of id, a page at a time: the newest point of each metric by its time.',
  'Of a device without any of the metrics asked for `latest` is empty.',
].join(' ')

const latestAnswer = object({
  devices: array(object({ device: string(), latest: mapOf(object({ at: number({ description: 'Unix ms' }), value: anything })) })),
  next: orNull(string(), { description: 'Value of `after` for the next page' }),
})

export function latestRoutes(app: FastifyInstance, { access, store }: ApiParts): void {
  app.get(
    '/v1/latest',
    {
      preValidation: onlyOf(latestQuery),
      schema: { summary: 'Newest values', description, querystring: latestQuery, response: { 200: latestAnswer, 400: problemSchema } },
    },
    async (request, reply) => {
      const { after, limit, ...asked } = request.query as LatestAsked
      const query = { ...seriesSelected(asked, access.groups), limit, ...(after === undefined ? {} : { after }) }
      const { json, next } = await store.telemetry.latest(query, whileAsked(reply))
      return withJson(reply, 'devices', json, { next: next ?? null })
    },
  )
}
