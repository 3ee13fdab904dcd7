// The commonest readings, read straight from their bytes: a flat object of metrics the device has sent before, in their usual order, with
// plain numbers or true and false; the same as `values` behind a `ts`; or an array of these. Whatever is not exactly that is left to
// devices/telemetry.ts, which knows all forms and says what is wrong. It gives the same points in 0.5 µs for six numbers where JSON.parse and
// what belongs to it take 2.2 µs.
import { isOwnMetric } from '../../../devices/telemetry.ts'
import { limits } from '../../limits.ts'
import type { DeviceState } from './device-state.ts'

/** 10^n without rounding, which ends at 22. */
const powersOfTen = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))
/** So many digits are an integer that float64 holds exactly; divided by an exact power of ten it rounds once, as JSON.parse does. */
const digitsMax = 15
/** How far ahead of the usual order a metric may be: a device with two kinds of messages leaves out some of its metrics in each. */
const metricsAhead = 8

const [quote, comma, minus, point, zero, nine, colon] = [0x22, 0x2c, 0x2d, 0x2e, 0x30, 0x39, 0x3a] as const
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d] as const

const pointsMax = limits.pointsPerMessage + limits.metricsPerMessage

/** What a value is: a number of the column beside it, or one of these words. */
export const flatKinds = { number: 0, false: 1, true: 2 } as const

/**
 * What was read last, in columns: the index of the series, time, number and kind of each point. Numbers go from function to function through
 * memory of this kind, because V8 makes an object of each that is returned or kept in a variable of the module.
 */
export const flat = {
  count: 0,
  indexes: new Uint16Array(pointsMax),
  times: new Float64Array(pointsMax),
  numbers: new Float64Array(pointsMax),
  kinds: new Uint8Array(pointsMax),
}

/** The time of the reading, and the number that was read last. */
const time = new Float64Array(1)
const number = new Float64Array(1)

/** Where the value ended that `readNumber` read; -1 for one it leaves to others. */
let valueEnd = 0

/** True when the bytes from `start` to `end` were of such a form: then `flat` has its points. */
export function readFlatReading(bytes: Uint8Array, start: number, end: number, device: DeviceState, atMs: number): boolean {
  flat.count = 0
  const readTo = bytes[start] === openBracket ? readArray(bytes, start, end, device, atMs) : readOne(bytes, start, end, device, atMs)
  return readTo !== -1 && afterBlanks(bytes, readTo) === end
}

// The functions below return where they have read to, or -1 for what they leave to others.

function readArray(bytes: Uint8Array, start: number, end: number, device: DeviceState, atMs: number): number {
  let at = start + 1
  while (at < end && flat.count <= limits.pointsPerMessage) {
    at = readOne(bytes, afterBlanks(bytes, at), end, device, atMs)
    if (at === -1) return -1
    at = afterBlanks(bytes, at)
    if (bytes[at] === closeBracket) return flat.count > limits.pointsPerMessage ? -1 : at + 1
    if (bytes[at] !== comma) return -1
    at += 1
  }
  return -1
}

function readOne(bytes: Uint8Array, start: number, end: number, device: DeviceState, atMs: number): number {
  if (bytes[start] !== openBrace) return -1
  const valuesAt = afterTime(bytes, start + 1)
  if (valuesAt === -1) {
    time[0] = atMs
    return readMembers(bytes, start + 1, end, device)
  }
  const at = readMembers(bytes, valuesAt, end, device)
  if (at === -1) return -1
  const closeAt = afterBlanks(bytes, at)
  return bytes[closeAt] === closeBrace ? closeAt + 1 : -1
}

/** Behind `"ts":…,"values":{`; -1 where anything else stands. */
function afterTime(bytes: Uint8Array, start: number): number {
  let at = afterName(bytes, start, 'ts')
  if (at === -1) return -1
  if (bytes[at] === minus) return -1
  readNumber(bytes, at)
  if (valueEnd === -1) return -1
  time[0] = number[0]!
  at = afterBlanks(bytes, valueEnd)
  if (bytes[at] !== comma) return -1
  at = afterName(bytes, at + 1, 'values')
  return at !== -1 && bytes[at] === openBrace ? at + 1 : -1
}

