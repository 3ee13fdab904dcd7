// Numbers as whole numbers: value × 10^power, and what is left of them once the next one has been foretold.
import { bitsFor, blockBytes, blockLength } from './packing.ts'

/** Sums and differences of two such numbers are exact in float64. */
const wholeMax = 2 ** 51

/** The largest power of ten that float64 holds exactly. */
export const powerMax = 22

export const powersOfTen: readonly number[] = Array.from({ length: powerMax + 1 }, (_, power) => Number(`1e${power}`))

/**
 * The whole numbers that stand for these values, written into `whole`, and the power of ten that brings each back to the very same float64;
 * undefined when there is none. Most noisy floats fail at the first value or two.
 */
export function wholeNumbers(values: Float64Array, start: number, end: number, whole: Float64Array): number | undefined {
  let power = 0
  let scale = 1
  let raisedAt = start
  for (let at = start; at < end; at += 1) {
    const value = values[at]!
    let rounded = Math.round(value * scale)
    while (rounded / scale !== value || rounded >= wholeMax || rounded <= -wholeMax) {
      if (power === powerMax || !(Math.abs(rounded) < wholeMax)) return undefined
      power += 1
      raisedAt = at
      scale = powersOfTen[power]!
      rounded = Math.round(value * scale)
    }
    if (rounded === 0 && Object.is(value, -0)) return undefined
    whole[at - start] = rounded
  }
  return rescaled(values, start, raisedAt, scale, whole) ? power : undefined
}

/** The values before the one that asked for the last digit. */
function rescaled(values: Float64Array, start: number, end: number, scale: number, whole: Float64Array): boolean {
  for (let at = start; at < end; at += 1) {
    const value = values[at]!
    const rounded = Math.round(value * scale) + 0 // never -0
    if (rounded / scale !== value || rounded >= wholeMax || rounded <= -wholeMax) return false
    whole[at - start] = rounded
  }
  return true
}

/** How the next number is foretold. Their numbers are part of the format. */
export const predictors = { none: 0, previous: 1, trend: 2, line: 3 } as const

export type Predictor = (typeof predictors)[keyof typeof predictors]

/** As many numbers begin the column as they are. */
export const seedsOf: readonly number[] = [0, 1, 2, 2]

/** The mean step, of the predictor `line`. */
export function stepOf(whole: Float64Array, count: number): number {
  return count > 1 ? Math.round((whole[count - 1]! - whole[0]!) / (count - 1)) : 0
}

/** What the prediction leaves, written into `rests`; how many they are. */
export function restsOf(whole: Float64Array, count: number, predictor: Predictor, rests: Float64Array): number {
  if (predictor === predictors.none) {
    for (let at = 0; at < count; at += 1) rests[at] = whole[at]!
    return count
  }
  if (predictor === predictors.previous) {
    let previous = whole[0]!
    for (let at = 1; at < count; at += 1) {
      const value = whole[at]!
      rests[at - 1] = value - previous
      previous = value
    }
    return count - 1
  }
  if (predictor === predictors.trend) {
    let previous = whole[1]!
    let delta = previous - whole[0]!
    for (let at = 2; at < count; at += 1) {
      const value = whole[at]!
      rests[at - 2] = value - previous - delta
      delta = value - previous
      previous = value
    }
    return Math.max(count - 2, 0)
  }
  const first = whole[0]!
  const step = stepOf(whole, count)
  for (let at = 0; at < count; at += 1) rests[at] = whole[at]! - first - at * step
  return count
}

/** The inverse, in place: `values` holds the seeds and then the rests. */
export function restore(values: Float64Array, predictor: Predictor, first: number, second: number, power: number): void {
  const count = values.length
  const scale = powersOfTen[power]!
  if (predictor === predictors.none) {
    if (power > 0) for (let at = 0; at < count; at += 1) values[at] = values[at]! / scale
  } else if (predictor === predictors.previous) {
    let sum = first
    values[0] = sum / scale
    if (power === 0) for (let at = 1; at < count; at += 1) values[at] = sum += values[at]!
    else {
      for (let at = 1; at < count; at += 1) {
        sum += values[at]!
        values[at] = sum / scale
      }
    }
  } else if (predictor === predictors.trend) {
    let sum = second
    let delta = second - first
    values[0] = first / scale
    values[1] = second / scale
    for (let at = 2; at < count; at += 1) {
      delta += values[at]!
      sum += delta
      values[at] = sum / scale
    }
  } else {
    let onLine = first
    for (let at = 0; at < count; at += 1) {
      values[at] = (onLine + values[at]!) / scale
      onLine += second
    }
  }
}

export interface Prediction {
  readonly predictor: Predictor
  /** What packing takes with it. */
  readonly bytes: number
}

/**
 * The predictor with which packing takes the fewest bytes. All four are tried at once, block by block, which takes 10 ns a point; one pass
 * for each took 30. The blocks of the rests begin one or two points later than these, so that the bytes are nearly right.
 */
export function cheapest(whole: Float64Array, count: number): Prediction {
  const first = whole[0]!
  const step = stepOf(whole, count)
  const bytes = [0, 0, 0, 0]
  let previous = first
  let delta = count > 1 ? whole[1]! - first : 0
  let onLine = first
  for (let start = 0; start < count; start += blockLength) {
    const end = Math.min(start + blockLength, count)
    let low0 = Number.POSITIVE_INFINITY
    let low1 = low0
    let low2 = low0
    let low3 = low0
    let high0 = Number.NEGATIVE_INFINITY
    let high1 = high0
    let high2 = high0
    let high3 = high0
    for (let at = start; at < end; at += 1) {
      const value = whole[at]!
      // The first of all repeats what follows it, as if it had been foretold.
      const rest1 = at === 0 ? delta : value - previous
      const rest2 = at <= 1 ? 0 : rest1 - delta
      const rest3 = value - onLine
      previous = value
      delta = rest1
      onLine += step
      if (value < low0) low0 = value
      if (value > high0) high0 = value
      if (rest1 < low1) low1 = rest1
      if (rest1 > high1) high1 = rest1
      if (rest2 < low2) low2 = rest2
      if (rest2 > high2) high2 = rest2
      if (rest3 < low3) low3 = rest3
      if (rest3 > high3) high3 = rest3
    }
    bytes[predictors.none]! += blockBytes(low0, high0, end - start)
    bytes[predictors.previous]! += blockBytes(low1, high1, end - start)
    bytes[predictors.trend]! += blockBytes(low2, high2, end - start)
    bytes[predictors.line]! += blockBytes(low3, high3, end - start)
  }
  let predictor: Predictor = predictors.none
  for (const candidate of Object.values(predictors)) {
    const seeds = seedsOf[candidate]!
    if (count < seeds) continue
    bytes[candidate]! += seeds * (1 + bitsFor(Math.abs(first)) / 7)
    if (bytes[candidate]! < bytes[predictor]!) predictor = candidate
  }
  return { predictor, bytes: bytes[predictor]! }
}
