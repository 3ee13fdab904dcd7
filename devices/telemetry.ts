// What a telemetry payload says: text in, points out, or one clause that says why it cannot be read. Pure; a message counts whole or not at all.
import type { MetricValue } from './device.ts'

/** Bounds of one message; the hub's own table of limits has this shape. */
export interface TelemetryLimits {
  readonly metricsPerMessage: number
  readonly pointsPerMessage: number
  readonly metricNameBytes: number
  readonly valueBytes: number
}

/** Points in three columns, appended and reused, so that reading a message allocates nothing but what the JSON holds. */
export class Points {
  count = 0
  readonly metrics: string[] = []
  /** Unix ms. */
  readonly times: number[] = []
  readonly values: MetricValue[] = []

  add(metric: string, atMs: number, value: MetricValue): void {
    this.metrics[this.count] = metric
    this.times[this.count] = atMs
    this.values[this.count] = value
    this.count += 1
  }
}

/** Whether a device is connected: true or false from the moment it comes or goes. */
export const connectedMetric = '$connected'

/** What the hub itself measures of devices begins with this. */
const ownSign = 0x24 // $

export function isOwnMetric(name: string): boolean {
  return name.charCodeAt(0) === ownSign
}

/** Nesting of a JSON value: what a person would write, and far from what overflows a stack when it is printed. */
const jsonLevelsMax = 32
const timeMax = 8.64e15 // the end of JavaScript's calendar
const encoder = new TextEncoder()

/**
 * Reads one payload and appends its points to `into`. With `metric` the payload is one JSON value or, when it is not JSON, plain text;
 * without it, it is `{"t":21.4}`, `{"ts":ms,"values":{"t":21.4}}` or an array of either. A point without a time of its own gets `atMs`.
 *
 * Returns undefined, or the clause that says why the message is refused; `into` is then as it was.
 */
export function parseTelemetry(
  text: string,
  metric: string | undefined,
  atMs: number,
  limits: TelemetryLimits,
  into: Points,
): string | undefined {
  const countBefore = into.count
  const why = metric === undefined ? readPayload(text, atMs, limits, into) : readValue(text, metric, atMs, limits, into)
  if (why !== undefined) into.count = countBefore
  return why
}

/** The clause that says why this is no point, for those who have it from elsewhere than a payload; undefined when it is one. */
export function whyNotPoint(metric: string, atMs: number, value: MetricValue, limits: TelemetryLimits): string | undefined {
  if (!isTime(atMs)) return 'its time must be Unix milliseconds'
  return whyNotName(metric, limits) ?? whyNotValue(value, limits)
}

function isTime(ms: number): boolean {
  return ms >= 0 && ms <= timeMax
}

function readPayload(text: string, atMs: number, limits: TelemetryLimits, into: Points): string | undefined {
  let payload: unknown
  try {
    payload = JSON.parse(text)
  } catch (error) {
    return `it is not JSON: ${error instanceof Error ? error.message : String(error)}`
  }
  if (!Array.isArray(payload)) return readReading(payload, atMs, limits, into)
  const countBefore = into.count
  for (const reading of payload) {
    const why = readReading(reading, atMs, limits, into)
    if (why !== undefined) return why
    if (into.count - countBefore > limits.pointsPerMessage) return `a message holds at most ${limits.pointsPerMessage} points`
  }
  return undefined
}

function readReading(reading: unknown, atMs: number, limits: TelemetryLimits, into: Points): string | undefined {
  if (!isObject(reading)) return `a reading is an object of metrics, not ${nameOf(reading)}`
  const names = Object.keys(reading)
  // `values` makes it the form with a time only next to `ts` or alone; a metric may have that name otherwise.
  if (!('values' in reading) || !('ts' in reading || names.length === 1)) return readMetrics(reading, names, atMs, limits, into)

  const { ts, values } = reading
  if (ts !== undefined && !(typeof ts === 'number' && isTime(ts))) return 'ts must be Unix milliseconds'
  if (!isObject(values)) return `values is an object of metrics, not ${nameOf(values)}`
  if (names.length > 2) return 'a reading with ts and values holds nothing else'
  return readMetrics(values, Object.keys(values), ts ?? atMs, limits, into)
}

function readMetrics(
  metrics: { readonly [name: string]: unknown },
  names: readonly string[],
  atMs: number,
  limits: TelemetryLimits,
  into: Points,
): string | undefined {
  if (names.length > limits.metricsPerMessage) return `a reading holds at most ${limits.metricsPerMessage} metrics`
  for (const name of names) {
    const value = metrics[name] as MetricValue // whatever JSON.parse gives is one
    const why = whyNotName(name, limits) ?? whyNotValue(value, limits)
    if (why !== undefined) return why
    into.add(name, atMs, value)
  }
  return undefined
}

function readValue(text: string, metric: string, atMs: number, limits: TelemetryLimits, into: Points): string | undefined {
  if (text === '') return 'it is empty'
  const value = jsonOrText(text)
  const why = whyNotName(metric, limits) ?? whyNotValue(value, limits)
  if (why !== undefined) return why
  into.add(metric, atMs, value)
  return undefined
}

function jsonOrText(text: string): MetricValue {
  if (/^[+-]?(nan|inf|infinity)$/i.test(text)) return Number.NaN // what firmware prints for a broken sensor; refused below
  try {
    return JSON.parse(text) as MetricValue
  } catch {
    return text
  }
}

function whyNotName(name: string, limits: TelemetryLimits): string | undefined {
  const bytesMax = limits.metricNameBytes
  if (name.length === 0 || name.length > bytesMax || (name.length * 3 > bytesMax && bytesOf(name) > bytesMax)) {
    return `metric names have 1 to ${bytesMax} bytes`
  }
  if (isOwnMetric(name)) return 'metrics that begin with $ are measured by the hub'
  // Character by character: for names of a few letters this is half the time of a regular expression.
  for (let at = 0; at < name.length; at += 1) {
    const code = name.charCodeAt(at)
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return 'metric names hold no control characters'
    // Half a surrogate pair would turn into U+FFFD in the database, where two metrics could become one.
    if (code >= 0xd800 && /\p{Surrogate}/u.test(name)) return 'metric names are Unicode text'
  }
  return undefined
}

function whyNotValue(value: MetricValue, limits: TelemetryLimits): string | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'a number must be finite'
  if (typeof value === 'boolean' || value === null) return undefined
  const bytesMax = limits.valueBytes
  if (typeof value === 'string') {
    const tooLong = value.length > bytesMax || (value.length * 3 > bytesMax && bytesOf(value) > bytesMax)
    return tooLong ? `a value has at most ${bytesMax} bytes` : undefined
  }
  const why = whyNotNested(value, jsonLevelsMax)
  if (why !== undefined) return why
  return bytesOf(JSON.stringify(value)) > bytesMax ? `a value has at most ${bytesMax} bytes` : undefined
}

function whyNotNested(value: unknown, levels: number): string | undefined {
  if (typeof value === 'number' && !Number.isFinite(value)) return 'a number must be finite'
  if (typeof value !== 'object' || value === null) return undefined
  if (levels === 0) return `a JSON value has at most ${jsonLevelsMax} levels`
  for (const inner of Object.values(value)) {
    const why = whyNotNested(inner, levels - 1)
    if (why !== undefined) return why
  }
  return undefined
}

function bytesOf(text: string): number {
  return encoder.encode(text).length
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function nameOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return `a ${typeof value}`
}
