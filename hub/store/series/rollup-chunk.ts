// Buckets of a rollup as bytes, like those of a chunk of points. Most of the sixteen columns say little that another has not said.
import { type ByteReader, type ByteWriter, ChunkDamaged, type Parts } from './bytes.ts'
import { readValues, writeValues } from './chunk.ts'
import { closed, kinds, opened, sealed } from './envelope.ts'
import { readNumbers, writeNumbers } from './numbers.ts'
import { eachColumn, type Rollup } from './rollup.ts'

/** Their order is part of the format. */
const tiers = ['minute', 'hour', 'day'] as const

/** Their order is part of the format. A column may refer to those before it. */
const names = [
  'starts',
  'counts',
  'numbers',
  'firstTimes',
  'lastTimes',
  'firsts',
  'lasts',
  'mins',
  'maxs',
  'sums',
  'areas',
  'increases',
  'firstNumbers',
  'lastNumbers',
  'firstNumberTimes',
  'lastNumberTimes',
] as const satisfies readonly (keyof Rollup)[]

type Column = Rollup[(typeof names)[number]]

/** How a column is written: as it is, not at all, or as what it adds to another. The numbers are part of the format. */
const relations = { own: 0, same: 1, difference: 2 } as const

/** Written as a difference to `starts`, where that is exact. */
const offsets: readonly string[] = ['firstTimes', 'lastTimes', 'firstNumberTimes', 'lastNumberTimes'] satisfies readonly (keyof Rollup)[]

/** The buckets from `start` to `end` (not included). */
export function encodeRollup(rollup: Rollup, start: number, end: number): Buffer {
  const { tier, starts } = rollup
  return sealed(kinds.rollup, { count: end - start, firstMs: starts[start]!, lastMs: starts[end - 1]! }, (parts) => {
    parts.plain.byte(tiers.indexOf(tier))
    const before: Column[] = []
    for (const name of names) {
      writeColumn(name, rollup[name], before, start, end, parts)
      before.push(rollup[name])
    }
  })
}

function writeColumn(name: string, column: Column, before: readonly Column[], start: number, end: number, parts: Parts<ByteWriter>): void {
  const equal = before.findIndex((other) => isSame(column, other, start, end))
  if (equal >= 0) {
    parts.plain.byte(relations.same)
    parts.plain.byte(equal)
    return
  }
  const starts = before[0]
  if (offsets.includes(name) && column instanceof Float64Array && starts instanceof Float64Array) {
    const differences = differencesOf(column, starts, start, end)
    if (differences !== undefined) {
      parts.plain.byte(relations.difference)
      writeNumbers(differences, 0, differences.length, true, parts)
      return
    }
  }
  parts.plain.byte(relations.own)
  writeValues(column, start, end, true, parts)
}

/** Lists are never taken for the same: who changes an object of one would change it in the other. */
function isSame(column: Column, other: Column, start: number, end: number): boolean {
  if (!(column instanceof Float64Array && other instanceof Float64Array)) return false
  for (let at = start; at < end; at += 1) if (!Object.is(column[at], other[at])) return false
  return true
}

function differencesOf(column: Float64Array, starts: Float64Array, start: number, end: number): Float64Array | undefined {
  const differences = new Float64Array(end - start)
  for (let at = start; at < end; at += 1) {
    const difference = column[at]! - starts[at]!
    if (!Object.is(starts[at]! + difference, column[at])) return undefined
    differences[at - start] = difference
  }
  return differences
}

/** Errors: `ChunkDamaged`, whatever the bytes are. */
export function decodeRollup(bytes: Uint8Array): Rollup {
  const { count, from } = opened(kinds.rollup, bytes)
  const tier = tiers[from.plain.byte()]
  if (tier === undefined) throw new ChunkDamaged('The rollup is of an unknown tier.')
  const columns: Column[] = []
  for (const _ of names) columns.push(readColumn(count, columns, from))
  closed(from)
  const column = (name: (typeof names)[number]) => columns[names.indexOf(name)]!
  return eachColumn(tier, (name) => numeric(column(name)), column)
}

function readColumn(count: number, before: readonly Column[], from: Parts<ByteReader>): Column {
  const relation = from.plain.byte()
  switch (relation) {
    case relations.own:
      return readValues(count, from)
    case relations.same:
      // A copy: who changes one column changes no other.
      return numeric(before[from.plain.byte()]).slice()
    case relations.difference: {
      const starts = numeric(before[0])
      const values = readNumbers(count, from)
      for (let at = 0; at < count; at += 1) values[at] = starts[at]! + values[at]!
      return values
    }
    default:
      throw new ChunkDamaged('A column of the rollup has an unknown relation to others.')
  }
}

function numeric(column: Column | undefined): Float64Array {
  if (column instanceof Float64Array) return column
  throw new ChunkDamaged('A column of the rollup that must be numbers is not.')
}
