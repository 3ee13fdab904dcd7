// GET /v1/store, and GET /v1/devices/{id}/series: what is stored, and what that costs.
import type { FastifyInstance } from 'fastify'
import { Refusal } from '../errors.ts'
import { array, integer, number, object, orNull, string } from '../schema.ts'
import { type ApiParts, deviceParameters, problemSchema } from './parts.ts'
import { onlyOf } from './query.ts'

const storeQuery = object({
  seal: string({ enum: ['0', '1'], default: '0', description: '1 makes chunks of all points that wait in heads first' }),
})

const bytes = integer()
const atMs = orNull(number({ description: 'Unix ms' }))
const tier = object({ bytes, files: integer(), count: integer({ description: 'Points, of rollups buckets' }), fromMs: atMs, toMs: atMs })

const storeAnswer = object({
  series: object({
    count: integer(),
    points: integer(),
    bytes,
    bytesPerPoint: orNull(number(), { description: 'Of chunks and heads, all that their files need included' }),
  }),
  heads: object({ points: integer(), bytes }, { description: 'Points on their way into chunks' }),
  tiers: object({ raw: tier, minute: tier, hour: tier, day: tier }),
  journal: object({ bytes, fromMs: atMs, bytesMax: bytes, secondsMax: orNull(number()) }),
  projection: object({ lagMessages: integer(), lagBytes: bytes }, { description: 'Journalled and not yet in the series' }),
  disk: object({
    bytes: integer({ description: 'All files of the data folder' }),
    freeBytes: integer({ description: 'What the file system has left' }),
    budgetBytes: orNull(integer()),
    bytesPerDay: orNull(number()),
    daysLeft: orNull(number(), { description: 'Until the budget is met; null when that is not known or nothing grows' }),
    next: orNull(string(), { description: 'What is demoted next to make room' }),
  }),
  integrity: object(
    { damaged: array(string()), scrubbedAt: orNull(number({ description: 'Unix ms; when everything was last read through' })) },
    { description: 'What is damaged on the disk, a sentence each; mooring check looks at once' },
  ),
  problem: orNull(string(), { description: 'What the upkeep of the series came to a halt at, such as a full disk; it is tried again' }),
})

const seriesAnswer = object({
  device: string(),
  series: array(object({ metric: string(), points: integer(), bytes, bytesPerPoint: orNull(number()), fromMs: atMs, toMs: atMs })),
})

export function storeRoutes(app: FastifyInstance, { store, devices }: ApiParts): void {
  app.get(
    '/v1/store',
    {
      preValidation: onlyOf(storeQuery),
      schema: {
        summary: 'The store',
        description:
          'Points and bytes of the series, tier by tier, the journal and how far the series are behind it, the disk and how long it will last.',
        querystring: storeQuery,
        response: { 200: storeAnswer, 400: problemSchema },
      },
    },
    async (request) => {
      const { seal } = request.query as { seal: '0' | '1' }
      return store.status({ seal: seal === '1' })
    },
  )

  app.get(
    '/v1/devices/:id/series',
    {
      schema: {
        summary: 'Series of a device',
        description: 'By metric: how many points are stored, what they take on disk, and from when to when they reach.',
        params: deviceParameters,
        response: { 200: seriesAnswer, 404: problemSchema },
      },
    },
    async (request) => {
      const { id } = request.params as { id: string }
      if (!devices.has(id)) throw new Refusal('device-unknown', { id })
      const series = await store.telemetry.seriesOf(id)
      return { device: id, series: series.map((one) => ({ ...one, bytesPerPoint: one.points === 0 ? null : one.bytes / one.points })) }
    },
  )
}
