// Counters of the writer thread in memory that both threads see: the loop reads them at any time without asking.

/** Places in the shared array. */
export const figure = { points: 0, telemetryRefused: 1, projectedSeq: 2, damagedFrames: 3 } as const

export type SharedFigures = Float64Array<SharedArrayBuffer>

export function sharedFigures(): SharedFigures {
  return new Float64Array(new SharedArrayBuffer(Object.keys(figure).length * Float64Array.BYTES_PER_ELEMENT))
}
