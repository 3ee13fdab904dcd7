// The registered thing.
import { type Metadata, type MetadataLimits, whyNotPatch } from './metadata.ts'
import type { Presence } from './presence.ts'

/** Letters, digits and `. _ : @ -`, at most 128: it stands in topics, URLs and file names without escaping. */
export type DeviceId = string

const deviceIdPattern = /^[A-Za-z0-9._:@-]{1,128}$/

/** `.` and `..` are path segments that every HTTP client resolves away before it sends them. */
export function isDeviceId(text: string): text is DeviceId {
  return deviceIdPattern.test(text) && text !== '.' && text !== '..'
}

/** A metric value: what one point holds. Numbers are finite float64; JSON is any object or array. */
export type MetricValue = number | boolean | string | null | { readonly [key: string]: unknown } | readonly unknown[]

/** What a person or program says of a device: where it stands, whose it is. */
export interface Tags {
  readonly [name: string]: string
}

export interface Latest {
  /** Time of the point, Unix ms. */
  readonly at: number
  readonly value: MetricValue
}

/** What the hub has on record about a device. Times are Unix ms. */
export interface Device {
  readonly id: DeviceId
  readonly name: string
  /** What kind of thing it is: the same word for all that are alike. */
  readonly type: string | null
  readonly tags: Tags
  /** The device whose connections speak for it, too. */
  readonly gateway: DeviceId | null
  /** There where it was asked for. */
  readonly metadata?: Metadata
  readonly createdAt: number
  /** When the hub last took telemetry from it. */
  readonly lastSeenAt: number | null
  readonly presence: Presence
  readonly latest: { readonly [metric: string]: Latest }
  /** The last telemetry, or report of a state, that was kept in the journal and could not be read; null when there was none. */
  readonly lastRefusal: { readonly at: number; readonly topic: string; readonly sentence: string } | null
}

/** What is to be different, as a merge patch (RFC 7396): what is left out stays, null goes back to what a new device has. */
export interface DeviceChange {
  readonly name?: string | null
  readonly type?: string | null
  readonly tags?: { readonly [name: string]: string | null } | null
  readonly gateway?: DeviceId | null
  /** Merged into what is there, objects in it as well. */
  readonly metadata?: Metadata | null
}

/** Bounds of what is said of a device; the hub's own table of limits has this shape. */
export interface DeviceLimits extends MetadataLimits {
  readonly deviceNameBytes: number
  readonly deviceTypeBytes: number
  readonly tagsPerDevice: number
  readonly tagNameBytes: number
  readonly tagValueBytes: number
}

const changeable = 'name, type, tags, gateway and metadata'
const typePattern = /^[A-Za-z0-9._:@-]+$/
const tagNamePattern = /^[A-Za-z0-9_.-]+$/
const encoder = new TextEncoder()

/** The change, or the clause that says why it is refused. */
export function readDeviceChange(patch: unknown, limits: DeviceLimits): DeviceChange | string {
  if (!isObject(patch)) return `a change is a JSON object of ${changeable}`
  const { name, type, tags, gateway, metadata, ...others } = patch
  const [foreign] = Object.keys(others)
  if (foreign !== undefined) return `${changeable} can be changed, and nothing called ${JSON.stringify(foreign.slice(0, 64))}`
  if (name !== undefined && name !== null && !(isText(name, limits.deviceNameBytes) && name !== ''))
    return `name is text of 1 to ${limits.deviceNameBytes} bytes without control characters, or null`
  if (type !== undefined && type !== null && !(typeof type === 'string' && isDeviceType(type, limits)))
    return `type is 1 to ${limits.deviceTypeBytes} letters, digits or . _ : @ -, or null`
  if (gateway !== undefined && gateway !== null && !(typeof gateway === 'string' && isDeviceId(gateway)))
    return 'gateway is the id of a device, or null'
  const read = tags === undefined || tags === null ? tags : readTags(tags, limits)
  if (typeof read === 'string') return read
  const why = metadata === undefined || metadata === null ? undefined : whyNotPatch(metadata, limits)
  if (why !== undefined) return why
  return {
    ...(name === undefined ? {} : { name }),
    ...(type === undefined ? {} : { type }),
    ...(read === undefined ? {} : { tags: read }),
    ...(gateway === undefined ? {} : { gateway }),
    ...(metadata === undefined ? {} : { metadata: metadata as Metadata | null }),
  }
}

function readTags(tags: unknown, limits: DeviceLimits): { [name: string]: string | null } | string {
  if (!isObject(tags)) return 'tags is an object of texts'
  const read: [string, string | null][] = []
  for (const [name, value] of Object.entries(tags)) {
    if (!isTagName(name, limits))
      return `a tag is called by 1 to ${limits.tagNameBytes} letters, digits or _ . -, not ${JSON.stringify(name.slice(0, 64))}`
    if (value !== null && !isText(value, limits.tagValueBytes))
      return `the tag ${name} is text of at most ${limits.tagValueBytes} bytes without control characters, or null to remove it`
    read.push([name, value])
  }
  return Object.fromEntries(read) // a tag may be called __proto__
}

/** The tags after the change. */
export function changedTags(tags: Tags, change: DeviceChange['tags']): Tags {
  if (change === undefined) return tags
  if (change === null) return {}
  const changed = new Map(Object.entries(tags))
  for (const [name, value] of Object.entries(change)) {
    if (value === null) changed.delete(name)
    else changed.set(name, value)
  }
  return Object.fromEntries(changed)
}

export function isDeviceType(text: string, { deviceTypeBytes }: Pick<DeviceLimits, 'deviceTypeBytes'>): boolean {
  return text.length <= deviceTypeBytes && typePattern.test(text)
}

export function isTagName(text: string, { tagNameBytes }: Pick<DeviceLimits, 'tagNameBytes'>): boolean {
  return text.length <= tagNameBytes && tagNamePattern.test(text)
}

/** Without control characters; a half of a surrogate pair would come back from UTF-8 as another character. */
export function isText(value: unknown, bytesMax: number): value is string {
  return typeof value === 'string' && encoder.encode(value).length <= bytesMax && !/[\p{Cc}\p{Cs}]/u.test(value)
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
