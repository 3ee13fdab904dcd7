// What the Explore page shows. All of it stands in the address, so that a picture can be sent to somebody: which devices, which metrics,
// how they are summed up, and what they are compared with. Pure.

export interface Choice {
  /** Ids; when there are any, type, tags and group are not looked at. */
  readonly devices: readonly string[]
  readonly type: string
  /** `name:value`; a device has all of them. */
  readonly tags: readonly string[]
  readonly group: string
  readonly metrics: readonly string[]
  /** Empty: the points themselves. */
  readonly aggregate: string
  /** Length of a bucket; empty: as the picture needs it. */
  readonly every: string
  /** One line per value of it: `type`, `metric` (all devices together) or `tag:NAME`; empty: per device. */
  readonly by: string
  /** How much earlier the window is that is compared with; empty: none. */
  readonly before: string
}

export const aggregates = ['avg', 'min', 'max', 'sum', 'count', 'p50', 'p95', 'p99', 'rate'] as const
export const everys = ['1s', '10s', '1m', '5m', '15m', '1h', '6h', '1d', '1w', '1mo'] as const
export const befores = ['1h', '1d', '1w', '4w', '365d'] as const

/** A picture has room for so many lines, and a page for so many pictures. The address may name more devices; they are counted. */
export const linesMax = 8
export const metricsMax = 12
export const devicesMax = 100
/** More buckets than any screen has pixels are not asked for. */
const bucketsMax = 4_000

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, mo: 30 * 86_400_000, y: 365 * 86_400_000 } as const
const steps = ['1s', '5s', '10s', '30s', '1m', '5m', '10m', '15m', '30m', '1h', '3h', '6h', '12h', '1d', '1w', '1mo', '1y'] as const

export function choiceOf(query: URLSearchParams): Choice {
  const all = (name: string, most: number) => [...new Set(query.getAll(name).filter((text) => text !== ''))].slice(0, most)
  const [agg, by] = [query.get('agg') ?? '', query.get('by') ?? '']
  const aggregate = isAggregate(agg) ? agg : ''
  const grouped = /^(type|metric|tag:.+)$/.test(by) ? by : ''
  return {
    devices: all('d', devicesMax),
    type: query.get('type') ?? '',
    tags: all('tag', 16),
    group: query.get('group') ?? '',
    metrics: all('m', metricsMax),
    // Points of several devices are no line.
    aggregate: aggregate === '' && grouped !== '' ? 'avg' : aggregate,
    every: lengthOf(query.get('every')),
    by: grouped,
    before: lengthOf(query.get('before')),
  }
}

/** The address of a choice; what else stands in it (the range) stays. */
export function queryFor(choice: Choice, query: URLSearchParams = new URLSearchParams()): URLSearchParams {
  const { devices, type, tags, group, metrics, aggregate, every, by, before } = choice
  const changed = new URLSearchParams(query)
  for (const [name, values] of Object.entries({ d: devices, type, tag: tags, group, m: metrics, agg: aggregate, every, by, before })) {
    changed.delete(name)
    for (const value of typeof values === 'string' ? [values] : values) if (value !== '') changed.append(name, value)
  }
  return changed
}

export function choosesDevices({ devices, type, tags, group }: Choice): boolean {
  return devices.length > 0 || type !== '' || tags.length > 0 || group !== ''
}

/** 0 for what is no length. */
export function lengthMs(text: string): number {
  const [, count, unit] = /^([1-9]\d{0,3})(s|m|h|d|w|mo|y)$/.exec(text) ?? []
  return unit === undefined ? 0 : Number(count) * unitMs[unit as keyof typeof unitMs]
}

/** The length of a bucket for a picture: what was asked for unless that would be far too many, else about one for every four pixels. */
export function bucketFor(asked: string, spanMs: number, widthPx: number): string {
  if (asked !== '' && spanMs / lengthMs(asked) <= bucketsMax) return asked
  const wanted = Math.max(20, widthPx / 4)
  return steps.find((step) => spanMs / lengthMs(step) <= wanted) ?? steps.at(-1)!
}

function isAggregate(text: string): boolean {
  return (aggregates as readonly string[]).includes(text) || /^p(100|\d{1,2}(\.\d{1,6})?)$/.test(text)
}

function lengthOf(text: string | null): string {
  return text !== null && lengthMs(text) > 0 ? text : ''
}
