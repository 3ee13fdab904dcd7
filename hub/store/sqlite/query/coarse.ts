// In a query thread: of which time an answer is made from a coarser tier than was asked for, since nothing finer is left.
import { type Tier, tierMs } from '../../series/rollup.ts'
import type { CoarseSpan } from '../../telemetry.ts'
import type { Piece } from './plan.ts'
import type { PointsReader } from './points-reader.ts'

export class Coarse {
  readonly #reader: PointsReader
  readonly #asked: Tier
  /** By tier and begin: many series have the same. */
  readonly #spans = new Map<string, CoarseSpan>()

  constructor(reader: PointsReader, asked: Tier) {
    this.#reader = reader
    this.#asked = asked
  }

  /** A piece of the plan of this series that answers. Where the series had no points nothing is missing. */
  note(piece: Piece, series: number): void {
    const { tier, rows, fromMs, endMs } = piece
    if (tier === 'raw' || (this.#asked !== 'raw' && tierMs[tier] <= tierMs[this.#asked])) return
    for (const filled of this.#reader.filled(rows, series, fromMs, endMs)) {
      const from = Math.max(filled.startMs, fromMs)
      this.#spans.set(`${tier} ${from}`, { from, to: Math.min(filled.endMs, endMs), tier })
    }
  }

  /** In the order of time, neighbours as one. */
  spans(): CoarseSpan[] {
    const spans: CoarseSpan[] = []
    for (const span of [...this.#spans.values()].sort((a, b) => a.from - b.from)) {
      const last = spans.at(-1)
      if (last?.to === span.from && last.tier === span.tier) spans[spans.length - 1] = { ...last, to: span.to }
      else spans.push(span)
    }
    return spans
  }
}
