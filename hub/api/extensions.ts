// What extensions add: who is there, calls of devices over HTTP, conversations with devices.
import type { FastifyInstance } from 'fastify'
import { isDeviceId } from '../../devices/device.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { anything, array, integer, number, object, orNull, string } from '../schema.ts'
import { actorOf } from './credentials.ts'
import { type ApiParts, deviceParameters, jsonIn, problemSchema } from './parts.ts'
import { readingBy } from './readings.ts'

const handlerSchema = object({
  what: string({ description: 'Such as `on telemetry`, `command set-clock`' }),
  calls: integer(),
  running: integer(),
  failures: integer(),
  late: integer({ description: 'Calls that did not settle in time' }),
  dropped: integer({ description: 'Messages that gave way because it was too slow for their device' }),
  holds: integer({ description: `How often it held the loop for ${limits.handlerHoldMs} ms or more` }),
  longestHoldMs: integer(),
})

const extensionSchema = object({
  name: string(),
  state: string({ enum: ['setting-up', 'ready', 'failed'] }),
  error: orNull(string()),
  handlers: array(handlerSchema),
})

const conversationSchema = object({
  id: string(),
  name: string(),
  extension: string(),
  device: string(),
  state: string({ enum: ['running', 'done', 'failed', 'cancelled'] }),
  by: string(),
  startedAt: number({ description: 'Unix ms' }),
  endedAt: orNull(number()),
  step: orNull(string({ description: 'What it waits for' })),
  result: anything,
  error: orNull(string()),
})

const beginDescription = [
  'The body is JSON, and what the conversation gets. With a query the body is bytes as they are: the conversation gets `bytes` and the parameters,',
  'as in `POST …/conversations/firmware-update?version=1.4.2` with an image. Answers at once; how it goes stands in the list. A conversation does',
  'not survive a restart of the hub.',
].join(' ')

const conversationParameters = object({ id: string({ description: 'Device id' }), conversation: string({ description: 'Its id' }) })
const namedParameters = object({ id: string({ description: 'Device id' }), name: string() })

export function extensionRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { extensions, access, devices } = parts
  const { calls, conversations } = extensions

  app.get(
    '/v1/extensions',
    {
      schema: {
        summary: 'Extensions of this hub, and how their handlers do',
        response: { 200: object({ extensions: array(extensionSchema) }) },
      },
    },
    async () => ({ extensions: extensions.all() }),
  )

  app.post(
    '/v1/devices/:id/calls/:name',
    {
      schema: {
        summary: 'A device asks something of an extension',
        description:
          'The body is the params, as JSON. The same as a message on `devices/{id}/calls/{call}`; the answer comes with this response.',
        params: namedParameters,
        response: { 200: object({ result: anything }), 400: problemSchema, 404: problemSchema, 422: problemSchema, 504: problemSchema },
      },
    },
    async (request) => {
      const { id, name } = request.params as { id: string; name: string }
      if (!isDeviceId(id)) throw new Refusal('device-id-invalid', { id })
      const hasBody = Buffer.isBuffer(request.body) && request.body.length > 0
      const params = hasBody ? jsonIn(request.body, 'request-invalid') : {}
      return { result: await calls.call(id, name, params, { ...readingBy(request.principal), checked: false }) }
    },
  )

  app.get(
    '/v1/devices/:id/conversations',
    {
      schema: {
        summary: 'Conversations with a device',
        description: 'Those that run, then the last that are over.',
        params: deviceParameters,
        response: { 200: object({ conversations: array(conversationSchema) }) },
      },
    },
    async (request) => ({ conversations: conversations.of((request.params as { id: string }).id) }),
  )

  app.post(
    '/v1/devices/:id/conversations/:name',
    {
      bodyLimit: limits.conversationInputBytes,
      schema: {
        summary: 'Begin a conversation with a device',
        description: beginDescription,
        params: namedParameters,
        response: { 202: conversationSchema, 400: problemSchema, 404: problemSchema, 409: problemSchema, 429: problemSchema },
      },
    },
    async (request, reply) => {
      const { id, name } = request.params as { id: string; name: string }
      if (!devices.has(id)) throw new Refusal('device-unknown', { id })
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
      const by = actorOf(request)
      const begun = { input: inputOf(body, request.query as object), inputBytes: body.length, by: by.who }
      conversations.assertMayBegin(id, name, body.length)
      await access.audit('conversation.begin', `device/${id}`, by, name)
      reply.code(202)
      return conversations.begin(id, name, begun)
    },
  )

  app.delete(
    '/v1/devices/:id/conversations/:conversation',
    {
      schema: {
        summary: 'Cancel a conversation',
        params: conversationParameters,
        response: { 200: conversationSchema, 404: problemSchema, 409: problemSchema },
      },
    },
    async (request) => {
      const { id, conversation } = request.params as { id: string; conversation: string }
      const by = actorOf(request)
      const cancelled = conversations.cancel(id, conversation, by.who)
      await access.audit('conversation.cancel', `device/${id}`, by, cancelled.name)
      return cancelled
    },
  )
}

/** Errors: `request-invalid`, and `body-too-large` for JSON that would hold the loop for long. */
function inputOf(body: Buffer, query: object): unknown {
  if (Object.keys(query).length > 0) return { ...query, bytes: body }
  if (body.length === 0) return {}
  if (body.length > limits.bodyBytes) throw new Refusal('body-too-large', { limit: limits.bodyBytes, name: 'bodyBytes' })
  return jsonIn(body, 'request-invalid')
}
