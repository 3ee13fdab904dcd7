// When a command goes to its device: by which sessions, how many at a time, and whether once more after one of them is gone.
import { commandNumberOf } from '../../../devices/commands.ts'
import type { DeviceId } from '../../../devices/device.ts'
import { requestProperties } from '../../../devices/message.ts'
import { commandTopic, replyTopic } from '../../../devices/topics.ts'
import type { Clock } from '../../clock.ts'
import type { CommandRecord } from '../../store/commands.ts'
import type { Journal, Waiter } from '../../store/store.ts'
import type { Timed, Wheel } from '../../wheel.ts'
import type { Meant, Router } from '../router.ts'
import { Carriage } from './carriage.ts'
import type { Command } from './command.ts'
import { CommandQueue } from './queue.ts'
import { type Carrier, carrierOf, type Speakers, type Taker } from './taker.ts'

export interface DispatchParts {
  readonly journal: Pick<Journal, 'after'>
  readonly router: Router
  readonly speakers: Speakers
  readonly clock: Clock
  readonly wheel: Pick<Wheel, 'arm'>
  find(number: number): Command | undefined
  record(command: Command, record: CommandRecord, stays: boolean): void
  /** It goes to a wire in this turn. */
  onSent(command: Command): void
  /** That is on disk, and so the device gets it now. */
  onGone(command: Command): void
  /** Its device has acknowledged it. */
  onReceived(command: Command): void
  /** None of those who had it takes it. */
  onRefused(command: Command, reasonCode: number): void
}

/** After the disk has refused what was to be sent. */
const againSeconds = 5

export class Dispatch {
  readonly #parts: DispatchParts
  readonly #queues = new Map<DeviceId, CommandQueue>()
  readonly #carriage = new Carriage()

  constructor(parts: DispatchParts) {
    this.#parts = parts
  }

  queueOf(device: DeviceId): CommandQueue | undefined {
    return this.#queues.get(device)
  }

  /** It waits to be sent, or, of an earlier run, for what comes of it. */
  add(command: Command): CommandQueue {
    const queue = this.#queues.get(command.device) ?? new CommandQueue(command.device)
    this.#queues.set(command.device, queue)
    queue.add(command)
    if (command.state === 'queued') queue.wait(command)
    if (command.state !== 'sent') return queue
    queue.sent(command)
    if (command.heldBy === 0) this.#attemptOver(command)
    else this.#carriage.hold(command)
    return queue
  }

  /** The device has it; it may not be over. */
  settle(command: Command): void {
    this.#queues.get(command.device)?.received(command)
    this.#carriage.letGo(command)
  }

  remove(command: Command): void {
    this.#carriage.letGo(command)
    const queue = this.#queues.get(command.device)
    queue?.remove(command)
    if (queue?.size === 0) this.#queues.delete(command.device)
  }

  // ── from sessions ──

