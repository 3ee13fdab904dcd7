// Rows of the questions, as SQL gives them, turned into answers.
import type { Answers } from './store-questions.ts'

type Rows = readonly (readonly number[])[]

/** Rows of time and value. */
export function hourOf(rows: Rows): Answers['hour'] {
  return { times: column(rows, 0), values: column(rows, 1) }
}

/** Rows of hour, lowest, highest and average. */
export function dayOf(rows: Rows): Answers['day'] {
  return { starts: column(rows, 0), mins: column(rows, 1), maxs: column(rows, 2), avgs: column(rows, 3) }
}

/** Rows of place, count, lowest and highest. */
export function chartOf(rows: Rows): Answers['chart'] {
  const [counts, mins, maxs] = [column(rows, 1), column(rows, 2), column(rows, 3)]
  return {
    count: counts.reduce((sum, count) => sum + count, 0),
    min: Math.min(...mins),
    max: Math.max(...maxs),
    drawn: counts.reduce((sum, count) => sum + Math.min(count, 2), 0),
  }
}

/** Rows of series, time and value. */
export function latestOf(rows: Rows): Answers['latest'] {
  return new Map(rows.map(([series, atMs, value]) => [series!, { atMs: atMs!, value: value! }]))
}

function column(rows: Rows, at: number): number[] {
  return rows.map((row) => row[at]!)
}
