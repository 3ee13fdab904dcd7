// Merge patches (RFC 7396) of JSON objects: what one comes to, and which one leads from an object to another.
import { isObject } from './device.ts'

/** A JSON object; of what a patch comes to, no member is null. */
export interface JsonObject {
  readonly [name: string]: unknown
}

/** RFC 7396, section 2: null removes a member, an object is merged into what is there, and anything else takes its place. */
export function merged(target: unknown, patch: JsonObject): JsonObject {
  const members = new Map(isObject(target) ? Object.entries(target) : [])
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) members.delete(name)
    else members.set(name, isObject(value) ? merged(members.get(name), value) : value)
  }
  return Object.fromEntries(members) // a member may be called __proto__
}

/** The patch that makes `to` of `from`, neither of which has a member that is null; empty when they are equal. */
export function patchBetween(from: JsonObject, to: JsonObject): JsonObject {
  const [before, after] = [new Map(Object.entries(from)), new Map(Object.entries(to))]
  const patch = new Map<string, unknown>()
  for (const name of before.keys()) if (!after.has(name)) patch.set(name, null)
  for (const [name, value] of after) {
    const earlier = before.get(name)
    if (isObject(earlier) && isObject(value)) {
      const inner = patchBetween(earlier, value)
      if (!isEmpty(inner)) patch.set(name, inner)
    } else if (!isSame(earlier, value)) patch.set(name, value)
  }
  return Object.fromEntries(patch)
}

/** Of JSON: the order of members does not count. */
export function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (Array.isArray(one)) return Array.isArray(other) && one.length === other.length && one.every((item, at) => isSame(item, other[at]))
  if (!isObject(one) || !isObject(other)) return false
  const members = new Map(Object.entries(other))
  const entries = Object.entries(one)
  return entries.length === members.size && entries.every(([name, value]) => members.has(name) && isSame(value, members.get(name)))
}

export function isEmpty(object: JsonObject): boolean {
  return Object.keys(object).length === 0
}

/**
 * The clause that says why this is no value of such a document; undefined when it is one. JSON.parse makes Infinity of 1e999, and JSON.stringify
 * null of that. `what` and `limit` are what the document and the bound of its levels are called.
 */
export function whyNotNested(value: unknown, levelsMax: number, what: string, limit: string, levels = levelsMax): string | undefined {
  if (typeof value === 'number' && !Number.isFinite(value)) return `a number in ${what} is finite`
  if (typeof value !== 'object' || value === null) return undefined
  if (levels === 0) return `${what} has at most ${levelsMax} levels (limits.${limit})`
  for (const inner of Object.values(value)) {
    const why = whyNotNested(inner, levelsMax, what, limit, levels - 1)
    if (why !== undefined) return why
  }
  return undefined
}

const encoder = new TextEncoder()

/** As JSON, in UTF-8. */
export function bytesOf(object: JsonObject): number {
  return encoder.encode(JSON.stringify(object)).length
}
