// GET /v1/audit and /v1/audit/export: who did what, and who was not let in.
import type { FastifyInstance } from 'fastify'
import { limits } from '../limits.ts'
import { array, integer, number, object, optional, orNull, string } from '../schema.ts'
import type { AccessStore, AuditPage, AuditQuery } from '../store/access.ts'
import { csvText } from './formats/csv.ts'
import { isoOf } from './formats/times.ts'
import { type ApiParts, problemSchema } from './parts.ts'

/** Which entries; what is said has to be true of each. */
interface Chosen {
  readonly from?: number
  readonly to?: number
  readonly who?: string
  readonly action?: string
  readonly target?: string
}

const chosen = {
  from: optional(number({ description: 'Unix ms' })),
  to: optional(number({ description: 'Unix ms, included' })),
  who: optional(string()),
  action: optional(string()),
  target: optional(string()),
}

type Entry = AuditPage['entries'][number]

const formats = {
  csv: {
    mediaType: 'text/csv; charset=utf-8',
    header: 'id,at,who,from,action,target,outcome,detail\r\n',
    row: ({ id, at, who, from, action, target, outcome, detail }: Entry) =>
      `${id},${isoOf(at)},${[who, from, action, target, outcome, detail].map(csvText).join(',')}\r\n`,
  },
  ndjson: { mediaType: 'application/x-ndjson', header: '', row: (entry: Entry) => `${JSON.stringify(entry)}\n` },
} as const

const entrySchema = object({
  id: integer(),
  at: number({ description: 'Unix ms' }),
  who: string(),
  from: string({ description: 'Address' }),
  action: string(),
  target: string(),
  outcome: string({ description: '`done` or `refused`' }),
  detail: string(),
})

export function auditRoutes(app: FastifyInstance, { store, downloads }: ApiParts): void {
  app.get(
    '/v1/audit',
    {
      schema: {
        summary: 'Audit log',
        description: 'Every administrative action and every authentication that failed, the newest first, a page at a time.',
        querystring: object({
          ...chosen,
          after: optional(integer({ description: '`next` of the page before' })),
          limit: integer({ minimum: 1, maximum: limits.pageAudit, default: 100 }),
        }),
        response: { 200: object({ entries: array(entrySchema), next: orNull(integer()) }), 400: problemSchema },
      },
    },
    async (request) => {
      const { after, limit, ...asked } = request.query as Chosen & { readonly after?: number; readonly limit: number }
      const query: AuditQuery = { ...queryOf(asked), ...(after === undefined ? {} : { after }), limit }
      const { entries, next } = await store.access.audit(query)
      return { entries, next: next ?? null }
    },
  )

  app.get(
    '/v1/audit/export',
    {
      exposeHeadRoute: false,
      config: { isTransfer: true },
      schema: {
        summary: 'Audit log as a file',
        description:
          'All entries, the newest first, as CSV or as lines of JSON. One that breaks off ends in the middle of its HTTP message.',
        produces: Object.values(formats).map(({ mediaType }) => mediaType),
        querystring: object({ format: string({ enum: Object.keys(formats) }), ...chosen }),
        response: { 400: problemSchema, 503: problemSchema },
      },
    },
    async (request, reply) => {
      const { format, ...asked } = request.query as Chosen & { readonly format: keyof typeof formats }
      downloads.begin()
      const file = { name: 'audit', ending: format, mediaType: formats[format].mediaType }
      return downloads.send(reply, file, (signal) => pieces(store.access, queryOf(asked), format, signal))
    },
  )
}

function queryOf({ from, to, ...asked }: Chosen): Omit<AuditQuery, 'limit'> {
  return { ...asked, ...(from === undefined ? {} : { fromMs: from }), ...(to === undefined ? {} : { toMs: to }) }
}

async function* pieces(
  log: Pick<AccessStore, 'audit'>,
  query: Omit<AuditQuery, 'limit'>,
  format: keyof typeof formats,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const { header, row } = formats[format]
  if (header !== '') yield Buffer.from(header)
  for (let after: number | undefined, isFirst = true; (isFirst || after !== undefined) && !signal.aborted; isFirst = false) {
    const { entries, next } = await log.audit({ ...query, ...(after === undefined ? {} : { after }), limit: limits.pageAudit })
    if (entries.length > 0) yield Buffer.from(entries.map(row).join(''))
    after = next
  }
}
