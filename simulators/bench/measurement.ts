// The measured part of a run: from a server at rest to a server at rest. So work that it puts off (writing, projecting, collecting
// garbage) is counted for the messages that caused it, and none that the warm-up caused.
import { type CpuReading, readCpu, readMachine, settled, threadSeconds } from './proc.ts'
import type { Tally } from './tally.ts'

export interface Measured {
  readonly clean: boolean
  readonly trouble: string | null
  readonly messages: number
  readonly seconds: number
  readonly perSecond: number
  /** The server's CPU for one message, all threads, until it was at rest again. */
  readonly cpuMicroseconds: number
  readonly threads: Readonly<Record<string, number>>
  /** False: it was still working 10 s after the load ended, so the figure above is too low. */
  readonly settled: boolean
  /** The generator's own CPU for one message, and how much of a core it was: near 1, it was the limit. */
  readonly ownMicroseconds: number
  readonly ownCores: number
  /** What everything else on the machine used meanwhile, in cores. */
  readonly otherCores: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly lost: number
  readonly duplicates: number
  readonly outOfOrder: number
}

export class Measurement {
  readonly #pid: number
  readonly #server: CpuReading
  readonly #own = process.cpuUsage()
  readonly #machine = readMachine()
  readonly #atMs = performance.now()

  private constructor(pid: number) {
    this.#pid = pid
    this.#server = readCpu(pid)
  }

  static async begin(pid: number): Promise<Measurement> {
    await settled(pid)
    return new Measurement(pid)
  }

  /** After the last answer. `seconds` and `confirmed` are of the time the load was on; the rest of the tally includes the draining. */
  async end(tally: Tally, seconds: number, confirmed: number): Promise<Measured> {
    const own = process.cpuUsage(this.#own)
    const ownSeconds = (own.user + own.system) / 1e6
    const isSettled = await settled(this.#pid)
    const server = readCpu(this.#pid)
    const serverSeconds = server.seconds - this.#server.seconds
    const wallSeconds = (performance.now() - this.#atMs) / 1000
    const busySeconds = readMachine().busySeconds - this.#machine.busySeconds
    const { confirmed: messages, latency } = tally
    return {
      clean: tally.clean && messages > 0,
      trouble: tally.trouble ?? null,
      messages,
      seconds,
      perSecond: confirmed / seconds,
      cpuMicroseconds: (serverSeconds / messages) * 1e6,
      threads: threadSeconds(this.#server, server),
      settled: isSettled,
      ownMicroseconds: (ownSeconds / messages) * 1e6,
      ownCores: ownSeconds / seconds,
      otherCores: Math.max(0, (busySeconds - serverSeconds - ownSeconds) / wallSeconds),
      p50Ms: latency.percentileMs(0.5),
      p99Ms: latency.percentileMs(0.99),
      maxMs: latency.maxMs,
      lost: tally.lost,
      duplicates: tally.duplicates,
      outOfOrder: tally.outOfOrder,
    }
  }
}
