// A program that stores rounds and says on its standard output what it was told is on disk, in lines that a recorder sees in their place
// between the calls that write: `append 7` before a round is appended, `stored 7` when it is acknowledged, `refused 7 store-full`.
import { writeSync } from 'node:fs'
import { systemClock } from '../../../hub/clock.ts'
import type { Refusal } from '../../../hub/errors.ts'
import { openSqliteStore } from '../../../hub/store/sqlite/open.ts'
import type { Durability, Store } from '../../../hub/store/store.ts'
import { placesOwed, readAll, roundsIn } from './judge.ts'
import { appendFacts, appendMessages, appendRound, devices, firstMs, keep } from './rounds.ts'

/** As the process of the hub (hub/main.ts). */
const diskFailed = 74

export interface WorkloadOptions {
  readonly folder: string
  readonly durability: Durability
  /** How many rounds more. */
  readonly rounds: number
  /** At the end the store is closed, or the process dies as it stands. */
  readonly ends: 'close' | 'die'
  /** A round the disk is too full for is sent again; facts about sessions are left out, because they do not fail with it. */
  readonly patient: boolean
}

type Step = (workload: Workload) => Promise<unknown>

/** What happens beside the rounds: each step after every so many of them. One that exists and stands here is replayed and killed like the others. */
const steps: readonly { readonly every: number; readonly step: Step }[] = [
  { every: 1, step: ({ store, round }) => store.device(`pump-${1 + (round % devices)}`) },
  { every: 7, step: ({ store }) => store.devices({ limit: 100 }) },
  { every: 5, step: async ({ store, round }) => store.signOfLife(Date.UTC(2026, 10, 20) + round) },
  { every: 35, step: (workload) => workload.seal() },
  { every: 65, step: (workload) => workload.expire() },
  { every: 110, step: (workload) => workload.restart() },
]

/** Rounds that may wait for the disk, so that a batch can hold more than one. */
const roundsAhead = 3

class Workload {
  readonly #options: WorkloadOptions
  #store: Store | undefined
  #places = new Map<number, number>()
  readonly #unsettled = new Set<Promise<void>>()
  round = 0

  constructor(options: WorkloadOptions) {
    this.#options = options
  }

  get store(): Store {
    if (this.#store === undefined) throw new Error('the store is not open')
    return this.#store
  }

  async run(): Promise<void> {
    await this.#open()
    this.round = roundsIn((await readAll(this.store)).messages)
    const last = this.round + this.#options.rounds
    while (this.round < last) {
      this.round += 1
      await this.#append(this.round)
      for (const { every, step } of steps) if (this.round % every === 0) await step(this)
    }
    if (this.#options.ends === 'die') process.kill(process.pid, 'SIGKILL')
    await this.#settle()
    await this.store.close()
  }

  async restart(): Promise<void> {
    await this.#settle()
    await this.store.close()
    await this.#open()
  }

  /** Where there is no room for it, points stay in heads: then false. */
  async seal(): Promise<boolean> {
    try {
      await this.store.status({ seal: true })
      return true
    } catch (error) {
      const { code, message } = error as Error & { readonly code?: unknown }
      if (code !== 'SQLITE_FULL') throw error
      say(`unsealed ${message}`)
      return false
    }
  }

  /** Until what is to be let go of is gone and all is well; the store does that by itself, and tries again by itself. */
  async expire(): Promise<void> {
    while (!(await this.seal()));
    say('expiring')
    let before: string | null = null
    for (;;) {
      const { tiers, problem } = await this.store.status({ seal: false })
      if (problem !== null && problem !== before) say(`problem ${problem}`)
      before = problem
      if (problem === null && (tiers.raw.fromMs ?? firstMs) >= firstMs) break
    }
    say('expired')
  }

  async #open(): Promise<void> {
    const { folder, durability } = this.#options
    this.#store = await openSqliteStore({ folder, durability, clock: systemClock, keep })
    this.#store.onFatal(({ message }) => {
      say(`fatal ${message}`)
      process.exit(diskFailed)
    })
    this.#places = await placesOwed(this.#store)
  }

  async #append(round: number): Promise<void> {
    say(`append ${round}`)
    appendRound(this.store, round)
    if (this.#options.patient) return this.#untilStored(round)
    appendFacts(this.store, round, this.#places)
    const settled = this.#stored(round).then((refused) => {
      if (refused !== undefined) throw refused
      this.#unsettled.delete(settled)
    })
    this.#unsettled.add(settled)
    if (this.#unsettled.size >= roundsAhead) await Promise.race(this.#unsettled)
  }

  /** As a device does: once more, until it is taken. */
  async #untilStored(round: number): Promise<void> {
    for (let why = await this.#stored(round); why !== undefined; why = await this.#stored(round)) {
      if (why.code !== 'store-full') throw why
      appendMessages(this.store, round)
    }
  }

  /** What is said is said in the call that tells of it, so that nothing comes between. */
  #stored(round: number): Promise<Refusal | undefined> {
    return new Promise((resolve) => {
      const stored = () => {
        say(`stored ${round}`)
        resolve(undefined)
      }
      const failed = (_: number, why: Refusal) => {
        say(`refused ${round} ${why.code}`)
        resolve(why)
      }
      this.store.journal.after({ stored, failed }, round)
    })
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#unsettled)
  }
}

function say(line: string): void {
  writeSync(1, `${line}\n`)
}

/** The workload as a command, for strace. */
export function workloadArgs(options: WorkloadOptions): string[] {
  return [import.meta.filename, JSON.stringify(options)]
}

if (process.argv[1] === import.meta.filename) {
  // Whoever failed has told onFatal before, and then the process is gone: what comes here the store takes for less than a broken disk.
  await new Workload(JSON.parse(process.argv[2] ?? '{}') as WorkloadOptions).run().catch((error: unknown) => {
    say(`ended ${(error as Error).message}`)
    process.exit(1)
  })
}
