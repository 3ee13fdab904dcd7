// In a query thread: which tier answers for which part of a range. The points themselves where they are all there is that is exact, else the
// coarsest tier that is fine enough; a coarser one than asked for only where nothing finer is left, and then the answer says so.
import type { Columns } from '../../series/columns.ts'
import type { Tier } from '../../series/rollup.ts'
import type { PartitionRow } from '../catalogue.ts'
import type { PointsReader } from './points-reader.ts'

export interface Piece {
  readonly tier: Tier
  readonly fromMs: number
  /** Not included. */
  readonly endMs: number
  /** The partitions of the tier; of the points too, but their reader finds them itself. */
  readonly rows: readonly PartitionRow[]
}

const coarser: readonly Tier[] = ['raw', 'minute', 'hour', 'day']

/**
 * For one series: pieces that cover what there is from `fromMs` on and before `endMs`, in the order of time. `asked` is the coarsest tier
 * that is fine enough; `head` the points that are not in partitions.
 */
export function planOf(
  reader: PointsReader,
  catalogue: readonly PartitionRow[],
  series: number,
  head: Columns,
  fromMs: number,
  endMs: number,
  asked: Tier,
): Piece[] {
  const inRange = catalogue.filter((row) => row.startMs < endMs && row.endMs > fromMs)
  const groupsOf = (tier: Tier) =>
    sameStretch(inRange.filter((row) => row.tier === tier && (row.state === 'stale' || row.state === 'whole')))
  const gone = new Set(inRange.filter(({ state }) => state === 'gone').map(({ startMs }) => startMs))
  const pieces: Piece[] = []
  const open: [number, number][] = []
  let at = fromMs
  for (const stretch of reader.stretches(head, fromMs, endMs)) {
    const [start, end] = [Math.max(fromMs, stretch.startMs), Math.min(endMs, stretch.endMs)]
    if (start >= end || !hasPoints(stretch.startMs, start, end)) continue
    const isExact = asked !== 'raw' && stretch.headPart.times.length === 0 && !stretch.rows.some((row) => reader.isStale(row, series))
    if (isExact) continue // left open, for the tiers
    if (at < start) open.push([at, start])
    pieces.push({ tier: 'raw', fromMs: start, endMs: end, rows: [] })
    at = end
  }
  if (at < endMs) open.push([at, endMs])
  return pieces.concat(open.flatMap(([start, end]) => covered(start, end))).sort((a, b) => a.fromMs - b.fromMs)

  /** Where points were let go of: whether this series is of another rule and has its own still. Late ones are in the tiers soon. */
  function hasPoints(stretchMs: number, start: number, end: number): boolean {
    if (!gone.has(stretchMs)) return true
    return reader.has(
      inRange.filter(({ tier, startMs, state }) => tier === 'raw' && startMs === stretchMs && (state === 'stale' || state === 'whole')),
      series,
      start,
      end,
    )
  }

  function covered(start: number, end: number): Piece[] {
    const place = coarser.indexOf(asked)
    const order = [...coarser.slice(0, place + 1).reverse(), ...coarser.slice(place + 1)]
    return cover(start, end, order)
  }

  function cover(start: number, end: number, [tier, ...others]: readonly Tier[]): Piece[] {
    if (tier === undefined || start >= end) return []
    const pieces: Piece[] = []
    let at = start
    for (const rows of groupsOf(tier)) {
      const [from, to] = [Math.max(at, rows[0]!.startMs), Math.min(end, rows[0]!.endMs)]
      if (from >= to) continue
      // The minute tier is not made where it does not pay: then the points are there.
      if (tier === 'minute' && !reader.has(rows, series, from, to)) continue
      if (tier === 'raw' && !hasPoints(rows[0]!.startMs, from, to)) continue
      pieces.push(...cover(at, from, others))
      pieces.push({ tier, fromMs: from, endMs: to, rows })
      at = to
    }
    return [...pieces, ...cover(at, end, others)]
  }
}

/** Rows of the same stretch belong to different retention rules. Rows come in the order of time. */
function sameStretch(rows: readonly PartitionRow[]): PartitionRow[][] {
  const groups: PartitionRow[][] = []
  for (const row of rows) {
    const last = groups.at(-1)
    if (last?.[0]?.startMs === row.startMs) last.push(row)
    else groups.push([row])
  }
  return groups
}
