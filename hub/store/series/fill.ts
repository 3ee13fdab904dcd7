// What stands for a bucket without points.
import type { MetricValue } from '../../../devices/device.ts'
import type { Fill } from '../telemetry.ts'

/**
 * A column whose entry of each bucket without points (`counts` is 0 there) is filled, and its other entries left as they are, nulls too.
 *
 * `none`, `null`: null (with `none` rows without points are left out later). `previous`: the last known value before it. `linear`: between
 * the nearest known values on both sides, by the starts of their buckets, when both are numbers. Null where there is no such value.
 * A count is never filled: no points are 0 points, whatever the fill.
 */
export function filled(column: MetricValue[], starts: Float64Array, counts: Float64Array, fill: Fill): MetricValue[] {
  let before = -1 // where the last known value is
  for (let at = 0; at < column.length; at += 1) {
    if (counts[at]! > 0) {
      if (column[at] === null) continue
      if (fill === 'linear' && before >= 0) drawLine(column, starts, counts, before, at)
      before = at
    } else {
      column[at] = fill === 'previous' && before >= 0 ? column[before]! : null
    }
  }
  return column
}

/** Buckets with points between the two are nulls that mean unknown: they stay. */
function drawLine(column: MetricValue[], starts: Float64Array, counts: Float64Array, from: number, to: number): void {
  const low = column[from]
  const high = column[to]
  if (typeof low !== 'number' || typeof high !== 'number') return
  for (let at = from + 1; at < to; at += 1) {
    if (counts[at] === 0) column[at] = low + ((high - low) * (starts[at]! - starts[from]!)) / (starts[to]! - starts[from]!)
  }
}
