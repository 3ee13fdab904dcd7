// Readings over HTTP: POST stores before it answers.
import type { FastifyInstance } from 'fastify'
import { isDeviceId } from '../../devices/device.ts'
import { telemetryTopic } from '../../devices/topics.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Route } from '../routing/route.ts'
import type { Publication } from '../routing/router.ts'
import { array, integer, object, optional, string } from '../schema.ts'
import { type ApiParts, deviceParameters, problemSchema } from './parts.ts'
import { ArrayItems, elementsOf, LineItems, readingBy, storeAll } from './readings.ts'

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
  const { router } = parts
  const responses = { 200: storedSchema, 400: problemSchema, 413: problemSchema, 429: problemSchema, 507: problemSchema }

  app.post(
    '/v1/devices/:id/telemetry',
    { schema: { summary: 'Send readings', description: readingDescription, params: deviceParameters, response: responses } },
    async (request) => {
      const { id } = request.params as { id: string }
      const body = bodyOf(request.body)
      const route = router.routeOf(telemetryTopic(checkedId(id)))
      const reading = readingBy(request.principal)
      if (isNdjson(request.headers['content-type'])) return storeAll(parts, route, body, new LineItems(body), reading)
      const elements = elementsOf(body)
      if (elements !== undefined) return storeAll(parts, route, body, new ArrayItems(body, elements), reading)
      await publish(parts, route, body, reading)
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
      await publish(parts, router.routeOf(`${telemetryTopic(checkedId(id))}/${metric}`), body, readingBy(request.principal))
      return { stored: 1 }
    },
  )
}

/** Resolves once the message is on disk. Errors: the `Refusal` for why it is not. */
async function publish({ router, store: { journal } }: ApiParts, route: Route, body: Buffer, reading: Publication): Promise<void> {
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
