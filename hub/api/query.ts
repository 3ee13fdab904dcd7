// What queries have in common: several values under one name, tags, times.
import { isDeviceType, isTagName } from '../../devices/device.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import { array, either, optional, string } from '../schema.ts'
import type { Tag } from '../store/telemetry.ts'

/** As fastify hands it over: a list when the name was repeated. */
export type OneOrMore = string | readonly string[]

export interface DevicesAsked {
  readonly type?: string | undefined
  readonly tag?: OneOrMore | undefined
}

/** Properties of a query that become `DevicesAsked`. */
export const selectedDevices = {
  type: optional(string({ description: 'Devices of this type' })),
  tag: optional(either([string(), array(string())], { description: '`name:value`; may repeat: devices that have all of them' })),
}

export function listOf(text: OneOrMore | undefined): readonly string[] | undefined {
  return typeof text === 'string' ? [text] : text
}

/** The conditions that are given. Errors: `request-invalid`. */
export function devicesSelected({ type, tag }: DevicesAsked): { type?: string; tags?: Tag[] } {
  if (type !== undefined && !isDeviceType(type, limits))
    throw new Refusal('request-invalid', { detail: `type is no word for a type of devices: ${shown(type)}` })
  const tags = listOf(tag)?.map(tagOf)
  if (tags !== undefined && tags.length > limits.tagsPerDevice)
    throw new Refusal('request-invalid', { detail: `tag stands there more than ${limits.tagsPerDevice} times (limits.tagsPerDevice)` })
  return { ...(type === undefined ? {} : { type }), ...(tags === undefined ? {} : { tags }) }
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
