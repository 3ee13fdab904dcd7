// Commands to many devices at once. Each target is a command with a record of its own; none is sent before all are on record, so that a bulk is
// there or it is not.
import { type CommandWanted, commandIdOf, commandNumberOf } from '../../../devices/commands.ts'
import type { DeviceId } from '../../../devices/device.ts'
import { Refusal } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { CommandRecord, StoredCommand } from '../../store/commands.ts'
import { type Journal, recordKinds, type Store } from '../../store/store.ts'
import { Bulk } from './bulk.ts'
import type { Command } from './command.ts'
import type { Commands } from './commands.ts'

/** Put on record in one turn of the loop: 5 ms. */
const atOnce = 250

export class Bulks {
  readonly #commands: Commands
  readonly #store: Pick<Store, 'commands'> & { readonly journal: Journal }
  readonly #open = new Set<Bulk>()

  constructor(commands: Commands, store: Pick<Store, 'commands' | 'journal'>) {
    this.#commands = commands
    this.#store = store
  }

  /** Resolves with its id when all its targets are on record. Errors: `too-many-commands`, `command-invalid`, `store-full`, `store-failed`. */
  async make(devices: readonly DeviceId[], wanted: CommandWanted, concurrency: number, by: string): Promise<string> {
    for (const bulk of this.#open) if (bulk.open === 0 && bulk.isWhole) this.#open.delete(bulk)
    const tooMany = (limit: number, what: string, name: string) => new Refusal('too-many-commands', { limit, what, name })
    if (this.#open.size >= limits.bulksOpen) throw tooMany(limits.bulksOpen, 'bulks of commands', 'bulksOpen')
    if (devices.length > limits.bulkTargets) throw tooMany(limits.bulkTargets, 'targets of one bulk', 'bulkTargets')
    const params = JSON.stringify(wanted.params)
    this.#commands.assertRoom(devices.length, params.length, wanted)
    const { name, until } = wanted
    const number = this.#commands.nextNumber()
    const bulk = new Bulk(number, concurrency, false)
    this.#open.add(bulk)
    const made: Command[] = []
    try {
      this.#record({ is: 'bulk', bulk: { number, name, params, until, by, concurrency, targets: devices.length } }, false)
      await this.#onDisk() // a target without its bulk would not know what it is about
      for (let at = 0; at < devices.length; at += atOnce) {
        const slice = devices.slice(at, at + atOnce).filter((device) => this.#commands.knows(device)) // it may be deleted meanwhile
        const some = slice.map((device) => this.#commands.add(device, wanted, params, by, bulk))
        made.push(...some.map(({ command }) => command))
        await Promise.all(some.map(({ kept }) => kept))
      }
      this.#record({ is: 'whole', number }, false)
      await this.#onDisk()
    } catch (error) {
      for (const command of made) this.#commands.giveUp(command, 'its bulk was never whole')
      this.#open.delete(bulk)
      throw error
    }
    bulk.isWhole = true
    for (let queue = bulk.next(); queue !== undefined; queue = bulk.next()) this.#commands.dispatch.pump(queue)
    return commandIdOf(number)
  }

  /** Cancels what is not over. Resolves with the number of those when that is on disk. Errors: `bulk-unknown`. */
  async cancel(id: string, by: string): Promise<number> {
    const number = commandNumberOf(id)
    if (number === undefined || (await this.#store.commands.bulk(number)) === undefined) throw new Refusal('bulk-unknown', { id })
    const open = this.#commands.ofBulk(number)
    for (const command of open) this.#commands.giveUp(command, `by ${by}`)
    await Promise.all(open.map((command) => this.#commands.ended(command)))
    return open.length
  }

  /** Those of an earlier run whose targets are not all over. */
  async load(commands: readonly StoredCommand[]): Promise<ReadonlyMap<number, Bulk>> {
    const found = new Map<number, Bulk>()
    for (const { bulk: number } of commands) {
      if (number === undefined || found.has(number)) continue
      const stored = await this.#store.commands.bulk(number)
      const bulk = new Bulk(number, stored?.concurrency ?? 1, stored?.isWhole === true)
      found.set(number, bulk)
      this.#open.add(bulk)
    }
    return found
  }

  /** Once they are restored: one that died before it was whole is given up. */
  begin(): void {
    for (const { number, isWhole } of this.#open) {
      if (isWhole) continue
      for (const command of this.#commands.ofBulk(number)) this.#commands.giveUp(command, 'its bulk was never whole')
    }
  }

  #record(record: CommandRecord, stays: boolean): void {
    this.#store.journal.appendRecord(recordKinds.command, 0, '', JSON.stringify(record), stays)
  }

  async #onDisk(): Promise<void> {
    const { journal } = this.#store
    await new Promise<void>((resolve, reject) => journal.after({ stored: () => resolve(), failed: (_, why) => reject(why) }, 0))
    if (journal.full) await new Promise<void>((resume) => journal.whenRoom(resume))
  }
}
