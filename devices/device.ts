// The registered thing.

/** Letters, digits and `. _ : @ -`, at most 128: it stands in topics, URLs and file names without escaping. */
export type DeviceId = string

const deviceIdPattern = /^[A-Za-z0-9._:@-]{1,128}$/

/** `.` and `..` are path segments that every HTTP client resolves away before it sends them. */
export function isDeviceId(text: string): text is DeviceId {
  return deviceIdPattern.test(text) && text !== '.' && text !== '..'
}

/** A metric value: what one point holds. Numbers are finite float64; JSON is any object or array. */
export type MetricValue = number | boolean | string | null | { readonly [key: string]: unknown } | readonly unknown[]

export interface Latest {
  /** Time of the point, Unix ms. */
  readonly at: number
  readonly value: MetricValue
}

/** What the hub has on record about a device. Times are Unix ms. */
export interface Device {
  readonly id: DeviceId
  readonly name: string
  readonly createdAt: number
  /** When the hub last took telemetry from it. */
  readonly lastSeenAt: number | null
  readonly latest: { readonly [metric: string]: Latest }
  /** The last telemetry that was kept in the journal and could not be read as points; null when there was none. */
  readonly lastRefusal: { readonly at: number; readonly topic: string; readonly sentence: string } | null
}
