// Numbers, times and values as people read them. Pure: what is "now" is always given.
import type { MetricValue } from '../../devices/device.ts'
import { language, locale } from './language.ts'
import { words } from './words.ts'

/** Thin, and it does not break: 1 204. */
const thinSpace = '\u202f'
/** `en-GB` would shorten a million to a small m. */
const numbers = language === 'en' ? 'en' : locale
const [groupMark, decimalMark] = language === 'en' ? [',', '.'] : ['.', ',']
const KiB = 1024
const secondMs = 1000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

const whole = new Intl.NumberFormat(numbers, { maximumFractionDigits: 0 })
const sixDigits = new Intl.NumberFormat(numbers, { maximumSignificantDigits: 6 })
const threeDigits = new Intl.NumberFormat(numbers, { maximumSignificantDigits: 3 })
const compact = new Intl.NumberFormat(numbers, { notation: 'compact', maximumSignificantDigits: 3 })
const exact = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'long' })
const dayAndTime = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })
const weekday = new Intl.DateTimeFormat(locale, { weekday: 'short', day: 'numeric' })
const day = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' })
const dayOfYear = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric' })
const month = new Intl.DateTimeFormat(locale, { month: 'short' })
const minuteOfYear = new Intl.DateTimeFormat(locale, {
  day: 'numeric',
  month: 'short',
  year: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
})
const secondOfDay = new Intl.DateTimeFormat(locale, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
})
const toMinute = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' })
const toSecond = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', second: '2-digit' })

export function count(n: number): string {
  return thin(whole.format(n))
}

/** At most three significant digits below a thousand; above it the whole number is easier to read than 1.2 K. */
export function rate(n: number): string {
  return Math.abs(n) >= 1000 ? count(n) : threeDigits.format(n)
}

export function bytes(n: number): string {
  if (n < KiB) return `${count(n)} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(Math.floor(Math.log2(n) / 10), units.length)
  return `${threeDigits.format(n / KiB ** power)} ${units[power - 1]}`
}

/** A measured number: all of a whole one, six digits of a fraction, so that 0.1 + 0.2 reads 0.3. */
export function number(n: number): string {
  if (Number.isInteger(n) && Math.abs(n) < 1e15) return count(n)
  const size = Math.abs(n)
  if (size >= 1e15 || size < 1e-4) return exponent(n, 3)
  return size >= 1e6 ? thin(new Intl.NumberFormat(numbers, { maximumFractionDigits: 2 }).format(n)) : thin(sixDigits.format(n))
}

/** The same where there is little room: an axis, the end of a line. */
export function shortNumber(n: number): string {
  const size = Math.abs(n)
  if (size >= 1e6) return size < 1e15 ? compact.format(n) : exponent(n, 1)
  return n !== 0 && size < 1e-4 ? exponent(n, 1) : number(Number(n.toPrecision(5)))
}

/** One line for any metric value; `title` elsewhere may hold the whole of a long one. */
export function valueText(value: MetricValue, charactersMax = 160): string {
  if (typeof value === 'number') return number(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length > charactersMax ? `${text.slice(0, charactersMax)}…` : text
}

/** "14 s ago" under a day, then the date. Clocks that differ a little never put an event into the future. */
export function ago(atMs: number | null, nowMs: number): string {
  if (atMs === null) return words.time.never
  const passedMs = Math.max(0, nowMs - atMs)
  if (passedMs < secondMs) return words.time.now
  if (passedMs >= dayMs) return dayAndTime.format(atMs)
  return words.time.ago(roughly(passedMs))
}

/** Two units at most: "3 h 12 min". */
export function duration(ms: number): string {
  const { units } = words.time
  const passedMs = Math.max(0, ms)
  if (passedMs < hourMs) return roughly(passedMs)
  if (passedMs < dayMs) return joined(passedMs, hourMs, units.h, minuteMs, units.min)
  return joined(passedMs, dayMs, units.d, hourMs, units.h)
}

export function exactTime(atMs: number): string {
  return exact.format(atMs)
}

/** A moment in a picture of this length: as exact as it can be told apart there. */
export function momentIn(atMs: number, spanMs: number): string {
  if (spanMs > 90 * dayMs) return minuteOfYear.format(atMs)
  if (spanMs > 2 * dayMs) return dayAndTime.format(atMs)
  return (spanMs > 12 * hourMs ? secondOfDay : toSecond).format(atMs)
}

/** To the millisecond, for what comes fast: 12:03:01.204. */
export function clockTime(atMs: number): string {
  return `${toSecond.format(atMs)}${decimalMark}${String(Math.floor(atMs) % secondMs).padStart(3, '0')}`
}

export function dateTime(atMs: number): string {
  return minuteOfYear.format(atMs)
}

export function date(atMs: number): string {
  return dayOfYear.format(atMs)
}

/** A label of the time axis; `stepMs` is the distance to the next one. The first of a year, a day bears its name. */
export function axisTime(atMs: number, stepMs: number): string {
  const at = new Date(atMs)
  if (stepMs >= 28 * dayMs) return at.getMonth() === 0 ? String(at.getFullYear()) : month.format(atMs)
  if (stepMs >= 2 * dayMs) return day.format(atMs)
  if (stepMs >= dayMs) return weekday.format(atMs)
  if (stepMs >= minuteMs && at.getHours() === 0 && at.getMinutes() === 0) return weekday.format(atMs)
  return (stepMs >= minuteMs ? toMinute : toSecond).format(atMs)
}

/** As the browser's field for a date and a time wants it: local, to the second. */
export function fieldTime(atMs: number): string {
  const local = new Date(atMs - new Date(atMs).getTimezoneOffset() * minuteMs)
  return local.toISOString().slice(0, 19)
}

function roughly(ms: number): string {
  const { units } = words.time
  if (ms < minuteMs) return `${Math.floor(ms / secondMs)} ${units.s}`
  if (ms < hourMs) return `${Math.floor(ms / minuteMs)} ${units.min}`
  return `${Math.floor(ms / hourMs)} ${units.h}`
}

function joined(ms: number, largeMs: number, large: string, smallMs: number, small: string): string {
  const rest = Math.floor((ms % largeMs) / smallMs)
  return `${Math.floor(ms / largeMs)} ${large}${rest === 0 ? '' : ` ${rest} ${small}`}`
}

function thin(text: string): string {
  return text.replaceAll(groupMark, thinSpace)
}

function exponent(n: number, digits: number): string {
  return n.toExponential(digits).replace('.', decimalMark)
}
