// Points from a file on their way into the store: gathered into messages of their devices, and published as if the devices had sent them.
//
// What waits is bounded twice, by bytes of messages that are not full and by bytes of messages that wait for their commit. Past either the
// reader of the file waits in `room`; so it does when a file brings more new devices than may appear within a minute.
import { setTimeout as delay } from 'node:timers/promises'
import type { DeviceId, MetricValue } from '../../devices/device.ts'
import { whyNotPoint } from '../../devices/telemetry.ts'
import { telemetryTopic } from '../../devices/topics.ts'
import { Refusal } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Metrics } from '../metrics.ts'
import type { Publication, Router } from '../routing/router.ts'
import type { Journal, Waiter } from '../store/store.ts'
import { jsonOf, numberText, type Row } from './formats/row.ts'

export interface Imported {
  /** Points on disk. */
  readonly stored: number
  /** In the order in which they were found; at most `limits.refusalsNamed`. */
  readonly refused: readonly NamedRefusal[]
  /** How many more there were. */
  readonly refusedMore?: number
}

export interface NamedRefusal {
  /** Of the file; of Parquet the row. The first is 1. */
  readonly line: number
  readonly code: string
  readonly detail: string
}

/**
 * Why the type of the device does not allow this point. The store would refuse it as well, and with it the message of many points that it
 * stands in.
 */
type WhyNot = (device: DeviceId, metric: string, value: MetricValue) => string | undefined

/** A message that points are added to. */
interface Open {
  text: string
  points: number
  /** Of the reading that is not closed. */
  atMs: number
  metrics: number
  readonly line: number
}

/** A message that waits for its commit. */
interface Sent {
  readonly points: number
  readonly bytes: number
  readonly line: number
}

/** How often it is tried again to bring in devices that were too many for a minute. */
const earlyEveryMs = 500

export class Intake implements Waiter {
  readonly #router: Router
  readonly #journal: Journal
  readonly #metrics: Metrics
  readonly #reading: Publication
  readonly #whyNot: WhyNot
  #open = new Map<DeviceId, Open>()
  #openChars = 0
  readonly #sent = new Map<number, Sent>()
  #sentBytes = 0
  #lastToken = 0
  #stored = 0
  readonly #refused: NamedRefusal[] = []
  #refusedMore = 0
  /** Why nothing more can be stored for now. */
  #broken: Refusal | undefined = undefined
  /** Messages of devices that may not appear yet. */
  #early: [DeviceId, Open][] = []
  #wake: (() => void) | undefined = undefined
  /** The metric of the row before, as JSON. */
  #metric = ''
  #metricJson = ''

  constructor(router: Router, journal: Journal, metrics: Metrics, reading: Publication, whyNot: WhyNot = () => undefined) {
    this.#router = router
    this.#journal = journal
    this.#metrics = metrics
    this.#reading = reading
    this.#whyNot = whyNot
  }

  add(line: number, { device, metric, atMs, value }: Row): void {
    const why = whyNotPoint(metric, atMs, value, limits) ?? this.#whyNot(device, metric, value)
    if (why !== undefined) {
      this.refuse(line, new Refusal('telemetry-invalid', { detail: why }))
      return
    }
    if (metric !== this.#metric) {
      this.#metric = metric
      this.#metricJson = JSON.stringify(metric)
    }
    this.#gather(line, device, atMs, `${this.#metricJson}:${jsonOf(value)}`)
  }

  refuse(line: number, { code, message }: Refusal): void {
    this.#metrics.refused(code)
    if (this.#refused.length < limits.refusalsNamed) this.#refused.push({ line, code, detail: message })
    else this.#refusedMore++
  }

  /** Resolves when more may be added. Errors: the `Refusal` for which nothing more can be stored; time may heal it. */
  async room(): Promise<void> {
    for (;;) {
      if (this.#broken !== undefined) throw this.#broken
      if (this.#sentBytes > limits.importWaitingBytes || this.#journal.full) await this.#change()
      else if (this.#early.length > 0) await this.#sendEarly()
      else return
    }
  }

  /** Sends what is left and waits for it. Errors: as those of `room`. */
  async finish(): Promise<Imported> {
    for (const [device, one] of this.#open) {
      await this.room()
      this.#send(device, one)
    }
    this.#open.clear()
    await this.room()
    while (this.#sent.size > 0) await this.#change()
    if (this.#broken !== undefined) throw this.#broken
    return { stored: this.#stored, refused: this.#refused, ...(this.#refusedMore === 0 ? {} : { refusedMore: this.#refusedMore }) }
  }

  #gather(line: number, device: DeviceId, atMs: number, pair: string): void {
    let one = this.#open.get(device)
    if (one !== undefined && (one.points >= limits.importMessagePoints || one.text.length + pair.length > limits.importMessageBytes)) {
      this.#openChars -= one.text.length
      this.#send(device, one)
      one = undefined
    }
    if (one === undefined) {
      one = { text: '', points: 0, atMs: -1, metrics: 0, line }
      this.#open.set(device, one)
    }
    const before = one.text.length
    if (one.atMs === atMs && one.metrics < limits.metricsPerMessage) {
      one.text += `,${pair}`
      one.metrics++
    } else {
      one.text += `${one.points === 0 ? '[' : '}},'}{"ts":${numberText(atMs)},"values":{${pair}`
      one.atMs = atMs
      one.metrics = 1
    }
    one.points++
    this.#openChars += one.text.length - before
    if (this.#openChars > limits.importOpenBytes) this.#sendAll()
  }

  #sendAll(): void {
    const all = this.#open
    this.#open = new Map()
    this.#openChars = 0
    for (const [device, one] of all) this.#send(device, one)
  }

  #send(device: DeviceId, one: Open): void {
    const { text, points, line } = one
    const bytes = Buffer.from(`${text}}}]`)
    try {
      const seq = this.#router.publish(this.#router.routeOf(telemetryTopic(device)), bytes, 0, bytes.length, this.#reading)
      const token = ++this.#lastToken
      this.#sent.set(token, { points, bytes: bytes.length, line })
      this.#sentBytes += bytes.length
      this.#journal.after(this, token, seq)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      if (error.code === 'too-many-new-devices') this.#early.push([device, one])
      else this.#lose(one, error)
    }
  }

  async #sendEarly(): Promise<void> {
    await delay(earlyEveryMs, undefined, { ref: false })
    const early = this.#early
    this.#early = []
    for (const [device, one] of early) this.#send(device, one)
  }

  stored(token: number): void {
    this.#stored += this.#settled(token).points
    this.#wake?.()
  }

  failed(token: number, why: Refusal): void {
    this.#lose(this.#settled(token), why)
    this.#wake?.()
  }

  #settled(token: number): Sent {
    const sent = this.#sent.get(token) as Sent
    this.#sent.delete(token)
    this.#sentBytes -= sent.bytes
    return sent
  }

  /** A message counts whole or not at all. What time may heal ends the import, because all that follows would meet it too. */
  #lose({ points, line }: Pick<Sent, 'points' | 'line'>, why: Refusal): void {
    if (why.row.retry) this.#broken ??= why
    else this.refuse(line, withPoints(why, points))
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      if (this.#journal.full) this.#journal.whenRoom(resolve)
    })
    this.#wake = undefined
  }
}

function withPoints(why: Refusal, points: number): Refusal {
  if (points === 1) return why
  const refusal = new Refusal(why.code)
  refusal.message = `${why.message} (The message of ${points} points that begins here.)`
  return refusal
}
