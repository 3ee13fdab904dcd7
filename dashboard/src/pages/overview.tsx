// Overview: how the fleet stands, in one sentence, four figures and what needs attention.
import { useComputed, useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { loadEvents, loadFailedCommands, loadStale } from '../api/overview.ts'
import { loadHub, Problem } from '../api.ts'
import { type Facts, GrowthWatch } from '../attention.ts'
import { count, rate } from '../format.ts'
import { may } from '../me.ts'
import { AttentionList, useConcerns } from '../parts/attention-list.tsx'
import { FirstMessage } from '../parts/first-message.tsx'
import { ProblemNotice } from '../parts/notice.tsx'
import { Sparkline } from '../parts/sparkline.tsx'
import { Throughput } from '../parts/throughput.tsx'
import { type PulseName, pulseMs, rememberConnected } from '../pulse.ts'
import { epoch, figures, fleet, hubNow, liveState, waitFor, watch } from '../state.ts'
import { words } from '../words.ts'

/** What the live socket does not carry is asked for this often. */
const againMs = 5_000
const freshnessMs = 24 * 3_600_000
const figureNames = ['connected', 'messagesPerSecond', 'lastCommitMs', 'commandsWaiting'] as const satisfies readonly PulseName[]

export type Asked = Pick<Facts, 'stale' | 'freshness' | 'failed' | 'growth'>

export function OverviewPage() {
  const problem = useSignal<Problem | null>(null)
  const tries = useSignal(0)
  const asked = useSignal<Asked | null>(null)
  const growth = useMemo(() => new GrowthWatch(), [])

  useEffect(() => watch([]), [])

  useEffect(() => {
    if (epoch.value === 0) return
    const abort = new AbortController()
    const { signal } = abort
    const read = async (isFirst: boolean) => {
      try {
        const [stale, freshness, failed, hub] = await Promise.all([
          loadStale(signal),
          loadEvents({ kind: 'freshness', fromMs: hubNow() - freshnessMs }, signal),
          loadFailedCommands(signal),
          may('hub') ? loadHub(signal) : null,
          isFirst ? fleet.load(signal) : null,
        ])
        if (hub !== null) figures.value ??= hub.figures
        asked.value = { stale, freshness, failed, growth: hub === null ? [] : growth.onReading(hub, hubNow()) }
        problem.value = null
        if (isFirst) {
          const fromMs = hubNow() - pulseMs
          rememberConnected(await loadEvents({ kind: 'presence', fromMs }, signal), fleet.connected.peek(), fromMs)
        }
      } catch (error) {
        if (error instanceof Problem) problem.value = error
      }
    }
    waitFor(read(true))
    const timer = setInterval(() => {
      if (liveState.peek().is === 'live' && !document.hidden) read(false)
    }, againMs)
    return () => {
      clearInterval(timer)
      abort.abort()
    }
  }, [epoch.value, tries.value])

  const concerns = useConcerns(asked)
  const known = fleet.total.value
  return (
    <div class="overview">
      <div class="head">
        <h1>{words.overview.title}</h1>
        <Health concerns={concerns} />
      </div>
      {problem.value === null ? null : <ProblemNotice problem={problem.value} again={() => tries.value++} />}
      {known === 0 && problem.value === null ? (
        <FirstMessage />
      ) : (
        <>
          <dl class="pulse" aria-label={words.overview.figures.label}>
            {figureNames.map((name) => (
              <Figure key={name} name={name} />
            ))}
          </dl>
          <AttentionList concerns={concerns} />
          <Throughput />
        </>
      )}
    </div>
  )
}

function Health({ concerns }: { concerns: ReturnType<typeof useConcerns> }) {
  const online = useComputed(() => {
    const known = fleet.total.value
    if (known === null) return words.overview.reading
    if (known === 0) return words.overview.none
    const connected = fleet.whole.value ? fleet.connected.value : (figures.value?.connected ?? fleet.connected.value)
    return words.overview.online(count(connected), known, count(known))
  })
  const needing = useComputed(() => concerns.value?.length ?? 0)
  const text = useComputed(() => words.overview.needing(needing.value, count(needing.value)))
  return (
    <p class="sentence health live">
      {online}{' '}
      {needing.value === 0 ? null : (
        <span class="needing">
          <i class="shape warn" />
          {text}
        </span>
      )}
    </p>
  )
}

function Figure({ name }: { name: (typeof figureNames)[number] }) {
  const [label, unit] = words.overview.figures[name]
  const text = useComputed(() => {
    const now = figures.value
    if (now === null) return '–'
    return name === 'connected' || name === 'commandsWaiting' ? count(now[name]) : rate(now[name])
  })
  return (
    <div>
      <dt>{label}</dt>
      <dd class="live">
        {text}
        {unit === '' ? null : <span class="unit"> {unit}</span>}
      </dd>
      <dd class="picture">
        <Sparkline name={name} />
      </dd>
    </div>
  )
}
