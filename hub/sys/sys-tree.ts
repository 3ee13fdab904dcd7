// The hub looks at itself every few seconds and says below $SYS/broker what has changed, in Mosquitto's words (conventions 4.2).
import type { Clock } from '../clock.ts'
import { version } from '../version.ts'
import { Load, windows } from './load.ts'
import { loads, rows, type SysSources } from './topics.ts'

export interface SysParts extends SysSources {
  readonly clock: Clock
}

export class SysTree {
  readonly #parts: SysParts
  readonly #intervalMs: number
  readonly #stopTicking: () => void
  readonly #loads = loads.map(({ name, of }) => ({ name, of, load: new Load() }))
  /** The newest text of each topic: what has not changed is not said again. */
  readonly #said = new Map<string, string>()
  readonly #startMs: number
  #lastMs: number
  /** Intervals of the wall clock since 1970. */
  #interval: number
  #heapMax = 0

  constructor(parts: SysParts, intervalSeconds: number) {
    const { clock } = parts
    this.#parts = parts
    this.#intervalMs = intervalSeconds * 1000
    this.#startMs = clock.monotonic()
    this.#lastMs = this.#startMs
    this.#interval = this.#intervalNow()
    this.#stopTicking = clock.every(1000, () => this.#onSecond())
  }

  stop(): void {
    this.#stopTicking()
  }

  /** Several hubs with the same interval speak at the same time, to the second, so that their figures can be laid side by side. */
  #onSecond(): void {
    const interval = this.#intervalNow()
    if (interval === this.#interval) return
    this.#interval = interval
    this.#look()
  }

  #intervalNow(): number {
    return Math.floor(this.#parts.clock.now() / this.#intervalMs)
  }

  #look(): void {
    const nowMs = this.#parts.clock.monotonic()
    const seconds = Math.max(0.001, (nowMs - this.#lastMs) / 1000)
    this.#lastMs = nowMs
    const heap = process.memoryUsage().heapUsed
    this.#heapMax = Math.max(this.#heapMax, heap)
    // Read before anything is said: the sending of the figures belongs to the next interval.
    const numbers = rows.map(({ of }) => of(this.#parts))
    for (const { of, load } of this.#loads) load.update(of(this.#parts), seconds)

    this.#say('version', `Mooring version ${version}`)
    this.#say('uptime', `${Math.floor((nowMs - this.#startMs) / 1000)} seconds`)
    for (const [at, { topics }] of rows.entries()) for (const topic of topics) this.#say(topic, String(numbers[at]))
    this.#say('heap/current', String(heap))
    this.#say('heap/maximum', String(this.#heapMax))
    for (const { name, load } of this.#loads) {
      for (const [at, window] of windows.entries()) this.#say(`load/${name}/${window.name}`, (load.averages[at] as number).toFixed(2))
    }
  }

  #say(topic: string, text: string): void {
    if (this.#said.get(topic) === text) return
    this.#said.set(topic, text)
    this.#parts.router.publishOwn(`$SYS/broker/${topic}`, text)
  }
}
