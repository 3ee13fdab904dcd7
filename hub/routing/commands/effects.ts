// What is to come about by a command besides the reply: looked at as values come in, from the moment it is sent.
import { holds } from '../../../devices/condition.ts'
import { type DeviceId, isObject } from '../../../devices/device.ts'
import type { JsonObject } from '../../../devices/merge-patch.ts'
import { Refusal } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { Changes, Store } from '../../store/store.ts'
import type { Command } from './command.ts'

/** What devices report of their state. */
export interface ReportedStates {
  /** All of it; undefined where there is none. */
  read(device: DeviceId): Promise<JsonObject | undefined>
  onChange(listener: (device: DeviceId) => void): void
}

export class Effects {
  readonly #store: Pick<Store, 'watch' | 'onChanges'>
  readonly #reported: ReportedStates | undefined
  readonly #onEffective: (command: Command) => void
  readonly #byDevice = new Map<DeviceId, Set<Command>>()
  /** Whose reported state is being read; true when it has changed since that began. */
  readonly #reading = new Map<DeviceId, boolean>()
  #count = 0
  #isTelling = false

  /** `onEffective`: what the command is to bring about is so now. */
  constructor(store: Pick<Store, 'watch' | 'onChanges'>, reported: ReportedStates | undefined, onEffective: (command: Command) => void) {
    this.#store = store
    this.#reported = reported
    this.#onEffective = onEffective
    store.onChanges((changes) => this.#onChanges(changes))
    reported?.onChange((device) => this.#onReported(device))
  }

  /** Errors: `command-invalid`, `too-many-commands`. */
  assertRoom({ until }: Pick<Command, 'until'>, more = 1): void {
    if (until === undefined) return
    if ('reported' in until && this.#reported === undefined) {
      throw new Refusal('command-invalid', { detail: 'what devices report of their state is not known to this hub; a metric is' })
    }
    if (this.#count + more <= limits.commandsWatched) return
    throw new Refusal('too-many-commands', {
      limit: limits.commandsWatched,
      what: 'commands that wait for an effect',
      name: 'commandsWatched',
    })
  }

  watch(command: Command): void {
    if (command.until === undefined) return
    const commands = this.#byDevice.get(command.device) ?? new Set()
    this.#byDevice.set(command.device, commands)
    if (commands.has(command)) return
    commands.add(command)
    this.#count++
    if ('metric' in command.until && commands.size === 1) this.#tellStore()
  }

  unwatch(command: Command): void {
    const commands = this.#byDevice.get(command.device)
    if (commands?.delete(command) !== true) return
    this.#count--
    if (commands.size > 0) return
    this.#byDevice.delete(command.device)
    this.#tellStore()
  }

  /** The device says that it is done: a state that it has reported before holds on, and need not be reported again. */
  look(command: Command): void {
    if (command.until !== undefined && 'reported' in command.until) this.#onReported(command.device)
  }

  #onChanges({ devices, metrics, values, seqs }: Changes): void {
    if (this.#byDevice.size === 0) return
    for (const [at, device] of devices.entries()) {
      for (const command of this.#byDevice.get(device) ?? []) {
        const { until } = command
        if (until === undefined || !('metric' in until) || until.metric !== metrics[at]) continue
        // Of a reading that was stored before the command was, word may come after it was sent.
        if (seqs[at]! > command.seq) this.#found(command, holds(until, values[at]))
      }
    }
  }

  #onReported(device: DeviceId): void {
    const commands = [...(this.#byDevice.get(device) ?? [])]
    if (!commands.some(({ until }) => until !== undefined && 'reported' in until)) return
    const isBeingRead = this.#reading.has(device)
    this.#reading.set(device, isBeingRead)
    // A thread that is gone ends the hub, and then nobody waits.
    if (!isBeingRead) this.#readReported(device).catch(() => this.#reading.delete(device))
  }

  /** However often it changes meanwhile, it is read once more. */
  async #readReported(device: DeviceId): Promise<void> {
    do {
      this.#reading.set(device, false)
      const state = await this.#reported?.read(device)
      for (const command of [...(this.#byDevice.get(device) ?? [])]) {
        const { until } = command
        if (until !== undefined && 'reported' in until) this.#found(command, holds(until, valueAt(state, until.reported)))
      }
    } while (this.#reading.get(device) === true)
    this.#reading.delete(device)
  }

  #found(command: Command, isSo: boolean): void {
    command.isEffective = isSo
    if (isSo) this.#onEffective(command)
  }

  /** Once for all that begin in one turn. */
  #tellStore(): void {
    if (this.#isTelling) return
    this.#isTelling = true
    setImmediate(() => {
      this.#isTelling = false
      this.#store.watch({ devices: [...this.#byDevice.keys()] }, 'commands')
    })
  }
}

/** At a path such as `valve.open`; undefined where there is nothing. */
function valueAt(state: JsonObject | undefined, path: string): unknown {
  let value: unknown = state
  for (const name of path.split('.')) value = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
  return value
}
