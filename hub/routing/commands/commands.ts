// Commands: kept before anything is sent, sent when the device can take them, and followed until they are over. The hub itself is the queue;
// nothing is put into the outbox of somebody who is away.
//
// A step is made here first and is on disk with the next batch; whoever waits for the end of a command is told then. The step that sends it
// lies in the batch of its message, so a command is never on its way without a record of the attempt.
import { type CommandState, type CommandWanted, commandNumberOf, type Reply, type Step } from '../../../devices/commands.ts'
import type { DeviceId } from '../../../devices/device.ts'
import type { Clock } from '../../clock.ts'
import { Refusal } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type { CommandRecord, StoredCommand } from '../../store/commands.ts'
import { type Journal, recordKinds, type Store, type Waiter } from '../../store/store.ts'
import type { Wheel } from '../../wheel.ts'
import type { Devices } from '../devices.ts'
import type { Router } from '../router.ts'
import type { Bulk } from './bulk.ts'
import { Command } from './command.ts'
import { Dispatch } from './dispatch.ts'
import { Effects, type ReportedStates } from './effects.ts'
import { Ends } from './ends.ts'
import type { CommandQueue } from './queue.ts'
import { replies } from './replies.ts'
import type { Speakers } from './taker.ts'

export interface CommandParts {
  readonly store: Pick<Store, 'commands' | 'watch' | 'onChanges'> & {
    readonly journal: Pick<Journal, 'appendRecord' | 'after' | 'full' | 'whenRoom'>
  }
  readonly router: Router
  readonly devices: Pick<Devices, 'has' | 'numberOf'>
  readonly speakers: Speakers
  readonly reported?: ReportedStates | undefined
  readonly wheel: Wheel
  readonly clock: Clock
  /** It is new, or has come a step further. */
  onChange(command: Command): void
}

/** What waits for the disk for the first time. */
interface Making {
  resolve(): void
  reject(why: Refusal): void
}

export class Commands {
  /** Told of sessions that come and go. */
  readonly dispatch: Dispatch
  readonly #parts: CommandParts
  readonly #effects: Effects
  readonly #ends: Ends
  readonly #open = new Map<number, Command>()
  #bytes = 0
  #newest = 0
  readonly #making = new Map<number, Making>()
  /** Those whose end is on its way to the disk. */
  readonly #ending = new Map<number, Command>()

