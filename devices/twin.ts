// A twin: what a device says of its state (reported), and what its state should be (desired), as two JSON objects that merge patches change.
import { isObject } from './device.ts'
import { bytesOf, isEmpty, isSame, type JsonObject, merged, whyNotNested } from './merge-patch.ts'

/** Null removes all of it. */
export type StatePatch = JsonObject | null

/** One of the two documents. */
export interface Section {
  readonly state: JsonObject
  /** The members of `state`, and in place of each leaf when it was last said, Unix ms. Arrays are leaves. */
  readonly times: JsonObject
}

export const parts = ['desired', 'reported'] as const
export type Part = (typeof parts)[number]

/** Bounds of twins; the hub's own table of limits has this shape. */
export interface TwinLimits {
  readonly twinBytes: number
  readonly twinLevels: number
}

export const emptySection: Section = { state: {}, times: {} }

const namePattern = /^[A-Za-z0-9_-]{1,64}$/

export const twinNameRule = 'a twin is called by 1 to 64 letters, digits, _ or -'

/** Whether a twin may be called so; it stands in topics and URLs. */
export function isTwinName(text: string): boolean {
  return namePattern.test(text)
}

/** The clause that says why this is no patch of a state; undefined when it is one. What it comes to is looked at by `changed`. */
export function whyNotState(patch: unknown, { twinLevels }: TwinLimits): string | undefined {
  if (patch === null) return undefined
  if (!isObject(patch)) return 'a state is changed by a JSON object, a merge patch, or by null to remove all of it'
  return whyNotNested(patch, twinLevels, 'a state', 'twinLevels')
}

/** The section after the patch, or the clause that says why it would be too large. */
export function changed(section: Section, patch: StatePatch, atMs: number, { twinBytes }: TwinLimits): Section | string {
  if (patch === null) return emptySection
  const state = merged(section.state, patch)
  const bytes = bytesOf(state)
  if (bytes > twinBytes) return `the state would have ${bytes} bytes, and may have ${twinBytes} (limits.twinBytes)`
  return { state, times: merged(section.times, timesOf(patch, atMs)) }
}

/** As the patch, with this time in place of each leaf: merged into times, it does there what the patch does to the state. */
function timesOf(patch: JsonObject, atMs: number): JsonObject {
  return Object.fromEntries(
    Object.entries(patch).map(([name, value]) => [name, value === null ? null : isObject(value) ? timesOf(value, atMs) : atMs]),
  )
}

/** What of the desired state is missing in the reported one or differs from it, and no more; arrays are whole. */
export function deltaOf(desired: JsonObject, reported: JsonObject): JsonObject {
  const said = new Map(Object.entries(reported))
  const delta: [string, unknown][] = []
  for (const [name, wanted] of Object.entries(desired)) {
    const is = said.get(name)
    if (isObject(wanted) && isObject(is)) {
      const inner = deltaOf(wanted, is)
      if (!isEmpty(inner)) delta.push([name, inner])
    } else if (!isSame(wanted, is)) delta.push([name, wanted])
  }
  return Object.fromEntries(delta)
}
