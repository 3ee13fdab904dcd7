// /v1/types: what devices of one type have in common.
import type { FastifyInstance } from 'fastify'
import type { DeviceId } from '../../devices/device.ts'
import { type DeviceType, metricTypes } from '../../devices/device-type.ts'
import { Refusal } from '../errors.ts'
import { anything, array, integer, mapOf, number, object, optional, orNull, string } from '../schema.ts'
import { actorOf } from './credentials.ts'
import { type ApiParts, jsonIn, problemSchema } from './parts.ts'

const ruleSchema = object({
  type: string({ enum: [...metricTypes] }),
  unit: optional(string()),
  min: optional(number()),
  max: optional(number()),
  every: optional(number({ description: 'Seconds within which it comes again' })),
  description: optional(string()),
})

const metricsSchema = mapOf(ruleSchema, { description: 'By name' })
const commandsSchema = mapOf(mapOf(anything), { description: 'JSON schemas of their params, by name' })
const othersSchema = string({ enum: ['take', 'refuse'], description: 'What happens to metrics that are not named' })

const typeSchema = object({
  name: string(),
  description: optional(string()),
  role: optional(string({ description: 'Of its devices whose credentials have the role `device`' })),
  limits: optional(
    object({
      messagesPerSecond: optional(number()),
      bytesPerSecond: optional(number()),
      burstSeconds: optional(number()),
      connectionsPerMinute: optional(number()),
      subscriptions: optional(integer()),
    }),
  ),
  children: optional(string({ enum: ['registered', 'new'], description: 'Of gateways: whom they speak for' })),
  metrics: optional(metricsSchema),
  others: optional(othersSchema),
  keep: optional(string()),
  commands: optional(commandsSchema),
})

/** What holds for one device, by its type or as for all. */
export const holdsSchema = object({
  role: string({ description: 'Where its credential names none of its own' }),
  limits: object({
    messagesPerSecond: orNull(number()),
    bytesPerSecond: orNull(number()),
    burstSeconds: number(),
    connectionsPerMinute: orNull(number(), { description: 'Sessions that it may open' }),
    subscriptions: integer({ description: 'Of one session' }),
  }),
  metrics: orNull(metricsSchema, { description: 'null: whatever it sends is taken' }),
  others: othersSchema,
  keep: orNull(string(), { description: 'null: as the setting `keep` says' }),
  commands: orNull(commandsSchema, { description: 'What it can be asked to do; null: nothing is said of that' }),
})

const putDescription = [
  'The body is JSON, all of it if wished: `role`, of devices whose credentials have the role `device`, which is what a credential has that names',
  'none; `limits` of each device: `messagesPerSecond`, `bytesPerSecond`, `burstSeconds` (what a silent one saves up), `connectionsPerMinute`',
  '(sessions that it opens) and `subscriptions`;',
  '`metrics`, such as `{"t":{"type":"number","unit":"°C","min":-40,"max":125}}`, of the types number, integer, boolean, string and json, with `every`, the seconds',
  'within which it comes again, if it is stale after three times that (it is learned otherwise); `others`:',
  'whether metrics that are not named are taken (`take`) or make the message refused (`refuse`); `keep`: how long points are kept, as in',
  '`raw 30d, minute 1y`, before any rule of the setting; `children`, of gateways: `registered` for the devices they were given, `new` for those as',
  'well that nobody has heard of, which are theirs from their first message on. All of it holds at once, for devices that are connected too; points that are older',
  'than `keep` says are let go of within seconds. Points that were stored before stay as they were filed, under the rule of that time.',
  '`commands`: what devices of the type can be asked to do, a JSON schema of the params by the name of each; pages offer them, nothing is refused by them.',
].join(' ')

const typeParameters = object({ name: string({ description: 'As `type` of a device' }) })

export function typeRoutes(app: FastifyInstance, { access, store }: ApiParts): void {
  const { types } = access

  app.get(
    '/v1/types',
    { schema: { summary: 'Device types', response: { 200: object({ types: array(typeSchema) }) } } },
    async (): Promise<{ types: DeviceType[] }> => ({ types: types.all() }),
  )

  app.put(
    '/v1/types/:name',
    {
      schema: {
        summary: 'Make a device type, or another one of it',
        description: putDescription,
        params: typeParameters,
        response: { 200: typeSchema, 400: problemSchema, 404: problemSchema, 507: problemSchema },
      },
    },
    (request) => {
      const { name } = request.params as { name: string }
      return types.put(name, jsonIn(request.body, 'type-invalid'), actorOf(request))
    },
  )

  app.delete(
    '/v1/types/:name',
    {
      schema: {
        summary: 'Remove a device type',
        description: 'Refused while devices have it: without it they could do what it keeps them from.',
        params: typeParameters,
        response: { 200: object({ removed: string() }), 404: problemSchema, 409: problemSchema },
      },
    },
    async (request) => {
      const { name } = request.params as { name: string }
      types.known(name)
      const { total: count } = await store.devices({ type: name, limit: 1 })
      if (count > 0) throw new Refusal('type-in-use', { count, name })
      await types.remove(name, actorOf(request))
      return { removed: name }
    },
  )
}

/** As `holdsSchema` has it. */
export function holdsFor(device: DeviceId, { access: { types } }: ApiParts): object {
  const { metrics = null, others = 'take', keep = null, commands = null } = types.of(device) ?? {}
  const { messagesPerSecond = null, bytesPerSecond = null, savedMs } = types.ratesOf(`device/${device}`)
  const { messagesPerSecond: connectionsPerSecond } = types.connectionsOf(device)
  const connectionsPerMinute = connectionsPerSecond === undefined ? null : connectionsPerSecond * 60
  const subscriptions = types.subscriptionsOf(device)
  return {
    role: types.roleOf(device),
    limits: { messagesPerSecond, bytesPerSecond, burstSeconds: savedMs / 1000, connectionsPerMinute, subscriptions },
    ...{ metrics, others, keep, commands },
  }
}
