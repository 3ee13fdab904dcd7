// Buckets of time as people count it: minutes since the epoch, hours and longer by the calendar of a time zone.
import { type Tier, tierMs } from './rollup.ts'
import { momentOf, offsetsOf, type Zone } from './zone.ts'

const hourMs = 3_600_000
const dayMs = 86_400_000
const mondayMs = 4 * dayMs // 1970-01-05; the epoch is a Thursday
const monthMs = 30.436875 * dayMs // on average, of the Gregorian calendar

const unitMs = { ms: 1, s: 1000, m: 60_000, h: hourMs, d: dayMs, w: 7 * dayMs, mo: monthMs, y: 12 * monthMs } as const

/** The length of a bucket, as `15s` or `1mo` say it. */
export interface Every {
  readonly count: number
  readonly unit: keyof typeof unitMs
}

/** Or a sentence that says why not. */
export function parseEvery(text: string): Every | string {
  const found = /^([1-9]\d{0,8})(ms|s|m|h|d|w|mo|y)$/.exec(text)
  if (found === null) return `"${text.slice(0, 20)}" is no length of time; write a number and ms, s, m, h, d, w, mo or y, as in 15s or 1mo.`
  const count = Number(found[1])
  const unit = found[2] as Every['unit']
  if (unit === 'h' && count > 24) return 'Buckets of hours begin anew every day; for more than 24 hours ask for days.'
  return { count, unit }
}

/**
 * How many buckets cover the range, give or take the one or two at its ends and those that changes of the clocks add: to be asked before
 * they are made.
 */
export function bucketsAbout({ count, unit }: Every, fromMs: number, toMs: number): number {
  const spanMs = Math.max(toMs - fromMs, 0)
  const lengthMs = unit === 'h' ? dayMs / Math.ceil(24 / count) : count * unitMs[unit]
  return Math.ceil(spanMs / lengthMs) + 1
}

/**
 * The edges of the whole buckets that cover the time from `fromMs` to before `toMs`, at least one bucket; both in the years 1 to 9999.
 *
 * - Milliseconds, seconds and minutes: at multiples since the epoch.
 * - Hours: whenever the clocks show a multiple of them since midnight, so that a bucket in which clocks are changed is longer or shorter
 *   by the change, and an hour that comes twice is two buckets of `1h`. Where clocks jump over an edge it lies at the jump.
 * - Days, weeks, months, years: at midnight, the first one where clocks show it twice, or at the jump over it; several at a time are
 *   counted from 1970-01-01, Monday 1970-01-05, and the year 0. A day that clocks jump over has no bucket.
 */
export function edgesOf({ count, unit }: Every, zone: Zone, fromMs: number, toMs: number): Float64Array {
  if (unit === 'ms' || unit === 's' || unit === 'm') return fixedEdges(count * unitMs[unit], fromMs, toMs)
  if (unit === 'h' && count < 24) return hourEdges(count * hourMs, zone, fromMs, toMs)

  const dates = unit === 'h' ? datesOf(1, 'd') : datesOf(count, unit)
  // Long buckets ask the tables about each edge; for short ones it is quicker to know where the clocks change.
  const short = count * unitMs[unit] < unitMs.w
  const offsetAt = short ? offsetsOf(zone.stretches(fromMs - 12 * dayMs, toMs + 12 * dayMs)) : (atMs: number) => zone.offsetAt(atMs)
  let number = dates.numberOf(fromMs + offsetAt(fromMs))
  while (momentOf(dates.localMs(number), offsetAt) > fromMs) number -= 1
  const edges = [momentOf(dates.localMs(number), offsetAt)]
  while (edges.at(-1)! < toMs || edges.at(-1)! <= fromMs) {
    number += 1
    const edgeMs = momentOf(dates.localMs(number), offsetAt)
    if (edgeMs > edges.at(-1)!) edges.push(edgeMs)
  }
  return covering(edges, fromMs, toMs)
}

/** The coarsest tier none of whose buckets lies on both sides of an edge. */
export function tierFor(edges: Float64Array): Tier {
  for (const tier of ['day', 'hour', 'minute'] as const) {
    if (edges.every((edgeMs) => edgeMs % tierMs[tier] === 0)) return tier
  }
  return 'raw'
}

function fixedEdges(lengthMs: number, fromMs: number, toMs: number): Float64Array {
  const first = Math.floor(fromMs / lengthMs)
  const end = Math.max(Math.ceil(toMs / lengthMs), first + 1)
  return Float64Array.from({ length: end - first + 1 }, (_, at) => (first + at) * lengthMs)
}

function hourEdges(lengthMs: number, zone: Zone, fromMs: number, toMs: number): Float64Array {
  const startOf = (localMs: number) => {
    const midnightMs = Math.floor(localMs / dayMs) * dayMs
    return midnightMs + Math.floor((localMs - midnightMs) / lengthMs) * lengthMs
  }
  const nextOf = (startMs: number) => Math.min(startMs + lengthMs, Math.floor(startMs / dayMs) * dayMs + dayMs)

  const stretches = zone.stretches(fromMs - 2 * dayMs, toMs + 2 * dayMs)
  const edges: number[] = []
  for (const [at, stretch] of stretches.entries()) {
    const endMs = stretches[at + 1]?.fromMs ?? toMs + 2 * dayMs
    const firstMs = stretch.fromMs + stretch.offsetMs
    let localMs = startOf(firstMs)
    const before = stretches[at - 1]
    const jumped = before !== undefined && startOf(stretch.fromMs - 1 + before.offsetMs) < localMs
    if (jumped && localMs < firstMs) edges.push(stretch.fromMs)
    if (localMs < firstMs) localMs = nextOf(localMs)
    for (; localMs - stretch.offsetMs < endMs; localMs = nextOf(localMs)) {
      edges.push(localMs - stretch.offsetMs)
    }
  }
  return covering(edges, fromMs, toMs)
}

/** Without the edges that are not needed to cover the range. */
function covering(edges: number[], fromMs: number, toMs: number): Float64Array {
  const start = edges.findLastIndex((edgeMs) => edgeMs <= fromMs)
  const end = edges.findIndex((edgeMs) => edgeMs >= toMs && edgeMs > fromMs)
  return Float64Array.from(edges.slice(start, end + 1))
}

interface Dates {
  /** Which bucket a local time lies in. */
  numberOf(localMs: number): number
  /** When it begins. */
  localMs(number: number): number
}

function datesOf(count: number, unit: 'd' | 'w' | 'mo' | 'y'): Dates {
  if (unit === 'd' || unit === 'w') {
    const originMs = unit === 'w' ? mondayMs : 0
    const lengthMs = count * unitMs[unit]
    return {
      numberOf: (localMs) => Math.floor((localMs - originMs) / lengthMs),
      localMs: (number) => number * lengthMs + originMs,
    }
  }
  const months = unit === 'y' ? count * 12 : count
  return {
    numberOf: (localMs) => {
      const date = new Date(localMs)
      return Math.floor((date.getUTCFullYear() * 12 + date.getUTCMonth()) / months)
    },
    localMs: (number) => new Date(0).setUTCFullYear(Math.floor((number * months) / 12), (number * months) % 12, 1),
  }
}
