// The picture of one metric: a line per device, and the table of their figures, which is its legend. uPlot draws; this decides when.
import { effect, signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { Line, Picture } from '../../explore-lines.ts'
import { type Figures, figuresOf } from '../../figures.ts'
import { count } from '../../format.ts'
import { rangesMs, type Span, spanOf, type View } from '../../range.ts'
import { hubNow, now } from '../../state.ts'
import { exploreWords } from '../../words/explore.ts'
import { words } from '../../words.ts'
import { type Drawn, drawEveryMsMax, madeOf, onScreen, pixelMsAtOnce } from '../chart.tsx'
import { dragToZoom } from '../drag.ts'
import { colours } from '../theme.ts'
import { uPlot } from '../uplot.ts'
import { FiguresTable } from './figures-table.tsx'
import { linePlotOptions, linesHeight, valueAt } from './line-plot.ts'

/** Figures change with live values, but nobody reads them faster. */
const figuresEveryMs = 1_000
const says = exploreWords

/** What the lines say where the cursor is. */
export interface Pointed {
  readonly atMs: number
  readonly spanMs: number
  readonly values: readonly (number | null)[]
}

/** What a line is called: what it is of, and for an earlier one how much. */
export interface LineName {
  readonly of: string
  readonly when: string
}

export interface LineChartProps {
  readonly picture: Picture
  readonly view: View
  readonly range: string
  readonly nameOf: (line: Line) => LineName
  readonly onZoom: (fromMs: number, toMs: number) => void
  readonly onBack: () => void
}

export function LineChart(props: LineChartProps) {
  const { picture, view, range } = props
  const { metric, lines, rest } = picture
  const place = useRef<HTMLDivElement>(null)
  const pointed = useRef(signal<Pointed | null>(null)).current
  const figures = useRef(signal<readonly Figures[]>([])).current
  const latest = useRef(props)
  latest.current = props
  const draw = useRef<() => void>(() => {})
  const kind = lines.map((line) => `${line.key} ${line.place} ${line.earlier} ${line.boolean}`).join('\n')

  useEffect(() => {
    const element = place.current!
    const linesNow = () => latest.current.picture.lines
    const point = (atMs: number | null) => {
      const { fromMs, toMs } = spanNow(latest.current.view)
      pointed.value = atMs === null ? null : { atMs, spanMs: toMs - fromMs, values: linesNow().map((line) => valueAt(line, atMs)) }
    }
    const empty = [[], ...linesNow().map(() => [])] as [number[], ...number[][]]
    const plot = new (uPlot.peek()!)(linePlotOptions(linesNow, point, element.clientWidth), empty, element)
    let drawnAtMs = 0
    let figuresAtMs = 0
    let visible = false
    const drawNow = () => {
      if (!visible) return
      const span = spanNow(latest.current.view)
      drawnAtMs = span.toMs
      for (const { series } of linesNow()) if (series.liveMs !== null) series.columns.trim(span.toMs - series.liveMs)
      plot.batch(() => {
        plot.setData(uPlot.peek()!.join(linesNow().map(({ series: { columns } }) => [columns.times, columns.values])), false)
        plot.setScale('x', { min: span.fromMs, max: span.toMs })
      })
      if (Date.now() - figuresAtMs >= figuresEveryMs) tell()
    }
    const tell = () => {
      const span = spanNow(latest.current.view)
      figuresAtMs = Date.now()
      figures.value = linesNow().map((line) => figuresOf(line, span))
    }
    const drawn: Drawn = {
      onTime() {
        const { view } = latest.current
        if (view.is === 'still') return
        const pixelMs = rangesMs[view.name] / Math.max(1, plot.over.clientWidth)
        if (pixelMs > pixelMsAtOnce && hubNow() - drawnAtMs < Math.min(pixelMs / 4, drawEveryMsMax)) return
        drawNow()
      },
    }
    // Another picture: its figures at once, on screen or not, because who cannot see reads them.
    draw.current = () => {
      tell()
      drawNow()
    }
    const seen = new IntersectionObserver(([entry]) => {
      visible = entry?.isIntersecting === true
      if (visible) {
        onScreen.add(drawn)
        draw.current()
      } else onScreen.delete(drawn)
    })
    const sized = new ResizeObserver(() => {
      if (element.clientWidth !== plot.width) plot.setSize({ width: element.clientWidth, height: linesHeight })
    })
    seen.observe(element)
    sized.observe(element)
    const stopDrag = dragToZoom(
      plot,
      (fromMs, toMs) => latest.current.onZoom(fromMs, toMs),
      () => latest.current.onBack(),
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
  }, [kind])

  // The old points stay, scaled to the new range, until those of the new range are here.
  useEffect(() => draw.current(), [picture, view])

  const made = madeText(lines)
  const isEmpty = lines.every(({ series }) => series.columns.length === 0)
  return (
    <figure class="chart" id={`explore-${metric}`}>
      <figcaption>
        <h2>{metric}</h2>
        {rest > 0 ? <span class="quiet">{says.rest(count(rest), rest)}</span> : null}
      </figcaption>
      <div
        class="plot"
        ref={place}
        role="img"
        title={words.device.dragHint}
        aria-label={words.device.chartLabel(metric, range)}
        aria-description={says.seeTable}
      />
      {isEmpty ? <p class="no-points">{words.device.noPoints}</p> : null}
      {made === '' ? null : (
        <p class="made" title={made}>
          {made}
        </p>
      )}
      <FiguresTable picture={picture} figures={figures} pointed={pointed} nameOf={props.nameOf} />
    </figure>
  )
}

/** While the live view is lost, time stands still. */
function spanNow(view: View): Span {
  return spanOf(view, now.peek() > hubNow() - 1_500 ? hubNow() : now.peek())
}

/** What all lines together were made from. */
function madeText(lines: readonly Line[]): string {
  const series = lines.map((line) => line.series)
  const thinned = series.reduce((sum, one) => sum + (one.thinnedFrom ?? 0), 0)
  const spans = new Map(series.flatMap(({ coarse }) => coarse).map((span) => [JSON.stringify(span), span]))
  return madeOf({
    tiers: (['raw', 'minute', 'hour', 'day'] as const).filter((tier) => series.some(({ tiers }) => tiers.includes(tier))),
    coarse: [...spans.values()],
    thinnedFrom: thinned === 0 ? null : thinned,
  })
}
