// All extensions of a hub: set up, shown, removed. What one adds is written down here, so that it is gone with it.

import type { Logger } from 'pino'
import type { DeviceId } from '../../devices/device.ts'
import type { Clock } from '../clock.ts'
import { limits } from '../limits.ts'
import type { Metrics } from '../metrics.ts'
import type { Router } from '../routing/router.ts'
import { deviceOf } from '../session/device-of.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Speakers } from '../session/speakers.ts'
import type { Journal } from '../store/store.ts'
import type { Wheel } from '../wheel.ts'
import { Calls } from './calls.ts'
import { Conversations } from './conversations.ts'
import type { Extension, ExtensionHub, ExtensionRoute } from './extension.ts'
import { abortAs, asHub, type Handler, Handlers, setUp } from './handlers.ts'
import { Hooks } from './hooks.ts'
import { Pool } from './pool.ts'

export interface ExtensionsParts {
  readonly router: Router
  readonly journal: Journal
  readonly sessions: Pick<Sessions, 'find'>
  readonly speakers: Pick<Speakers, 'of'>
  readonly clock: Clock
  readonly wheel: Wheel
  readonly metrics: Metrics
  readonly log: Logger
  isOnRecord(device: DeviceId): boolean
  typeOf(device: DeviceId): string | null
  /** Makes them answer below `/x/{extension}`; returns what takes them away again. */
  mount(extension: string, routes: readonly RunRoute[]): Promise<() => void>
}

/** A route whose handler runs under its name. */
export interface RunRoute {
  readonly route: ExtensionRoute
  /** Errors: `Late`, the end of the extension, what the handler throws (told to `failed`, unless it is a refusal). */
  run<T>(work: () => T | Promise<T>): Promise<T>
  failed(error: unknown): void
}

interface Kept {
  state: 'setting-up' | 'ready' | 'failed'
  error: string | null
  readonly controller: AbortController
  readonly handlers: Handler[]
  /** What it has added, to be taken away. */
  readonly removers: (() => void)[]
}

export class Extensions {
  readonly calls: Calls
  readonly conversations: Conversations
  readonly hooks: Hooks
  readonly #parts: ExtensionsParts
  readonly #handlers: Handlers
  readonly #pool = new Pool()
  readonly #kept = new Map<string, Kept>()

