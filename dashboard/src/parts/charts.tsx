// The charts of one device: one time range for all of them, history first, then live.
import { useSignal } from '@preact/signals'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { Problem } from '../api.ts'
import type { Entry } from '../fleet.ts'
import { count, dateTime } from '../format.ts'
import { History } from '../history.ts'
import { spanOf, still, viewOf } from '../range.ts'
import { query } from '../router.ts'
import { epoch, hubNow, now, onChanges, stale, waitFor } from '../state.ts'
import { words } from '../words.ts'
import { Chart, drawCharts } from './chart.tsx'
import { ProblemNotice } from './notice.tsx'
import { chartHeight, plotPadding } from './plot.ts'
import { RangeBar, Trail } from './range-bar.tsx'
import { loadPlot, uPlot } from './uplot.ts'

/** A device may have a thousand metrics; nobody reads a thousand charts, and each asks the hub for its history. */
const chartsAtFirst = 24
const pointsMax = 4_000
const pointsMin = 100
const captionsHeight = 46

export function Charts({ entry, metrics }: { entry: Entry; metrics: readonly string[] }) {
  const text = query.value.toString()
  const view = useMemo(() => viewOf(query.value), [text])
  const trail = useMemo(() => new Trail(), [entry])
  const [shownMax, setShownMax] = useState(chartsAtFirst)
  const tries = useSignal(0)
  const grid = useRef<HTMLDivElement>(null)
  const shown = metrics.slice(0, shownMax)
  const history = useMemo(() => new History(entry.id, () => tries.value++), [entry])

  useEffect(() => {
    if (epoch.value === 0) return
    const abort = new AbortController()
    const ask = { metrics: shown, ...spanOf(view, hubNow()), live: view.is === 'live', points: pointsFor(grid.current) }
    const read = async () => {
      try {
        await waitFor(loadPlot())
        await waitFor(history.load(ask, abort.signal))
        if (!ask.live) return
        await history.readAgain(ask, abort.signal)
        drawCharts()
      } catch (error) {
        // Charts that are there stay. While the live view is lost, the band above says why they stand still.
        if (error instanceof Problem && !(stale.peek() && history.series.peek() !== null)) history.problem.value = error
      }
    }
    read()
    return () => abort.abort()
  }, [history, epoch.value, tries.value, view, shown.join('\n')])

  useEffect(() => {
    const stopChanges = onChanges(({ devices, metrics, times, values }) => {
      let changed = false
      for (const [i, id] of devices.entries()) {
        if (id === entry.id && history.onChange(metrics[i]!, times[i]!, values[i]!)) changed = true
      }
      if (changed) drawCharts()
    })
    const stopClock = now.subscribe(() => {
      if (!stale.peek()) drawCharts() // time goes on even when the device is silent
    })
    return () => {
      stopChanges()
      stopClock()
    }
  }, [history])

  // A browser does not fetch again a module that failed to come; a page that begins anew does.
  const again = () => (uPlot.peek() === null ? location.reload() : tries.value++)
  const series = history.series.value
  const range =
    view.is === 'live' ? words.device.last(words.device.ranges[view.name]) : words.device.span(dateTime(view.fromMs), dateTime(view.toMs))
  return (
    <section class="charts">
      <div class="line">
        <h2>{words.device.charts}</h2>
        <RangeBar view={view} trail={trail} />
      </div>
      {history.problem.value === null ? null : <ProblemNotice problem={history.problem.value} again={again} />}
      <div class="grid" ref={grid}>
        {series === null || uPlot.value === null
          ? shown.map((metric) => <div class="chart" key={metric} style={{ height: `${chartHeight + captionsHeight}px` }} />)
          : series.map((one) => (
              <Chart
                key={one.metric}
                series={one}
                boolean={typeof entry.latest.get(one.metric)?.peek().value === 'boolean'}
                view={view}
                range={range}
                onZoom={(fromMs, toMs) => trail.zoom(still(fromMs, toMs))}
                onBack={() => trail.back()}
              />
            ))}
      </div>
      {metrics.length <= shownMax ? null : (
        <button type="button" onClick={() => setShownMax(shownMax + chartsAtFirst)}>
          {words.device.moreCharts(count(metrics.length - shownMax))}
        </button>
      )}
    </section>
  )
}

/** Two for each pixel that points are drawn on: the lowest and the highest. */
function pointsFor(grid: HTMLElement | null): number {
  const width = (grid?.firstElementChild?.clientWidth ?? innerWidth) - plotPadding
  return Math.min(pointsMax, Math.max(pointsMin, Math.round(width * Math.min(devicePixelRatio, 2)) * 2))
}
