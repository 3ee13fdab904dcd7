// Thinning for drawing: of each column of pixels the lowest and the highest point, so that no peak disappears.
// Source: min-max aggregation as measured against others by Jugel, Jerzak, Hackenbroich, Markl (M4, VLDB 2014).
import { firstAt } from './columns.ts'
import type { Rollup } from './rollup.ts'

export interface NumberColumns {
  readonly times: Float64Array
  readonly values: Float64Array
}

/**
 * At most `pointsMax` of these points, in their order: always the very first and the very last, and between them the lowest and the highest
 * of each of as many stretches of equal duration as there is room for. A stretch without points adds none. Times ascend.
 */
export function thinMinMax(columns: NumberColumns, pointsMax: number): NumberColumns {
  const { times, values } = columns
  const count = times.length
  if (count <= pointsMax) return columns
  if (pointsMax < 2) return { times: times.subarray(count - 1), values: values.subarray(count - 1) }

  const stretches = Math.floor((pointsMax - 2) / 2)
  const firstMs = times[0]!
  const spanMs = times[count - 1]! - firstMs
  const picked = new Picked(columns, pointsMax)
  picked.add(0)
  let start = 0
  for (let stretch = 0; stretch < stretches; stretch += 1) {
    // The last stretch takes the rest, so that rounding loses no point.
    const endMs = stretch === stretches - 1 ? Number.POSITIVE_INFINITY : firstMs + (spanMs * (stretch + 1)) / stretches
    const end = firstAt(times, (atMs) => atMs >= endMs, start)
    if (end === start) continue
    let low = start
    let high = start
    let lowest = values[start]!
    let highest = lowest
    for (let at = start + 1; at < end; at += 1) {
      const value = values[at]!
      if (value < lowest) {
        lowest = value
        low = at
      } else if (value > highest) {
        highest = value
        high = at
      }
    }
    picked.add(Math.min(low, high))
    picked.add(Math.max(low, high))
    start = end
  }
  picked.add(count - 1)
  return picked.columns()
}

/**
 * The points of a rollup as they are drawn: the lowest and the highest number of each of its buckets, and the very first and last number.
 *
 * Values are exact. Times are exact where an extreme is also its bucket's first or last number; otherwise it stands somewhere between these
 * two, before or after the other extreme as fits the way from the first to the last. They ascend.
 */
export function pointsOfRollup(rollup: Rollup): NumberColumns {
  const { starts, numbers, mins, maxs, firstNumbers, lastNumbers, firstNumberTimes, lastNumberTimes } = rollup
  const times = new Float64Array(starts.length * 2 + 2)
  const values = new Float64Array(starts.length * 2 + 2)
  let count = 0
  const add = (atMs: number, value: number) => {
    if (count > 0 && times[count - 1]! >= atMs) return
    times[count] = atMs
    values[count] = value
    count += 1
  }
  const firstAtAll = numbers.findIndex((of) => of > 0)
  const lastAtAll = numbers.findLastIndex((of) => of > 0)
  for (let at = Math.max(firstAtAll, 0); at <= lastAtAll; at += 1) {
    if (numbers[at] === 0) continue
    const [first, last, low, high] = [firstNumbers[at]!, lastNumbers[at]!, mins[at]!, maxs[at]!]
    const firstMs = firstNumberTimes[at]!
    const spanMs = lastNumberTimes[at]! - firstMs
    const rising = first - low + (high - last) <= high - first + (last - low)
    const [one, two] = rising ? [low, high] : [high, low]
    if (at === firstAtAll) add(firstMs, first)
    if (one !== first) add(firstMs + spanMs / 4, one)
    else add(firstMs, one)
    add(two === last ? firstMs + spanMs : firstMs + (spanMs * 3) / 4, two)
    if (at === lastAtAll) add(firstMs + spanMs, last)
  }
  return { times: times.subarray(0, count), values: values.subarray(0, count) }
}

/** As `thinMinMax`, from the points of a rollup. */
export function thinRollup(rollup: Rollup, pointsMax: number): NumberColumns {
  return thinMinMax(pointsOfRollup(rollup), pointsMax)
}

/** Points chosen in ascending order, each once. */
export class Picked {
  readonly #columns: NumberColumns
  readonly #places: Uint32Array
  #count = 0

  constructor(columns: NumberColumns, countMax: number) {
    this.#columns = columns
    this.#places = new Uint32Array(countMax)
  }

  add(place: number): void {
    if (this.#count > 0 && this.#places[this.#count - 1] === place) return
    this.#places[this.#count] = place
    this.#count += 1
  }

  columns(): NumberColumns {
    const places = this.#places.subarray(0, this.#count)
    const { times, values } = this.#columns
    return { times: Float64Array.from(places, (place) => times[place]!), values: Float64Array.from(places, (place) => values[place]!) }
  }
}