function afterName(bytes: Uint8Array, start: number, name: string): number {
  let at = afterBlanks(bytes, start)
  if (bytes[at] !== quote || !isName(bytes, at + 1, name)) return -1
  at = afterBlanks(bytes, at + name.length + 2)
  return bytes[at] === colon ? afterBlanks(bytes, at + 1) : -1
}

function readMembers(bytes: Uint8Array, start: number, end: number, device: DeviceState): number {
  const { series } = device
  let next = 0 // index of the metric that comes next in the usual order
  let at = start
  for (let members = 0; members < limits.metricsPerMessage; members += 1) {
    at = afterBlanks(bytes, at)
    if (bytes[at] !== quote) return -1
    const nameAt = at + 1
    const furthest = Math.min(series.length, next + metricsAhead)
    while (next < furthest && !isName(bytes, nameAt, series[next]!.metric)) next += 1
    if (next >= furthest) return -1
    const { metric } = series[next]!
    if (metric === 'values' || isOwnMetric(metric)) return -1 // it may be the form with a time, or not the device's to send
    at = afterBlanks(bytes, nameAt + metric.length + 1)
    if (bytes[at] !== colon) return -1
    at = afterBlanks(bytes, at + 1)
    const kind = readValue(bytes, at)
    if (valueEnd === -1) return -1
    const { count } = flat
    flat.indexes[count] = next
    flat.times[count] = time[0]!
    flat.numbers[count] = number[0]!
    flat.kinds[count] = kind
    flat.count = count + 1
    next += 1
    at = afterBlanks(bytes, valueEnd)
    if (bytes[at] === closeBrace) return at + 1
    if (bytes[at] !== comma || at >= end) return -1
    at += 1
  }
  return -1
}

/** ASCII alone: a byte above it is a part of a character. */
function isName(bytes: Uint8Array, at: number, name: string): boolean {
  for (let i = 0; i < name.length; i += 1) {
    const byte = bytes[at + i]!
    if (byte >= 0x80 || byte !== name.charCodeAt(i)) return false
  }
  return bytes[at + name.length] === quote
}

/** Returns its kind. */
function readValue(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!
  number[0] = 0
  if (first === 0x74) return readWord(bytes, at, 'true', flatKinds.true)
  if (first === 0x66) return readWord(bytes, at, 'false', flatKinds.false)
  readNumber(bytes, at)
  return flatKinds.number
}

function readWord(bytes: Uint8Array, at: number, word: string, kind: number): number {
  valueEnd = at + word.length
  for (let i = 0; i < word.length; i += 1) if (bytes[at + i] !== word.charCodeAt(i)) valueEnd = -1
  return kind
}

function readNumber(bytes: Uint8Array, start: number): void {
  const isNegative = bytes[start] === minus
  const digitsAt = isNegative ? start + 1 : start
  let at = digitsAt
  let mantissa = 0
  let byte = bytes[at]!
  for (; byte >= zero && byte <= nine; byte = bytes[at]!) {
    mantissa = mantissa * 10 + (byte - zero)
    at += 1
  }
  let digits = at - digitsAt
  valueEnd = -1
  if (digits === 0 || (digits > 1 && bytes[digitsAt] === zero)) return
  let decimals = 0
  if (byte === point) {
    at += 1
    const decimalsAt = at
    for (byte = bytes[at]!; byte >= zero && byte <= nine; byte = bytes[at]!) {
      mantissa = mantissa * 10 + (byte - zero)
      at += 1
    }
    decimals = at - decimalsAt
    if (decimals === 0) return
    digits += decimals
  }
  if (digits > digitsMax || byte === 0x65 || byte === 0x45) return // more digits than are exact, or an exponent
  valueEnd = at
  const value = mantissa / powersOfTen[decimals]!
  number[0] = isNegative ? -value : value
}

function afterBlanks(bytes: Uint8Array, start: number): number {
  if (bytes[start]! > 0x20) return start // nearly always
  let at = start
  for (let byte = bytes[at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; byte = bytes[at]) at += 1
  return at
}
