// Moments and stretches of time, as people type and read them.
import { UsageError } from './command.ts'

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** A moment that is to come: `90d` from now, ISO 8601 or Unix ms. Errors: `UsageError`. */
export function untilIn(option: string, text: string): number {
  const stretch = stretchMs(text.replace(/^\+/, ''))
  return stretch === undefined ? momentIn(option, text) : Date.now() + stretch
}

/** A moment that has been: `1d` before now, ISO 8601 or Unix ms. Errors: `UsageError`. */
export function sinceIn(option: string, text: string): number {
  const stretch = stretchMs(text.replace(/^-/, ''))
  return stretch === undefined ? momentIn(option, text) : Date.now() - stretch
}

export function stretchMs(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,9})([smhdw])$/.exec(text) ?? []
  return count === undefined || unit === undefined ? undefined : Number(count) * unitMs[unit]!
}

/** What has no offset is meant in UTC, as the hub takes it. */
function momentIn(option: string, text: string): number {
  if (/^\d{10,}$/.test(text)) return Number(text)
  const iso = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/.exec(text)
  const ms = iso === null ? Number.NaN : Date.parse(iso[1] !== undefined && iso[4] === undefined ? `${text}Z` : text)
  if (Number.isNaN(ms)) throw new UsageError(`--${option} takes a stretch such as 90d, 12h or 30m, ISO 8601, or Unix ms, not ${text}`)
  return ms
}

/** `2026-01-02T03:04:05Z`; nothing for null. */
export function timeOf(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined ? null : new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** `3 d 4 h`, `4 h 12 min`, `12 min 5 s`, `5 s`. */
export function stretchOf(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60]
  if (days > 0) return `${days} d ${hours} h`
  if (hours > 0) return `${hours} h ${minutes} min`
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`
}
