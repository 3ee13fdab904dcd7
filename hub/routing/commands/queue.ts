// The commands of one device that are not over, and which of them wait to be sent.
import type { DeviceId } from '../../../devices/device.ts'
import { limits } from '../../limits.ts'
import type { Command } from './command.ts'

export class CommandQueue {
  readonly device: DeviceId
  readonly #open = new Set<Command>()
  /** In the order they were made. */
  #waiting: Command[] = []
  /** Sent, and not acknowledged. */
  readonly #sent = new Set<Command>()

  constructor(device: DeviceId) {
    this.device = device
  }

  get size(): number {
    return this.#open.size
  }

  get all(): Iterable<Command> {
    return this.#open
  }

  get waiting(): readonly Command[] {
    return this.#waiting
  }

  /** One more may be on its way. */
  get hasRoom(): boolean {
    let count = 0
    for (const command of this.#sent) if (command.isAwaited) count++
    return count < limits.commandsInFlight
  }

  add(command: Command): void {
    this.#open.add(command)
  }

  /** It is to be sent, perhaps again: before those that were made later. */
  wait(command: Command): void {
    this.#sent.delete(command)
    const at = this.#waiting.findLastIndex(({ number }) => number <= command.number)
    if (this.#waiting[at] !== command) this.#waiting.splice(at + 1, 0, command)
  }

  sent(command: Command): void {
    this.#stopWaiting(command)
    this.#sent.add(command)
  }

  /** The device has it. */
  received(command: Command): void {
    this.#stopWaiting(command)
    this.#sent.delete(command)
  }

  remove(command: Command): void {
    this.received(command)
    this.#open.delete(command)
  }

  /** Those that give way to a newer one with their key: no wire has them. */
  replacedBy({ key, number }: Command): Command[] {
    if (key === undefined) return []
    return [...this.#open].filter((older) => older.key === key && older.number < number && older.isOnNoWire)
  }

  #stopWaiting(command: Command): void {
    const at = this.#waiting.indexOf(command)
    if (at !== -1) this.#waiting.splice(at, 1)
  }
}
