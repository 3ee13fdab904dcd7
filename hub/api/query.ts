// What queries have in common: which devices and series, several values under one name, answers as they come from the store.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isDeviceId, isDeviceType, isTagName } from '../../devices/device.ts'
import type { Groups } from '../access/groups.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { array, either, number, object, optional, orNull, type Schema, string } from '../schema.ts'
import type { Selection, Tag } from '../store/telemetry.ts'

/** As fastify hands it over: a list when the name was repeated. */
export type OneOrMore = string | readonly string[]

export interface DevicesAsked {
  readonly type?: string | undefined
  readonly tag?: OneOrMore | undefined
  readonly group?: string | undefined
}

/** Properties of a query that become `DevicesAsked`. */
export const selectedDevices = {
  type: optional(string({ description: 'Devices of this type' })),
  tag: optional(either([string(), array(string())], { description: '`name:value`; may repeat: devices that have all of them' })),
  group: optional(string({ description: 'Devices of this group (/v1/groups)' })),
}

export interface SeriesAsked extends DevicesAsked {
  readonly device?: OneOrMore
  readonly metric?: OneOrMore
}

/** Properties of a query that become `SeriesAsked`. */
export const selectedSeries = {
  device: optional(either([string(), array(string())], { description: 'Device ids; may repeat, all devices when left out' })),
  metric: optional(either([string(), array(string())], { description: 'May repeat; all metrics when left out' })),
  ...selectedDevices,
}

export const coarseSchema = array(
  object({ from: number(), to: number(), tier: orNull(string({ enum: ['raw', 'minute', 'hour', 'day'] })) }),
  {
    description: 'Stretches of which only a coarser tier is left than was asked for, and which; null where nothing is',
  },
)

export function listOf(text: OneOrMore | undefined): readonly string[] | undefined {
  return typeof text === 'string' ? [text] : text
}

/** The conditions that are given. Errors: `request-invalid`, `group-unknown`. */
export function devicesSelected({ type, tag, group }: DevicesAsked, groups: Groups): Pick<Selection, 'type' | 'tags' | 'where'> {
  if (type !== undefined && !isDeviceType(type, limits))
    throw new Refusal('request-invalid', { detail: `type is no word for a type of devices: ${shown(type)}` })
  const tags = listOf(tag)?.map(tagOf)
  if (tags !== undefined && tags.length > limits.tagsPerDevice)
    throw new Refusal('request-invalid', { detail: `tag stands there more than ${limits.tagsPerDevice} times (limits.tagsPerDevice)` })
  return {
    ...(type === undefined ? {} : { type }),
    ...(tags === undefined ? {} : { tags }),
    ...(group === undefined ? {} : { where: groups.conditionsOf(group) }),
  }
}

function tagOf(text: string): Tag {
  const colon = text.indexOf(':')
  const name = text.slice(0, Math.max(colon, 0))
  if (!isTagName(name, limits)) throw new Refusal('request-invalid', { detail: `tag is name:value, not ${shown(text)}` })
  return { name, value: text.slice(colon + 1) }
}

/** What was said, cut to the length of a sentence. */
export function shown(text: string): string {
  return JSON.stringify(text.slice(0, 64))
}

/** The conditions that are given. Errors: `request-invalid`, `group-unknown`. */
export function seriesSelected({ device, metric, ...devicesAsked }: SeriesAsked, groups: Groups): Selection {
  const [devices, metrics] = [listOf(device), listOf(metric)]
  const stranger = devices?.find((id) => !isDeviceId(id))
  if (stranger !== undefined) throw new Refusal('request-invalid', { detail: `device is no id of a device: ${shown(stranger)}` })
  return {
    ...(devices === undefined ? {} : { devices }),
    ...(metrics === undefined ? {} : { metrics }),
    ...devicesSelected(devicesAsked, groups),
  }
}

/** As `preValidation` of a route: a name that is misspelt would otherwise ask for more than was meant. */
export function onlyOf({ properties }: Schema): (request: FastifyRequest) => Promise<void> {
  const names = Object.keys(properties as object)
  return async ({ query }) => {
    const foreign = Object.keys(query as object).find((name) => !names.includes(name))
    if (foreign !== undefined)
      throw new Refusal('request-invalid', { detail: `there is no parameter ${shown(foreign)}; there are ${names.join(', ')}` })
  }
}

/** Aborted, with `Refusal('client-gone')`, when the connection or its stream is gone before the answer is sent. */
export function whileAsked({ raw }: FastifyReply): AbortSignal {
  const controller = new AbortController()
  raw.once('close', () => {
    if (!raw.writableEnded) controller.abort(new Refusal('client-gone'))
  })
  return controller.signal
}

/** An object with these members, of which one is JSON that the store has written. */
export function withJson(reply: FastifyReply, name: string, json: Uint8Array, members: Readonly<Record<string, unknown>>): Buffer {
  reply.header('content-type', 'application/json; charset=utf-8')
  const others = JSON.stringify(members).slice(1) // from the first name on, or only the closing brace
  return Buffer.concat([Buffer.from(`{"${name}":`), json, Buffer.from(others === '}' ? others : `,${others}`)])
}
