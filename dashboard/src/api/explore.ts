// What the Explore page asks of the hub: who is meant, and the points or buckets of many series.
import type { MetricValue } from '../../../devices/device.ts'
import { type CoarseSpan, type DevicePage, get, type ListedDevice, loadDevice, type Telemetry } from '../api.ts'
import { type Choice, linesMax } from '../explore.ts'
import type { Span } from '../range.ts'

export type ChartSeries = Telemetry['series'][number] & { readonly device: string }

export interface BucketSeries {
  readonly labels: Readonly<Record<string, string | null>>
  readonly starts: readonly number[]
  readonly columns: Readonly<Record<string, readonly (number | null)[]>>
}

export interface Buckets {
  readonly series: readonly BucketSeries[]
  readonly coarse: readonly CoarseSpan[]
}

export interface Selected {
  readonly devices: readonly ListedDevice[]
  /** How many there are in all. */
  readonly total: number
}

/** Enough to find eight that have the metrics. */
const selectedMax = 200

/** The devices of a choice: of ids those that can be drawn, of conditions the first 200. */
export async function loadSelected(choice: Choice, signal: AbortSignal): Promise<Selected> {
  if (choice.devices.length === 0) return get<DevicePage>(`/v1/devices?${conditions(choice)}&limit=${selectedMax}`, signal)
  const found = await Promise.all(choice.devices.slice(0, linesMax).map((id) => loadDevice(id, signal).catch(unlessGone(signal))))
  return { devices: found.filter((device) => device !== null), total: choice.devices.length }
}

/** Points, thinned by the hub to about `points` of each series. */
export async function loadPoints(
  ask: { devices: readonly string[]; metrics: readonly string[]; points: number } & Span,
  signal: AbortSignal,
): Promise<readonly ChartSeries[]> {
  const parameters = spanned(ask)
  for (const id of ask.devices) parameters.append('device', id)
  for (const metric of ask.metrics) parameters.append('metric', metric)
  parameters.set('points', String(ask.points))
  return (await get<{ series: readonly ChartSeries[] }>(`/v1/telemetry/chart?${parameters}`, signal)).series
}

/** One answer per series, or per value of `by`. `devices` null: all that meet the conditions of the choice. */
export function loadBuckets(
  ask: {
    devices: readonly string[] | null
    choice: Choice
    metrics: readonly string[]
    every: string
    aggregates: readonly string[]
    by: string
  } & Span,
  signal: AbortSignal,
): Promise<Buckets> {
  const parameters = spanned(ask)
  if (ask.devices === null) for (const [name, value] of conditions(ask.choice, 'inGroup')) parameters.append(name, value)
  else for (const id of ask.devices) parameters.append('device', id)
  for (const metric of ask.metrics) parameters.append('metric', metric)
  parameters.set('every', ask.every)
  parameters.set('timezone', Intl.DateTimeFormat().resolvedOptions().timeZone)
  parameters.set('aggregates', [...new Set(ask.aggregates)].join(','))
  if (ask.by !== '') parameters.set('group', ask.by)
  return get<Buckets>(`/v1/telemetry/buckets?${parameters}`, signal)
}

export async function loadGroups(signal: AbortSignal): Promise<readonly string[]> {
  return (await get<{ groups: readonly { name: string }[] }>('/v1/groups', signal)).groups.map(({ name }) => name)
}

/** Every point that is stored of what is drawn, as a file. */
export function exportPath(devices: readonly string[], metrics: readonly string[], { fromMs, toMs }: Span): string {
  const parameters = new URLSearchParams({ format: 'csv', from: String(Math.floor(fromMs)), to: String(Math.ceil(toMs)) })
  for (const id of devices) parameters.append('device', id)
  for (const metric of metrics) parameters.append('metric', metric)
  return `/v1/export?${parameters}`
}

/** Texts and structures have no place on an axis. */
export function isDrawn(value: MetricValue): boolean {
  return typeof value === 'number' || typeof value === 'boolean'
}

function conditions({ type, tags, group }: Choice, groupName = 'group'): URLSearchParams {
  const parameters = new URLSearchParams()
  if (type !== '') parameters.set('type', type)
  for (const tag of tags) parameters.append('tag', tag)
  if (group !== '') parameters.set(groupName, group)
  return parameters
}

function spanned({ fromMs, toMs }: Span): URLSearchParams {
  return new URLSearchParams({ from: String(Math.floor(fromMs)), to: String(Math.ceil(toMs)) })
}

/** An id that the hub does not know has no points, which its line says; anything else is a problem. */
function unlessGone(signal: AbortSignal): (error: unknown) => null {
  return (error) => {
    if (!signal.aborted && error instanceof Error && 'code' in error && error.code === 'device-unknown') return null
    throw error
  }
}
