// Numbers that arithmetic has left a little beside a decimal: 24.390000000000001, or the sum of a minute's readings. Each is the decimal and
// a small number of steps between neighbouring float64.
import { type ByteReader, ChunkDamaged } from './bytes.ts'
import { unpack } from './packing.ts'
import { powersOfTen } from './whole.ts'

/** With more digits the decimal itself takes as many bytes as the float. */
const powerMax = 10
const wholeMax = 2 ** 51

/** More steps than any sum of a day's readings is away. */
const stepsMax = 2 ** 16

const sampled = 16

let near = new Float64Array(0)

/** Fills `whole` and `steps` and gives the power of ten; undefined when the values are not near decimals. */
export function nearDecimals(
  values: Float64Array,
  start: number,
  end: number,
  whole: Float64Array,
  steps: Float64Array,
): number | undefined {
  const count = end - start
  const sample = Float64Array.from({ length: Math.min(sampled, count) }, (_, at) => values[start + Math.floor((at * count) / sampled)]!)
  for (let power = 0; power <= powerMax; power += 1) {
    if (!stepsOf(sample, 0, sample.length, power, whole, steps)) continue
    return stepsOf(values, start, end, power, whole, steps) ? power : undefined
  }
  return undefined
}

function stepsOf(values: Float64Array, start: number, end: number, power: number, whole: Float64Array, steps: Float64Array): boolean {
  const count = end - start
  if (near.length < count) near = new Float64Array(count)
  const scale = powersOfTen[power]!
  for (let at = 0; at < count; at += 1) {
    const rounded = Math.round(values[start + at]! * scale) + 0 // never -0
    if (!(rounded < wholeMax && rounded > -wholeMax)) return false
    whole[at] = rounded
    near[at] = rounded / scale
  }
  const wanted = new Uint32Array(values.buffer, values.byteOffset + start * 8, count * 2)
  const found = new Uint32Array(near.buffer, 0, count * 2)
  for (let at = 0; at < count; at += 1) {
    const step = (wanted[2 * at + 1]! - found[2 * at + 1]!) * 2 ** 32 + (wanted[2 * at]! - found[2 * at]!)
    if (!(step < stepsMax && step > -stepsMax)) return false
    steps[at] = step
  }
  return true
}

/** Moves the decimals to where the values are. */
export function addSteps(values: Float64Array, from: ByteReader): void {
  const steps = new Float64Array(values.length)
  unpack(from, steps)
  const halves = new Uint32Array(values.buffer, values.byteOffset, values.length * 2)
  for (let at = 0; at < steps.length; at += 1) {
    const low = halves[2 * at]! + steps[at]!
    if (low >= 0 && low < 2 ** 32) halves[2 * at] = low
    else {
      if (!(Math.abs(steps[at]!) < stepsMax)) throw new ChunkDamaged('A number of the chunk is too far from its decimal.')
      halves[2 * at] = low < 0 ? low + 2 ** 32 : low - 2 ** 32
      halves[2 * at + 1]! += low < 0 ? -1 : 1
    }
  }
}
