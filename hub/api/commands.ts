// Commands, as operators send and follow them. What a device does with its own is among the routes of the JSON protocol.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { type CommandWanted, commandIdOf, commandNumberOf, commandStates, isOver, readCommand } from '../../devices/commands.ts'
import type { DeviceId } from '../../devices/device.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { anything, array, boolean, either, integer, mapOf, number, object, optional, orNull, string } from '../schema.ts'
import type { Principal } from '../session/principal.ts'
import type { StoredCommand } from '../store/commands.ts'
import { actorOf } from './credentials.ts'
import { type ApiParts, deviceParameters, jsonIn, problemSchema } from './parts.ts'
import { type DevicesAsked, devicesSelected, listOf, type OneOrMore, onlyOf, selectedDevices, shown, whileAsked } from './query.ts'

const stateSchema = string({ enum: commandStates })
const unixMs = number({ description: 'Unix ms' })

const commandSchema = object({
  id: string(),
  device: string(),
  name: string(),
  params: anything,
  key: orNull(string()),
  bulk: orNull(string()),
  state: stateSchema,
  over: boolean({ description: 'Nothing more comes of it' }),
  reason: orNull(string()),
  createdAt: unixMs,
  expiresAt: unixMs,
  attempts: object({ made: integer(), most: integer() }),
  until: anything,
  result: anything,
  by: string(),
  trail: array(object({ state: stateSchema, at: unixMs, reason: optional(string()) })),
  late: orNull(object({ status: string(), at: unixMs }), { description: 'A reply that came when it was over; it changes nothing' }),
})

const countsSchema = mapOf(integer())

const makeDescription = [
  'The body is `{"name":"stop","params":{"speed":0}}` and, if wished, `expiresInSeconds` (a day), `attempts` (3; 1 is at most once), `key` (older ones',
  'with it that are not sent yet give way), and `until`: `{"metric":"speed","below":1}` or `{"reported":"valve.open","equals":true}` with above,',
  'below, equals or between, and `withinSeconds` (60) of the reply. It is on disk before it is sent, waits for a device that is away, and is',
  'answered with 201. With `?wait=10` the answer is 200 once it is over, or 202 with where it stands by then. States: queued, sent, received,',
  'done, effective, failed, expired, cancelled; `received` is what the device has acknowledged, `effective` what `until` has seen.',
].join(' ')

const listQuery = object({
  device: optional(either([string(), array(string())], { description: 'Device ids; may repeat, all devices when left out' })),
  ...selectedDevices,
  state: optional(either([stateSchema, array(stateSchema)], { description: 'May repeat' })),
  bulk: optional(string({ description: 'The id of a bulk' })),
  name: optional(either([string(), array(string())], { description: 'Of commands; may repeat' })),
  before: optional(string({ description: 'Commands older than this one; take `next` of the page before' })),
  limit: integer({ minimum: 1, maximum: limits.pageCommands, default: 100 }),
})

interface ListQuery extends DevicesAsked {
  readonly device?: OneOrMore
  readonly state?: OneOrMore
  readonly bulk?: string
  readonly name?: OneOrMore
  readonly before?: string
  readonly limit: number
}

/** Errors: `not-allowed`. */
export type AssertReads = (principal: Principal, device: DeviceId) => void

const commandParameters = object({ command: string() })

