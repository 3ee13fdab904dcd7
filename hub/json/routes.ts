// What goes down over HTTP, as routes: server-sent events, long-polls, and the commands of a constrained device.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isDeviceId } from '../../devices/device.ts'
import type { Principal } from '../access/principal.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { object, optional, string } from '../schema.ts'
import { type Beginning, type Gap, seqOf } from '../session/beginning.ts'
import type { Session } from '../session/session.ts'
import { assertOwner } from '../session/sessions.ts'
import type { JsonEngine } from './engine.ts'
import { EventStream } from './events.ts'
import type { HelloFrame } from './frames.ts'
import { openSession } from './hello.ts'
import { type ListName, PollConnection } from './poll.ts'
import {
  afterMember,
  cleanMember,
  clientMember,
  type DownQuery,
  expiryMember,
  filterMember,
  helloOf,
  lastMember,
  retainedMember,
  sinceMember,
  waitMember,
} from './query.ts'
import { headersOf, isCut, type RawResponse } from './response.ts'
import { beginningOf, subscribe } from './subscribe.ts'

export interface DownParts {
  readonly engine: JsonEngine
  /** Errors: `too-many-connections`. */
  assertRoom(): void
  /** From now on the session looks after the rights of who asked. Errors: the refusal, when they were lost meanwhile. */
  letGo(reply: FastifyReply): void
}

/** How long the session of a client that polls is kept, unless it says so: some minutes without the network. */
const pollExpirySeconds = 300
const waitSeconds = 30

const lastEventIdMember = optional(
  string({ description: 'Cursor to go on from; the same as the header `Last-Event-ID`, and it wins over all others' }),
)

const eventsDescription = [
  'A stream of server-sent events, each of them a frame of the JSON protocol: `data` is the frame, `id` its cursor, `event` its `is` unless it is',
  'a message. The first is `welcome`. A browser that lost the stream says `Last-Event-ID` and goes on there: no gap, no duplicate, also after a',
  'restart of the hub. A comment, and the cursor when it moved, come every 15 s.',
].join(' ')

const streamed = { produces: ['text/event-stream'] }

/** A HEAD would open a stream that nobody reads. */
const getAlone = { exposeHeadRoute: false, config: { isHeld: true } }

export function downRoutes(app: FastifyInstance, parts: DownParts): void {
  const { engine } = parts

  app.get(
    '/v1/session/events',
    {
      ...getAlone,
      schema: {
        summary: 'Follow a session as events',
        description: `${eventsDescription} Subscriptions may be changed by \`POST /v1/stream?client=\`.`,
        ...streamed,
        querystring: object({
          client: clientMember,
          clean: cleanMember,
          expiry: expiryMember(0),
          after: afterMember,
          lastEventId: lastEventIdMember,
          filter: filterMember,
          since: sinceMember,
          last: lastMember,
          retained: retainedMember,
        }),
      },
    },
    (request, reply) => openEvents(parts, request, reply, request.query as DownQuery),
  )

  app.get(
    '/v1/messages',
    {
      ...getAlone,
      schema: {
        summary: 'Follow messages as events',
        description: `${eventsDescription} It needs no client identifier, and no session outlives it.`,
        ...streamed,
        querystring: object({
          filter: { ...filterMember, minItems: 1 },
          after: afterMember,
          lastEventId: lastEventIdMember,
          since: sinceMember,
          last: lastMember,
          retained: retainedMember,
        }),
      },
    },
    (request, reply) => {
      const query = request.query as DownQuery
      return openEvents(parts, request, reply, { ...query, clean: false, filter: query.filter ?? [] })
    },
  )

  app.get(
    '/v1/session/messages',
    {
      ...getAlone,
      schema: {
        summary: 'Poll a session',
        description: [
          'Answers `{"messages":[frames],"cursor":…}`: at once when something waits, else as soon as something comes, and after `wait` seconds with',
          'an empty list. `after`, the cursor of the answer before, acknowledges; without it what was not acknowledged comes again. The session',
          'outlives its requests: it is given up when none comes for one and a half times `wait`, and forgotten after `expiry` more. `filter` may',
          'be said each time; `clean` counts where no `after` is said.',
        ].join(' '),
        querystring: object({
          client: clientMember,
          clean: cleanMember,
          expiry: expiryMember(pollExpirySeconds),
          after: afterMember,
          wait: waitMember(waitSeconds),
          filter: filterMember,
          since: sinceMember,
          last: lastMember,
          retained: retainedMember,
        }),
      },
    },
    (request, reply) => {
      const query = request.query as DownQuery & { readonly wait: number }
      if (query.client === undefined) {
        throw new Refusal('request-invalid', { detail: 'a long-poll names its client (?client=), whose session outlives the request' })
      }
      return poll(parts, request, reply, helloOf(query, pollExpirySeconds, query.after), query.wait, 'messages')
    },
  )

  app.get(
    '/v1/devices/:id/commands',
    {
      ...getAlone,
      schema: {
        summary: 'Poll the commands of a device',
        description: [
          'Answers `{"commands":[{"is":"command","id":…}],"cursor":…}`, as a long-poll does. Without `after` each request acknowledges what the one',
          'before it brought. From the first request on, commands wait for the device for a week. A device that is connected by MQTT gets them there.',
        ].join(' '),
        params: object({ id: string({ description: 'Device id' }) }),
        querystring: object({ wait: waitMember(waitSeconds), after: afterMember }),
      },
    },
    (request, reply) => {
      const { id } = request.params as { id: string }
      const { wait, after } = request.query as { wait: number; after?: string }
      if (!isDeviceId(id)) throw new Refusal('device-id-invalid', { id })
      return poll(parts, request, reply, commandsOf(engine, id, after), wait, 'commands')
    },
  )
}

