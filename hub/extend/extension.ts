// What an extension is and what the hub offers it: the whole contract, in types. What is not here is not promised.
import type { RouteOptions } from 'fastify'
import type { DeviceId, MetricValue } from '../../devices/device.ts'
import type { Schema } from '../schema.ts'

/** Code that somebody else wrote for a hub. It runs in the hub's process and is trusted as the hub is. */
export interface Extension {
  /** Letters, digits and `. _ -`, at most 64: it stands in URLs and log lines. */
  readonly name: string
  readonly setUp: SetUp
}

type SetUp = (hub: ExtensionHub) => void | Promise<void>

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** What the file of an extension exports by default. `setUp` says what it adds; when it throws, nothing of it is added. */
export function extension(name: string, setUp: SetUp): Extension {
  if (!namePattern.test(name))
    throw new Error(`${JSON.stringify(name)} is no name for an extension: letters, digits and . _ -, at most 64.`)
  return { name, setUp }
}

/** Which devices a hook hears of; all that is left out is not asked. */
export interface Filter {
  readonly device?: DeviceId | readonly DeviceId[]
  /** The type of the device. */
  readonly type?: string
  /** Of `telemetry` metrics, of `event` the name of the event, of `command-done` that of the command. */
  readonly only?: string | readonly string[]
}

export interface Point {
  readonly metric: string
  /** Unix ms. */
  readonly at: number
  readonly value: MetricValue
}

/** What hooks hear. Times are Unix ms. */
export interface Heard {
  /** One message of the device, which is on disk: every point of it that the filter lets through, at least one. */
  readonly telemetry: { readonly device: DeviceId; readonly points: readonly Point[] }
  readonly online: { readonly device: DeviceId; readonly at: number }
  readonly away: { readonly device: DeviceId; readonly at: number }
  /** `data` is the JSON of the payload, or its text. */
  readonly event: { readonly device: DeviceId; readonly at: number; readonly name: string; readonly data: unknown }
  /** A command is over. */
  readonly 'command-done': {
    readonly device: DeviceId
    readonly at: number
    readonly id: string
    readonly name: string
    readonly state: string
    readonly result: unknown
  }
}

export type HookName = keyof Heard

/** Its promise is the back-pressure for its own device: nothing more of that device is told until it settles. The signal: it took too long, or the extension ends. */
export type HookHandler<H extends HookName> = (heard: Heard[H], signal: AbortSignal) => unknown

export interface Call<P> {
  readonly device: DeviceId
  /** As the schema describes them. */
  readonly params: P
  readonly signal: AbortSignal
}

/** Whom a route lets in: an admin of the hub, anybody who is let in, or the whole network. */
export type RouteRight = 'admin' | 'free' | 'open'

/** As fastify has it; `url` is below `/x/{extension}`. */
export type ExtensionRoute = RouteOptions & { readonly right?: RouteRight }

/** The device of a conversation. Both waits ride over reconnects of the device, and end when the conversation does. */
export interface Peer {
  readonly id: DeviceId
  /**
   * Says it on `devices/{id}/{name}` at QoS 1 and resolves when the device has acknowledged it. Bytes and text go as they are, anything else as
   * JSON. A device that comes back with a new session gets it again. Errors: `device-silent` after `withinSeconds`, without one when the
   * conversation's time is over.
   */
  send(name: string, payload: unknown, options?: { readonly withinSeconds?: number }): Promise<void>
  /**
   * The next message of the device on `devices/{id}/{name}`, or the oldest since the conversation began that nobody asked for: its JSON, or its
   * text. Errors: `device-silent`.
   */
  next<T>(name: string, options: { readonly withinSeconds: number }): Promise<T>
}

/** `input` is the JSON of the request, or `bytes` and the parameters of its query. What it returns is shown as the result. */
export type ConversationRun<I> = (device: Peer, input: I, signal: AbortSignal) => unknown

export interface ExtensionLog {
  info(fields: object, text: string): void
  warn(fields: object, text: string): void
  error(fields: object, text: string): void
}

/** The hub, as an extension sees it during its set-up and after. All that it adds is gone when the extension is. */
export interface ExtensionHub {
  /** Aborted when the extension is removed or the hub stops. */
  readonly signal: AbortSignal
  readonly log: ExtensionLog
  on<H extends HookName>(hook: H, filter: Filter, handler: HookHandler<H>): void
  /** Answers calls of devices by this name. `schema` is JSON Schema; params that do not fit it are refused before the handler is asked. */
  command<P>(name: string, schema: Schema, handler: (call: Call<P>) => unknown): void
  /** During the set-up alone. */
  route(route: ExtensionRoute): void
  /** A long talk with one device, which operators begin by name. */
  conversation<I>(name: string, run: ConversationRun<I>, options?: { readonly withinSeconds?: number }): void
  /**
   * Calls an exported function of a module in a thread, for work that computes: arguments and result are copied. Errors: what it throws;
   * `too-many-offloads`.
   */
  offload<R>(module: URL, name: string, args: readonly unknown[], options?: { readonly signal?: AbortSignal }): Promise<R>
}

/** Thrown by a handler of a call: the device is told this sentence, and nothing is logged. */
export class CallRefused extends Error {}
