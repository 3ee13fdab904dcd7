// Thinning for drawing: the points that keep the shape of a line, for few points on much room.
// Source: largest triangle three buckets (Steinarsson: Downsampling Time Series for Visual Representation, 2013).
import { type NumberColumns, Picked } from './thin.ts'

/**
 * At most `pointsMax` of these points, in their order: the first, the last, and of each of `pointsMax - 2` runs of equally many points the
 * one that makes the largest triangle with the point chosen before it and the middle of the next run. Times ascend. A short peak may be
 * left out: `thinMinMax` keeps it.
 */
export function lttb(columns: NumberColumns, pointsMax: number): NumberColumns {
  const { times, values } = columns
  const count = times.length
  if (count <= pointsMax) return columns
  if (pointsMax < 2) return { times: times.subarray(count - 1), values: values.subarray(count - 1) }

  const picked = new Picked(columns, pointsMax)
  picked.add(0)
  const runs = pointsMax - 2
  const perRun = (count - 2) / runs
  const startOf = (run: number) => Math.min(1 + Math.floor(run * perRun), count - 1)
  const firstMs = times[0]! // times are taken from here on: products of whole Unix times lose digits
  let chosen = 0
  for (let run = 0; run < runs; run += 1) {
    const end = startOf(run + 1)
    const next =
      run === runs - 1 ? { ms: times[count - 1]! - firstMs, value: values[count - 1]! } : middleOf(columns, end, startOf(run + 2))
    chosen = largest(columns, startOf(run), end, chosen, next)
    picked.add(chosen)
  }
  picked.add(count - 1)
  return picked.columns()
}

interface Corner {
  /** Since the first point. */
  readonly ms: number
  readonly value: number
}

function largest({ times, values }: NumberColumns, start: number, end: number, chosen: number, next: Corner): number {
  const chosenMs = times[chosen]!
  const chosenValue = values[chosen]!
  const nextMs = next.ms - (chosenMs - times[0]!)
  const nextValue = next.value - chosenValue
  let best = start
  let bestArea = -1
  for (let at = start; at < end; at += 1) {
    const area = Math.abs(nextMs * (values[at]! - chosenValue) - (times[at]! - chosenMs) * nextValue)
    if (area > bestArea) {
      bestArea = area
      best = at
    }
  }
  return best
}

function middleOf({ times, values }: NumberColumns, start: number, end: number): Corner {
  const firstMs = times[0]!
  let ms = 0
  let value = 0
  for (let at = start; at < end; at += 1) {
    ms += times[at]! - firstMs
    value += values[at]!
  }
  return { ms: ms / (end - start), value: value / (end - start) }
}
