// Who waits for the end of a command.
import { Refusal } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { Wheel } from '../../wheel.ts'
import type { Command } from './command.ts'

export class Ends {
  readonly #wheel: Wheel
  readonly #listeners = new Map<number, Set<() => void>>()
  #count = 0

  constructor(wheel: Wheel) {
    this.#wheel = wheel
  }

  /** It is over, and that is on disk. */
  tell({ number }: Command): void {
    const listeners = this.#listeners.get(number)
    this.#listeners.delete(number)
    this.#count -= listeners?.size ?? 0
    for (const listener of listeners ?? []) listener()
  }

  of(command: Command): Promise<void> {
    return new Promise((resolve) => void this.#listen(command, resolve))
  }

  /** Resolves then, at the latest after `seconds` (the wheel's, so up to one later), and when `signal` is aborted. Errors: `too-many-commands`. */
  within(command: Command, seconds: number, signal: AbortSignal): Promise<void> {
    if (this.#count >= limits.commandWaiters) {
      throw new Refusal('too-many-commands', { limit: limits.commandWaiters, what: 'requests that wait for one', name: 'commandWaiters' })
    }
    return new Promise((resolve) => {
      const over = () => {
        this.#wheel.disarm(timed)
        signal.removeEventListener('abort', over)
        forget()
        resolve()
      }
      const timed = { dueTick: 0, onDue: over }
      const forget = this.#listen(command, over)
      signal.addEventListener('abort', over)
      if (signal.aborted) over()
      else this.#wheel.arm(timed, seconds)
    })
  }

  #listen({ number }: Command, listener: () => void): () => void {
    const listeners = this.#listeners.get(number) ?? new Set()
    this.#listeners.set(number, listeners.add(listener))
    this.#count++
    return () => {
      if (this.#listeners.get(number) !== listeners || !listeners.delete(listener)) return
      this.#count--
      if (listeners.size === 0) this.#listeners.delete(number)
    }
  }
}
