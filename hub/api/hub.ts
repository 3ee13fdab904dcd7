// GET /v1/hub: how the hub stands, every bound with its use, every refusal and every reason to drop a delivery with its count. And the two
// answers supervisors ask for.
import type { FastifyInstance } from 'fastify'
import { type RefusalCode, refusals } from '../errors.ts'
import { limitReasons, limits } from '../limits.ts'
import { type DropReason, dropReasons } from '../metrics.ts'
import type { ApiParts } from './parts.ts'

export function hubRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { store, metrics, version, startedAt } = parts

  app.get(
    '/v1/hub',
    {
      schema: {
        summary: 'The hub itself',
        description: 'Figures of this second, limits with their use, refusals and dropped deliveries since the start.',
      },
    },
    () => {
      const figures = parts.figures()
      return {
        name: 'Mooring',
        version,
        startedAt,
        durability: store.durability,
        listeners: parts.listeners(),
        figures,
        limits: Object.entries(limits).map(([name, value]) => ({
          name,
          value,
          reason: limitReasons.get(name) ?? '',
          used: usedOf(name, parts),
        })),
        refusals: Object.entries(refusals).map(([code, { sentence }]) => ({
          code,
          sentence,
          count: metrics.refusedBy(code as RefusalCode),
        })),
        drops: Object.entries(dropReasons).map(([reason, sentence]) => ({
          reason,
          sentence,
          count: metrics.droppedFor(reason as DropReason),
        })),
      }
    },
  )

  app.get('/healthz', { schema: { summary: 'Alive', description: 'Answers while the loop turns.' } }, () => ({ alive: true }))

  app.get(
    '/readyz',
    { schema: { summary: 'Ready', description: '503 with the failing check while the store cannot take messages.' } },
    (_, reply) => {
      const checks = { backlog: !store.journal.full }
      const ready = Object.values(checks).every(Boolean)
      reply.code(ready ? 200 : 503)
      return { ready, checks }
    },
  )
}

function usedOf(name: string, { figures, router, sessions, devices }: ApiParts): number | null {
  switch (name) {
    case 'connections':
      return figures().connections
    case 'sessions':
      return sessions.count
    case 'devices':
      return devices.count
    case 'retainedMessages':
      return router.retained.count
    case 'retainedBytes':
      return router.retained.bytes
    case 'outboxBytesAll':
      return sessions.outboxBudget.bytes
    case 'backlogBytes':
      return figures().backlogBytes
    default:
      return null
  }
}
