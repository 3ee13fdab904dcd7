// GET /v1/telemetry/points: points as they were stored, of many series, in the order of time.
import type { FastifyInstance } from 'fastify'
import { limits } from '../limits.ts'
import { anything, array, integer, number, object, optional, orNull, string } from '../schema.ts'
import { type ApiParts, problemSchema } from './parts.ts'
import { coarseSchema, onlyOf, type SeriesAsked, selectedSeries, seriesSelected, whileAsked, withJson } from './query.ts'
import { type RangeAsked, rangeOf, rangeParameters } from './times.ts'

interface PointsAsked extends SeriesAsked, RangeAsked {
  readonly order: 'asc' | 'desc'
  readonly limit: number
  readonly cursor?: string
}

const pointsQuery = object({
  ...selectedSeries,
  ...rangeParameters,
  order: string({ enum: ['asc', 'desc'], default: 'asc' }),
  limit: integer({ minimum: 1, maximum: limits.pointsAnswered, default: 1000 }),
  cursor: optional(
    string({ maxLength: 1024, description: '`next` of the page before; say `from` and `to` as its answer did, and the rest as before' }),
  ),
})

const description = [
  'Points of all series that meet every condition given, in the order of time, of one moment in the order of series, a page at a time. They come',
  'as columns of equal length: the first point is the first entry of each. Times are Unix ms.',
].join(' ')

const pointsAnswer = object({
  points: object({ devices: array(string()), metrics: array(string()), times: array(number()), values: array(anything) }),
  from: number(),
  to: number(),
  count: integer({ description: 'Points in this page' }),
  next: orNull(string(), { description: 'Value of `cursor` for the next page' }),
  coarse: coarseSchema,
})

export function pointRoutes(app: FastifyInstance, { access, store, clock }: ApiParts): void {
  app.get(
    '/v1/telemetry/points',
    {
      preValidation: onlyOf(pointsQuery),
      schema: {
        summary: 'Points of many series',
        description,
        querystring: pointsQuery,
        response: { 200: pointsAnswer, 400: problemSchema, 422: problemSchema },
      },
    },
    async (request, reply) => {
      const { from, to, order, limit, cursor, ...asked } = request.query as PointsAsked
      const range = rangeOf({ from, to }, clock.now())
      const query = { ...seriesSelected(asked, access.groups), ...range, order, limit, ...(cursor === undefined ? {} : { cursor }) }
      const { json, count, next, coarse } = await store.telemetry.points(query, whileAsked(reply))
      return withJson(reply, 'points', json, { from: range.fromMs, to: range.toMs, count, next: next ?? null, coarse })
    },
  )
}
