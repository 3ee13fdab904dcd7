// Numbers as whole numbers: value × 10^power, and what is left of them once the next one has been foretold.
import { bitsFor, blockBytes, blockLength } from './packing.ts'

/** Sums and differences of two such numbers are exact in float64. */
const wholeMax = 2 ** 51
const restMax = 2 ** 52

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
  for (let at = start; at < end; at += 1) {
    const value = values[at]!
    let rounded = Math.round(value * scale)
    while (rounded / scale !== value || rounded >= wholeMax || rounded <= -wholeMax) {
      if (power === powerMax || !(Math.abs(rounded) < wholeMax)) return undefined
      power += 1
      scale = powersOfTen[power]!
      rounded = Math.round(value * scale)
    }
    if (rounded === 0 && Object.is(value, -0)) return undefined
    whole[at - start] = rounded
  }
  return power === 0 || rescaled(values, start, end, scale, whole) ? power : undefined
}

/** Values that came before the one which asked for the last digit. */
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

/** The bytes that packing takes with each predictor, and the cheapest of them. */
export function cheapest(whole: Float64Array, count: number, rests: Float64Array): { predictor: Predictor; bytes: number } {
  let predictor: Predictor = predictors.none
  let bytes = Number.POSITIVE_INFINITY
  for (const candidate of Object.values(predictors)) {
    if (count < seedsOf[candidate]!) continue
    const length = restsOf(whole, count, candidate, rests)
    let sum = 0
    for (let seed = 0; seed < seedsOf[candidate]!; seed += 1) sum += 1 + bitsFor(Math.abs(whole[seed]!)) / 7
    for (let start = 0; start < length; start += blockLength) {
      const end = Math.min(start + blockLength, length)
      let low = rests[start]!
      let high = low
      for (let at = start + 1; at < end; at += 1) {
        const rest = rests[at]!
        if (rest < low) low = rest
        else if (rest > high) high = rest
      }
      sum += low > -restMax && high < restMax ? blockBytes(low, high, end - start) : Number.POSITIVE_INFINITY
    }
    if (sum < bytes) {
      predictor = candidate
      bytes = sum
    }
  }
  return { predictor, bytes }
}
