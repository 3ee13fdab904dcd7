// In a query thread: of which time an answer is made from a coarser tier than was asked for, since nothing finer is left.
import { type Tier, tierMs } from '../../series/rollup.ts'
import type { CoarseSpan } from '../../telemetry.ts'
import { stretchOf } from '../stretches.ts'
import type { Budget } from './budget.ts'
import type { Piece } from './plan.ts'
import type { PointsReader } from './points-reader.ts'

export class Coarse {
  readonly #reader: PointsReader
  readonly #asked: Tier
  readonly #budget: Budget
  /** By tier and begin: many series have the same. */
  readonly #spans = new Map<string, CoarseSpan>()

  constructor(reader: PointsReader, asked: Tier, budget: Budget) {
    this.#reader = reader
    this.#asked = asked
    this.#budget = budget
  }

  /** A piece of the plan of this series that answers. Where the series had no points nothing is missing. */
  note({ tier, rows, fromMs, endMs }: Piece, series: number): void {
    if (tier === 'raw' || (this.#asked !== 'raw' && tierMs[tier] <= tierMs[this.#asked])) return
    let behind = Number.NEGATIVE_INFINITY
    const wholeMs = stretchOf('raw', fromMs).startMs // a bucket may begin before the piece does
    for (const bucketMs of this.#reader.rollup(rows, series, wholeMs, endMs, this.#budget)?.starts ?? []) {
      if (bucketMs < behind) continue
      const stretch = stretchOf('raw', bucketMs) // points go by the stretch, even where some hours of it had none
      behind = stretch.endMs
      const from = Math.max(stretch.startMs, fromMs)
      this.#spans.set(`${tier} ${from}`, { from, to: Math.min(stretch.endMs, endMs), tier })
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
