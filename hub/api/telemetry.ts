// Readings in and out over HTTP: POST stores before it answers, GET gives a range thinned for drawing.
import type { FastifyInstance } from 'fastify'
import { isDeviceId } from '../../devices/device.ts'
import { telemetryTopic } from '../../devices/topics.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Route, Router } from '../routing/router.ts'
import { anything, array, boolean, either, integer, number, object, optional, string } from '../schema.ts'
import type { Journal } from '../store/store.ts'
import { type ApiParts, deviceParameters, problemSchema } from './parts.ts'
import { ArrayItems, elementsOf, LineItems, reading, storeAll } from './readings.ts'

const hourMs = 3_600_000

interface HistoryQueryText {
  readonly metric?: string | readonly string[]
  readonly from?: string
  readonly to?: string
  readonly points: number
}

const historyQuery = object({
  metric: optional(either([string(), array(string())], { description: 'May repeat; all metrics when left out' })),
  from: optional(string({ description: 'Unix ms or ISO 8601, included; an hour before `to` when left out' })),
  to: optional(string({ description: 'Unix ms or ISO 8601, included; now when left out' })),
  points: integer({ minimum: 4, maximum: limits.pointsAnswered, default: 1000, description: 'Most points per series' }),
})

const readingDescription = [
  'One reading, or an array of readings, as JSON: `{"temperature":61.3}` takes the hub’s time, `{"ts":1700000000000,"values":{"temperature":61.3}}`',
  'its own (Unix ms). With content type application/x-ndjson each line is one of these. The content type is otherwise not looked at, so a',
  'plain `curl -d` works. The answer comes once everything is on disk. Of an array or of lines each is stored or refused by itself; when all are',
  'refused, the first reason is the answer.',
].join(' ')

const storedSchema = object({
  stored: integer({ description: 'Readings on disk' }),
  refused: optional(
    array(object({ line: optional(integer()), item: optional(integer()), code: string(), detail: string() }), {
      description: 'Of an array or NDJSON: what was not stored, by the number of the item or line; the first is 1',
    }),
  ),
  refusedMore: optional(integer({ description: `How many more there were than the ${limits.refusalsNamed} that are named` })),
})

export function telemetryRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { store, router } = parts
  const responses = { 200: storedSchema, 400: problemSchema, 413: problemSchema, 429: problemSchema, 507: problemSchema }

  app.post(
    '/v1/devices/:id/telemetry',
    { schema: { summary: 'Send readings', description: readingDescription, params: deviceParameters, response: responses } },
    async (request) => {
      const { id } = request.params as { id: string }
      const body = bodyOf(request.body)
      const route = router.routeOf(telemetryTopic(checkedId(id)))
      if (isNdjson(request.headers['content-type'])) return storeAll(router, store.journal, route, body, new LineItems(body))
      const elements = elementsOf(body)
      if (elements !== undefined) return storeAll(router, store.journal, route, body, new ArrayItems(body, elements))
      await publish(router, store.journal, route, body)
      return { stored: 1 }
    },
  )

  app.post(
    '/v1/devices/:id/telemetry/:metric',
    {
      schema: {
        summary: 'Send one value of one metric',
        description: 'The body is a number, true, false, JSON or plain text.',
        params: object({ id: string(), metric: string() }),
        response: responses,
      },
    },
    async (request) => {
      const { id, metric } = request.params as { id: string; metric: string }
      if (/[+#\0]/.test(metric)) throw new Refusal('topic-invalid', { detail: 'a metric name has no +, # or U+0000' })
      const body = bodyOf(request.body)
      await publish(router, store.journal, router.routeOf(`${telemetryTopic(checkedId(id))}/${metric}`), body)
      return { stored: 1 }
    },
  )

  app.get(
    '/v1/devices/:id/telemetry',
    {
      schema: {
        summary: 'Points of a device',
        description: [
          'Two columns per metric: times in Unix ms, ascending, and values. When a series holds more than `points`, numbers are thinned so that',
          'first, last, lowest and highest of each stretch stay (`thinned` is then true and `count` says how many there were).',
        ].join(' '),
        params: deviceParameters,
        querystring: historyQuery,
        response: {
          200: object({
            device: string(),
            from: number(),
            to: number(),
            series: array(
              object({ metric: string(), times: array(number()), values: array(anything), count: integer(), thinned: boolean() }),
            ),
          }),
          400: problemSchema,
          404: problemSchema,
          422: problemSchema,
        },
      },
    },
    async (request) => {
      const { id } = request.params as { id: string }
      const query = request.query as HistoryQueryText
      if (!parts.devices.has(id)) throw new Refusal('device-unknown', { id })
      const toMs = timeOf('to', query.to) ?? Date.now()
      const fromMs = timeOf('from', query.from) ?? toMs - hourMs
      if (fromMs > toMs) throw new Refusal('request-invalid', { detail: 'from lies after to' })
      const metrics = typeof query.metric === 'string' ? [query.metric] : query.metric
      const range = { devices: [id], ...(metrics && { metrics }), fromMs, toMs, pointsMax: query.points, method: 'minmax' } as const
      const series = JSON.parse(Buffer.from((await store.telemetry.chart(range)).json).toString())
      return { device: id, from: fromMs, to: toMs, series }
    },
  )
}

/** Resolves once the message is on disk. Errors: the `Refusal` for why it is not. */
async function publish(router: Router, journal: Journal, route: Route, body: Buffer): Promise<void> {
  if (journal.full) await new Promise<void>((resume) => journal.whenRoom(resume))
  const seq = router.publish(route, body, 0, body.length, reading)
  await new Promise<void>((resolve, reject) => journal.after({ stored: () => resolve(), failed: (_, why) => reject(why) }, 0, seq))
}

function isNdjson(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/(x-)?(ndjson|jsonl)\b/i.test(contentType)
}

function bodyOf(body: unknown): Buffer {
  if (!Buffer.isBuffer(body) || body.length === 0)
    throw new Refusal('request-invalid', { detail: 'the body is empty; send a reading such as {"temperature":61.3}' })
  return body
}

function checkedId(id: string): string {
  if (!isDeviceId(id)) throw new Refusal('device-id-invalid', { id })
  return id
}

function timeOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const ms = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : Date.parse(text)
  if (Number.isNaN(ms)) throw new Refusal('request-invalid', { detail: `${name} is Unix ms or ISO 8601, not "${text.slice(0, 64)}"` })
  return ms
}
