// A column of float64, exact to the bit, in the smallest of a few encodings.
import { type ByteReader, type ByteWriter, ChunkDamaged, type Parts } from './bytes.ts'
import { addSteps, nearDecimals } from './near.ts'
import { pack, packedBytes, unpack } from './packing.ts'
import { judged, planesOf, planesOfWhole, readPlanes, writePlanes } from './planes.ts'
import { cheapest, type Predictor, powerMax, predictors, restore, restsOf, seedsOf, stepOf, wholeNumbers } from './whole.ts'

/** Their numbers are part of the format. */
const encodings = { constant: 0, packed: 1, wholePlanes: 2, floatPlanes: 3, nearDecimals: 4 } as const

let wholes = new Float64Array(4096)
let rests = new Float64Array(4096)
let steps = new Float64Array(4096)

/** The squeezed part is written to only with `compress`. */
export function writeNumbers(values: Float64Array, start: number, end: number, compress: boolean, parts: Parts<ByteWriter>): void {
  const { plain } = parts
  const count = end - start
  if (isConstant(values, start, end)) {
    plain.byte(encodings.constant)
    plain.float64(count > 0 ? values[start]! : 0)
    return
  }
  if (wholes.length < count) {
    wholes = new Float64Array(count)
    rests = new Float64Array(count)
    steps = new Float64Array(count)
  }
  const power = wholeNumbers(values, start, end, wholes)
  if (power !== undefined) writeWhole(count, power, compress, parts)
  else if (!wroteNear(values, start, end, plain)) {
    plain.byte(encodings.floatPlanes)
    writePlanes(judged(planesOf(new Uint8Array(values.slice(start, end).buffer), count, 8), count, compress), count, parts)
  }
}

function writeWhole(count: number, power: number, compress: boolean, parts: Parts<ByteWriter>): void {
  const { predictor, bytes } = cheapest(wholes, count)
  const length = restsOf(wholes, count, predictor, rests)
  const planes = compress && bytes >= weighedFromBytes ? judged(planesOfWhole(rests, length), length, true) : undefined
  if (planes !== undefined && planes.estimatedBytes < bytes * payingShare) {
    writeWholeHead(encodings.wholePlanes, power, predictor, count, parts.plain)
    parts.plain.byte(planes.modes.length)
    writePlanes(planes, length, parts)
  } else {
    writeWholeHead(encodings.packed, power, predictor, count, parts.plain)
    pack(rests, length, parts.plain)
  }
}

/** What they have in common: power, predictor, and the numbers that prediction begins with. */
function writeWholeHead(encoding: number, power: number, predictor: Predictor, count: number, plain: ByteWriter): void {
  plain.byte(encoding)
  plain.byte(power)
  plain.byte(predictor)
  const seeds = seedsOf[predictor]!
  if (seeds > 0) plain.signed(wholes[0]!)
  if (seeds > 1) plain.signed(predictor === predictors.line ? stepOf(wholes, count) : wholes[1]!)
}

/** Whether the values are near decimals and have become so. */
function wroteNear(values: Float64Array, start: number, end: number, plain: ByteWriter): boolean {
  const count = end - start
  const power = nearDecimals(values, start, end, wholes, steps)
  if (power === undefined) return false
  const { predictor, bytes } = cheapest(wholes, count)
  if (bytes + packedBytes(steps, count) > count * nearBytesMax) return false
  writeWholeHead(encodings.nearDecimals, power, predictor, count, plain)
  pack(rests, restsOf(wholes, count, predictor, rests), plain)
  pack(steps, count, plain)
  return true
}

/** Planes of floats take a little over six. */
const nearBytesMax = 5.5

/** Below this zstd's own headers cost what it saves. */
const weighedFromBytes = 96

/** Zstd is worth its time when reading, 20 µs a chunk, from this share on. */
const payingShare = 0.75

function isConstant(values: Float64Array, start: number, end: number): boolean {
  for (let at = start + 1; at < end; at += 1) if (!Object.is(values[at], values[start])) return false
  return true
}

export function readNumbers(count: number, from: Parts<ByteReader>): Float64Array {
  const { plain } = from
  const encoding = plain.byte()
  switch (encoding) {
    case encodings.constant:
      return new Float64Array(count).fill(plain.float64())
    case encodings.packed:
    case encodings.wholePlanes:
    case encodings.nearDecimals:
      return readWhole(count, encoding, from)
    case encodings.floatPlanes: {
      const values = new Float64Array(count)
      const bytes = new Uint8Array(values.buffer)
      readPlanes(8, count, from, (plane, read, at) => interleave(read, at, bytes, plane))
      return values
    }
    default:
      throw new ChunkDamaged(`A column of numbers has the unknown encoding ${encoding}.`)
  }
}

function interleave(from: Uint8Array, at: number, to: Uint8Array, plane: number): void {
  let read = at
  for (let place = plane; place < to.length; place += 8) {
    to[place] = from[read]!
    read += 1
  }
}

function readWhole(count: number, encoding: number, from: Parts<ByteReader>): Float64Array {
  const { plain } = from
  const power = plain.byte()
  const predictor = plain.byte()
  const seeds = seedsOf[predictor]
  if (power > powerMax || seeds === undefined) throw new ChunkDamaged('A column of numbers has an unknown power or predictor.')
  if (count < seeds) throw new ChunkDamaged('A column of numbers begins with more numbers than it has.')
  const first = seeds > 0 ? plain.signed() : 0
  const second = seeds > 1 ? plain.signed() : 0
  const values = new Float64Array(count)
  const places = values.subarray(predictor === predictors.line ? 0 : seeds)
  if (encoding !== encodings.wholePlanes) unpack(plain, places)
  else {
    const width = plain.byte()
    if (width > 7) throw new ChunkDamaged('A column of whole numbers is too wide.')
    readPlanes(width, places.length, from, (plane, read, at) => add(read, at, places, 256 ** plane))
    unfold(places)
  }
  restore(values, predictor as Predictor, first, second, power)
  if (encoding === encodings.nearDecimals) addSteps(values, plain)
  return values
}

function add(from: Uint8Array, at: number, to: Float64Array, unit: number): void {
  if (unit === 1) for (let index = 0; index < to.length; index += 1) to[index] = from[at + index]!
  else for (let index = 0; index < to.length; index += 1) to[index] = to[index]! + from[at + index]! * unit
}

function unfold(values: Float64Array): void {
  for (let at = 0; at < values.length; at += 1) {
    const folded = values[at]!
    values[at] = folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2
  }
}