  /** It has a connection now, or one more subscription. */
  onReady(taker: Taker): void {
    if (this.#queues.size === 0) return
    this.#carriage.takeUp(taker)
    for (const device of this.#parts.speakers.devicesOf(taker)) {
      const queue = this.#queues.get(device)
      if (queue !== undefined) this.pump(queue)
    }
  }

  /** Somebody speaks for it from now on, who may be connected for long: a gateway, of a child it has been given. */
  onSpeaks(device: DeviceId): void {
    const queue = this.#queues.get(device)
    if (queue !== undefined) this.pump(queue)
  }

  /** Its connection is gone. What it sends again by itself when it is back is no other attempt. */
  onAway(taker: Taker): void {
    for (const command of this.#carriage.of(taker)) {
      const carrier = command.carriers.find((one) => one.taker === taker)
      if (carrier?.isOwed !== true || !taker.lasts) this.#drop(command, taker)
    }
  }

  /** It is forgotten, with all that it was owed. */
  onEnded(taker: Taker): void {
    for (const command of this.#carriage.of(taker)) this.#drop(command, taker)
  }

  /** Its client, who goes by cursor, has dealt with all up to this place of the journal. */
  onAcknowledged(taker: Taker, seq: number): void {
    for (const command of this.#carriage.of(taker)) if (command.seq <= seq) this.#parts.onReceived(command)
  }

  get meant(): Meant {
    return {
      isWanted: (_, { topic, properties }) => {
        const number = numberIn(topic)
        // What somebody else publishes there is none of the hub's commands, and bears no mark of one.
        if (number === undefined || properties === undefined) return true
        return this.#parts.find(number) !== undefined || !Buffer.from(properties).includes(topic.replace('/commands/', '/replies/'))
      },
      acknowledged: (_, { topic }, by, reasonCode) => {
        const command = this.#parts.find(numberIn(topic) ?? 0)
        if (command === undefined || !command.carriers.some(({ taker }) => taker === by)) return
        if (reasonCode < 0x80) this.#parts.onReceived(command)
        else if (command.carriers.length > 1) this.#drop(command, by as Taker)
        else this.#parts.onRefused(command, reasonCode)
      },
    }
  }

  // ── to the device ──

  /** Sends what waits, as far as the device takes it now. */
  pump(queue: CommandQueue): void {
    if (queue.waiting.length === 0 || !queue.hasRoom) return
    const carriers = this.#carriersOf(queue)
    if (carriers.length === 0) return
    for (const command of [...queue.waiting]) {
      if (!queue.hasRoom) return
      const { bulk } = command
      if (bulk === undefined || bulk.hasSlot) this.#send(command, carriers, queue)
      else bulk.block(queue)
    }
  }

  /** The sessions that would get the next command: all have the same filters for all commands of a device, but for who asks for one by its id. */
  #carriersOf(queue: CommandQueue): readonly Carrier[] {
    const [next] = queue.waiting
    const speakers = this.#parts.speakers.of(queue.device)
    if (next === undefined || speakers.size === 0) return []
    const matches = this.#parts.router.tree.match(commandTopic(queue.device, next.id))
    return matches.filter(({ subscriber }) => speakers.has(subscriber as Taker)).map((match) => carrierOf(match.subscriber as Taker, match))
  }

  #send(command: Command, carriers: readonly Carrier[], queue: CommandQueue): void {
    const { device, id, name, params, deadlineMs, number } = command
    const { router, clock, journal } = this.#parts
    const nowMs = clock.now()
    const seconds = Math.max(1, Math.ceil((deadlineMs - nowMs) / 1000))
    const payload = `{"name":${JSON.stringify(name)},"params":${params},"expiresAt":${deadlineMs}}`
    command.seq = router.say(commandTopic(device, id), payload, requestProperties(seconds, replyTopic(device, id), id))
    command.attempts++
    if (command.attempts === 1) command.bulk?.began()
    command.heldBy = carriers.find(({ taker, isOwed }) => isOwed && taker.lasts)?.taker.number ?? 0
    command.trail.push(command.attempts === 1 ? ['sent', nowMs] : ['sent', nowMs, `attempt ${command.attempts}`])
    this.#carriage.carry(command, carriers)
    queue.sent(command)
    this.#parts.onSent(command)
    const { step, attempts, heldBy, seq } = command
    this.#parts.record(command, { is: 'step', number, step, isOver: false, attempts, heldBy, seq }, false)
    journal.after(this.#sendings, number)
  }

  readonly #sendings: Waiter = {
    stored: (number) => {
      const command = this.#parts.find(number)
      if (command !== undefined) this.#parts.onGone(command)
    },
    /** Neither the message nor the attempt is on disk: it was not sent. */
    failed: (number) => {
      const command = this.#parts.find(number)
      if (command?.state !== 'sent') return
      command.attempts--
      command.trail.pop()
      command.heldBy = 0
      if (command.attempts === 0) command.bulk?.ended()
      this.#carriage.letGo(command)
      this.#queues.get(command.device)?.wait(command)
      this.#parts.wheel.arm(this.#again, againSeconds)
    },
  }

  readonly #again: Timed = {
    dueTick: 0,
    onDue: () => {
      for (const queue of this.#queues.values()) this.pump(queue)
    },
  }

  #drop(command: Command, taker: Taker): void {
    const others = command.carriers.filter((one) => one.taker !== taker)
    this.#carriage.carry(command, others)
    if (others.length === 0) this.#attemptOver(command)
  }

  /** Nobody has it any more. After the last attempt it may still be answered, until its time is over. */
  #attemptOver(command: Command): void {
    command.heldBy = 0
    const queue = this.#queues.get(command.device)
    if (command.state !== 'sent' || command.attempts >= command.attemptsMax || queue === undefined) return
    queue.wait(command)
    this.pump(queue)
  }
}

function numberIn(topic: string): number | undefined {
  return commandNumberOf(topic.slice(topic.lastIndexOf('/') + 1))
}
