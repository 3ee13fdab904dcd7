// Times and stretches of time as queries say them.
import { Refusal } from '../errors.ts'
import { optional, string } from '../schema.ts'
import { momentOf, Zone } from '../store/series/zone.ts'

const hourMs = 3_600_000
const unitMs = { s: 1000, m: 60_000, h: hourMs, d: 24 * hourMs, w: 7 * 24 * hourMs } as const

const isoPattern = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[ +-]\d{2}(?::?\d{2})?)?)?$/i
const timeMax = 8.64e15 // the end of JavaScript's calendar

/** What `from` and `to` are, for people. */
const sayings = 'Unix ms, ISO 8601, `now`, or before now: `-90s`, `-15m`, `-24h`, `-7d`, `-4w`'

/** The properties of a query that `rangeOf` reads. */
export const rangeParameters = {
  from: optional(
    string({
      description: `Included; ${sayings}. Without an offset it is UTC, or the query’s time zone. An hour before \`to\` when left out`,
      examples: ['-24h'],
    }),
  ),
  to: optional(string({ description: 'Included, said like `from`; now when left out', examples: ['2026-01-31T12:00:00Z'] })),
}

export interface RangeAsked {
  readonly from?: string | undefined
  readonly to?: string | undefined
}

/** `zone` is where a time without an offset is meant: UTC when left out. Errors: `request-invalid`. */
export function rangeOf({ from, to }: RangeAsked, nowMs: number, zone?: Zone): { fromMs: number; toMs: number } {
  const toMs = to === undefined ? nowMs : timeOf('to', to, nowMs, zone)
  const fromMs = from === undefined ? toMs - hourMs : timeOf('from', from, nowMs, zone)
  if (fromMs > toMs) throw new Refusal('request-invalid', { detail: 'from lies after to' })
  return { fromMs, toMs }
}

/** One of them, by the name it was given. Errors: `request-invalid`. */
export function timeOf(name: string, text: string, nowMs: number, zone?: Zone): number {
  const ms = isNumber(text) ? Number(text) : (before(text, nowMs) ?? isoOf(text, zone))
  if (!(Math.abs(ms) <= timeMax))
    throw new Refusal('request-invalid', { detail: `${name} is ${sayings.replaceAll('`', '')}; not ${JSON.stringify(text.slice(0, 64))}` })
  return ms
}

function isNumber(text: string): boolean {
  return /^-?\d+(\.\d+)?$/.test(text)
}

function before(text: string, nowMs: number): number | undefined {
  if (text === 'now') return nowMs
  const [, count, unit] = /^-(\d+)([smhdw])$/.exec(text) ?? []
  return unit === undefined ? undefined : nowMs - Number(count) * unitMs[unit as keyof typeof unitMs]
}

/** NaN for what is no time. */
function isoOf(text: string, zone: Zone | undefined): number {
  const [, date, time = '00:00', offset = ''] = isoPattern.exec(text) ?? []
  if (date === undefined) return Number.NaN
  // Nobody escapes the + of an offset, and in a query a + says a space.
  if (offset !== '')
    return Date.parse(
      `${date}T${time}${offset
        .replace(' ', '+')
        .replace(/^(.\d\d)$/, '$1:00')
        .toUpperCase()}`,
    )
  const localMs = Date.parse(`${date}T${time}Z`)
  return Number.isNaN(localMs) || zone === undefined ? localMs : momentOf(localMs, (atMs) => zone.offsetAt(atMs))
}

/** Errors: `request-invalid`. */
export function zoneOf(name: string): Zone {
  const zone = Zone.named(name)
  if (zone !== undefined) return zone
  throw new Refusal('request-invalid', {
    detail: `timezone is a name such as Europe/Berlin or UTC; not ${JSON.stringify(name.slice(0, 64))}`,
  })
}

/** The length of a bucket, as `Telemetry.buckets` takes it. Errors: `request-invalid`. */
export function everyOf(text: string): string {
  if (/^[1-9]\d{0,8}(ms|s|m|h|d|w|mo|y)$/.test(text)) return text
  throw new Refusal('request-invalid', {
    detail: `every is a number and one of ms, s, m, h, d, w, mo, y, such as 15m; not ${JSON.stringify(text.slice(0, 64))}`,
  })
}
