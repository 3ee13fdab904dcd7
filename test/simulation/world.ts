// A hub, its disk, its clients and time in one process, turned step by step by a seed: no sockets, no threads, no waiting. Whoever holds the
// seed sees the same again.

import assert from 'node:assert/strict'
import { mock } from 'node:test'
import pino from 'pino'
import type { Message } from '../../devices/message.ts'
import { Metrics } from '../../hub/metrics.ts'
import { Engine } from '../../hub/mqtt/engine.ts'
import { Devices } from '../../hub/routing/devices.ts'
import { Retained } from '../../hub/routing/retained.ts'
import { Router } from '../../hub/routing/router.ts'
import { TopicTree } from '../../hub/routing/topic-tree.ts'
import { Sessions } from '../../hub/session/sessions.ts'
import { Wheel } from '../../hub/wheel.ts'
import { HandClock } from '../kit/clock.ts'
import { anybody } from '../kit/principals.ts'
import { type Random, randomFrom } from '../kit/random.ts'
import { Client, type Habits, type Line } from './client.ts'
import { Disk } from './disk.ts'
import { Ledger } from './ledger.ts'

/** The real one: timers of the hub are turned by hand, promises are not. */
const turnOfTheLoop = setImmediate

const startMs = Date.UTC(2026, 0, 1)
const signOfLifeSeconds = 10
const settlingRounds = 3000

/** One run of the hub, from its start to its death. */
type Run = ReturnType<World['begin']>

export class World {
  readonly clock = new HandClock(startMs)
  readonly random: Random
  readonly ledger = new Ledger(this.clock)
  readonly disk: Disk
  readonly clients: Client[] = []
  readonly transcript: string[] = []
  /** Where wills are heard: it stays for ever and takes everything at QoS 2. */
  readonly watcher: Client
  #run: Run
  #lines: Line[] = []
  #seconds = 0
  crashes = 0

  constructor(seed: number) {
    this.random = randomFrom(seed)
    mock.timers.enable({ apis: ['setImmediate', 'setTimeout'] })
    this.disk = new Disk(this.clock, (payload) => this.#lost(payload))
    this.#run = this.begin()
    this.watcher = this.addClient('watcher')
  }

  note = (line: string): void => {
    this.transcript.push(`${this.ledger.now} ${line}`)
  }

  addClient(id: string): Client {
    const client = new Client(id, this.ledger, this.note)
    this.clients.push(client)
    return client
  }

  get sessions(): Sessions {
    return this.#run.sessions
  }

  get router(): Router {
    return this.#run.router
  }

  get lines(): readonly Line[] {
    return this.#lines
  }

  // ── the hub ──

  /** As `startHub` builds it. */
  begin() {
    const { clock, disk } = this
    const store = disk.open()
    const metrics = new Metrics()
    const wheel = new Wheel(clock)
    const retained = new Retained()
    for (const message of store.retainedAtStart) retained.set(message)
    const devices = new Devices(new Map(), store.journal, clock, { onDeviceCreated: () => {}, onDeviceRemoved: () => {} })
    const router = new Router(new TopicTree(), retained, store.journal, devices, clock, metrics)
    const sessions = new Sessions(store, router, wheel, clock, metrics, {
      principalOf: () => anybody,
      maySurvive: () => true,
      onTakenOver: () => {},
      onOnline: () => {},
      onSubscribed: () => {},
      onEnded: () => {},
      onAcknowledged: () => {},
      onAway: (session) => this.#left(session.clientId),
      onExpired: () => {},
    })
    sessions.restore(store.sessionsAtStart)
    router.reroute(store.unroutedAtStart)
    const log = pino({ level: 'error' }, { write: (line: string) => this.ledger.broken(`the hub logged an error: ${line}`) })
    const { journal } = store
    const engine = new Engine({
      router,
      sessions,
      journal,
      wheel,
      clock,
      metrics,
      log,
      keepAliveMaxSeconds: 0,
      methods: new Map(),
      authenticate: () => anybody,
      principalOfUser: () => anybody,
      newcomers: { assertMayCome: () => assert.fail('nobody has a key'), claim: () => assert.fail('nobody has a key') },
      onRefused: () => {},
    })
    return { journal, metrics, wheel, router, sessions, engine }
  }

  /** Everything in memory is gone; the disk keeps what was committed. Then the hub starts again. */
  crash(downSeconds: number): void {
    this.crashes++
    const { disk, ledger, clock } = this
    this.note(`crash; down for ${downSeconds} s`)
    this.#run.wheel.stop()
    mock.timers.reset()
    mock.timers.enable({ apis: ['setImmediate', 'setTimeout'] })
    const silentMs = Math.abs(clock.now() - disk.lastSignOfLifeMs) + 1000
    ledger.died(disk.committedSeq, silentMs)
    for (const line of this.#lines) {
      if (line.closed) continue
      const isOn = line.session !== undefined && line.connection.state.is === 'connected'
      if (isOn && line.will !== undefined) ledger.willLeft(line.will, false, 0, silentMs)
      line.die()
      if (line.client.line === line) line.client.lost()
    }
    for (const client of this.clients) this.#forgetUnsaved(client)
    this.#lines = []
    disk.crash()
    clock.advance(downSeconds)
    this.#run = this.begin()
  }

  /** CONNACK does not wait for the disk (hub/session/README.md): a client whose new session was lost must not take an older one for it. */
  #forgetUnsaved(client: Client): void {
    const incarnation = this.ledger.current.get(client.id)
    if (incarnation === undefined) return
    const { number, bornSeq } = incarnation
    if (number !== 0 && bornSeq <= this.disk.committedSeq) return
    incarnation.ended = true
    this.ledger.current.delete(client.id)
    client.wantsClean = true
  }

