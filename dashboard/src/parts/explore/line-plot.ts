// How several lines are drawn into one picture: their colours and dashes, gaps of each, the newest values at their ends.
import type Plot from 'uplot'
import { gapsIn, lonelyPoints } from '../../columns.ts'
import type { Line } from '../../explore-lines.ts'
import { endFont, endWidth, lineWidth, valueRange, valueText, xAxis, yAxis } from '../plot.ts'
import { colours } from '../theme.ts'
import { uPlot } from '../uplot.ts'

export const linesHeight = 220

const gapWidthMin = 3
/** A bucket without points is one step too long; months differ by less. */
const bucketGap = 1.5
/** Names at the ends of lines that lie closer would be written over one another. */
const endApart = 15
const dash = [8, 4]
const earlierDash = [2, 3]
const earlierAlpha = 0.75

/** Shows what each line says at a moment; null: the pointer is elsewhere. */
export type OnPoint = (atMs: number | null) => void

export function linePlotOptions(lines: () => readonly Line[], onPoint: OnPoint, width: number): Plot.Options {
  const boolean = lines().length > 0 && lines().every((line) => line.boolean)
  const value = (n: number) => valueText(n, boolean)
  return {
    width,
    height: linesHeight,
    ms: 1,
    padding: [12, endWidth, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      bind: { dblclick: () => null }, // drag.ts goes back instead
      sync: { key: 'explore', scales: ['x', null] },
      points: { size: 6, width: 0, fill: (_, at) => colourOf(lines()[at - 1]?.place ?? 0) },
    },
    scales: { x: { time: true }, y: { range: (_, min, max) => (boolean ? [-0.15, 1.15] : valueRange(min, max)) } },
    axes: [xAxis(), yAxis(boolean, value)],
    series: [{}, ...lines().map((_, at) => seriesOptions(lines, at, boolean))],
    hooks: {
      draw: [(plot) => drawEnds(plot, lines(), value)],
      setCursor: [({ cursor: { left }, posToVal }) => onPoint(left === undefined || left < 0 ? null : posToVal(left, 'x'))],
    },
  }
}

export function colourOf(place: number): string {
  const { series } = colours.peek()
  return series[place % series.length] ?? ''
}

/** The sixth line has the colour of the first. */
export function isDashed(place: number): boolean {
  return place >= colours.peek().series.length
}

/** What one line says at a moment: its point there or the nearest, unless it was silent. Null without one. */
export function valueAt(line: Line, atMs: number): number | null {
  const { times, values } = line.series.columns
  const next = firstFrom(times, atMs)
  const [before, after] = [times[next - 1], times[next]]
  if (before === undefined && after === undefined) return null
  if (before === undefined || after === undefined) {
    const [edge, i] = before === undefined ? [after!, next] : [before, next - 1]
    return Math.abs(edge - atMs) <= stepOf(line) ? values[i]! : null
  }
  if (gapsAfter(line, times).includes(next - 1)) return null
  return values[atMs - before < after - atMs ? next - 1 : next]!
}

function stepOf({ everyMs, series: { columns } }: Line): number {
  const { times } = columns
  return Math.max(everyMs, times.length < 2 ? 0 : ((times.at(-1)! - times[0]!) / (times.length - 1)) * 5)
}

function seriesOptions(lines: () => readonly Line[], at: number, boolean: boolean): Plot.Series {
  const line = () => lines()[at]!
  const { place, earlier } = line()
  const isAlone = lines().length === 1
  return {
    width: earlier ? 1.25 : lineWidth,
    stroke: () => colourOf(place),
    alpha: earlier ? earlierAlpha : 1,
    ...(earlier ? { dash: earlierDash } : isDashed(place) ? { dash } : {}),
    ...(isAlone ? { fill: () => colours.peek().accentFaint, fillTo: (plot) => plot.scales['y']?.min ?? 0 } : {}),
    ...(boolean ? { paths: uPlot.peek()!.paths.stepped!({ align: 1 }) } : {}),
    gaps: (plot) => gapPixels(plot, line()),
    points: {
      size: 5,
      width: 0,
      fill: () => colourOf(place),
      show: true,
      // Its own points lie among those of the others.
      filter: (plot) => {
        const { times } = line().series.columns
        return lonelyPoints(times.length, visibleGaps(plot, line())).map((i) => firstFrom(plot.data[0], times[i]!))
      },
    },
  }
}

function gapsAfter({ everyMs, series }: Line, times: Float64Array): number[] {
  if (everyMs === 0) return gapsIn(times, series.columnMs)
  const gaps: number[] = []
  for (let i = 0; i + 1 < times.length; i++) if (times[i + 1]! - times[i]! > everyMs * bucketGap) gaps.push(i)
  return gaps
}

function visibleGaps(plot: Plot, line: Line): number[] {
  const { times } = line.series.columns
  const { min, max } = plot.scales['x']!
  const leastMs = (((max ?? 0) - (min ?? 0)) * gapWidthMin * devicePixelRatio) / Math.max(1, plot.bbox.width)
  return gapsAfter(line, times).filter((i) => times[i + 1]! - times[i]! > leastMs)
}

function gapPixels(plot: Plot, line: Line): Plot.Series.Gaps {
  const { times } = line.series.columns
  const at = (i: number) => Math.round(plot.valToPos(times[i]!, 'x', true))
  // A step rises at the end of the gap: without the stroke's width more, half of that rise would be seen.
  const more = line.boolean ? Math.ceil(lineWidth * devicePixelRatio) : 0
  return visibleGaps(plot, line).map((i) => [at(i), at(i + 1) + more])
}

/** The newest values in words, from the first line on, as far as there is room. */
function drawEnds(plot: Plot, lines: readonly Line[], value: (n: number) => string): void {
  const { ctx, bbox } = plot
  const ratio = devicePixelRatio
  const written: number[] = []
  ctx.save()
  ctx.font = endFont.replace('13px', `${13 * ratio}px`)
  ctx.textAlign = 'left'
  ctx.textBaseline = 'middle'
  for (const { place, earlier, series } of lines) {
    const { lastTime, lastValue, length } = series.columns
    const at = length === 0 ? Number.NaN : plot.valToPos(lastTime, 'x', true)
    if (earlier || !(at >= bbox.left && at <= bbox.left + bbox.width + 2 * ratio)) continue
    const [x, y] = [Math.min(at, bbox.left + bbox.width), plot.valToPos(lastValue, 'y', true)]
    ctx.fillStyle = colourOf(place)
    ctx.beginPath()
    ctx.arc(x, y, 2.5 * ratio, 0, 2 * Math.PI)
    ctx.fill()
    if (written.some((other) => Math.abs(other - y) < endApart * ratio)) continue
    written.push(y)
    ctx.fillStyle = colours.peek().text
    ctx.fillText(value(lastValue), x + 8 * ratio, y)
  }
  ctx.restore()
}

/** The index of the first time that is not before this one. */
function firstFrom(times: ArrayLike<number>, atMs: number): number {
  let [from, to] = [0, times.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (times[middle]! < atMs) from = middle + 1
    else to = middle
  }
  return from
}
