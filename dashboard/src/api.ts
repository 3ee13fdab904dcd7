// What the page asks the hub over HTTP. The shapes are the hub's; this file is the only one that trusts them.
import type { Device, MetricValue } from '../../devices/device.ts'
import { words } from './words.ts'

export type ListedDevice = Device & { readonly connected: boolean }

export type FoundDevice = ListedDevice & {
  readonly connection: null | { readonly clientId: string; readonly transport: string; readonly address: string; readonly sinceMs: number }
}

export interface DevicePage {
  readonly devices: readonly ListedDevice[]
  readonly total: number
  /** The value for `after`, null on the last page. */
  readonly next: string | null
}

export type Tier = 'raw' | 'minute' | 'hour' | 'day'

/** Where only coarser data is left than was asked for; `tier` null: where none is. */
export interface CoarseSpan {
  readonly from: number
  readonly to: number
  readonly tier: Tier | null
}

export interface Telemetry {
  readonly from: number
  readonly to: number
  readonly series: readonly {
    readonly metric: string
    readonly times: readonly number[]
    readonly values: readonly MetricValue[]
    readonly count: number
    readonly thinned: boolean
    /** The finest and the coarsest it was made from. */
    readonly tiers: readonly Tier[]
    readonly coarse: readonly CoarseSpan[]
  }[]
}

export interface Figures {
  readonly devices: number
  readonly connections: number
  readonly connected: number
  readonly sessions: number
  readonly subscriptions: number
  readonly retained: number
  readonly dropped: number
  readonly messagesPerSecond: number
  readonly deliveriesPerSecond: number
  readonly commitsPerSecond: number
  readonly commandsWaiting: number
  readonly lastCommitMs: number
  readonly backlogBytes: number
  readonly loopDelayMs: number
  readonly points: number
}

export type Durability = 'fsync' | 'batched' | 'memory'

export interface Hub {
  readonly version: string
  readonly startedAt: number
  readonly durability: Durability
  readonly listeners: Readonly<Record<'mqtt' | 'mqtts' | 'https' | 'all', Listener | null>> & { readonly http: Listener }
  readonly figures: Figures
  readonly limits: readonly { readonly name: string; readonly value: number; readonly reason: string; readonly used: number | null }[]
  readonly refusals: readonly { readonly code: string; readonly sentence: string; readonly count: number }[]
  readonly drops: readonly { readonly reason: string; readonly sentence: string; readonly count: number }[]
}

export interface Listener {
  readonly address: string
  readonly port: number
}

/** Who looks at the page. */
export interface Me {
  /** `anonymous`: the hub lets this address in without a login. */
  readonly is: 'user' | 'key' | 'device' | 'anonymous'
  readonly name: string
  readonly role: string
  /** How many are left; null without a second factor. */
  readonly recoveryCodes: number | null
  readonly may: Readonly<Record<'devices' | 'hub' | 'publish' | 'command' | 'admin', boolean>>
}

/** A second factor on its way: its secret in base32, and a QR code of it. */
export interface BegunSecondFactor {
  readonly secret: string
  readonly svg: string
}

/** What went wrong, in the hub's own sentence, or in ours when it gave none. */
export class Problem extends Error {
  readonly code: string

  constructor(code: string, sentence: string, options?: ErrorOptions) {
    super(sentence, options)
    this.code = code
  }
}

const answerWithinMs = 15_000
const never = new AbortController().signal

/** One page of the list, in order of id. */
export function loadDevices(ask: { after?: string; limit: number; search?: string }, signal?: AbortSignal): Promise<DevicePage> {
  const parameters = new URLSearchParams({ limit: String(ask.limit) })
  if (ask.after !== undefined) parameters.set('after', ask.after)
  if (ask.search !== undefined) parameters.set('search', ask.search)
  return get<DevicePage>(`/v1/devices?${parameters}`, signal)
}

