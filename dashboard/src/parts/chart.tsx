// One live chart of one metric. uPlot draws; this decides when, where the gaps are and what stands at the end of the line.
import { effect, signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { gapsIn, lonelyPoints } from '../columns.ts'
import { axisTime, clockTime, shortNumber } from '../format.ts'
import type { Series } from '../history.ts'
import { hubNow, now } from '../state.ts'
import { words } from '../words.ts'
import { colours } from './theme.ts'

export const chartHeight = 168

const lineWidth = 1.5
const gapWidthMin = 3
/** Room for the newest value, right of "now". */
const endWidth = 64
const axisFont = '11px system-ui, sans-serif'
const endFont = '550 13px system-ui, sans-serif'

interface Drawn {
  draw(): void
}

const onScreen = new Set<Drawn>()
let drawRequest = 0

/** All charts on screen are drawn with the next frame, however often this is called before it. */
export function drawCharts(): void {
  if (drawRequest !== 0) return
  drawRequest = requestAnimationFrame(() => {
    drawRequest = 0
    for (const chart of onScreen) chart.draw()
  })
}

export interface ChartProps {
  readonly series: Series
  readonly boolean: boolean
  readonly rangeMs: number
  readonly rangeName: string
}

export function Chart({ series, boolean, rangeMs, rangeName }: ChartProps) {
  const place = useRef<HTMLDivElement>(null)
  const pointed = useRef(signal('')).current
  const empty = useRef(signal(false)).current

  useEffect(() => {
    const element = place.current!
    const plot = new uPlot(options(boolean, element.clientWidth, pointed), [[], []], element)
    const drawn: Drawn = {
      draw() {
        const toMs = now.peek() > hubNow() - 1_500 ? hubNow() : now.peek() // stale: time stands still
        series.columns.trim(toMs - rangeMs)
        empty.value = series.columns.length === 0
        plot.batch(() => {
          plot.setData([series.columns.times, series.columns.values], false)
          plot.setScale('x', { min: toMs - rangeMs, max: toMs })
        })
      },
    }
    const seen = new IntersectionObserver(([entry]) => {
      if (entry?.isIntersecting) {
        onScreen.add(drawn)
        drawn.draw()
      } else onScreen.delete(drawn)
    })
    const sized = new ResizeObserver(() => {
      if (element.clientWidth !== plot.width) plot.setSize({ width: element.clientWidth, height: chartHeight })
    })
    seen.observe(element)
    sized.observe(element)
    const stopTheme = effect(() => {
      colours.value
      plot.redraw(false)
    })
    return () => {
      stopTheme()
      sized.disconnect()
      seen.disconnect()
      onScreen.delete(drawn)
      plot.destroy()
    }
  }, [series, boolean, rangeMs])

  return (
    <figure class="chart" id={`chart-${series.metric}`}>
      <figcaption>
        <h3>{series.metric}</h3>
        <span class="pointed">{pointed}</span>
      </figcaption>
      <div class="plot" ref={place} role="img" aria-label={words.device.chartLabel(series.metric, rangeName)} />
      <NoPoints empty={empty} />
    </figure>
  )
}

function NoPoints({ empty }: { empty: { readonly value: boolean } }) {
  return empty.value ? <p class="no-points">{words.device.noPoints}</p> : null
}

function options(boolean: boolean, width: number, pointed: { value: string }): uPlot.Options {
  const value = (n: number) => (boolean ? words.device.boolean[n >= 0.5 ? 1 : 0] : shortNumber(n))
  return {
    width,
    height: chartHeight,
    ms: 1,
    padding: [12, endWidth, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      sync: { key: 'device', scales: ['x', null] },
      points: { size: 7, width: 0, fill: () => colours.peek().accent },
    },
    scales: { x: { time: true }, y: { range: (_, min, max) => (boolean ? [-0.15, 1.15] : valueRange(min, max)) } },
    axes: [xAxis(), yAxis(boolean, value)],
    series: [
      {},
      {
        width: lineWidth,
        stroke: () => colours.peek().accent,
        fill: () => colours.peek().accentFaint,
        fillTo: (plot) => plot.scales['y']?.min ?? 0,
        ...(boolean ? { paths: uPlot.paths.stepped!({ align: 1 }) } : {}),
        gaps: (plot) => gapPixels(plot, boolean),
        points: {
          size: 5,
          width: 0,
          fill: () => colours.peek().accent,
          show: true,
          filter: (plot) => lonelyPoints(plot.data[0].length, visibleGaps(plot)),
        },
      },
    ],
    hooks: {
      draw: [(plot) => drawEnd(plot, value)],
      setCursor: [
        (plot) => {
          const { idx, left } = plot.cursor
          const time = idx == null ? undefined : plot.data[0][idx]
          pointed.value = time === undefined || (left ?? -1) < 0 ? '' : `${clockTime(time)}  ${value(plot.data[1]![idx!]!)}`
        },
      ],
    },
  }
}

/** Wide enough for a flat line to lie in the middle, and rounded outward so that the scale does not tremble with each value. */
function valueRange(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null) return [0, 1]
  if (min === max) return [min - Math.max(1, Math.abs(min) * 0.1), max + Math.max(1, Math.abs(max) * 0.1)]
  const [low, high] = uPlot.rangeNum(min, max, 0.1, true)
  return [low ?? min, high ?? max]
}

function xAxis(): uPlot.Axis {
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

function yAxis(boolean: boolean, value: (n: number) => string | undefined): uPlot.Axis {
  return {
    stroke: () => colours.peek().faint,
    font: axisFont,
    size: 52,
    gap: 8,
    space: 32,
    grid: { stroke: () => colours.peek().line, width: 1 },
    ticks: { show: false },
    ...(boolean ? { splits: () => [0, 1] } : {}),
    values: (_, splits) => splits.map((n) => value(n) ?? ''),
  }
}

/** A gap of a pixel or two tells nothing and looks like a fault of the screen. */
function visibleGaps(plot: uPlot): number[] {
  const times = plot.data[0] as Float64Array
  const { min, max } = plot.scales['x']!
  const leastMs = (((max ?? 0) - (min ?? 0)) * gapWidthMin * devicePixelRatio) / Math.max(1, plot.bbox.width)
  return gapsIn(times).filter((i) => times[i + 1]! - times[i]! > leastMs)
}

function gapPixels(plot: uPlot, boolean: boolean): uPlot.Series.Gaps {
  const at = (i: number) => Math.round(plot.valToPos(plot.data[0][i]!, 'x', true))
  // A step rises at the end of the gap: without the stroke's width more, half of that rise would be seen.
  const more = boolean ? Math.ceil(lineWidth * devicePixelRatio) : 0
  return visibleGaps(plot).map((i) => [at(i), at(i + 1) + more])
}

/** The newest value in words at the right end of its line. */
function drawEnd(plot: uPlot, value: (n: number) => string | undefined): void {
  const times = plot.data[0]
  const last = times.length - 1
  const newest = plot.data[1]?.[last]
  if (last < 0 || newest == null) return
  const { ctx, bbox } = plot
  const ratio = devicePixelRatio
  const x = Math.min(plot.valToPos(times[last]!, 'x', true), bbox.left + bbox.width)
  if (x < bbox.left) return
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
