// Time zones: what the clocks on the wall show, from the tables that Node brings along. A local time is written as the Unix ms at which a
// clock in UTC shows the same.

const dayMs = 86_400_000

/** Making a formatter takes a hundred times as long as asking it. */
const formatters = new Map<string, Intl.DateTimeFormat>()
const formattersMax = 500

/** Looking this often finds every change: the shortest summer time since 1900 took a week less one hour, in Recife in 2000. */
const lookEveryMs = 6 * dayMs

/** How far local time is ahead of UTC, in ms, from `fromMs` until the next stretch begins. */
interface Stretch {
  readonly fromMs: number
  readonly offsetMs: number
}

export class Zone {
  readonly #formatter: Intl.DateTimeFormat

  private constructor(formatter: Intl.DateTimeFormat) {
    this.#formatter = formatter
  }

  /** By its IANA name, or an offset such as `+05:30`; undefined when there is none of this name. */
  static named(name: string): Zone | undefined {
    const known = formatters.get(name)
    if (known !== undefined) return new Zone(known)
    try {
      const formatter = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' })
      if (formatters.size >= formattersMax) formatters.clear() // one name can be written in many ways
      formatters.set(name, formatter)
      return new Zone(formatter)
    } catch {
      return undefined
    }
  }

  /** How far local time is ahead of UTC, in ms: whole seconds, before there was standard time too. Takes about 5 µs. */
  offsetAt(atMs: number): number {
    const found = /GMT([+-])(\d+):(\d+)(?::(\d+))?$/.exec(this.#formatter.format(atMs))
    if (found === null) return 0
    const [, sign, hours, minutes, seconds = 0] = found
    return (sign === '-' ? -1000 : 1000) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds))
  }

  /** Between which moments clocks run evenly; the first stretch begins at `fromMs`. */
  stretches(fromMs: number, toMs: number): Stretch[] {
    let before = { fromMs: Math.floor(fromMs / 1000) * 1000, offsetMs: this.offsetAt(fromMs) }
    const stretches: Stretch[] = [before]
    while (before.fromMs < toMs) {
      const after = { fromMs: before.fromMs + lookEveryMs, offsetMs: this.offsetAt(before.fromMs + lookEveryMs) }
      this.#changesBetween(before, after, stretches)
      before = after
    }
    return stretches
  }

  #changesBetween(before: Stretch, after: Stretch, stretches: Stretch[]): void {
    if (before.offsetMs === after.offsetMs) return
    if (after.fromMs - before.fromMs <= 1000) {
      stretches.push(after)
      return
    }
    const middleMs = Math.floor((before.fromMs + after.fromMs) / 2000) * 1000
    const middle = { fromMs: middleMs, offsetMs: this.offsetAt(middleMs) }
    this.#changesBetween(before, middle, stretches)
    this.#changesBetween(middle, after, stretches)
  }
}

/** The offset at any moment that stretches cover, without asking the tables again. Quick for questions in the order of time. */
export function offsetsOf(stretches: readonly Stretch[]): (atMs: number) => number {
  let at = 0
  return (atMs) => {
    while (at > 0 && stretches[at]!.fromMs > atMs) at -= 1
    while (at + 1 < stretches.length && stretches[at + 1]!.fromMs <= atMs) at += 1
    return stretches[at]!.offsetMs
  }
}

/** The first moment at which the clocks show this local time (whole seconds), or a later one where they jump over it. */
export function momentOf(localMs: number, offsetAt: (atMs: number) => number): number {
  const before = offsetAt(localMs - dayMs)
  const after = offsetAt(localMs + dayMs)
  if (before === after) return localMs - before
  const early = localMs - Math.max(before, after)
  const late = localMs - Math.min(before, after)
  for (const atMs of [early, late]) if (atMs + offsetAt(atMs) === localMs) return atMs

  let [lowMs, highMs] = [early, late]
  while (highMs - lowMs > 1000) {
    const middleMs = Math.floor((lowMs + highMs) / 2000) * 1000
    if (offsetAt(middleMs) === before) lowMs = middleMs
    else highMs = middleMs
  }
  return highMs
}