export function loadDevice(deviceId: string, signal?: AbortSignal): Promise<FoundDevice> {
  return get<FoundDevice>(`/v1/devices/${encodeURIComponent(deviceId)}`, signal)
}

/** History of some metrics, thinned by the hub to about `points` each. A live one reaches to the newest point, whatever the clocks say. */
export function loadTelemetry(
  deviceId: string,
  ask: { metrics: readonly string[]; fromMs: number; toMs: number; live: boolean; points: number },
  signal: AbortSignal,
): Promise<Telemetry> {
  const parameters = new URLSearchParams({ from: String(Math.floor(ask.fromMs)), points: String(ask.points) })
  if (!ask.live) parameters.set('to', String(Math.ceil(ask.toMs)))
  for (const metric of ask.metrics) parameters.append('metric', metric)
  return get<Telemetry>(`/v1/devices/${encodeURIComponent(deviceId)}/telemetry?${parameters}`, signal)
}

export function loadHub(signal: AbortSignal): Promise<Hub> {
  return get<Hub>('/v1/hub', signal)
}

/** Errors: `Problem` with the code `login-needed` or `set-up-needed` when the hub does not know who asks. */
export function loadMe(): Promise<Me> {
  return get<Me>('/v1/me')
}

/** Errors: `Problem` with the code `second-factor-needed` when the password is right and `code` is missing. */
export function logIn(name: string, password: string, code?: string): Promise<unknown> {
  return send('POST', '/v1/login', { name, password, code })
}

export function logOut(everywhere: boolean): Promise<unknown> {
  return send('POST', '/v1/logout', { everywhere })
}

export function setUp(token: string, name: string, password: string): Promise<unknown> {
  return send('POST', '/v1/setup', { token, name, password })
}

export function changePassword(password: string, newPassword: string): Promise<unknown> {
  return send('POST', '/v1/me/password', { password, newPassword })
}

export function beginSecondFactor(password: string): Promise<BegunSecondFactor> {
  return send('POST', '/v1/me/second-factor', { password })
}

/** Answers the recovery codes. */
export async function confirmSecondFactor(code: string): Promise<readonly string[]> {
  const { recoveryCodes } = await send<{ recoveryCodes: readonly string[] }>('POST', '/v1/me/second-factor/confirm', { code })
  return recoveryCodes
}

export function endSecondFactor(password: string, code: string): Promise<unknown> {
  return send('DELETE', '/v1/me/second-factor', { password, code })
}

/** Told when the hub answers 401: whoever was logged in is not any more. */
export const onLoggedOut: { call: () => void } = { call: () => {} }

export function get<Answer>(path: string, signal: AbortSignal = never): Promise<Answer> {
  return ask<Answer>(path, {}, signal)
}

export function send<Answer>(method: string, path: string, body: object, headers: Record<string, string> = {}): Promise<Answer> {
  return ask<Answer>(path, { method, body: JSON.stringify(body), headers })
}

async function ask<Answer>(path: string, how: RequestInit, signal: AbortSignal = never): Promise<Answer> {
  let response: Response
  let body: unknown
  try {
    const within = AbortSignal.any([signal, AbortSignal.timeout(answerWithinMs)])
    response = await fetch(path, { ...how, headers: { accept: 'application/json', ...how.headers }, signal: within })
    body = await response.json().catch(() => null)
  } catch (cause) {
    if (signal.aborted) throw signal.reason // nobody waits for it any more: not a problem
    throw new Problem('unreachable', words.problem.unreachable, { cause })
  }
  // The hub that serves this page is of the same version, so its answers have the shapes above.
  if (response.ok && body !== null) return body as Answer
  if (response.status === 401 && how.method === undefined && path !== '/v1/me') onLoggedOut.call()
  const problem = typeof body === 'object' && body !== null ? (body as { code?: string; detail?: string; title?: string }) : {}
  throw new Problem(problem.code ?? String(response.status), problem.detail ?? problem.title ?? words.problem.unreadable(response.status))
}
