// The code of extensions runs here and nowhere else: under its name, with an end in time, and whatever it throws ends here.
import { AsyncLocalStorage } from 'node:async_hooks'
import { promiseHooks } from 'node:v8'
import type { Logger } from 'pino'
import { limits } from '../limits.ts'
import type { Timed, Wheel } from '../wheel.ts'

/** One function of an extension that the hub calls, and how it has done so far. */
export class Handler {
  readonly extension: string
  /** `on telemetry`, `command set-clock`, `route GET /hello`. */
  readonly what: string
  readonly runs = new Set<Run<unknown>>()
  calls = 0
  failures = 0
  /** It did not settle in time. */
  late = 0
  /** Messages that gave way because it was too slow for their device. */
  dropped = 0
  /** It held the loop for longer than `limits.handlerHoldMs`. */
  holds = 0
  longestHoldMs = 0

  constructor(extension: string, what: string) {
    this.extension = extension
    this.what = what
  }
}

/** What the set-up of an extension is called. */
export const setUp = 'set-up'

/** Its time was over. */
export class Late extends Error {}

/** Whose code runs now, followed through its promises. */
const running = new AsyncLocalStorage<Handler>()

/** Whose code this error comes from, asked while it is told as uncaught; undefined for nobody's. */
export function handlerToBlame(): Handler | undefined {
  return running.getStore()
}

/** What the hub does when an extension asks it to is not the extension's: a batch that it opens, a timer that it sets. */
export function asHub<T>(work: () => T): T {
  return running.exit(work)
}

/** Those who listen to the signal are the extension's code. */
export function abortAs(handler: Handler, controller: AbortController, why: Error): void {
  running.run(handler, () => controller.abort(why))
}

export class Handlers {
  readonly #log: Logger
  readonly #wheel: Wheel
  readonly #own = new WeakSet<Handler>()
  #stopHooks: (() => void) | undefined = undefined
  #segment: { readonly handler: Handler; readonly startMs: number } | undefined = undefined

  constructor(log: Logger, wheel: Wheel) {
    this.#log = log
    this.#wheel = wheel
  }

  /** Watches over one more. */
  add(extension: string, what: string): Handler {
    const handler = new Handler(extension, what)
    this.#own.add(handler)
    // What runs after an `await` is its code as well. A hub without extensions does not pay for the hooks, 0.1 µs for each step of a promise.
    this.#stopHooks ??= promiseHooks.createHook({ before: () => this.#begin(), after: () => this.#finish() }) as () => void
    return handler
  }

  stop(): void {
    this.#stopHooks?.()
    this.#stopHooks = undefined
  }

  /** Errors: what the work throws; `Late` after so many seconds; the reason it was aborted by. `until`: ends it as well. */
  run<T>(handler: Handler, seconds: number, work: (signal: AbortSignal) => T | Promise<T>, until?: AbortSignal): Promise<T> {
    handler.calls++
    return new Promise<T>((resolve, reject) => {
      const run = new Run(handler, this.#wheel, resolve, reject)
      until?.addEventListener('abort', () => run.end(until.reason as Error), { once: true })
      run.begin(seconds, (signal) => this.#timed(handler, work, signal))
    })
  }

  /** The same for who wants no answer: what goes wrong is logged and counted. Never rejects. */
  async tell(handler: Handler, about: object, work: (signal: AbortSignal) => unknown): Promise<void> {
    try {
      await this.run(handler, limits.handlerSeconds, work)
    } catch (error) {
      this.failed(handler, error, about)
    }
  }

  failed(handler: Handler, error: unknown, about: object): void {
    const { extension, what } = handler
    if (error instanceof Late) this.#log.warn({ extension, handler: what, ...about }, error.message)
    else {
      handler.failures++
      this.#log.error({ err: error, extension, handler: what, ...about }, 'an extension failed')
    }
  }

  /** All that runs of it is told to end, and is not waited for. */
  abort({ runs }: Handler, why: Error): void {
    for (const run of [...runs]) run.end(why)
  }

  #timed<T>(handler: Handler, work: (signal: AbortSignal) => T, signal: AbortSignal): T {
    const startMs = performance.now()
    try {
      return running.run(handler, () => work(signal))
    } finally {
      this.#held(handler, performance.now() - startMs)
    }
  }

  #begin(): void {
    const handler = running.getStore()
    this.#segment = handler === undefined || !this.#own.has(handler) ? undefined : { handler, startMs: performance.now() }
  }

  #finish(): void {
    if (this.#segment === undefined) return
    const { handler, startMs } = this.#segment
    this.#segment = undefined
    this.#held(handler, performance.now() - startMs)
  }

  #held(handler: Handler, ms: number): void {
    if (ms < limits.handlerHoldMs || handler.what === setUp) return // it loads its modules, and at the start nobody waits
    const { extension, what } = handler
    handler.holds++
    handler.longestHoldMs = Math.max(handler.longestHoldMs, Math.round(ms))
    this.#log.warn(
      { extension, handler: what, ms: Math.round(ms) },
      `the extension ${extension} held the loop for ${Math.round(ms)} ms in ${what}: everybody waited; hub.offload takes such work`,
    )
  }
}

/** One call of a handler. */
class Run<T> implements Timed {
  readonly #handler: Handler
  readonly #wheel: Wheel
  readonly #resolve: (value: T) => void
  readonly #reject: (why: unknown) => void
  readonly #controller = new AbortController()
  #seconds = 0
  dueTick = 0

  constructor(handler: Handler, wheel: Wheel, resolve: (value: T) => void, reject: (why: unknown) => void) {
    this.#handler = handler
    this.#wheel = wheel
    this.#resolve = resolve
    this.#reject = reject
  }

  begin(seconds: number, work: (signal: AbortSignal) => T | Promise<T>): void {
    this.#seconds = seconds
    this.#handler.runs.add(this as Run<unknown>)
    this.#wheel.arm(this, seconds)
    try {
      const result = work(this.#controller.signal)
      if (!isPromise(result)) this.#settle(() => this.#resolve(result))
      else
        result.then(
          (value) => this.#settle(() => this.#resolve(value)),
          (error: unknown) => this.#settle(() => this.#reject(error)),
        )
    } catch (error) {
      this.#settle(() => this.#reject(error))
    }
  }

  onDue(): void {
    this.#handler.late++
    this.end(new Late(`the extension ${this.#handler.extension} did not get done with ${this.#handler.what} within ${this.#seconds} s`))
  }

  end(why: Error): void {
    this.#settle(() => this.#reject(why))
    abortAs(this.#handler, this.#controller, why)
  }

  /** Once: what comes later comes too late. */
  #settle(tell: () => void): void {
    if (!this.#handler.runs.delete(this as Run<unknown>)) return
    this.#wheel.disarm(this)
    tell()
  }
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}
