// In a query thread: every point of a selection, a part at a time. The selection is made when the scan begins; each series is read as it is
// when its turn comes.

import { type Columns, cut, joined } from '../../series/columns.ts'
import type { ScanPart, ScanQuery, ScanSummary } from '../../telemetry.ts'
import type { Budget } from './budget.ts'
import { noPoints, type PointsReader } from './points-reader.ts'
import { byDevice, type SelectedSeries } from './selections.ts'

/** Enough to make a message between threads worth it. */
const partPoints = 16_384
/** Series that may have nothing in the range are looked at in one go; then somebody else has a turn in this thread. */
const seriesPerTurn = 256

/** Null where there was nothing so far: ask again. */
export function* scanOf(
  reader: PointsReader,
  selected: readonly SelectedSeries[],
  { fromMs, toMs }: ScanQuery,
  budget: Budget,
): Generator<ScanPart | null> {
  for (const [at, { series, number, device, metric }] of selected.entries()) {
    if (at % seriesPerTurn === seriesPerTurn - 1) yield null
    budget.check()
    const heads = reader.headsOf(number, new Set([series]), budget)
    let gathered: Columns[] = []
    let count = 0
    for (const part of reader.parts(series, heads, fromMs, toMs, budget)) {
      gathered.push(part)
      count += part.times.length
      if (count < partPoints) continue
      yield partOf(device, metric, gathered)
      gathered = []
      count = 0
    }
    if (gathered.length > 0) yield partOf(device, metric, gathered)
  }
}

function partOf(device: string, metric: string, gathered: readonly Columns[]): ScanPart {
  return { device, metric, ...joined(gathered) }
}

export function scanSummary(reader: PointsReader, selected: readonly SelectedSeries[], { fromMs, toMs }: ScanQuery): ScanSummary {
  let points = 0
  for (const [number, ofDevice] of byDevice(selected)) {
    const heads = reader.headsOf(number, new Set(ofDevice.map(({ series }) => series)))
    for (const { series } of ofDevice) {
      points += reader.storedPoints(series, fromMs, toMs) + cut(heads.get(series) ?? noPoints, fromMs, toMs).times.length
    }
  }
  return { series: selected.length, points }
}
