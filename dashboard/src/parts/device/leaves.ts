// A JSON object as its leaves, each with its path: what a person compares and changes. Arrays are leaves.
import type { JsonObject } from '../../../../devices/merge-patch.ts'
import { valueText } from '../../format.ts'

export interface Leaf {
  /** Of names, from the outside in. */
  readonly path: readonly string[]
  readonly value: unknown
}

export interface ComparedLeaf {
  readonly path: readonly string[]
  /** Undefined where there is none. */
  readonly desired: unknown
  readonly reported: unknown
  readonly is: 'same' | 'differs' | 'missing' | 'unasked'
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** In order of their names. An empty object is a leaf: otherwise it would not be seen. */
export function leavesOf(state: JsonObject, above: readonly string[] = []): Leaf[] {
  return Object.keys(state)
    .sort()
    .flatMap((name) => {
      const value = state[name]
      const path = [...above, name]
      return isObject(value) && Object.keys(value).length > 0 ? leavesOf(value, path) : [{ path, value }]
    })
}

/** The leaves of both, those of one place side by side. */
export function compared(desired: JsonObject, reported: JsonObject): ComparedLeaf[] {
  const rows = new Map<string, { path: readonly string[]; desired?: unknown; reported?: unknown }>()
  for (const { path, value } of leavesOf(desired)) rows.set(keyOf(path), { path, desired: value })
  for (const { path, value } of leavesOf(reported)) {
    const key = keyOf(path)
    rows.set(key, { ...rows.get(key), path, reported: value })
  }
  return [...rows.values()]
    .sort((a, b) => inOrder(a.path, b.path))
    .map(({ path, desired, reported }) => ({ path, desired, reported, is: standing(desired, reported) }))
}

/** For keys of rows: no two paths have the same. */
export function keyOf(path: readonly string[]): string {
  return JSON.stringify(path)
}

/** What stands at the path; undefined where nothing does. */
export function at(state: JsonObject | undefined, path: readonly string[]): unknown {
  let value: unknown = state
  for (const name of path) value = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
  return value
}

/** The merge patch that changes this leaf and no other; null removes it. */
export function patchOf(path: readonly string[], value: unknown): JsonObject {
  return path.reduceRight<unknown>((inner, name) => Object.fromEntries([[name, inner]]), value) as JsonObject
}

/** Removes the leaf, and with it the objects around it that would be empty. */
export function removalOf(state: JsonObject, path: readonly string[]): JsonObject {
  let length = path.length
  while (length > 1 && Object.keys(at(state, path.slice(0, length - 1)) as JsonObject).length === 1) length--
  return patchOf(path.slice(0, length), null)
}

/** All digits of a number: two that differ must not look the same, and a serial number is no quantity. */
export function leafText(value: unknown): string {
  return typeof value === 'number' ? String(value) : valueText(value as Parameters<typeof valueText>[0])
}

export function isSame(one: unknown, other: unknown): boolean {
  if (isObject(one) && isObject(other)) {
    const names = Object.keys(one)
    return names.length === Object.keys(other).length && names.every((name) => Object.hasOwn(other, name) && isSame(one[name], other[name]))
  }
  if (Array.isArray(one) && Array.isArray(other)) return one.length === other.length && one.every((value, i) => isSame(value, other[i]))
  return one === other
}

function standing(desired: unknown, reported: unknown): ComparedLeaf['is'] {
  if (desired === undefined) return 'unasked'
  if (reported === undefined) return 'missing'
  return isSame(desired, reported) ? 'same' : 'differs'
}

function inOrder(one: readonly string[], other: readonly string[]): number {
  for (const [i, name] of one.entries()) {
    const its = other[i]
    if (its === undefined) return 1
    if (name !== its) return name < its ? -1 : 1
  }
  return one.length - other.length
}
