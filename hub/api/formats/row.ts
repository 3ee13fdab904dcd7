// One point as files carry it, and how its value is written where a format has nothing but text.
import { type DeviceId, isDeviceId, type MetricValue } from '../../../devices/device.ts'
import { Refusal } from '../../errors.ts'

/** A point with the names of its series. */
export interface Row {
  readonly device: DeviceId
  readonly metric: string
  /** Unix ms, fractions allowed. */
  readonly atMs: number
  readonly value: MetricValue
}

/** Rows of one series, one after the other, as a scan brings them. */
export interface Rows {
  readonly device: DeviceId
  readonly metric: string
  readonly times: Float64Array
  readonly values: Float64Array | readonly MetricValue[]
}

/** JSON text that reads back as the same value; JSON.stringify would make 0 of -0. */
export function jsonOf(value: MetricValue): string {
  return typeof value === 'number' ? numberText(value) : JSON.stringify(value)
}

export function numberText(value: number): string {
  return Object.is(value, -0) ? '-0' : `${value}`
}

const jsonBegins = /^[\s{["\dtfn-]/
const notANumber = /^[+-]?(nan|inf|infinity)$/i

/**
 * A value that stands as text: what is JSON is that, all else is a string as it stands. Infinity for what is no finite number, in which
 * many programs write that a sensor is broken.
 */
export function readValue(text: string): MetricValue {
  if (notANumber.test(text)) return Number.POSITIVE_INFINITY
  if (!jsonBegins.test(text)) return text
  try {
    return JSON.parse(text) as MetricValue
  } catch {
    return text
  }
}

/** What a spreadsheet would run as a formula. */
const formula = /^[=+\-@\t\r]/

/** The shortest text of which `readValue` makes the value again. A string stands in JSON's quotes only where it would read as something else. */
export function textOf(value: MetricValue): string {
  if (typeof value === 'number') return numberText(value)
  if (typeof value !== 'string') return JSON.stringify(value)
  const isPlain = value !== '' && !formula.test(value) && readValue(value) === value && !/\p{Surrogate}/u.test(value)
  return isPlain ? value : JSON.stringify(value)
}

/** Errors: `telemetry-invalid` with the clause. */
export function refuseRow(detail: string): never {
  throw new Refusal('telemetry-invalid', { detail })
}

/** Errors: `device-id-invalid`. */
export function checkedDevice(id: unknown): DeviceId {
  if (typeof id === 'string' && isDeviceId(id)) return id
  throw new Refusal('device-id-invalid', { id: String(id).slice(0, 64) })
}
