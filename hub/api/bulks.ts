// One command to many devices.
import type { FastifyInstance } from 'fastify'
import { commandIdOf, commandNumberOf, commandStates } from '../../devices/commands.ts'
import { type DeviceId, isDeviceId, isObject } from '../../devices/device.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { anything, array, boolean, integer, mapOf, number, object, string } from '../schema.ts'
import type { StoredBulk } from '../store/commands.ts'
import { assertCommands, commandIn } from './commands.ts'
import { actorOf } from './credentials.ts'
import { type ApiParts, jsonIn, problemSchema } from './parts.ts'
import { devicesSelected } from './query.ts'

const bulkSchema = object({
  id: string(),
  name: string(),
  params: anything,
  until: anything,
  by: string(),
  createdAt: number({ description: 'Unix ms' }),
  concurrency: integer(),
  targets: integer(),
  over: boolean({ description: 'All of its targets are' }),
  counts: mapOf(integer(), { description: 'Targets by the state they are in' }),
})

const makeDescription = [
  'A command as `POST /v1/devices/{id}/commands` takes it, and which devices it is for: `"devices":["pump-7"]`, or `"group"`, `"type"` and `"tag"`',
  '(a list of `name:value`), all of which have to be met. `concurrency` (100) of them are under way at a time. The answer comes when each target is on',
  'record; `GET /v1/commands?bulk=` has what became of each.',
].join(' ')

const concurrencyStandard = 100
const bulkParameters = object({ bulk: string() })

export function bulkRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { bulks, commands, store, access } = parts

  app.post(
    '/v1/commands',
    {
      schema: {
        summary: 'Send a command to many devices',
        description: makeDescription,
        response: { 201: bulkSchema, 400: problemSchema, 404: problemSchema, 429: problemSchema, 507: problemSchema },
      },
    },
    async (request, reply) => {
      const said = jsonIn(request.body, 'command-invalid')
      if (!isObject(said)) throw new Refusal('command-invalid', { detail: 'a command is a JSON object' })
      const { devices, group, type, tag, concurrency = concurrencyStandard, ...command } = said
      const wanted = commandIn(command)
      if (typeof concurrency !== 'number' || !Number.isInteger(concurrency) || concurrency < 1)
        throw new Refusal('command-invalid', { detail: 'concurrency is a whole number above 0' })
      const targets = await targetsIn({ devices, group, type, tag }, parts)
      for (const device of targets) assertCommands(request.principal, device)
      const { who } = actorOf(request)
      const id = await bulks.make(targets, wanted, concurrency, who)
      access.audit('command.bulk', `bulk/${id}`, actorOf(request), `${wanted.name} to ${targets.length} devices`).catch(() => {})
      reply.header('location', `/v1/bulks/${id}`)
      return reply.code(201).send(answerOf(await known(id)))
    },
  )

  app.get(
    '/v1/bulks',
    { schema: { summary: 'Commands to many devices', response: { 200: object({ bulks: array(bulkSchema) }) } } },
    async () => ({ bulks: (await store.commands.bulks()).map(answerOf) }),
  )

  app.get(
    '/v1/bulks/:bulk',
    { schema: { summary: 'How far a bulk of commands is', params: bulkParameters, response: { 200: bulkSchema, 404: problemSchema } } },
    async (request) => {
      const { bulk: id } = request.params as { bulk: string }
      return answerOf(await known(id))
    },
  )

  app.delete(
    '/v1/bulks/:bulk',
    {
      schema: {
        summary: 'Cancel what is not over of a bulk of commands',
        params: bulkParameters,
        response: { 200: bulkSchema, 404: problemSchema },
      },
    },
    async (request) => {
      const { bulk: id } = request.params as { bulk: string }
      const { number: of } = await known(id)
      for (const { device } of commands.ofBulk(of)) assertCommands(request.principal, device)
      const by = actorOf(request)
      const cancelled = await bulks.cancel(id, by.who)
      access.audit('command.cancel', `bulk/${id}`, by, `${cancelled} targets`).catch(() => {})
      return answerOf(await known(id))
    },
  )

  /** Errors: `bulk-unknown`. */
  async function known(id: string): Promise<StoredBulk> {
    const of = commandNumberOf(id)
    const bulk = of === undefined ? undefined : await store.commands.bulk(of)
    if (bulk === undefined) throw new Refusal('bulk-unknown', { id: id.slice(0, 64) })
    return bulk
  }
}

interface Said {
  readonly devices: unknown
  readonly group: unknown
  readonly type: unknown
  readonly tag: unknown
}

/** Errors: `command-invalid`, `device-unknown`, `group-unknown`, `request-invalid`. */
async function targetsIn({ devices, group, type, tag }: Said, parts: ApiParts): Promise<DeviceId[]> {
  const isText = (value: unknown): value is string | undefined => value === undefined || typeof value === 'string'
  const tags = Array.isArray(tag) ? tag : tag === undefined ? [] : [tag]
  if (!isText(group) || !isText(type) || !tags.every((one) => typeof one === 'string'))
    throw new Refusal('command-invalid', { detail: 'group and type are texts, and tag is a list of name:value' })
  const isChosen = group !== undefined || type !== undefined || tags.length > 0
  if (isChosen === (devices !== undefined))
    throw new Refusal('command-invalid', { detail: 'it says which devices it is for, by devices, or by group, type and tag' })
  if (isChosen) return chosen({ group, type, tag: tags }, parts)
  if (!Array.isArray(devices) || devices.length === 0 || !devices.every((id) => typeof id === 'string' && isDeviceId(id)))
    throw new Refusal('command-invalid', { detail: 'devices is a list of ids of devices' })
  const stranger = (devices as DeviceId[]).find((id) => !parts.devices.has(id))
  if (stranger !== undefined) throw new Refusal('device-unknown', { id: stranger })
  return [...new Set(devices as DeviceId[])]
}

async function chosen(
  { group, type, tag }: { readonly group: string | undefined; readonly type: string | undefined; readonly tag: readonly string[] },
  { store, access }: ApiParts,
): Promise<DeviceId[]> {
  const selection = devicesSelected({ group, type, tag }, access.groups)
  const found: DeviceId[] = []
  for (let after: DeviceId | undefined = ''; after !== undefined; ) {
    const { devices, total } = await store.devices({ ...selection, after, limit: limits.pageDevices })
    const { bulkTargets } = limits
    if (total > bulkTargets)
      throw new Refusal('too-many-commands', { limit: bulkTargets, what: 'targets of one bulk', name: 'bulkTargets' })
    found.push(...devices.map(({ id }) => id))
    after = devices.length < limits.pageDevices ? undefined : devices.at(-1)?.id
  }
  if (found.length === 0) throw new Refusal('command-invalid', { detail: 'no device meets what is asked for' })
  return found
}

const openStates = commandStates.filter((state) => state === 'queued' || state === 'sent' || state === 'received')

function answerOf({ number: of, params, until, isWhole, counts, ...bulk }: StoredBulk): object {
  const waiting = until === undefined ? openStates : [...openStates, 'done' as const]
  const over = isWhole && waiting.every((state) => counts[state] === undefined)
  return { id: commandIdOf(of), ...bulk, createdAt: Math.floor(of / 1000), params: JSON.parse(params), until: until ?? null, counts, over }
}
