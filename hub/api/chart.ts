// What a chart is drawn from: points of series thinned to what a screen can show, of any series or of those of one device.
import type { FastifyInstance } from 'fastify'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { anything, array, boolean, integer, number, object, string } from '../schema.ts'
import { type ApiParts, deviceParameters, problemSchema } from './parts.ts'
import {
  coarseSchema,
  listOf,
  type OneOrMore,
  onlyOf,
  type SeriesAsked,
  selectedSeries,
  seriesSelected,
  whileAsked,
  withJson,
} from './query.ts'
import { type RangeAsked, rangeOf, rangeParameters } from './times.ts'

interface Drawing extends RangeAsked {
  readonly points: number
  readonly method: 'minmax' | 'lttb'
}

const drawingParameters = {
  ...rangeParameters,
  points: integer({
    minimum: 4,
    maximum: limits.pointsAnswered,
    default: 1000,
    description: 'Most points per series; two for each pixel draw like all of them',
  }),
  method: string({
    enum: ['minmax', 'lttb'],
    default: 'minmax',
    description: 'How numbers are thinned: `minmax` keeps first, last, lowest and highest of each stretch, `lttb` what shows in the shape',
  }),
}

const chartQuery = object({ ...selectedSeries, ...drawingParameters })

const historyQuery = object({ metric: selectedSeries.metric, ...drawingParameters })

const columns = [
  'Two columns per series: times in Unix ms, ascending, and values. When a series holds more than `points`, it is thinned (`thinned` is then true',
  'and `count` says how many there were). Long ranges are made from rollups: `tiers` names the finest and the coarsest that took part.',
].join(' ')

const seriesAnswer = array(
  object({
    device: string(),
    metric: string(),
    times: array(number()),
    values: array(anything),
    count: integer({ description: 'Points in the range before thinning' }),
    thinned: boolean(),
    tiers: array(string({ enum: ['raw', 'minute', 'hour', 'day'] })),
    coarse: coarseSchema,
  }),
)

export function chartRoutes(app: FastifyInstance, { access, store, devices, clock }: ApiParts): void {
  app.get(
    '/v1/telemetry/chart',
    {
      preValidation: onlyOf(chartQuery),
      schema: {
        summary: 'Series for a chart',
        description: `Of all series that meet every condition given, by device and metric. ${columns}`,
        querystring: chartQuery,
        response: { 200: object({ series: seriesAnswer, from: number(), to: number() }), 400: problemSchema, 422: problemSchema },
      },
    },
    async (request, reply) => {
      const { from, to, points, method, ...asked } = request.query as SeriesAsked & Drawing
      const range = rangeOf({ from, to }, clock.now())
      const query = { ...seriesSelected(asked, access.groups), ...range, pointsMax: points, method }
      const { json } = await store.telemetry.chart(query, whileAsked(reply))
      return withJson(reply, 'series', json, { from: range.fromMs, to: range.toMs })
    },
  )

  app.get(
    '/v1/devices/:id/telemetry',
    {
      preValidation: onlyOf(historyQuery),
      schema: {
        summary: 'Points of a device',
        description: `By metric. ${columns}`,
        params: deviceParameters,
        querystring: historyQuery,
        response: {
          200: object({ series: seriesAnswer, device: string(), from: number(), to: number() }),
          400: problemSchema,
          404: problemSchema,
          422: problemSchema,
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params as { id: string }
      const { metric, from, to, points, method } = request.query as Drawing & { readonly metric?: OneOrMore }
      if (!devices.has(id)) throw new Refusal('device-unknown', { id })
      const range = rangeOf({ from, to }, clock.now())
      const metrics = listOf(metric)
      const query = { devices: [id], ...range, pointsMax: points, method, ...(metrics === undefined ? {} : { metrics }) }
      const { json } = await store.telemetry.chart(query, whileAsked(reply))
      return withJson(reply, 'series', json, { device: id, from: range.fromMs, to: range.toMs })
    },
  )
}
