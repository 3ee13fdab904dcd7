// How a device was connected, as stretches of time: from its events to what a bar shows. What nobody knows stays a gap.
import type { Presence } from '../../../../devices/presence.ts'
import type { DeviceEvent } from '../../api/twin.ts'

export interface Stretch {
  readonly fromMs: number
  readonly toMs: number
  readonly is: Presence['at'] | 'unknown'
  /** Why it became so: a reason as the hub has it. */
  readonly reason: string | undefined
}

export type PresenceEvent = Extract<DeviceEvent, { kind: 'presence' }>

/** `events`: the newest first, down to the last one before `fromMs` if there is one. */
export function stretchesOf(events: readonly PresenceEvent[], fromMs: number, toMs: number): Stretch[] {
  const stretches: Stretch[] = []
  let endMs = toMs
  for (const { at, name, body } of events) {
    if (at >= endMs) continue
    // The hub says how it found the device when it came back; when it went away is not known to anybody.
    const is = body.reason === 'hub-stopped' ? 'unknown' : name
    stretches.unshift({ fromMs: Math.max(at, fromMs), toMs: endMs, is, reason: body.reason })
    endMs = at
    if (at <= fromMs) break
  }
  if (endMs > fromMs) stretches.unshift({ fromMs, toMs: endMs, is: 'unknown', reason: undefined })
  return stretches
}

/** How much of the time that is known it was connected, 0 to 1; null where nothing is known. */
export function uptimeOf(stretches: readonly Stretch[]): number | null {
  const known = knownOf(stretches)
  return known === 0 ? null : lengthOf(stretches, (is) => is === 'online') / known
}

/** Milliseconds of which it is known how it was connected. */
export function knownOf(stretches: readonly Stretch[]): number {
  return lengthOf(stretches, (is) => is !== 'unknown')
}

function lengthOf(stretches: readonly Stretch[], counts: (is: Stretch['is']) => boolean): number {
  return stretches.reduce((sum, { fromMs, toMs, is }) => (counts(is) ? sum + toMs - fromMs : sum), 0)
}
