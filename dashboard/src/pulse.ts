// The hub's figures as this page has heard them: a second a point, the last hour, kept while pages come and go.
import { effect, signal } from '@preact/signals'
import { eventsMax, type FleetEvent } from './api/overview.ts'
import { Columns } from './columns.ts'
import { figures, hubNow } from './state.ts'

export const pulseMs = 3_600_000

const names = [
  'connected',
  'messagesPerSecond',
  'deliveriesPerSecond',
  'commitsPerSecond',
  'lastCommitMs',
  'backlogBytes',
  'loopDelayMs',
  'connections',
  'commandsWaiting',
] as const
export type PulseName = (typeof names)[number]

export const pulse = Object.fromEntries(names.map((name) => [name, new Columns()])) as Readonly<Record<PulseName, Columns>>

export function isPulse(name: string): name is PulseName {
  return Object.hasOwn(pulse, name)
}

/** Counts up with each point. */
export const beats = signal(0)

export function startPulse(): void {
  effect(() => {
    const heard = figures.value
    if (heard === null) return
    const atMs = hubNow()
    for (const name of names) {
      pulse[name].insert(atMs, heard[name])
      pulse[name].trim(atMs - pulseMs)
    }
    beats.value = beats.peek() + 1
  })
}

/** How many were connected before the page was opened: counted back from now by what came and went. `events`: the newest first. */
export function rememberConnected(events: readonly FleetEvent[], now: number, fromMs: number): void {
  const { connected } = pulse
  const firstMs = connected.length === 0 ? Number.POSITIVE_INFINITY : connected.times[0]!
  let count = now
  for (const event of events) {
    const change = changeOf(event)
    if (change === 0) continue
    if (event.at < firstMs) {
      connected.insert(event.at, count)
      connected.insert(event.at - 1, count - change)
    }
    count -= change
  }
  // Of a longer past the hub answered a page alone: before its oldest event nothing is known.
  if (events.length < eventsMax && fromMs < firstMs) connected.insert(fromMs, count)
  beats.value += 1
}

/** By how much an event has changed the number of connected devices. */
function changeOf({ at, name, body }: FleetEvent): number {
  const { reason, lastOnlineAt } = (typeof body === 'object' && body !== null ? body : {}) as { reason?: string; lastOnlineAt?: number }
  if (name === 'online') return reason === undefined ? 1 : 0 // with a reason, one connection took the place of another
  return lastOnlineAt === at ? -1 : 0 // from away to offline nothing is lost
}

/** One number for each of `width` columns of the last `spanMs`, null where nothing was heard: the highest, so that no peak is lost. */
export function outline({ times, values }: Columns, nowMs: number, spanMs: number, width: number): (number | null)[] {
  const columns: (number | null)[] = Array.from({ length: width }, () => null)
  for (let i = 0; i < times.length; i++) {
    const at = Math.min(width - 1, Math.floor(((times[i]! - nowMs + spanMs) / spanMs) * width))
    if (at >= 0) columns[at] = Math.max(columns[at] ?? Number.NEGATIVE_INFINITY, values[i]!)
  }
  return columns
}
