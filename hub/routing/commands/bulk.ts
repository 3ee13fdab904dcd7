// What was asked of many devices at once: so many of them are under way at a time.
import type { CommandQueue } from './queue.ts'

export class Bulk {
  readonly number: number
  readonly concurrency: number
  /** False while its targets are put on record: until then none is sent. */
  isWhole: boolean
  /** Targets that are not over … */
  open = 0
  /** … and those of them that were sent. */
  #underWay = 0
  /** Devices that could take theirs, in the order they came. */
  readonly #blocked = new Set<CommandQueue>()

  constructor(number: number, concurrency: number, isWhole: boolean) {
    this.number = number
    this.concurrency = concurrency
    this.isWhole = isWhole
  }

  get hasSlot(): boolean {
    return this.isWhole && this.#underWay < this.concurrency
  }

  began(): void {
    this.#underWay++
  }

  ended(): void {
    this.#underWay--
  }

  /** `next` gives it back when there is a slot. */
  block(queue: CommandQueue): void {
    this.#blocked.add(queue)
  }

  /** A device that may go on now. */
  next(): CommandQueue | undefined {
    if (!this.hasSlot) return undefined
    const [queue] = this.#blocked
    if (queue !== undefined) this.#blocked.delete(queue)
    return queue
  }
}
