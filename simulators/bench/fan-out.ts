// One publisher, many subscribers, QoS 0: how much does it cost a server to pass a message on?
import { setTimeout as sleep } from 'node:timers/promises'
import { openAll, type RawConnection } from './connection.ts'
import { type Copies, PacketCopies, TextCopies } from './copies.ts'
import { type Measured, Measurement } from './measurement.ts'
import { mqttOpening, type SocketTarget, socketOpening, type Target } from './opening.ts'
import { Sequence } from './sequence.ts'
import { Tally } from './tally.ts'

interface FanShape {
  readonly pid: number
  readonly subscribers: number
  /** Messages under way: published and not yet at every subscriber. */
  readonly window: number
  readonly warmUpSeconds: number
  readonly seconds: number
}

/** Over MQTT, and JSON over WebSocket. */
export type FanOutOptions = Target & FanShape & { readonly mode: 'fan-out' }
export type BroadcastOptions = SocketTarget & FanShape & { readonly mode: 'broadcast' }

const topic = 'devices/bench-fan/telemetry'
const broadcastTopic = 'bench/broadcast' // no telemetry, or the hub would store it
const drainWithinMs = 10_000

export async function fanOut(options: FanOutOptions): Promise<Measured> {
  const opening = (clientId: string) => mqttOpening(options, clientId)
  const subscribers = await openAll(options.subscribers, (index) => opening(subscriberName(index)), subscriberName)
  const [publisher] = (await openAll(
    1,
    () => opening('bench-fan'),
    () => 'bench-fan',
  )) as [RawConnection]
  await subscribeAll(subscribers)
  return measure(options, publisher, subscribers, new PacketCopies(topic, options.window))
}

export async function broadcast(options: BroadcastOptions): Promise<Measured> {
  const subscriber = (index: number) => socketOpening(options, subscriberName(index), broadcastTopic, '/subscribe')
  const subscribers = await openAll(options.subscribers, subscriber, subscriberName)
  const publishing = socketOpening(options, 'bench-fan', undefined, '/publish')
  const [publisher] = (await openAll(
    1,
    () => publishing,
    () => 'bench-fan',
  )) as [RawConnection]
  return measure(options, publisher, subscribers, new TextCopies(broadcastTopic, options.window))
}

function subscriberName(index: number): string {
  return `bench-subscriber-${index}`
}

async function measure(
  { pid, window, warmUpSeconds, seconds }: FanShape,
  publisher: RawConnection,
  subscribers: readonly RawConnection[],
  copies: Copies,
): Promise<Measured> {
  const tally = new Tally()
  const fan = new Fan(publisher, subscribers, window, copies, tally)
  await phase(fan, warmUpSeconds, tally)
  tally.restart()
  const measurement = await Measurement.begin(pid)
  const load = await phase(fan, seconds, tally)
  const measured = await measurement.end(tally, load.seconds, load.confirmed)
  for (const connection of [publisher, ...subscribers]) connection.close()
  return measured
}

async function subscribeAll(subscribers: readonly RawConnection[]): Promise<void> {
  const name = Buffer.from(topic)
  const packet = Buffer.concat([Buffer.of(0x82, 5 + name.length, 0, 1, 0, name.length), name, Buffer.of(0)]) // 3.8
  const subscribe = (connection: RawConnection) =>
    new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('No SUBACK came within 10 s.')), 10_000)
      connection.onBytes = (bytes, from) => {
        clearTimeout(timer)
        if (bytes[from] !== 0x90 || bytes[from + 4] !== 0) reject(new Error('The subscription was refused.'))
        resolve()
      }
      connection.write(packet)
    })
  await Promise.all(subscribers.map(subscribe))
}

async function phase(fan: Fan, seconds: number, tally: Tally): Promise<{ seconds: number; confirmed: number }> {
  const beganAtMs = performance.now()
  fan.start()
  while (performance.now() < beganAtMs + seconds * 1000 && tally.trouble === undefined) await sleep(20)
  const load = { seconds: (performance.now() - beganAtMs) / 1000, confirmed: tally.confirmed }
  fan.stop()
  const deadlineMs = performance.now() + drainWithinMs
  while (fan.missing > 0 && performance.now() < deadlineMs && tally.trouble === undefined) await sleep(5)
  tally.lost += fan.missing
  return load
}

class Fan {
  readonly #publisher: RawConnection
  readonly #subscribers: number
  readonly #window: number
  readonly #copies: Copies
  readonly #tally: Tally
  /** Of each message under way: copies not yet arrived, and when it was sent. */
  readonly #missing: Uint32Array
  readonly #sentAtMs: Float64Array
  #running = false
  #published = 0
  #completed = 0

  constructor(publisher: RawConnection, subscribers: readonly RawConnection[], window: number, copies: Copies, tally: Tally) {
    this.#publisher = publisher
    this.#subscribers = subscribers.length
    this.#window = window
    this.#copies = copies
    this.#tally = tally
    this.#missing = new Uint32Array(window)
    this.#sentAtMs = new Float64Array(window)
    for (const connection of [publisher, ...subscribers]) connection.onClosed = () => tally.broken('a connection of the fan-out was closed')
    for (const subscriber of subscribers) {
      const sequence = new Sequence(tally, 0)
      subscriber.onBytes = copies.reader(
        (seq) => this.#arrived(sequence.take(seq)),
        (sentence) => tally.broken(sentence),
      )
    }
  }

  /** Copies that have not arrived. */
  get missing(): number {
    return this.#missing.reduce((sum, count) => sum + count, 0)
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
    while (this.#published - this.#completed < this.#window) {
      const slot = this.#published % this.#window
      const message = this.#copies.write(slot, this.#published)
      this.#missing[slot] = this.#subscribers
      this.#sentAtMs[slot] = nowMs
      this.#published++
      this.#publisher.write(message)
    }
  }

  #arrived(message: number | undefined): void {
    if (message === undefined) return
    const slot = message % this.#window
    const missing = this.#missing[slot]! - 1
    this.#missing[slot] = missing
    this.#tally.confirmed++
    this.#tally.latency.record((performance.now() - this.#sentAtMs[slot]!) * 1000)
    // Every subscriber gets them in order, so they are completed in order as well.
    if (missing > 0) return
    this.#completed++
    this.#publish()
  }
}
