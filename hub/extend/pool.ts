// Threads for work that computes, so that the loop does not: few, started when first needed, ended when idle for a while and with the hub.
import { availableParallelism } from 'node:os'
import type { Piscina } from 'piscina'
import { Refusal } from '../errors.ts'
import { limits, MiB } from '../limits.ts'

const idleMs = 10_000

export class Pool {
  #threads: Promise<Piscina> | undefined = undefined
  #isStopped = false
  /** By extension. */
  readonly #underWay = new Map<string, number>()

  /**
   * Calls an exported function of a module. A signal ends the thread, whatever it does. Errors: what the function throws, `too-many-offloads`,
   * the end of its time or of the hub.
   */
  async run(extension: string, module: URL, name: string, args: readonly unknown[], signals: readonly AbortSignal[]): Promise<unknown> {
    const underWay = this.#underWay.get(extension) ?? 0
    const limit = limits.offloadsPerExtension
    if (underWay >= limit) throw new Refusal('too-many-offloads', { extension, limit })
    this.#underWay.set(extension, underWay + 1)
    try {
      this.#threads ??= open()
      const threads = await this.#threads
      if (this.#isStopped) throw new Error('the hub is stopping')
      const signal = AbortSignal.any([...signals, AbortSignal.timeout(limits.offloadSeconds * 1000)])
      return await threads.run({ module: module.href, name, args }, { signal })
    } finally {
      this.#underWay.set(extension, (this.#underWay.get(extension) ?? 1) - 1)
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    const threads = await this.#threads
    await threads?.destroy()
  }
}

async function open(): Promise<Piscina> {
  const { Piscina } = await import('piscina')
  return new Piscina({
    filename: new URL('./pool-thread.ts', import.meta.url).href,
    name: 'work',
    minThreads: 0,
    maxThreads: Math.max(1, availableParallelism() - 1), // the loop and the disk need some of it
    idleTimeout: idleMs,
    resourceLimits: { maxOldGenerationSizeMb: limits.offloadHeapBytes / MiB },
  })
}
