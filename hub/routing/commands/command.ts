// One command that is not over, as the loop knows it.
import { type CommandState, commandIdOf, isOver, mayBecome, type Step } from '../../../devices/commands.ts'
import type { Condition } from '../../../devices/condition.ts'
import type { DeviceId } from '../../../devices/device.ts'
import type { Timed } from '../../wheel.ts'
import type { Bulk } from './bulk.ts'
import type { Carrier } from './taker.ts'

const nobody: readonly Carrier[] = []

export class Command implements Timed {
  readonly number: number
  readonly device: DeviceId
  readonly name: string
  /** JSON */
  readonly params: string
  readonly key: string | undefined
  readonly attemptsMax: number
  readonly until: Condition | undefined
  readonly by: string
  readonly bulk: Bulk | undefined
  readonly trail: Step[]
  readonly #due: (command: Command) => void
  /** Unix ms */
  deadlineMs: number
  attempts = 0
  /** See `StoredCommand.heldBy`. */
  heldBy = 0
  /** Those by whom the newest attempt goes, until it is acknowledged or they are gone. */
  carriers = nobody
  /** The place of its newest message in the journal. */
  seq = 0
  /** What was asked for besides the reply has come about since it was sent. */
  isEffective = false
  /** JSON */
  result: string | undefined = undefined
  dueTick = 0

  constructor(made: CommandMade, due: (command: Command) => void) {
    this.number = made.number
    this.device = made.device
    this.name = made.name
    this.params = made.params
    this.key = made.key
    this.attemptsMax = made.attemptsMax
    this.until = made.until
    this.by = made.by
    this.bulk = made.bulk
    this.trail = made.trail
    this.deadlineMs = made.deadlineMs
    this.#due = due
  }

  get id(): string {
    return commandIdOf(this.number)
  }

  get state(): CommandState {
    return this.step[0]
  }

  /** The newest. */
  get step(): Step {
    return this.trail.at(-1)!
  }

  get isOver(): boolean {
    return isOver(this.state, this.until !== undefined)
  }

  may(state: CommandState): boolean {
    return !this.isOver && mayBecome(this.state, state)
  }

  /** It was handed to somebody at least once, and is not over. */
  get isUnderWay(): boolean {
    return this.state !== 'queued' && !this.isOver
  }

  /** Someone who is connected has it and will say so. */
  get isAwaited(): boolean {
    return this.state === 'sent' && this.carriers.some(({ taker, acknowledges }) => acknowledges && taker.connection !== undefined)
  }

  /** No wire has it now: not sent yet, or the device was lost before it said anything. */
  get isOnNoWire(): boolean {
    return this.state === 'queued' || (this.state === 'sent' && !this.carriers.some(({ taker }) => taker.connection !== undefined))
  }

  onDue(): void {
    this.#due(this)
  }
}

export interface CommandMade {
  readonly number: number
  readonly device: DeviceId
  readonly name: string
  readonly params: string
  readonly key: string | undefined
  readonly deadlineMs: number
  readonly attemptsMax: number
  readonly until: Condition | undefined
  readonly by: string
  readonly bulk: Bulk | undefined
  /** Not empty. */
  readonly trail: Step[]
}
