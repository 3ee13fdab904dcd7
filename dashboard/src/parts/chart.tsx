// One chart of one metric. uPlot draws; this decides when, and says in words what is drawn.
import { effect, signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { count, date, dateTime } from '../format.ts'
import type { Series } from '../history.ts'
import { rangesMs, spanOf, type View } from '../range.ts'
import { hubNow, now } from '../state.ts'
import { words } from '../words.ts'
import { dragToZoom } from './drag.ts'
import { chartHeight, plotOptions, valueText } from './plot.ts'
import { colours } from './theme.ts'
import { uPlot } from './uplot.ts'

/** Up to this many ms a pixel each live value is drawn at once; in longer ranges it would move nothing that can be seen. */
export const pixelMsAtOnce = 2_000
export const drawEveryMsMax = 10_000
const coarseSpansNamed = 2
const dayMs = 86_400_000

export interface Drawn {
  /** Time went on, or a value came. */
  onTime(): void
}

export const onScreen = new Set<Drawn>()
let drawRequest = 0

/** All charts on screen that go on live are drawn with the next frame, however often this is called before it. */
export function drawCharts(): void {
  if (drawRequest !== 0) return
  drawRequest = requestAnimationFrame(() => {
    drawRequest = 0
    for (const chart of onScreen) chart.onTime()
  })
}

export interface ChartProps {
  readonly series: Series
  readonly boolean: boolean
  /** Where the axis begins; without it, near the lowest value. */
  readonly floor?: number
  readonly view: View
  /** The view in words. */
  readonly range: string
  /** Without these the range stays as it is. */
  readonly onZoom?: (fromMs: number, toMs: number) => void
  readonly onBack?: () => void
}

export function Chart(props: ChartProps) {
  const { series, boolean, floor, view, range } = props
  const place = useRef<HTMLDivElement>(null)
  const pointed = useRef(signal('')).current
  const empty = useRef(signal(false)).current
  const latest = useRef(props)
  latest.current = props
  const draw = useRef<() => void>(() => {})

  useEffect(() => {
    const element = place.current!
    const Plot = uPlot.peek()!
    const plot = new Plot(
      plotOptions({ series: () => latest.current.series, boolean, floor, pointed }, element.clientWidth),
      [[], []],
      element,
    )
    let drawnAtMs = 0
    let visible = false
    draw.current = () => {
      if (!visible) return
      const { series, view } = latest.current
      const toMs = now.peek() > hubNow() - 1_500 ? hubNow() : now.peek() // stale: time stands still
      const span = spanOf(view, toMs)
      drawnAtMs = toMs
      if (series.liveMs !== null) series.columns.trim(toMs - series.liveMs)
      empty.value = !hasPointsIn(series, span.fromMs, span.toMs)
      plot.batch(() => {
        plot.setData([series.columns.times, series.columns.values], false)
        plot.setScale('x', { min: span.fromMs, max: span.toMs })
      })
    }
    const drawn: Drawn = {
      onTime() {
        const { view } = latest.current
        if (view.is === 'still') return
        const pixelMs = rangesMs[view.name] / Math.max(1, plot.over.clientWidth)
        if (pixelMs > pixelMsAtOnce && hubNow() - drawnAtMs < Math.min(pixelMs / 4, drawEveryMsMax)) return
        draw.current()
      },
    }
    const seen = new IntersectionObserver(([entry]) => {
      visible = entry?.isIntersecting === true
      if (visible) {
        onScreen.add(drawn)
        draw.current()
      } else onScreen.delete(drawn)
    })
    const sized = new ResizeObserver(() => {
      if (element.clientWidth !== plot.width) plot.setSize({ width: element.clientWidth, height: chartHeight })
    })
    seen.observe(element)
    sized.observe(element)
    const { onZoom, onBack } = props
    const stopDrag =
      onZoom === undefined || onBack === undefined
        ? () => {}
        : dragToZoom(
            plot,
            (fromMs, toMs) => latest.current.onZoom?.(fromMs, toMs),
            () => latest.current.onBack?.(),
          )
    const stopTheme = effect(() => {
      colours.value
      plot.redraw(false)
    })
    return () => {
      stopTheme()
      stopDrag()
      sized.disconnect()
      seen.disconnect()
      onScreen.delete(drawn)
      plot.destroy()
    }
  }, [boolean])

  // The old points stay, scaled to the new range, until those of the new range are here.
  useEffect(() => draw.current(), [series, view])

  const made = madeOf(series)
  return (
    <figure class="chart" id={`chart-${series.metric}`}>
      <figcaption>
        <h3>{series.metric}</h3>
        <span class="pointed">{pointed}</span>
      </figcaption>
      <div
        class="plot"
        ref={place}
        role="img"
        title={props.onZoom === undefined ? undefined : words.device.dragHint}
        aria-label={words.device.chartLabel(series.metric, range)}
        aria-description={describe(series, boolean)}
      />
      <p class="made" title={made}>
        {made}
      </p>
      <NoPoints empty={empty} />
    </figure>
  )
}

function NoPoints({ empty }: { empty: { readonly value: boolean } }) {
  return empty.value ? <p class="no-points">{words.device.noPoints}</p> : null
}

/** The line enters from a point before the range, which is therefore no sign of an empty one. */
function hasPointsIn({ columns: { times } }: Series, fromMs: number, toMs: number): boolean {
  return times.length > 0 && times[0]! <= toMs && times[times.length - 1]! >= fromMs
}

/** What the picture is made from, when it is not simply all points. */
export function madeOf({ tiers, coarse, thinnedFrom }: Pick<Series, 'tiers' | 'coarse' | 'thinnedFrom'>): string {
  const { device } = words
  const thinned = thinnedFrom === null ? '' : device.thinned(count(thinnedFrom))
  const parts =
    tiers.at(-1) === undefined || tiers.at(-1) === 'raw'
      ? [thinned]
      : [device.made(tiers.map((tier) => device.tiers[tier]).reverse(), thinned)]
  for (const { from, to, tier } of coarse.slice(0, coarseSpansNamed)) {
    const text = to - from < 2 * dayMs ? dateTime : date
    parts.push(device.coarse[tier ?? 'nothing'](text(from), text(to)))
  }
  if (coarse.length > coarseSpansNamed) parts.push(device.coarse.more(count(coarse.length - coarseSpansNamed)))
  return parts.filter((part) => part !== '').join(' · ')
}

/** For those who do not see the picture. */
function describe({ columns: { values } }: Series, boolean: boolean): string {
  if (values.length === 0) return words.device.noPoints
  let [low, high] = [values[0]!, values[0]!]
  for (const value of values) {
    if (value < low) low = value
    if (value > high) high = value
  }
  const [lowest, highest, newest] = [low, high, values[values.length - 1]!].map((value) => valueText(value, boolean)) as [
    string,
    string,
    string,
  ]
  return words.device.chartSays(count(values.length), lowest, highest, newest)
}
