// One provisioning key, and what is written of it.
import { type DeviceLimits, isDeviceId, readDeviceChange, type Tags } from '../../devices/device.ts'
import { isTime } from './credential.ts'

/** By which devices meet the hub for the first time. Times are Unix ms. */
export interface ProvisioningKey {
  readonly id: string
  readonly label: string
  /** Which device ids may come by it; one `*` stands for any text. */
  readonly pattern: string
  /** Whether a device that the hub does not know is put on record; otherwise it has to be there. */
  readonly registers: boolean
  /** What such a device gets. */
  readonly type: string | null
  readonly tags: Tags
  /** Role of the token that the device gets. */
  readonly role: string
  readonly usesLeft: number
  readonly createdAt: number
  readonly from: number
  readonly until: number | undefined
}

export interface KeptKey {
  readonly key: ProvisioningKey
  readonly hash: string
}

export interface WantedKey {
  readonly label?: string
  readonly pattern: string
  readonly registers: boolean
  readonly type?: string | null
  readonly tags?: Tags
  readonly role: string
  readonly uses: number
  readonly from?: number
  readonly until?: number
}

export function bodyOf({ key, hash }: KeptKey): string {
  const { id, ...written } = key
  return JSON.stringify({ ...written, hash })
}

/** undefined for what cannot be read: nobody comes by it. */
export function readKey(id: string, body: string, limits: DeviceLimits): KeptKey | undefined {
  const read = parsed(body)
  if (read === undefined) return undefined
  const { label, pattern, registers, type, tags, role, usesLeft, createdAt, from, until, hash } = read
  if (typeof label !== 'string' || typeof pattern !== 'string' || typeof registers !== 'boolean' || typeof role !== 'string')
    return undefined
  if (!isPattern(pattern) || !isTime(usesLeft) || !isTime(createdAt) || !isTime(from) || (until !== undefined && !isTime(until)))
    return undefined
  const said = saidOf(type, tags, limits)
  if (typeof hash !== 'string' || hash === '' || typeof said === 'string') return undefined
  return { key: { id, label, pattern, registers, ...said, role, usesLeft, createdAt, from, until }, hash }
}

/** The clause that says what is wrong with it; undefined when nothing is. */
export function faultOf(wanted: WantedKey, nowMs: number, limits: DeviceLimits, usesMax: number, bytesMax: number): string | undefined {
  const { label = '', pattern, role, uses, from = nowMs, until, type = null, tags = {} } = wanted
  if (![label, role].every((text) => Buffer.byteLength(text) <= bytesMax && !/[\p{Cc}\p{Cs}]/u.test(text)))
    return `role and label are text of at most ${bytesMax} bytes without control characters`
  if (!isPattern(pattern)) return 'its pattern is a device id in which one * stands for any text'
  if (!Number.isSafeInteger(uses) || uses < 1 || uses > usesMax) return `it is good for 1 to ${usesMax} devices`
  if (!isTime(from) || (until !== undefined && (!isTime(until) || until <= from || until <= nowMs)))
    return 'it is valid from a moment until a later one, in Unix ms, that is still to come'
  const said = saidOf(type, tags, limits)
  return typeof said === 'string' ? said : undefined
}

export function isMatch(pattern: string, deviceId: string): boolean {
  const at = pattern.indexOf('*')
  if (at === -1) return pattern === deviceId
  return deviceId.length >= pattern.length - 1 && deviceId.startsWith(pattern.slice(0, at)) && deviceId.endsWith(pattern.slice(at + 1))
}

function isPattern(pattern: string): boolean {
  return pattern === '*' || (pattern.split('*').length <= 2 && isDeviceId(pattern.replace('*', 'x')))
}

function saidOf(type: unknown, tags: unknown, limits: DeviceLimits): { type: string | null; tags: Tags } | string {
  const read = readDeviceChange({ type, tags }, limits)
  if (typeof read === 'string') return read
  const kept = Object.entries(read.tags ?? {}).filter((tag): tag is [string, string] => tag[1] !== null)
  return { type: read.type ?? null, tags: Object.fromEntries(kept) }
}

function parsed(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined
  } catch {
    return undefined
  }
}
