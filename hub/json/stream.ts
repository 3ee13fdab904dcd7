// POST /v1/stream and POST /v1/devices/{id}/stream: lines that go up for as long as the body stays open.
import { isUtf8 } from 'node:buffer'
import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { isDeviceId } from '../../devices/device.ts'
import { telemetryTopic } from '../../devices/topics.ts'
import { Refusal } from '../errors.ts'
import { readPublication } from '../routing/publication.ts'
import type { Route } from '../routing/route.ts'
import { blankPublication, type Router } from '../routing/router.ts'
import { object, optional, string } from '../schema.ts'
import type { Principal } from '../session/principal.ts'
import type { TakeLine } from './uplink.ts'
import type { Frame, OnFrame, Uplinks } from './uplinks.ts'

const answers = [
  'The body may stay open for days; an empty line now and then says that the client lives. Answers come beside it, a line each:',
  '`{"stored":128}`, how many lines so far are on disk; `{"line":7,"code":…,"detail":…}` for one that is refused (the first line is 1, empty ones',
  'count there and nowhere else); empty lines as a sign of life. The last is `{"stored":…,"refused":…,"done":true}` once the client has ended',
  'the body; or, when the hub has to stop before, one with `next`, the line from which to send again, `code`, `detail` and `retry`.',
].join(' ')

/** The body of these routes is left unread: it belongs to the stream. */
const config = { bodyStream: true }

export function streamRoutes(app: FastifyInstance, uplinks: Uplinks): void {
  app.post(
    '/v1/devices/:id/stream',
    {
      config,
      schema: {
        summary: 'Stream readings',
        description: `Each line is one reading, as in \`POST /v1/devices/{id}/telemetry\`. ${answers}`,
        consumes: ['application/x-ndjson'],
        produces: ['application/x-ndjson'],
        params: object({ id: string({ description: 'Device id' }) }),
      },
    },
    (request, reply) => {
      const { id } = request.params as { id: string }
      if (!isDeviceId(id)) throw new Refusal('device-id-invalid', { id })
      open(uplinks, request, reply, request.principal, readingsOf(uplinks.parts.router, id, request.principal))
    },
  )

  app.post(
    '/v1/stream',
    {
      config,
      schema: {
        summary: 'Stream messages',
        description: `Each line is a frame of the JSON protocol; one without \`is\` is a \`publish\`: \`{"topic":"a/b","payload":21.4}\`. ${answers}`,
        consumes: ['application/x-ndjson'],
        produces: ['application/x-ndjson'],
        querystring: object({ client: optional(string({ minLength: 1, maxLength: 256, description: 'Client identifier' })) }),
      },
    },
    (request, reply) => {
      const { client } = request.query as { client?: string }
      const { router, framesOf } = uplinks.parts
      const principal = client === undefined ? request.principal : request.principal.as(client)
      const onFrame = client === undefined ? undefined : framesOf?.({ clientId: client, principal })
      open(uplinks, request, reply, principal, framesBy(router, client, principal, onFrame))
    },
  )
}

function open(uplinks: Uplinks, request: FastifyRequest, reply: FastifyReply, principal: Principal, take: TakeLine): void {
  uplinks.assertRoom()
  reply.hijack()
  uplinks.open(request.raw, reply.raw, reply.getHeaders() as OutgoingHttpHeaders, principal, take)
}

const publication = blankPublication()

/** Lines are readings of the device. No text and no object is made of them: the writer thread reads them before the commit. */
export function readingsOf(router: Router, deviceId: string, principal: Principal): TakeLine {
  const route = router.routeOf(telemetryTopic(deviceId))
  return (bytes, start, end) => {
    publication.qos = 1
    publication.retain = false
    publication.from = undefined
    publication.permissions = principal.permissions
    publication.allowance = principal.allowance
    publication.checked = true
    return router.publish(route, bytes, start, end, publication)
  }
}

/** Lines are frames: a `publish` is dealt with here, others are handed on. */
export function framesBy(router: Router, client: string | undefined, principal: Principal, onFrame: OnFrame | undefined): TakeLine {
  let lastRoute: Route | undefined
  return (bytes, start, end, uplink) => {
    const frame = readFrame(bytes, start, end)
    const { is = 'publish' } = frame
    if (is !== 'publish') {
      if (onFrame === undefined) throw new Refusal('request-invalid', { detail: whyNot(is, client) })
      uplink.expectAnswer()
      onFrame(frame, (outcome) => uplink.answered(outcome))
      return 'later'
    }
    const { topic, qos, retain, payload } = readPublication(frame, lastRoute?.topic)
    const route = topic === lastRoute?.topic ? lastRoute : router.routeOf(topic)
    lastRoute = route
    publication.qos = qos
    publication.retain = retain
    publication.from = client
    publication.permissions = principal.permissions
    publication.allowance = principal.allowance
    publication.checked = route.isRead
    const seq = router.publish(route, payload, 0, payload.length, publication)
    return publication.checked ? seq : 0
  }
}

function readFrame(bytes: Buffer, start: number, end: number): Frame {
  const text = bytes.toString('utf8', start, end)
  // The replacement character is rare in text that is right, so only then the bytes are looked at again.
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end))) throw new Refusal('request-invalid', { detail: 'it is not UTF-8' })
  let frame: unknown
  try {
    frame = JSON.parse(text)
  } catch (error) {
    throw new Refusal('request-invalid', { detail: `it is not JSON: ${(error as Error).message}` })
  }
  if (typeof frame === 'object' && frame !== null && !Array.isArray(frame)) return frame as Frame
  throw new Refusal('request-invalid', { detail: 'a line is one JSON object' })
}

function whyNot(is: unknown, client: string | undefined): string {
  if (client === undefined) return 'without ?client= this stream takes publish frames alone'
  return `this stream does not take ${JSON.stringify(is)?.slice(0, 64)}`
}
