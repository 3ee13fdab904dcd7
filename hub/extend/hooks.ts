// Who of the extensions is told of what: readings and events as subscribers of the tree are, behind their commit; the rest by name.
import type { DeviceId } from '../../devices/device.ts'
import type { Message } from '../../devices/message.ts'
import type { Presence } from '../../devices/presence.ts'
import { limits } from '../limits.ts'
import type { Command } from '../routing/commands/command.ts'
import type { Router } from '../routing/router.ts'
import type { Subscription } from '../routing/topic-tree.ts'
import type { Filter, Heard, HookHandler, HookName, Point } from './extension.ts'
import type { Handler, Handlers } from './handlers.ts'
import { Lanes, type WaitingBytes } from './lanes.ts'
import { pointsOf } from './points.ts'
import type { Pool } from './pool.ts'

export interface HooksParts {
  readonly router: Router
  readonly handlers: Handlers
  readonly pool: Pool
  readonly waitingBytes: WaitingBytes
  typeOf(device: DeviceId): string | null
}

/** One `hub.on`. */
interface Hook {
  readonly handler: Handler
  readonly subscriptions: readonly Subscription[]
  hear(device: DeviceId, name: string, heard: unknown): void
  stop(): void
}

/** Those that are told by name. */
type Told = Exclude<HookName, 'telemetry' | 'event'>

const module = new URL('./points.ts', import.meta.url)

export class Hooks {
  readonly #parts: HooksParts
  readonly #told = new Map<HookName, Set<Hook>>()
  readonly #all = new Set<Hook>()

  constructor(parts: HooksParts) {
    this.#parts = parts
  }

  /** Returns what takes it away again. */
  add<H extends HookName>(handler: Handler, is: H, filter: Filter, heardBy: HookHandler<H>): () => void {
    const hook = this.#hookOf(handler, is, filter, heardBy)
    this.#all.add(hook)
    const hooks = this.#told.get(is) ?? new Set()
    this.#told.set(is, hooks.add(hook))
    const { tree } = this.#parts.router
    for (const subscription of hook.subscriptions) tree.add(subscription)
    return () => {
      for (const subscription of hook.subscriptions) tree.remove(subscription)
      this.#all.delete(hook)
      hooks.delete(hook)
      hook.stop()
    }
  }

  /** Of several connections the first that comes and the last that goes are told. */
  onPresence(device: DeviceId, { at: stands, since, lastOnlineAt, reason }: Presence): void {
    const at = since ?? 0
    if (stands === 'online' && reason === undefined) this.#tell('online', { device, at })
    else if (stands !== 'online' && lastOnlineAt === since) this.#tell('away', { device, at })
  }

  /** The command is over, and that is on disk. */
  onCommandDone({ device, id, name, step: [state, at], result }: Command): void {
    this.#tell('command-done', { device, at, id, name, state, result: result === undefined ? undefined : JSON.parse(result) }, name)
  }

  /** `name`: of a command. */
  #tell<H extends Told>(is: H, heard: Heard[H], name = ''): void {
    for (const hook of this.#told.get(is) ?? []) hook.hear(heard.device, name, heard)
  }

  #hookOf<H extends HookName>(handler: Handler, is: H, filter: Filter, heardBy: HookHandler<H>): Hook {
    const { handlers, waitingBytes, typeOf } = this.#parts
    const devices = filter.device === undefined ? undefined : new Set([filter.device].flat())
    const only = filter.only === undefined ? undefined : new Set([filter.only].flat())
    const isMeant = (device: DeviceId) =>
      (devices === undefined || devices.has(device)) && (filter.type === undefined || typeOf(device) === filter.type)
    const onDropped = () => handler.dropped++

    const lanes = new Lanes<() => Promise<Heard[H] | undefined> | Heard[H] | undefined>(
      waitingBytes,
      (read) =>
        handlers.tell(handler, { hook: is }, async (signal) => {
          const heard = await read()
          if (heard !== undefined) await heardBy(heard, signal)
        }),
      onDropped,
    )
    const deliver = (message: Message) => {
      const { meaning } = this.#parts.router.routeOf(message.topic)
      if (meaning.is === 'telemetry' && isMeant(meaning.deviceId)) {
        const { deviceId, metric } = meaning
        if (metric !== undefined && only?.has(metric) === false) return
        const read = async () => this.#telemetry(handler, deviceId, message, metric, only) as Promise<Heard[H] | undefined>
        lanes.push(deviceId, read, message.topic, message.payload.length)
      } else if (meaning.is === 'event' && isMeant(meaning.deviceId)) {
        const { deviceId: device, name } = meaning
        const read = () => ({ device, at: message.atMs, name, data: jsonOrText(message.payload) }) as Heard[H]
        lanes.push(device, read, message.topic, message.payload.length)
      }
    }
    const subscriber = { clientId: undefined, deliver }
    return {
      handler,
      subscriptions: filtersOf(is, devices, only).map((topic) => ({
        ...{ filter: topic, subscriber, qos: 1, noLocal: false, retainAsPublished: false, identifiers: undefined },
      })),
      hear(device, name, heard) {
        if (isMeant(device) && (only === undefined || only.has(name))) lanes.push(device, () => heard as Heard[H], is, 0)
      },
      stop: () => lanes.clear(),
    }
  }

  async #telemetry(
    { extension }: Handler,
    device: DeviceId,
    { payload, atMs }: Message,
    metric: string | undefined,
    only: ReadonlySet<string> | undefined,
  ): Promise<Heard['telemetry'] | undefined> {
    const isShort = payload.length <= limits.parsedOnLoopBytes
    const all = isShort
      ? pointsOf(payload, metric, atMs)
      : ((await this.#parts.pool.run(extension, module, 'pointsOf', [payload, metric, atMs], [])) as Point[])
    const points = only === undefined ? all : all.filter((point) => only.has(point.metric))
    return points.length === 0 ? undefined : { device, points }
  }
}

function filtersOf(is: HookName, devices: ReadonlySet<DeviceId> | undefined, only: ReadonlySet<string> | undefined): string[] {
  if (is !== 'telemetry' && is !== 'event') return []
  return [...(devices ?? ['+'])].flatMap((device) => {
    if (is === 'telemetry') return [`devices/${device}/telemetry/#`]
    return [...(only ?? ['+'])].map((name) => `devices/${device}/events/${name}`)
  })
}

export function jsonOrText(payload: Uint8Array): unknown {
  const text = new TextDecoder().decode(payload)
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