  #lost(payload: string): void {
    const sent = this.ledger.sent.get(payload)
    if (sent !== undefined) sent.refused = true
    const will = this.ledger.wills.get(payload)
    if (will !== undefined) will.verdict = 'either'
  }

  #left(clientId: string): void {
    const line = this.#lines.find(({ client, session, gone }) => client.id === clientId && session !== undefined && !gone)
    const seq = this.#run.journal.newestSeq + 1 // the fact that it left is told next
    this.ledger.left(clientId, seq)
    if (line === undefined) return
    line.gone = true
    if (line.will !== undefined) this.ledger.willLeft(line.will, line.heardGoodbye, seq)
  }

  // ── what may happen ──

  connect(client: Client, clean: boolean, habits: Habits): Line {
    const line = client.connect(this.#run.engine, clean, habits)
    line.habits = habits
    this.#lines.push(line)
    this.note(
      `${client.id} connects${client.wantsClean ? ' clean' : ''} for ${habits.expirySeconds} s, will after ${habits.willDelaySeconds}`,
    )
    return line
  }

  /** The hub reads one packet of this line. */
  hubReads(line: Line): boolean {
    const packet = line.hubReads()
    if (packet === undefined) return false
    this.#run.engine.doorstep.flush() // of one that is not in yet it reads in a later slice
    this.note(`hub ← ${line.client.id} ${packet.cmd} ${packet.messageId ?? ''}`)
    if (packet.cmd === 'connect') this.#opened(line, packet.clean === true)
    return true
  }

  #opened(line: Line, clean: boolean): void {
    const { state } = line.connection
    const connack = line.toClient.find(({ cmd }) => cmd === 'connack')
    if (state.is !== 'connected') return
    // One that waits for the disk speaks of a session that was there and is not any more.
    const sessionPresent = connack?.cmd === 'connack' && connack.sessionPresent
    const { client, habits, will } = line
    line.session = state.session
    const { number } = state.session
    const seq = this.#run.journal.newestSeq
    for (const earlier of this.ledger.wills.values()) {
      if (earlier.client === client.id) this.ledger.cameBack(earlier, sessionPresent, seq)
    }
    line.incarnation = this.ledger.opened(client.id, number, sessionPresent, clean, habits?.expirySeconds ?? 0, seq)
    if (will !== undefined) {
      will.seq = seq
      this.ledger.armed(will)
    }
    this.#assertOneOwner(client)
  }

  #assertOneOwner(client: Client): void {
    const owners = this.#lines.filter((line) => line.client === client && line.connection.state.is === 'connected')
    if (owners.length > 1) this.ledger.broken(`${client.id} has ${owners.length} connections`)
    const online = this.#lines.filter((line) => line.connection.state.is === 'connected').length
    if (this.sessions.online !== online) this.ledger.broken(`the hub counts ${this.sessions.online} online, and there are ${online}`)
  }

  cut(line: Line): void {
    this.note(`${line.client.id} loses its connection`)
    line.close()
    if (line.client.line === line) line.client.lost()
  }

  stall(line: Line): void {
    line.stalled = !line.stalled
    this.note(`${line.client.id} ${line.stalled ? 'reads nothing' : 'reads again'}`)
    if (!line.stalled && !line.closed) line.connection.onDrain()
  }

  /** Timers that are due within this time fire, `setImmediate` first. */
  tick(ms: number): void {
    mock.timers.tick(ms)
  }

  second(seconds: number): void {
    for (let at = 0; at < seconds; at++) {
      this.clock.advance(1)
      this.tick(1000)
      if (++this.#seconds % signOfLifeSeconds === 0 && this.sessions.online > 0) this.disk.signOfLife()
    }
  }

  jump(ms: number): void {
    this.note(`the wall clock is set by ${ms} ms`)
    this.clock.jump(ms)
    this.ledger.jumped(ms)
  }

  /** What promises do happens between the steps. */
  async breathe(): Promise<void> {
    this.ledger.step()
    await new Promise((resolve) => turnOfTheLoop(resolve))
    this.#lines = this.#lines.filter(({ closed }) => !closed)
  }

  // ── the end ──

  /** Clients come back, disks answer, until nobody has anything to say. */
  async settle(habitsOf: (client: Client) => Habits | undefined): Promise<void> {
    this.note('settling')
    this.disk.full = false
    let quiet = 0
    for (let round = 0; quiet < 3; round++) {
      if (round > settlingRounds) {
        this.ledger.broken('it never comes to rest')
        return
      }
      let moved = false
      for (const client of this.clients) {
        const habits = habitsOf(client)
        if (client.line === undefined && habits !== undefined) {
          this.connect(client, false, habits)
          moved = true
        }
      }
      for (const line of [...this.#lines]) {
        if (line.stalled) this.stall(line)
        while (this.hubReads(line)) moved = true
        if (line.closed || line.client.line === line) continue
        line.close()
        moved = true
      }
      for (const client of this.clients) while (client.read() || client.say()) moved = true
      this.tick(0)
      await this.breathe()
      this.tick(1000)
      while (this.disk.apply() || this.disk.answer() || this.disk.load()) {
        moved = true
        await this.breathe()
      }
      while (this.disk.project());
      quiet = moved ? 0 : quiet + 1
    }
  }

  /** All that is in memory goes to the tables. */
  flush(): void {
    while (this.disk.project());
    while (this.disk.flushSession());
    this.disk.flushSeries()
  }

  /** Clients have acknowledged all there was: they are owed nothing, and no identifier of theirs is taken. */
  judgeRest(): void {
    for (const table of ['owed', 'owed_messages', 'received']) {
      const rows = this.disk.count(table)
      if (rows > 0) this.ledger.broken(`${rows} rows are left in ${table} although all was acknowledged`)
    }
  }

  /** Retained messages in memory are those on disk. */
  judgeRetained(): void {
    // One that expires does so in memory by a clock that does not jump, and on disk by the wall clock of the next start.
    const lasts = ({ expiresAtMs }: Message) => expiresAtMs === Number.POSITIVE_INFINITY
    const inMemory = this.router.retained
      .match('#', this.clock.steady())
      .filter(lasts)
      .map(({ seq }) => seq)
    const onDisk = this.disk.retained.filter(lasts).map(({ seq }) => seq)
    if (inMemory.sort().join() !== onDisk.sort().join()) this.ledger.broken(`retained in memory ${inMemory}, on disk ${onDisk}`)
  }

  /** Every session has ended and everything is flushed: nothing is left. */
  judgeEmptiness(): void {
    const { ledger, disk, sessions, router } = this
    for (const table of ['sessions', 'subscriptions', 'owed', 'owed_messages', 'received']) {
      const rows = disk.count(table)
      if (rows > 0) ledger.broken(`${rows} rows are left in ${table}`)
    }
    if (sessions.count > 0) ledger.broken(`${sessions.count} sessions are left`)
    if (sessions.outboxBudget.bytes !== 0) ledger.broken(`${sessions.outboxBudget.bytes} bytes are left in the budget of outboxes`)
    if (router.tree.size > 0) ledger.broken(`${router.tree.size} subscriptions are left`)
    for (const reason of ['outbox-full', 'too-large'] as const) {
      const count = this.#run.metrics.droppedFor(reason)
      if (count > 0) ledger.broken(`${count} deliveries were dropped: ${reason}`)
    }
  }

  end(): void {
    this.#run.wheel.stop()
    mock.timers.reset()
    this.disk.db.close()
  }
}