  constructor(parts: ExtensionsParts) {
    const { router, journal, sessions, speakers, clock, wheel, metrics, log, isOnRecord, typeOf } = parts
    this.#parts = parts
    const handlers = new Handlers(log, wheel)
    const waitingBytes = { bytes: 0 }
    this.#handlers = handlers
    this.hooks = new Hooks({ router, handlers, pool: this.#pool, waitingBytes, typeOf })
    this.calls = new Calls({ router, journal, sessions, handlers, waitingBytes, clock, metrics })
    this.conversations = new Conversations({
      ...{ router, journal, wheel, clock, handlers, speakers },
      speaksFor: (session, device) => deviceOf(session, isOnRecord) === device || speakers.of(device).has(session),
    })
  }

  /**
   * Sets it up. One that throws, or is not done within `limits.extensionSetUpSeconds`, is logged, counts as failed, and leaves nothing behind; the hub goes
   * on without it: devices do not wait for somebody to mend it. Errors: for a name that is taken, and past `limits.extensions`.
   */
  async use(added: Extension): Promise<void> {
    const { name } = added
    if (this.#kept.has(name)) throw new Error(`There are two extensions called ${name}.`)
    if (this.#kept.size >= limits.extensions) throw new Error(`A hub has at most ${limits.extensions} extensions (limits.extensions).`)
    const kept: Kept = { state: 'setting-up', error: null, controller: new AbortController(), handlers: [], removers: [] }
    this.#kept.set(name, kept)
    const routes: RunRoute[] = []
    const hub = this.#hubFor(name, kept, routes)
    try {
      await this.#handlers.run(this.#handler(name, kept, setUp), limits.extensionSetUpSeconds, () => added.setUp(hub))
      if (routes.length > 0) kept.removers.push(await this.#parts.mount(name, routes))
      if (kept.controller.signal.aborted) this.#takeAway(kept, kept.controller.signal.reason as Error)
      else kept.state = 'ready'
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      kept.state = 'failed'
      kept.error = message
      this.#takeAway(kept, new Error('its set-up failed'))
      this.#parts.log.error({ err: error, extension: name }, `the extension ${name} is not there: its set-up failed: ${message}`)
    }
  }

  /** All that it has added is gone; what runs of it is told to end, and not waited for. False when there is none of this name. */
  remove(name: string): boolean {
    const kept = this.#kept.get(name)
    if (kept === undefined) return false
    this.#kept.delete(name)
    this.#takeAway(kept, new Error(`the extension ${name} was removed`))
    return true
  }

  /** What each does, and how it has done since it was set up. */
  all() {
    return [...this.#kept].map(([name, { state, error, handlers }]) => ({
      name,
      state,
      error,
      handlers: handlers.map(({ what, calls, runs, failures, late, dropped, holds, longestHoldMs }) => ({
        ...{ what, calls, running: runs.size, failures, late, dropped, holds, longestHoldMs },
      })),
    }))
  }

  async stop(): Promise<void> {
    this.calls.stop()
    for (const kept of this.#kept.values()) this.#takeAway(kept, new Error('the hub is stopping'))
    this.#handlers.stop()
    await this.#pool.stop()
  }

  #handler(extension: string, { handlers }: Kept, what: string): Handler {
    const handler = this.#handlers.add(extension, what)
    handlers.push(handler)
    return handler
  }

  #takeAway(kept: Kept, why: Error): void {
    for (const remove of kept.removers.splice(0)) remove()
    for (const handler of kept.handlers) this.#handlers.abort(handler, why)
    const [first] = kept.handlers
    if (first !== undefined) abortAs(first, kept.controller, why)
  }

  #hubFor(name: string, kept: Kept, routes: RunRoute[]): ExtensionHub {
    const { hooks, calls, conversations } = this
    const { signal } = kept.controller
    const pool = this.#pool
    const adds = (what: string, add: (handler: Handler) => () => void) => {
      if (kept.state === 'failed' || signal.aborted) throw new Error(`The extension ${name} has ended: it can add nothing more.`)
      kept.removers.push(asHub(() => add(this.#handler(name, kept, what))))
    }
    const hub: ExtensionHub = {
      signal,
      log: this.#parts.log.child({ extension: name }),
      on: (hook, filter, handler) => adds(`on ${hook}`, (run) => hooks.add(run, hook, filter, handler)),
      command: (command, schema, handler) => adds(`command ${command}`, (run) => calls.add(run, command, schema, handler)),
      conversation: (conversation, run, { withinSeconds = 3600 } = {}) =>
        adds(`conversation ${conversation}`, (handler) => conversations.offer(handler, conversation, run, withinSeconds)),
      route: (route) => {
        if (kept.state !== 'setting-up') throw new Error('hub.route is for the set-up of an extension.')
        if (!route.url.startsWith('/')) throw new Error(`The route ${route.url} begins with a slash, below /x/${name}.`)
        const handler = this.#handler(name, kept, `route ${[route.method].flat().join(', ')} ${route.url}`)
        routes.push(this.#runRoute(handler, route))
      },
      offload: <R>(module: URL, called: string, args: readonly unknown[], options: { readonly signal?: AbortSignal } = {}) => {
        const signals = options.signal === undefined ? [signal] : [signal, options.signal]
        return asHub(() => pool.run(name, module, called, args, signals)) as Promise<R>
      },
    }
    return hub
  }

  #runRoute(handler: Handler, route: ExtensionRoute): RunRoute {
    const handlers = this.#handlers
    return {
      route,
      run: (work) => handlers.run(handler, limits.handlerSeconds, work),
      failed: (error) => handlers.failed(handler, error, { url: route.url }),
    }
  }
}
