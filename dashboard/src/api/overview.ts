// What the overview and the list of devices ask of the hub.
import type { DeviceChange } from '../../../devices/device.ts'
import { type DevicePage, type FoundDevice, get, send } from '../api.ts'

export interface FleetEvent {
  readonly device: string
  readonly at: number
  readonly kind: 'event' | 'presence' | 'freshness'
  readonly name: string
  readonly body: unknown
}

export interface FailedCommand {
  readonly id: string
  readonly device: string
  readonly name: string
  readonly reason: string | null
  readonly trail: readonly { readonly at: number }[]
}

export type Described = FoundDevice & {
  readonly freshness: Readonly<Record<string, { readonly isStale: boolean; readonly staleAt: number | null }>>
}

export interface Bulk {
  readonly id: string
  readonly targets: number
}

/** Pages as long as the hub answers them: limits.pageDevices and limits.pageEvents. */
const devicesMax = 1_000
export const eventsMax = 1_000
const stalePagesMax = 20
const failedMax = 50

/** Ids of devices with a metric that has fallen silent: of the first 20,000, as many as a page holds. */
export async function loadStale(signal: AbortSignal): Promise<ReadonlySet<string>> {
  const ids = new Set<string>()
  let after: string | null = ''
  for (let page = 0; page < stalePagesMax && after !== null; page++) {
    const { devices, next }: DevicePage = await get(`/v1/devices?stale=1&limit=${devicesMax}&after=${encodeURIComponent(after)}`, signal)
    for (const { id } of devices) ids.add(id)
    after = next
  }
  return ids
}

/** The newest first. */
export async function loadEvents(ask: { kind: FleetEvent['kind']; fromMs: number }, signal: AbortSignal): Promise<readonly FleetEvent[]> {
  const path = `/v1/timeline?kind=${ask.kind}&from=${Math.floor(ask.fromMs)}&limit=${eventsMax}`
  return (await get<{ events: readonly FleetEvent[] }>(path, signal)).events
}

/** The newest that came to nothing. */
export async function loadFailedCommands(signal: AbortSignal): Promise<readonly FailedCommand[]> {
  const path = `/v1/commands?state=failed&state=expired&limit=${failedMax}`
  return (await get<{ commands: readonly FailedCommand[] }>(path, signal)).commands
}

export function loadDescribed(deviceId: string, signal: AbortSignal): Promise<Described> {
  return get<Described>(`/v1/devices/${encodeURIComponent(deviceId)}`, signal)
}

export function describeDevice(deviceId: string, change: DeviceChange): Promise<Described> {
  return send('PATCH', `/v1/devices/${encodeURIComponent(deviceId)}`, change)
}

/** Closes its connections; it may come back at once. */
export function kickDevice(deviceId: string): Promise<unknown> {
  return send('DELETE', `/v1/devices/${encodeURIComponent(deviceId)}/connection`, {})
}

export function deleteDevice(deviceId: string): Promise<unknown> {
  return send('DELETE', `/v1/devices/${encodeURIComponent(deviceId)}`, {})
}

export function commandDevices(devices: readonly string[], name: string, params: unknown): Promise<Bulk> {
  return send('POST', '/v1/commands', { devices, name, ...(params === undefined ? {} : { params }) })
}
