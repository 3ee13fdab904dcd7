// One device: where it stands, its newest values, a live chart for each number.
import { useComputed, useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import { type FoundDevice, loadDevice, Problem } from '../api.ts'
import type { Entry } from '../fleet.ts'
import { ago, count, exactTime } from '../format.ts'
import { toNumber } from '../history.ts'
import { Ago, State, sinceAndWhy, Value } from '../parts/cells.tsx'
import { Charts } from '../parts/charts.tsx'
import { ProblemNotice } from '../parts/notice.tsx'
import { epoch, fleet, liveState, now, waitFor, watch } from '../state.ts'
import { words } from '../words.ts'

/** What the live socket does not carry (the connection, the last refusal) is read again this often. */
const againMs = 5_000

export function DevicePage({ deviceId }: { deviceId: string }) {
  const device = useSignal<FoundDevice | null>(null)
  const problem = useSignal<Problem | null>(null)
  const tries = useSignal(0)
  const connected = useComputed(() => fleet.version.value >= 0 && fleet.find(deviceId)?.connected.value)

  // Before anything is read: what happens from here on comes by the socket.
  useEffect(() => {
    watch([deviceId])
    return () => watch([])
  }, [deviceId])

  useEffect(() => {
    if (epoch.value === 0) return
    const abort = new AbortController()
    const read = async () => {
      try {
        const found = await loadDevice(deviceId, abort.signal)
        fleet.take(found)
        device.value = found
        problem.value = null
      } catch (error) {
        if (error instanceof Problem) problem.value = error
      }
    }
    waitFor(read())
    const timer = setInterval(() => {
      if (liveState.peek().is === 'live' && !document.hidden) read()
    }, againMs)
    return () => {
      clearInterval(timer)
      abort.abort()
    }
  }, [deviceId, epoch.value, tries.value, connected.value])

  const entry = device.value === null ? undefined : fleet.find(deviceId)
  return (
    <>
      <div class="head">
        <h1>{entry === undefined || entry.name.value === deviceId ? <code>{deviceId}</code> : entry.name}</h1>
        {device.value === null || entry === undefined ? null : <StatusLine device={device.value} entry={entry} />}
      </div>
      {problem.value === null ? null : <ProblemNotice problem={problem.value} again={() => tries.value++} />}
      {device.value === null || entry === undefined ? null : (
        <>
          <LastRefusal device={device.value} />
          <Values entry={entry} />
        </>
      )}
    </>
  )
}

function StatusLine({ device, entry }: { device: FoundDevice; entry: Entry }) {
  const { connection } = device
  const since = useComputed(() => sinceAndWhy(entry.presence.value, now.value))
  const title = useComputed(() => (entry.presence.value.since === null ? '' : exactTime(entry.presence.value.since)))
  return (
    <p class="sentence parts">
      <span>
        <State entry={entry} /> <span title={title}>{since}</span>
      </span>
      {connection === null ? null : (
        <>
          <span>{words.transports[connection.transport] ?? connection.transport}</span>
          <code>{connection.address}</code>
          {connection.clientId === device.id ? null : <span>{words.device.client(connection.clientId)}</span>}
        </>
      )}
      <LastSeen entry={entry} />
      {entry.name.value === device.id ? null : <code>{device.id}</code>}
    </p>
  )
}

function LastSeen({ entry }: { entry: Entry }) {
  const text = useComputed(() => {
    const at = entry.lastSeenAt.value
    return at === null ? words.device.neverSeen : words.device.lastSeen(ago(at, now.value))
  })
  const title = useComputed(() => (entry.lastSeenAt.value === null ? '' : exactTime(entry.lastSeenAt.value)))
  return <span title={title}>{text}</span>
}

function LastRefusal({ device }: { device: FoundDevice }) {
  if (device.lastRefusal === null) return null
  const { at, topic, sentence } = device.lastRefusal
  return (
    <div class="refusal">
      <i class="shape warn" />
      <p>
        <b>{sentence}</b> <span class="quiet">{words.device.refused(ago(at, now.value), topic)}</span>
      </p>
    </div>
  )
}

function Values({ entry }: { entry: Entry }) {
  const metrics = entry.metrics.value
  const charted = useMemo(() => metrics.filter((metric) => toNumber(entry.latest.get(metric)!.peek().value) !== null), [metrics])
  const others = metrics.filter((metric) => !charted.includes(metric))
  if (metrics.length === 0) return <p class="empty">{words.device.noValues}</p>
  return (
    <>
      {charted.length === 0 ? null : (
        <section aria-label={words.device.latest}>
          <dl class="figures">
            {charted.map((metric) => (
              <div key={metric}>
                <dt title={metric}>{metric}</dt>
                <dd>
                  <Value latest={entry.latest.get(metric)!} />
                </dd>
              </div>
            ))}
          </dl>
        </section>
      )}
      {charted.length === 0 ? null : <Charts entry={entry} metrics={charted} />}
      {others.length === 0 ? null : <Others entry={entry} metrics={others} />}
    </>
  )
}

function Others({ entry, metrics }: { entry: Entry; metrics: readonly string[] }) {
  const { columns } = words.device
  return (
    <section>
      <h2>
        {words.device.others} <span class="quiet">{count(metrics.length)}</span>
      </h2>
      <table class="plain others">
        <thead>
          <tr>
            <th scope="col">{columns.metric}</th>
            <th scope="col">{columns.value}</th>
            <th scope="col">{columns.at}</th>
          </tr>
        </thead>
        <tbody>
          {metrics.map((metric) => (
            <Other key={metric} metric={metric} entry={entry} />
          ))}
        </tbody>
      </table>
    </section>
  )
}

function Other({ metric, entry }: { metric: string; entry: Entry }) {
  const latest = entry.latest.get(metric)!
  const at = useComputed(() => latest.value.at)
  return (
    <tr>
      <th scope="row">{metric}</th>
      <td>
        <Value latest={latest} />
      </td>
      <td class="seen">
        <Ago at={at} />
      </td>
    </tr>
  )
}
