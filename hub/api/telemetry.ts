// Readings in and out over HTTP: POST stores before it answers, GET gives a range thinned for drawing.
import type { FastifyInstance } from 'fastify'
import { isDeviceId } from '../../devices/device.ts'
import { telemetryTopic } from '../../devices/topics.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Router } from '../routing/router.ts'
import { anything, array, boolean, either, integer, number, object, optional, string } from '../schema.ts'
import type { Journal } from '../store/store.ts'
import { type ApiParts, deviceParameters, problemSchema } from './parts.ts'

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
  'plain `curl -d` works. The answer comes once everything is on disk.',
].join(' ')

interface Stored {
  /** Messages on disk. */
  readonly stored: number
  readonly refused?: readonly { readonly line: number; readonly code: string; readonly detail: string }[]
}

const storedSchema = object({
  stored: integer({ description: 'Messages on disk' }),
  refused: optional(array(object({ line: integer(), code: string(), detail: string() }))),
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
      if (!isNdjson(request.headers['content-type'])) {
        await publish(router, store.journal, telemetryTopic(checkedId(id)), body, 0, body.length)
        return { stored: 1 }
      }
      return publishLines(router, store.journal, telemetryTopic(checkedId(id)), body)
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
      await publish(router, store.journal, `${telemetryTopic(checkedId(id))}/${metric}`, body, 0, body.length)
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
      const range = { deviceId: id, fromMs, toMs, pointsMax: query.points }
      const metrics = typeof query.metric === 'string' ? [query.metric] : query.metric
      const series =
        metrics === undefined
          ? await store.history(range)
          : (await Promise.all(metrics.map((metric) => store.history({ ...range, metric })))).flat()
      return { device: id, from: fromMs, to: toMs, series }
    },
  )
}

/** Resolves once the message is on disk. Errors: the `Refusal` for why it is not. */
async function publish(router: Router, journal: Journal, topic: string, bytes: Buffer, start: number, end: number): Promise<void> {
  if (journal.full) await new Promise<void>((resume) => journal.whenRoom(resume))
  const publication = { qos: 1, retain: false, properties: undefined, from: undefined, checked: true } as const
  const seq = router.publish(router.routeOf(topic), bytes, start, end, publication)
  await new Promise<void>((resolve, reject) => journal.after({ stored: () => resolve(), failed: (_, why) => reject(why) }, 0, seq))
}

/** Each line is a message of its own: a bad one is named in the answer and does not harm the others. */
async function publishLines(router: Router, journal: Journal, topic: string, body: Buffer): Promise<Stored> {
  const outcomes: Promise<void>[] = []
  const lineNumbers: number[] = []
  let line = 0
  for (let start = 0; start < body.length; ) {
    const newline = body.indexOf(10, start)
    const end = newline === -1 ? body.length : newline
    line++
    if (end - start > limits.lineBytes) {
      outcomes.push(Promise.reject(new Refusal('line-too-long', { line, limit: limits.lineBytes })))
      lineNumbers.push(line)
    } else if (!isBlank(body, start, end)) {
      outcomes.push(publish(router, journal, topic, body, start, end))
      lineNumbers.push(line)
    }
    start = end + 1
  }
  const settled = await Promise.allSettled(outcomes)
  const refused = settled.flatMap((outcome, at) => {
    if (outcome.status === 'fulfilled') return []
    if (!(outcome.reason instanceof Refusal)) throw outcome.reason
    return [{ line: lineNumbers[at] as number, why: outcome.reason }]
  })
  const stored = settled.length - refused.length
  if (stored === 0 && refused[0] !== undefined) throw refused[0].why
  return { stored, refused: refused.map(({ line, why }) => ({ line, code: why.code, detail: why.message })) }
}

function isNdjson(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/(x-)?(ndjson|jsonl)\b/i.test(contentType)
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0x20 && bytes[at] !== 0x0d && bytes[at] !== 0x09) return false
  return true
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
