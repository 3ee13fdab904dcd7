// A column of values that are not all numbers: a dictionary where they repeat, else their JSON.
import type { MetricValue } from '../../../devices/device.ts'
import { type ByteReader, type ByteWriter, ChunkDamaged, type Parts } from './bytes.ts'
import { pack, unpack } from './packing.ts'
import { squeezedBytesMax } from './zstd.ts'

/** Their numbers are part of the format; those of numbers are below 16. */
const encodings = { dictionary: 16, json: 17 } as const

/** Where a text lies. */
const places = { plain: 0, squeezed: 1 } as const

/** Shorter texts stay as they are. */
const squeezedFromBytes = 64

/** Whether the column that begins here is one of these. */
export function nextIsOthers({ plain }: Parts<ByteReader>): boolean {
  return plain.at < plain.end && plain.bytes[plain.at]! >= encodings.dictionary
}

export function writeOthers(values: readonly MetricValue[], start: number, end: number, compress: boolean, parts: Parts<ByteWriter>): void {
  const texts = new Map<string, number>()
  const indices = new Float64Array(end - start)
  const shortcuts = new Map<MetricValue, number>()
  for (let at = start; at < end; at += 1) {
    const value = values[at]!
    // A key of the map is its value, but for 0, which it takes for -0.
    const known = value === 0 ? undefined : shortcuts.get(value)
    if (known !== undefined) {
      indices[at - start] = known
      continue
    }
    const text = jsonOf(value)
    let index = texts.get(text)
    if (index === undefined) {
      index = texts.size
      texts.set(text, index)
    }
    if (typeof value !== 'object') shortcuts.set(value, index)
    indices[at - start] = index
  }
  if (texts.size * 2 <= end - start || texts.size <= 2) {
    parts.plain.byte(encodings.dictionary)
    parts.plain.varint(texts.size)
    writeText(`[${[...texts.keys()].join(',')}]`, compress, parts)
    pack(indices, indices.length, parts.plain)
  } else {
    parts.plain.byte(encodings.json)
    writeText(`[${values.slice(start, end).map(jsonOf).join(',')}]`, compress, parts)
  }
}

/** -0 is a number like any other; JSON can say it and `JSON.stringify` does not. */
function jsonOf(value: MetricValue): string {
  return Object.is(value, -0) ? '-0' : JSON.stringify(value)
}

function writeText(text: string, compress: boolean, { plain, squeezed }: Parts<ByteWriter>): void {
  const bytes = Buffer.from(text)
  const place = compress && bytes.length >= squeezedFromBytes && squeezed.length + bytes.length <= squeezedBytesMax
  plain.byte(place ? places.squeezed : places.plain)
  plain.varint(bytes.length)
  if (place) squeezed.append(bytes)
  else plain.append(bytes)
}

export function readOthers(count: number, from: Parts<ByteReader>): MetricValue[] {
  const encoding = from.plain.byte()
  switch (encoding) {
    case encodings.dictionary: {
      const size = from.plain.varint()
      const entries = readText(size, from)
      const indices = new Float64Array(count)
      unpack(from.plain, indices)
      const texts = entries.map(textOf)
      const values: MetricValue[] = new Array(count)
      for (let at = 0; at < count; at += 1) {
        const index = indices[at]!
        const entry = entries[index]
        if (entry === undefined) throw new ChunkDamaged('A value of the chunk is not in its dictionary.')
        // Each point has an object of its own: who changes one changes no other.
        const text = texts[index]
        values[at] = text === undefined ? entry : (JSON.parse(text) as MetricValue)
      }
      return values
    }
    case encodings.json:
      return readText(count, from)
    default:
      throw new ChunkDamaged(`A column of values has the unknown encoding ${encoding}.`)
  }
}

/** Of an object; of anything else undefined. */
function textOf(entry: MetricValue): string | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined
  try {
    return JSON.stringify(entry)
  } catch {
    throw new ChunkDamaged('A text of the chunk is nested too deeply.') // what could be read may still be too deep to be written
  }
}

function readText(count: number, { plain, squeezed }: Parts<ByteReader>): MetricValue[] {
  const place = plain.byte()
  if (place !== places.plain && place !== places.squeezed) throw new ChunkDamaged('A text of the chunk lies in an unknown place.')
  const length = plain.varint()
  const reader = place === places.plain ? plain : squeezed
  const at = reader.take(length)
  const text = Buffer.from(reader.bytes.buffer, reader.bytes.byteOffset + at, length).toString()
  let values: unknown
  try {
    values = JSON.parse(text)
  } catch {
    throw new ChunkDamaged('A text of the chunk is no JSON.')
  }
  if (!Array.isArray(values) || values.length !== count)
    throw new ChunkDamaged('A text of the chunk holds another number of values than it says.')
  return values
}
