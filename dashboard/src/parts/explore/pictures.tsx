// The pictures of a choice: read from the hub, then live, with their files to take away.
import { useSignal } from '@preact/signals'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import type { Selected } from '../../api/explore.ts'
import { Problem } from '../../api.ts'
import { type Choice, lengthMs, linesMax } from '../../explore.ts'
import { type Line, Lines } from '../../explore-lines.ts'
import { spanOf, still, type View } from '../../range.ts'
import { epoch, hubNow, liveState, now, onChanges, stale, waitFor, watch } from '../../state.ts'
import { exploreWords } from '../../words/explore.ts'
import { drawCharts } from '../chart.tsx'
import { ProblemNotice } from '../notice.tsx'
import { plotPadding } from '../plot.ts'
import type { Trail } from '../range-bar.tsx'
import { loadPlot, uPlot } from '../uplot.ts'
import { beforeText } from './how.tsx'
import { LineChart, type LineName } from './line-chart.tsx'
import { TakeAway } from './take-away.tsx'

const says = exploreWords
const pointsMax = 4_000
const pointsMin = 100
/** The hub writes its series after the commit: the first answer may lack what had gone by live before. */
const againFirstMs = 1_500
const againMinMs = 5_000
const againMaxMs = 60_000
/** A picture that ends now is read again when it would have moved by so much. */
const againShare = 200

interface PicturesProps {
  readonly choice: Choice
  readonly found: Selected
  readonly every: string
  readonly view: View
  readonly range: string
  readonly trail: Trail
}

export function Pictures({ choice, found, every, view, range, trail }: PicturesProps) {
  const lines = useMemo(() => new Lines(), [])
  const problem = useSignal<Problem | null>(null)
  const tries = useSignal(0)
  const grid = useRef<HTMLDivElement>(null)
  const devices = devicesDrawn(choice, found)
  const key = JSON.stringify([choice, devices, every])

  // Before anything is read: what happens from here on comes by the socket.
  useEffect(() => {
    watch(devices)
    return () => watch([])
  }, [devices.join('\n')])

  useEffect(() => {
    if (epoch.value === 0) return
    const abort = new AbortController()
    let timer = 0
    const rest = choice.by === '' ? Math.max(0, found.total - devices.length - withoutMetrics(choice, found)) : 0
    const read = async () => {
      const ask = { choice, devices, rest, every, ...spanOf(view, hubNow()), live: view.is === 'live', points: pointsFor(grid.current) }
      try {
        await loadPlot()
        await lines.load(ask, abort.signal)
        problem.value = null
      } catch (error) {
        // What is there stays. While the live view is lost, the band above says why it stands still.
        if (error instanceof Problem && !(stale.peek() && lines.pictures.peek() !== null)) problem.value = error
      }
    }
    const later = (ms: number) => {
      if (view.is !== 'live' || abort.signal.aborted) return
      timer = window.setTimeout(async () => {
        if (!document.hidden && liveState.peek().is === 'live') await read()
        later(againMs(view, choice.aggregate === '' ? '' : every))
      }, ms)
    }
    waitFor(read()).then(() => later(againFirstMs))
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [key, view, epoch.value, tries.value])

  useEffect(() => {
    const stopChanges = onChanges((changes) => {
      let changed = false
      for (const [i, id] of changes.devices.entries())
        if (lines.onChange(id, changes.metrics[i]!, changes.times[i]!, changes.values[i]!)) changed = true
      if (changed) drawCharts()
    })
    const stopClock = now.subscribe(() => {
      if (!stale.peek()) drawCharts()
    })
    return () => {
      stopChanges()
      stopClock()
    }
  }, [lines])

  const nameOf = (line: Line): LineName => ({
    of: line.isDevice ? line.key : groupName(choice.by, line.key),
    when: line.earlier ? says.before.earlier(beforeText(choice.before)) : '',
  })
  const pictures = lines.pictures.value
  const again = () => (uPlot.peek() === null ? location.reload() : tries.value++)
  const isDrawable = pictures !== null && uPlot.value !== null
  return (
    <>
      {problem.value === null ? null : <ProblemNotice problem={problem.value} again={again} />}
      <div ref={grid}>
        {isDrawable ? (
          <div class={gridClass(choice.metrics)}>
            {pictures.map((picture) => (
              <LineChart
                key={picture.metric}
                picture={picture}
                view={view}
                range={range}
                nameOf={nameOf}
                onZoom={(fromMs, toMs) => trail.zoom(still(fromMs, toMs))}
                onBack={() => trail.back()}
              />
            ))}
          </div>
        ) : (
          <Frames metrics={choice.metrics} />
        )}
      </div>
      {isDrawable ? (
        <TakeAway choice={choice} devices={devices} pictures={pictures} nameOf={nameOf} span={() => spanOf(view, hubNow())} />
      ) : null}
    </>
  )
}

/** Where the pictures will be. */
export function Frames({ metrics }: { metrics: readonly string[] }) {
  return (
    <div class={gridClass(metrics)}>
      {metrics.map((metric) => (
        <div class="chart" key={metric}>
          <h2>{metric}</h2>
          <div class="plot" />
        </div>
      ))}
    </div>
  )
}

function gridClass(metrics: readonly string[]): string {
  return metrics.length > 1 ? 'grid' : 'grid single'
}

/** Ids as they were chosen; of conditions the first that have one of the metrics, so that a device has the same colour in every picture. */
function devicesDrawn(choice: Choice, { devices }: Selected): readonly string[] {
  if (choice.by !== '') return []
  if (choice.devices.length > 0) return choice.devices.slice(0, linesMax)
  return devices
    .filter(({ latest }) => choice.metrics.some((metric) => metric in latest))
    .slice(0, linesMax)
    .map(({ id }) => id)
}

function withoutMetrics(choice: Choice, { devices }: Selected): number {
  return choice.devices.length > 0 ? 0 : devices.filter(({ latest }) => !choice.metrics.some((metric) => metric in latest)).length
}

function groupName(by: string, value: string): string {
  if (by === 'metric') return says.by.all
  return value === '' ? says.by.none(by) : value
}

function againMs(view: View, every: string): number {
  const { fromMs, toMs } = spanOf(view, hubNow())
  const wantedMs = every === '' ? (toMs - fromMs) / againShare : lengthMs(every) / 2
  // Points come live; only what they are thinned to is read again.
  return Math.min(againMaxMs, Math.max(every === '' ? againMaxMs / 2 : againMinMs, wantedMs))
}

/** Two for each pixel that points are drawn on: the lowest and the highest. */
function pointsFor(grid: HTMLElement | null): number {
  const width = (grid?.querySelector('.chart')?.clientWidth ?? innerWidth) - plotPadding
  return Math.min(pointsMax, Math.max(pointsMin, Math.round(width * Math.min(devicePixelRatio, 2)) * 2))
}
