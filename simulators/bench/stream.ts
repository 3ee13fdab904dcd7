// NDJSON streams that stay open: how much does it cost a server to take a line, and to say that it has?
import { setTimeout as sleep } from 'node:timers/promises'
import { openAll, type RawConnection } from './connection.ts'
import { ChunkReader, LineReader, LineRing, lastChunk } from './lines.ts'
import { type Measured, Measurement } from './measurement.ts'
import { postHead, streamOpening } from './opening.ts'
import { Tally } from './tally.ts'

export interface StreamOptions {
  readonly mode: 'stream'
  readonly port: number
  readonly pid: number
  /** Readings of the device whose stream it is, or frames that say the topic themselves. */
  readonly lines: 'readings' | 'frames'
  readonly streams: number
  /** Lines of one stream that are not answered. */
  readonly window: number
  readonly warmUpSeconds: number
  readonly seconds: number
}

const chunksUnderWay = 8
const drainWithinMs = 10_000

export async function stream(options: StreamOptions): Promise<Measured> {
  const { port, pid, lines, streams: count, window } = options
  const tally = new Tally()
  const name = (index: number) => `bench-${index}`
  const path = (index: number) => (lines === 'readings' ? `/v1/devices/${name(index)}/stream` : '/v1/stream')
  const connections = await openAll(count, (index) => streamOpening(port, postHead(path(index))), name)
  const streams = connections.map((connection, index) => {
    const topic = `devices/${name(index)}/telemetry`
    const lineOf = (reading: string) => (lines === 'readings' ? reading : `{"topic":"${topic}","payload":${reading}}`)
    return new LineStream(connection, name(index), new LineRing(lineOf, window / chunksUnderWay, chunksUnderWay), window, tally)
  })

  await phase(streams, options.warmUpSeconds, tally)
  tally.restart()
  const measurement = await Measurement.begin(pid)
  const load = await phase(streams, options.seconds, tally)
  for (const one of streams) one.finish()
  await until(() => streams.every(({ isDone }) => isDone), tally)
  if (!streams.every(({ isDone }) => isDone)) tally.broken('a stream that was ended did not get its last answer')
  const measured = await measurement.end(tally, load.seconds, load.confirmed)
  for (const connection of connections) connection.close()
  return measured
}

async function phase(streams: readonly LineStream[], seconds: number, tally: Tally): Promise<{ seconds: number; confirmed: number }> {
  const beganAtMs = performance.now()
  for (const one of streams) one.begin()
  while (performance.now() < beganAtMs + seconds * 1000 && tally.trouble === undefined) await sleep(20)
  const load = { seconds: (performance.now() - beganAtMs) / 1000, confirmed: tally.confirmed }
  for (const one of streams) one.rest()
  const underWay = () => streams.reduce((sum, one) => sum + one.underWay, 0)
  await until(() => underWay() === 0, tally)
  tally.lost += underWay()
  return load
}

async function until(holds: () => boolean, tally: Tally): Promise<void> {
  for (const deadlineMs = performance.now() + drainWithinMs; !holds() && performance.now() < deadlineMs && tally.trouble === undefined; )
    await sleep(5)
}

interface Answer {
  readonly stored?: number
  readonly refused?: number
  readonly done?: boolean
}

/** One stream with its window, sent in chunks of an eighth of it. */
class LineStream {
  isDone = false
  readonly #connection: RawConnection
  readonly #name: string
  readonly #ring: LineRing
  readonly #window: number
  readonly #chunk: number
  readonly #tally: Tally
  readonly #sentAtMs = new Float64Array(chunksUnderWay)
  #running = false
  #sent = 0
  #stored = 0

  constructor(connection: RawConnection, name: string, ring: LineRing, window: number, tally: Tally) {
    this.#connection = connection
    this.#name = name
    this.#ring = ring
    this.#window = window
    this.#chunk = window / chunksUnderWay
    this.#tally = tally
    const lines = new LineReader((line) => this.#onLine(line))
    const chunks = new ChunkReader((bytes, from, to) => lines.push(bytes, from, to))
    connection.onBytes = (bytes, from, to) => {
      chunks.push(bytes, from, to)
      this.#pump()
    }
    connection.onClosed = () => {
      if (!this.isDone) tally.broken(`the stream ${name} was cut`)
    }
  }

  /** Lines that were sent and are not said to be stored. */
  get underWay(): number {
    return this.#sent - this.#stored
  }

  begin(): void {
    this.#running = true
    this.#pump()
  }

  rest(): void {
    this.#running = false
  }

  finish(): void {
    this.#connection.write(lastChunk)
  }

  #pump(): void {
    if (!this.#running) return
    const nowMs = performance.now()
    while (this.#window - this.underWay >= this.#chunk) {
      const slot = (this.#sent / this.#chunk) % chunksUnderWay
      this.#sentAtMs[slot] = nowMs
      this.#connection.write(this.#ring.write(slot, this.#sent))
      this.#sent += this.#chunk
    }
  }

  #onLine(line: string): void {
    if (line.trim() === '') return // a sign of life
    const { stored, refused = 0, done = false } = JSON.parse(line) as Answer
    if (stored === undefined || refused > 0) {
      this.#tally.broken(`${this.#name} was answered ${line}`)
      return
    }
    if (stored < this.#stored) this.#tally.outOfOrder++
    if (stored > this.#sent) this.#tally.duplicates++
    this.#record(stored)
    this.#tally.confirmed += stored - this.#stored
    this.#stored = stored
    if (!done) return
    this.isDone = true
    this.#tally.lost += this.underWay
  }

  /** A chunk is through when its last line is. */
  #record(stored: number): void {
    const nowMs = performance.now()
    const from = Math.floor(this.#stored / this.#chunk)
    const to = Math.floor(stored / this.#chunk)
    for (let chunk = from; chunk < to; chunk++) this.#tally.latency.record((nowMs - this.#sentAtMs[chunk % chunksUnderWay]!) * 1000)
  }
}
