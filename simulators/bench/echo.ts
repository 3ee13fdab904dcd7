// Connections that get their own messages back, QoS 0 over WebSocket: how much does one message up and down cost a server?
import { setTimeout as sleep } from 'node:timers/promises'
import { openAll, type RawConnection } from './connection.ts'
import { TextFrames } from './frames.ts'
import { type Measured, Measurement } from './measurement.ts'
import { type SocketTarget, socketOpening } from './opening.ts'
import { Sequence } from './sequence.ts'
import { Tally } from './tally.ts'
import { readSeq, TextRing } from './text-ring.ts'

export interface EchoOptions extends SocketTarget {
  readonly mode: 'echo'
  readonly pid: number
  readonly connections: number
  /** Messages under way per connection. */
  readonly window: number
  readonly warmUpSeconds: number
  readonly seconds: number
}

const drainWithinMs = 10_000

export async function echo(options: EchoOptions): Promise<Measured> {
  const tally = new Tally()
  const name = (index: number) => `bench-${index}`
  const connections = await openAll(options.connections, (index) => socketOpening(options, name(index), topicOf(index), '/echo'), name)
  const echoers = connections.map((connection, index) => new Echoer(connection, index, options.window, tally))

  await phase(echoers, options.warmUpSeconds, tally)
  tally.restart()
  const measurement = await Measurement.begin(options.pid)
  const load = await phase(echoers, options.seconds, tally)
  const measured = await measurement.end(tally, load.seconds, load.confirmed)
  for (const connection of connections) connection.close()
  return measured
}

async function phase(echoers: readonly Echoer[], seconds: number, tally: Tally): Promise<{ seconds: number; confirmed: number }> {
  const beganAtMs = performance.now()
  for (const echoer of echoers) echoer.begin()
  while (performance.now() < beganAtMs + seconds * 1000 && tally.trouble === undefined) await sleep(20)
  const load = { seconds: (performance.now() - beganAtMs) / 1000, confirmed: tally.confirmed }
  for (const echoer of echoers) echoer.end()
  const underWay = () => echoers.reduce((sum, echoer) => sum + echoer.underWay, 0)
  const deadlineMs = performance.now() + drainWithinMs
  while (underWay() > 0 && performance.now() < deadlineMs && tally.trouble === undefined) await sleep(5)
  tally.lost += underWay()
  return load
}

function topicOf(index: number): string {
  return `bench/echo/${index}`
}

/** One connection with its window. This is the hot path: no object, closure or promise per message. */
class Echoer {
  underWay = 0
  readonly #connection: RawConnection
  readonly #ring: TextRing
  readonly #window: number
  readonly #tally: Tally
  readonly #sequence: Sequence
  readonly #sentAtMs: Float64Array
  #running = false
  #sent = 0
  #nowMs = 0

  constructor(connection: RawConnection, index: number, window: number, tally: Tally) {
    this.#connection = connection
    this.#window = window
    this.#tally = tally
    this.#ring = new TextRing(topicOf(index), window)
    this.#sequence = new Sequence(tally, 0)
    this.#sentAtMs = new Float64Array(window)
    const frames = new TextFrames(
      (bytes, from, to) => this.#onText(bytes, from, to),
      (sentence) => tally.broken(`bench-${index}: ${sentence}`),
    )
    connection.onBytes = (bytes, from, to) => {
      this.#nowMs = performance.now()
      frames.push(bytes, from, to)
      this.#pump()
    }
    connection.onClosed = () => tally.broken(`bench-${index} was disconnected`)
  }

  begin(): void {
    this.#running = true
    this.#nowMs = performance.now()
    this.#pump()
  }

  end(): void {
    this.#running = false
  }

  #pump(): void {
    const count = this.#window - this.underWay
    if (!this.#running || count <= 0) return
    const first = this.#sent % this.#window
    for (let n = 0; n < count; n++) {
      const slot = (first + n) % this.#window
      this.#ring.write(slot, this.#sent++)
      this.#sentAtMs[slot] = this.#nowMs
    }
    this.underWay += count
    const { bytes, stride } = this.#ring
    const end = first + count
    if (end <= this.#window) this.#connection.write(bytes.subarray(first * stride, end * stride))
    else this.#connection.writeBoth(bytes.subarray(first * stride), bytes.subarray(0, (end - this.#window) * stride))
  }

  #onText(bytes: Buffer, from: number, to: number): void {
    const seq = readSeq(bytes, from, to)
    if (seq === -1) {
      this.#tally.broken(`something else than its message came back: ${bytes.toString('utf8', from, Math.min(to, from + 200))}`)
      return
    }
    const message = this.#sequence.take(seq)
    if (message === undefined) return
    this.#tally.confirmed++
    this.#tally.latency.record((this.#nowMs - this.#sentAtMs[message % this.#window]!) * 1000)
    this.underWay = this.#sent - message - 1 // in order, so what was leapt over does not come any more
  }
}
