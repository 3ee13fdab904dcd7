// Many publishers, no subscriber: how much does it cost a server to take a message?
import { setTimeout as sleep } from 'node:timers/promises'
import { openAll } from './connection.ts'
import { type Measured, Measurement } from './measurement.ts'
import { mqttOpening, type Target } from './opening.ts'
import { Publisher, type Schedule, UnacknowledgedPublisher } from './publisher.ts'
import { Tally } from './tally.ts'

export interface IngestOptions extends Target {
  readonly mode: 'ingest'
  readonly pid: number
  readonly connections: number
  readonly qos: 0 | 1
  /** Messages under way per connection. At QoS 0 a multiple of four. */
  readonly window: number
  /** Open loop: messages a second over all connections. */
  readonly rate?: number
  readonly warmUpSeconds: number
  readonly seconds: number
  /** Ends the run after so many messages, when that is earlier. */
  readonly count?: number
}

const drainWithinMs = 10_000

export async function ingest(options: IngestOptions): Promise<Measured> {
  const { connections: count, qos, window, pid } = options
  const tally = new Tally()
  const name = (index: number) => `bench-${index}`
  const connections = await openAll(count, (index) => mqttOpening(options, name(index)), name)
  const publishers = connections.map((connection, index) =>
    qos === 1 ? new Publisher(connection, index, window, tally) : new UnacknowledgedPublisher(connection, index, window, tally),
  )

  if (options.warmUpSeconds > 0) await phase(publishers, options, tally, options.warmUpSeconds, Number.POSITIVE_INFINITY)
  tally.restart()
  const measurement = await Measurement.begin(pid)
  const load = await phase(publishers, options, tally, options.seconds, options.count ?? Number.POSITIVE_INFINITY)
  const measured = await measurement.end(tally, load.seconds, load.confirmed)
  for (const connection of connections) connection.close()
  return measured
}

/** Sends for `seconds`, or `count` messages, then waits for every answer that is still due. The rate is that of the sending. */
async function phase(
  publishers: readonly (Publisher | UnacknowledgedPublisher)[],
  { rate }: IngestOptions,
  tally: Tally,
  seconds: number,
  count: number,
): Promise<{ seconds: number; confirmed: number }> {
  const beganAtMs = performance.now()
  const endsAtMs = beganAtMs + seconds * 1000
  const perMessageMs = rate === undefined ? 0 : 1000 / rate
  // The messages of all publishers take turns: publisher i's n-th is number n × publishers + i.
  const due = rate === undefined ? undefined : (index: number, n: number) => beganAtMs + (n * publishers.length + index) * perMessageMs
  const schedule: Schedule = { budget: count, due }
  for (const publisher of publishers) publisher.begin(schedule)
  if (rate === undefined) {
    while (performance.now() < endsAtMs && schedule.budget > 0 && tally.trouble === undefined)
      await sleep(Math.min(20, endsAtMs - performance.now()))
  } else await pace(publishers, schedule, perMessageMs, beganAtMs, endsAtMs)
  const confirmed = tally.confirmed
  const tookSeconds = (performance.now() - beganAtMs) / 1000
  schedule.budget = 0
  const underWay = () => publishers.reduce((sum, publisher) => sum + publisher.underWay, 0)
  for (
    const deadlineMs = performance.now() + drainWithinMs;
    underWay() > 0 && performance.now() < deadlineMs && tally.trouble === undefined;
  )
    await sleep(5)
  tally.lost += underWay()
  return { seconds: tookSeconds, confirmed }
}

/** Open loop. It never sleeps: a timer is late by up to a millisecond, more than many a latency measured here. */
async function pace(
  publishers: readonly (Publisher | UnacknowledgedPublisher)[],
  schedule: Schedule,
  perMessageMs: number,
  beganAtMs: number,
  endsAtMs: number,
): Promise<void> {
  for (let message = 0, nowMs = performance.now(); nowMs < endsAtMs && schedule.budget > 0; nowMs = performance.now()) {
    for (; beganAtMs + message * perMessageMs <= nowMs; message++) publishers[message % publishers.length]!.pump(nowMs)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
