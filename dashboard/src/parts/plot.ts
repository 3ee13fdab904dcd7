// How a chart is drawn: the options uPlot is given, where the gaps are, what stands at the end of the line.
import type Plot from 'uplot'
import { gapsIn, lonelyPoints } from '../columns.ts'
import { axisTime, momentIn, shortNumber } from '../format.ts'
import type { Series } from '../history.ts'
import { words } from '../words.ts'
import { colours } from './theme.ts'
import { uPlot } from './uplot.ts'

export const chartHeight = 168

export const lineWidth = 1.5
const gapWidthMin = 3
/** Room for the newest value, right of "now", and for the numbers of the axis. */
export const endWidth = 64
const axisWidth = 52
/** What of a chart's width no points are drawn on. */
export const plotPadding = endWidth + axisWidth
/** Marks, along the time axis, where only coarser data is left. */
const coarseHeight = 3
const axisFont = '11px system-ui, sans-serif'
export const endFont = '550 13px system-ui, sans-serif'

export interface Shown {
  /** What is drawn now; it changes under the plot. */
  readonly series: () => Series
  readonly boolean: boolean
  /** Where the axis begins; without it, near the lowest value. */
  readonly floor?: number | undefined
  /** Tells what the cursor points at. */
  readonly pointed: { value: string }
}

export function valueText(n: number, boolean: boolean): string {
  return boolean ? words.device.boolean[n >= 0.5 ? 1 : 0] : shortNumber(n)
}

export function plotOptions({ series, boolean, pointed, floor }: Shown, width: number): Plot.Options {
  const value = (n: number) => valueText(n, boolean)
  return {
    width,
    height: chartHeight,
    ms: 1,
    padding: [12, endWidth, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      bind: { dblclick: () => null }, // it would show all points there are; drag.ts goes back instead
      sync: { key: 'device', scales: ['x', null] },
      points: { size: 7, width: 0, fill: () => colours.peek().accent },
    },
    scales: { x: { time: true }, y: { range: (_, min, max) => (boolean ? [-0.15, 1.15] : valueRange(min, max, floor)) } },
    axes: [xAxis(), yAxis(boolean, value)],
    series: [
      {},
      {
        width: lineWidth,
        stroke: () => colours.peek().accent,
        fill: () => colours.peek().accentFaint,
        fillTo: (plot) => plot.scales['y']?.min ?? 0,
        ...(boolean ? { paths: uPlot.peek()!.paths.stepped!({ align: 1 }) } : {}),
        gaps: (plot) => gapPixels(plot, series(), boolean),
        points: {
          size: 5,
          width: 0,
          fill: () => colours.peek().accent,
          show: true,
          filter: (plot) => lonelyPoints(plot.data[0].length, visibleGaps(plot, series())),
        },
      },
    ],
    hooks: {
      drawAxes: [(plot) => drawCoarse(plot, series())],
      draw: [(plot) => drawEnd(plot, value)],
      setCursor: [
        (plot) => {
          const { idx, left } = plot.cursor
          const time = idx == null ? undefined : plot.data[0][idx]
          const { min, max } = plot.scales['x']!
          const moment = time === undefined || (left ?? -1) < 0 ? '' : momentIn(time, (max ?? 0) - (min ?? 0))
          pointed.value = moment === '' ? '' : `${moment}  ${value(plot.data[1]![idx!]!)}`
        },
      ],
    },
  }
}

/** Wide enough for a flat line to lie in the middle, and rounded outward so that the scale does not tremble with each value. */
export function valueRange(min: number | null, max: number | null, floor?: number): [number, number] {
  if (min === null || max === null) return [0, 1]
  if (min === max) return [floor ?? min - Math.max(1, Math.abs(min) * 0.1), max + Math.max(1, Math.abs(max) * 0.1)]
  const [low, high] = uPlot.peek()!.rangeNum(min, max, 0.1, true)
  return [floor ?? low ?? min, high ?? max]
}

export function xAxis(): Plot.Axis {
  return {
    stroke: () => colours.peek().faint,
    font: axisFont,
    size: 24,
    gap: 6,
    space: 64,
    grid: { show: false },
    ticks: { show: false },
    values: (_, splits, _axis, _space, stepMs) => splits.map((at) => axisTime(at, stepMs)),
  }
}

export function yAxis(boolean: boolean, value: (n: number) => string | undefined): Plot.Axis {
  return {
    stroke: () => colours.peek().faint,
    font: axisFont,
    size: axisWidth,
    gap: 8,
    space: 32,
    grid: { stroke: () => colours.peek().line, width: 1 },
    ticks: { show: false },
    ...(boolean ? { splits: () => [0, 1] } : {}),
    values: (_, splits) => splits.map((n) => value(n) ?? ''),
  }
}

/** A gap of a pixel or two tells nothing and looks like a fault of the screen. */
function visibleGaps(plot: Plot, { columnMs }: Series): number[] {
  const times = plot.data[0] as Float64Array
  const { min, max } = plot.scales['x']!
  const leastMs = (((max ?? 0) - (min ?? 0)) * gapWidthMin * devicePixelRatio) / Math.max(1, plot.bbox.width)
  return gapsIn(times, columnMs).filter((i) => times[i + 1]! - times[i]! > leastMs)
}

function gapPixels(plot: Plot, series: Series, boolean: boolean): Plot.Series.Gaps {
  const at = (i: number) => Math.round(plot.valToPos(plot.data[0][i]!, 'x', true))
  // A step rises at the end of the gap: without the stroke's width more, half of that rise would be seen.
  const more = boolean ? Math.ceil(lineWidth * devicePixelRatio) : 0
  return visibleGaps(plot, series).map((i) => [at(i), at(i + 1) + more])
}

function drawCoarse(plot: Plot, { coarse }: Series): void {
  const { ctx, bbox } = plot
  const height = coarseHeight * devicePixelRatio
  const inside = (atMs: number) => Math.min(Math.max(plot.valToPos(atMs, 'x', true), bbox.left), bbox.left + bbox.width)
  ctx.save()
  ctx.fillStyle = colours.peek().faint
  for (const { from, to } of coarse) ctx.fillRect(inside(from), bbox.top + bbox.height - height, inside(to) - inside(from), height)
  ctx.restore()
}

/** The newest value in words at the right end of its line. */
function drawEnd(plot: Plot, value: (n: number) => string | undefined): void {
  const times = plot.data[0]
  const last = times.length - 1
  const newest = plot.data[1]?.[last]
  if (last < 0 || newest == null) return
  const { ctx, bbox } = plot
  const ratio = devicePixelRatio
  const at = plot.valToPos(times[last]!, 'x', true)
  const right = bbox.left + bbox.width
  if (at < bbox.left || at > right + 2 * ratio) return // a picture that is scaled until the next answer is here
  const x = Math.min(at, right)
  const y = plot.valToPos(newest, 'y', true)
  ctx.save()
  ctx.fillStyle = colours.peek().accent
  ctx.beginPath()
  ctx.arc(x, y, 2.5 * ratio, 0, 2 * Math.PI)
  ctx.fill()
  ctx.font = endFont.replace('13px', `${13 * ratio}px`)
  ctx.textAlign = 'left'
  ctx.textBaseline = 'middle'
  ctx.fillStyle = colours.peek().text
  ctx.fillText(value(newest) ?? '', x + 8 * ratio, y)
  ctx.restore()
}
