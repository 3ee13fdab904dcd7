// One publisher, many subscribers, QoS 0: how much does it cost a server to pass a message on?
import { setTimeout as sleep } from 'node:timers/promises'
import { openAll, type RawConnection, type Target } from './connection.ts'
import { type Measured, Measurement } from './measurement.ts'
import { Ring } from './ring.ts'
import { Tally } from './tally.ts'

export interface FanOutOptions extends Target {
  readonly mode: 'fan-out'
  readonly pid: number
  readonly subscribers: number
  /** Messages under way: published and not yet at every subscriber. */
  readonly window: number
  readonly warmUpSeconds: number
  readonly seconds: number
}

const topic = 'devices/bench-fan/telemetry'
const drainWithinMs = 10_000

export async function fanOut(options: FanOutOptions): Promise<Measured> {
  const tally = new Tally()
  const subscribers = await openAll(options, options.subscribers, (index) => `bench-subscriber-${index}`)
  const [publisher] = (await openAll(options, 1, () => 'bench-fan')) as [RawConnection]
  const fan = new Fan(publisher, subscribers, options.window, tally)
  await fan.subscribe()

  await phase(fan, options.warmUpSeconds, tally)
  tally.restart()
  const measurement = await Measurement.begin(options.pid)
  const load = await phase(fan, options.seconds, tally)
  const measured = await measurement.end(tally, load.seconds, load.confirmed)
  for (const connection of [publisher, ...subscribers]) connection.close()
  return measured
}

async function phase(fan: Fan, seconds: number, tally: Tally): Promise<{ seconds: number; confirmed: number }> {
  const beganAtMs = performance.now()
  fan.start()
  while (performance.now() < beganAtMs + seconds * 1000 && tally.trouble === undefined) await sleep(20)
  const load = { seconds: (performance.now() - beganAtMs) / 1000, confirmed: tally.confirmed }
  fan.stop()
  for (const deadlineMs = performance.now() + drainWithinMs; fan.missing > 0 && performance.now() < deadlineMs; ) await sleep(5)
  tally.lost += fan.missing
  return load
}

class Fan {
  readonly #publisher: RawConnection
  readonly #subscribers: readonly RawConnection[]
  readonly #window: number
  readonly #tally: Tally
  readonly #ring: Ring
  /** Of each message under way: copies not yet arrived, and when it was sent. */
  readonly #missing: Uint32Array
  readonly #sentAtMs: Float64Array
  #running = false
  #published = 0
  #completed = 0

  constructor(publisher: RawConnection, subscribers: readonly RawConnection[], window: number, tally: Tally) {
    this.#publisher = publisher
    this.#subscribers = subscribers
    this.#window = window
    this.#tally = tally
    this.#ring = new Ring(topic, 0, window)
    this.#missing = new Uint32Array(window)
    this.#sentAtMs = new Float64Array(window)
    for (const connection of [publisher, ...subscribers]) connection.onClosed = () => tally.broken('a connection of the fan-out was closed')
  }

  /** Copies that have not arrived. */
  get missing(): number {
    return this.#missing.reduce((sum, count) => sum + count, 0)
  }

  async subscribe(): Promise<void> {
    const name = Buffer.from(topic)
    const packet = Buffer.concat([Buffer.of(0x82, 5 + name.length, 0, 1, 0, name.length), name, Buffer.of(0)]) // 3.8
    await Promise.all(
      this.#subscribers.map(
        (connection) =>
          new Promise<void>((resolve, reject) => {
            const timer = setTimeout(() => reject(new Error('No SUBACK came within 10 s.')), 10_000)
            connection.onBytes = (bytes, from) => {
              clearTimeout(timer)
              if (bytes[from] !== 0x90 || bytes[from + 4] !== 0) reject(new Error('The subscription was refused.'))
              connection.onBytes = this.#receiver()
              resolve()
            }
            connection.write(packet)
          }),
      ),
    )
  }

  start(): void {
    this.#running = true
    this.#publish()
  }

  stop(): void {
    this.#running = false
  }

  #publish(): void {
    if (!this.#running) return
    const nowMs = performance.now()
    const { stride, bytes } = this.#ring
    while (this.#published - this.#completed < this.#window) {
      const slot = this.#published % this.#window
      this.#ring.write(slot * stride, this.#published, 0)
      this.#ring.writeSeq(slot * stride, this.#published)
      this.#missing[slot] = this.#subscribers.length
      this.#sentAtMs[slot] = nowMs
      this.#published++
      this.#publisher.write(bytes.subarray(slot * stride, (slot + 1) * stride))
    }
  }

  /** What one subscriber gets: whole packets of known length, in the order they were published, split anywhere. */
  #receiver(): (bytes: Buffer, from: number, to: number) => void {
    const { stride } = this.#ring
    let expected = this.#published
    let held: Buffer | undefined
    return (bytes, from, to) => {
      if (held !== undefined) {
        bytes = Buffer.concat([held, bytes.subarray(from, to)])
        from = 0
        to = bytes.length
        held = undefined
      }
      const nowMs = performance.now()
      let at = from
      for (; at + stride <= to; at += stride) {
        const seq = this.#ring.readSeq(bytes, at)
        if (bytes[at] !== 0x30 || bytes[at + 1] !== this.#ring.bytes[1]) {
          this.#tally.broken('a subscriber got something else than its PUBLISH')
          return
        }
        const ahead = (seq - (expected % 1_000_000) + 1_000_000) % 1_000_000
        if (ahead > 0) {
          if (ahead < 500_000) this.#tally.lost += ahead
          else this.#tally.duplicates++
          if (ahead >= 500_000) continue
        }
        expected += ahead + 1
        this.#arrived((expected - 1) % this.#window, nowMs)
      }
      if (at < to) held = Buffer.from(bytes.subarray(at, to))
    }
  }

  #arrived(slot: number, nowMs: number): void {
    const missing = this.#missing[slot]! - 1
    this.#missing[slot] = missing
    this.#tally.confirmed++
    this.#tally.latency.record((nowMs - this.#sentAtMs[slot]!) * 1000)
    // Every subscriber gets them in order, so they are completed in order as well.
    if (missing > 0) return
    this.#completed++
    this.#publish()
  }
}
