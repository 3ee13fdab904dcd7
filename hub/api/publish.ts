// Messages from programs: POST /v1/publish, and a device's reply to a command.
import type { FastifyInstance } from 'fastify'
import { readReply } from '../../devices/commands.ts'
import { isDeviceId } from '../../devices/device.ts'
import type { QoS } from '../../devices/message.ts'
import { replyTopic } from '../../devices/topics.ts'
import { Refusal } from '../errors.ts'
import { assertPayloadFits } from '../routing/payload.ts'
import { type PublicationWords, readAddress, readPublication } from '../routing/publication.ts'
import { topicNameProblem } from '../routing/topic-names.ts'
import { boolean, integer, object, optional, string } from '../schema.ts'
import type { Principal } from '../session/principal.ts'
import { type ApiParts, objectIn, problemSchema } from './parts.ts'
import { readingBy } from './readings.ts'

export const publishResponses = {
  200: object({
    stored: integer({ description: 'Messages on disk: 1, or 0 for one at QoS 0 that is not kept' }),
    cursor: optional(string({ description: 'Its place in the journal' })),
  }),
  400: problemSchema,
  403: problemSchema,
  413: problemSchema,
  429: problemSchema,
  507: problemSchema,
}

const publishDescription = [
  'As JSON: `{"topic":"a/b","payload":21.4}` with `payload` (any JSON), `text` or `base64`, and `qos` (1) and `retain` (false) if wished. With',
  '`?topic=` in the query the body is the payload as it is, whatever its bytes. The answer comes once the message is on disk; one at QoS 0 that is',
  'neither retained nor telemetry is not kept. Retaining an empty payload removes what was retained.',
].join(' ')

interface PublishQuery {
  readonly topic?: string
  readonly qos: QoS
  readonly retain: boolean
}

export function publishRoutes(app: FastifyInstance, parts: ApiParts): void {
  app.post(
    '/v1/publish',
    {
      schema: {
        summary: 'Publish a message',
        description: publishDescription,
        querystring: object({
          topic: optional(string({ description: 'The body is the payload then' })),
          qos: integer({ enum: [0, 1, 2], default: 1 }),
          retain: boolean({ default: false }),
        }),
        response: publishResponses,
      },
    },
    async (request) => {
      const query = request.query as PublishQuery
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
      if (query.topic === undefined) {
        const { topic, qos, retain, payload } = readPublication(objectIn(body) as PublicationWords)
        return publish(parts, topic, payload, { qos, retain, by: request.principal })
      }
      const { topic, qos, retain } = readAddress(query)
      assertPayloadFits(body.length)
      return publish(parts, topic, body, { qos, retain, by: request.principal })
    },
  )

  app.post(
    '/v1/devices/:id/replies/:command',
    {
      schema: {
        summary: 'Answer a command',
        description:
          'The body is `{"status":"done"}`, or failed, received or progress, with `result` (any JSON) and `reason` (text) if there is one.',
        params: object({ id: string({ description: 'Device id' }), command: string({ description: 'Id of the command' }) }),
        response: publishResponses,
      },
    },
    async (request) => {
      const { id, command } = request.params as { id: string; command: string }
      if (!isDeviceId(id)) throw new Refusal('device-id-invalid', { id })
      const topic = replyTopic(id, command)
      const problem = command === '' || command.includes('/') ? 'the id of a command is one level of it' : topicNameProblem(topic)
      if (problem !== undefined) throw new Refusal('topic-invalid', { detail: problem })
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
      const said = readReply(body.toString())
      if (typeof said === 'string') throw new Refusal('request-invalid', { detail: said })
      assertPayloadFits(body.length)
      return publish(parts, topic, body, { qos: 1, retain: false, by: request.principal })
    },
  )
}

/** Resolves once the message is on disk, or handed on if it is not kept. Errors: the `Refusal` for why it is not. */
export async function publish(
  { router, store: { journal, cursors } }: ApiParts,
  topic: string,
  payload: Buffer,
  { qos, retain, by }: { readonly qos: QoS; readonly retain: boolean; readonly by: Principal },
): Promise<{ stored: number; cursor?: string }> {
  if (journal.full) await new Promise<void>((resume) => journal.whenRoom(resume))
  const route = router.routeOf(topic)
  const checked = route.isRead
  const seq = router.publish(route, payload, 0, payload.length, { ...readingBy(by), qos, retain, checked })
  if (seq === 0) return { stored: 0 }
  await new Promise<void>((resolve, reject) =>
    journal.after({ stored: () => resolve(), failed: (_, why) => reject(why) }, 0, checked ? seq : 0),
  )
  return { stored: 1, cursor: cursors.cursorOf(seq) }
}
