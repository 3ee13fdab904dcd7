// First contact: keys that many devices share, and the token that each gets for one.
import type { FastifyInstance } from 'fastify'
import type { Tags } from '../../devices/device.ts'
import { pollSeconds } from '../access/claims.ts'
import { tokenAnswer } from '../access/provisioning.ts'
import type { ProvisioningKey, WantedKey } from '../access/provisioning-key.ts'
import { Refusal } from '../errors.ts'
import { array, boolean, mapOf, number, object, optional, orNull, string } from '../schema.ts'
import { actorOf } from './credentials.ts'
import { type ApiParts, objectIn, problemSchema } from './parts.ts'

const unixMs = number({ description: 'Unix ms' })

const keyProperties = {
  id: string(),
  label: string(),
  pattern: string({ description: 'Device ids that may come by it; one `*` stands for any text' }),
  registers: boolean({ description: 'A device that is not on record is put there' }),
  type: orNull(string()),
  tags: mapOf(string()),
  role: string({ description: 'Of the token that the device gets' }),
  usesLeft: number(),
  createdAt: unixMs,
  from: unixMs,
  until: orNull(unixMs),
}

const wantedDescription = [
  'The body is JSON: `pattern` (`pump-*`), `registers` (true), `role` (`device`), `uses` (how many devices), and if wished `type`, `tags`, `label`,',
  '`from` and `until` (Unix ms). A device that knows the key gets a token of its own, once, from `POST /v1/provision`.',
].join(' ')

const provisionDescription = [
  'The body is `{"device":"pump-7","key":"mrp_…"}`. A device that has a credential gets none. On a hub with `--allow-claims` a device without a key',
  'says `{"device":"pump-7"}`, shows `claim` to people, and asks again every `pollSeconds` with `{"device":"pump-7","secret":"mrc_…"}`: 202 until',
  'somebody has accepted it, then its token; once more within a minute, and then the token before is revoked. Nothing of it outlives a restart.',
].join(' ')

export function provisioningRoutes(app: FastifyInstance, { access }: ApiParts): void {
  const { provisioning, claims } = access
  const answerOf = (key: ProvisioningKey) => ({ ...key, until: key.until ?? null })

  app.get(
    '/v1/provisioning',
    { schema: { summary: 'Provisioning keys', response: { 200: object({ keys: array(object(keyProperties)) }) } } },
    async () => ({ keys: provisioning.all().map(answerOf) }),
  )

  app.post(
    '/v1/provisioning',
    {
      schema: {
        summary: 'Make a provisioning key',
        description: wantedDescription,
        response: {
          200: object({ ...keyProperties, secret: string({ description: 'Said this once' }) }),
          400: problemSchema,
          507: problemSchema,
        },
      },
    },
    async (request) => {
      const wanted = wantedIn(request.body)
      if (access.roles.find(wanted.role) === undefined)
        throw new Refusal('role-unknown', { name: JSON.stringify(wanted.role.slice(0, 64)) })
      const { key, secret } = await provisioning.create(wanted, actorOf(request))
      return { ...answerOf(key), secret }
    },
  )

  app.delete(
    '/v1/provisioning/:key',
    {
      schema: {
        summary: 'Revoke a provisioning key',
        description: 'No device comes by it from now on. Those that did keep their tokens.',
        params: object({ key: string() }),
        response: { 200: object({ revoked: string() }), 404: problemSchema },
      },
    },
    async (request) => {
      const { key } = request.params as { key: string }
      await provisioning.revoke(key, actorOf(request))
      return { revoked: key }
    },
  )

  app.post(
    '/v1/provision',
    {
      schema: {
        summary: 'Get a token for a device, by a provisioning key or by being claimed',
        description: provisionDescription,
        response: {
          200: object({ device: string(), token: string(), until: optional(unixMs) }),
          202: object({
            claim: string({ description: 'The code that the device shows to people' }),
            secret: optional(string({ description: 'By which it asks again; said this once' })),
            until: unixMs,
            pollSeconds: number(),
          }),
          400: problemSchema,
          401: problemSchema,
          403: problemSchema,
          410: problemSchema,
          503: problemSchema,
        },
      },
    },
    async (request, reply) => {
      const { device, key, secret } = objectIn(Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0))
      const isText = typeof device === 'string' && [key, secret].every((one) => one === undefined || typeof one === 'string')
      if (!isText) throw new Refusal('request-invalid', { detail: 'the body is {"device":…}, with "key" or "secret"' })
      const { from } = actorOf(request)
      reply.header('cache-control', 'no-store')
      if (typeof key === 'string') return tokenAnswer(device, await provisioning.claim(key, device, from))
      const asked = typeof secret === 'string' ? await claims.poll(device, secret, from) : claims.begin(device, from)
      if ('token' in asked) return { device, token: asked.token }
      reply.code(202).header('retry-after', pollSeconds)
      const { claim, until } = asked.claim
      return { claim, until, pollSeconds, ...('secret' in asked ? { secret: asked.secret } : {}) }
    },
  )
}

function wantedIn(body: unknown): WantedKey {
  const {
    pattern,
    registers = true,
    role = 'device',
    uses,
    type,
    tags,
    label,
    from,
    until,
    ...others
  } = objectIn(Buffer.isBuffer(body) ? body : Buffer.alloc(0))
  const [foreign] = Object.keys(others)
  if (foreign !== undefined) throw invalid(`nothing is called ${JSON.stringify(foreign.slice(0, 64))} there`)
  if (typeof pattern !== 'string') throw invalid('pattern is a device id in which one * stands for any text')
  if (typeof registers !== 'boolean') throw invalid('registers is true or false')
  if (typeof role !== 'string') throw invalid('role is the name of a role')
  if (typeof uses !== 'number') throw invalid('uses is how many devices may come by it')
  if (type !== undefined && type !== null && typeof type !== 'string') throw invalid('type is text')
  if (label !== undefined && typeof label !== 'string') throw invalid('label is text')
  if ([from, until].some((one) => one !== undefined && typeof one !== 'number')) throw invalid('from and until are Unix ms')
  const times = { ...(from === undefined ? {} : { from: from as number }), ...(until === undefined ? {} : { until: until as number }) }
  const said = { ...(type === undefined ? {} : { type }), ...(tags === undefined ? {} : { tags: tags as Tags }) } // the book looks at tags
  return { pattern, registers, role, uses, ...said, ...(label === undefined ? {} : { label }), ...times }
}

function invalid(detail: string): Refusal {
  return new Refusal('credential-invalid', { detail })
}
