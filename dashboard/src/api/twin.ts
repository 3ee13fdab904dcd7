// What the page of one device asks of the hub beyond its values: twins, commands, events, who it is let in as.
import type { CommandState } from '../../../devices/commands.ts'
import type { JsonObject } from '../../../devices/merge-patch.ts'
import type { Presence } from '../../../devices/presence.ts'
import { type FoundDevice, get, send } from '../api.ts'

export interface Connection {
  readonly clientId: string
  readonly transport: string
  readonly address: string
  readonly sinceMs: number
  readonly keepAliveSeconds: number
  readonly subscriptions: readonly string[]
}

/** A command that the type of a device declares: a JSON schema of its params. */
export interface ParamsSchema {
  readonly description?: string
  readonly properties?: Readonly<
    Record<string, { readonly type?: string; readonly enum?: readonly unknown[]; readonly description?: string }>
  >
  readonly required?: readonly string[]
}

export type DeviceDetail = FoundDevice & {
  readonly connections: readonly Connection[]
  readonly freshness: Readonly<Record<string, { readonly lastAt: number; readonly staleAt: number | null; readonly isStale: boolean }>>
  readonly holds: { readonly commands: Readonly<Record<string, ParamsSchema>> | null }
}

export type DeviceEvent =
  | { readonly at: number; readonly kind: 'presence'; readonly name: Presence['at']; readonly body: Presence }
  | { readonly at: number; readonly kind: 'event' | 'freshness'; readonly name: string; readonly body: unknown }

export interface TwinListed {
  readonly twin: string
  readonly version: number
  readonly isSettled: boolean
}

export interface Twin {
  readonly twin: string
  readonly version: number
  readonly at: number
  readonly desired: JsonObject
  readonly reported: JsonObject
  /** Not of the past. */
  readonly times?: { readonly desired: JsonObject; readonly reported: JsonObject }
}

export interface TwinVersion {
  readonly version: number
  readonly at: number
  readonly part: 'desired' | 'reported'
  /** null: the device. */
  readonly by: string | null
  readonly patch: JsonObject
}

export interface Command {
  readonly id: string
  readonly name: string
  readonly params: unknown
  readonly state: CommandState
  readonly over: boolean
  readonly reason: string | null
  readonly createdAt: number
  readonly expiresAt: number
  readonly result: unknown
  readonly by: string
  readonly trail: readonly { readonly state: CommandState; readonly at: number; readonly reason?: string }[]
}

export interface Credential {
  readonly id: string
  readonly kind: string
  readonly name: string
  readonly role: string
  readonly label: string
  readonly createdAt: number
  readonly until: number | null
  readonly lastUsedAt: number | null
}

export const mainTwin = 'main'

function deviceAt(deviceId: string): string {
  return `/v1/devices/${encodeURIComponent(deviceId)}`
}

function twinAt(deviceId: string, twin: string): string {
  return `${deviceAt(deviceId)}${twin === mainTwin ? '/twin' : `/twins/${twin}`}`
}

export function loadDetail(deviceId: string, signal: AbortSignal): Promise<DeviceDetail> {
  return get(deviceAt(deviceId), signal)
}

/** The newest first. */
export async function loadEvents(
  deviceId: string,
  ask: { readonly kind?: DeviceEvent['kind']; readonly fromMs?: number; readonly toMs?: number; readonly limit: number },
  signal: AbortSignal,
): Promise<readonly DeviceEvent[]> {
  const parameters = new URLSearchParams({ limit: String(ask.limit) })
  if (ask.kind !== undefined) parameters.set('kind', ask.kind)
  if (ask.fromMs !== undefined) parameters.set('from', String(Math.floor(ask.fromMs)))
  if (ask.toMs !== undefined) parameters.set('to', String(Math.ceil(ask.toMs)))
  const { events } = await get<{ events: readonly DeviceEvent[] }>(`${deviceAt(deviceId)}/events?${parameters}`, signal)
  return events
}

export async function loadTwins(deviceId: string, signal: AbortSignal): Promise<readonly TwinListed[]> {
  return (await get<{ twins: readonly TwinListed[] }>(`${deviceAt(deviceId)}/twins`, signal)).twins
}

/** `atMs`: as it was then. */
export function loadTwin(deviceId: string, twin: string, signal?: AbortSignal, atMs?: number): Promise<Twin> {
  return get(`${twinAt(deviceId, twin)}${atMs === undefined ? '' : `?at=${atMs}`}`, signal)
}

export async function loadVersions(deviceId: string, twin: string, limit: number, signal?: AbortSignal): Promise<readonly TwinVersion[]> {
  return (await get<{ versions: readonly TwinVersion[] }>(`${twinAt(deviceId, twin)}/versions?limit=${limit}`, signal)).versions
}

/** Errors: `Problem` with the code `twin-changed` when the twin has another version by now. */
export function changeDesired(deviceId: string, twin: string, desired: JsonObject, ifVersion: number): Promise<Twin> {
  return send('PATCH', twinAt(deviceId, twin), { desired }, { 'if-match': `"${ifVersion}"` })
}

export async function loadCommands(deviceId: string, limit: number, signal: AbortSignal): Promise<readonly Command[]> {
  const parameters = new URLSearchParams({ device: deviceId, limit: String(limit) })
  return (await get<{ commands: readonly Command[] }>(`/v1/commands?${parameters}`, signal)).commands
}

export function sendCommand(deviceId: string, name: string, params: unknown): Promise<Command> {
  return send('POST', `${deviceAt(deviceId)}/commands`, { name, params })
}

export function cancelCommand(id: string): Promise<Command> {
  return send('DELETE', `/v1/commands/${id}`, {})
}

export function closeConnections(deviceId: string): Promise<{ readonly closed: number }> {
  return send('DELETE', `${deviceAt(deviceId)}/connection`, {})
}

export async function loadCredentials(deviceId: string, signal: AbortSignal): Promise<readonly Credential[]> {
  return (await get<{ credentials: readonly Credential[] }>(`${deviceAt(deviceId)}/credentials`, signal)).credentials
}

export function makeCredential(deviceId: string, label: string): Promise<Credential & { readonly secret: string }> {
  return send('POST', `${deviceAt(deviceId)}/credentials`, { label })
}

export function revokeCredential(id: string): Promise<unknown> {
  return send('DELETE', `/v1/credentials/${encodeURIComponent(id)}`, {})
}

/** The tail of what a device says and is told, its newest messages first of all. */
export function tailAddress(deviceId: string, last: number): string {
  return `/v1/messages?${new URLSearchParams({ filter: `devices/${deviceId}/#`, last: String(last), retained: 'false' })}`
}