  constructor(parts: CommandParts) {
    this.#parts = parts
    const { router, speakers, clock, wheel, store } = parts
    this.#ends = new Ends(wheel)
    this.#effects = new Effects(store, parts.reported, (command) => {
      if (command.state === 'done') this.#end(command, 'effective')
    })
    const find = (number: number) => this.#open.get(number)
    this.dispatch = new Dispatch({
      ...{ journal: store.journal, router, speakers, clock, wheel, find },
      record: (command, record, stays) => this.#record(command.device, record, stays),
      onSent: (command) => this.#effects.watch(command),
      onGone: (command) => parts.onChange(command),
      onReceived: (command) => this.#received(command),
      onRefused: (command, reasonCode) => this.#end(command, 'failed', `its client refused it with 0x${reasonCode.toString(16)}`),
    })
    router.means('command', this.dispatch.meant)
    const onReply = (command: Command, reply: Reply) => this.#onReply(command, reply)
    const onLate = (device: DeviceId, number: number, status: Reply['status']) => this.#onLate(device, number, status)
    router.means('reply', replies({ find, onReply, onLate }))
  }

  /** Those that are not over. */
  get count(): number {
    return this.#open.size
  }

  knows(device: DeviceId): boolean {
    return this.#parts.devices.has(device)
  }

  /** Those of a bulk that are not over. */
  ofBulk(number: number): Command[] {
    return [...this.#open.values()].filter(({ bulk }) => bulk?.number === number)
  }

  // ── from operators ──

  /** Resolves when it is on disk. Errors: `device-unknown`, `too-many-commands`, `command-invalid`; `store-full`, `store-failed`. */
  async make(device: DeviceId, wanted: CommandWanted, by: string): Promise<Command> {
    const { journal } = this.#parts.store
    if (journal.full) await new Promise<void>((resume) => journal.whenRoom(resume))
    if (!this.knows(device)) throw new Refusal('device-unknown', { id: device })
    const params = JSON.stringify(wanted.params)
    this.assertRoom(1, params.length, wanted)
    const most = limits.commandsPerDevice
    if ((this.dispatch.queueOf(device)?.size ?? 0) >= most) throw tooMany(most, 'commands of this device', 'commandsPerDevice')
    const { command, kept } = this.add(device, wanted, params, by, undefined)
    await kept
    return command
  }

  /** Errors: `too-many-commands`, `command-invalid`. */
  assertRoom(more: number, bytes: number, { until }: Pick<CommandWanted, 'until'>): void {
    this.#effects.assertRoom({ until }, more)
    const { commandsOpen, commandsOpenBytes } = limits
    if (this.#open.size + more > commandsOpen) throw tooMany(commandsOpen, 'commands', 'commandsOpen')
    if (this.#bytes + bytes > commandsOpenBytes) throw tooMany(commandsOpenBytes, 'bytes of commands', 'commandsOpenBytes')
  }

  /** There was room for it. `kept` settles with the disk. */
  add(
    device: DeviceId,
    wanted: CommandWanted,
    params: string,
    by: string,
    bulk: Bulk | undefined,
  ): { command: Command; kept: Promise<void> } {
    const { name, key, until, attempts: attemptsMax, expiresInSeconds } = wanted
    const number = this.nextNumber()
    const nowMs = this.#parts.clock.now()
    const deadlineMs = nowMs + expiresInSeconds * 1000
    const trail: Step[] = [['queued', nowMs]]
    const made = { number, device, name, params, key, deadlineMs, attemptsMax, until, by, bulk, trail }
    const command = new Command(made, (due) => this.#onDue(due))
    const queue = this.#put(command)
    const replaced = queue.replacedBy(command)
    const body = bulk === undefined ? { params, until, by } : {}
    const record = { number, bulk: bulk?.number, name, key, state: command.state, deadlineMs, attempts: 0, attemptsMax, heldBy: 0, seq: 0 }
    const supersedes = replaced.map((older) => older.number)
    this.#record(device, { is: 'made', command: { ...record, trail, ...body }, supersedes }, false)
    const kept = new Promise<void>((resolve, reject) => {
      const stored = () => {
        for (const older of replaced) if (older.may('cancelled')) this.#finish(older, ['cancelled', nowMs, 'superseded'])
        resolve()
      }
      this.#making.set(number, { resolve: stored, reject })
    })
    this.#parts.store.journal.after(this.#makings, number)
    this.dispatch.pump(queue) // the message lies in the same batch, and so goes out with its commit
    return { command, kept }
  }

  /** Never one that was given before. */
  nextNumber(): number {
    this.#newest = Math.max(this.#newest + 1, Math.floor(this.#parts.clock.now() * 1000))
    return this.#newest
  }

  /** Resolves when that is on disk. Of one that was sent the device is not asked. Errors: `command-unknown`, `command-over`. */
  async cancel(id: string, by: string): Promise<void> {
    const number = commandNumberOf(id) ?? 0
    const command = this.#open.get(number)
    if (command === undefined) {
      const stored = await this.#parts.store.commands.find(number)
      throw stored === undefined ? new Refusal('command-unknown', { id }) : new Refusal('command-over', { id, state: stored.state })
    }
    this.giveUp(command, `by ${by}`)
    await this.ended(command)
  }

  giveUp(command: Command, reason: string): void {
    if (this.#open.has(command.number)) this.#end(command, 'cancelled', reason)
  }

  /** As `Ends.within`; at once when it is over. */
  async whenOver(command: Command, seconds: number, signal: AbortSignal): Promise<void> {
    if (this.#isGoingOn(command)) await this.#ends.within(command, seconds, signal)
  }

  /** Resolves when it is over, and that is on disk. */
  async ended(command: Command): Promise<void> {
    if (this.#isGoingOn(command)) await this.#ends.of(command)
  }

  #isGoingOn({ number }: Command): boolean {
    return this.#open.has(number) || this.#ending.has(number)
  }

  // ── from devices ──

  #received(command: Command): void {
    if (command.may('received')) this.#step(command, 'received')
  }

  #onReply(command: Command, { status, reason, result: value }: Reply): void {
    const result = value === undefined ? undefined : JSON.stringify(value)
    if (status === 'received') this.#received(command)
    else if (status === 'progress') this.#progressed(command, result)
    else if (command.may(status)) this.#replied(command, status, reason, result)
  }

  #replied(command: Command, status: 'done' | 'failed', reason: string | undefined, result: string | undefined): void {
    command.result = result
    const { until } = command
    if (status === 'failed' || until === undefined) {
      this.#end(command, status, reason)
      return
    }
    command.deadlineMs = this.#parts.clock.now() + until.withinSeconds * 1000
    this.#step(command, 'done', reason)
    this.#parts.wheel.arm(command, until.withinSeconds)
    this.#effects.look(command)
    if (command.isEffective) this.#end(command, 'effective')
  }

  #progressed(command: Command, result: string | undefined): void {
    this.#received(command)
    if (result === undefined || command.state !== 'received') return
    command.result = result
    this.#record(command.device, { is: 'progress', number: command.number, result }, true)
    this.#parts.onChange(command)
  }

  /** It is over, and that stays. */
  #onLate(device: DeviceId, number: number, status: Reply['status']): void {
    if (number > this.#newest || (status !== 'done' && status !== 'failed')) return
    this.#record(device, { is: 'late', number, status, at: this.#parts.clock.now() }, true)
  }

  /** The device is deleted, and what is stored of it. */
  onDeviceRemoved(device: DeviceId): void {
    for (const command of [...(this.dispatch.queueOf(device)?.all ?? [])]) {
      this.#forget(command)
      command.trail.push(stepOf('cancelled', this.#parts.clock.now(), 'the device is deleted'))
      this.#tellEnd(command)
    }
  }

  // ── its life ──

  #onDue(command: Command): void {
    if (command.state === 'done') this.#end(command, 'failed', 'it did not take effect in time')
    else if (command.state === 'received') this.#end(command, 'expired', 'no reply')
    else this.#end(command, 'expired', command.state === 'sent' ? 'not acknowledged' : 'not sent')
  }

  #step(command: Command, state: CommandState, reason?: string): void {
    command.trail.push(stepOf(state, this.#parts.clock.now(), reason))
    this.dispatch.settle(command)
    const { number, step, deadlineMs, result } = command
    this.#record(command.device, { is: 'step', number, step, isOver: false, deadlineMs, result }, true)
    this.#parts.onChange(command)
    this.#pumpNext(command)
  }

  #end(command: Command, state: CommandState, reason?: string): void {
    const step = stepOf(state, this.#parts.clock.now(), reason)
    this.#record(command.device, { is: 'step', number: command.number, step, isOver: true, result: command.result }, true)
    this.#finish(command, step)
  }

  /** Its record is in a batch already. */
  #finish(command: Command, step: Step): void {
    this.#forget(command)
    command.trail.push(step)
    this.#ending.set(command.number, command)
    this.#parts.store.journal.after(this.#endings, command.number)
    this.#pumpNext(command)
  }

  #forget(command: Command): void {
    const { number, bulk, params, isUnderWay } = command
    this.#parts.wheel.disarm(command)
    this.#open.delete(number)
    this.#effects.unwatch(command)
    this.dispatch.remove(command)
    if (bulk === undefined) this.#bytes -= params.length
    else {
      bulk.open--
      if (isUnderWay) bulk.ended()
    }
  }

  #pumpNext({ device, bulk }: Command): void {
    const queue = this.dispatch.queueOf(device)
    if (queue !== undefined) this.dispatch.pump(queue)
    for (let next = bulk?.next(); next !== undefined; next = bulk?.next()) this.dispatch.pump(next)
  }

  #tellEnd(command: Command): void {
    this.#parts.onChange(command)
    this.#ends.tell(command)
  }

  // ── the disk ──

  /** `stays`: what has happened here has happened. */
  #record(device: DeviceId, record: CommandRecord, stays: boolean): void {
    const { store, devices } = this.#parts
    store.journal.appendRecord(recordKinds.command, devices.numberOf(device), '', JSON.stringify(record), stays)
  }

  readonly #makings: Waiter = {
    stored: (number) => {
      const command = this.#open.get(number)
      if (command !== undefined) this.#parts.onChange(command)
      this.#made(number)?.resolve()
    },
    failed: (number, why) => {
      const command = this.#open.get(number)
      if (command !== undefined) this.#forget(command)
      this.#made(number)?.reject(why)
    },
  }

  #made(number: number): Making | undefined {
    const making = this.#making.get(number)
    this.#making.delete(number)
    return making
  }

  readonly #endings: Waiter = {
    stored: (number) => {
      const command = this.#ending.get(number)
      this.#ending.delete(number)
      if (command !== undefined) this.#tellEnd(command)
    },
    /** It goes into the next batch, unless there is none any more. */
    failed: (number, why) => {
      if (why.code === 'store-full') this.#parts.store.journal.after(this.#endings, number)
      else this.#ending.delete(number)
    },
  }

  // ── an earlier run ──

  /** `newest`: the largest number it has given. `sessions`: numbers of those that are remembered. Before anybody connects. */
  restore(commands: readonly StoredCommand[], newest: number, sessions: ReadonlySet<number>, bulks: ReadonlyMap<number, Bulk>): void {
    this.#newest = Math.max(this.#newest, newest)
    for (const stored of commands) {
      const bulk = stored.bulk === undefined ? undefined : bulks.get(stored.bulk)
      const command = new Command({ ...stored, bulk, trail: [...stored.trail] }, (due) => this.#onDue(due))
      command.attempts = stored.attempts
      command.seq = stored.seq
      command.heldBy = sessions.has(stored.heldBy) ? stored.heldBy : 0
      command.result = stored.result
      this.#put(command)
      if (!command.isUnderWay) continue
      bulk?.began()
      this.#effects.watch(command)
    }
  }

  #put(command: Command): CommandQueue {
    const { wheel, clock } = this.#parts
    this.#open.set(command.number, command)
    if (command.bulk === undefined) this.#bytes += command.params.length
    else command.bulk.open++
    wheel.arm(command, (command.deadlineMs - clock.now()) / 1000)
    return this.dispatch.add(command)
  }
}

function tooMany(limit: number, what: string, name: string): Refusal {
  return new Refusal('too-many-commands', { limit, what, name })
}

function stepOf(state: CommandState, atMs: number, reason: string | undefined): Step {
  return reason === undefined ? [state, atMs] : [state, atMs, reason]
}
