// The past of a fleet: the readings its devices would have sent, with times of their own, as fast as the hub stores them.
//
// A device's readings depend on the seed, its id and the cadence alone: the same fleet has the same past every time. So a run that was cut
// off can be begun again with the same end: a reading that is there already is replaced by itself.
import { setTimeout as sleep } from 'node:timers/promises'
import { type HttpAnswer, HttpDevice } from './clients/http.ts'
import type { Member } from './fleet.ts'
import { profiles } from './profiles/profiles.ts'
import { Random } from './random.ts'
import { clockOf, grouped } from './report.ts'

export interface PastOptions {
  readonly members: readonly Member[]
  /** Where the hub speaks HTTP. */
  readonly http: URL
  readonly seconds: number
  readonly everySeconds?: number | undefined
  readonly seed?: number
  /** The newest reading is not after this. */
  readonly endMs?: number
  /** How often a body is sent that the hub does not answer. */
  readonly tries?: number
}

/** A year of readings every 10 s is more than anybody wants to wait for. */
export const pastEverySeconds = 60

const bodyBytes = 512 * 1024 // the hub takes 1 MiB; halves of it overlap better: one is stored while the next is made
const devicesAtOnce = 6
const answerWithinMs = 60_000
const triesMax = 8 // half a minute in all: a hub that restarts is back by then
const pauseFirstMs = 200

export class Past {
  /** Readings there will be. */
  readonly total: number
  /** The hub said that they are on disk. */
  stored = 0
  /** Values in them. */
  points = 0
  /** The hub said it will not take them, and the first reason it gave. */
  refused = 0
  refusal: string | undefined
  readonly everySeconds: number
  readonly fromMs: number
  readonly #members: readonly Member[]
  readonly #http: URL
  readonly #seed: number
  readonly #perDevice: number
  readonly #tries: number

  constructor({ members, http, seconds, everySeconds = pastEverySeconds, seed = 1, endMs = Date.now(), tries = triesMax }: PastOptions) {
    this.#members = members
    this.#http = http
    this.#seed = seed
    this.#tries = tries
    this.everySeconds = everySeconds
    this.#perDevice = Math.max(1, Math.floor(seconds / everySeconds))
    this.fromMs = Math.floor(endMs) - (this.#perDevice - 1) * everySeconds * 1000
    this.total = this.#perDevice * members.length
  }

  /** Resolves when all is stored, or the signal aborts. Errors: the hub did not answer, however often it was asked. */
  async send(signal: AbortSignal): Promise<void> {
    const waiting = this.#members.values() // shared: who is done takes the next device
    const failed = new AbortController()
    const either = AbortSignal.any([signal, failed.signal])
    const sendNext = async () => {
      for (const member of waiting) await this.#sendDevice(member, either)
    }
    const senders = Array.from({ length: Math.min(devicesAtOnce, this.#members.length) }, sendNext)
    const done = await Promise.allSettled(
      senders.map((sender) =>
        sender.catch((error: unknown) => {
          failed.abort()
          throw error
        }),
      ),
    )
    if (signal.aborted) return
    const trouble = done.find(({ status }) => status === 'rejected')
    if (trouble?.status === 'rejected') throw trouble.reason
  }

  progressLine(seconds: number): string {
    const { stored, total, refused } = this
    const rate = Math.round(this.points / Math.max(seconds, 0.001))
    const left = stored === 0 ? '' : `  ${clockOf(((total - stored - refused) / stored) * seconds)} left`
    const said = refused === 0 ? '' : `  refused ${grouped(refused)}`
    return `${clockOf(seconds)}  ${((100 * stored) / total).toFixed(1)} %  stored ${grouped(stored)} readings  ${grouped(rate)} points/s${said}${left}`
  }

  report(seconds: number): string {
    const { stored, total, points, refused, refusal } = this
    const rows = [
      ['readings', grouped(total)],
      ['stored', grouped(stored)],
      ['points', grouped(points)],
      ['refused', grouped(refused)],
      ['points/s', grouped(Math.round(points / Math.max(seconds, 0.001)))],
    ] as const
    const width = Math.max(...rows.map(([, value]) => value.length))
    const lines = rows.map(([name, value]) => `  ${name.padEnd(12)} ${value.padStart(width)}`)
    return [...lines, ...(refusal === undefined ? [] : ['', `  ${refusal}`])].join('\n')
  }

  async #sendDevice({ profile, id }: Member, signal: AbortSignal): Promise<void> {
    const take = profiles[profile].start(Random.of(this.#seed, id))
    const device = new HttpDevice(this.#http, id, { timeoutMs: answerWithinMs })
    try {
      for (let next = 0; next < this.#perDevice && !signal.aborted; ) {
        let body = ''
        let readings = 0
        let points = 0
        for (; next < this.#perDevice && body.length < bodyBytes; next++) {
          const values = take(this.everySeconds)
          body += `${readings === 0 ? '[' : ','}{"ts":${this.fromMs + next * this.everySeconds * 1000},"values":${JSON.stringify(values)}}`
          readings++
          points += Object.keys(values).length
        }
        this.#onAnswer(await post(device, `${body}]`, this.#tries, signal), readings, points)
      }
    } finally {
      device.close()
    }
  }

  #onAnswer({ status, body }: HttpAnswer, readings: number, points: number): void {
    const { stored = 0, detail } = JSON.parse(body) as { stored?: number; detail?: string }
    this.stored += stored
    this.refused += readings - stored
    this.points += Math.round((points * stored) / readings)
    if (stored < readings) this.refusal ??= detail ?? `The hub answered ${status}.`
  }
}

/** What may get better by sending it again is sent again: the hub replaces what it stored already. */
async function post(device: HttpDevice, body: string, tries: number, signal: AbortSignal): Promise<HttpAnswer> {
  for (let attempt = 1; ; attempt++) {
    let trouble: unknown
    try {
      const answer = await device.post(body, signal)
      if (answer.status !== 429 && answer.status < 500) return answer
      trouble = new Error(`The hub answered ${answer.status}.`)
    } catch (error) {
      trouble = error
    }
    if (attempt === tries || signal.aborted) throw trouble
    await sleep(pauseFirstMs * 2 ** (attempt - 1), undefined, { signal })
  }
}
