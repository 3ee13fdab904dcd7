// One simulated device: it takes readings on schedule, holds each until the hub has answered, and comes back when the line is cut.
import { setTimeout as sleep } from 'node:timers/promises'
import { Waiter } from './clients/waiter.ts'
import type { Profile, Signal } from './profiles/profile.ts'
import type { Random } from './random.ts'
import type { Report } from './report.ts'
import type { Line, Uplink } from './uplink.ts'

/** A reading that the hub has not answered yet. */
interface Held {
  readonly payload: string
  firstSentAtMs: number
  underWay: boolean
}

const heldMax = 1000 // a real one has a small flash; the oldest reading makes room and counts as lost
const graceMs = 5000 // after the last reading, for delivering what is still held
const backoffFirstMs = 250
const backoffMaxMs = 30_000

export class Device {
  readonly #profile: Profile
  readonly #line: Line
  readonly #random: Random
  readonly #signal: Signal
  readonly #everyMs: number
  readonly #report: Report
  readonly #held: Held[] = []
  readonly #stopping = new AbortController()
  readonly #over = new AbortController()
  readonly #delivered = new Waiter<void>()
  #uplink: Uplink | undefined
  #silent = new Waiter<string>()
  #failures = 0
  #life: Promise<void> = Promise.resolve()
  #nextReading: NodeJS.Timeout | undefined
  #nextAtMs = 0

  constructor(profile: Profile, line: Line, random: Random, everySeconds: number, report: Report) {
    this.#profile = profile
    this.#line = line
    this.#random = random
    this.#signal = profile.start(random)
    this.#everyMs = everySeconds * 1000
    this.#report = report
  }

  start(): void {
    this.#nextAtMs = performance.now()
    this.#life = this.#stayConnected()
    this.#takeReading()
  }

  /** No more readings; delivers what is held, at most `graceMs` long, and says goodbye. */
  async stop(): Promise<void> {
    clearTimeout(this.#nextReading)
    this.#stopping.abort()
    if (this.#held.length > 0) await this.#delivered.within(graceMs, '').catch(() => {})
    this.#over.abort()
    this.#report.lost += this.#held.length
    this.#held.length = 0
    this.#line.abandon()
    await this.#uplink?.close()
    await this.#life
  }

  #takeReading(): void {
    const reading = this.#signal(this.#everyMs / 1000)
    // Online, the hub's clock is the better one. A reading that has to wait says itself when it was taken.
    const payload = JSON.stringify(this.#uplink ? reading : { ts: Date.now(), values: reading })
    this.#report.sent++
    if (this.#held.length >= heldMax) {
      this.#held.shift()
      this.#report.lost++
    }
    this.#held.push({ payload, firstSentAtMs: -1, underWay: false })
    this.#sendHeld()
    this.#misbehave()
    this.#nextAtMs += this.#everyMs
    this.#nextReading = setTimeout(() => this.#takeReading(), Math.max(0, this.#nextAtMs - performance.now()))
  }

  #sendHeld(): void {
    const uplink = this.#uplink
    if (!uplink) return
    for (const held of this.#held) {
      if (held.underWay) continue
      held.underWay = true
      if (held.firstSentAtMs < 0) held.firstSentAtMs = performance.now()
      else this.#report.resent++
      uplink.send(held.payload).then(
        (outcome) => this.#onAnswer(held, outcome),
        () => {
          held.underWay = false
          uplink.pullCable() // what cannot be sent has no line; for HTTP this is the only way to notice
        },
      )
    }
  }

  #onAnswer(held: Held, outcome: 'acknowledged' | 'refused'): void {
    const at = this.#held.indexOf(held)
    if (at === -1) return // it was counted as lost before its answer came
    this.#held.splice(at, 1)
    this.#failures = 0
    if (outcome === 'acknowledged') this.#report.acknowledge(performance.now() - held.firstSentAtMs)
    else this.#report.refused++
    if (this.#held.length === 0 && this.#stopping.signal.aborted) this.#delivered.resolve()
  }

  #misbehave(): void {
    const uplink = this.#uplink
    const fault = this.#profile.fault?.(this.#random) ?? 'none'
    if (!uplink || fault === 'none') return
    if (fault === 'pull-cable') uplink.pullCable()
    else {
      uplink.goSilent()
      this.#uplink = undefined
      // Sometimes shorter than the hub's patience, sometimes longer: it meets both a take-over and a closed socket.
      const silentMs = this.#profile.keepAliveSeconds * 1000 * this.#random.between(0.5, 2.5)
      this.#pause(silentMs).then(() => this.#silent.resolve('The device went silent.'))
    }
  }

  /** Connects, and again after each loss, until the device is over. */
  async #stayConnected(): Promise<void> {
    const over = this.#over.signal
    let ghost: Uplink | undefined
    for (let connections = 0; !over.aborted; ) {
      try {
        const uplink = await this.#line.open(over)
        ghost?.pullCable()
        ghost = undefined
        if (connections++ > 0) this.#onReconnect()
        const why = await this.#use(uplink)
        if (!over.aborted) this.#report.trouble(why)
        ghost = uplink
      } catch (error) {
        if (!over.aborted) this.#report.trouble(error instanceof Error ? error.message : String(error))
      }
      await this.#pause(this.#backoffMs())
    }
    ghost?.pullCable()
  }

  async #use(uplink: Uplink): Promise<string> {
    this.#report.online++
    this.#uplink = uplink
    this.#silent = new Waiter<string>()
    this.#sendHeld()
    if (this.#over.signal.aborted) await uplink.close()
    const why = await Promise.race([uplink.closed, this.#silent.promise])
    this.#uplink = undefined
    this.#report.online--
    return why
  }

  #onReconnect(): void {
    this.#report.reconnects++
    this.#report.resent += this.#held.filter(({ underWay }) => underWay).length // the kept session has just sent these again
  }

  /** Twice as long each time, somewhere in the upper half, so that a fleet does not come back in one instant. */
  #backoffMs(): number {
    const ms = Math.min(backoffFirstMs * 2 ** this.#failures++, backoffMaxMs)
    return this.#stopping.signal.aborted ? 100 : this.#random.between(ms / 2, ms)
  }

  /** Ends early when the device is told to stop; while stopping, when it is over. */
  async #pause(milliseconds: number): Promise<void> {
    const { signal } = this.#stopping.signal.aborted ? this.#over : this.#stopping
    await sleep(milliseconds, undefined, { signal }).catch(() => {})
  }
}
