// What programs keep of a device, beside what the hub itself goes by: any JSON object, changed by a merge patch (RFC 7396).
import { isObject } from './device.ts'

export interface Metadata {
  readonly [name: string]: unknown
}

/** Bounds of one device's; the hub's own table of limits has this shape. */
export interface MetadataLimits {
  readonly metadataBytes: number
  readonly metadataLevels: number
}

const encoder = new TextEncoder()

/** The clause that says why this is no patch of metadata; undefined when it is one. What it comes to is looked at by `whyTooLarge`. */
export function whyNotPatch(patch: unknown, { metadataLevels }: MetadataLimits): string | undefined {
  if (!isObject(patch)) return 'metadata is a JSON object, or null to remove all of it'
  return whyNotNested(patch, metadataLevels, metadataLevels)
}

/** The same of what a device would have. */
export function whyTooLarge(metadata: Metadata, { metadataBytes }: MetadataLimits): string | undefined {
  const bytes = encoder.encode(JSON.stringify(metadata)).length
  return bytes > metadataBytes ? `its metadata would have ${bytes} bytes, and may have ${metadataBytes} (limits.metadataBytes)` : undefined
}

/** RFC 7396, section 2: null removes a member, an object is merged into what is there, and anything else takes its place. */
export function merged(target: unknown, patch: Metadata): Metadata {
  const members = new Map(isObject(target) ? Object.entries(target) : [])
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) members.delete(name)
    else members.set(name, isObject(value) ? merged(members.get(name), value) : value)
  }
  return Object.fromEntries(members) // a member may be called __proto__
}

/** JSON.parse makes Infinity of 1e999, and JSON.stringify null of that. */
function whyNotNested(value: unknown, levels: number, levelsMax: number): string | undefined {
  if (typeof value === 'number' && !Number.isFinite(value)) return 'a number in metadata is finite'
  if (typeof value !== 'object' || value === null) return undefined
  if (levels === 0) return `metadata has at most ${levelsMax} levels (limits.metadataLevels)`
  for (const inner of Object.values(value)) {
    const why = whyNotNested(inner, levels - 1, levelsMax)
    if (why !== undefined) return why
  }
  return undefined
}