async function openEvents(
  { engine, assertRoom, letGo }: DownParts,
  request: FastifyRequest,
  reply: FastifyReply,
  query: DownQuery,
): Promise<void> {
  const raw = rawOf(reply)
  const after = lastEventIdOf(request) ?? query.lastEventId ?? query.after
  const hello = await fromHistory(engine, helloOf(query, 0, after))
  if (isCut(raw)) return
  assertRoom()
  const stream = new EventStream(engine, raw, addressOf(request))
  letGo(reply)
  const opened = openSession(engine, stream, hello, request.principal)
  reply.hijack()
  stream.open(opened, headersOf(reply))
}

async function poll(
  { engine, assertRoom, letGo }: DownParts,
  request: FastifyRequest,
  reply: FastifyReply,
  asked: HelloFrame,
  wait: number,
  list: ListName,
): Promise<void> {
  const raw = rawOf(reply)
  const hello = await fromHistory(engine, asked)
  if (isCut(raw)) return
  letGo(reply)
  const place = placeOf(engine, hello.after)
  const before = pollOf(engine, hello, request.principal)
  const connection = before ?? new PollConnection(engine, addressOf(request))
  let gaps: readonly Gap[] = place.gap === undefined ? [] : [place.gap]
  if (before !== undefined) subscribeToNew(engine, before, hello)
  else {
    assertRoom()
    const opened = openSession(engine, connection, hello, request.principal)
    connection.open(opened.session)
    if (opened.isKept) connection.awaitDisk()
    gaps = opened.gaps
  }
  reply.hijack()
  connection.hold({ raw, headers: headersOf(reply), list, waitSeconds: wait }, place.seq)
  for (const { asked: from, continues } of gaps) connection.gap(from, continues)
  connection.begin()
}

/** The connection that the client's polls have, unless it begins anew or its session is carried by something else. Errors: `client-id-not-yours`. */
function pollOf({ sessions }: JsonEngine, { client, clean, after }: HelloFrame, comes: Principal): PollConnection | undefined {
  const session = sessions.find(client as string)
  const connection = session?.connection
  if (session === undefined || !(connection instanceof PollConnection) || (clean && after === undefined)) return undefined
  assertOwner(session, comes)
  session.principal = comes.as(session.clientId) // another credential of the same may have other rights
  return connection
}

/** A client may say the same with each request. */
function subscribeToNew(engine: JsonEngine, connection: PollConnection, { subscribe: frames }: HelloFrame): void {
  const session = connection.session as Session
  for (const frame of frames) {
    if (session.subscriptions.has(frame.filter)) continue
    subscribe(engine, session, frame, ignore)
    if (session.number !== 0) connection.awaitDisk()
  }
}

/** The connection itself waits for the disk. */
function ignore(): void {}

function placeOf({ store }: JsonEngine, after: string | undefined): { readonly seq: number | undefined; readonly gap?: Gap } {
  if (after === undefined) return { seq: undefined }
  const { seq, known } = store.cursors.placeOf(after, store.journal.newestSeq)
  return known ? { seq } : { seq, gap: { asked: after, continues: store.cursors.cursorOf(seq) } }
}

function commandsOf(engine: JsonEngine, id: string, after: string | undefined): HelloFrame {
  const filter = `devices/${id}/commands/+`
  const { cursors } = engine.store
  const answeredSeq = engine.sessions.find(id)?.follower?.answeredSeq
  return {
    is: 'hello',
    client: id,
    clean: false,
    expiry: limits.sessionExpirySeconds,
    keepAlive: undefined,
    after: after ?? (answeredSeq === undefined ? undefined : cursors.cursorOf(answeredSeq)),
    subscribe: [{ is: 'subscribe', filter, since: undefined, last: undefined, retained: false, noLocal: false }],
    will: undefined,
  }
}

function lastEventIdOf({ headers }: FastifyRequest): string | undefined {
  const id = headers['last-event-id']
  return typeof id === 'string' && id !== '' ? id : undefined
}

/**
 * A session that is new begins where its history does: one look for all filters, in their common order, and each cursor is one to go on from.
 * Errors: as of `openSession`.
 */
async function fromHistory(engine: JsonEngine, hello: HelloFrame): Promise<HelloFrame> {
  const { client, clean, subscribe: frames } = hello
  const isKnown = !clean && client !== undefined && engine.sessions.find(client)?.follower !== undefined
  const [beginning] = frames.map((frame) => beginningOf(engine, frame))
  if (isKnown || beginning === undefined) return hello
  const after = await cursorOfBeginning(engine, hello, beginning)
  return { ...hello, after, subscribe: frames.map((frame) => ({ ...frame, since: undefined, last: undefined, retained: false })) }
}

/** All filters of a query begin at the same place. */
async function cursorOfBeginning({ store }: JsonEngine, { subscribe: frames }: HelloFrame, beginning: Beginning): Promise<string> {
  if (beginning.by === 'cursor') return beginning.cursor
  const filters = frames.map(({ filter }) => filter)
  return store.cursors.cursorOf(await seqOf(beginning, filters, store))
}

/** Over HTTP/2 it is of another class, with the same methods. */
function rawOf({ raw }: FastifyReply): RawResponse {
  return raw as unknown as RawResponse
}

function addressOf({ ip, socket }: FastifyRequest): string {
  return `${ip}:${socket.remotePort}`
}
