// Times as text, without losing a digit. A time is a float64 of Unix ms, and programs that measure finer than that use its fraction.

/** ISO 8601 in UTC, with milliseconds; of a fraction of a millisecond all digits that tell it from its neighbours. */
export function isoOf(ms: number): string {
  const whole = Math.floor(ms)
  const text = new Date(whole).toISOString()
  return whole === ms ? text : `${text.slice(0, -1)}${decimals(ms)}Z`
}

/** The digits behind the point, also where JavaScript would write an exponent. */
function decimals(ms: number): string {
  const text = String(ms)
  const small = /^(\d)(?:\.(\d+))?e-(\d+)$/.exec(text)
  if (small === null) return text.slice(text.indexOf('.') + 1)
  const [, digit = '', more = '', exponent] = small
  return `${'0'.repeat(Number(exponent) - 1)}${digit}${more}`
}

const isoPattern =
  /^([+-]\d{6}|\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,400}))?)?)?\s?(?:(Z)|([+-])(\d\d):?(\d\d))?$/i
const numberPattern = /^\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i

/** Unix ms of a time in ISO 8601 (UTC when it names no zone) or in Unix ms; undefined when it is neither. */
export function msOf(text: string): number | undefined {
  if (numberPattern.test(text)) return Number(text)
  const parts = isoPattern.exec(text)
  if (parts === null) return undefined
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', , sign, zoneHours = '0', zoneMinutes = '0'] = parts
  const date = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (Number.isNaN(date.getTime()) || (date.getUTCDate() !== Number(day) && hour !== '24')) return undefined // 30 February
  const offset = (Number(zoneHours) * 60 + Number(zoneMinutes)) * (sign === '-' ? -60_000 : 60_000)
  const whole = date.getTime() - (sign === undefined ? 0 : offset) + Number(fraction.slice(0, 3).padEnd(3, '0'))
  const rest = fraction.slice(3)
  return rest === '' || whole < 0 ? whole : Number(`${whole}.${rest}`)
}

/** Unix ms of a count of ticks, of which a millisecond has 10 to the power of `digits`: the float64 next to the exact quotient. */
export function msOfTicks(ticks: string, digits: number): number {
  if (digits === 0) return Number(ticks)
  const padded = ticks.padStart(digits + 1, '0')
  return Number(`${padded.slice(0, -digits)}.${padded.slice(-digits)}`)
}
