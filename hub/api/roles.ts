// What roles may do, and why somebody may or may not.
import type { FastifyInstance } from 'fastify'
import { type Action, actions } from '../../devices/identity.ts'
import { Refusal } from '../errors.ts'
import { anything, array, boolean, number, object, optional, orNull, string } from '../schema.ts'
import { actorOf } from './credentials.ts'
import { type ApiParts, jsonIn, problemSchema } from './parts.ts'

const ruleSchema = object({ effect: string(), actions: array(string()), filter: string() })
const roleSchema = object({ name: string(), rules: array(ruleSchema), isBuiltIn: boolean() })

const rulesDescription = [
  'A list of `{"effect":"allow","actions":["publish","subscribe"],"filter":"plants/%d/#"}`. `effect` is allow or deny, and deny wins; actions are',
  'publish, subscribe, retain, command, admin. In `filter`, a topic filter of MQTT, `%d` stands for the device id, `%c` for the client identifier,',
  '`%u` for the user or key, `%t(name)` for a tag of the device. It takes effect at once for everybody who has the role.',
].join(' ')

interface ExplainQuery {
  readonly action: Action
  readonly topic: string
  readonly device?: string
  readonly role?: string
  readonly client?: string
}

const askedSchema = object({ number: number(), rule: ruleSchema, filter: string(), missing: array(string()), matches: boolean() })

export function roleRoutes(app: FastifyInstance, { access }: ApiParts): void {
  const { roles } = access

  app.get(
    '/v1/roles',
    { schema: { summary: 'Roles and their rules', response: { 200: object({ roles: array(roleSchema) }) } } },
    async () => ({ roles: roles.all() }),
  )

  app.put(
    '/v1/roles/:name',
    {
      schema: {
        summary: 'Make a role, or give it other rules',
        description: `The body is its rules. ${rulesDescription}`,
        params: object({ name: string() }),
        response: { 200: roleSchema, 400: problemSchema, 507: problemSchema },
      },
    },
    (request) => {
      const { name } = request.params as { name: string }
      return roles.put(name, jsonIn(request.body, 'role-invalid'), actorOf(request))
    },
  )

  app.delete(
    '/v1/roles/:name',
    {
      schema: {
        summary: 'Remove a role',
        description: 'Who has it may do nothing from now on.',
        params: object({ name: string() }),
        response: { 200: object({ removed: string() }), 400: problemSchema, 404: problemSchema },
      },
    },
    async (request) => {
      const { name } = request.params as { name: string }
      await roles.remove(name, actorOf(request))
      return { removed: name }
    },
  )

  app.get(
    '/v1/permissions/explain',
    {
      schema: {
        summary: 'Why something is allowed, or not',
        description:
          'For who asks; for admins, of a device or a role. `topic` is a topic name, with `action=subscribe` a filter. Which rule decides, and all asked.',
        querystring: object({
          action: string({ enum: [...actions] }),
          topic: string(),
          device: optional(string()),
          role: optional(string()),
          client: optional(string({ description: 'Client identifier; the device id otherwise' })),
        }),
        response: {
          200: object({
            allowed: boolean(),
            sentence: string(),
            rule: orNull(anything),
            asked: array(askedSchema),
            role: string(),
          }),
          403: problemSchema,
          404: problemSchema,
        },
      },
    },
    async (request) => {
      const { action, topic, device, role, client } = request.query as ExplainQuery
      const { principal } = request
      if (device === undefined && role === undefined) {
        return { ...principal.permissions.explain(action, topic), role: principal.identity.role }
      }
      if (!principal.permissions.may('admin', 'hub')) throw new Refusal('not-allowed', { action: 'administer', topic: 'hub' })
      const asked = await access.asIf({ device, role, client })
      return { ...asked.permissions.explain(action, topic), role: asked.identity.role }
    },
  )
}
