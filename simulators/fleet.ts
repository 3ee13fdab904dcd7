// N devices of several profiles in one process.
import { setTimeout as sleep } from 'node:timers/promises'
import { Device } from './device.ts'
import { type ProfileName, profiles } from './profiles/profiles.ts'
import { Random } from './random.ts'
import { Report } from './report.ts'
import { type Hub, lineOf } from './uplink.ts'

export interface Squad {
  readonly count: number
  readonly profile: ProfileName
}

/** One device of the fleet. */
export interface Member {
  readonly profile: ProfileName
  readonly id: string
}

export interface FleetOptions {
  readonly squads: readonly Squad[]
  readonly hub: Hub
  /** Between two readings of a device; left out, each profile has its own. */
  readonly everySeconds?: number | undefined
  readonly seed?: number
}

const startsPerSecondMax = 500 // a storm is a test of its own; a fleet that is switched on is not one
const spreadMaxMs = 5000 // nobody waits longer than this for a small fleet to be complete

export class Fleet {
  readonly report = new Report()
  readonly #devices: readonly Device[]
  readonly #starting = new AbortController()
  #started: Device[] = []
  #spreadMs: number

  constructor({ squads, hub, everySeconds, seed = 1 }: FleetOptions) {
    this.#devices = membersOf(squads).map(({ profile: name, id }) => {
      const profile = profiles[name]
      return new Device(profile, lineOf(profile, id, hub), Random.of(seed, id), everySeconds ?? profile.everySeconds, this.report)
    })
    const shortestMs = Math.min(...squads.map(({ profile }) => (everySeconds ?? profiles[profile].everySeconds) * 1000))
    this.#spreadMs = Math.max(Math.min(shortestMs, spreadMaxMs), (this.#devices.length / startsPerSecondMax) * 1000)
  }

  get size(): number {
    return this.#devices.length
  }

  /** Starts one device after the other, spread over a period, so that their readings are spread as well. Settles when all run. */
  async start(): Promise<void> {
    const beganAtMs = performance.now()
    for (const [index, device] of this.#devices.entries()) {
      const dueInMs = beganAtMs + (index / this.#devices.length) * this.#spreadMs - performance.now()
      if (dueInMs > 1) await sleep(dueInMs, undefined, { signal: this.#starting.signal }).catch(() => {})
      if (this.#starting.signal.aborted) return
      device.start()
      this.#started.push(device)
    }
  }

  async stop(): Promise<Report> {
    this.#starting.abort()
    await Promise.all(this.#started.map((device) => device.stop()))
    return this.report
  }
}

/** Squads are mixed evenly, so that a fleet half started has some of each. */
export function membersOf(squads: readonly Squad[]): Member[] {
  const members = squads.flatMap(({ count, profile }, squad) =>
    Array.from({ length: count }, (_, index) => ({ profile, squad, index, place: (index + 0.5) / count })),
  )
  const taken = new Map<ProfileName, number>()
  return members
    .sort((a, b) => a.place - b.place || a.squad - b.squad)
    .map(({ profile }) => {
      const number = (taken.get(profile) ?? 0) + 1
      taken.set(profile, number)
      return { profile, id: `${profile}-${number}` }
    })
}
