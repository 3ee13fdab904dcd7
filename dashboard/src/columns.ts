// The points of one chart: two typed columns that grow, stay in order of time and let go of what left the range.
// Never mapped to objects: uPlot reads views of the same memory.

/** Silence longer than this many usual steps is drawn as a gap. */
const gapSteps = 5
/** The same of a thinned history, in the steps around it: those are parts of one stretch, and a silence is at least two. */
const thinnedGapSteps = 3
const neverThinned = () => 0
const capacityMin = 256
/** Steps looked at for the usual one: enough for a median, cheap enough for every drawing. */
const stepsSampled = 255
const stepsNear = 9
const near = new Float64Array(stepsNear)

export class Columns {
  #times = new Float64Array(capacityMin)
  #values = new Float64Array(capacityMin)
  /** First and one past the last point in use: trimming moves `#from`, nothing is copied until the end is met. */
  #from = 0
  #to = 0

  get length(): number {
    return this.#to - this.#from
  }

  get lastTime(): number {
    return this.length === 0 ? Number.NEGATIVE_INFINITY : this.#times[this.#to - 1]!
  }

  get lastValue(): number {
    return this.length === 0 ? Number.NaN : this.#values[this.#to - 1]!
  }

  /** Views, valid until the next change. */
  get times(): Float64Array {
    return this.#times.subarray(this.#from, this.#to)
  }

  get values(): Float64Array {
    return this.#values.subarray(this.#from, this.#to)
  }

  /** A point of the same time is replaced, one that comes late is put where it belongs. */
  insert(time: number, value: number): void {
    if (this.#to === this.#times.length) this.#makeRoom()
    let at = this.#to
    while (at > this.#from && this.#times[at - 1]! > time) at -= 1 // nearly always no step at all
    if (at > this.#from && this.#times[at - 1] === time) {
      this.#values[at - 1] = value
      return
    }
    this.#times.copyWithin(at + 1, at, this.#to)
    this.#values.copyWithin(at + 1, at, this.#to)
    this.#times[at] = time
    this.#values[at] = value
    this.#to += 1
  }

  /** Drops what is older than `fromMs`, but for the last such point: the line enters the chart from its edge. */
  trim(fromMs: number): void {
    while (this.length >= 2 && this.#times[this.#from + 1]! <= fromMs) this.#from += 1
  }

  #makeRoom(): void {
    const { times, values, length } = this
    const capacity = Math.max(capacityMin, length * 2)
    this.#times = new Float64Array(capacity)
    this.#values = new Float64Array(capacity)
    this.#times.set(times)
    this.#values.set(values)
    this.#from = 0
    this.#to = length
  }
}

/** The step most points keep: a median, which a pause or a burst does not move. NaN below two points. */
export function usualStep(times: Float64Array): number {
  const steps = times.length - 1
  if (steps < 1) return Number.NaN
  const sampled = new Float64Array(Math.min(steps, stepsSampled))
  for (let i = 0; i < sampled.length; i++) {
    const at = Math.floor((i * steps) / sampled.length)
    sampled[i] = times[at + 1]! - times[at]!
  }
  return sampled.sort()[sampled.length >> 1]!
}

/**
 * Indexes after which the device was silent: the line stops there and begins again at the next point.
 *
 * A step has to be long for the whole chart and for its place in it. A week's history is thinned to minutes and goes on live in
 * seconds: once the seconds are the majority, the minutes before them are still no gaps.
 *
 * Where the hub sent the lowest and the highest point of each stretch, `columnMs` says how long these are around a moment. Two points of
 * neighbouring stretches may be two of them apart without a silence; past that, one stretch at least had no points.
 */
export function gapsIn(times: Float64Array, columnMs: (atMs: number) => number = neverThinned): number[] {
  const longestMs = usualStep(times) * gapSteps
  const gaps: number[] = []
  for (let i = 0; i + 1 < times.length; i++) {
    const step = times[i + 1]! - times[i]!
    const column = columnMs(times[i]!)
    const isLong = column > 0 ? step > column * 2 : step > longestMs
    if (isLong && step > usualStepNear(times, i) * (column > 0 ? thinnedGapSteps : gapSteps)) gaps.push(i)
  }
  return gaps
}

/** The median of the steps around one step: few, because in a thinned week this is asked for each of a thousand. */
function usualStepNear(times: Float64Array, at: number): number {
  const steps = Math.min(stepsNear, times.length - 1)
  const from = Math.max(0, Math.min(at - (stepsNear >> 1), times.length - 1 - steps))
  for (let i = 0; i < steps; i++) near[i] = times[from + i + 1]! - times[from + i]!
  return near.subarray(0, steps).sort()[steps >> 1]!
}

/** Points with a gap on both sides: no line shows them, so they need a dot. */
export function lonelyPoints(length: number, gaps: readonly number[]): number[] {
  if (length === 1) return [0]
  const lonely: number[] = []
  for (const [nth, gap] of gaps.entries()) {
    if ((nth === 0 ? -1 : gaps[nth - 1]) === gap - 1) lonely.push(gap)
  }
  if (gaps.at(-1) === length - 2) lonely.push(length - 1)
  return lonely
}
