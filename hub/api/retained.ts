// GET /v1/retained: the retained messages a filter matches.
import type { FastifyInstance } from 'fastify'
import type { Message } from '../../devices/message.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { payloadMember } from '../routing/payload.ts'
import { isSharedFilter, topicFilterProblem } from '../routing/topic-names.ts'
import { anything, array, boolean, integer, number, object, optional, orNull, string } from '../schema.ts'
import { type ApiParts, problemSchema } from './parts.ts'

interface RetainedQuery {
  readonly filter: string
  readonly after?: string
  readonly limit: number
}

const retainedAnswer = object({
  messages: array(
    object({
      topic: string(),
      payload: optional(anything),
      text: optional(string({ description: 'Of a payload that is not JSON' })),
      base64: optional(string({ description: 'Of a payload that is not UTF-8' })),
      qos: integer(),
      at: number({ description: 'When the hub took it, Unix ms' }),
      retain: boolean(),
    }),
  ),
  next: orNull(string(), { description: 'Value of `after` for the next page' }),
})

export function retainedRoutes(app: FastifyInstance, { router, clock }: ApiParts): void {
  app.get(
    '/v1/retained',
    {
      schema: {
        summary: 'Retained messages',
        description:
          'Those whose topic the filter matches, in ascending order of topic, a page at a time. Write `%23` for `#` and `%2B` for `+`.',
        querystring: object({
          filter: string({ description: 'A topic filter of MQTT' }),
          after: optional(string({ description: 'Topics after this one; take `next` of the page before' })),
          limit: integer({ minimum: 1, maximum: limits.pageRetained, default: 100 }),
        }),
        response: { 200: retainedAnswer, 400: problemSchema },
      },
    },
    async (request, reply) => {
      const { filter, after, limit } = request.query as RetainedQuery
      const problem = isSharedFilter(filter) ? 'nothing is retained for a shared subscription' : topicFilterProblem(filter)
      if (problem !== undefined) throw new Refusal('filter-invalid', { detail: problem })
      const { messages, next } = pageOf(router.retained.match(filter, clock.steady()), after, limit)
      const { permissions } = request.principal
      if (!permissions.maySubscribe(filter)) throw new Refusal('not-allowed', { action: 'read', topic: filter })
      // Written by hand, so that a payload that is JSON goes out as it came.
      reply.header('content-type', 'application/json; charset=utf-8')
      return `{"messages":[${messages
        .filter(({ topic }) => permissions.may('subscribe', topic))
        .map(textOf)
        .join(',')}],"next":${JSON.stringify(next)}}`
    },
  )
}

function textOf(message: Message): string {
  return `{"topic":${JSON.stringify(message.topic)},${payloadMember(message.payload)},"qos":${message.qos},"at":${message.atMs},"retain":true}`
}

function pageOf(found: readonly Message[], after: string | undefined, limit: number): { messages: Message[]; next: string | null } {
  const first = firstByTopic(found, after, limit + 1)
  let bytes = 0
  let count = 0
  for (const { payload } of first.slice(0, limit)) {
    bytes += payload.length
    if (bytes > limits.pageRetainedBytes) break
    count++
  }
  const messages = first.slice(0, count)
  return { messages, next: count < first.length ? (messages.at(-1)?.topic ?? null) : null }
}

/** The first `count` of them in order of topic. Never more than twice as many are sorted at once: sorting all would hold the loop for long. */
function firstByTopic(found: readonly Message[], after: string | undefined, count: number): Message[] {
  let first: Message[] = []
  let last: string | undefined
  for (const message of found) {
    if (after !== undefined && message.topic <= after) continue
    if (last !== undefined && message.topic >= last) continue
    if (first.push(message) < count * 2) continue
    first = sorted(first).slice(0, count)
    last = first.at(-1)?.topic
  }
  return sorted(first).slice(0, count)
}

function sorted(messages: Message[]): Message[] {
  return messages.sort((a, b) => (a.topic < b.topic ? -1 : 1))
}
