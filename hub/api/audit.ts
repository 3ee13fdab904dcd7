// GET /v1/audit: who did what, and who was not let in.
import type { FastifyInstance } from 'fastify'
import { limits } from '../limits.ts'
import { array, integer, number, object, optional, orNull, string } from '../schema.ts'
import type { AuditQuery } from '../store/access.ts'
import { type ApiParts, problemSchema } from './parts.ts'

interface Asked {
  readonly from?: number
  readonly to?: number
  readonly who?: string
  readonly action?: string
  readonly target?: string
  readonly after?: number
  readonly limit: number
}

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

export function auditRoutes(app: FastifyInstance, { store }: ApiParts): void {
  app.get(
    '/v1/audit',
    {
      schema: {
        summary: 'Audit log',
        description: 'Every administrative action and every authentication that failed, the newest first, a page at a time.',
        querystring: object({
          from: optional(number({ description: 'Unix ms' })),
          to: optional(number({ description: 'Unix ms, included' })),
          who: optional(string()),
          action: optional(string()),
          target: optional(string()),
          after: optional(integer({ description: '`next` of the page before' })),
          limit: integer({ minimum: 1, maximum: limits.pageAudit, default: 100 }),
        }),
        response: { 200: object({ entries: array(entrySchema), next: orNull(integer()) }), 400: problemSchema },
      },
    },
    async (request) => {
      const { from, to, ...asked } = request.query as Asked
      const query: AuditQuery = { ...asked, ...(from === undefined ? {} : { fromMs: from }), ...(to === undefined ? {} : { toMs: to }) }
      const { entries, next } = await store.access.audit(query)
      return { entries, next: next ?? null }
    },
  )
}