export function commandRoutes(app: FastifyInstance, { commands, store, access }: ApiParts, assertReads: AssertReads): void {
  const audit = (action: string, target: string, request: FastifyRequest, detail: string) => {
    // Nobody waits for the entry: the record of the command says who asked for it, and is on disk.
    access.audit(action, target, actorOf(request), detail).catch(() => {})
  }

  app.post(
    '/v1/devices/:id/commands',
    {
      schema: {
        summary: 'Send a command',
        description: makeDescription,
        params: deviceParameters,
        querystring: object({ wait: optional(integer({ minimum: 1, maximum: limits.commandWaitSeconds, description: 'Seconds' })) }),
        response: {
          200: commandSchema,
          201: commandSchema,
          202: commandSchema,
          400: problemSchema,
          404: problemSchema,
          429: problemSchema,
          507: problemSchema,
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params as { id: string }
      const { wait } = request.query as { wait?: number }
      const command = await commands.make(id, commandIn(jsonIn(request.body, 'command-invalid')), actorOf(request).who)
      reply.header('location', `/v1/commands/${command.id}`)
      audit('command.create', `device/${id}`, request, `${command.id} ${command.name}`)
      if (wait === undefined) return reply.code(201).send(answerOf(command, command.bulk?.number))
      await commands.whenOver(command, wait, whileAsked(reply))
      return reply.code(command.isOver ? 200 : 202).send(answerOf(command, command.bulk?.number))
    },
  )

  app.get(
    '/v1/commands',
    {
      preValidation: onlyOf(listQuery),
      schema: {
        summary: 'List commands',
        description: `The newest first, a page at a time. Those that are over are kept for ${limits.commandsKeptDays} days, and ${limits.commandsKept} of them.`,
        querystring: listQuery,
        response: { 200: object({ commands: array(commandSchema), next: orNull(string()) }), 400: problemSchema },
      },
    },
    async (request) => {
      const { device, state, bulk, name, before, limit, type, tag, group } = request.query as ListQuery
      const devices = listOf(device)
      const names = listOf(name)
      const states = listOf(state) as StoredCommand['state'][] | undefined
      const found = await store.commands.page({
        ...devicesSelected({ type, tag, group }, access.groups),
        ...(devices === undefined ? {} : { devices }),
        ...(states === undefined ? {} : { states }),
        ...(names === undefined ? {} : { names }),
        ...(bulk === undefined ? {} : { bulk: numberIn(bulk, 'bulk') }),
        ...(before === undefined ? {} : { before: numberIn(before, 'before') }),
        limit,
      })
      return {
        commands: found.map((command) => answerOf(command, command.bulk)),
        next: found.length === limit ? commandIdOf(found.at(-1)!.number) : null,
      }
    },
  )

  app.get(
    '/v1/commands/counts',
    {
      schema: {
        summary: 'How many commands are in each state',
        description: '`open`: of those that are not over. `over`: of those that were over since then, as far as they are kept.',
        querystring: object({ since: number({ minimum: 0, description: 'Unix ms' }) }),
        response: { 200: object({ open: countsSchema, over: countsSchema }), 400: problemSchema },
      },
    },
    (request) => store.commands.counts((request.query as { since: number }).since),
  )

  app.get(
    '/v1/commands/:command',
    {
      schema: { summary: 'One command', params: commandParameters, response: { 200: commandSchema, 404: problemSchema } },
    },
    async (request) => {
      const command = await known(request)
      assertReads(request.principal, command.device)
      return answerOf(command, command.bulk)
    },
  )

  app.delete(
    '/v1/commands/:command',
    {
      schema: {
        summary: 'Cancel a command',
        description:
          'What is not sent yet is not sent. Of one that was sent the device is not asked; a reply that comes later changes nothing.',
        params: commandParameters,
        response: { 200: commandSchema, 404: problemSchema, 409: problemSchema },
      },
    },
    async (request) => {
      const { device, number: of } = await known(request)
      assertCommands(request.principal, device)
      const id = commandIdOf(of)
      await commands.cancel(id, actorOf(request).who)
      audit('command.cancel', `device/${device}`, request, id)
      const cancelled = await known(request)
      return answerOf(cancelled, cancelled.bulk)
    },
  )

  /** Errors: `command-unknown`. */
  async function known(request: FastifyRequest): Promise<StoredCommand> {
    const { command: id } = request.params as { command: string }
    const of = commandNumberOf(id)
    const command = of === undefined ? undefined : await store.commands.find(of)
    if (command === undefined) throw new Refusal('command-unknown', { id: id.slice(0, 64) })
    return command
  }
}

/** Errors: `not-allowed`. */
export function assertCommands({ permissions }: Principal, device: DeviceId): void {
  const topic = `devices/${device}`
  if (!permissions.isUnbounded && !permissions.may('command', topic)) throw new Refusal('not-allowed', { action: 'command', topic })
}

/** Errors: `command-invalid`. */
export function commandIn(value: unknown): CommandWanted {
  const wanted = readCommand(value, limits)
  if (typeof wanted === 'string') throw new Refusal('command-invalid', { detail: wanted })
  return wanted
}

function numberIn(text: string, name: string): number {
  const of = commandNumberOf(text)
  if (of === undefined) throw new Refusal('request-invalid', { detail: `${name} is an id that the hub has given, not ${shown(text)}` })
  return of
}

/** Of one that is not over as the loop knows it, or of any as it is stored. */
type Shown = Omit<StoredCommand, 'bulk' | 'heldBy' | 'seq' | 'late'> & Partial<Pick<StoredCommand, 'late'>>

function answerOf(command: Shown, bulk: number | undefined): object {
  const { number: of, device, name, params, key, state, deadlineMs, attempts, attemptsMax, until, by, result, trail, late } = command
  return {
    ...{ id: commandIdOf(of), device, name, params: JSON.parse(params), key: key ?? null },
    ...{ bulk: bulk === undefined ? null : commandIdOf(bulk), state, over: isOver(state, until !== undefined) },
    reason: trail.at(-1)?.[2] ?? null,
    ...{ createdAt: trail[0]?.[1] ?? 0, expiresAt: deadlineMs, attempts: { made: attempts, most: attemptsMax }, until: until ?? null },
    ...{ result: result === undefined ? null : JSON.parse(result), by, late: late ?? null },
    trail: trail.map(([step, at, reason]) => (reason === undefined ? { state: step, at } : { state: step, at, reason })),
  }
}
