// What is asked of the hub about commands, and by them of devices.
import type { CommandState } from '../../../devices/commands.ts'
import { get, send } from '../api.ts'

export interface TrailStep {
  readonly state: CommandState
  readonly at: number
  readonly reason?: string
}

export interface Command {
  readonly id: string
  readonly device: string
  readonly name: string
  readonly params: unknown
  readonly key: string | null
  readonly bulk: string | null
  readonly state: CommandState
  readonly over: boolean
  readonly reason: string | null
  readonly createdAt: number
  readonly expiresAt: number
  readonly attempts: { readonly made: number; readonly most: number }
  readonly until: object | null
  readonly result: unknown
  readonly by: string
  readonly trail: readonly TrailStep[]
  readonly late: { readonly status: string; readonly at: number } | null
}

export type StateCounts = { readonly [state in CommandState]?: number }

export interface Bulk {
  readonly id: string
  readonly name: string
  readonly params: unknown
  readonly until: object | null
  readonly by: string
  readonly createdAt: number
  readonly concurrency: number
  readonly targets: number
  readonly over: boolean
  readonly counts: StateCounts
}

export interface CommandsAsked {
  readonly states: readonly CommandState[]
  readonly devices: readonly string[]
  readonly names: readonly string[]
  readonly bulk: string | undefined
}

/** Whom a command to many is for: `devices`, or the others. */
export interface Targets {
  readonly devices?: readonly string[]
  readonly group?: string
  readonly type?: string
  readonly tag?: readonly string[]
}

export interface CommandPage {
  readonly commands: readonly Command[]
  readonly next: string | null
}

export function loadCommands(asked: CommandsAsked, before: string | undefined, limit: number, signal?: AbortSignal): Promise<CommandPage> {
  const parameters = new URLSearchParams({ limit: String(limit) })
  for (const state of asked.states) parameters.append('state', state)
  for (const device of asked.devices) parameters.append('device', device)
  for (const name of asked.names) parameters.append('name', name)
  if (asked.bulk !== undefined) parameters.set('bulk', asked.bulk)
  if (before !== undefined) parameters.set('before', before)
  return get<CommandPage>(`/v1/commands?${parameters}`, signal)
}

export function loadCommand(id: string): Promise<Command> {
  return get<Command>(`/v1/commands/${id}`)
}

export function loadCounts(sinceMs: number, signal: AbortSignal): Promise<{ readonly open: StateCounts; readonly over: StateCounts }> {
  return get(`/v1/commands/counts?since=${sinceMs}`, signal)
}

export async function loadBulks(signal: AbortSignal): Promise<readonly Bulk[]> {
  return (await get<{ bulks: readonly Bulk[] }>('/v1/bulks', signal)).bulks
}

export function cancelCommand(id: string): Promise<Command> {
  return send('DELETE', `/v1/commands/${id}`, {})
}

export function cancelBulk(id: string): Promise<Bulk> {
  return send('DELETE', `/v1/bulks/${id}`, {})
}

/** The same once more, with a deadline as far away as it was. */
export function sendAgain({ device, name, params, key, until, attempts, createdAt, expiresAt }: Command): Promise<Command> {
  const expiresInSeconds = Math.max(1, Math.round((expiresAt - createdAt) / 1000))
  const wanted = { name, params, key: key ?? undefined, until: until ?? undefined, attempts: attempts.most, expiresInSeconds }
  return send('POST', `/v1/devices/${encodeURIComponent(device)}/commands`, wanted)
}

export function askMany(targets: Targets, command: object): Promise<Bulk> {
  return send('POST', '/v1/commands', { ...targets, ...command })
}

/** How many devices these are. */
export async function countTargets({ devices, group, type, tag = [] }: Targets, signal: AbortSignal): Promise<number> {
  if (devices !== undefined) return new Set(devices).size
  const parameters = new URLSearchParams({ limit: '1' })
  if (group !== undefined) parameters.set('group', group)
  if (type !== undefined) parameters.set('type', type)
  for (const one of tag) parameters.append('tag', one)
  return (await get<{ total: number }>(`/v1/devices?${parameters}`, signal)).total
}

export async function loadChoices(signal: AbortSignal): Promise<{ readonly groups: readonly string[]; readonly types: readonly string[] }> {
  const [{ groups }, { types }] = await Promise.all([
    get<{ groups: readonly { name: string }[] }>('/v1/groups', signal),
    get<{ types: readonly { name: string }[] }>('/v1/types', signal),
  ])
  return { groups: groups.map(({ name }) => name), types: types.map(({ name }) => name) }
}
