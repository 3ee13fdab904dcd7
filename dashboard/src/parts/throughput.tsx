// Messages of the whole fleet, a live chart of what this page has heard.
import { useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { Problem } from '../api.ts'
import type { Series } from '../history.ts'
import { beats, pulse } from '../pulse.ts'
import type { View } from '../range.ts'
import { waitFor } from '../state.ts'
import { words } from '../words.ts'
import { Chart, drawCharts } from './chart.tsx'
import { ProblemNotice } from './notice.tsx'
import { loadPlot, uPlot } from './uplot.ts'

const range = '5m'
const view: View = { is: 'live', name: range }

export function Throughput() {
  const problem = useSignal<Problem | null>(null)
  const tries = useSignal(0)
  const series = useMemo<Series>(
    () => ({
      metric: words.overview.throughput,
      columns: pulse.messagesPerSecond,
      thinnedFrom: null,
      tiers: [],
      coarse: [],
      columnMs: () => 0,
      liveMs: null, // the pulse trims itself
    }),
    [],
  )
  useEffect(() => {
    waitFor(loadPlot()).then(
      () => {
        problem.value = null
      },
      (error: unknown) => {
        if (error instanceof Problem) problem.value = error
      },
    )
  }, [tries.value])
  useEffect(() => beats.subscribe(drawCharts), [])
  return (
    <section class="throughput" aria-label={words.overview.throughput}>
      {problem.value === null ? null : <ProblemNotice problem={problem.value} again={() => tries.value++} />}
      {uPlot.value === null ? (
        <div class="plot-place" />
      ) : (
        <Chart series={series} boolean={false} floor={0} view={view} range={words.device.last(words.device.ranges[range])} />
      )}
      <p class="quiet">{words.overview.sinceOpened(words.device.ranges[range])}</p>
    </section>
  )
}
