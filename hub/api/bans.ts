// Addresses that are shut out because authentications from them failed.
import type { FastifyInstance } from 'fastify'
import { array, integer, number, object, string } from '../schema.ts'
import { actorOf } from './credentials.ts'
import { type ApiParts, problemSchema } from './parts.ts'

const banSchema = object({
  address: string({ description: 'An address of IPv4, or a /64 of IPv6' }),
  since: number({ description: 'Unix ms' }),
  until: number({ description: 'Unix ms' }),
  failures: integer({ description: 'Authentications that failed before it' }),
  refused: integer({ description: 'Connections and requests that it has refused' }),
})

export function banRoutes(app: FastifyInstance, { access: { bans } }: ApiParts): void {
  app.get(
    '/v1/bans',
    {
      schema: {
        summary: 'Addresses that are shut out',
        description: 'Because too many authentications from them failed. They end by themselves, and with the process of the hub.',
        response: { 200: object({ bans: array(banSchema) }) },
      },
    },
    async () => ({ bans: bans.all() }),
  )

  app.delete(
    '/v1/bans/:address',
    {
      schema: {
        summary: 'Let an address in again',
        params: object({ address: string({ description: 'As it is listed, or any address of the network' }) }),
        response: { 200: object({ lifted: string() }), 404: problemSchema },
      },
    },
    async (request) => {
      const { address } = request.params as { address: string }
      return { lifted: bans.lift(address, actorOf(request)) }
    },
  )
}
