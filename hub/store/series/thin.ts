// Thinning for drawing: of each stretch of time the first, last, lowest and highest point, so that no peak disappears.
// Source: the M4 aggregation (Jugel, Jerzak, Hackenbroich, Markl: VLDB 2014).

export interface NumberColumns {
  readonly times: ArrayLike<number>
  readonly values: ArrayLike<number>
}

/**
 * At most `pointsMax` of these points, in their order: always the very first and last, and from each of `pointsMax / 4` buckets of equal
 * duration its first, last, lowest and highest. Times ascend and values are finite.
 */
export function thin({ times, values }: NumberColumns, pointsMax: number): { times: number[]; values: number[] } {
  const picked: number[] = pick(times, values, pointsMax)
  return { times: picked.map((at) => times[at]!), values: picked.map((at) => values[at]!) }
}

function pick(times: ArrayLike<number>, values: ArrayLike<number>, pointsMax: number): number[] {
  const count = times.length
  if (count <= pointsMax) return Array.from({ length: count }, (_, at) => at)
  if (pointsMax < 4) return [0, count - 1].slice(-Math.max(pointsMax, 1)) // too few to say more than where it began and ended

  const buckets = Math.floor(pointsMax / 4)
  const firstMs = times[0]!
  const spanMs = times[count - 1]! - firstMs
  const picked: number[] = []
  let start = 0
  for (let bucket = 0; bucket < buckets && start < count; bucket += 1) {
    const endMs = firstMs + (spanMs * (bucket + 1)) / buckets
    let low = start
    let high = start
    let end = start
    // The last bucket takes the rest, so that rounding loses no point.
    while (end < count && (bucket === buckets - 1 || times[end]! < endMs)) {
      if (values[end]! < values[low]!) low = end
      if (values[end]! > values[high]!) high = end
      end += 1
    }
    if (end === start) continue
    for (const at of [start, Math.min(low, high), Math.max(low, high), end - 1]) {
      if (at !== picked.at(-1)) picked.push(at)
    }
    start = end
  }
  return picked
}
