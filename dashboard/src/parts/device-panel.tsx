// One device beside the list: how it stands, its newest values, its tags. The list stays where it is.
import { type ReadonlySignal, type Signal, useComputed, useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { type Described, loadDescribed } from '../api/overview.ts'
import { Problem } from '../api.ts'
import type { Entry } from '../fleet.ts'
import { ago, count, dateTime, exactTime } from '../format.ts'
import { devicePath } from '../router.ts'
import { epoch, fleet, liveState, now } from '../state.ts'
import { words } from '../words.ts'
import { Ago, State, sinceAndWhy, Value } from './cells.tsx'
import { ProblemNotice } from './notice.tsx'
import { TagEditor } from './tag-editor.tsx'

/** Whoever runs through the rows with a held key asks for none of them. */
const settleMs = 150
/** What the live socket does not carry is read again this often. */
const againMs = 5_000
/** A device may have a thousand; the panel is for a look. */
const valuesMax = 40
const { panel } = words.overview

export function DevicePanel({ deviceId, onClose }: { deviceId: string; onClose: () => void }) {
  const device = useSignal<Described | null>(null)
  const problem = useSignal<Problem | null>(null)
  const tries = useSignal(0)

  useEffect(() => {
    if (epoch.value === 0) return
    const abort = new AbortController()
    const read = async () => {
      try {
        const found = await loadDescribed(deviceId, abort.signal)
        fleet.take(found)
        device.value = found
        problem.value = null
      } catch (error) {
        if (error instanceof Problem) problem.value = error
      }
    }
    const first = setTimeout(read, settleMs)
    const timer = setInterval(() => {
      if (liveState.peek().is === 'live' && !document.hidden) read()
    }, againMs)
    return () => {
      clearTimeout(first)
      clearInterval(timer)
      abort.abort()
    }
  }, [deviceId, epoch.value, tries.value])

  fleet.version.value
  const entry = fleet.find(deviceId)
  const found = device.value?.id === deviceId ? device.value : null
  return (
    <aside class="panel" aria-label={panel.label(deviceId)}>
      <div class="panel-head">
        <h2>{entry === undefined || entry.name.value === deviceId ? <code>{deviceId}</code> : entry.name}</h2>
        <a class="button" href={devicePath(deviceId)}>
          {panel.open}
        </a>
        <button type="button" onClick={onClose} aria-keyshortcuts="Escape">
          {panel.close}
        </button>
      </div>
      {problem.value === null ? null : <ProblemNotice problem={problem.value} again={() => tries.value++} />}
      {entry === undefined || problem.value?.code === 'device-unknown' ? null : (
        <>
          <About key={`about ${deviceId}`} entry={entry} found={found} />
          <TagEditor key={`tags ${deviceId}`} entry={entry} />
          <Values entry={entry} found={device} />
        </>
      )}
    </aside>
  )
}

function About({ entry, found }: { entry: Entry; found: Described | null }) {
  const since = useComputed(() => sinceAndWhy(entry.presence.value, now.value))
  const at = useComputed(() => (entry.presence.value.since === null ? '' : exactTime(entry.presence.value.since)))
  const wire = useComputed(() => words.transports[entry.presence.value.wire ?? ''] ?? entry.presence.value.wire ?? panel.none)
  const address = useComputed(() => entry.presence.value.address ?? panel.none)
  return (
    <dl class="facts" aria-label={panel.about}>
      <div>
        <dt>{panel.status}</dt>
        <dd>
          <State entry={entry} /> <span title={at}>{since}</span>
        </dd>
      </div>
      {entry.name.value === entry.id ? null : (
        <div>
          <dt>{words.overview.list.columns.id}</dt>
          <dd>
            <code>{entry.id}</code>
          </dd>
        </div>
      )}
      <div>
        <dt>{panel.type}</dt>
        <dd>{entry.type.value ?? panel.none}</dd>
      </div>
      <div>
        <dt>{panel.transport}</dt>
        <dd>{wire}</dd>
      </div>
      <div>
        <dt>{panel.address}</dt>
        <dd>
          <code>{address}</code>
        </dd>
      </div>
      <div>
        <dt>{panel.seen}</dt>
        <dd>
          <Ago at={entry.lastSeenAt} />
        </dd>
      </div>
      <div>
        <dt>{panel.created}</dt>
        <dd>{dateTime(entry.createdAt)}</dd>
      </div>
      {found === null || found.lastRefusal === null ? null : (
        <div class="refused">
          <dt class="hidden">{words.device.refused(ago(found.lastRefusal.at, now.value), found.lastRefusal.topic)}</dt>
          <dd>
            <i class="shape warn" />
            {found.lastRefusal.sentence} <span class="quiet">{ago(found.lastRefusal.at, now.value)}</span>
          </dd>
        </div>
      )}
    </dl>
  )
}

function Values({ entry, found }: { entry: Entry; found: Signal<Described | null> }) {
  const metrics = entry.metrics.value
  if (metrics.length === 0) return <p class="empty">{panel.noValues}</p>
  return (
    <>
      <table class="plain panel-values" aria-label={panel.values}>
        <thead>
          <tr>
            <th scope="col">{panel.columns.metric}</th>
            <th scope="col">{panel.columns.value}</th>
            <th scope="col">{panel.columns.at}</th>
          </tr>
        </thead>
        <tbody>
          {metrics.slice(0, valuesMax).map((metric) => (
            <ValueRow key={`${entry.id} ${metric}`} entry={entry} metric={metric} found={found} />
          ))}
        </tbody>
      </table>
      {metrics.length > valuesMax ? (
        <p class="quiet">
          <a href={devicePath(entry.id)}>{panel.moreValues(count(metrics.length - valuesMax))}</a>
        </p>
      ) : null}
    </>
  )
}

function ValueRow({ entry, metric, found }: { entry: Entry; metric: string; found: ReadonlySignal<Described | null> }) {
  const latest = entry.latest.get(metric)!
  const at = useComputed(() => latest.value.at)
  const isSilent = useComputed(() => found.value?.id === entry.id && found.value.freshness[metric]?.isStale === true)
  return (
    <tr>
      <th scope="row">{metric}</th>
      <td>
        <Value latest={latest} />
      </td>
      <td class="seen">
        {isSilent.value ? (
          <span class="silent">
            <i class="shape warn" />
            {panel.silent}{' '}
          </span>
        ) : null}
        <Ago at={at} />
      </td>
    </tr>
  )
}
