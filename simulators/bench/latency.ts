// One publisher at QoS 1, one subscriber, and a server that has nothing else to do: how long until a message is there?
import { setTimeout as sleep } from 'node:timers/promises'
import { RawConnection } from './connection.ts'
import { TextFrames } from './frames.ts'
import { ChunkReader, LineReader } from './lines.ts'
import { type Measured, Measurement } from './measurement.ts'
import { getRequest, heldOpening, mqttOpening, socketOpening, streamOpening } from './opening.ts'
import { Ring } from './ring.ts'
import { Sequence } from './sequence.ts'
import { Tally } from './tally.ts'

export interface LatencyOptions {
  readonly mode: 'latency'
  /** Where the subscriber listens, and the publisher speaks MQTT. */
  readonly port: number
  readonly mqttPort: number
  readonly pid: number
  readonly wire: 'socket' | 'events' | 'poll'
  readonly messages: number
  readonly perSecond: number
}

const topic = 'bench/latency'
const filter = encodeURIComponent(topic)
const arriveWithinMs = 10_000
const pollSeconds = 30

export async function latency(options: LatencyOptions): Promise<Measured> {
  const tally = new Tally()
  const probe = new Probe(await openPublisher(options.mqttPort, tally), tally)
  const onFrame = (frame: Frame) => probe.arrived(frame)
  const subscriber = await subscribers[options.wire](options.port, onFrame, (sentence) => tally.broken(sentence))
  subscriber.onClosed = () => tally.broken('the subscriber was disconnected')
  await probe.send(10, options.perSecond) // so that both sides have gone this way before
  tally.restart()
  const measurement = await Measurement.begin(options.pid)
  const beganAtMs = performance.now()
  await probe.send(options.messages, options.perSecond)
  const measured = await measurement.end(tally, (performance.now() - beganAtMs) / 1000, tally.confirmed)
  probe.close()
  subscriber.close()
  return measured
}

/** The members that are looked at here. */
interface Frame {
  readonly is: string
  readonly payload?: { readonly pulsesSinceStart?: number }
}

type Subscribe = (port: number, onFrame: (frame: Frame) => void, broken: (sentence: string) => void) => Promise<RawConnection>

const subscribers: Readonly<Record<LatencyOptions['wire'], Subscribe>> = {
  async socket(port, onFrame, broken) {
    const connection = await RawConnection.open(
      socketOpening({ port, speaks: 'mooring.json' }, 'bench-socket', topic, '/echo'),
      'bench-socket',
    )
    const frames = new TextFrames((bytes, from, to) => onFrame(JSON.parse(bytes.toString('utf8', from, to)) as Frame), broken)
    connection.onBytes = (bytes, from, to) => frames.push(bytes, from, to)
    return connection
  },

  async events(port, onFrame) {
    const connection = await RawConnection.open(streamOpening(port, getRequest(`/v1/messages?filter=${filter}`)), 'bench-events')
    const lines = new LineReader((line) => {
      if (line.startsWith('data: ')) onFrame(JSON.parse(line.slice(6)) as Frame)
    })
    const chunks = new ChunkReader((bytes, from, to) => lines.push(bytes, from, to))
    connection.onBytes = (bytes, from, to) => chunks.push(bytes, from, to)
    return connection
  },

  async poll(port, onFrame, broken) {
    const path = `/v1/session/messages?client=bench-poll&filter=${filter}`
    // The first is answered at once: its cursor is where the session begins.
    const connection = await RawConnection.open(heldOpening(port, getRequest(`${path}&clean=true&wait=0`)), 'bench-poll')
    let came = Buffer.alloc(0)
    let begun: (() => void) | undefined
    connection.onBytes = (bytes, from, to) => {
      came = Buffer.concat([came, bytes.subarray(from, to)])
      const bodyAt = came.indexOf('\r\n\r\n') + 4
      if (bodyAt < 4) return
      const head = came.toString('latin1', 0, bodyAt)
      const length = Number(/^content-length: (\d+)\r$/im.exec(head)?.[1] ?? Number.NaN)
      if (!head.startsWith('HTTP/1.1 200') || Number.isNaN(length)) {
        broken(`a poll was answered with ${came.toString('latin1', 0, 400)}`)
        return
      }
      if (came.length < bodyAt + length) return
      const { messages, cursor } = JSON.parse(came.toString('utf8', bodyAt, bodyAt + length)) as { messages: Frame[]; cursor: string }
      came = Buffer.from(came.subarray(bodyAt + length))
      for (const message of messages) onFrame(message)
      connection.write(getRequest(`${path}&after=${encodeURIComponent(cursor)}&wait=${pollSeconds}`))
      begun?.()
    }
    await new Promise<void>((resolve, reject) => {
      begun = resolve
      setTimeout(() => reject(new Error('The first poll was not answered.')), arriveWithinMs).unref()
    })
    return connection
  },
}

async function openPublisher(port: number, tally: Tally): Promise<RawConnection> {
  const publisher = await RawConnection.open(mqttOpening({ port, transport: 'tcp' }, 'bench-publisher'), 'bench-publisher')
  publisher.onClosed = () => tally.broken('the publisher was disconnected')
  return publisher
}

/** One message at a time, numbered. */
class Probe {
  readonly #publisher: RawConnection
  readonly #tally: Tally
  readonly #sequence: Sequence
  readonly #ring = new Ring(topic, 1, 1)
  readonly #sentAtMs: number[] = []
  /** One past the newest message that came: they come in order. */
  #heard = 0

  constructor(publisher: RawConnection, tally: Tally) {
    this.#publisher = publisher
    this.#tally = tally
    this.#sequence = new Sequence(tally, 0)
  }

  /** Resolves when all are there. Steps of uneven length, so that they keep no time with any clock of the server. */
  async send(count: number, perSecond: number): Promise<void> {
    for (let n = 0; n < count && this.#tally.trouble === undefined; n++) {
      const seq = this.#sentAtMs.length
      this.#ring.write(0, seq, (seq % 0xffff) + 1)
      this.#ring.writeSeq(0, seq)
      this.#sentAtMs.push(performance.now())
      this.#publisher.write(this.#ring.bytes)
      await sleep((1000 / perSecond) * (0.5 + ((n * 7) % 11) / 10))
    }
    const deadlineMs = performance.now() + arriveWithinMs
    while (this.#heard < this.#sentAtMs.length && performance.now() < deadlineMs && this.#tally.trouble === undefined) await sleep(5)
    this.#tally.lost += this.#sentAtMs.length - this.#heard
  }

  arrived({ is, payload }: Frame): void {
    const nowMs = performance.now()
    if (is === 'welcome') return
    if (payload?.pulsesSinceStart === undefined) {
      this.#tally.broken(`something else than a message came: ${is}`)
      return
    }
    const message = this.#sequence.take(payload.pulsesSinceStart - 1_000_000)
    if (message === undefined) return
    this.#heard = message + 1
    this.#tally.confirmed++
    this.#tally.latency.record((nowMs - this.#sentAtMs[message]!) * 1000)
  }

  close(): void {
    this.#publisher.close()
  }
}
