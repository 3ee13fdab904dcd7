// What is on its way by whom: of sessions that are known, and of those of an earlier run that nobody has taken up yet.
import type { Command } from './command.ts'
import type { Carrier, Taker } from './taker.ts'

export class Carriage {
  readonly #carried = new Map<Taker, Set<Command>>()
  /** By the numbers of sessions. */
  readonly #held = new Map<number, Set<Command>>()

  /** A copy: what is done with them changes it. Also what an earlier run had given to it. */
  of(taker: Taker): Command[] {
    return [...(this.#carried.get(taker) ?? []), ...(this.#held.get(taker.number) ?? [])]
  }

  /** They have it from now on, and nobody else. */
  carry(command: Command, carriers: readonly Carrier[]): void {
    this.letGo(command)
    command.carriers = carriers
    for (const { taker } of carriers) add(this.#carried, taker, command)
  }

  /** The session of this number, of an earlier run, is owed it. */
  hold(command: Command): void {
    add(this.#held, command.heldBy, command)
  }

  /** Its client is here. */
  takeUp(taker: Taker): void {
    for (const command of this.#held.get(taker.number) ?? []) {
      command.carriers = [{ taker, acknowledges: true, isOwed: true }]
      add(this.#carried, taker, command)
    }
    this.#held.delete(taker.number)
  }

  letGo(command: Command): void {
    for (const { taker } of command.carriers) remove(this.#carried, taker, command)
    remove(this.#held, command.heldBy, command)
    command.carriers = []
  }
}

function add<Key>(map: Map<Key, Set<Command>>, key: Key, command: Command): void {
  const commands = map.get(key)
  if (commands === undefined) map.set(key, new Set([command]))
  else commands.add(command)
}

function remove<Key>(map: Map<Key, Set<Command>>, key: Key, command: Command): void {
  const commands = map.get(key)
  commands?.delete(command)
  if (commands?.size === 0) map.delete(key)
}
