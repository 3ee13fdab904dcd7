// In a query thread: what series cost on disk.
import type { SeriesSize } from '../../telemetry.ts'
import type { PointsReader } from './points-reader.ts'
import type { SelectedSeries } from './selections.ts'

/** Of one device. Rollups are not in it: they belong to all tiers together and are small. */
export function seriesSizes(reader: PointsReader, selected: readonly SelectedSeries[]): SeriesSize[] {
  const [first] = selected
  if (first === undefined) return []
  const heads = reader.headsOf(first.number)
  return selected.map(({ series, metric }) => ({ metric, ...reader.sizeOf(series, heads) }))
}
