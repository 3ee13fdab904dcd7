// Devices that came without any secret, and wait for somebody to claim them.
import type { FastifyInstance } from 'fastify'
import { readDeviceChange } from '../../devices/device.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { array, boolean, number, object, string } from '../schema.ts'
import { actorOf } from './credentials.ts'
import { type ApiParts, objectIn, problemSchema } from './parts.ts'

const claimProperties = {
  claim: string({ description: 'The code that the device shows' }),
  device: string({ description: 'Who it says to be; anybody may say so' }),
  address: string(),
  since: number({ description: 'Unix ms' }),
  until: number({ description: 'Unix ms' }),
  accepted: boolean({ description: 'The device has not fetched its token yet' }),
}

const acceptDescription = [
  'The body is `{"claim":"WDJB-MJHT"}`, the code that is to be seen on the device, and if wished `role` (`device`), `type` and `tags`. The device is',
  'put on record, and gets its token when it asks the next time. One that has credentials cannot be claimed.',
].join(' ')

export function claimRoutes(app: FastifyInstance, { access }: ApiParts): void {
  const { claims } = access
  app.get(
    '/v1/claims',
    {
      schema: {
        summary: 'Devices that wait to be claimed',
        description: 'Anybody may say any name: compare the code with the one that the device shows.',
        response: { 200: object({ claims: array(object(claimProperties)) }) },
      },
    },
    async () => ({ claims: claims.all() }),
  )

  app.post(
    '/v1/claims',
    {
      schema: {
        summary: 'Claim a device by the code that it shows',
        description: acceptDescription,
        response: {
          200: object(claimProperties),
          400: problemSchema,
          404: problemSchema,
          409: problemSchema,
          429: problemSchema,
          503: problemSchema,
        },
      },
    },
    async (request) => {
      const { claim, role = 'device', ...said } = objectIn(Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0))
      if (typeof claim !== 'string') throw new Refusal('request-invalid', { detail: 'claim is the code that the device shows' })
      if (typeof role !== 'string') throw new Refusal('request-invalid', { detail: 'role is the name of a role' })
      const change = readDeviceChange(said, limits)
      if (typeof change === 'string') throw new Refusal('device-invalid', { detail: change })
      if (access.roles.find(role) === undefined) throw new Refusal('role-unknown', { name: JSON.stringify(role.slice(0, 64)) })
      return claims.accept(claim, { ...change, role }, actorOf(request))
    },
  )

  app.delete(
    '/v1/claims/:claim',
    {
      schema: {
        summary: 'Refuse a claim',
        description: 'The device is told so when it asks the next time.',
        params: object({ claim: string() }),
        response: { 200: object(claimProperties), 404: problemSchema, 429: problemSchema, 503: problemSchema },
      },
    },
    async (request) => {
      const { claim } = request.params as { claim: string }
      return claims.refuse(claim, actorOf(request))
    },
  )
}
