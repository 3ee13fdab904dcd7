// The charts of one device: one time range for all of them, history first, then live.
import { useSignal } from '@preact/signals'
import { useEffect, useMemo, useState } from 'preact/hooks'
import { Problem } from '../api.ts'
import type { Entry } from '../fleet.ts'
import { count } from '../format.ts'
import { History } from '../history.ts'
import { query, setQuery } from '../router.ts'
import { epoch, hubNow, now, onChanges, stale, waitFor } from '../state.ts'
import { words } from '../words.ts'
import { Chart, chartHeight, drawCharts } from './chart.tsx'
import { ProblemNotice } from './notice.tsx'

type RangeName = keyof typeof words.device.ranges

const minuteMs = 60_000
const rangeMs = { '5m': 5 * minuteMs, '1h': 60 * minuteMs, '24h': 24 * 60 * minuteMs, '7d': 7 * 24 * 60 * minuteMs }
const rangeNames = Object.keys(rangeMs) as RangeName[]
/** A device may have a thousand metrics; nobody reads a thousand charts, and each asks the hub for its history. */
const chartsAtFirst = 24
const pointsMax = 1_600

export function Charts({ entry, metrics }: { entry: Entry; metrics: readonly string[] }) {
  const asked = query.value.get('range')
  const range = rangeNames.find((name) => name === asked) ?? '5m'
  const [shownMax, setShownMax] = useState(chartsAtFirst)
  const tries = useSignal(0)
  const shown = metrics.slice(0, shownMax)
  const history = useMemo(() => new History(entry.id, () => tries.value++), [entry])

  useEffect(() => {
    if (epoch.value === 0) return
    const abort = new AbortController()
    const ask = { metrics: shown, fromMs: hubNow() - rangeMs[range], points: Math.min(pointsMax, innerWidth * 2) }
    const read = async () => {
      try {
        await waitFor(history.load(ask, abort.signal))
        drawCharts()
        await history.readAgain(ask, abort.signal)
        drawCharts()
      } catch (error) {
        // Charts that are there stay, and the band above says why they stand still.
        if (error instanceof Problem && history.series.peek() === null) history.problem.value = error
      }
    }
    read()
    return () => abort.abort()
  }, [history, epoch.value, tries.value, range, shown.join('\n')])

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

  const series = history.series.value
  return (
    <section class="charts">
      <div class="line">
        <h2>{words.device.charts}</h2>
        <Ranges chosen={range} />
      </div>
      {history.problem.value === null ? null : <ProblemNotice problem={history.problem.value} again={() => tries.value++} />}
      <div class="grid">
        {series === null
          ? shown.map((metric) => <div class="chart" key={metric} style={{ height: chartHeight + 24 }} />)
          : series.map((one) => (
              <Chart
                key={one.metric}
                series={one}
                boolean={typeof entry.latest.get(one.metric)?.peek().value === 'boolean'}
                rangeMs={rangeMs[range]}
                rangeName={words.device.ranges[range]}
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

function Ranges({ chosen }: { chosen: RangeName }) {
  return (
    <fieldset class="choice">
      <legend class="hidden">{words.device.range}</legend>
      {rangeNames.map((name) => (
        <button key={name} type="button" aria-pressed={name === chosen} onClick={() => setQuery('range', name === '5m' ? '' : name)}>
          {words.device.ranges[name]}
        </button>
      ))}
    </fieldset>
  )
}
