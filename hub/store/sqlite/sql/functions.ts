// What people who ask for telemetry by SQL miss in SQLite: times as text, buckets of time, the first and the last value.
import type { Database } from 'better-sqlite3'

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const
/** The epoch was a Thursday; weeks begin on Monday (ISO 8601). */
const mondayMs = 4 * unitMs.d

const isoTime = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?)?(Z|[+-]\d\d:?\d\d)?$/i

interface Found {
  readonly value: unknown
  readonly time: number
}

/** `now`: one moment for the whole of a statement. Functions with the same arguments give the same result while it runs. */
export function addFunctions(db: Database, now: () => number): void {
  const steady = { deterministic: true }
  db.function('ms', steady, (text: unknown) => msOf(text, now()))
  db.function('iso', steady, (time: unknown) => isoOf(time))
  db.function('time_bucket', steady, (width: unknown, time: unknown) => bucketOf(width, time))
  db.aggregate(
    'first',
    found((time, than) => time < than),
  )
  db.aggregate(
    'last',
    found((time, than) => time >= than),
  )
}

function msOf(text: unknown, nowMs: number): number | null {
  if (text === null || typeof text === 'number') return text
  if (typeof text === 'string' && text.toLowerCase() === 'now') return nowMs
  const [, day, minute = '00:00', second = ':00', zone = 'Z'] = isoTime.exec(String(text)) ?? []
  // Without a zone it is UTC, as in SQLite's own functions; for Date.parse it would be the time of the machine.
  const ms = Date.parse(`${day}T${minute}${second}${zone}`)
  if (Number.isNaN(ms)) throw new Error(`ms() takes ISO 8601 such as '2026-11-22T00:00Z', or 'now'; not '${String(text).slice(0, 64)}'`)
  return ms
}

function isoOf(time: unknown): string | null {
  if (time === null) return null
  const date = new Date(typeof time === 'number' ? time : Number.NaN)
  if (Number.isNaN(date.getTime())) throw new Error(`iso() takes Unix ms, not '${String(time).slice(0, 64)}'`)
  return date.toISOString()
}

let lastWidth: { readonly of: unknown; readonly ms: number; readonly offsetMs: number } = { of: undefined, ms: 1, offsetMs: 0 }

function bucketOf(width: unknown, time: unknown): number | null {
  if (time === null || width === null) return null
  if (width !== lastWidth.of) lastWidth = widthOf(width) // a statement asks for the same one millions of times
  if (typeof time !== 'number') throw new Error(`time_bucket() takes Unix ms, not '${String(time).slice(0, 64)}'`)
  const { ms, offsetMs } = lastWidth
  return Math.floor((time - offsetMs) / ms) * ms + offsetMs
}

function widthOf(width: unknown): typeof lastWidth {
  const [, count, unit] = /^(\d+)(ms|[smhdw])$/.exec(String(width)) ?? []
  const ms = typeof width === 'number' ? width : Number(count) * (unitMs[unit as keyof typeof unitMs] ?? Number.NaN)
  if (!(ms > 0))
    throw new Error(`time_bucket() takes a width in ms or such as '15s', '5m', '1h', '1d', '1w'; not '${String(width).slice(0, 64)}'`)
  return { of: width, ms, offsetMs: unit === 'w' ? mondayMs : 0 }
}

/** The value at the time that wins; a value or a time that is NULL takes no part, as in SQLite's aggregates. */
function found(wins: (time: number, than: number) => boolean) {
  return {
    start: (): Found | undefined => undefined,
    // The types of better-sqlite3 know aggregates of one argument alone.
    step(best: Found | undefined, ...[value, time]: unknown[]): Found | undefined {
      if (value === null || typeof time !== 'number') return best
      return best === undefined || wins(time, best.time) ? { value, time } : best
    },
    result: (best: Found | undefined) => best?.value ?? null,
    deterministic: true,
    varargs: true,
  }
}
