// GET /v1/sessions: who is connected or remembered, and what each is owed, the longest queue first.
import type { FastifyInstance } from 'fastify'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { array, boolean, integer, mapOf, number, object, optional, orNull, string } from '../schema.ts'
import { deviceOf } from '../session/device-of.ts'
import type { Session } from '../session/session.ts'
import { actorOf } from './credentials.ts'
import { type ApiParts, problemSchema } from './parts.ts'

/** By what sessions stand in order. */
interface Place {
  readonly bytes: number
  readonly messages: number
  readonly id: string
}

const sessionSchema = object({
  id: string({ description: 'Client identifier' }),
  owner: string({ description: 'By whose credential it came; empty without one' }),
  device: orNull(string(), { description: 'Who speaks by it' }),
  wire: orNull(string(), { description: 'Null while it has no connection' }),
  address: orNull(string()),
  since: orNull(number({ description: 'Of its connection, Unix ms' })),
  until: orNull(number({ description: 'Without a connection: it is forgotten then, Unix ms' })),
  isSlow: boolean({ description: 'The peer reads more slowly than is sent to it' }),
  queueMessages: integer(),
  queueBytes: integer(),
  subscriptions: integer(),
})

export function sessionRoutes(app: FastifyInstance, { sessions, devices, access }: ApiParts): void {
  const answerOf = (session: Session) => {
    const { clientId, connection, presence, subscriptions, principal } = session
    return {
      id: clientId,
      owner: principal.owner,
      device: deviceOf(session, (id) => devices.has(id)) ?? null,
      wire: connection?.transport ?? null,
      address: connection?.address ?? null,
      since: presence.at === 'online' ? presence.sinceMs : null,
      until: presence.at === 'away' ? presence.untilMs : null,
      isSlow: connection?.writable === false,
      queueMessages: session.outboxCount,
      queueBytes: session.outboxBytes,
      subscriptions: subscriptions.size,
    }
  }

  app.get(
    '/v1/sessions',
    {
      schema: {
        summary: 'Sessions',
        description: [
          'Of clients that are connected, and of those that are remembered without a connection: the most bytes in the queue first, then the most',
          'messages, then by client identifier; a page at a time. Clients that go by cursor have no queue. Queues move while one reads on.',
        ].join(' '),
        querystring: object({
          after: optional(string({ description: '`next` of the page before' })),
          limit: integer({ minimum: 1, maximum: limits.pageSessions, default: 100 }),
        }),
        response: {
          200: object({
            sessions: array(sessionSchema),
            total: integer(),
            wires: mapOf(integer(), { description: 'How many are connected by each' }),
            next: orNull(string()),
          }),
          400: problemSchema,
        },
      },
    },
    async (request) => {
      const { after, limit } = request.query as { readonly after?: string; readonly limit: number }
      const first = firstInOrder(sessions.all, after === undefined ? undefined : placeIn(after), limit + 1)
      const page = first.slice(0, limit)
      const last = first.length > limit ? page.at(-1) : undefined
      const next = last === undefined ? null : textOf(placeOf(last))
      return { sessions: page.map(answerOf), total: sessions.count, wires: wiresOf(sessions.all), next }
    },
  )

  app.delete(
    '/v1/sessions/:client/connection',
    {
      schema: {
        summary: 'Close the connection of a session',
        description: 'Its client is told why, and may connect again at once.',
        params: object({ client: string({ description: 'Client identifier' }) }),
        response: { 200: object({ closed: integer({ description: '0 when it had none' }) }), 404: problemSchema },
      },
    },
    async (request) => {
      const { client } = request.params as { client: string }
      const session = sessions.find(client)
      if (session === undefined) throw new Refusal('session-unknown', { client })
      const { connection } = session
      connection?.close(new Refusal('kicked', { device: client }))
      await access.audit('session.kick', `client/${client}`, actorOf(request))
      return { closed: connection === undefined ? 0 : 1 }
    },
  )
}

function wiresOf(all: Iterable<Session>): Record<string, number> {
  const wires: Record<string, number> = {}
  for (const { connection } of all) if (connection !== undefined) wires[connection.transport] = (wires[connection.transport] ?? 0) + 1
  return wires
}

/** Never more than twice as many are sorted at once: sorting all would hold the loop for long. */
function firstInOrder(all: Iterable<Session>, after: Place | undefined, count: number): Session[] {
  let first: Session[] = []
  let last: Place | undefined
  for (const session of all) {
    const place = placeOf(session)
    if (after !== undefined && compare(place, after) <= 0) continue
    if (last !== undefined && compare(place, last) >= 0) continue
    if (first.push(session) < count * 2) continue
    first = sorted(first).slice(0, count)
    last = placeOf(first.at(-1)!)
  }
  return sorted(first).slice(0, count)
}

function sorted(sessions: Session[]): Session[] {
  return sessions.sort((a, b) => compare(placeOf(a), placeOf(b)))
}

function placeOf({ clientId: id, outboxBytes: bytes, outboxCount: messages }: Session): Place {
  return { bytes, messages, id }
}

function compare(a: Place, b: Place): number {
  return b.bytes - a.bytes || b.messages - a.messages || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}

function textOf({ bytes, messages, id }: Place): string {
  return `${bytes}.${messages}.${id}`
}

/** Errors: `request-invalid`. */
function placeIn(text: string): Place {
  const [, bytes, messages, id = ''] = /^(\d{1,15})\.(\d{1,15})\.(.*)$/s.exec(text) ?? []
  if (bytes === undefined) throw new Refusal('request-invalid', { detail: 'after is `next` of the page before' })
  return { bytes: Number(bytes), messages: Number(messages), id }
}
