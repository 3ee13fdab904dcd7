// A query thread: reads stored telemetry beside everything else, on connections that cannot write.
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { DeviceId } from '../../../../devices/device.ts'
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
} from '../../telemetry.ts'
import { Catalogue, seriesFolder } from '../catalogue.ts'
import { OpenPartitions } from '../open-partitions.ts'
import { Partition } from '../partition.ts'
import { handingOver, serve } from '../thread.ts'
import { bucketsAnswer } from './buckets.ts'
import { Budget, type CancelFlags } from './budget.ts'
import { chartAnswer } from './chart.ts'
import { type LatestDevices, LatestReader, type Moved } from './latest.ts'
import { pointsPage } from './points.ts'
import { PointsReader } from './points-reader.ts'
import { scanOf, scanSummary } from './scan.ts'
import { selectedDevices, selectedSeries } from './selections.ts'
import { seriesSizes } from './sizes.ts'

/** `place` is the query's flag among the flags that `open` was given. */
export interface QueryFunctions {
  readonly [name: string]: (...args: never[]) => unknown
  open(folder: string, flags: CancelFlags): void
  /** The devices whose points a query needs: what waits of them has to be written first. */
  devices(selection: Selection): DeviceId[]
  latestDevices(query: LatestQuery): LatestDevices
  latest(devices: LatestDevices, moved: Moved, metrics: readonly string[] | undefined): LatestPage
  points(query: PointsQuery, place: number): PointsPage
  buckets(query: BucketsQuery, place: number): BucketsAnswer
  chart(query: ChartQuery, place: number): ChartAnswer
  seriesOf(device: DeviceId): SeriesSize[]
  scan(query: ScanQuery, place: number): number
  /** The next part of a scan, null when it takes longer; undefined after the last. */
  scanned(scan: number): ScanPart | null | undefined
  endScan(scan: number): void
  scanSummary(query: ScanQuery): ScanSummary
  /** These files are removed: whoever has one open keeps its room on the disk. */
  forget(files: readonly string[]): void
  close(): void
}

const partitionsOpen = 64

class Queries {
  readonly #db: Database.Database
  readonly #flags: CancelFlags
  readonly #catalogue: Catalogue
  readonly #partitions: OpenPartitions
  readonly #reader: PointsReader
  readonly #latest: LatestReader
  readonly #scans = new Map<number, Generator<ScanPart | null>>()
  #lastScan = 0

  constructor(folder: string, flags: CancelFlags) {
    this.#db = new Database(join(folder, 'mooring.db'), { readonly: true })
    this.#db.pragma('busy_timeout = 2000')
    this.#db.pragma('cache_size = -16384') // devices and series of a large fleet: with 2 MiB they are read anew by each question
    this.#flags = flags
    this.#catalogue = new Catalogue(this.#db)
    this.#partitions = new OpenPartitions(join(folder, seriesFolder), Partition.read, partitionsOpen)
    this.#reader = new PointsReader(this.#db, this.#catalogue, this.#partitions)
    this.#latest = new LatestReader(this.#db)
  }

  devices(selection: Selection): DeviceId[] {
    return selectedDevices(this.#db, selection)
  }

  latestDevices(query: LatestQuery): LatestDevices {
    return this.#latest.devices(query)
  }

  latest(devices: LatestDevices, moved: Moved, metrics: readonly string[] | undefined): LatestPage {
    return withJson(this.#db.transaction(() => this.#latest.page(devices, moved, metrics))())
  }

  points(query: PointsQuery, place: number): PointsPage {
    const budget = new Budget(this.#flags, place)
    return withJson(
      this.#atOneMoment(() => pointsPage(this.#reader, this.#catalogue.all(), selectedSeries(this.#db, query), query, budget)),
    )
  }

  buckets(query: BucketsQuery, place: number): BucketsAnswer {
    const budget = new Budget(this.#flags, place)
    return withJson(
      this.#atOneMoment(() => bucketsAnswer(this.#reader, this.#catalogue.all(), selectedSeries(this.#db, query), query, budget)),
    )
  }

  chart(query: ChartQuery, place: number): ChartAnswer {
    const budget = new Budget(this.#flags, place)
    return withJson(
      this.#atOneMoment(() => chartAnswer(this.#reader, this.#catalogue.all(), selectedSeries(this.#db, query), query, budget)),
    )
  }

  seriesOf(device: DeviceId): SeriesSize[] {
    return this.#atOneMoment(() => seriesSizes(this.#reader, selectedSeries(this.#db, { devices: [device] })))
  }

  scan(query: ScanQuery, place: number): number {
    this.#lastScan += 1
    const budget = new Budget(this.#flags, place, { unbounded: true })
    this.#scans.set(this.#lastScan, scanOf(this.#reader, selectedSeries(this.#db, query), query, budget))
    return this.#lastScan
  }

  scanned(scan: number): ScanPart | null | undefined {
    // Not one moment: that would keep the write-ahead log from being emptied for as long as the client takes.
    const { value, done } = this.#scans.get(scan)!.next()
    if (done === true) this.#scans.delete(scan)
    return done === true ? undefined : value
  }

  endScan(scan: number): void {
    this.#scans.delete(scan)
  }

  scanSummary(query: ScanQuery): ScanSummary {
    return this.#atOneMoment(() => scanSummary(this.#reader, selectedSeries(this.#db, query), query))
  }

  forget(files: readonly string[]): void {
    for (const file of files) this.#partitions.close(file)
  }

  close(): void {
    this.#partitions.closeAll()
    this.#db.close()
  }

  #atOneMoment<Answer>(read: () => Answer): Answer {
    return this.#db.transaction(read)()
  }
}

/** The text moves to the loop instead of being copied. */
function withJson<Answer extends { readonly json: Uint8Array }>(answer: Answer): Answer {
  return handingOver(answer, [answer.json.buffer as ArrayBuffer])
}

let queries: Queries | undefined

function opened(): Queries {
  if (queries === undefined) throw new Error('The query thread is not open.')
  return queries
}

serve({
  open(folder, flags) {
    queries = new Queries(folder, flags)
  },
  devices: (selection) => opened().devices(selection),
  latestDevices: (query) => opened().latestDevices(query),
  latest: (devices, moved, metrics) => opened().latest(devices, moved, metrics),
  points: (query, place) => opened().points(query, place),
  buckets: (query, place) => opened().buckets(query, place),
  chart: (query, place) => opened().chart(query, place),
  seriesOf: (device) => opened().seriesOf(device),
  scan: (query, place) => opened().scan(query, place),
  scanned: (scan) => opened().scanned(scan),
  endScan: (scan) => opened().endScan(scan),
  scanSummary: (query) => opened().scanSummary(query),
  forget: (files) => opened().forget(files),
  close: () => opened().close(),
} satisfies QueryFunctions)
