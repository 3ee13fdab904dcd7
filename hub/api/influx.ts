// POST /api/v2/write and /write: what Telegraf and other programs that speak InfluxDB's write API send to. What a line becomes stands in
// formats/line-protocol.ts. Bucket, organization, database and token are taken and not looked at: there is one store, and who is let in is
// decided as for every other route.
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { object, optional, string } from '../schema.ts'
import type { Precision } from './formats/line-protocol.ts'
import { importLines } from './import.ts'
import type { ApiParts } from './parts.ts'
import { piecesOf } from './upload.ts'

/** By the word for them, of either version. Minutes and hours, which version 1 had, are not used by what writes today. */
const precisionOf: Readonly<Record<string, Precision>> = { ns: 'ns', n: 'ns', us: 'us', u: 'us', µ: 'us', ms: 'ms', s: 's' }

const description = [
  'For Telegraf’s outputs.influxdb_v2 and others: line protocol, gzip or not. The tag `device`, without it `host`, names the device; each field is the',
  'metric `measurement.field`, and the other tags stand behind it in braces. 204 when all is on disk; when lines are refused the others are stored',
  'all the same, and 400 names the first (a partial write).',
].join(' ')

export function influxRoutes(app: FastifyInstance, parts: ApiParts): void {
  const writes = { open: 0 }
  app.post(
    '/api/v2/write',
    {
      config: { bodyStream: true, isTransfer: true, errorBody: errorOfVersion2 },
      schema: {
        summary: 'Write line protocol (InfluxDB v2)',
        description,
        querystring: object({
          org: optional(string()),
          orgID: optional(string()),
          bucket: optional(string()),
          precision: string({ default: 'ns', description: 'ns, us, ms or s' }),
        }),
      },
    },
    (request, reply) => write(parts, writes, request, reply),
  )
  app.post(
    '/write',
    {
      config: { bodyStream: true, isTransfer: true, errorBody: ({ message }: Refusal) => ({ error: message }) },
      schema: {
        summary: 'Write line protocol (InfluxDB v1)',
        description,
        querystring: object({
          db: optional(string()),
          rp: optional(string()),
          precision: string({ default: 'ns', description: 'ns, us, ms or s' }),
        }),
      },
    },
    (request, reply) => write(parts, writes, request, reply),
  )
}

async function write(parts: ApiParts, writes: { open: number }, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { precision: word } = request.query as { precision: string }
  const precision = precisionOf[word]
  if (precision === undefined) throw new Refusal('request-invalid', { detail: 'precision is ns, us, ms or s' })
  if (writes.open >= limits.lineProtocolWrites) {
    throw new Refusal('too-many-transfers', { limit: limits.lineProtocolWrites, name: 'lineProtocolWrites' })
  }
  writes.open++
  try {
    const { refused, refusedMore = 0 } = await importLines(
      parts,
      piecesOf(request.body as Readable | undefined, request.headers),
      precision,
      request.principal,
    )
    const [first] = refused
    if (first !== undefined) {
      const count = refused.length + refusedMore
      throw new Refusal('telemetry-invalid', { detail: `partial write, ${count} dropped; line ${first.line}: ${first.detail}` })
    }
  } finally {
    writes.open--
  }
  reply.code(204)
}

/** InfluxDB's words for a status; Telegraf looks at the status, people at the message. */
const codeOfStatus: Readonly<Record<number, string>> = {
  400: 'invalid',
  401: 'unauthorized',
  403: 'forbidden',
  413: 'request too large',
  429: 'too many requests',
  503: 'unavailable',
}

function errorOfVersion2({ row, message }: Refusal): { code: string; message: string } {
  return { code: codeOfStatus[row.http] ?? 'internal error', message }
}
