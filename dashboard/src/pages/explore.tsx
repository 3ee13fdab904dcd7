// Devices and metrics side by side: the whole choice is the address, each metric a picture, its figures below it.
import { useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { isDrawn, loadSelected, type Selected } from '../api/explore.ts'
import { Problem } from '../api.ts'
import { bucketFor, type Choice, choiceOf, choosesDevices, queryFor } from '../explore.ts'
import { count, dateTime } from '../format.ts'
import { How, lengthText } from '../parts/explore/how.tsx'
import { Frames, Pictures } from '../parts/explore/pictures.tsx'
import { ReadyChoices, ReadyMetrics } from '../parts/explore/ready.tsx'
import { Who } from '../parts/explore/who.tsx'
import { ProblemNotice } from '../parts/notice.tsx'
import { plotPadding } from '../parts/plot.ts'
import { RangeBar, Trail } from '../parts/range-bar.tsx'
import { spanOf, type View, viewOf } from '../range.ts'
import { query, replaceQuery } from '../router.ts'
import { epoch, fleet, hubNow, stale, waitFor } from '../state.ts'
import { exploreWords } from '../words/explore.ts'
import { words } from '../words.ts'

const says = exploreWords

export function ExplorePage() {
  const text = query.value.toString()
  const choice = useMemo(() => choiceOf(query.value), [text])
  const view = useMemo(() => viewOf(query.value), [text])
  const trail = useMemo(() => new Trail(), [])
  const selected = useSignal<{ readonly key: string; readonly found: Selected } | null>(null)
  const problem = useSignal<Problem | null>(null)
  const tries = useSignal(0)
  const who = JSON.stringify([choice.devices, choice.type, choice.tags, choice.group])

  useEffect(() => {
    if (epoch.value === 0) return
    const abort = new AbortController()
    const onProblem = (error: unknown) => {
      if (error instanceof Problem && !stale.peek()) problem.value = error
    }
    waitFor(fleet.load(abort.signal)).catch(onProblem)
    return () => abort.abort()
  }, [epoch.value, tries.value])

  useEffect(() => {
    if (epoch.value === 0 || !choosesDevices(choice)) return
    const abort = new AbortController()
    waitFor(loadSelected(choice, abort.signal)).then(
      (found) => {
        problem.value = null
        selected.value = { key: who, found }
      },
      (error) => {
        if (error instanceof Problem && !stale.peek()) problem.value = error
      },
    )
    return () => abort.abort()
  }, [who, epoch.value, tries.value])

  const found = selected.value?.key === who ? selected.value.found : null
  const metrics = useMemo(() => metricsOf(found), [found])
  const choose = (change: Partial<Choice>) => replaceQuery(queryFor({ ...choiceOf(query.peek()), ...change }, query.peek()))
  const { fromMs, toMs } = spanOf(view, hubNow())
  const every = bucketFor(choice.every, toMs - fromMs, innerWidth - plotPadding)
  const range = rangeText(view)
  const isSummed = choice.aggregate !== ''
  return (
    <div class="explore">
      <div class="head">
        <h1>{says.title}</h1>
        {found === null || choice.metrics.length === 0 ? null : (
          <p class="sentence">{says.sentence(found.total, count(found.total), choice.metrics.length, range)}</p>
        )}
      </div>
      <Who choice={choice} metrics={metrics} onChoose={choose} />
      {choosesDevices(choice) && choice.metrics.length > 0 ? (
        <div class="line">
          <How choice={choice} every={every} onChoose={choose} />
          <RangeBar view={view} trail={trail} />
        </div>
      ) : null}
      {isSummed && choice.every !== '' && choice.every !== every ? (
        <p class="quiet">{says.every.tooFine(lengthText(choice.every), lengthText(every))}</p>
      ) : null}
      {problem.value === null ? null : <ProblemNotice problem={problem.value} again={() => tries.value++} />}
      {!choosesDevices(choice) ? (
        <ReadyChoices />
      ) : found === null ? (
        <Frames metrics={choice.metrics} />
      ) : found.total === 0 ? (
        <p class="empty">{says.empty.nobody}</p>
      ) : choice.metrics.length === 0 ? (
        <ReadyMetrics choice={choice} metrics={metrics} />
      ) : (
        <Pictures choice={choice} found={found} every={every} view={view} range={range} trail={trail} />
      )}
    </div>
  )
}

function rangeText(view: View): string {
  const { device } = words
  return view.is === 'live' ? device.last(device.ranges[view.name]) : device.span(dateTime(view.fromMs), dateTime(view.toMs))
}

/** Of the devices that have numbers, in the order of the alphabet. */
function metricsOf(found: Selected | null): ReadonlyMap<string, number> {
  const metrics = new Map<string, number>()
  for (const { latest } of found?.devices ?? [])
    for (const [metric, { value }] of Object.entries(latest)) if (isDrawn(value)) metrics.set(metric, (metrics.get(metric) ?? 0) + 1)
  return new Map([...metrics].sort(([a], [b]) => (a < b ? -1 : 1)))
}
