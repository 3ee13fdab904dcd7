// On the loop: queries of telemetry, handed to the query threads. What waits in the writer's memory of the devices asked for is written
// first, so that an answer has everything that was stored before the question.
import type { DeviceId } from '../../../devices/device.ts'
import { Refusal } from '../../errors.ts'
import { limits } from '../../limits.ts'
import type {
  BucketsAnswer,
  BucketsQuery,
  ChartAnswer,
  ChartQuery,
  LatestPage,
  LatestQuery,
  PointsPage,
  PointsQuery,
  ScanPart,
  ScanQuery,
  ScanSummary,
  Selection,
  SeriesSize,
  Telemetry,
} from '../telemetry.ts'
import type { CancelFlags } from './query/budget.ts'
import type { QueryFunctions } from './query/query.ts'
import type { Thread } from './thread.ts'
import type { WriterFunctions } from './writer-functions.ts'

const lanesMax = 2

interface Lane {
  readonly thread: Promise<Thread<QueryFunctions>>
  /** Queries that are under way or wait for their turn. */
  load: number
}

export class SqliteTelemetry implements Telemetry {
  readonly #writer: Thread<WriterFunctions>
  readonly #start: (flags: CancelFlags) => Promise<Thread<QueryFunctions>>
  readonly #lanes: Lane[] = []
  #closed = false
  readonly #flags = new Int32Array(new SharedArrayBuffer(limits.queries * Int32Array.BYTES_PER_ELEMENT))
  readonly #freePlaces = Array.from(this.#flags, (_, place) => place)

  /** `start` is called when a thread is first needed, and again when all that run are busy. */
  constructor(writer: Thread<WriterFunctions>, start: (flags: CancelFlags) => Promise<Thread<QueryFunctions>>) {
    this.#writer = writer
    this.#start = start
  }

  async latest(query: LatestQuery, signal?: AbortSignal): Promise<LatestPage> {
    return this.#run(signal, async (thread) => {
      const devices = await thread.call('latestDevices', [query])
      const moved = await this.#writer.call('moved', [devices.numbers, query.metrics])
      return thread.call('latest', [devices, moved, query.metrics], [moved.json.buffer as ArrayBuffer])
    })
  }

  points(query: PointsQuery, signal?: AbortSignal): Promise<PointsPage> {
    return this.#run(signal, async (thread, place) => {
      await this.#settle(thread, query)
      return thread.call('points', [query, place])
    })
  }

  buckets(query: BucketsQuery, signal?: AbortSignal): Promise<BucketsAnswer> {
    return this.#run(signal, async (thread, place) => {
      await this.#settle(thread, query)
      return thread.call('buckets', [query, place])
    })
  }

  chart(query: ChartQuery, signal?: AbortSignal): Promise<ChartAnswer> {
    return this.#run(signal, async (thread, place) => {
      await this.#settle(thread, query)
      return thread.call('chart', [query, place])
    })
  }

  seriesOf(device: DeviceId): Promise<readonly SeriesSize[]> {
    return this.#run(undefined, async (thread) => {
      await this.#writer.call('settle', [[device]])
      return thread.call('seriesOf', [device])
    })
  }

  scanSummary(query: ScanQuery): Promise<ScanSummary> {
    return this.#run(undefined, async (thread) => {
      await this.#settle(thread, query)
      return thread.call('scanSummary', [query])
    })
  }

  async *scan(query: ScanQuery, signal?: AbortSignal): AsyncIterableIterator<ScanPart> {
    signal?.throwIfAborted()
    const place = this.#place()
    const lane = this.#lane()
    lane.load += 1
    const cancel = () => Atomics.store(this.#flags, place, 1)
    signal?.addEventListener('abort', cancel)
    let ended = () => {}
    try {
      const thread = await lane.thread
      await this.#settle(thread, query)
      const scan = await thread.call('scan', [query, place])
      ended = () => thread.call('endScan', [scan]).catch(() => {})
      for (;;) {
        signal?.throwIfAborted()
        const part = await thread.call('scanned', [scan])
        if (part === undefined) return
        if (part !== null) yield part
      }
    } catch (error) {
      throw this.#reasonOf(error, signal)
    } finally {
      signal?.removeEventListener('abort', cancel)
      ended()
      this.#release(place, lane)
    }
  }

  /** Files that were removed. */
  async forget(files: readonly string[]): Promise<void> {
    await Promise.all(this.#lanes.map(async ({ thread }) => (await thread).call('forget', [files])))
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#flags.fill(1)
    await Promise.all(
      this.#lanes.map(async (lane) => {
        const thread = await lane.thread.catch(() => undefined)
        await thread?.call('close', []).catch(() => {})
        await thread?.stop()
      }),
    )
  }

  async #settle(thread: Thread<QueryFunctions>, { devices, type, tags, where, metrics }: Selection): Promise<void> {
    if (type === undefined && tags === undefined && where === undefined) {
      await (devices === undefined ? this.#writer.call('settleAll', []) : this.#writer.call('settle', [devices]))
      return
    }
    const selection = { devices, type, tags, where, metrics } as Selection
    await this.#writer.call('settle', [await thread.call('devices', [selection])])
  }

  /** One query in one thread. An abort rejects at once, and the thread notices between two chunks. */
  async #run<Answer>(
    signal: AbortSignal | undefined,
    query: (thread: Thread<QueryFunctions>, place: number) => Promise<Answer>,
  ): Promise<Answer> {
    signal?.throwIfAborted()
    const place = this.#place()
    const lane = this.#lane()
    lane.load += 1
    const cancel = () => Atomics.store(this.#flags, place, 1)
    signal?.addEventListener('abort', cancel)
    try {
      const answer = await query(await lane.thread, place)
      signal?.throwIfAborted()
      return answer
    } catch (error) {
      throw this.#reasonOf(error, signal)
    } finally {
      signal?.removeEventListener('abort', cancel)
      this.#release(place, lane)
    }
  }

  /** Why a query ended that did not end well. */
  #reasonOf(error: unknown, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted === true) return signal.reason
    return this.#closed && !(error instanceof Refusal) ? shuttingDown() : error
  }

  #release(place: number, lane: Lane): void {
    if (!this.#closed) Atomics.store(this.#flags, place, 0)
    lane.load -= 1
    this.#freePlaces.push(place)
  }

  #lane(): Lane {
    const idle = this.#lanes.find(({ load }) => load === 0)
    if (idle !== undefined) return idle
    if (this.#lanes.length < lanesMax) this.#open()
    return this.#lanes.reduce((least, lane) => (lane.load < least.load ? lane : least))
  }

  /** One that cannot be opened is tried again with the next query. */
  #open(): void {
    const lane: Lane = { thread: this.#start(this.#flags), load: 0 }
    this.#lanes.push(lane)
    lane.thread.catch(() => this.#lanes.splice(this.#lanes.indexOf(lane), 1))
  }

  #place(): number {
    if (this.#closed) throw shuttingDown()
    const place = this.#freePlaces.pop()
    if (place === undefined) throw new Refusal('too-many-queries', { limit: limits.queries, name: 'queries' })
    return place
  }
}

function shuttingDown(): Refusal {
  return new Refusal('shutting-down', { seconds: 1 })
}
